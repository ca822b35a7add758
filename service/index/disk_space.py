"""Whether a disk of the cluster is full: the reason behind many failures, which OpenSearch reports as time-outs.

A node without disk space cannot store the cluster's state, so most calls to it end in a time-out. The statistics of
its file system still answer at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import msgspec
from opensearchpy.exceptions import TransportError

from service.client import Client
from service.client.responses import convert
from service.errors import ConversationsError, WriteFailed

FULL_BYTES = 16 * 2**20  # less than a small segment with its translog
SECONDS = 2.0
WAY_OUT = "free disk space there, then try again"

Done = TypeVar("Done")


class _Total(msgspec.Struct):
    available_in_bytes: int


class _FileSystem(msgspec.Struct):
    total: _Total


class _Node(msgspec.Struct):
    name: str
    fs: _FileSystem


async def full_disks(client: Client, *, seconds: float = SECONDS) -> str | None:
    """The data nodes whose disk is full, as a sentence, or None where none is or the cluster does not tell.

    One full disk of several need not stop anything, so this explains a failure and is no check of its own.
    """
    params = {"filter_path": "nodes.*.name,nodes.*.fs.total", "request_timeout": seconds}
    try:
        async with asyncio.timeout(seconds):
            found = await client.nodes.stats(node_id="data:true", metric="fs", params=params)
        nodes = convert(found.get("nodes", {}), dict[str, _Node]).values()
    except (TransportError, ConversationsError, TimeoutError, AttributeError):
        return None  # the caller has an error of its own to report
    names = sorted(node.name for node in nodes if node.fs.total.available_in_bytes < FULL_BYTES)
    return f"the disk of OpenSearch's node {', '.join(names)} is full: {WAY_OUT}" if names else None


async def unless_full(work: Coroutine[object, object, Done], client: Client, *, seconds: float) -> Done:
    """The result of the work, which is given up where a disk is found to be full while it takes long.

    It is looked for after `seconds`, and each time that so many have gone by. Raises WriteFailed then, and what the
    work raises; a WriteFailed of its own names a full disk where one is behind it.
    """
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=seconds))[0]:
            if (full := await full_disks(client, seconds=_look(seconds))) is not None:
                raise WriteFailed(full)
        return task.result()
    except WriteFailed as error:
        if task.done() and (full := await full_disks(client, seconds=_look(seconds))) is not None:
            raise WriteFailed(full) from error
        raise
    finally:
        task.cancel()


def _look(seconds: float) -> float:
    return min(SECONDS, seconds / 4)
