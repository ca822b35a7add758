"""GET /metrics, for Prometheus: how fresh the index is, and what a reindex is doing.

Asked of the cluster at most every so often, whoever scrapes. No organization and no user is a label.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from service.index.scan import RANGES
from service.index.status import Status

FRESH_SECONDS = 15.0
_INTERVAL = re.compile(r"(-?\d+)(ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Metrics:
    """`ask` gives the status; its errors are the scraper's to see."""

    def __init__(self, ask: Callable[[], Awaitable[Status]]) -> None:
        self._ask = ask
        self._asked_at = 0.0
        self._registry = CollectorRegistry()

        def gauge(name: str, documentation: str, *labels: str) -> Gauge:
            return Gauge(f"conversations_{name}", documentation, labels, registry=self._registry)

        self._age = gauge("newest_write_age_seconds", "Since the newest updated_on or deleted_on in the index")
        self._documents = gauge("documents", "Documents of an index", "index", "kind", "reads", "writes")
        self._bytes = gauge("index_bytes", "Size of an index on the disk", "index")
        self._interval = gauge(
            "refresh_interval_seconds", "How soon searches find what was written; -1: never", "index"
        )
        self._differing = gauge(
            "differing_ranges", f"Of {RANGES} ranges of uids, those not as in the index read", "index"
        )
        self._usable = gauge("index_usable", "1 where the service can serve the index")
        self._reindex = gauge("reindex_running", "1 for the step of a reindex that is under way", "action", "step")
        self._ranges = gauge("reindex_ranges_done", f"Of {RANGES} ranges, those that a reindex has copied")

    async def text(self) -> bytes:
        """The exposition format. Raises what asking the cluster raises."""
        if time.monotonic() - self._asked_at > FRESH_SECONDS or not self._asked_at:
            self._show(await self._ask())
            self._asked_at = time.monotonic()
        return generate_latest(self._registry)

    def _show(self, status: Status) -> None:
        for gauge in (self._documents, self._bytes, self._interval, self._differing, self._reindex):
            gauge.clear()
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
        if status.reindex:
            self._reindex.labels(status.reindex["action"], status.reindex["step"]).set(1)


def _seconds(interval: str | None) -> float:
    """OpenSearch's own default is a second."""
    found = _INTERVAL.fullmatch(interval or "1s")
    if found is None:
        return float("nan")
    return float(found[1]) * _UNITS[found[2] or "ms"] if found[1] != "-1" else -1.0
