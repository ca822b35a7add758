"""What OpenSearch's errors mean: one table from the type of an error to the package's own, with a reason for operators.

The reasons name what to look at. They never repeat what OpenSearch said, which may hold documents and queries.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
from opensearchpy.exceptions import ConnectionError as Unreachable
from opensearchpy.exceptions import SSLError, TransportError

from service.errors import (
    ConversationsError,
    IndexUnusable,
    InvalidQuery,
    Overloaded,
    Problem,
    SearchTimeout,
    SearchUnavailable,
)

BUSY = (429, 502, 503, 504)
TIMEOUT_TYPES = frozenset({"timeout_exception", "task_cancelled_exception", "process_cluster_event_timeout_exception"})
MOST_CAUSES = 100


def facts_of(error: BaseException) -> dict[str, Any]:
    """For the log: the status and the type of the error that OpenSearch answered with, where one is behind `error`."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, TransportError):
        cause = cause.__cause__
    if cause is None or not isinstance(cause.status_code, int):
        return {}
    kind = str(cause.error)
    return {
        "opensearch_status": cause.status_code,
        **({"opensearch_error": kind} if _KIND.fullmatch(kind) else {}),
    }


_KIND = re.compile(r"[a-z_]{1,100}")

_BY_KIND: Mapping[str, tuple[type[SearchUnavailable | IndexUnusable], str]] = {
    "index_not_found_exception": (
        IndexUnusable,
        "{alias} does not exist in OpenSearch: create it with 'conversations create'",
    ),
    "alias_not_found_exception": (
        IndexUnusable,
        "{alias} does not exist in OpenSearch: create it with 'conversations create'",
    ),
    "aliases_not_found_exception": (
        IndexUnusable,
        "{alias} does not exist in OpenSearch: create it with 'conversations create'",
    ),
    "index_closed_exception": (
        IndexUnusable,
        "the index behind {alias} is closed: open it in OpenSearch (POST <index>/_open)",
    ),
    "cluster_block_exception": (
        SearchUnavailable,
        "OpenSearch blocks the index behind {alias}, or the whole cluster: "
        "free disk space, open the index, or lift the block",
    ),
    "validation_exception": (
        SearchUnavailable,
        "OpenSearch refuses another index: look at its limit of shards (cluster.max_shards_per_node)",
    ),
    "circuit_breaking_exception": (
        Overloaded,
        "OpenSearch has no memory for this now: try again shortly, or give it a larger heap",
    ),
    "no_shard_available_action_exception": (
        SearchUnavailable,
        "a shard of the index behind {alias} is missing: check the cluster's health",
    ),
    "cluster_manager_not_discovered_exception": (
        SearchUnavailable,
        "OpenSearch has no cluster manager: check the cluster's nodes",
    ),
    "master_not_discovered_exception": (
        SearchUnavailable,
        "OpenSearch has no cluster manager: check the cluster's nodes",
    ),
}

_DISK_IS_FULL = re.compile(r"No space left on device|disk usage exceeded flood-stage")

_CLAUSES = ("search", "has too many words or conditions for one query: use fewer, in search, q or filters")
_TOO_LARGE: Mapping[str, tuple[str, str]] = {
    "too_many_clauses": _CLAUSES,
    "too_many_nested_clauses": _CLAUSES,
    "too_many_buckets_exception": ("facets[created_on]", "makes more intervals than can be counted: use a longer one"),
}
_TOO_LARGE_REASONS: tuple[tuple[re.Pattern[str], tuple[str, str]], ...] = (
    (re.compile(r"maxClauseCount|too many (nested )?clauses", re.IGNORECASE), _CLAUSES),
    (re.compile(r"field expansion .*too many", re.IGNORECASE), _CLAUSES),
    (re.compile(r"result window is too large", re.IGNORECASE), ("page", "is too far from the first: walk with cursor")),
)


def translate(error: TransportError, alias: str, *, is_query: bool) -> Exception:
    causes = causes_of(error)
    kinds = [kind for kind, _reason in causes]
    if is_query and (problem := _too_large(causes)) is not None:
        return InvalidQuery([Problem(*problem)])
    if any(_DISK_IS_FULL.search(reason) for _kind, reason in causes):
        return SearchUnavailable(
            f"a disk of OpenSearch is full, so that it takes no writes to {alias}: free disk space, then try again"
        )
    for kind in kinds:
        if kind in _BY_KIND:
            made, message = _BY_KIND[kind]
            return made(message.format(alias=alias))
    return _by_status(error.status_code, causes)


def _by_status(status: int | str, causes: list[tuple[str, str]]) -> Exception:
    if status in (401, 403):
        return SearchUnavailable("OpenSearch refuses the service's user: check OPENSEARCH_USER and its password")
    if status == 408 or _is_timeout(causes):
        return SearchTimeout("the search took too long and was stopped: narrow the request, or try again")
    if status == 429:
        return Overloaded("OpenSearch has no room for this now: try again shortly")
    if status in BUSY or any(kind == "search_phase_execution_exception" for kind, _reason in causes):
        return SearchUnavailable("OpenSearch cannot answer now: try again shortly")
    return SearchUnavailable(
        f"OpenSearch refuses what the service asks ({status}): the service's log names the kind of error"
    )


def causes_of(error: TransportError) -> list[tuple[str, str]]:
    """The types and reasons in an error, from the outermost to its causes."""
    found = [(str(error.error), "")]
    waiting: list[Any] = [error.info]
    while waiting and len(found) < MOST_CAUSES:
        part = waiting.pop(0)
        if isinstance(part, dict):
            if isinstance(part.get("type"), str):
                found.append((part["type"], str(part.get("reason", ""))[:1000]))
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part[:MOST_CAUSES]
    return found


def _too_large(causes: list[tuple[str, str]]) -> tuple[str, str] | None:
    """The problem with a query that is larger than OpenSearch takes; None where that is not what is wrong."""
    for kind, reason in causes:
        if kind in _TOO_LARGE:
            return _TOO_LARGE[kind]
        for pattern, problem in _TOO_LARGE_REASONS:
            if pattern.search(reason):
                return problem
    return None


def translate_unreachable(error: Unreachable) -> Exception:
    """opensearch-py calls everything that is raised while it sends and reads a connection error."""
    if isinstance(error.info, ConversationsError):
        return error.info
    if isinstance(error, SSLError) or isinstance(error.info, ssl.SSLError | aiohttp.ClientSSLError):
        return SearchUnavailable(
            "OpenSearch's certificate is not trusted: name its authority's file in OPENSEARCH_CA_FILE"
        )
    if isinstance(error.info, aiohttp.ClientConnectorError):
        return SearchUnavailable("OpenSearch cannot be reached: try again shortly")
    return SearchUnavailable(
        "OpenSearch's answer was cut off, or is no HTTP: try again shortly, and check any proxy before it"
    )


def _is_timeout(causes: list[tuple[str, str]]) -> bool:
    """OpenSearch reports "Time exceeded" as 500: it is a timeout all the same."""
    return any(kind in TIMEOUT_TYPES or "Time exceeded" in reason for kind, reason in causes)


def is_lost(error: TransportError) -> bool:
    """Whether a connection that stood was lost, rather than none was made: the request may have been looked at."""
    if not isinstance(error, Unreachable) or isinstance(error, SSLError):
        return False
    return not isinstance(error.info, ssl.SSLError | aiohttp.ClientConnectorError)
