"""The lock of a data folder, which allows one local node at a time.

The lock is a flock(2) that the node's process inherits. The kernel releases it when both processes have ended, so a
lock is never stale, and a `node.json` without a lock is known to be stale.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from pathlib import Path
from typing import IO, Any

from service.errors import NodeFailed
from service.node.folder import for_owner

LEFTOVER_SECONDS = 20.0  # for a node to end whose owner was killed
LOOK_SECONDS = 1.0  # a command that checks whether a node is running holds the lock for a moment
POLL_SECONDS = 0.1


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
            state = read_json(data / "node.json") or {}
            if not _is_waited_for(state.get("owner"), time.monotonic() - began):
                lock.close()
                raise NodeFailed(_in_use(data, state.get("owner"))) from None
            if not is_signalled and state:
                _signal_leftover(data, state["pid"], signal.SIGTERM)
                is_signalled = True
            time.sleep(POLL_SECONDS)
        else:
            (data / "node.json").unlink(missing_ok=True)
            return lock


def require_free(data: Path) -> None:
    """Raises NodeFailed if another process has the data folder's lock. A node whose owner was killed does not count."""
    began = time.monotonic()
    while is_held(data):
        owner = (read_json(data / "node.json") or {}).get("owner")
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


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in the file, or None if it cannot be read."""
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError):
        return None


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replaces the file atomically, so that no reader sees a partial file."""
    partial = path.with_suffix(".partial")
    with open(partial, "w", encoding="utf-8", opener=for_owner) as file:
        json.dump(value, file)
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
        if b"org.codelibs.opensearch.runner.OpenSearchRunner" in arguments and os.fsencode(data / "index") in arguments:
            os.kill(pid, number)
    except OSError:
        pass  # it has ended
