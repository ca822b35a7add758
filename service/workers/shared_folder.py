"""The temporary folder that a supervisor and its workers share, and what removes it if all of them were killed.

Each of them holds a shared lock on a file in it. The next supervisor removes the folders whose lock nobody holds.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "conversations-workers-"
LOCK = "alive.lock"


@contextmanager
def made() -> Iterator[Path]:
    """Yields a new folder, which is removed after the block. First, removes those whose processes were killed."""
    remove_dead(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, held(Path(name)):
        yield Path(name)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """While the block runs, no other supervisor removes the folder."""
    with (folder / LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        lock.write(b"held\n")  # only now, so that a lock which nobody has held yet is empty
        lock.flush()
        yield


def remove_dead(parent: Path) -> None:
    """Removes the folders in `parent` that are this user's and whose lock nobody holds. One without a lock stays."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if not folder.is_symlink() and folder.stat().st_uid == os.getuid() and _is_dead(folder / LOCK):
                shutil.rmtree(folder, ignore_errors=True)


def _is_dead(lock: Path) -> bool:
    """Raises OSError if there is no lock, or it cannot be opened.

    A lock that is still empty may be of a supervisor that has just made it, and does not hold it yet.
    """
    descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_size > 0
    finally:
        os.close(descriptor)
