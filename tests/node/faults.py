"""Faults that a proxy, or a broken node, may cause in an answer: each has a name, and changes the real answer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

from tests.node import proxy
from tests.node.proxy import Answer, Call, Fault

HTML = b"<html><head><title>Bad gateway</title></head><body>nginx</body></html>"
OTHER = "00000000-0000-4000-8000-000000000000"


def page(status: int, **headers: str) -> Fault:
    """A page that comes from a proxy."""
    return lambda _call, _answer: Answer(status, HTML, {"content-type": "text/html", "connection": "close", **headers})


def error(status: int, kind: str, reason: str = "no") -> Fault:
    """An error in the form of OpenSearch."""
    body = {"error": {"root_cause": [{"type": kind, "reason": reason}], "type": kind, "reason": reason}}
    return lambda _call, _answer: Answer(
        status, json.dumps({**body, "status": status}).encode(), {"connection": "close"}
    )


def body(text: bytes, **headers: str) -> Fault:
    return lambda _call, _answer: Answer(200, text, {"connection": "close", **headers})


def sent(send: Any) -> Fault:
    return lambda _call, answer: answer.but(send=send)


def _cut_json(_call: Call, answer: Answer) -> Answer:
    return answer.but(body=answer.body[:-2])


def _longer(_call: Call, answer: Answer) -> Answer:
    return answer.but(length=len(answer.body) + 10)


def _chunked(_call: Call, answer: Answer) -> Answer:
    part = answer.body[: len(answer.body) // 2]
    text = f"{len(answer.body):x}\r\n".encode() + part
    return answer.but(body=text, headers={"transfer-encoding": "chunked", "connection": "close"})


def _half_gzip(_call: Call, answer: Answer) -> Answer:
    packed = gzip.compress(answer.body)
    return answer.but(body=packed[: len(packed) // 2], headers={"content-encoding": "gzip", "connection": "close"})


ANY: dict[str, Fault] = {
    **{f"a redirect, {status}": page(status, location="/elsewhere") for status in (301, 302, 303, 307, 308)},
    **{
        f"a page, {status}": page(status)
        for status in (200, 203, 300, 304, 400, 401, 403, 404, 405, 407, 409, 411, 414, 415, 418, 429, 431, 500, 501, 502, 503, 504, 520)
    },
    "a proxy's own 404 as JSON": lambda _c, _a: Answer(404, b'{"message":"no route"}', {"connection": "close"}),
    "index closed": error(400, "index_closed_exception"),
    "index not found": error(404, "index_not_found_exception"),
    "read-only": error(403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/5/index read-only (api)];"),
    "flood stage": error(429, "cluster_block_exception", "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk];"),
    "no rights": error(403, "security_exception", "no permissions"),
    "unknown user": error(401, "security_exception"),
    "no memory": error(429, "circuit_breaking_exception"),
    "full queue": error(429, "rejected_execution_exception"),
    "no manager": error(503, "cluster_manager_not_discovered_exception"),
    "shards away": error(503, "search_phase_execution_exception", "all shards failed"),
    "out of bounds": error(500, "array_index_out_of_bounds_exception"),
    "an unknown 400": error(400, "strange_exception"),
    "an error in 200": body(b'{"error":{"type":"strange_exception"},"status":500}'),
    "error as text": lambda _c, _a: Answer(500, b'{"error":"it broke","status":500}', {"connection": "close"}),
    "error as a list": lambda _c, _a: Answer(500, b'[{"error":1}]', {"connection": "close"}),
    "nothing": body(b""),
    "null": body(b"null"),
    "a list": body(b"[]"),
    "a number": body(b"17"),
    "a text": body(b'"green"'),
    "an empty object": body(b"{}"),
    "HTML that says it is JSON": body(HTML),
    "no UTF-8": body(b'{"took":1,"x":"\xff\xfe"}'),
    "deep nesting": body(b'{"a":' * 100_000),
    "a number of 10,000 digits": body(b'{"took":' + b"9" * 10_000 + b"}"),
    "cut JSON": _cut_json,
    "longer than sent": _longer,
    "a chunk cut off": _chunked,
    "gzip garbage": body(b"garbage" * 20, **{"content-encoding": "gzip"}),
    "half a gzip": _half_gzip,
    "an unknown encoding of the transfer": body(b"x", **{"transfer-encoding": "odd"}),
    "reset": sent(proxy.reset),
    "closed before the headers": sent(proxy.exactly(b"")),
    "closed in the headers": sent(proxy.exactly(b"HTTP/1.1 200 OK\r\ncontent-")),
    "closed in the body": sent(proxy.partly(0.9)),
    "no HTTP": sent(proxy.exactly(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")),
    "a header of 100 kB": body(b"{}", warning="x" * 100_000),
    "silence": sent(proxy.silent),
    "headers, then silence": sent(proxy.head_only),
    "a slow drip": sent(proxy.dripping),
}  # fmt: skip
"""What may happen to any answer."""


def edited(change: Callable[[Any], object]) -> Fault:
    """The node's own answer, changed in place."""

    def fault(_call: Call, answer: Answer) -> Answer:
        found = json.loads(answer.body)
        change(found)
        return answer.but(body=json.dumps(found, separators=(",", ":")).encode())

    return fault


