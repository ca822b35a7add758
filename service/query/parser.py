"""Parses query strings into an organization and a ConversationQuery, and reports all problems together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID
from zoneinfo import ZoneInfo

from service.conversation import parse_uuid
from service.errors import InvalidQuery, Problem
from service.query import search_syntax
from service.query.conditions import (
    DEFAULT_MATCH,
    LOOSE_MATCHES,
    AllOf,
    Between,
    Missing,
    Node,
    Not,
    OneOf,
    SearchText,
    loosened,
    texts_of,
)
from service.query.conversation_query import (
    DEFAULT_PER_PAGE,
    FIRST_PAGE,
    ConversationQuery,
    Extras,
    Facets,
    Sort,
)
from service.query.fields import CONTRACT_FILTERS, RELEVANCE, Operator
from service.query.parameters import (
    CURSOR,
    EXPLAIN,
    FACETS,
    FACETS_CREATED_ON,
    HIGHLIGHT,
    MATCH,
    ORGANIZATION,
    PAGE,
    PARAMETERS,
    PER_PAGE,
    SEARCH,
    SORT,
    SUGGEST,
    SUGGEST_PARAMETERS,
    TYPED,
    TZ,
    Q,
)
from service.query.query_string import Known, Values, first_of, shown, values_of
from service.query.time_bounds import UTC_ZONE, Limit, check_order
from service.query.values import Bound


def parse_query(
    query_string: bytes,
    default_organization: UUID | None,
    *,
    known: Known = PARAMETERS,
    strict: bool = False,
) -> tuple[UUID, ConversationQuery]:
    """The requested organization and the query. Raises InvalidQuery with every problem found.

    With `strict`, the warnings about q are problems.
    """
    values, problems = values_of(query_string, known)
    problems += _without_organization(values, problems, default_organization)
    if CURSOR in values and values.get(PAGE, FIRST_PAGE) != FIRST_PAGE:
        problems.append(
            Problem("cursor", "cannot be combined with page: a walk has no page numbers", shown(values.get(CURSOR, "")))
        )
    organization_uid = values.get(ORGANIZATION, default_organization)
    query = _query(values, problems, strict=strict)
    if problems or query is None or organization_uid is None:
        raise InvalidQuery(first_of(problems))
    return organization_uid, query


def _query(values: Values, problems: list[Problem], *, strict: bool) -> ConversationQuery | None:
    """The query of these values. Adds contradictions among them to `problems`; with any problem, returns None."""
    zone = values.get(TZ, UTC_ZONE)
    match = values.get(MATCH, DEFAULT_MATCH)
    is_loose = match in LOOSE_MATCHES
    found = _parsed_search(values.get(Q, None), zone, problems, strict=strict, keeps_groups=is_loose)
    if found is not None and is_loose:
        found = replace(found, nodes=loosened(found.nodes, match))
    sort, *then = values.get(SORT, (Sort(),))
    text = values.get(SEARCH, None)
    where = [
        *_contract_filters(values),
        *([SearchText(text, match)] if text is not None else []),
        *_conditions(values, zone, problems),
        *(found.nodes if found is not None else ()),
    ]
    problems += _contradictions(where, (sort, *then), match, problems, is_asked=Q in values)
    if problems:
        return None
    return ConversationQuery(
        page=values.get(PAGE, FIRST_PAGE),
        per_page=values.get(PER_PAGE, DEFAULT_PER_PAGE),
        cursor=values.get(CURSOR, None),
        where=tuple(where),
        sort=sort,
        then=tuple(then),
        extras=_extras(values, zone, found),
    )


def _extras(values: Values, zone: ZoneInfo, found: search_syntax.ParsedSearch | None) -> Extras:
    return Extras(
        facets=Facets(values.get(FACETS, ()), values.get(FACETS_CREATED_ON, None)),
        highlight=HIGHLIGHT in values,
        suggest=values.get(SUGGEST, False),
        explain=EXPLAIN in values,
        zone=zone,
        parsed_search=found,
    )


def _contract_filters(values: Values) -> list[Node]:
    """The values of the contract's filters, in its order. None and any are not among them: see _conditions."""
    found = dict(values.items())
    return [value for name in CONTRACT_FILTERS if isinstance(value := found.get(name), OneOf)]


