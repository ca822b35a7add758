"""PostgreSQL as a good engineer would set it up for this: a btree per sort, GIN for the subject's words and categories."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from service.conversation import Conversation
from service.query.conditions import OneOf, SearchText
from service.stored_documents import subject_sort_key
from tests.bench.workload import Case

BIN = Path("/usr/lib/postgresql/15/bin")
PORT = 54329
SETTINGS = {
    "listen_addresses": "127.0.0.1", "port": PORT, "unix_socket_directories": "",
    "shared_buffers": "2GB", "work_mem": "64MB", "maintenance_work_mem": "1GB", "effective_cache_size": "6GB",
    "random_page_cost": "1.1", "synchronous_commit": "off", "max_wal_size": "8GB", "jit": "off",
}  # fmt: skip
COLUMNS = (
    "organization_uid", "uid", "channel", "status", "subject", "subject_key", "categories", "sent_at", "is_read",
    "agent_uid", "party_uid", "created_on", "updated_on", "item",
)  # fmt: skip
TABLE = """
CREATE TABLE conversations (
    organization_uid uuid NOT NULL, uid uuid NOT NULL, channel text, status text, subject text,
    subject_key text COLLATE "C", categories text[], sent_at timestamptz, is_read boolean, agent_uid uuid,
    party_uid uuid, created_on timestamptz, updated_on timestamptz NOT NULL, item text NOT NULL,
    words tsvector GENERATED ALWAYS AS (to_tsvector('english', coalesce(subject, ''))) STORED
)"""
INDEXES = (
    *(
        f"CREATE INDEX ON conversations (organization_uid, {key} {order} NULLS LAST, updated_on DESC, uid)"
        for key in ("created_on", "sent_at", "subject_key", "status", "channel")
        for order in ("ASC", "DESC")
    ),
    "CREATE INDEX ON conversations (organization_uid, updated_on DESC, uid)",
    "CREATE INDEX ON conversations (organization_uid, updated_on, uid)",
    "CREATE INDEX ON conversations (organization_uid, is_read, updated_on DESC, uid)",
    "CREATE INDEX ON conversations (organization_uid, agent_uid, updated_on DESC, uid)",
    "CREATE INDEX ON conversations (organization_uid, party_uid, updated_on DESC, uid)",
    "CREATE INDEX ON conversations USING gin (words)",
    "CREATE INDEX ON conversations USING gin (categories)",
)


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """A server of its own in `folder`; yields its address. It runs as `postgres` where this process is root."""
    if not (BIN / "initdb").exists():
        raise SystemExit("bench: needs PostgreSQL 15: apt-get install postgresql")
    prefix: list[str] = []
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        prefix = ["runuser", "-u", "postgres", "--"]
        folder.mkdir(parents=True)
        os.chown(folder, user.pw_uid, user.pw_gid)
    data, log = folder / "data", folder / "log"
    run = [
        *prefix,
        str(BIN / "initdb"),
        "-D",
        str(data),
        "-A",
        "trust",
        "-U",
        "bench",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
    ]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    options = " ".join(f"-c {name}='{value}'" for name, value in SETTINGS.items())
    control = [*prefix, str(BIN / "pg_ctl"), "-D", str(data), "-w"]
    subprocess.run([*control, "-l", str(log), "-o", options, "start"], check=True, stdout=subprocess.DEVNULL)
    try:
        yield f"postgresql://bench@127.0.0.1:{PORT}/postgres"
    finally:
        subprocess.run([*control, "-m", "fast", "stop"], check=False, stdout=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)


async def fill(url: str, conversations: Iterable[Conversation]) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(TABLE)
        rows: list[tuple[Any, ...]] = []
        for one in conversations:
            rows.append(_row(one))
            if len(rows) == 10_000:
                await connection.copy_records_to_table("conversations", records=rows, columns=COLUMNS)
                rows.clear()
        await connection.copy_records_to_table("conversations", records=rows, columns=COLUMNS)
        for index in INDEXES:
            await connection.execute(index, timeout=1800)
        await connection.execute("VACUUM ANALYZE conversations", timeout=1800)
    finally:
        await connection.close()


def _row(one: Conversation) -> tuple[Any, ...]:
    key = None if one.subject is None else subject_sort_key(one.subject)
    return (
        one.organization_uid, one.uid, one.channel, one.status, one.subject, key, one.categories, one.sent_at,
        one.is_read, one.agent_uid, one.party_uid, one.created_on, one.updated_on, one.model_dump_json(),
    )  # fmt: skip


def statements(case: Case) -> tuple[str, str, list[Any]]:
    """The page, its exact total, and the arguments of both."""
    query, arguments, where = case.query, [case.organization], ["organization_uid = $1"]

    def add(condition: str, value: Any) -> None:
        arguments.append(value)
        where.append(condition.format(f"${len(arguments)}"))

    for node in query.where:
        match node:
            case SearchText(text):
                add("words @@ plainto_tsquery('english', {})", text)
            case OneOf("category", values):
                add("categories && {}", list(values))
            case OneOf(field, values):
                add(f"{field} = ANY({{}})", list(values))
            case _:
                raise ValueError(f"no statement for {node}")
    condition = " AND ".join(where)
    key = "subject_key" if query.sort.field == "subject" else query.sort.field
    order = f"{key} {'DESC' if query.sort.descending else 'ASC'} NULLS LAST"
    if key == "updated_on":
        order = order.removesuffix(" NULLS LAST")
    ties = "uid" if key == "updated_on" else "updated_on DESC, uid"
    page = f"SELECT item FROM conversations WHERE {condition} ORDER BY {order}, {ties} LIMIT {query.per_page} OFFSET {query.offset}"  # noqa: S608
    return page, f"SELECT count(*) FROM conversations WHERE {condition}", arguments  # noqa: S608
