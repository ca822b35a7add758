"""The ready-made views: generated, closed in themselves, made of fields that there are, and each search of them runs.

OpenSearch Dashboards itself is no package that could be installed for a test. So what it would ask the node for is
made of the saved objects here, and asked; and the import is sent to a server that only keeps what it was sent.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from service.index import mapping
from service.operations.dashboards import saved_objects
from service.settings import Settings
from service.sources import ndjson
from tests.analysts import questions, told
from tests.node.conftest import Cluster, own_alias

ROOT = Path(__file__).parents[2]
SOURCE = "kibanaSavedObjectMeta"
Record = dict[str, Any]


def objects() -> list[Record]:
    return [json.loads(line) for line in saved_objects("conversations").splitlines()]


@pytest.fixture(scope="module")
def sample(settings: Settings, opensearch_url: str, samples: Path) -> Iterator[Cluster]:
    lines = ndjson.read(str(samples / "conversations.ndjson.gz"))
    with own_alias(settings, opensearch_url) as cluster:
        cluster.load([line.conversation for line in lines if line.conversation is not None])
        yield cluster


def search(cluster: Cluster, body: Record) -> Record:
    answer: Record = cluster.act(lambda client: client.search(index=cluster.settings.alias, body=body))
    assert answer["_shards"]["failed"] == 0
    return answer


def test_the_file_is_what_its_source_says() -> None:
    done = subprocess.run(["scripts/dashboards", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_ids_are_unique_and_every_reference_leads_to_one() -> None:
    ids = [(one["type"], one["id"]) for one in objects()]
    assert len(ids) == len(set(ids))
    referred = {(ref["type"], ref["id"]) for one in objects() for ref in one["references"]}
    assert referred == set(ids) - {("dashboard", "conversations-overview")}
    for one in objects():
        names = [ref["name"] for ref in one["references"]]
        assert sorted(names) == sorted(reference_names(one))


def reference_names(one: Record) -> list[str]:
    """The names that the object's own texts refer by."""
    attributes = one["attributes"]
    names = [panel["panelRefName"] for panel in json.loads(attributes.get("panelsJSON", "[]"))]
    source = json.loads(attributes.get(SOURCE, {}).get("searchSourceJSON", "{}"))
    names += [source["indexRefName"]] if "indexRefName" in source else []
    return names + [found["meta"]["indexRefName"] for found in source.get("filter", [])]


def mapped() -> set[str]:
    def walk(properties: Record, prefix: str = "") -> Iterator[str]:
        for name, field in properties.items():
            if "type" in field and field.get("index", True) and field.get("doc_values", True):
                yield prefix + name
            yield from walk({**field.get("properties", {}), **field.get("fields", {})}, f"{prefix}{name}.")

    return set(walk(mapping.load().mappings["properties"]))


