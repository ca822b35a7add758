"""The lock of a data folder, which allows one local node at a time.

The lock is a flock(2) that the node's process inherits. The kernel releases it when both processes have ended, so a
lock is never stale, and a `node.json` without a lock is known to be stale.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from service.errors import NodeFailed
from service.node.folder import for_owner

LEFTOVER_SECONDS = 20.0  # for the node of a killed owner to end
LOOK_SECONDS = 1.0  # a command that checks whether a node is running holds the lock for a moment
POLL_SECONDS = 0.1


Expected = TypeVar("Expected")


class Running(msgspec.Struct):
    """The file node.json: the running node, its process, and the process that started it.

    If there are several nodes, `urls` has those of all running ones; `url` and `pid` are those of the first.
    """

    url: str
    pid: int
    owner: int
    urls: list[str] = []


class LastPort(msgspec.Struct):
    """The file port.json: the port that the node had last."""

    port: int


def take(data: Path) -> IO[str]:
    """Acquires the data folder's lock. Raises NodeFailed if another process has it; the folder is unchanged then.

    A node whose owner was killed gets SIGTERM and LEFTOVER_SECONDS to end.
    """
    lock = open(data / "lock", "a+", opener=for_owner)  # noqa: SIM115 (held as long as the node runs)
    began = time.monotonic()
    is_signalled = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            running = read(data / "node.json", Running)
            owner = None if running is None else running.owner
            if not _is_waited_for(owner, time.monotonic() - began):
                lock.close()
                raise NodeFailed(_in_use(data, owner)) from None
            if not is_signalled and running is not None:
                _signal_leftover(data, running.pid, signal.SIGTERM)
                is_signalled = True
            time.sleep(POLL_SECONDS)
        else:
            (data / "node.json").unlink(missing_ok=True)
            return lock


def require_free(data: Path) -> None:
    """Raises NodeFailed if another process has the data folder's lock. A node whose owner was killed does not count."""
    began = time.monotonic()
    while is_held(data):
        running = read(data / "node.json", Running)
        owner = None if running is None else running.owner
        if owner is not None and not _is_alive(owner):
            return
        if owner is not None or time.monotonic() - began >= LOOK_SECONDS:
            raise NodeFailed(_in_use(data, owner))
        time.sleep(POLL_SECONDS)


def is_held(data: Path) -> bool:
    """Whether a process holds the data folder's lock."""
    try:
        with (data / "lock").open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def read(path: Path, expected: type[Expected]) -> Expected | None:
    """The JSON object in the file, or None if it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=expected)
    except (OSError, msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def write(path: Path, value: msgspec.Struct) -> None:
    """Replaces the file atomically, so that no reader sees a partial file."""
    partial = path.with_suffix(".partial")
    with open(partial, "wb", opener=for_owner) as file:
        file.write(msgspec.json.encode(value))
    partial.replace(path)


def _is_waited_for(owner: int | None, waited: float) -> bool:
    if owner is None:
        return waited < LOOK_SECONDS
    return not _is_alive(owner) and waited < LEFTOVER_SECONDS


def _in_use(data: Path, owner: int | None) -> str:
    who = f"process {owner}" if owner else "another process that is starting"
    return (
        f"a local node already runs in {data}, which is in use by {who}: serve the same data on another port with "
        "'conversations serve --port 8001', run another node with --data DIR, or stop that process"
    )


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _signal_leftover(data: Path, pid: int, number: signal.Signals) -> None:
    """Signals a node that outlived its owner, if process `pid` is still the node of this folder.

    The id may belong to another process by now, or come from another container.
    """
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if any(word.endswith(b".OpenSearchRunner") for word in arguments) and os.fsencode(data / "index") in arguments:
            os.kill(pid, number)
    except OSError:
        pass  # it has ended
