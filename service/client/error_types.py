"""Translates OpenSearch's errors: one table from the type of an error to this package's error and its message.

The messages say what to check. They never repeat OpenSearch's own text, which may contain documents and queries.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from urllib.parse import unquote

import aiohttp
from opensearchpy.exceptions import ConnectionError as Unreachable
from opensearchpy.exceptions import ConnectionTimeout, SSLError, TransportError

from service.client.node_health import Failure
from service.errors import (
    OVERLOADED,
    AnswerTooLarge,
    AnswerUnusable,
    CircuitOpen,
    ConversationsError,
    IndexMissing,
    IndexUnusable,
    InvalidQuery,
    Overloaded,
    Problem,
    SearchTimeout,
    SearchUnavailable,
)
from service.message_texts import counted

BUSY = (429, 502, 503, 504)
TIMEOUT_TYPES = frozenset({"timeout_exception", "task_cancelled_exception", "process_cluster_event_timeout_exception"})
MOST_CAUSES = 100


def facts_of(error: BaseException) -> dict[str, object]:
    """Fields for the log: status and type of the OpenSearch error that caused `error`; empty if there is none."""
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
        IndexMissing,
        "{alias} does not exist in OpenSearch: create it with 'conversations create'",
    ),
    "alias_not_found_exception": (
        IndexMissing,
        "{alias} does not exist in OpenSearch: create it with 'conversations create'",
    ),
    "aliases_not_found_exception": (
        IndexMissing,
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
        "OpenSearch refuses to create an index: check its limit of shards (cluster.max_shards_per_node)",
    ),
    "circuit_breaking_exception": (
        Overloaded,
        "OpenSearch has too little free memory for this request: try again shortly, or give it a larger heap",
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
    "too_many_buckets_exception": ("facets[created_on]", "has too many intervals: use a longer interval"),
}
_TOO_LARGE_REASONS: tuple[tuple[re.Pattern[str], tuple[str, str]], ...] = (
    (re.compile(r"maxClauseCount|too many (nested )?clauses", re.IGNORECASE), _CLAUSES),
    (re.compile(r"field expansion .*too many", re.IGNORECASE), _CLAUSES),
    (
        re.compile(r"result window is too large", re.IGNORECASE),
        ("page", "is too far from the first page: use cursor instead"),
    ),
)


def translate(error: TransportError, alias: str, *, is_query: bool) -> Exception:
    """This package's error for an error response of OpenSearch. See `service.client.translated` for the parameters."""
    causes = causes_of(error)
    kinds = [kind for kind, _reason in causes]
    if is_query and (problem := _too_large(causes)) is not None:
        return InvalidQuery([Problem(*problem)])
    if any(_DISK_IS_FULL.search(reason) for _kind, reason in causes):
        return SearchUnavailable(
            f"a disk of OpenSearch is full, so it refuses writes to {alias}: free disk space, then try again"
        ).for_operators()
    for kind in kinds:
        if kind in _BY_KIND:
            made, message = _BY_KIND[kind]
            return _for_callers(made(message.format(alias=alias)))
    return _by_status(error.status_code, causes)


def _by_status(status: int | str, causes: list[tuple[str, str]]) -> Exception:
    if status in (401, 403):
        return SearchUnavailable(
            "OpenSearch refuses the service's user: check OPENSEARCH_USER and its password"
        ).for_operators()
    if status == 408 or _is_timeout(causes):
        return SearchTimeout("the search took too long and was stopped: narrow the request, or try again")
    if status == 429:
        return Overloaded(OVERLOADED)
    if status in BUSY or any(kind == "search_phase_execution_exception" for kind, _reason in causes):
        return SearchUnavailable("OpenSearch cannot answer now: try again shortly")
    return SearchUnavailable(
        f"OpenSearch refuses the service's request ({status}): the service's log has the type of the error"
    ).for_operators()


def _for_callers(error: SearchUnavailable | IndexUnusable) -> SearchUnavailable | IndexUnusable:
    """The error, with the text for callers, if its class has none."""
    if isinstance(error, Overloaded):
        error.to_callers = OVERLOADED  # without the advice on the heap
    return error if error.to_callers else error.for_operators()


def causes_of(error: TransportError) -> list[tuple[str, str]]:
    """The (type, reason) pairs in an error, from the outermost to its causes. At most MOST_CAUSES of them."""
    causes = [(str(error.error), "")]
    queue: list[object] = [error.info]
    while queue and len(causes) < MOST_CAUSES:
        part = queue.pop(0)
        if isinstance(part, dict):
            if isinstance(part.get("type"), str):
                reason = part.get("reason")
                causes.append((part["type"], reason[:1000] if isinstance(reason, str) else ""))
            queue += part.values()
        elif isinstance(part, list):
            queue += part[:MOST_CAUSES]
    return causes


def has_too_many_clauses(error: TransportError) -> bool:
    """Whether OpenSearch refused a query because it has too many clauses."""
    return _too_large(causes_of(error)) is _CLAUSES


def _too_large(causes: list[tuple[str, str]]) -> tuple[str, str] | None:
    """The (parameter, message) of a query that exceeds a limit of OpenSearch; None for any other error."""
    for kind, reason in causes:
        if kind in _TOO_LARGE:
            return _TOO_LARGE[kind]
        for pattern, problem in _TOO_LARGE_REASONS:
            if pattern.search(reason):
                return problem
    return None