def _contradictions(
    where: Sequence[Node], sorts: Sequence[Sort], match: str, known: Sequence[Problem], *, is_asked: bool
) -> list[Problem]:
    """Values that are valid but contradict one another. A parameter with a problem is not reported twice.

    `is_asked` says that q was given. It may contain no plain words, as in `status:active`.
    """
    found: list[Problem] = []
    reported = {problem.parameter for problem in known}
    has_search = any(isinstance(node, SearchText) for node in where) or "search" in reported
    has_text = has_search or bool(texts_of(AllOf(tuple(where)))) or "q" in reported
    if sorts[0].field == RELEVANCE and not has_text and not is_asked:
        found.append(Problem("sort", f"{RELEVANCE} needs a text: search or q", RELEVANCE))
    if any(sort.field == RELEVANCE for sort in sorts[1:]):
        found.append(Problem("sort", f"{RELEVANCE} must come first", ",".join(map(str, sorts))))
    if match in LOOSE_MATCHES and not has_text and not is_asked:
        found.append(Problem("match", "changes how search and q match, so one of them must be given too", match))
    elif match not in (DEFAULT_MATCH, *LOOSE_MATCHES) and not has_search:
        found.append(Problem("match", "changes how search matches, so search must be given too", match))
    return found


def _parsed_search(
    text: str | None, zone: ZoneInfo, problems: list[Problem], *, strict: bool, keeps_groups: bool
) -> search_syntax.ParsedSearch | None:
    if text is None:
        return None
    if not text.strip():
        problems.append(Problem("q", "must have something to search for", text))
        return None
    try:
        found = search_syntax.parse(text, zone, keeps_groups=keeps_groups)
    except search_syntax.TooLong as error:
        problems.append(Problem("q", str(error), shown(text)))
        return None
    if strict:
        problems += [
            Problem("q", f"at {warning.position}: {warning.message}", shown(warning.text)) for warning in found.warnings
        ]
    return found


def _conditions(values: Values, zone: ZoneInfo, problems: list[Problem]) -> list[Node]:
    """The other filters, in the order of the request. The bounds of a field are one condition; these come last."""
    bounds: dict[str, list[tuple[Operator, Limit]]] = {}
    nodes: list[Node] = []
    for name, value in values.items():
        if isinstance(value, Bound):
            try:
                bounds.setdefault(value.field, []).append(value.limit(zone))
            except ValueError as error:
                problems.append(Problem(name, str(error), shown(value.text)))
        elif isinstance(value, Missing | Not) or (isinstance(value, OneOf) and name not in CONTRACT_FILTERS):
            nodes.append(value)
    for field, found in bounds.items():
        try:
            check_order(tuple(found))
        except ValueError as error:
            given = " & ".join(f"{name}={value.text}" for name, value in values.items()
                               if isinstance(value, Bound) and value.field == field)  # fmt: skip
            problems.append(Problem(field, str(error), shown(given)))
        nodes.append(Between(field, tuple(found)))
    return nodes


def parse_one(
    uid: str, query_string: bytes, default_organization: UUID | None, *, known: Known
) -> tuple[UUID, UUID, Values]:
    """The uid in the path, the organization, and the other values. Raises InvalidQuery with every problem found."""
    values, problems = values_of(query_string, known)
    try:
        found = parse_uuid(uid)
    except ValueError as error:
        problems.insert(0, Problem("uid", str(error), shown(uid)))
    problems += _without_organization(values, problems, default_organization)
    organization_uid = values.get(ORGANIZATION, default_organization)
    if problems or organization_uid is None:
        raise InvalidQuery(first_of(problems))
    return found, organization_uid, values


def parse_suggest(query_string: bytes, default_organization: UUID | None) -> tuple[UUID, str]:
    """The organization and the typed text. Raises InvalidQuery with every problem found."""
    values, problems = values_of(query_string, SUGGEST_PARAMETERS)
    typed = values.get(TYPED, None)
    if typed is None and all(problem.parameter != TYPED.name for problem in problems):
        problems.append(Problem(TYPED.name, "is required"))
    problems += _without_organization(values, problems, default_organization)
    organization_uid = values.get(ORGANIZATION, default_organization)
    if problems or organization_uid is None or typed is None:
        raise InvalidQuery(first_of(problems))
    return organization_uid, typed


def _without_organization(values: Values, problems: list[Problem], default_organization: UUID | None) -> list[Problem]:
    """The problem "no organization" in a list; an empty list if one is given, or its value already has a problem."""
    is_reported = any(problem.parameter == ORGANIZATION.name for problem in problems)
    if ORGANIZATION in values or default_organization is not None or is_reported:
        return []
    return [Problem("organization_uid", "is required: the token names no default organization")]
