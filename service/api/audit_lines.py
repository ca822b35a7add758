"""The lines of requests in the audit trail (service/audit.py): writes, deletions, exports, each with its caller.

A write, deletion or export that the token does not allow has a line, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from service import audit
from service.api.middleware.access_log import request_id
from service.api.requests import ApiRequest
from service.api.response_models import WriteResult
from service.api.writes import Line
from service.conversation import parse_uuid
from service.errors import Forbidden, NotFound
from service.identity.caller import Caller
from service.query.parameters import ORGANIZATION
from service.stored_documents import is_tombstone


def remember_caller(request: ApiRequest, caller: Caller) -> None:
    """Remembers who sent the request, for its lines."""
    request.scope["state"]["caller"] = caller


def record(request: ApiRequest, action: str, organizations: Iterable[UUID | str], **facts: object) -> None:
    """Adds one line. It names an API key by its id, and a subject together with its issuer."""
    trail: audit.Audit = request.app.state.audit
    caller: Caller = request.scope["state"]["caller"]
    who = caller.user if caller.is_key else audit.who(caller.user)
    issuer = {"issuer": audit.issuer(caller.issuer)} if caller.issuer else {}
    more = {**issuer, "request_id": request_id(request.scope), **facts}
    trail.record(action, who=who, organizations=organizations, **more)


@contextmanager
def record_failure(
    request: ApiRequest, action: str, organizations: Iterable[UUID | str], **facts: object
) -> Iterator[None]:
    """Adds a line if the block fails, because part of its work may be done."""
    try:
        yield
    except NotFound:  # the request did nothing
        raise
    except BaseException:
        record(request, action, organizations, complete=False, **facts)
        raise


@contextmanager
def record_refusal(request: ApiRequest, action: str, **asked: str) -> Iterator[None]:
    """Adds a line if the token does not allow what the block asks for. `asked` are uids as the caller wrote them.

    The line names the organization that was asked for, or else the caller's own. A request adds at most one such line,
    so the caller's rate limit also limits these lines.
    """
    try:
        yield
    except Forbidden as error:
        caller: Caller = request.scope["state"]["caller"]
        given = _uid(request.query_params.get(ORGANIZATION.name)) or caller.default_organization
        named, more = audit.some_of(caller.organizations if given is None else {given})
        uids = {name: str(uid) for name, text in asked.items() if (uid := _uid(text)) is not None}
        record(request, action, named, **more, **uids, refused=1, lacks=error.lacks)
        raise


def _uid(text: str | None) -> UUID | None:
    try:
        return None if text is None else parse_uuid(text)
    except ValueError:
        return None


def record_uncovered(request: ApiRequest, lines: Sequence[Line]) -> None:
    """Adds one line if the token does not cover the organizations of some lines of a bulk write."""
    uncovered = [line.uncovered for line in lines if line.uncovered is not None]
    if uncovered:
        named, more = audit.some_of(uncovered)
        record(request, "write", named, **more, refused=len(uncovered), lacks="organization")


def organizations_of(lines: Sequence[Line]) -> set[str]:
    return {line.write.routing for line in lines if line.write is not None}


def record_writes(request: ApiRequest, lines: Sequence[Line], results: Sequence[WriteResult]) -> None:
    """Adds one line for each organization that the writes belong to. A `Line` without a write is not counted."""
    counts: dict[str, Counter[str]] = {}
    for line, result in zip(lines, results, strict=True):
        if line.write is not None:
            counted = counts.setdefault(line.write.routing, Counter())
            counted[result.outcome] += 1
            counted["deletions"] += result.outcome == "written" and is_tombstone(line.write.source)
    for organization, counted in counts.items():
        record(request, "write", {organization}, **{name: number for name, number in counted.items() if number})
