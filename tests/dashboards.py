"""A model of OpenSearch Dashboards 3.8: the search that it sends for a saved object, and the table that it shows.

Dashboards cannot be installed for a test. tests/dashboards_facts.yml names the sources that this module follows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from tests import dql

Record = dict[str, Any]
Row = tuple[Any, ...]
META = "kibanaSavedObjectMeta"
ZONE = "UTC"  # dateFormat:tz, which the import sets
BAR_TARGET, MOST_BARS = 50, 100  # histogram:barTarget, histogram:maxBars
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
UNITS = {"w": 7 * DAY, "d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND}
MONTH, YEAR = 30 * DAY, 365 * DAY  # as moment counts them
# in ms: the least average distance of the bars, and the interval that is then chosen
AUTO = [
    (YEAR, YEAR), (3 * 7 * DAY, MONTH), (7 * DAY, 7 * DAY), (DAY, DAY), (6 * HOUR, 12 * HOUR), (2 * HOUR, 3 * HOUR),
    (45 * MINUTE, HOUR), (20 * MINUTE, 30 * MINUTE), (9 * MINUTE, 10 * MINUTE),
]  # fmt: skip


@dataclass(frozen=True)
class Times:
    """The time range of the picker."""

    start: datetime
    end: datetime

    @property
    def milliseconds(self) -> float:
        return (self.end - self.start).total_seconds() * 1000


class Dashboards:
    """The saved objects, and the search and the table of each."""

    def __init__(self, objects: Iterable[Record], times: Times) -> None:
        self.objects = {(one["type"], one["id"]): one for one in objects}
        self.times = times

    def of_kind(self, *kinds: str) -> list[Record]:
        return [one for (kind, _id), one in self.objects.items() if kind in kinds]

    def pattern(self, one: Record) -> Record:
        name = f"{META}.searchSourceJSON.index"
        identifier = next(ref["id"] for ref in one["references"] if ref["name"] == name)
        return self.objects["index-pattern", identifier]["attributes"]  # type: ignore[no-any-return]

    def search(self, one: Record) -> Record:
        """The body that Dashboards sends for a visualization or a saved search."""
        pattern, attributes = self.pattern(one), one["attributes"]
        source = json.loads(attributes[META]["searchSourceJSON"])
        assert source["query"] == {"query": "", "language": "kuery"}
        fields = fields_of(pattern)
        filters = [*self.time_filter(pattern), *(found["query"] for found in source["filter"])]
        body: Record = {
            "query": {"bool": {"must": [], "filter": filters, "should": [], "must_not": []}},
            "stored_fields": ["*"], "script_fields": scripts(fields), "track_total_hits": True,
            "docvalue_fields": [{"field": name, "format": "date_time"} for name in dates(fields)],
            "_source": {"excludes": [found["value"] for found in json.loads(pattern["sourceFilters"])]},
        }  # fmt: skip
        if one["type"] == "search":
            sort = [{name: {"order": way, "unmapped_type": "boolean"}} for name, way in attributes["sort"]]
            return body | {"size": 500, "sort": sort, "version": True}
        return body | {"size": 0, "aggs": self.aggregations(one)}

    def time_filter(self, pattern: Record) -> list[Record]:
        if "timeFieldName" not in pattern:
            return []
        bounds = {"gte": stamp(self.times.start), "lte": stamp(self.times.end), "format": "strict_date_optional_time"}
        return [{"range": {pattern["timeFieldName"]: bounds}}]

    def aggregations(self, one: Record) -> Record:
        figures, buckets = parts_of(one)
        fields = fields_of(self.pattern(one))
        inner: Record = {}
        for agg in figures:
            if agg["type"] != "count":
                params = {key: value for key, value in agg["params"].items() if key != "customLabel"}
                script = fields[params["field"]].get("script")
                if script:
                    params = {**params, "script": {"source": script, "lang": "painless"}}
                    del params["field"]
                inner[agg["id"]] = {agg["type"]: {**params, **({"keyed": False} if "percents" in params else {})}}
        for agg in reversed(buckets):
            asked = self.bucket(agg["type"], agg["params"], self.pattern(one))
            inner = {agg["id"]: {agg["type"]: asked, **({"aggs": inner} if inner else {})}}
        return inner

    def bucket(self, kind: str, params: Record, pattern: Record) -> Record:
        fields = fields_of(pattern)
        if kind == "filters":
            days = set(dates(fields))
            return {"filters": {one["label"]: dql.query(one["input"]["query"], days) for one in params["filters"]}}
        if kind == "terms":
            assert params["orderBy"] == "1"  # the number of conversations
            missing = params["missingBucket"] and fields[params["field"]]["type"] == "string"
            asked = {"field": params["field"], "order": {"_count": params["order"]}, "size": params["size"]}
            return asked | ({"missing": "__missing__"} if missing else {})
        if kind == "date_histogram":
            by_time_field = params["field"] == pattern.get("timeFieldName")
            interval = self.interval(params["interval"], bounded=by_time_field)
            return {"field": params["field"], **interval, "time_zone": ZONE, "min_doc_count": params["min_doc_count"]}
        assert kind == "histogram"
        wide = {"extended_bounds": params["extended_bounds"]} if params["has_extended_bounds"] else {}
        empty = 0 if params["min_doc_count"] else 1
        return {"field": params["field"], "interval": params["interval"], "min_doc_count": empty, **wide}

    def interval(self, chosen: str, *, bounded: bool) -> Record:
        """Automatic, or as chosen, but longer if there would be too many bars."""
        duration = self.times.milliseconds
        if chosen == "auto":
            length = next(interval for bound, interval in AUTO if bound <= duration / BAR_TARGET)
        else:
            length = UNITS[chosen]
        if (bounded or chosen == "auto") and duration / length > MOST_BARS:
            length = next(interval for _bound, interval in AUTO if interval <= duration / MOST_BARS)
        unit, one = next((unit, one) for unit, one in UNITS.items() if length % one == 0)
        kind = "calendar_interval" if length == one and unit != "s" else "fixed_interval"
        return {kind: f"{length // one}{unit}"}


def fields_of(pattern: Record) -> dict[str, Record]:
    return {field["name"]: field for field in json.loads(pattern["fields"])}


def dates(fields: dict[str, Record]) -> list[str]:
    return [name for name, field in fields.items() if field["type"] == "date"]


def scripts(fields: dict[str, Record]) -> Record:
    return {
        name: {"script": {"source": field["script"], "lang": "painless"}}
        for name, field in fields.items()
        if field["scripted"]
    }


def stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"


def parts_of(one: Record) -> tuple[list[Record], list[Record]]:
    """The figures and the buckets of a visualization."""
    aggs = json.loads(one["attributes"]["visState"])["aggs"]
    figures = [agg for agg in aggs if agg["schema"] == "metric"]
    return figures, [agg for agg in aggs if agg["schema"] != "metric"]


def table(one: Record, answer: Record) -> dict[Row, Row]:
    """The rows of the table: for each innermost bucket, its keys (the outermost first) and its figures."""
    figures, buckets = parts_of(one)
    whole = answer["aggregations"] | {"doc_count": answer["hits"]["total"]["value"]} if "aggregations" in answer else {}
    rows = list(_rows(buckets, whole, lambda found: tuple(_figure(agg, found) for agg in figures)))
    assert len(rows) == len({keys for keys, _figures in rows})
    return dict(rows)


def _rows(buckets: list[Record], found: Record, figures: Callable[[Record], Row]) -> Iterator[tuple[Row, Row]]:
    if not buckets:
        yield (), figures(found)
        return
    agg, inner = buckets[0], buckets[1:]
    inside = found[agg["id"]]["buckets"]
    if isinstance(inside, dict):  # shown in the order of the answer, in which OpenSearch sorts them
        assert list(inside) == [one["label"] for one in agg["params"]["filters"]]
        pairs = list(inside.items())
    else:
        pairs = [(_key(agg, one), one) for one in inside]
    if agg["type"] in ("histogram", "date_histogram"):
        assert all(low < high for low, high in pairwise(key for key, _one in pairs))
    for key, one in pairs:
        yield from (((key, *keys), values) for keys, values in _rows(inner, one, figures))


def _key(agg: Record, bucket: Record) -> Any:
    if agg["type"] == "date_histogram":
        return datetime.fromtimestamp(bucket["key"] / 1000, UTC)
    return agg["params"].get("missingBucketLabel") if bucket["key"] == "__missing__" else bucket["key"]


def _figure(agg: Record, found: Record) -> Any:
    if agg["type"] == "count":
        return found["doc_count"]
    if agg["type"] == "percentiles":
        return tuple(one["value"] for one in found[agg["id"]]["values"])
    return found[agg["id"]]["value"]
