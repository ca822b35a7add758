"""How errors of OpenSearch are translated. These tests need no node."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from opensearchpy.exceptions import TransportError

from service.api.errors import message_for_callers
from service.client import translated
from service.client.error_types import causes_of, facts_of, is_about_path, is_from_opensearch
from service.errors import (
    NO_INDEX,
    IndexMissing,
    IndexUnusable,
    InvalidQuery,
    Overloaded,
    SearchTimeout,
    SearchUnavailable,
)

SERVICE = Path(__file__).parents[1] / "service"


def phase(kind: str, reason: str = "no") -> dict[str, Any]:
    """A failed search, whose cause is in one shard."""
    cause = {"type": kind, "reason": reason}
    shard = {"shard": 0, "reason": {"type": "query_shard_exception", "reason": "failed", "caused_by": cause}}
    return {"error": {"root_cause": [], "type": "search_phase_execution_exception", "failed_shards": [shard]}}


TOO_LARGE = {
    "too_many_clauses": phase("too_many_clauses", "maxClauseCount is set to 1024"),
    "too_many_nested_clauses": phase("too_many_nested_clauses"),
    "too_many_buckets": phase("too_many_buckets_exception"),
    "fields": phase("illegal_argument_exception", "field expansion for [*] matches too many fields, limit: 1024"),
    "window": phase("illegal_argument_exception", "Result window is too large, from + size must be less than 10000"),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_query_that_is_too_large_is_an_error_of_the_caller_but_not_in_a_command(name: str) -> None:
    error = TransportError(400, "search_phase_execution_exception", TOO_LARGE[name])
    with pytest.raises(InvalidQuery) as invalid, translated(is_query=True):
        raise error
    assert invalid.value.problems[0].message
    with pytest.raises(SearchUnavailable), translated():
        raise error


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (404, "index_not_found_exception", IndexMissing),
        (400, "index_closed_exception", IndexUnusable),
        (403, "cluster_block_exception", SearchUnavailable),
        (429, "cluster_block_exception", SearchUnavailable),
        (429, "circuit_breaking_exception", Overloaded),
        (429, "rejected_execution_exception", Overloaded),
        (500, "timeout_exception", SearchTimeout),
        (408, "unknown", SearchTimeout),
        (401, "unknown", SearchUnavailable),
        (302, "unknown", SearchUnavailable),
        (418, "unknown", SearchUnavailable),
    ],
)
def test_every_error_becomes_one_of_our_own(status: int, kind: str, expected: type[Exception]) -> None:
    with pytest.raises(expected) as raised, translated():
        raise TransportError(status, kind, {"error": {"type": kind, "reason": "a secret"}, "status": status})
    assert type(raised.value) is expected
    assert "secret" not in str(raised.value)
    assert facts_of(raised.value) == {"opensearch_status": status, "opensearch_error": kind}


def test_the_text_of_an_error_from_a_proxy_is_not_logged() -> None:
    with pytest.raises(SearchUnavailable) as raised, translated():
        raise TransportError(500, "<html>user@example.com</html>", None)
    assert facts_of(raised.value) == {"opensearch_status": 500}


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({"error": {"type": "index_not_found_exception", "reason": "no"}, "status": 404}, True),
        ({"error": "alias [a] missing", "status": 404, "other": {"aliases": {}}}, True),
        ({"error": "no handler found", "status": 405}, True),
        ({"_index": "i", "_id": "1", "found": False}, True),
        ({"_index": "i", "_id": "1", "result": "not_found"}, True),
        ({"timestamp": "2026-01-01", "status": 404, "error": "Not Found", "path": "/i/_doc/1"}, False),
        ({"status": 503, "error": "Service Unavailable", "message": "upstream"}, False),
        ({"status": 404, "error": "Not Found"}, False),
        ({"status": 404, "error": "not found"}, False),
        ({"message": "no Route matched with those values"}, False),
        ({"error": {"type": "x"}}, False),
        (None, False),
    ],
)
def test_an_error_of_a_gateway_is_not_taken_for_one_of_opensearch(info: dict[str, Any] | None, expected: bool) -> None:
    assert is_from_opensearch(TransportError(404, "x", info)) is expected


def test_a_cause_whose_reason_is_no_text_has_an_empty_reason() -> None:
    deep: dict[str, Any] = {}
    for _level in range(5000):
        deep = {"reason": deep}
    error = TransportError(500, "x", {"error": {"type": "y", "reason": deep}, "status": 500})
    assert ("y", "") in causes_of(error)


@pytest.mark.parametrize(
    ("info", "call", "expected"),
    [
        ({"error": {"type": "index_not_found_exception", "index": "a b"}, "status": 404}, "/_alias/x", True),
        ({"error": {"type": "index_not_found_exception", "index": "x"}, "status": 404}, "/_alias/x", False),
        ({"error": {"type": "index_not_found_exception", "index": "a b"}, "status": 404}, "/x,a b/_search", False),
        ({"error": "no handler found for uri [/a%20b/x/_count?y] and method [GET]", "status": 400}, "/x/_count", True),
        ({"error": "no handler found for uri [/x/_count?y] and method [GET]", "status": 400}, "/x/_count", False),
        (None, "/x", False),
    ],
)
def test_an_error_about_the_path_of_the_url_is_known(info: dict[str, Any] | None, call: str, expected: bool) -> None:
    error = TransportError(404, "x", info)
    assert is_about_path(error, "/a%20b", call) is expected
    assert not is_about_path(error, "", call)


@pytest.mark.parametrize(
    "kind", ["index_not_found_exception", "alias_not_found_exception", "aliases_not_found_exception"]
)
def test_callers_are_not_told_to_create_an_index_that_is_missing(kind: str) -> None:
    """An operator may be about to restore it. A command, which operators use, says how to create it."""
    with pytest.raises(IndexMissing) as missing, translated(alias="test"):
        raise TransportError(404, kind, {"error": {"type": kind}})
    assert str(missing.value) == "test does not exist in OpenSearch: create it with 'conversations create'"
    assert message_for_callers(missing.value) == NO_INDEX


def test_every_error_of_a_missing_index_has_a_text_for_callers() -> None:
    """No code raises another error about a missing index: callers would see its text."""
    for path in SERVICE.rglob("*.py"):
        for made in re.findall(r"(\w+)\(\s*f?\"[^\"]* does not exist in OpenSearch", path.read_text("utf-8")):
            assert made in {"IndexMissing", "WriteIndexMissing"}, path
