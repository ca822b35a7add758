"""Checks whether indices accept writes, without writing anything.

A cluster can be green and answer searches while it accepts no writes: a failed Lucene writer stays closed until its
shard is restarted, and blocks or full disks stop only writes. So four things are checked: the shards, the blocks,
statistics that only an open Lucene writer provides, and a write that can never succeed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from service.client import Client, translated
from service.client.responses import Bulk, convert, part, unusable
from service.errors import SearchUnavailable
from service.index.item_outcomes import named
from service.index.write_targets import foreign, own_alias

PROBE = "probe"  # no document has this id, because the ids of documents contain two uids
BLOCKED = "OpenSearch blocks writes to the index: free disk space, open the index, or lift the block"
FLOODED = "a disk of OpenSearch is full, so that it blocks writes to the index: free disk space"
DISK_BLOCK = "12"  # the number of the block that OpenSearch sets at the flood-stage watermark
NO_SUCH_WRITE = 2**53  # a sequence number that no document has


async def check_writable(client: Client, names: Sequence[str], *, seconds: float) -> None:
    """Raises SearchUnavailable (or SearchTimeout, IndexUnusable) unless each of these indices takes writes.

    `seconds` is the timeout of each of the four calls, which are sent at once.
    """
    with translated(alias="the index that is written"):
        await asyncio.gather(
            _check_shards(client, names, seconds),
            _check_blocks(client, names, seconds),
            _probe(client, names, seconds),
        )


class _Held(msgspec.Struct):
    found: bool
    version: int = msgspec.field(name="_version", default=-1)


async def held_version(client: Client, name: str, document: str, routing: str, *, seconds: float) -> int:
    """The version of a document in the index, even if searches do not find it yet; -1 if it is not there."""
    wanted = {"_index": own_alias(name), "_id": document, "routing": routing}
    with translated(alias="the index that is written"):
        answer = await client.mget(body={"docs": [wanted]}, params={"_source": "false", "request_timeout": seconds})
    found = part(answer, "docs", expected=list[_Held])
    if len(found) != 1:
        raise unusable("it has other documents than were asked for")
    return found[0].version if found[0].found else -1


async def _check_shards(client: Client, names: Sequence[str], seconds: float) -> None:
    indices = ",".join(names)
    health, stats = await asyncio.gather(
        client.cluster.health(index=indices, params={"level": "indices", "request_timeout": seconds}),
        client.indices.stats(index=indices, metric="segments", params={"level": "shards", "request_timeout": seconds}),
    )
    for name in names:
        if part(health, "indices", name, "status", expected=str) == "red":
            raise SearchUnavailable(
                "a shard of the index that is written is missing: check the cluster's health"
            ).for_operators()
        wanted = part(health, "indices", name, "number_of_shards", expected=int)
        shards = part(stats, "indices", name, "shards", expected=dict[str, list[_Copy]])
        if sum(_has_open_writer(copies) for copies in shards.values()) != wanted:
            raise SearchUnavailable(
                "a primary shard of the index that is written has no open writer: it may be moving to another node; "
                "if this lasts, check OpenSearch's log, and restart the node that holds this shard"
            ).for_operators()


class _Routing(msgspec.Struct):
    primary: bool
    state: str


class _Copy(msgspec.Struct):
    routing: _Routing
    segments: dict[str, object] | None = None


def _has_open_writer(copies: list[_Copy]) -> bool:
    """Whether the primary copy has an open Lucene writer. Without one, OpenSearch leaves the segments out."""
    return any(copy.routing.primary and copy.segments for copy in copies)


async def _check_blocks(client: Client, names: Sequence[str], seconds: float) -> None:
    state = await client.cluster.state(
        metric="blocks", index=",".join(names), params={"request_timeout": seconds, "local": "true"}
    )
    blocks = part(state, "blocks", expected=dict[str, dict[str, object]])
    of_indices = convert(blocks.get("indices", {}), dict[str, dict[str, _Block]])
    found = [*convert(blocks.get("global", {}), dict[str, _Block]).items()]
    found += [block for name in names for block in of_indices.get(name, {}).items()]
    numbers = {number for number, block in found if "write" in block.levels}
    if numbers:
        raise SearchUnavailable(FLOODED if numbers == {DISK_BLOCK} else BLOCKED).for_operators()


class _Block(msgspec.Struct):
    levels: list[str]


async def _probe(client: Client, names: Sequence[str], seconds: float) -> None:
    """Sends a write that requires an impossible sequence number. It reaches the shard, and is refused there.

    Like every request with an id, it has a routing: an index with a routing partition refuses all others.
    """
    lines = b"".join(
        b'{"index":%s}\n{}\n'
        % msgspec.json.encode(
            {
                "_index": own_alias(name),
                "_id": PROBE,
                "routing": PROBE,
                "if_seq_no": NO_SUCH_WRITE,
                "if_primary_term": 1,
            }
        )
        for name in names
    )
    answer = await client.bulk(
        body=lines,
        params={"require_alias": "true", "timeout": f"{seconds * 900:.0f}ms", "request_timeout": seconds},
    )
    items = convert(answer, Bulk).items
    if len(items) != len(names):
        raise unusable("it has other documents than were sent")
    for name, item in zip(names, items, strict=True):
        error = item.index.error
        if error is not None and error.type == "cluster_block_exception":
            raise SearchUnavailable(BLOCKED).for_operators()
        if item.index.status == 404:
            raise SearchUnavailable(foreign(name)).for_operators()
        if item.index.status not in (409, 429):  # 429: busy, so alive
            what = f"{item.index.status}" if error is None else f"{item.index.status}, {named(error.type)}"
            raise SearchUnavailable(
                f"the index accepts no writes ({what}): check the cluster's health and OpenSearch's log"
            ).for_operators()
