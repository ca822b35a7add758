"""An export into a file that appears only when it is whole, or to standard output."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import IO, cast
from uuid import UUID

from service import progress
from service.client import Client
from service.errors import Misconfigured
from service.files import replacing
from service.query.conversation_query import ConversationQuery
from service.search.export import export
from service.search.paging.cursors import Cursors
from service.search.searcher import Searcher
from service.settings import Settings
from service.sources.ndjson import export_end_line

STANDARD_OUTPUT = "-"


async def export_file(
    client: Client, settings: Settings, query: ConversationQuery, organization_uid: UUID, *, file: str, where: bytes
) -> int:
    """Writes everything that matches and returns how many that were. The client must decode to SearchAnswer.

    `where` is the query string of the filters, which the last line repeats.
    """
    searcher = Searcher(client, settings.alias, deadline=settings.request_timeout, cursors=Cursors(b""))
    try:
        async with aclosing(export(searcher, query, organization_uid)) as batches:
            first = await anext(batches)
            with _sink(file) as sink, progress.track("Exporting", first.total, "conversation") as advance:

                def write(items: tuple[bytes, ...]) -> None:
                    sink.writelines(b"%s\n" % item for item in items)
                    advance(len(items))

                write(first.items)
                async for batch in batches:
                    write(batch.items)
                sink.write(export_end_line(first.total, organization_uid, where))
    finally:
        await searcher.close()
    return first.total


@contextmanager
def _sink(file: str) -> Iterator[IO[bytes]]:
    """What is written becomes the file when the block ends well; until then an earlier file stays as it is."""
    if file == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    try:
        with replacing(path) as raw:
            if path.suffix == ".gz":
                with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=1) as packed:
                    yield cast(IO[bytes], packed)
            else:
                yield raw
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Misconfigured(f"cannot write {path} ({error.strerror}): choose another file") from None
