"""Measures imports of mail into a local node: from empty, and into an index that holds the same messages already.

.venv/bin/python -m tests.bench.imports MAILBOX...
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
import uuid
from pathlib import Path

from service.client import connect
from service.imports.importer import Importer
from service.index import mapping
from service.node import LocalNode, prepare
from service.reindex import first_index
from service.settings import Settings
from service.sources import mail
from service.sources.facts import Hasher


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
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load().but(alias="bench", data=Path(folder))
        with LocalNode(settings.data, prepare(settings.cache, java_home=settings.java_home)) as node:
            asyncio.run(measure(settings, node.url, sys.argv[1:]))


if __name__ == "__main__":
    main()
