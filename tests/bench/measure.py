"""Latency and throughput of several targets side by side: alternating, in one run, so that their ratios hold."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import aiohttp
import asyncpg
import msgspec

from service.search.compiler import compile_page
from tests.bench import postgres
from tests.bench.workload import Case

ROUNDS = 5
REQUESTS = 12  # of each target in a round
ROUND_SECONDS = 1.5  # after which a slow target ends its round
SLOW_SECONDS, SLOW_ROUNDS = 2.0, 2

Ask = Callable[[Case], Awaitable[None]]


@dataclass(frozen=True)
class Spread:
    """Seconds."""

    median: float
    p99: float
    requests: int


def spread(latencies: Sequence[float]) -> Spread:
    ordered = sorted(latencies)
    return Spread(statistics.median(ordered), ordered[int(len(ordered) * 0.99)], len(ordered))


async def latencies(case: Case, targets: dict[str, Ask]) -> dict[str, Spread]:
    """One client; the targets take turns."""
    found: dict[str, list[float]] = {name: [] for name in targets}
    slowest = 0.0
    for ask in targets.values():
        started = time.perf_counter()
        await ask(case)
        slowest = max(slowest, time.perf_counter() - started)
    for _ in range(ROUNDS if slowest < SLOW_SECONDS else SLOW_ROUNDS):
        for name, ask in targets.items():
            ends = time.perf_counter() + ROUND_SECONDS
            for _ in range(REQUESTS):
                started = time.perf_counter()
                await ask(case)
                now = time.perf_counter()
                found[name].append(now - started)
                if now > ends:
                    break
    return {name: spread(values) for name, values in found.items()}


async def processor_time(
    case: Case, targets: dict[str, Ask], node: Callable[[], Awaitable[float]], *, requests: int = 20
) -> dict[str, float]:
    """Processor seconds a request, of this process and the node; targets take turns. `node`: its total so far."""
    found: dict[str, list[float]] = {name: [] for name in targets}
    for _ in range(SLOW_ROUNDS + 1):
        for name, ask in targets.items():
            began = await node() + time.process_time()
            for _ in range(requests):
                await ask(case)
            own = time.process_time()
            found[name].append((await node() + own - began) / requests)
    return {name: statistics.median(values) for name, values in found.items()}


async def throughput(
    cases: Sequence[Case], targets: dict[str, Ask], *, clients: int, seconds: float
) -> dict[str, float]:
    """Requests a second of the mix; the targets take turns, the median of the rounds counts."""
    found: dict[str, list[float]] = {name: [] for name in targets}
    for _ in range(ROUNDS):
        for name, ask in targets.items():
            found[name].append(await _round(cases, ask, clients=clients, seconds=seconds))
    return {name: statistics.median(rates) for name, rates in found.items()}


async def _round(cases: Sequence[Case], ask: Ask, *, clients: int, seconds: float) -> float:
    started = time.perf_counter()
    done = 0

    async def client(offset: int) -> None:
        nonlocal done
        at = offset * len(cases) // clients
        while time.perf_counter() - started < seconds:
            await ask(cases[at % len(cases)])
            at += 1
            done += 1

    await asyncio.gather(*(client(number) for number in range(clients)))
    return done / (time.perf_counter() - started)


def service(session: aiohttp.ClientSession, address: str, token: str) -> Ask:
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}

    async def ask(case: Case) -> None:
        async with session.get(f"{address}/api/conversations?{case.query_string}", headers=headers) as answer:
            body = await answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{case.name}: {body[:500]!r}")

    return ask


def bare_node(session: aiohttp.ClientSession, url: str, alias: str) -> Ask:
    """The node itself, asked with the body that the service sends; for a deep page, from/size."""
    known: dict[tuple[str, UUID], bytes] = {}

    async def ask(case: Case) -> None:
        key = (case.name, case.organization)
        if key not in known:
            known[key] = msgspec.json.encode({**compile_page(case.query, case.organization), "timeout": "60s"})
        async with session.post(
            f"{url}/{alias}/_search?routing={case.organization}&allow_partial_search_results=false",
            data=known[key],
            headers={"Content-Type": "application/json"},
        ) as answer:
            body = await answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{case.name}: {body[:500]!r}")

    return ask


def postgresql(pool: asyncpg.Pool) -> Ask:
    async def ask(case: Case) -> None:
        page, total, arguments = postgres.statements(case)
        async with pool.acquire() as connection:
            await connection.fetch(page, *arguments)
            await connection.fetchval(total, *arguments)

    return ask
