"""GET /metrics, for Prometheus: counters of the service, how fresh the index is, and progress of loads and reindexes.

With several workers, the counters are the sums of all. The cluster's status is read at most once in FRESH_SECONDS,
however many clients scrape and however many workers there are. If the cluster does not respond, the service's own
metrics are still exposed. No label names an organization or a user.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from service import deadline, telemetry
from service.operations.status import Status
from service.reindex.documents import RANGES
from service.workers import metric_files
from service.workers.once_for_all import OnceForAll

FRESH_SECONDS = 15.0
MOST_SECONDS = 5.0  # a scrape waits at most this long for the cluster: half of Prometheus's default scrape_timeout
SHARE_FOR_CLUSTER = 0.8  # of MOST_SECONDS, or of the time left until the request's deadline if that is shorter
_INTERVAL = re.compile(r"(-?\d+)(ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_UNKNOWN = float("nan")

_Samples = Mapping[tuple[str, ...], float]  # by the values of the labels
_GAUGES: tuple[tuple[str, str, tuple[str, ...]], ...] = (  # name, description, labels
    ("cluster_up", "1 if the cluster answered the last status request, else 0", ()),
    ("newest_write_age_seconds", "Seconds since the newest updated_on or deleted_on in the index", ()),
    ("documents", "Documents of an index", ("index", "kind", "reads", "writes")),
    ("index_bytes", "Size of an index on the disk", ("index",)),
    ("refresh_interval_seconds", "Seconds until searches find a write; -1 means never", ("index",)),
    (
        "differing_ranges",
        f"Of {RANGES} ranges of uids, those that differ from the index that is read",
        ("index",),
    ),
    ("index_usable", "1 if the service can serve the index, else 0", ()),
    ("reindex_running", "1 for the current step of a reindex", ("action", "step")),
    ("reindex_ranges_done", f"Of {RANGES} ranges of uids, those that a reindex has copied", ()),
    ("loads_running", "Running loads on all machines", ()),
    ("load_input_bytes", "Total input bytes of the running loads whose input size is known", ()),
    ("load_input_bytes_done", "Of load_input_bytes, the bytes that were read", ()),
    ("load_lines", "Lines of the running loads, by outcome", ("outcome",)),
)

logger = structlog.get_logger("conversations.metrics")


class Metrics:
    """The metrics of the service and of the cluster. `read_status` reads the cluster's status.

    `folder` is the one that the workers share, if there are several workers.
    """

    def __init__(self, read_status: Callable[[], Awaitable[Status]], *, folder: Path | None = None) -> None:
        self._read_status = read_status
        self._folder = folder
        self._shared = None if folder is None else OnceForAll(folder / "cluster.prom", seconds=FRESH_SECONDS)
        self._read_at: float | None = None
        self._text = b""
        self._lock = asyncio.Lock()

    async def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        async with self._lock:  # concurrent scrapes wait for the first and use its result
            cluster = await (self._own() if self._shared is None else self._shared.text(self._read))
        telemetry.tasks.set(len(asyncio.all_tasks()))
        if self._folder is not None:
            return metric_files.exposition(self._folder) + cluster
        return generate_latest(telemetry.REGISTRY) + cluster

    async def _own(self) -> bytes:
        if self._read_at is None or time.monotonic() - self._read_at > FRESH_SECONDS:
            self._text = await self._read()
            self._read_at = time.monotonic()
        return self._text

    async def _read(self) -> bytes:
        """Reads the cluster's status. On any error, the cluster's metrics become NaN and cluster_up becomes 0."""
        try:
            async with asyncio.timeout(SHARE_FOR_CLUSTER * deadline.remaining(MOST_SECONDS)):
                samples = _samples(await self._read_status())
        except Exception as error:
            logger.warning("the cluster's status could not be read", error=type(error).__name__)
            samples = {name: {(): _UNKNOWN} for name, _text, labels in _GAUGES if not labels}
            samples["cluster_up"] = {(): 0}
        registry = CollectorRegistry()
        registry.register(_Families(samples))
        return generate_latest(registry)


class _Families(Collector):
    """The cluster's gauges. They are not `Gauge`s, which would belong to one of the workers."""

    def __init__(self, samples: Mapping[str, _Samples]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        for name, description, labels in _GAUGES:
            family = GaugeMetricFamily(f"conversations_{name}", description, labels=labels)
            for values, value in self._samples.get(name, {}).items():
                family.add_metric(values, value)
            yield family


def _samples(status: Status) -> dict[str, _Samples]:
    age, reindex = status.newest_write_age_seconds, status.reindex
    uses = {index.name: (str(index.reads).lower(), str(index.writes).lower()) for index in status.indices}
    documents: dict[tuple[str, ...], float] = {
        (index.name, kind, *uses[index.name]): float(count)
        for index in status.indices
        for kind, count in (("conversation", index.conversations), ("tombstone", index.tombstones))
    }
    loads = status.loads
    return {
        "cluster_up": {(): 1},
        "newest_write_age_seconds": {(): _UNKNOWN if age is None else age},
        "documents": documents,
        "index_bytes": {(index.name,): index.bytes for index in status.indices},
        "refresh_interval_seconds": {(index.name,): _seconds(index.refresh_interval) for index in status.indices},
        "differing_ranges": {
            (index.name,): index.differing_ranges for index in status.indices if index.differing_ranges is not None
        },
        "index_usable": {(): status.problem is None},
        "reindex_running": {(reindex["action"], reindex["step"]): 1} if reindex else {},
        "reindex_ranges_done": {(): reindex["ranges_done"] if reindex else 0},
        "loads_running": {(): len(loads)},
        "load_input_bytes": {(): sum(load.bytes for load in loads)},
        "load_input_bytes_done": {(): sum(load.bytes_done for load in loads if load.bytes)},
        "load_lines": {
            (outcome,): sum(getattr(load, outcome) for load in loads)
            for outcome in ("written", "unchanged", "rejected")
        },
    }


def _seconds(interval: str | None) -> float:
    """Parses a refresh interval such as 500ms or -1. None means OpenSearch's default of one second."""
    match = _INTERVAL.fullmatch(interval or "1s")
    if match is None:
        return float("nan")
    return float(match[1]) * _UNITS[match[2] or "ms"] if match[1] != "-1" else -1.0
