"""The metrics of all workers together, in files of prometheus_client's multiprocess mode.

Each worker has files of its own, named by its pid. After its end, its gauges are removed, and its counts are added to
the files of ended workers. So counters never decrease, and the number of files does not grow.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client reads it when it is imported
ENDED = "0"  # no process has this pid
_SUMMED = ("counter", "histogram")


def exposition(folder: Path) -> bytes:
    """The metrics of all workers, in Prometheus's text format."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    with _locked(folder, fcntl.LOCK_SH):
        return generate_latest(registry)


def merge_ended(folder: Path, pid: int) -> None:
    """Adds the counts of a worker that has ended to the files of ended workers, and removes its own files."""
    with _locked(folder, fcntl.LOCK_EX):
        for kind in _SUMMED:
            own = folder / f"{kind}_{pid}.db"
            if own.exists():
                _add(own, folder / f"{kind}_{ENDED}.db")
        for file in folder.glob(f"*_{pid}.db"):
            file.unlink()


def _add(own: Path, ended: Path) -> None:
    total = MmapedDict(str(ended))  # type: ignore[no-untyped-call]
    try:
        for key, value, _timestamp, _position in MmapedDict.read_all_values_from_file(str(own)):  # type: ignore[no-untyped-call]
            before, _at = total.read_value(key)  # type: ignore[no-untyped-call]
            total.write_value(key, before + value, 0.0)  # type: ignore[no-untyped-call]
    finally:
        total.close()  # type: ignore[no-untyped-call]


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    with (folder / "metrics.lock").open("wb") as lock:
        fcntl.flock(lock, how)
        yield
