"""Every write ends as written, unchanged or rejected, whatever fails on the way, and only a bad document is rejected.

`Store` is a model of the protocol that the writer relies on: versions, items, requests that fail with or without
having been executed. It says nothing about what OpenSearch does; tests/node/test_writer.py asks a real node.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opensearchpy.exceptions import HTTP_EXCEPTIONS, ConnectionTimeout, TransportError
from opensearchpy.exceptions import ConnectionError as Unreachable

from service.client import Client
from service.errors import CircuitOpen, PushedBack, WriteFailed
from service.index.write_check import PROBE
from service.index.write_targets import own_alias, writes_alias
from service.index.writer import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Result, Write, Writer
from tests.examples import examples
from tests.virtual_time import run

ALIAS, READ, OTHER = "c", "c-1", "c-2"
LEASE, PATIENCE = 30.0, 300.0
SECONDS = 0.01  # of a request that does not fail
Item = dict[str, Any]


def refused(status: int, kind: str) -> Callable[[], Exception]:
    return lambda: HTTP_EXCEPTIONS.get(status, TransportError)(
        status, kind, {"error": {"type": kind}, "status": status}
    )


def _connector() -> Unreachable:
    key = cast(Any, SimpleNamespace(host="h", port=1, ssl=True))
    return Unreachable("N/A", "refused", aiohttp.ClientConnectorError(key, OSError("refused")))


def _dead() -> Unreachable:
    opened = CircuitOpen("none of the 3 nodes of OpenSearch answers: try again shortly")
    return Unreachable("N/A", str(opened), opened)


BUSY: dict[str, Callable[[], Exception]] = {
    "429": refused(429, "rejected_execution_exception"),
    "502": refused(502, "unknown"),
    "503": refused(503, "unavailable_shards_exception"),
    "memory": refused(429, "circuit_breaking_exception"),
    "no connection": _connector,
    "dead": _dead,
}
"""Failures of a request that was not executed, which say nothing about its documents."""
UNKNOWN: dict[str, Callable[[], Exception]] = {
    "timeout": lambda: ConnectionTimeout("TIMEOUT", "timeout", TimeoutError()),
    "lost": lambda: Unreachable("N/A", "lost", aiohttp.ServerDisconnectedError()),
}
"""Failures of a request of which nobody knows how much of it was executed."""
ANSWERED: dict[str, Callable[[], Exception]] = {
    "400": refused(400, "illegal_argument_exception"),
    "500": refused(500, "stack_overflow_error"),
    "413": refused(413, "unknown"),
}
"""Failures by which a document can bring down its whole request, besides the unknown ones."""
KINDS = {**BUSY, **UNKNOWN, **ANSWERED}
ITEMS = {
    "429": (429, "rejected_execution_exception"),
    "503": (503, "unavailable_shards_exception"),
    "shard": (404, "shard_not_found_exception"),
    "gone": (404, "index_not_found_exception"),
}


@dataclass
class Store:
    """Stands in for the client: indices that keep the newest version of each document, and fail as drawn.

    `faults` are used up, one a request: None for none, the name of a failure with how many documents are stored before
    it, or the items that fail. `poison` is the id of a document that fails its request as `poison_kind`. `refreshes` are
    the intervals after which searches find what was written to an index, as its settings say, and in seconds.
    """

    faults: Iterator[tuple[str, int] | dict[int, str] | None] = field(default_factory=lambda: iter(()))
    poison: str | None = None
    poison_kind: str = "400"
    other_from: float | None = None
    is_green: bool = True
    asked: list[float] = field(default_factory=list)
    held: dict[str, dict[str, int]] = field(default_factory=lambda: {READ: {}, OTHER: {}})
    refreshes: dict[str, tuple[str, float]] = field(default_factory=dict)
    refreshed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.indices = SimpleNamespace(
            get_alias=self.get_alias, stats=self.stats, get_settings=self.get_settings, refresh=self.refresh
        )
        self.cluster = SimpleNamespace(health=self.health, state=self.blocks)
        self.nodes = SimpleNamespace(stats=self.disks)

    def targets(self, at: float) -> list[str]:
        return [READ, *([OTHER] if self.other_from is not None and self.other_from <= at else [])]

    async def get_alias(self, **_options: Any) -> dict[str, Any]:
        names = self.targets(asyncio.get_running_loop().time())
        aliases = {READ: [ALIAS, writes_alias(ALIAS)], OTHER: [writes_alias(ALIAS)]}
        return {name: {"aliases": {alias: {} for alias in (own_alias(name), *aliases[name])}} for name in names}

    async def health(self, **_options: Any) -> dict[str, Any]:
        status = "green" if self.is_green else "red"
        return {"indices": {name: {"status": status, "number_of_shards": 1} for name in self.held}}

    async def stats(self, **_options: Any) -> dict[str, Any]:
        shards = {"0": [{"routing": {"primary": True, "state": "STARTED"}, "segments": {"count": 1}}]}
        return {"indices": {name: {"shards": shards} for name in self.held}}

    async def blocks(self, **_options: Any) -> dict[str, Any]:
        return {"blocks": {}}

    async def get_settings(self, *, index: str, **_options: Any) -> dict[str, Any]:
        said = {name: self.refreshes[name][0] for name in index.split(",") if name in self.refreshes}
        return {name: {"settings": {"index": {"refresh_interval": interval}}} for name, interval in said.items()}

    async def refresh(self, *, index: str, **_options: Any) -> dict[str, Any]:
        self.refreshed += index.split(",")
        return {"_shards": {"failed": 0}}

    async def mget(self, *, body: dict[str, Any], **_options: Any) -> dict[str, Any]:
        found = [(one["_id"], self.held[one["_index"].removesuffix("_own")].get(one["_id"])) for one in body["docs"]]
        return {"docs": [{"_id": name, "found": held is not None, "_version": held or 0} for name, held in found]}

    async def disks(self, **_options: Any) -> dict[str, Any]:
        return {}

    async def bulk(self, *, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        assert params["require_alias"] == "true"
        actions = [msgspec.json.decode(line)["index"] for line in body.split(b"\n")[:-1:2]]
        if all(action["_id"] == PROBE for action in actions):
            return {"items": [_item(action, 409, "version_conflict_engine_exception") for action in actions]}
        self.asked.append(asyncio.get_running_loop().time())
        fault = next(self.faults, None)
        if self.poison in [action["_id"] for action in actions]:
            fault = (self.poison_kind, 0)
        await asyncio.sleep(SECONDS)
        if isinstance(fault, tuple):
            kind, executed = fault
            for action in actions[: executed if kind in UNKNOWN else 0]:
                self.store(action)
            if kind == "timeout":
                await asyncio.sleep(params["request_timeout"])
            raise KINDS[kind]()
        failing = fault or {}
        items = [
            _item(action, *ITEMS[failing[at]]) if at in failing else self.store(action)
            for at, action in enumerate(actions)
        ]
        if params["refresh"] == "wait_for" and any(item["index"]["status"] == 201 for item in items):
            names = {action["_index"].removesuffix("_own") for action in actions}
            wait = max(self.refreshes[name][1] for name in names)
            await asyncio.sleep(min(wait, params["request_timeout"]))
            if wait > params["request_timeout"]:
                raise UNKNOWN["timeout"]()
        return {"items": items}

    def store(self, action: Item) -> Item:
        index = self.held[action["_index"].removesuffix("_own")]
        before = index.get(action["_id"])
        assert action["version_type"] == "external"
        if before is not None and before >= action["version"]:
            return _item(action, 409, "version_conflict_engine_exception")
        index[action["_id"]] = action["version"]
        return _item(action, 201)


def _item(action: Item, status: int, kind: str | None = None) -> Item:
    error = {} if kind is None else {"error": {"type": kind, "reason": "as drawn"}}
    name = action["_index"].removesuffix("_own")
    return {"index": {"_id": action["_id"], "_index": name, "status": status, **error}}


def written(
    store: Store, writes: list[Write], patience: float = PATIENCE, refresh: str = "false"
) -> tuple[list[Result], float]:
    """The results, and the time when the writer returned them."""

    async def work() -> tuple[list[Result], float]:
        writer = Writer(cast(Client, store), ALIAS, lease=LEASE, patience=patience)
        return await writer.write(writes, refresh=refresh), asyncio.get_running_loop().time()

    return run(work())


def write(name: str, version: int) -> Write:
    return Write(id=name, routing="r", version=version, source=b"{}")


ids = st.integers(0, 30).map(lambda number: f"o:{number}")
pieces = st.lists(st.builds(write, ids, st.integers(1, 4)), min_size=1, max_size=25)
older = st.dictionaries(ids, st.integers(1, 4), max_size=20)
busy = st.tuples(st.sampled_from(sorted(BUSY)), st.just(0))
items = st.dictionaries(st.integers(0, 39), st.sampled_from(sorted(ITEMS)), min_size=1, max_size=10)
harmless = st.lists(st.none() | busy | items, max_size=10)
unknown = st.tuples(st.sampled_from(sorted(UNKNOWN)), st.integers(0, 40))


@st.composite
def faults(draw: st.DrawFn) -> list[tuple[str, int] | dict[int, str] | None]:
    """Faults that say nothing about documents, and at most one that loses a request: no good document fails twice."""
    found: list[tuple[str, int] | dict[int, str] | None] = [*draw(harmless)]
    if draw(st.booleans()):
        found.insert(draw(st.integers(0, len(found))), draw(unknown))
    return found


@settings(max_examples=examples(400))
@given(
    pieces,
    older,
    faults(),
    st.none() | st.integers(0, 39),
    st.sampled_from(sorted({**UNKNOWN, **ANSWERED})),
    st.sampled_from([None, 0.0, 0.005, 0.5, 20.0]),
)
def test_every_write_ends_and_only_the_poison_is_rejected(
    writes: list[Write],
    older: dict[str, int],
    faults: list[tuple[str, int] | dict[int, str] | None],
    poisoned: int | None,
    kind: str,
    other_from: float | None,
) -> None:
    poison = None if poisoned is None else writes[poisoned % len(writes)].id
    older = {name: version for name, version in older.items() if name != poison}
    store = Store(iter(faults), poison, kind, other_from, held={READ: dict(older), OTHER: {}})
    try:
        results, ended = written(store, writes)
    except WriteFailed:
        assert kind in UNKNOWN
        assert {one.id for one in writes} == {poison}, "nothing else was written that would prove the document at fault"
        return
    assert len(results) == len(writes)
    for one, result in zip(writes, results, strict=True):
        assert (result.outcome == "rejected") == (one.id == poison)
    for name in store.targets(ended - LEASE):
        newest = dict(older) if name == READ else {}
        for one in writes:
            if one.id != poison:
                newest[one.id] = max(one.version, newest.get(one.id, 0))
        assert store.held[name] == newest
    for one, result in zip(writes, results, strict=True):
        if result.outcome == "written":
            assert older.get(one.id, 0) < one.version


@settings(max_examples=examples(30))
@given(pieces, st.sampled_from(sorted(KINDS.keys() - {"413"})), st.sampled_from([0.5, 30.0]))
def test_an_outage_rejects_nothing_and_ends_with_the_patience(writes: list[Write], kind: str, patience: float) -> None:
    store = Store(itertools.repeat((kind, 0)), is_green=False)

    async def ends() -> float:
        with pytest.raises(PushedBack if kind == "429" else WriteFailed):
            await Writer(cast(Client, store), ALIAS, patience=patience).write(writes)
        return asyncio.get_running_loop().time()

    assert patience <= run(ends()) < patience + 10
    assert store.held == {READ: {}, OTHER: {}}


@pytest.mark.parametrize("before", [[], ["timeout"], ["lost"], ["503"]])
def test_a_write_of_the_api_does_not_wait_for_a_dead_cluster(before: list[str]) -> None:
    """Whatever happened to it before: the caller learns that it is not acknowledged. A command goes on waiting."""

    async def ends(*, awaits_dead: bool) -> tuple[str, float]:
        faults = itertools.chain(((kind, 0) for kind in before), itertools.repeat(("dead", 0)))
        store = Store(faults, is_green=False)
        writer = Writer(cast(Client, store), ALIAS, patience=8.0, awaits_dead=awaits_dead)
        with pytest.raises(WriteFailed) as found:
            await writer.write([write("o:1", 1), write("o:2", 1)])
        return str(found.value), asyncio.get_running_loop().time() - sum(
            8.0 / 3 for kind in before if kind == "timeout"
        )

    none = "none of the 3 nodes of OpenSearch answers: try again shortly"
    told, seconds = run(ends(awaits_dead=False))
    assert told == f"{none} (no acknowledged write is lost)"
    assert seconds < 1.0
    told, seconds = run(ends(awaits_dead=True))
    assert told == f"OpenSearch accepted no more writes for 8 s ({none}): no acknowledged write is lost"


@given(st.random_module(), st.sampled_from(sorted(BUSY.keys() - {"memory"})), st.sampled_from([1.0, 30.0, PATIENCE]))
def test_pauses_double_up_to_a_bound_and_end_with_the_patience(seed: object, kind: str, patience: float) -> None:
    store = Store(itertools.repeat((kind, 0)))
    with pytest.raises(WriteFailed):
        written(store, [write("o:1", 1)], patience)
    pauses = [after - before - SECONDS for before, after in itertools.pairwise(store.asked)]
    bounds = [min(FIRST_PAUSE_SECONDS * 2**number, LONGEST_PAUSE_SECONDS) for number in range(len(pauses))]
    assert all(0 <= pause + 1e-6 <= bound + 2e-6 for pause, bound in zip(pauses, bounds, strict=True))
    assert store.asked[-1] <= patience
    assert len(store.asked) >= patience / LONGEST_PAUSE_SECONDS


NEVER = float("inf")
SHORT = 8.0  # seconds: the patience of a request's write


@pytest.mark.parametrize(
    ("said", "seconds", "has_to_refresh"),
    [
        ("1s", 1.0, False), ("500ms", 0.5, False), ("1.5s", 1.5, True), ("30s", 30.0, True), ("1m", 60.0, True),
        ("-1", NEVER, True), ("0s", NEVER, True), ("9000000micros", 9.0, True),
    ],
)  # fmt: skip
def test_a_write_with_wait_for_is_reported_as_written_however_seldom_the_index_refreshes(
    said: str, seconds: float, has_to_refresh: bool
) -> None:
    store = Store(other_from=0.0, refreshes={READ: ("1s", 1.0), OTHER: (said, seconds)})
    results, ended = written(store, [write("o:1", 1), write("o:2", 1)], SHORT, "wait_for")
    assert [result.outcome for result in results] == ["written", "written"]
    assert len(store.asked) == 1
    assert store.refreshed == ([READ, OTHER] if has_to_refresh else [])
    assert ended == pytest.approx(SECONDS if has_to_refresh else SECONDS + max(1.0, seconds))


def test_an_index_whose_interval_is_not_known_is_refreshed() -> None:
    store = Store(refreshes={})
    results, _ended = written(store, [write("o:1", 1)], SHORT, "wait_for")
    assert ([result.outcome for result in results], store.refreshed) == (["written"], [READ])
