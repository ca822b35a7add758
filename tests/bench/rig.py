"""What is measured: a node, the service in a process of its own, and loads."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import UUID

import aiohttp
from pydantic import SecretStr

from service import progress
from service.api.auth import Tokens
from service.client import Client, connect
from service.conversation import Conversation
from service.index import loader, mapping, writer
from service.node import LocalNode, prepare
from service.reindex import first_index
from service.settings import Settings
from tests.served import await_address

PLACEHOLDER = "the-alias"


@contextmanager
def served(settings: Settings, url: str, log: Path, **limits: str) -> Iterator[tuple[str, int]]:
    """`conversations serve`; yields its address and process id. Callers have no limit, unless `limits` says so."""
    assert settings.token_secret is not None
    environment = os.environ | {
        "OPENSEARCH_URL": url,
        "CONVERSATIONS_ALIAS": settings.alias,
        "CONVERSATIONS_TOKEN_SECRET": settings.token_secret.get_secret_value(),
        "CONVERSATIONS_LOG_FORMAT": "json",
        "CONVERSATIONS_REQUEST_TIMEOUT": "60",
        "CONVERSATIONS_CALLER_RATE": "0",
        "CONVERSATIONS_ADDRESS_RATE": "0",
        **limits,
    }
    with log.open("wb") as stderr:
        command = [sys.executable, "-m", "service", "serve", "--port", "0"]
        process = subprocess.Popen(command, env=environment, stderr=stderr)
        try:
            yield await_address(process, log), process.pid
        finally:
            process.terminate()
            process.wait()


def own_settings(folder: Path) -> Settings:
    secret = SecretStr(secrets.token_urlsafe(48))
    return Settings.load().but(data=folder / "node", token_secret=secret, node_heap="2g", request_timeout=60.0)


@contextmanager
def own_node(heap: str = "2g") -> Iterator[tuple[Settings, str, Path]]:
    """A node of the benchmark's own: its settings, its URL, and a folder that is removed at the end."""
    with tempfile.TemporaryDirectory() as name:
        settings = own_settings(Path(name)).but(node_heap=heap)
        distribution = prepare(settings.cache, java_home=settings.java_home)
        with LocalNode(settings.data, distribution, heap=settings.node_heap) as node:
            yield settings, node.url, Path(name)


def token(settings: Settings, *organizations: UUID) -> str:
    return Tokens(settings).mint("bench", list(organizations))


@asynccontextmanager
async def client(settings: Settings, url: str) -> AsyncIterator[Client]:
    opened = connect(settings, url, timeout=600)
    try:
        yield opened
    finally:
        await opened.close()


async def load(settings: Settings, url: str, conversations: Iterable[Conversation], total: int) -> None:
    """Loads without measuring, and waits until no merge is under way."""
    async with client(settings, url) as opened:
        await first_index.ensure(opened, settings.alias, mapping.load())
        with progress.track("Loading", total, "conversation") as advance:
            pairs = ((one, one) for one in conversations)
            await loader.load(opened, settings.alias, pairs, reject=_refuse, advance=advance)
        await settle(opened, settings.alias)


async def processor_seconds(opened: Client) -> float:
    """The processor time of the nodes until now. They measure it once a second."""
    await asyncio.sleep(1.1)
    nodes = (await opened.nodes.stats(metric="process"))["nodes"]
    return float(sum(one["process"]["cpu"]["total_in_millis"] for one in nodes.values()) / 1000)


async def settle(opened: Client, alias: str) -> None:
    await opened.indices.refresh(index=alias)
    while await _merging(opened, alias):  # noqa: ASYNC110 (the cluster has no event for this)
        await asyncio.sleep(0.5)


async def _merging(opened: Client, alias: str) -> bool:
    stats = await opened.indices.stats(index=alias, metric="merge")
    return bool(stats["_all"]["primaries"]["merges"]["current"])


def _refuse(_one: object, reason: str) -> None:
    raise SystemExit(f"bench: OpenSearch refused a conversation: {reason}")


async def load_rates(settings: Settings, url: str, conversations: list[Conversation], folder: Path) -> dict[str, float]:
    """Conversations a second: `conversations load` from NDJSON, and a bare loop that sends ready-made bulk bodies."""
    file = folder / "load.ndjson"
    write_lines(file, conversations)
    bodies = bulk_bodies(conversations)
    found: dict[str, list[float]] = {"load": [], "bare": []}
    ways: dict[str, Callable[[str], object]] = {
        "load": lambda alias: load_command(settings, url, alias, file),
        "bare": lambda alias: bare_loop(url, alias, bodies),
    }
    for attempt in range(3):
        for name, way in ways.items():
            alias = f"bench_{name}_{attempt}"
            async with client(settings, url) as opened:
                index, _made = await first_index.ensure(opened, alias, mapping.load())
                started = time.perf_counter()
                await way(alias)  # type: ignore[misc]
                found[name].append(len(conversations) / (time.perf_counter() - started))
                await opened.indices.delete(index=index)
    return {name: sorted(rates)[1] for name, rates in found.items()}


def write_lines(file: Path, conversations: Iterable[Conversation]) -> None:
    file.write_text("".join(f"{one.model_dump_json()}\n" for one in conversations))


def bulk_bodies(conversations: Sequence[Conversation]) -> list[bytes]:
    """The bodies of `_bulk` that a bare loop sends, as large as those of a load."""
    starts = range(0, len(conversations), loader.BATCH_DOCUMENTS)
    batches = (conversations[start : start + loader.BATCH_DOCUMENTS] for start in starts)
    return [b"".join(writer.lines(writer.write_of(one), PLACEHOLDER) for one in batch) for batch in batches]


async def load_command(settings: Settings, url: str, alias: str, file: Path, *options: str) -> None:
    environment = os.environ | {"OPENSEARCH_URL": url, "CONVERSATIONS_ALIAS": alias}
    command = [sys.executable, "-m", "service", "load", *options, str(file)]
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    if await process.wait():
        raise SystemExit("bench: conversations load failed")


async def bare_loop(url: str, alias: str, bodies: list[bytes], writers: int = loader.BATCHES_AT_ONCE) -> None:
    waiting = iter(bodies)
    async with aiohttp.ClientSession() as session:

        async def sender() -> None:
            for body in waiting:
                named = body.replace(PLACEHOLDER.encode(), alias.encode())
                async with session.post(
                    f"{url}/_bulk", data=named, headers={"Content-Type": "application/x-ndjson"}
                ) as answer:
                    await answer.read()

        await asyncio.gather(*(sender() for _ in range(writers)))
        async with session.post(f"{url}/{alias}/_refresh") as answer:
            await answer.read()


async def export_rate(address: str, bearer: str) -> float:
    """Conversations a second that one export over HTTP gives."""
    started, lines, last = time.perf_counter(), 0, b""
    headers = {"Authorization": f"Bearer {bearer}", "Accept-Encoding": "identity"}
    timeout = aiohttp.ClientTimeout(total=3600)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"{address}/api/conversations/export", headers=headers) as answer,
    ):
        async for chunk in answer.content.iter_any():
            lines += chunk.count(b"\n")
            last = (last + chunk)[-100:]
    if b'"complete":true' not in last:
        raise SystemExit("bench: the export broke off")
    return (lines - 1) / (time.perf_counter() - started)


def peak_megabytes(pid: int) -> float:
    """The most memory that the process had resident (proc(5), VmHWM)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0