def translate_unreachable(error: Unreachable) -> ConversationsError:
    """This package's error for opensearch-py's ConnectionError.

    opensearch-py wraps every exception that is raised while it sends or reads in a ConnectionError.
    """
    if isinstance(error.info, ConversationsError):
        return error.info
    if isinstance(error, SSLError) or isinstance(error.info, ssl.SSLError | aiohttp.ClientSSLError):
        return SearchUnavailable(
            "OpenSearch's certificate is not trusted: set OPENSEARCH_CA_FILE to the file of its certificate authority"
        ).for_operators()
    if isinstance(error.info, aiohttp.ClientConnectorError):
        return SearchUnavailable("OpenSearch cannot be reached: try again shortly")
    return SearchUnavailable(
        "OpenSearch's response was cut off, or is not HTTP: try again shortly, and check any proxy in between"
    ).for_operators()


def _is_timeout(causes: list[tuple[str, str]]) -> bool:
    """Whether the error is a timeout. OpenSearch reports some timeouts ("Time exceeded") with status 500."""
    return any(kind in TIMEOUT_TYPES or "Time exceeded" in reason for kind, reason in causes)


def is_lost(error: TransportError) -> bool:
    """Whether an established connection was lost. OpenSearch may have executed the request in that case."""
    return isinstance(error, Unreachable) and not _was_never_sent(error)


def _was_never_sent(error: Unreachable) -> bool:
    never = (ssl.SSLError, aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, CircuitOpen)
    return isinstance(error, SSLError) or isinstance(error.info, never)


def is_from_opensearch(error: TransportError) -> bool:
    """Whether the error came from OpenSearch itself, not from a proxy in between."""
    info = error.info
    if not isinstance(info, dict):
        return False
    kind = info.get("error")
    # If the `error` of OpenSearch is a text, it is not the name of the status, and all other values are objects, one
    # for each index. A gateway adds texts, such as the path.
    others = (value for name, value in info.items() if name not in ("error", "status"))
    is_text = isinstance(kind, str) and kind.casefold() != _name_of(error.status_code)
    is_error = isinstance(kind, dict) or (is_text and all(isinstance(value, dict) for value in others))
    has_error = is_error and isinstance(info.get("status"), int)
    return has_error or info.get("found") is False or info.get("result") == "not_found"


def _name_of(status: int | str) -> str | None:
    """The name of an HTTP status in lower case, such as "not found"; None if it has none."""
    try:
        return HTTPStatus(int(status)).phrase.casefold()
    except ValueError:
        return None


def is_about_path(error: TransportError, path: str, call: str) -> bool:
    """Whether OpenSearch took the path of its URL, such as `/search`, for a part of the `call`: an index, an endpoint.

    A gateway removes the path, so its errors are about the call alone.
    """
    if not path or error.status_code not in (400, 404, 405) or not isinstance(error.info, dict):
        return False
    cause = error.info.get("error")
    if isinstance(cause, str):  # such as: no handler found for uri [/search/x/_count] and method [GET]
        return f"[{path}/" in cause
    first = unquote(path).strip("/").partition("/")[0]
    return isinstance(cause, dict) and cause.get("index") == first and first not in re.split("[/,?]", call)


def is_temporary(error: Exception) -> bool:
    """Whether another node may answer, or the same one later: it is overloaded, or a part of its answer is missing."""
    if isinstance(error, TransportError):
        return error.status_code in BUSY or error.status_code == 500
    return isinstance(error, SearchUnavailable | SearchTimeout | Overloaded)


_OF_THE_NODE = frozenset(
    {
        "cluster_manager_not_discovered_exception",
        "master_not_discovered_exception",
        "node_closed_exception",
        "node_disconnected_exception",
        "node_not_connected_exception",
        "no_node_available_exception",
        "no_shard_available_action_exception",
        "receive_timeout_transport_exception",
    }
)
_NO_MANAGER = re.compile(r"blocked by: \[SERVICE_UNAVAILABLE/")


def failure_of(error: BaseException) -> Failure | None:
    """How the call failed, if another node may answer it; None if OpenSearch answered, as any other node would."""
    if isinstance(error, AnswerUnusable):
        return Failure.SICK
    if not isinstance(error, TransportError) or isinstance(error.info, AnswerTooLarge | CircuitOpen):
        return None
    if isinstance(error, Unreachable):
        if _was_never_sent(error):
            return Failure.DOWN
        return Failure.SILENT if isinstance(error, ConnectionTimeout) else Failure.LOST
    if not is_from_opensearch(error):
        return Failure.SICK
    causes = causes_of(error)
    is_of_the_node = any(kind in _OF_THE_NODE or _NO_MANAGER.search(reason) for kind, reason in causes)
    return Failure.SICK if is_of_the_node else None


_OF_A_LOST_NODE = frozenset({"node_closed_exception", "node_disconnected_exception", "node_not_connected_exception"})


def is_snapshot_lost(error: TransportError) -> bool:
    """Whether a point in time is gone: it was closed, or the node that held it is no longer part of the cluster."""
    return any(
        kind == "search_context_missing_exception"
        or kind in _OF_A_LOST_NODE
        or reason.startswith("no node found for id")
        for kind, reason in causes_of(error)
    )


def circuit_open(last: Sequence[Exception | None]) -> CircuitOpen:
    """The error while no node may be asked. `last` are the last failures of the nodes, one for each."""
    if any(isinstance(error, AnswerUnusable) for error in last):
        return CircuitOpen(f"too few of the {counted(len(last), 'node')} of OpenSearch answer: try again shortly")
    if len(last) > 1:
        return CircuitOpen(f"none of the {counted(len(last), 'node')} of OpenSearch answers: try again shortly")
    only = last[0] if last else None  # a client that was closed has no nodes
    if isinstance(only, Unreachable) and not isinstance(only, ConnectionTimeout):
        cause = translate_unreachable(only)
        opened = CircuitOpen(str(cause))
        opened.to_callers = cause.to_callers
        return opened
    return CircuitOpen("OpenSearch does not answer: try again shortly")
