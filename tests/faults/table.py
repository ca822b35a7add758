"""The kinds of faults: each by its name, what it does, and what undoes it."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from service.index.write_targets import writes_alias
from tests.faults.workers import Work
from tests.faults.world import ALIAS
from tests.node import faults, proxy
from tests.node.proxy import Fault

Kind = Callable[[Work, random.Random, float], AbstractContextManager[None]]
"""Causes the fault, waits for about so many seconds, and undoes the fault by the end of the block."""


class NotNow(Exception):
    """The fault cannot happen now, and is postponed."""


def _proxies(fault: Fault, *kinds: str) -> Kind:
    """One to three of the proxies apply the fault to all answers, or only to those to these kinds of calls."""

    @contextmanager
    def kind(work: Work, rng: random.Random, seconds: float) -> Iterator[None]:
        chosen = rng.sample(work.world.proxies, rng.randint(1, len(work.world.proxies)))
        with ExitStack() as stack:
            for one in chosen:
                stack.enter_context(one.faulty(fault, *kinds))
            time.sleep(seconds)
            yield

    return kind


@contextmanager
def _killed_node(work: Work, rng: random.Random, seconds: float) -> Iterator[None]:
    rng.choice(work.world.cluster.nodes).kill()
    time.sleep(seconds)
    work.world.revive()
    yield


@contextmanager
def _killed_manager(work: Work, _rng: random.Random, seconds: float) -> Iterator[None]:
    manager = work.world.cat("cluster_manager")[0]["node"]
    next(node for node in work.world.cluster.nodes if node.name == manager).kill()
    time.sleep(seconds)
    work.world.revive()
    yield


@contextmanager
def _suspended_node(work: Work, rng: random.Random, _seconds: float) -> Iterator[None]:
    node = rng.choice(work.world.cluster.nodes)
    node.suspend()
    try:
        time.sleep(work.suspended_seconds)
    finally:
        node.resume()
    work.world.revive()
    yield


@contextmanager
def _rolling_nodes(work: Work, _rng: random.Random, _seconds: float) -> Iterator[None]:
    for node in work.world.cluster.nodes:
        node.stop()
        work.world.revive()
        work.world.act(
            lambda client: client.cluster.health(
                index=f"{ALIAS}*", params={"wait_for_status": "green", "timeout": "30s", "request_timeout": 60}
            ),
            ignores=(408,),  # on a machine that is too busy, some searches then fail
        )
    yield


def _setting(name: str) -> Kind:
    """Sets a setting of the current index to true, also while a reindex copies the index."""

    @contextmanager
    def kind(work: Work, _rng: random.Random, seconds: float) -> Iterator[None]:
        index = work.world.index()
        work.world.act(lambda client: client.indices.put_settings(index=index, body={name: True}))
        try:
            time.sleep(seconds)
        finally:
            work.world.act(lambda client: client.indices.put_settings(index=index, body={name: None}), ignores=(404,))
        yield

    return kind


def _move(work: Work, actions: list[dict[str, Any]]) -> None:
    work.world.act(lambda client: client.indices.update_aliases(body={"actions": actions}))


def _between_reindexes(kind: Kind) -> Kind:
    """Raises NotNow during a reindex: nobody moves the alias by hand then."""

    @contextmanager
    def guarded(work: Work, rng: random.Random, seconds: float) -> Iterator[None]:
        if not work.world.reindexing.acquire(timeout=1):
            raise NotNow
        try:
            with kind(work, rng, seconds):
                pass
        finally:
            work.world.reindexing.release()
        yield

    return guarded


@_between_reindexes
@contextmanager
def _alias_away(work: Work, _rng: random.Random, seconds: float) -> Iterator[None]:
    index = work.world.index()
    _move(work, [{"remove": {"index": index, "alias": ALIAS}}])
    try:
        time.sleep(seconds)
    finally:
        _move(work, [{"add": {"index": index, "alias": ALIAS}}])
    yield


@_between_reindexes
@contextmanager
def _alias_moved(work: Work, _rng: random.Random, seconds: float) -> Iterator[None]:
    """Moves the alias to the other index that receives writes, which a reindex has left, and back."""
    index = work.world.index()
    found = work.world.act(lambda client: client.indices.get_alias(index=writes_alias(ALIAS)))
    others = sorted(set(found) - {index})
    if not others or not work.world.is_reindexed:  # an index that is not complete yet answers less
        raise NotNow
    for one, other in ((index, others[0]), (others[0], index)):
        work.world.act(lambda client: client.indices.refresh(index=f"{ALIAS}-*"))
        _move(work, [{"remove": {"index": one, "alias": ALIAS}}, {"add": {"index": other, "alias": ALIAS}}])
        time.sleep(seconds)
    yield


@_between_reindexes
@contextmanager
def _alias_twice(work: Work, _rng: random.Random, seconds: float) -> Iterator[None]:
    """The alias points to an index of somebody else, too."""
    other = "somebody-elses"
    work.world.act(lambda client: client.indices.create(index=other, body={"settings": {"number_of_replicas": 0}}))
    _move(work, [{"add": {"index": other, "alias": ALIAS}}])
    try:
        time.sleep(seconds)
    finally:
        work.world.act(lambda client: client.indices.delete(index=other), ignores=(404,))
    yield


def _copies(work: Work, index: str) -> list[dict[str, Any]]:
    return [copy for copy in work.world.cat("shards") if copy["index"] == index]


@contextmanager
def _moved_shard(work: Work, rng: random.Random, seconds: float) -> Iterator[None]:
    """Moves a copy to the node without one. Raises NotNow while a copy is made or moved, or without such a node."""
    index = work.world.index()
    copies = _copies(work, index)
    held = {copy["node"] for copy in copies}
    free = [node.name for node in work.world.cluster.nodes if node.name not in held]
    if not free or any(copy["state"] != "STARTED" for copy in copies):
        raise NotNow
    command = {"index": index, "shard": 0, "from_node": rng.choice(sorted(held)), "to_node": free[0]}
    move = {"commands": [{"move": command}]}
    if work.world.act(lambda client: client.cluster.reroute(body=move), ignores=(400,)) is None:
        raise NotNow  # a copy has begun to move since
    time.sleep(seconds)
    yield


@contextmanager
def _lost_shard(work: Work, _rng: random.Random, seconds: float) -> Iterator[None]:
    """The primary copy of the shard is given up and made again. Raises NotNow if no node has it."""
    index = work.world.index()
    primary = next((copy["node"] for copy in _copies(work, index) if copy["prirep"] == "p"), None)
    if primary is None:
        raise NotNow
    command = {"index": index, "shard": 0, "node": primary, "allow_primary": True}
    work.world.act(lambda client: client.cluster.reroute(body={"commands": [{"cancel": command}]}))
    time.sleep(seconds)
    yield


@contextmanager
def _all_copies_lost(work: Work, _rng: random.Random, seconds: float) -> Iterator[None]:
    """The index has one copy for a while, and the node with this copy is killed: no node can answer until it is back.

    Each acknowledged write is on the disk of this node, so none may be lost. The cluster uses no older copy instead,
    because it knows which copy is current. Raises NotNow while that copy is being made or moved.
    """
    index = work.world.index()
    states = {copy["node"]: copy["state"] for copy in _copies(work, index) if copy["prirep"] == "p"}
    holder = next((node for node in work.world.cluster.nodes if states.get(node.name) == "STARTED"), None)
    if holder is None:
        raise NotNow

    def keep(replicas: int) -> None:
        body = {"index.number_of_replicas": replicas}
        work.world.act(lambda client: client.indices.put_settings(index=index, body=body), ignores=(404,))

    keep(0)
    try:
        holder.kill()
        time.sleep(seconds)
    finally:
        work.world.revive()
        keep(1)
    yield


@contextmanager
def _killed_service(work: Work, rng: random.Random, seconds: float) -> Iterator[None]:
    number = rng.randrange(len(work.world.services))
    work.world.stop_service(number, signal.SIGKILL)
    time.sleep(seconds)
    work.world.start_service(number)
    yield


@contextmanager
def _rolling_services(work: Work, _rng: random.Random, _seconds: float) -> Iterator[None]:
    for number in range(len(work.world.services)):
        work.world.stop_service(number, signal.SIGTERM)
        work.world.start_service(number)
    yield


def _killed_command(name: str) -> Kind:
    """Raises NotNow if the command is not running."""

    @contextmanager
    def kind(work: Work, _rng: random.Random, seconds: float) -> Iterator[None]:
        process = getattr(work.world, name)
        if process is None or process.poll() is not None:
            raise NotNow
        process.kill()
        time.sleep(seconds)
        yield

    return kind


@contextmanager
def _clock_ahead(work: Work, _rng: random.Random, seconds: float) -> Iterator[None]:
    """The writers use times an hour ahead, as if their clocks were wrong."""
    work.ahead_seconds = 3600.0
    time.sleep(seconds)
    work.ahead_seconds = 0.0
    yield


@contextmanager
def _service_ahead(work: Work, rng: random.Random, seconds: float) -> Iterator[None]:
    """The clock of one process of the service is an hour ahead, but its timeouts are as long as before."""
    number = rng.randrange(len(work.world.services))
    for environment in (AHEAD, {}):
        work.world.stop_service(number, signal.SIGTERM)
        work.world.start_service(number, **environment)
        if environment:
            assert work.world.clock_ahead(number) > 3000, "faketime has no effect"
            time.sleep(seconds)
    yield


FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
AHEAD = {
    "LD_PRELOAD": str(FAKETIME), "FAKETIME": "+1h", "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
}  # fmt: skip
SERVICE_AHEAD = "service's clock an hour ahead"
LEFT_OUT = [] if FAKETIME else [f"{SERVICE_AHEAD}: it needs the package faketime"]
KINDS: dict[str, Kind] = {
    "connections cut in the body": _proxies(faults.sent(proxy.partly(0.7))),
    "connections reset": _proxies(faults.sent(proxy.reset)),
    "connections closed without an answer": _proxies(faults.sent(proxy.exactly(b""))),
    "JSON truncated": _proxies(faults.ANY["cut JSON"]),
    "answers 5 s late": _proxies(faults.sent(proxy.late(5.0))),
    "silence": _proxies(faults.sent(proxy.silent)),
    "silence to searches": _proxies(faults.sent(proxy.silent), "_search", "_search/point_in_time", "_doc", "_mget"),
    "429 of a proxy": _proxies(faults.page(429)),
    "429 of OpenSearch": _proxies(faults.ANY["full queue"]),
    "502": _proxies(faults.page(502)),
    "503": _proxies(faults.ANY["no manager"]),
    "HTML with 200": _proxies(faults.page(200)),
    "empty answers": _proxies(faults.ANY["nothing"]),
    "garbage": _proxies(faults.ANY["no HTTP"]),
    "partial shards": _proxies(faults.WHOLE["a failed shard"]),
    "timed_out": _proxies(faults.WHOLE["timed out"]),
    "a node killed": _killed_node,
    "the cluster manager killed": _killed_manager,
    "a node suspended": _suspended_node,
    "rolling restart of the cluster": _rolling_nodes,
    "disk full": _setting("index.blocks.read_only_allow_delete"),
    "index read-only": _setting("index.blocks.read_only"),
    "alias taken away": _alias_away,
    "alias moved by hand": _alias_moved,
    "alias on a foreign index too": _alias_twice,
    "shard relocated": _moved_shard,
    "shard lost": _lost_shard,
    "all copies of a shard lost": _all_copies_lost,
    "service killed": _killed_service,
    "rolling restart of the service": _rolling_services,
    "load killed": _killed_command("load"),
    "reindex killed": _killed_command("reindex"),
    "clock an hour ahead": _clock_ahead,
} | ({SERVICE_AHEAD: _service_ahead} if FAKETIME else {})
