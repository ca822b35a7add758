"""GET /metrics, for Prometheus: counters of this process, how fresh the index is, and progress of loads and reindexes.

The cluster's status is cached for FRESH_SECONDS, however many clients scrape. If the cluster does not respond, the
process's own metrics are still exposed. No label names an organization or a user.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from service import deadline, telemetry
from service.operations.status import Status
from service.reindex.documents import RANGES

FRESH_SECONDS = 15.0
MOST_SECONDS = 5.0  # a scrape waits this long for the cluster: half of Prometheus's default scrape_timeout
SHARE_FOR_CLUSTER = 0.8  # of MOST_SECONDS, or of the time left until the request's deadline if that is shorter
_INTERVAL = re.compile(r"(-?\d+)(ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


logger = structlog.get_logger("conversations.metrics")


class Metrics:
    """The metrics of this process and of the cluster. `read_status` reads the cluster's status."""

    def __init__(self, read_status: Callable[[], Awaitable[Status]]) -> None:
        self._read_status = read_status
        self._read_at = 0.0
        self._lock = asyncio.Lock()
        self._registry = CollectorRegistry()
        self._labelled: list[Gauge] = []
        self._single: list[Gauge] = []

        def gauge(name: str, documentation: str, *labels: str) -> Gauge:
            made = Gauge(f"conversations_{name}", documentation, labels, registry=self._registry)
            (self._labelled if labels else self._single).append(made)
            return made

        self._up = gauge("cluster_up", "1 if the cluster answered the last status request, else 0")
        self._age = gauge("newest_write_age_seconds", "Seconds since the newest updated_on or deleted_on in the index")
        self._documents = gauge("documents", "Documents of an index", "index", "kind", "reads", "writes")
        self._bytes = gauge("index_bytes", "Size of an index on the disk", "index")
        self._interval = gauge(
            "refresh_interval_seconds", "Seconds until searches find a write; -1 means never", "index"
        )
        self._differing = gauge(
            "differing_ranges", f"Of {RANGES} ranges of uids, those that differ from the index that is read", "index"
        )
        self._usable = gauge("index_usable", "1 if the service can serve the index, else 0")
        self._reindex = gauge("reindex_running", "1 for the current step of a reindex", "action", "step")
        self._ranges = gauge("reindex_ranges_done", f"Of {RANGES} ranges of uids, those that a reindex has copied")
        self._loads = gauge("loads_running", "Running loads on all machines")
        self._load_bytes = gauge("load_input_bytes", "Total input bytes of the running loads whose input size is known")
        self._load_bytes_done = gauge("load_input_bytes_done", "Of load_input_bytes, the bytes that were read")
        self._load_lines = gauge("load_lines", "Lines of the running loads, by outcome", "outcome")

    async def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        async with self._lock:  # concurrent scrapes wait for the first and use its result
            if time.monotonic() - self._read_at > FRESH_SECONDS or not self._read_at:
                await self._refresh()
                self._read_at = time.monotonic()
        telemetry.tasks.set(len(asyncio.all_tasks()))
        return generate_latest(telemetry.REGISTRY) + generate_latest(self._registry)

    async def _refresh(self) -> None:
        """Reads the cluster's status. On any error, the cluster's metrics become NaN and cluster_up becomes 0."""
        try:
            async with asyncio.timeout(SHARE_FOR_CLUSTER * deadline.remaining(MOST_SECONDS)):
                self._show(await self._read_status())
            self._up.set(1)
        except Exception as error:
            logger.warning("the cluster's status could not be read", error=type(error).__name__)
            self._clear()
            self._up.set(0)

    def _clear(self) -> None:
        for gauge in self._labelled:
            gauge.clear()
        for gauge in self._single:
            gauge.set(float("nan"))

    def _show(self, status: Status) -> None:
        self._clear()
        self._age.set(float("nan") if status.newest_write_age_seconds is None else status.newest_write_age_seconds)
        self._usable.set(status.problem is None)
        for index in status.indices:
            uses = (str(index.reads).lower(), str(index.writes).lower())
            self._documents.labels(index.name, "conversation", *uses).set(index.conversations)
            self._documents.labels(index.name, "tombstone", *uses).set(index.tombstones)
            self._bytes.labels(index.name).set(index.bytes)
            self._interval.labels(index.name).set(_seconds(index.refresh_interval))
            if index.differing_ranges is not None:
                self._differing.labels(index.name).set(index.differing_ranges)
        self._ranges.set(status.reindex["ranges_done"] if status.reindex else 0)
        self._loads.set(len(status.loads))
        self._load_bytes.set(sum(load.bytes for load in status.loads))
        self._load_bytes_done.set(sum(load.bytes_done for load in status.loads if load.bytes))
        for outcome in ("written", "unchanged", "rejected"):
            self._load_lines.labels(outcome).set(sum(getattr(load, outcome) for load in status.loads))
        if status.reindex:
            self._reindex.labels(status.reindex["action"], status.reindex["step"]).set(1)


def _seconds(interval: str | None) -> float:
    """Parses a refresh interval such as 500ms or -1. None means OpenSearch's default of one second."""
    match = _INTERVAL.fullmatch(interval or "1s")
    if match is None:
        return float("nan")
    return float(match[1]) * _UNITS[match[2] or "ms"] if match[1] != "-1" else -1.0
