"""Writes output files of commands: never over an input file, and always as a whole."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from service.errors import Misconfigured

STANDARD_STREAM = "-"

Identity = tuple[int, int, str]
"""Identifies a file: its device, its inode and "", or its folder's device, its folder's inode and its name."""


def require_distinct(inputs: Sequence[str | Path], outputs: Mapping[str, Sequence[Path]]) -> None:
    """Raises Misconfigured if an output is also an input, lies in an input folder, or is the output of another option.

    `outputs` maps an option to its paths. Files are compared by device and inode, so links and relative paths are
    recognized. A file that does not exist yet is compared by its folder and name.
    """
    read = {identity: str(path) for path in inputs for identity in _identities_of_input(path)}
    taken: dict[Identity, str] = {}
    for option, paths in outputs.items():
        other = f"choose another file with {option}"
        for path in paths:
            for identity in _places(path):
                if identity in read:
                    raise Misconfigured(f"{option} {path} would overwrite the input {read[identity]}: {other}")
                if (first := taken.setdefault(identity, option)) != option:
                    raise Misconfigured(f"{option} and {first} both name {path}: {other}")
            for folder in (source for source in inputs if Path(source).is_dir()):
                if _lies_in(path, Path(folder)):
                    raise Misconfigured(f"{option} {path} lies in the input folder {folder}: {other}")


def _places(path: Path) -> set[Identity]:
    """All identities of an output. A device, such as /dev/null, has none, because sharing it is harmless."""
    if path.exists() and not path.is_file():
        return set()
    return {_by_folder(path), *([_by_inode(path)] if path.exists() else [])}


def _identities_of_input(path: str | Path) -> set[Identity]:
    if str(path) == STANDARD_STREAM:
        with suppress(OSError, ValueError):
            status = os.fstat(sys.stdin.fileno())
            if stat.S_ISREG(status.st_mode):
                return {(status.st_dev, status.st_ino, "")}
        return set()
    path = Path(path)
    if path.is_dir():
        return {_by_inode(child) for child in path.rglob("*") if child.is_file()}
    return _places(path)


def _by_inode(path: Path) -> Identity:
    status = path.stat()
    return status.st_dev, status.st_ino, ""


def _by_folder(path: Path) -> Identity:
    """The identity by folder and name, after links are followed. The file need not exist."""
    real = Path(os.path.realpath(path))
    try:
        status = real.parent.stat()
    except OSError:
        return -1, -1, str(real)
    return status.st_dev, status.st_ino, real.name


def _lies_in(path: Path, folder: Path) -> bool:
    real = Path(os.path.realpath(path))
    return any(parent.exists() and parent.samefile(folder) for parent in real.parents)


@contextmanager
def replacing(path: str | Path) -> Iterator[IO[bytes]]:
    """Yields a binary file that replaces the path when the block succeeds. If the block fails, the path is unchanged.

    The new file is synced to disk. It keeps the permissions of an existing file, and links to it stay valid. A pipe or
    a device is written to directly. Raises OSError.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        with path.open("wb") as device:
            yield device
        return
    real = Path(os.path.realpath(path))
    file, settle = open_unnamed(real)
    with file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            settle()
        finally:
            discard(settle)
    _sync_folder(real.parent)


class _Settle:
    """Gives a file its final name. Until then, the file has no name, or a temporary one that `discard` removes."""

    def __init__(self, target: Path, temporary: Path | None, descriptor: int) -> None:
        self.target = target
        self.temporary = temporary
        self.descriptor = descriptor

    def __call__(self) -> None:
        if self.temporary is None:
            self.temporary = _temporary_name(self.target)
            folder = os.open(self.target.parent, os.O_RDONLY)
            try:  # a folder's descriptor makes os.link follow the link in /proc (linkat(2), AT_SYMLINK_FOLLOW)
                os.link(f"/proc/self/fd/{self.descriptor}", self.temporary, src_dir_fd=folder, follow_symlinks=True)
            finally:
                os.close(folder)
        self.temporary.replace(self.target)


def discard(settle: _Settle) -> None:
    """Removes the temporary name, if the file did not get its final one."""
    if settle.temporary is not None:
        settle.temporary.unlink(missing_ok=True)


def open_unnamed(target: Path) -> tuple[IO[bytes], _Settle]:
    """Opens a file in the target's folder. Returns it and `settle`, which makes it replace the target when called.

    Until then, the file has no name (open(2), O_TMPFILE), so a killed process leaves no file behind. On file systems
    that do not support this, it has a temporary name.
    """
    permissions = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    try:
        descriptor = os.open(target.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666)
        temporary = None
    except (AttributeError, OSError):
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
        temporary = Path(name)
        permissions = _default_permissions() if permissions is None else permissions
    if permissions is not None:
        os.fchmod(descriptor, permissions)
    return os.fdopen(descriptor, "wb"), _Settle(target, temporary, descriptor)


def _temporary_name(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}.partial")


def _default_permissions() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_foreign(path: Path, is_own: Callable[[bytes], bool]) -> bool:
    """Whether the path is a regular file whose content this service did not write. A blank file is not foreign."""
    return path.is_file() and not begins(path, lambda first: not first.strip() or is_own(first))


def begins(path: Path, matches: Callable[[bytes], bool]) -> bool:
    """Whether `matches` is true for the beginning of the file."""
    with path.open("rb") as file:
        return matches(file.read(65_536))


def numbered(path: Path, count: int) -> Iterable[Path]:
    """The paths `path.1`, `path.2`, ..., `path.<count>`, for work that is split into parts."""
    return [path.with_name(f"{path.name}.{number}") for number in range(1, count + 1)]
