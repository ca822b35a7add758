"""The ready-made views: up to date, complete, in the formats of Dashboards 3.8, with fields that exist.

tests/dashboards_facts.yml has the formats, each with its position in the source code of OpenSearch Dashboards.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.conversation import ITEM_FIELDS
from service.index import mapping
from service.operations.dashboards import saved_objects
from tests import dql
from tests.dashboards import Dashboards, Times
from tests.facts import without_source

ROOT = Path(__file__).parents[1]
FACTS: dict[str, Any] = yaml.safe_load((ROOT / "tests/dashboards_facts.yml").read_text("utf-8"))
META = "kibanaSavedObjectMeta"
Record = dict[str, Any]
OBJECTS: list[Record] = [json.loads(line) for line in saved_objects("conversations").splitlines()]
CHARTS = [one for one in OBJECTS if one["type"] == "visualization"]
FIELDS: dict[str, dict[str, Record]] = {
    one["id"]: {field["name"]: field for field in json.loads(one["attributes"]["fields"])}
    for one in OBJECTS
    if one["type"] == "index-pattern"
}


def state(chart: Record) -> Record:
    return json.loads(chart["attributes"]["visState"])  # type: ignore[no-any-return]


def source(one: Record) -> Record:
    return json.loads(one["attributes"].get(META, {}).get("searchSourceJSON", "{}"))  # type: ignore[no-any-return]


def pattern_of(one: Record) -> str | None:
    names = {ref["name"]: ref["id"] for ref in one["references"]}
    return names.get(f"{META}.searchSourceJSON.index")


def test_every_fact_has_its_source() -> None:
    for group, facts in FACTS.items():
        assert without_source(facts, group) == []
        for name, fact in {} if "path" in facts else facts.items():
            assert without_source(fact, f"{group}.{name}") == []


def test_the_generated_file_is_up_to_date() -> None:
    done = subprocess.run(["scripts/dashboards", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""  # otherwise it names the command to run
    assert done.returncode == 0


def test_ids_are_unique_and_every_reference_leads_to_one() -> None:
    ids = [(one["type"], one["id"]) for one in OBJECTS]
    assert len(ids) == len(set(ids))
    referred = {(ref["type"], ref["id"]) for one in OBJECTS for ref in one["references"]}
    assert referred == {(kind, name) for kind, name in ids if kind != "dashboard"}
    for one in OBJECTS:
        names = [ref["name"] for ref in one["references"]]
        assert sorted(names) == sorted(reference_names(one))


def reference_names(one: Record) -> Iterator[str]:
    """The names of references that the object's JSON texts use."""
    attributes = one["attributes"]
    yield from (panel["panelRefName"] for panel in json.loads(attributes.get("panelsJSON", "[]")))
    if "visState" in attributes:
        yield from (control["indexPatternRefName"] for control in state(one)["params"].get("controls", []))
    if "indexRefName" in source(one):
        yield source(one)["indexRefName"]
    yield from (found["meta"]["indexRefName"] for found in source(one).get("filter", []))


@pytest.mark.parametrize("kind", ["index-pattern", "search", "visualization", "dashboard"])
def test_an_object_has_the_attributes_and_the_version_of_its_kind(kind: str) -> None:
    facts = FACTS["saved_objects"][kind]
    for one in OBJECTS:
        if one["type"] == kind:
            assert set(one) == {"type", "id", "attributes", "references", "migrationVersion"}
            assert one["migrationVersion"] == {kind: facts["version"]}
            assert set(one["attributes"]) <= set(facts["attributes"]), one["id"]
            assert set(facts["needed"]) <= set(one["attributes"]), one["id"]
            texts = [value for name, value in one["attributes"].items() if name.endswith("JSON") or name == "visState"]
            assert all(json.loads(value) is not None for value in texts)


def test_a_chart_has_the_parameters_schemas_and_aggregations_of_its_type() -> None:
    for chart in CHARTS:
        facts = FACTS["charts"][state(chart)["type"]]
        assert set(state(chart)["params"]) <= set(facts["params"]), chart["id"]
        for name, inner in facts.get("whole", {}).items():  # Dashboards adds no defaults within a given value
            given = state(chart)["params"].get(name)
            for one in given if isinstance(given, list) else [given] if given else []:
                assert set(inner) <= set(one), (chart["id"], name)
        aggs = state(chart)["aggs"]
        assert [agg["id"] for agg in aggs] == [str(number) for number in range(1, len(aggs) + 1)]
        for schema in {agg["schema"] for agg in aggs}:
            assert sum(agg["schema"] == schema for agg in aggs) <= facts["schemas"][schema], (chart["id"], schema)
        for agg in aggs:
            assert set(agg["params"]) <= {"customLabel", *FACTS["aggregations"][agg["type"]]["params"]}, chart["id"]


def test_every_field_of_an_aggregation_can_be_aggregated_as_its_type() -> None:
    for chart in CHARTS:
        for agg in state(chart)["aggs"]:
            if "field" in agg["params"]:
                found = FIELDS[str(pattern_of(chart))][agg["params"]["field"]]
                assert found["aggregatable"], chart["id"]
                assert found["type"] in FACTS["aggregations"][agg["type"]]["fields"], chart["id"]


def test_every_field_that_is_named_is_one_of_the_pattern() -> None:
    for one in OBJECTS:
        attributes = one["attributes"]
        used = set(attributes.get("columns", [])) | {field for field, _way in attributes.get("sort", [])}
        used |= set(fields_in([found["query"] for found in source(one).get("filter", [])]))
        if one["type"] == "visualization":
            used |= set(fields_in(questions(one)))
            used |= {control["fieldName"] for control in state(one)["params"].get("controls", [])}
        if one["type"] == "index-pattern":
            used |= {attributes.get("timeFieldName", "_id"), *json.loads(attributes["fieldFormatMap"])}
        assert used <= set(FIELDS["conversations-all"]), one["id"]
        assert all(FIELDS["conversations-all"][name]["type"] != "unknown" for name in used)


