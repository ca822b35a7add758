"""The route handlers. Each verifies the token, parses the request, calls one function and encodes its result."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from litestar import MediaType, Response, delete, get, post
from litestar.params import FromPath
from litestar.response import Stream
from prometheus_client import CONTENT_TYPE_LATEST

from service import telemetry
from service.api import audit_lines, conditional_requests, request_costs, responses
from service.api.auth import Caller, Tokens, authorizations
from service.api.limits import Limits
from service.api.links import links
from service.api.media_type import NDJSON, check_body
from service.api.metrics import Metrics
from service.api.middleware.access_log import note
from service.api.middleware.head import is_head
from service.api.readiness import Ready
from service.api.requests import ApiRequest
from service.api.response_models import BulkResult, DeletionResult, DeletionResults, Identity
from service.api.writes import Writes, parse_lines
from service.errors import TooLarge, Unauthorized
from service.limit_settings import MOST_BODY_BYTES
from service.query.conversation_query import ConversationQuery
from service.query.parameters import (
    BULK_PARAMETERS,
    COUNT_PARAMETERS,
    DELETE_PARAMETERS,
    DELETED_ON,
    EXPORT_PARAMETERS,
    GET_PARAMETERS,
    LIST_PARAMETERS,
    REFRESH,
)
from service.query.parser import parse_one, parse_query, parse_suggest
from service.query.query_string import Known, Values, no_parameters, parse_values
from service.reach import Restriction
from service.search import results as search_results
from service.search.export import export
from service.search.searcher import Searcher
from service.search.suggest import suggest
from service.sources.ndjson import export_end_line
from service.token_settings import EXPORT, READ, WRITE

EXPOSITION = CONTENT_TYPE_LATEST.partition("; charset=")[0]  # Litestar adds a charset to text types


@dataclass(frozen=True, slots=True)
class Parts:
    """The objects that the handlers use; app.py creates them.

    `index_fits` raises while the index is missing or its mapping does not fit. `ready` raises while the index cannot be
    read or written.
    """

    tokens: Tokens
    searcher: Searcher
    writes: Writes
    metrics: Metrics
    index_fits: Callable[[], Awaitable[None]]
    ready: Callable[[], Awaitable[Ready]]
    limits: Limits


Answer = Response[bytes] | Stream


@get("/api/conversations")
async def list_conversations(request: ApiRequest) -> Answer:
    """A page of the conversations that match, in a total order, with the exact total."""
    parts: Parts = request.app.state.parts
    is_strict = _is_strict(request)
    organization_uid, query = await _parsed_query(request, LIST_PARAMETERS, is_strict=is_strict)
    async with parts.limits.search(request.scope, organization_uid):
        page = await search_results.page(parts.searcher, query, organization_uid)
    note(request.scope, took=page.took)
    link = links(request.scope["path"], request.scope["query_string"], page)
    headers = {**link, **_applied(is_strict=is_strict)}
    return await _answer(request, responses.page(page), headers, who=organization_uid.bytes)


@get("/api/conversations/count")
async def count_conversations(request: ApiRequest) -> Answer:
    """The exact number of conversations that match, and their facets."""
    parts: Parts = request.app.state.parts
    is_strict = _is_strict(request)
    organization_uid, query = await _parsed_query(request, COUNT_PARAMETERS, is_strict=is_strict)
    async with parts.limits.search(request.scope, organization_uid):
        counts = await search_results.count(parts.searcher, query, organization_uid)
    return await _answer(request, [responses.data(counts)], _applied(is_strict=is_strict), who=organization_uid.bytes)


@get("/api/conversations/suggest")
async def suggest_conversations(request: ApiRequest) -> Answer:
    """Words, senders and categories of the organization that begin with the last word of `q`."""
    parts: Parts = request.app.state.parts
    caller = await _caller(request, READ)
    asked_uid, typed = parse_suggest(request.scope["query_string"], caller.default_organization)
    organization_uid = caller.require(asked_uid)
    note(request.scope, organization=str(organization_uid))
    await parts.index_fits()
    async with parts.limits.search(request.scope, organization_uid):
        suggestions = await suggest(parts.searcher, typed, organization_uid)
    return await _answer(request, [responses.data(suggestions)], {}, who=organization_uid.bytes)


@get("/api/conversations/export")
async def export_conversations(request: ApiRequest) -> Stream:
    """Every conversation that matches, as NDJSON, from one snapshot of the index (a point in time).

    The last line is {"export":{"complete":true,"conversations":N,"organization_uid":UID,"where":FILTERS}}. If it is
    missing, the export is incomplete.
    """
    parts: Parts = request.app.state.parts
    is_strict = _is_strict(request)
    with audit_lines.record_refusal(request, "export"):
        organization_uid, query = await _parsed_query(request, EXPORT_PARAMETERS, is_strict=is_strict, scope=EXPORT)
    if is_head(request.scope):
        async with parts.limits.export(request.scope, organization_uid):
            return Stream(_one_empty_part(), media_type=NDJSON)
    lines = _export_lines(request, query, organization_uid)
    first = await anext(lines)  # an error before the first line still gets an error response
    return Stream(_chained(first, lines), media_type=NDJSON)


async def _parsed_query(
    request: ApiRequest, known: Known, *, is_strict: bool, scope: str = READ
) -> tuple[UUID, ConversationQuery]:
    """The organization (a Reach if the caller is restricted) and the parsed query of a request.

    Checks in this order: the token and its scope, the parameters, the access to the organization, and the index.
    """
    parts: Parts = request.app.state.parts
    caller = await _caller(request, scope)
    asked_uid, query = parse_query(
        request.scope["query_string"], caller.default_organization, known=known, strict=is_strict
    )
    parts.limits.charge(caller, _units(parts, query, scope))
    organization_uid = caller.require(asked_uid)
    note(request.scope, organization=str(organization_uid))
    await parts.index_fits()
    return organization_uid, query


def _units(parts: Parts, query: ConversationQuery, scope: str) -> float:
    return request_costs.EXPORT if scope == EXPORT else request_costs.of_query(query, parts.searcher.windows)


def _is_strict(request: ApiRequest) -> bool:
    """Whether the request has `Prefer: handling=strict` (RFC 7240, 4.4): an error instead of a lenient reading."""
    preferences = request.headers.get("prefer", "").replace(";", ",").split(",")
    return any(preference.replace(" ", "").lower() == "handling=strict" for preference in preferences)


def _applied(*, is_strict: bool) -> dict[str, str]:
    return {"Preference-Applied": "handling=strict"} if is_strict else {}


async def _export_lines(request: ApiRequest, query: ConversationQuery, organization_uid: UUID) -> AsyncGenerator[bytes]:
    parts: Parts = request.app.state.parts
    sent, is_complete = 0, False
    try:
        async with (
            parts.limits.export(request.scope, organization_uid),
            aclosing(export(parts.searcher, query, organization_uid)) as batches,
        ):
            total, matched = 0, None
            async for batch in batches:
                total, matched = batch.total, batch.matched
                sent += len(batch.items)
                async for part in conditional_requests.chunks([b"%s\n" % item for item in batch.items]):
                    yield part
            is_complete = True
            yield export_end_line(total, organization_uid, request.scope["query_string"], matched)
    finally:
        audit_lines.record(request, "export", {organization_uid}, conversations=sent, complete=is_complete)


async def _one_empty_part() -> AsyncGenerator[bytes]:
    """A body of unknown length, like an export's, so that HEAD has the same headers as GET."""
    yield b""