def fields_of(value: Any) -> Iterator[str]:
    """Every field that a clause names."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("term", "terms", "range"):
                yield from inner
            elif key == "field":
                yield inner
            else:
                yield from fields_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from fields_of(inner)


def test_every_field_is_one_of_the_mapping() -> None:
    pattern = objects()[0]["attributes"]
    used = {pattern["timeFieldName"], *json.loads(pattern["fieldFormatMap"])}
    for one in objects():
        attributes = one["attributes"]
        used |= set(attributes.get("columns", [])) | {field for field, _way in attributes.get("sort", [])}
        used |= set(fields_of(json.loads(attributes.get("visState", "{}"))))
        used |= set(fields_of(filters(one)))
    assert used <= mapped()
    assert {"sent.weekday", "sent.hour", "metadata.from_email", "message_count"} <= used
    listed = {field["name"]: field for field in json.loads(pattern["fields"])}
    assert mapped() <= {name for name, field in listed.items() if field["searchable"]}


def filters(one: Record) -> list[Record]:
    source = json.loads(one["attributes"].get(SOURCE, {}).get("searchSourceJSON", "{}"))
    return [found["query"] for found in source.get("filter", [])]


def as_asked(one: Record) -> Record:
    """The search that Dashboards makes of the object, over all times."""
    attributes = one["attributes"]
    query = {"bool": {"filter": [{"exists": {"field": objects()[0]["attributes"]["timeFieldName"]}}, *filters(one)]}}
    if one["type"] == "search":
        return {"query": query, "sort": [dict([pair]) for pair in attributes["sort"]], "track_total_hits": True}
    aggregations: Record = {}
    for agg in reversed(json.loads(attributes["visState"])["aggs"]):
        if agg["schema"] != "metric":
            aggregations = {agg["id"]: {agg["type"]: asked(agg), **({"aggs": aggregations} if aggregations else {})}}
    return {"query": query, "size": 0, "track_total_hits": True, "aggs": aggregations}


def asked(agg: Record) -> Record:
    params = agg["params"]
    if agg["type"] == "terms":
        order = {"_count": params["order"]}
        missing = {"missing": "__missing__"} if params["missingBucket"] else {}
        return {"field": params["field"], "size": params["size"], "order": order, **missing}
    if agg["type"] == "date_histogram":
        return {"field": params["field"], "calendar_interval": f"1{params['interval']}", "time_zone": "UTC"}
    return {"field": params["field"], "interval": params["interval"], "min_doc_count": 1}


SEARCHES = [one["id"] for one in objects() if one["type"] in ("search", "visualization")]


@pytest.mark.parametrize("name", SEARCHES)
def test_every_view_finds_something_in_the_sample(name: str, sample: Cluster) -> None:
    one = next(found for found in objects() if found["id"] == name)
    body = as_asked(one)
    answer = search(sample, body)
    assert 0 < answer["hits"]["total"]["value"] <= 400
    if one["type"] == "visualization":
        first = next(iter(answer["aggregations"].values()))
        assert sum(bucket["doc_count"] for bucket in first["buckets"]) > 0
        if "aggs" in next(iter(body["aggs"].values())):
            inner = [next(value for value in bucket.values() if isinstance(value, dict)) for bucket in first["buckets"]]
            assert any(found["buckets"] for found in inner)


def test_what_is_left_of_a_deleted_conversation_is_in_no_view(fresh: Cluster, samples: Path) -> None:
    from service.index import writer

    line = next(ndjson.read(str(samples / "conversations.ndjson.gz")))
    assert line.conversation is not None
    one = line.conversation
    fresh.load([one])
    gone = writer.deletion_of(one.organization_uid, one.uid, one.updated_on.replace(year=2030))
    fresh.act(lambda client: writer.write(client, fresh.settings.alias, [gone]))
    fresh.act(lambda client: client.indices.refresh(index=fresh.settings.alias))
    assert fresh.act(lambda client: client.count(index=fresh.settings.alias))["count"] == 1
    for found in objects():
        if found["type"] in ("search", "visualization"):
            assert search(fresh, as_asked(found))["hits"]["total"]["value"] == 0


def test_the_sheet_of_questions_answers_as_it_says(sample: Cluster) -> None:
    found = questions()
    assert len(found) == 10
    for question in found:
        assert told(search(sample, question.search)) == question.answer, question.text
        assert set(fields_of(question.search.get("query"))) <= mapped()


class Kept(ThreadingHTTPServer):
    """Keeps what it was sent, and answers what it is told to, one after the other, the last one for ever."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Keep)
        self.answers = list(answers)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Keep(BaseHTTPRequestHandler):
    server: Kept

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        answers = self.server.answers
        status, text = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        pass


def imported(kept: Kept, cluster: Cluster, **more: str) -> subprocess.CompletedProcess[str]:
    thread = threading.Thread(target=kept.serve_forever)
    thread.start()
    try:
        return subprocess.run(
            [sys.executable, "-m", "service", "dashboards", "--url", kept.url, "--wait", "20"],
            env=cluster.environment | more, capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        kept.shutdown()
        thread.join(30)
        kept.server_close()


def test_the_import_waits_until_dashboards_is_ready_and_looks_at_the_alias(cluster: Cluster) -> None:
    kept = Kept((503, "not ready yet"), (200, json.dumps({"success": True, "successCount": len(objects())})))
    done = imported(kept, cluster, OPENSEARCH_USER="ana", OPENSEARCH_PASSWORD="pässword")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["imported"] == len(objects())
    path, headers, body = kept.requests[-1]
    assert path == "/api/saved_objects/_import?overwrite=true"
    assert headers["osd-xsrf"] == "true"
    assert headers["authorization"].startswith("Basic ")
    message = message_from_bytes(b"Content-Type: " + headers["content-type"].encode() + b"\n\n" + body)
    _whole, part = message.walk()
    sent = part.get_payload(decode=True)
    assert isinstance(sent, bytes)
    lines = [json.loads(line) for line in sent.splitlines()]
    assert len(lines) == len(objects())
    assert lines[0]["attributes"]["title"] == cluster.settings.alias
    assert lines[1:] == objects()[1:]


@pytest.mark.parametrize(
    ("status", "text", "word"),
    [
        (401, "", "OPENSEARCH_USER"),
        (200, "<html>", "check that it is OpenSearch Dashboards"),
        (200, '{"success":false,"errors":[{"id":"x","error":{"type":"conflict"}}]}', "conflict"),
        (404, "{}", "check that it is OpenSearch Dashboards"),
    ],
)
def test_what_dashboards_refuses_is_told_in_a_line(status: int, text: str, word: str, cluster: Cluster) -> None:
    done = imported(Kept((status, text)), cluster)
    assert done.returncode == 1
    assert word in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