def put(*path: Any, value: Any) -> Fault:
    """The answer with this value at the path. A path that is not there leaves it as it is."""

    def change(found: Any) -> None:
        for step in path[:-1]:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError):
                return
        if isinstance(found, dict) or (isinstance(found, list) and len(found) > int(path[-1])):
            found[path[-1]] = value

    return edited(change)


def dropped(*path: Any) -> Fault:
    """The answer without the value at the path."""

    def change(found: Any) -> None:
        for step in path[:-1]:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError):
                return
        if isinstance(found, list) and found:
            found.pop(path[-1])
        elif isinstance(found, dict):
            found.pop(path[-1], None)

    return edited(change)


def _twice(found: Any) -> None:
    found["hits"]["hits"] *= 2


def _huge(_call: Call, answer: Answer) -> Answer:
    return answer.but(body=answer.body.replace(b'"value":', b'"value":1' + b"0" * 400, 1))


WHOLE: dict[str, Fault] = {
    "no hits at all": dropped("hits"),
    "hits null": put("hits", value=None),
    "hits a list": put("hits", value=[]),
    "list of hits null": put("hits", "hits", value=None),
    "list of hits missing": dropped("hits", "hits"),
    "timed out": put("timed_out", value=True),
    "timed out, as text": put("timed_out", value="no"),
    "shards missing": dropped("_shards"),
    "shards null": put("_shards", value=None),
    "no shards": put("_shards", value={"total": 0, "successful": 0, "failed": 0}),
    "two shards": put("_shards", value={"total": 2, "successful": 2, "failed": 0}),
    "a failed shard": put("_shards", value={"total": 1, "successful": 1, "failed": 1}),
    "a shard that is missing": put("_shards", value={"total": 1, "successful": 0, "failed": 0}),
    "shards as text": put("_shards", value={"total": "1", "successful": "1", "failed": "0"}),
    "negative shards": put("_shards", value={"total": -1, "successful": -1, "failed": 0}),
}
"""What may be wrong with any search."""

TOTALS: dict[str, Fault] = {
    "total missing": dropped("hits", "total"),
    "total null": put("hits", "total", value=None),
    "total a number": put("hits", "total", value=3),
    "total negative": put("hits", "total", "value", value=-5),
    "total as text": put("hits", "total", "value", value="3"),
    "total with a fraction": put("hits", "total", "value", value=3.5),
    "total huge": put("hits", "total", "value", value=2**80),
    "total of 400 digits": _huge,
    "a lower bound": put("hits", "total", "relation", value="gte"),
    "relation missing": dropped("hits", "total", "relation"),
}
"""What may be wrong with the total of a search that asks for one."""

HITS: dict[str, Fault] = {
    "a hit too few": dropped("hits", "hits", -1),
    "twice the hits": edited(_twice),
    "a hit null": put("hits", "hits", 0, value=None),
    "no source": dropped("hits", "hits", 0, "_source"),
    "source null": put("hits", "hits", 0, "_source", value=None),
    "source a list": put("hits", "hits", 0, "_source", value=[]),
    "source empty": put("hits", "hits", 0, "_source", value={}),
    "source of another organization": put("hits", "hits", 0, "_source", "organization_uid", value=OTHER),
    "source of another uid": put("hits", "hits", 0, "_source", "uid", value=OTHER),
    "no id": dropped("hits", "hits", 0, "_id"),
    "id of another organization": put("hits", "hits", 0, "_id", value=f"{OTHER}:{OTHER}"),
    "id a number": put("hits", "hits", 0, "_id", value=7),
    "no sort values": dropped("hits", "hits", -1, "sort"),
    "sort values null": put("hits", "hits", -1, "sort", value=None),
    "a sort value too few": dropped("hits", "hits", -1, "sort", -1),
    "a sort value of no kind": put("hits", "hits", -1, "sort", 0, value={"a": 1}),
}
"""What may be wrong with the conversations that a search finds."""