async def _chained(first: bytes, lines: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(lines):
        yield first
        async for more in lines:
            yield more


@get("/api/conversations/{uid:str}")
async def get_conversation(request: ApiRequest, uid: FromPath[str]) -> Answer:
    """Returns the newest version of a conversation. Unlike a search, it does not wait for a refresh of the index."""
    parts: Parts = request.app.state.parts
    organization_uid, conversation_uid, _values = await _parsed_item_request(request, uid, GET_PARAMETERS)
    async with parts.limits.search(request.scope, organization_uid):
        item = await parts.searcher.one(organization_uid, conversation_uid)
    return await _answer(request, [responses.one(item)], {}, who=organization_uid.bytes)


@delete("/api/conversations/{uid:str}", status_code=200)
async def delete_conversation(request: ApiRequest, uid: FromPath[str]) -> Response[bytes]:
    """Deletes a conversation. A tombstone stays, so that an older copy that arrives later cannot restore it."""
    parts: Parts = request.app.state.parts
    with audit_lines.record_refusal(request, "delete", uid=uid):
        organization_uid, conversation_uid, values = await _parsed_item_request(
            request, uid, DELETE_PARAMETERS, scope=WRITE
        )
    async with parts.limits.deletion(request.scope, organization_uid):
        with audit_lines.record_failure(request, "delete", {organization_uid}, uid=str(conversation_uid)):
            outcome = await parts.writes.delete(
                organization_uid,
                conversation_uid,
                deleted_on=values.get(DELETED_ON, None),
                refresh=values.get(REFRESH, "false"),
            )
    audit_lines.record(request, "delete", {organization_uid}, uid=str(conversation_uid), **{outcome: 1})
    result = DeletionResult(uid=str(conversation_uid), outcome=outcome)
    return _json(responses.data(DeletionResults(items=[result])))


@post(
    "/api/conversations/bulk",
    status_code=200,
    request_max_body_size=MOST_BODY_BYTES,
)
async def write_conversations(request: ApiRequest) -> Response[bytes]:
    """Writes upserts and deletions from NDJSON or a JSON array. The response has the result of each, in their order."""
    parts: Parts = request.app.state.parts
    with audit_lines.record_refusal(request, "write"):
        caller = await _caller(request, WRITE)
    values = parse_values(request.scope["query_string"], BULK_PARAMETERS)
    check_body(request.scope["headers"])
    await parts.index_fits()
    async with parts.limits.body(caller, _announced_bytes(request, parts.limits.body_bytes)):
        body = await _body(request, parts.limits.body_bytes)
        for_bytes = request_costs.of_bulk(0, len(body))
        parts.limits.charge(caller, for_bytes)
        lines = await parse_lines(
            body,
            caller.organizations,
            max_ahead=parts.writes.max_ahead,
            is_json=request.content_type[0] == MediaType.JSON,
        )
        parts.limits.charge(caller, request_costs.of_bulk(len(lines), len(body)) - for_bytes)
        audit_lines.record_uncovered(request, lines)
        organizations = audit_lines.organizations_of(lines)
        async with parts.limits.write(caller, organizations, len(body)):
            with audit_lines.record_failure(request, "write", organizations, lines=len(lines)):
                results = await parts.writes.write(lines, refresh=values.get(REFRESH, "false"))
    counts = Counter[str](result.outcome for result in results)
    note(request.scope, **counts)
    audit_lines.record_writes(request, lines, results)
    for outcome, count in counts.items():
        telemetry.lines.labels(outcome).inc(count)
    return _json(
        responses.data(
            BulkResult(
                items=results,
                written=counts["written"],
                unchanged=counts["unchanged"],
                rejected=counts["rejected"],
            )
        )
    )


@get("/api/caller")
async def get_caller(request: ApiRequest) -> Answer:
    """What the token allows. The request needs no scope, and no call to OpenSearch unless the token is an API key."""
    no_parameters(request.scope["query_string"])
    caller = await _verified(request)
    default = caller.default_organization
    identity = Identity(
        user=caller.user,
        organizations=sorted(map(str, caller.organizations)),
        default_organization=None if default is None else str(default),
        scopes=sorted(caller.scopes),
        is_restricted=caller.restriction != Restriction(),
    )
    return await _answer(request, [responses.data(identity)], {}, who=caller.identity)


async def _answer(request: ApiRequest, pieces: list[bytes], headers: dict[str, str], *, who: bytes | str) -> Answer:
    """The answer to a read, with its ETag. If it is large, its bytes count for `who` until it was sent."""
    parts: Parts = request.app.state.parts
    hold = partial(parts.limits.hold_answer, request.scope, who)
    return await conditional_requests.answer(request, pieces, headers, hold=hold)


def _announced_bytes(request: ApiRequest, most: int) -> int | None:
    """The length of the body, if the request announces it. Raises TooLarge if it is too large."""
    announced = request.headers.get("content-length")
    if announced is None:
        return None
    _require_fit(int(announced), most)
    return int(announced)


async def _body(request: ApiRequest, most: int) -> bytes:
    """The body. Raises TooLarge as soon as it gets too large."""
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        _require_fit(size, most)
        pieces.append(piece)
    return b"".join(pieces)


def _require_fit(size: int, most: int) -> None:
    if size > most:
        telemetry.refused.labels("body_bytes", "own").inc()
        raise TooLarge(f"the body may have at most {most:,} bytes: send it in parts")


async def _caller(request: ApiRequest, scope: str) -> Caller:
    """The caller. Raises Unauthorized, KeysUnavailable, RateExceeded, and Forbidden if it does not have the scope."""
    caller = await _verified(request)
    caller.require_scope(scope)
    return caller


async def _verified(request: ApiRequest) -> Caller:
    """The caller. Raises Unauthorized, KeysUnavailable and RateExceeded."""
    parts: Parts = request.app.state.parts
    headers = authorizations(request.scope["headers"])
    if len(headers) > 1:
        raise Unauthorized("the Authorization header must be sent once")
    caller = await parts.tokens.verify(headers[0] if headers else None)
    parts.limits.take(request.scope, caller)
    audit_lines.remember_caller(request, caller)
    return caller


async def _parsed_item_request(
    request: ApiRequest, uid: str, known: Known, *, scope: str = READ
) -> tuple[UUID, UUID, Values]:
    """The organization, the conversation's uid, and the other parameters of a request for one conversation."""
    parts: Parts = request.app.state.parts
    caller = await _caller(request, scope)
    conversation_uid, asked_uid, values = parse_one(
        uid, request.scope["query_string"], caller.default_organization, known=known
    )
    organization_uid = caller.require(asked_uid)
    note(request.scope, organization=str(organization_uid))
    await parts.index_fits()
    return organization_uid, conversation_uid, values


def _json(body: bytes) -> Response[bytes]:
    return Response(body, media_type=MediaType.JSON)


@get("/health/live")
async def live(request: ApiRequest) -> dict[str, str]:
    no_parameters(request.scope["query_string"])
    return {"status": "live"}


@get("/health/ready")
async def ready(request: ApiRequest) -> dict[str, str]:
    no_parameters(request.scope["query_string"])
    parts: Parts = request.app.state.parts
    found = await parts.ready()
    details = {"nodes": found.nodes, "unknown": found.unknown}
    return {"status": "ready", **{name: text for name, text in details.items() if text is not None}}


@get("/metrics", media_type=MediaType.TEXT)
async def metrics(request: ApiRequest) -> Response[bytes]:
    no_parameters(request.scope["query_string"])
    parts: Parts = request.app.state.parts
    return Response(await parts.metrics.text(), media_type=EXPOSITION)


HANDLERS = [
    list_conversations,
    count_conversations,
    suggest_conversations,
    export_conversations,
    get_conversation,
    delete_conversation,
    write_conversations,
    get_caller,
    live,
    ready,
    metrics,
]
