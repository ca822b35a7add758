"""Writes NDJSON to standard output, or to a file that appears only when it is complete."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import IO, cast
from uuid import UUID

from service import progress
from service.client import Client
from service.conversation import Conversation
from service.errors import Misconfigured
from service.files import STANDARD_STREAM, replacing
from service.index import loader
from service.query.conversation_query import ConversationQuery
from service.search.export import export
from service.search.paging.cursors import Cursors
from service.search.searcher import Searcher
from service.settings import Settings
from service.sources.ndjson import export_end_line


async def export_file(
    client: Client, settings: Settings, query: ConversationQuery, organization_uid: UUID, *, file: str, where: bytes
) -> int:
    """Writes all matches and returns their number. The client must decode to SearchAnswer.

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
                sink.write(export_end_line(first.total, organization_uid, where, first.matched))
    finally:
        await searcher.close()
    return first.total


@contextmanager
def _sink(file: str) -> Iterator[IO[bytes]]:
    """Opens the output. The file is replaced when the block succeeds; until then an earlier file stays unchanged."""
    if file == STANDARD_STREAM:
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


def write_ndjson(conversations: Iterable[Conversation], output: str) -> loader.Tally:
    """Writes NDJSON to standard output, or to a file that is replaced when the new one is complete."""
    tally = loader.Tally()

    def write(file: IO[bytes]) -> None:
        for conversation in conversations:
            file.write(conversation.model_dump_json().encode() + b"\n")
            tally.count("written")

    if output == STANDARD_STREAM:
        write(sys.stdout.buffer)
        return tally
    try:
        with replacing(output) as file:
            write(file)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Misconfigured(f"cannot write {output} ({error.strerror}): choose another file with --output") from None
    return tally
