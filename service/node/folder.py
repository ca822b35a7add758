"""File permissions of the local node's data folder. It holds every conversation, so only its owner may read it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from service import progress
from service.errors import NodeFailed
from service.message_texts import counted

UMASK = 0o077  # of the node's process: only the owner can read the files that it writes
FOLDERS = ("config", "index", "logs", "work", "snapshots")
NODES = "nodes"  # the folder that has one data folder for each node of a cluster; each of these has FOLDERS
FILES = ("lock", "node.json", "node.partial", "port.json", "port.partial", "token-secret")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_private(data: Path) -> None:
    """Creates the data folder with access for its owner only, or removes other users' permissions from it.

    If the folder also holds files of others, its own permissions stay, because it may be a home folder or /tmp; the
    node's files in it are protected anyway. Raises OSError if the folder cannot be created.
    """
    data.parent.mkdir(parents=True, exist_ok=True)
    data.mkdir(mode=0o700, exist_ok=True)
    for name in (*FOLDERS, *FILES, NODES):
        _remove_others_permissions(data / name)
    if not _is_open_to_others(data):
        return
    if any(entry.name not in (*FOLDERS, *FILES, NODES) for entry in data.iterdir()):
        progress.say(
            f"Other users can list {data}, because it holds other files too: choose a separate folder with --data"
        )
    elif _remove_others_permissions(data):
        progress.say(f"Other users had access to {data}: now only its owner has")


def unwritable(data: Path, error: OSError) -> str:
    """Says that the data folder cannot be written to, and what to do."""
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"{data} is not a folder: choose another with --data"
    return f"cannot write to {data} ({error.strerror}): make it writable, or choose another with --data"


def make_folders(data: Path) -> None:
    """Creates the data folder and the node's folders in it, with access for their owner only. Raises OSError."""
    make_private(data)
    for name in FOLDERS:
        (data / name).mkdir(mode=0o700, exist_ok=True)


def require_shape(data: Path, count: int) -> None:
    """Raises NodeFailed if the data folder holds the data of another number of nodes."""
    if (found := shape(data)) is not None and found != count:
        nodes = "one node" if found == 1 else f"a cluster of {counted(found, 'node')}"
        option = "without --nodes" if found == 1 else f"with --nodes {found}"
        raise NodeFailed(
            f"{data} holds the data of {nodes}: "
            f"start 'conversations node' {option}, or choose another folder with --data"
        )


def shape(data: Path) -> int | None:
    """The number of nodes whose data are in the folder. None if it has no data."""
    nodes = [folder for folder in (data / NODES).glob("[1-9]") if (folder / "index").exists()]
    if nodes:
        return len(nodes)
    return 1 if (data / "index").exists() else None


def for_owner(path: str, flags: int) -> int:
    """An opener for `open` that creates files with access for their owner only."""
    return os.open(path, flags, 0o600)


def _remove_others_permissions(path: Path) -> bool:
    """Removes other users' permissions. Returns whether it removed any. Prints a note if another user owns the path."""
    if not _is_open_to_others(path):
        return False
    try:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)
    except PermissionError:
        progress.say(f"Other users have access to {path}, which another user owns: choose another folder with --data")
        return False
    return True


def _is_open_to_others(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & _OTHERS)
    except FileNotFoundError:
        return False
