"""The rights on the local node's data folder: it holds every conversation, so only its owner may read it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from service import progress

UMASK = 0o077  # of the node's process: whatever it writes is its owner's alone
FOLDERS = ("config", "index", "logs", "work", "snapshots")
FILES = ("lock", "node.json", "node.partial", "port.json", "port.partial", "token-secret")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_private(data: Path) -> None:
    """Creates the data folder for its owner only, or takes the rights of others away where it exists with wider ones.

    The folder itself is left alone where it also holds something else: it may be a home folder or /tmp. What belongs to
    the node in it is protected all the same. Raises OSError where the folder cannot be made.
    """
    data.parent.mkdir(parents=True, exist_ok=True)
    data.mkdir(mode=0o700, exist_ok=True)
    for name in (*FOLDERS, *FILES):
        _take_from_others(data / name)
    if not _is_open_to_others(data):
        return
    if any(entry.name not in (*FOLDERS, *FILES) for entry in data.iterdir()):
        progress.say(
            f"Other users can list {data}, which holds other files too: choose a folder of its own with --data"
        )
    elif _take_from_others(data):
        progress.say(f"Other users had rights on {data}: now only its owner has")


def make_folders(data: Path) -> None:
    """Creates the data folder and the node's folders in it, for their owner only. Raises OSError."""
    make_private(data)
    for name in FOLDERS:
        (data / name).mkdir(mode=0o700, exist_ok=True)


def for_owner(path: str, flags: int) -> int:
    """An opener for `open`: a file that it creates is its owner's alone."""
    return os.open(path, flags, 0o600)


def _take_from_others(path: Path) -> bool:
    """Whether rights were taken away; says so where they should have been and could not be."""
    if not _is_open_to_others(path):
        return False
    try:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)
    except PermissionError:
        progress.say(f"Other users have rights on {path}, which belongs to another user: choose another with --data")
        return False
    return True


def _is_open_to_others(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & _OTHERS)
    except FileNotFoundError:
        return False