def _each(found: Any, change: Callable[[Any], None]) -> None:
    for aggregation in (found.get("aggregations") or {}).values():
        change(aggregation)


def in_buckets(name: str, value: Any) -> Fault:
    def change(aggregation: Any) -> None:
        buckets = aggregation.get("buckets") or []
        for bucket in buckets.values() if isinstance(buckets, dict) else buckets:
            bucket[name] = value

    return edited(lambda found: _each(found, change))


AGGREGATIONS: dict[str, Fault] = {
    "aggregations missing": dropped("aggregations"),
    "aggregations null": put("aggregations", value=None),
    "aggregations empty": put("aggregations", value={}),
    "an aggregation null": edited(lambda found: found.update(aggregations=dict.fromkeys(found["aggregations"]))),
    "buckets null": edited(lambda found: _each(found, lambda one: one.update(buckets=None))),
    "buckets a text": edited(lambda found: _each(found, lambda one: one.update(buckets="none"))),
    "counts negative": in_buckets("doc_count", -1),
    "counts as text": in_buckets("doc_count", "1"),
    "counts null": in_buckets("doc_count", None),
    "counts too large": in_buckets("doc_count", 2**70),
}
"""What may be wrong with the counts of a search."""

DOCUMENT: dict[str, Fault] = {
    "not found, but 200": put("found", value=False),
    "found as text": put("found", value="yes"),
    "another document": put("_id", value=f"{OTHER}:{OTHER}"),
    "no id": dropped("_id"),
    "no source": dropped("_source"),
    "source null": put("_source", value=None),
    "source a text": put("_source", value="x"),
    "source of another organization": put("_source", "organization_uid", value=OTHER),
    "source of another uid": put("_source", "uid", value=OTHER),
    "no order": dropped("_source", "order"),
}
"""What may be wrong with one document."""


def item(status: int, kind: str | None = None, reason: str = "no") -> Fault:
    """Every document of a bulk request has this status and this error."""

    def change(found: Any) -> None:
        for entry in found["items"]:
            entry["index"]["status"] = status
            entry["index"].pop("error", None)
            if kind is not None:
                entry["index"]["error"] = {"type": kind, "reason": reason}

    return edited(change)


BULK: dict[str, Fault] = {
    "items missing": dropped("items"),
    "items null": put("items", value=None),
    "items empty": put("items", value=[]),
    "an item too few": dropped("items", -1),
    "an item too many": edited(lambda found: found["items"].append(found["items"][0])),
    "items in another order": edited(lambda found: found["items"].reverse()),
    "an item null": put("items", 0, value=None),
    "an item of another action": put("items", 0, value={"delete": {"status": 200}}),
    "an item of another document": put("items", 0, "index", "_id", value=f"{OTHER}:{OTHER}"),
    "an item of another index": put("items", 0, "index", "_index", value="other"),
    "status missing": dropped("items", 0, "index", "status"),
    "status as text": put("items", 0, "index", "status", value="200"),
    "status 0": item(0),
    "status 200 with an error": item(200, "strange_exception"),
    "status 409 without a conflict": item(409, "strange_exception"),
    "status 418": item(418, "strange_exception"),
    "index closed": item(400, "index_closed_exception", "closed"),
    "no alias": item(400, "illegal_argument_exception", "[x] is not an alias"),
    "too many documents": item(400, "illegal_argument_exception", "number of documents in the index cannot exceed 2"),
    "read-only": item(403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write (api)];"),
    "flood stage": item(429, "cluster_block_exception", "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk];"),
    "no rights": item(403, "security_exception"),
    "index gone": item(404, "index_not_found_exception"),
    "writer closed": item(500, "already_closed_exception"),
    "shard away": item(503, "unavailable_shards_exception"),
    "full queue": item(429, "rejected_execution_exception"),
}
"""What may be wrong with the answer to a bulk request."""
