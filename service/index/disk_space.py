"""Finds full disks of the cluster, which cause many failures that OpenSearch reports only as timeouts.

A node without disk space cannot store the state of the cluster, so most calls to it end in a timeout. The statistics of
its file system are still available at once.
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
from service.index.silent_nodes import within

FULL_BYTES = 16 * 2**20  # less than a small segment with its translog
SECONDS = 2.0
NODE_SHARE = 0.5  # of the time of the call, for each node to answer: a silent one must not hide the others
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
    """A sentence that names the data nodes with a full disk, or None if none is known.

    One full disk of several need not be a problem, so use this only to explain a failure. A node that does not answer
    in time is left out.
    """
    params = {"filter_path": "nodes.*.name,nodes.*.fs.total", **within(seconds, share=NODE_SHARE)}
    try:
        async with asyncio.timeout(seconds):
            found = await client.nodes.stats(node_id="data:true", metric="fs", params=params)
        nodes = convert(found.get("nodes", {}), dict[str, _Node]).values()
    except (TransportError, ConversationsError, TimeoutError, AttributeError):
        return None  # the caller has an error of its own to report
    names = sorted(node.name for node in nodes if node.fs.total.available_in_bytes < FULL_BYTES)
    return f"the disk of OpenSearch's node {', '.join(names)} is full: {WAY_OUT}" if names else None


async def unless_full(work: Coroutine[object, object, Done], client: Client, *, seconds: float) -> Done:
    """Runs the work and returns its result, but cancels it if a disk is full.

    The disks are checked every `seconds` while the work runs, and also if it raises WriteFailed. A full disk is raised
    as a WriteFailed that names it.
    """
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=seconds))[0]:
            if (full := await full_disks(client, seconds=_timeout(seconds))) is not None:
                raise WriteFailed(full)
        return task.result()
    except WriteFailed as error:
        if task.done() and (full := await full_disks(client, seconds=_timeout(seconds))) is not None:
            raise WriteFailed(full) from error
        raise
    finally:
        task.cancel()


def _timeout(seconds: float) -> float:
    return min(SECONDS, seconds / 4)
