"""Measures imports of mail into a local node: into an empty index, and into one that has the same messages already.

`python -m tests.bench.imports MAILBOX...`
"""

from __future__ import annotations

import asyncio
import resource
import time
import uuid

from service.client import connect
from service.imports.importer import Importer
from service.index import mapping
from service.reindex import first_index
from service.settings import Settings
from service.sources import mail
from service.sources.facts import Hasher
from tests.bench import rig
from tests.program_options import Parser


async def measure(settings: Settings, url: str, paths: list[str]) -> None:
    client = connect(settings, url)
    try:
        await first_index.ensure(client, settings.alias, mapping.load(), settings={})
        kind = mail.Mail(Hasher(uuid.uuid4()), mail.Own(), mail.Rules())
        for name in ("from empty", "again"):
            counts = mail.Counts()
            began, cpu = time.perf_counter(), time.process_time()
            with mail.spool(kind) as spool:
                spool.fill(*mail.read(paths, kind, reject=lambda *_what: None, counts=counts))
                importer = Importer(
                    client, settings.alias, kind.hasher.organization_uid, kind, reject=lambda _pieces, _why: None
                )
                outcome = await importer.run(spool.conversations)
            elapsed, cpu = time.perf_counter() - began, time.process_time() - cpu
            print(
                f"{name}: {counts.read:,} messages, {outcome.tally.written:,} conversations written; "
                f"{counts.read / elapsed:,.0f} messages/s, {counts.read / cpu:,.0f} a core of the importer, "
                f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB"
            )
    finally:
        await client.close()


def main() -> None:
    parser = Parser(prog="python -m tests.bench.imports", description=__doc__)
    parser.add_argument("mailboxes", nargs="+", metavar="MAILBOX", help="an mbox file or a folder of messages")
    options = parser.parse_args()
    with rig.own_node(heap="1g") as (settings, url, _folder):
        asyncio.run(measure(settings, url, options.mailboxes))


if __name__ == "__main__":
    main()