def questions(chart: Record) -> list[Record]:
    """The filters aggregations of a chart as queries."""
    asked = [one for agg in state(chart)["aggs"] for one in agg["params"].get("filters", [])]
    assert all(one["input"]["language"] == "kuery" and one["label"] for one in asked)
    return [dql.query(one["input"]["query"], set()) for one in asked]


def fields_in(value: Any) -> Iterator[str]:
    """Every field that a clause names."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("term", "terms", "range", "match", "match_phrase"):
                yield from inner
            elif key == "field":
                yield inner
            else:
                yield from fields_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from fields_in(inner)


def test_queues_have_no_time_filter_and_begin_with_the_oldest() -> None:
    queues = [one for one in OBJECTS if one["type"] == "search"]
    assert len(queues) == 3
    patterns = {one["id"]: one["attributes"] for one in OBJECTS if one["type"] == "index-pattern"}
    for queue in queues:
        assert "timeFieldName" not in patterns[str(pattern_of(queue))]
        assert queue["attributes"]["sort"] in ([["created_on", "asc"]], [["sent_at", "asc"]])
    for one in OBJECTS:
        if pattern_of(one) is not None:  # tombstones and import records have no organization_uid
            assert {"exists": {"field": "organization_uid"}} in [found["query"] for found in source(one)["filter"]]


def test_a_chart_of_a_time_is_filtered_by_the_date_that_it_is_binned_by() -> None:
    dates = {one["id"]: one["attributes"].get("timeFieldName") for one in OBJECTS if one["type"] == "index-pattern"}
    for chart in CHARTS:
        for agg in state(chart)["aggs"]:
            if agg["type"] == "date_histogram" and (date := dates[str(pattern_of(chart))]) is not None:
                assert agg["params"]["field"] == date, chart["id"]
            if agg["params"].get("field", "").startswith("sent."):
                assert dates[str(pattern_of(chart))] == "sent_at"


def test_nothing_shows_the_name_of_a_field_and_one_series_has_no_legend() -> None:
    for chart in CHARTS:
        assert chart["attributes"]["description"] or not state(chart)["aggs"], chart["id"]
        aggs = state(chart)["aggs"]
        assert all(agg["params"].get("customLabel") for agg in aggs if agg["type"] != "filters"), chart["id"]
        if state(chart)["type"] in ("histogram", "horizontal_bar"):
            assert state(chart)["params"]["addLegend"] == any(agg["schema"] == "group" for agg in aggs)
        if state(chart)["type"] == "pie":
            assert state(chart)["params"]["labels"]["show"]


def test_the_labels_of_filters_are_in_the_order_of_their_names() -> None:
    """OpenSearch sorts filters so, and Dashboards keeps its order."""
    for chart in CHARTS:
        for agg in state(chart)["aggs"]:
            labels = [one["label"] for one in agg["params"].get("filters", [])]
            assert labels == sorted(labels)


def test_panels_do_not_overlap_and_queues_have_columns_and_sort() -> None:
    shown = set()
    for board in (one for one in OBJECTS if one["type"] == "dashboard"):
        kinds = {ref["name"]: (ref["type"], ref["id"]) for ref in board["references"]}
        cells = set[tuple[int, int]]()
        for panel in json.loads(board["attributes"]["panelsJSON"]):
            assert set(panel) == set(FACTS["panel"]["names"])
            grid = panel["gridData"]
            assert 0 <= grid["x"] < grid["x"] + grid["w"] <= FACTS["panel"]["columns"]
            own = {
                (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
            }
            assert not cells & own, panel
            cells |= own
            kind = kinds[panel["panelRefName"]]
            shown.add(kind)
            assert set(panel["embeddableConfig"]) == set(
                FACTS["panel"]["of_a_search"] if kind[0] == "search" else ()
            ) or (panel["embeddableConfig"] == {"hidePanelTitles": True})
    assert shown == {(one["type"], one["id"]) for one in OBJECTS if one["type"] in ("search", "visualization")}


@pytest.mark.parametrize(
    ("days", "chosen", "asked"),
    [
        (1, "auto", {"fixed_interval": "30m"}),
        (7, "auto", {"fixed_interval": "3h"}),
        (91, "auto", {"calendar_interval": "1d"}),
        (365, "auto", {"calendar_interval": "1w"}),
        (8_600, "auto", {"fixed_interval": "30d"}),
        (91, "w", {"calendar_interval": "1w"}),
        (8_600, "w", {"fixed_interval": "30d"}),
    ],
)
def test_intervals_are_those_that_dashboards_chooses(days: int, chosen: str, asked: Record) -> None:
    """About 50 bars, and never more than 100 (calc_auto_interval.ts)."""
    end = datetime(2026, 11, 1, tzinfo=UTC)
    views = Dashboards(OBJECTS, Times(end - timedelta(days=days), end))
    assert views.interval(chosen, bounded=True) == asked


def test_hidden_fields_are_the_services_own() -> None:
    for one in OBJECTS:
        if one["type"] == "index-pattern":
            hidden = {found["value"] for found in json.loads(one["attributes"]["sourceFilters"])}
            own = set(mapping.load().mappings["properties"]) - set(ITEM_FIELDS) - {"sent"}
            assert {name.removesuffix(".*") for name in hidden} == own
            assert {"order.*", "parts", "record.*", "tombstone.*"} <= hidden
