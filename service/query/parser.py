"""Parses a request: query string -> (organization, ConversationQuery), or every problem found, at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from service.conversation import parse_uuid
from service.errors import InvalidQuery, Problem
from service.query import search_syntax
from service.query.conditions import DEFAULT_MATCH, AllOf, Between, Missing, Node, Not, OneOf, SearchText, texts_of
from service.query.conversation_query import FIRST_PAGE, WINDOW, ConversationQuery, Extras, Facets, Sort
from service.query.fields import CONTRACT_FILTERS, RELEVANCE, Operator
from service.query.parameters import PARAMETERS
from service.query.query_string import Parameter, first_of, shown, values_of
from service.query.time_bounds import UTC_ZONE, Limit, check_order
from service.query.values import Bound


def parse_query(
    query_string: bytes,
    default_organization: UUID | None,
    *,
    known: Sequence[Parameter] = PARAMETERS,
    strict: bool = False,
) -> tuple[UUID, ConversationQuery]:
    """The organization asked for and the query. Raises InvalidQuery with every problem found.

    Where `strict`, what the text of q holds that cannot be understood is a problem, and not a warning.
    """
    values, problems = values_of(query_string, known)
    problems += _without_organization(values, problems, default_organization)
    if "cursor" in values and values.get("page", FIRST_PAGE) != FIRST_PAGE:
        problems.append(
            Problem("cursor", "cannot be combined with page: a walk has no page numbers", shown(values["cursor"]))
        )
    organization_uid = values.pop("organization_uid", default_organization)
    query = _query(values, problems, strict=strict)
    if problems or query is None:
        raise InvalidQuery(first_of(problems))
    return organization_uid, query


def _query(values: dict[str, Any], problems: list[Problem], *, strict: bool) -> ConversationQuery | None:
    """The query of these values; what does not go together is added to the problems."""
    zone = values.pop("zone", UTC_ZONE)
    found = _parsed_search(values.pop("q", None), zone, problems, strict=strict)
    extras = _extras(values, zone, found)
    sort, *then = values.pop("sorts", (Sort(),))
    page = {name: values.pop(name) for name in ("page", "per_page", "cursor") if name in values}
    match = values.pop("match", DEFAULT_MATCH)
    filters = _contract_filters(values)
    search = [SearchText(text, match)] if (text := values.pop("search", None)) is not None else []
    where = [*filters, *search, *_conditions(values, zone, problems), *(found.nodes if found is not None else ())]
    problems += _contradictions(where, (sort, *then), match, problems)
    if problems:
        return None
    query = ConversationQuery(**page, where=tuple(where), sort=sort, then=tuple(then), extras=extras)
    if not query.is_deep and query.cursor is None and query.offset + query.per_page > WINDOW:
        problems.append(
            Problem(
                "page",
                f"sort={sort}{',…' if then else ''} reaches the first {WINDOW} conversations by pages: "
                "walk on with cursor, or sort by one of the other keys",
                str(query.page),
            )
        )
        return None
    return query


def _extras(values: dict[str, Any], zone: ZoneInfo, found: search_syntax.ParsedSearch | None) -> Extras:
    return Extras(
        facets=Facets(values.pop("facets", ()), values.pop("facets[created_on]", None)),
        highlight=values.pop("highlight", None) is not None,
        suggest=values.pop("suggest", False),
        explain=values.pop("explain", None) is not None,
        zone=zone,
        parsed_search=found,
    )


def _contract_filters(values: dict[str, Any]) -> list[Node]:
    """Takes the filters of the contract out of the values, in its order; none and any are further conditions."""
    return [values.pop(name) for name in CONTRACT_FILTERS if isinstance(values.get(name), OneOf)]


def _contradictions(
    where: Sequence[Node], sorts: Sequence[Sort], match: str, known: Sequence[Problem]
) -> list[Problem]:
    """Values that are valid but contradict one another. A parameter with a problem is not reported twice."""
    found: list[Problem] = []
    reported = {problem.parameter for problem in known}
    has_search = any(isinstance(node, SearchText) for node in where) or "search" in reported
    has_text = has_search or bool(texts_of(AllOf(tuple(where)))) or "q" in reported
    if sorts[0].field == RELEVANCE and not has_text:
        found.append(Problem("sort", f"{RELEVANCE} needs a text to be relevant to: search or q", RELEVANCE))
    if any(sort.field == RELEVANCE for sort in sorts[1:]):
        found.append(Problem("sort", f"{RELEVANCE} must stand first", ",".join(map(str, sorts))))
    if match != DEFAULT_MATCH and not has_search:
        found.append(Problem("match", "changes how search matches, so it needs a search", match))
    return found


def _parsed_search(
    text: str | None, zone: ZoneInfo, problems: list[Problem], *, strict: bool
) -> search_syntax.ParsedSearch | None:
    if text is None:
        return None
    if not text.strip():
        problems.append(Problem("q", "must hold something to search for", text))
        return None
    try:
        found = search_syntax.parse(text, zone)
    except search_syntax.TooLong as error:
        problems.append(Problem("q", str(error), shown(text)))
        return None
    if strict:
        problems += [
            Problem("q", f"at {warning.position}: {warning.message}", shown(warning.text)) for warning in found.warnings
        ]
    return found


def _conditions(values: dict[str, Any], zone: ZoneInfo, problems: list[Problem]) -> list[Node]:
    """The conditions among the values; the bounds of one field are one condition, behind the others."""
    bounds: dict[str, list[tuple[Operator, Limit]]] = {}
    nodes: list[Node] = []
    for name, value in values.items():
        if isinstance(value, Bound):
            try:
                bounds.setdefault(value.field, []).append(value.limit(zone))
            except ValueError as error:
                problems.append(Problem(name, str(error), shown(value.text)))
        elif isinstance(value, OneOf | Missing | Not):
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
    uid: str, query_string: bytes, default_organization: UUID | None, *, known: Sequence[Parameter]
) -> tuple[UUID, UUID, dict[str, Any]]:
    """The uid in the path, the organization, and the other values. Raises InvalidQuery with every problem found."""
    values, problems = values_of(query_string, known)
    try:
        found = parse_uuid(uid)
    except ValueError as error:
        problems.insert(0, Problem("uid", str(error), shown(uid)))
    problems += _without_organization(values, problems, default_organization)
    if problems:
        raise InvalidQuery(first_of(problems))
    return found, values.pop("organization_uid", default_organization), values


def parse_scoped(
    query_string: bytes, default_organization: UUID | None, *, known: Sequence[Parameter], required: Sequence[str]
) -> tuple[UUID, dict[str, Any]]:
    """The organization, and the values. Raises InvalidQuery with every problem found."""
    values, problems = values_of(query_string, known)
    reported = {problem.parameter for problem in problems}
    problems += [Problem(name, "is required") for name in required if name not in values and name not in reported]
    problems += _without_organization(values, problems, default_organization)
    if problems:
        raise InvalidQuery(first_of(problems))
    return values.pop("organization_uid", default_organization), values


def _without_organization(
    values: dict[str, Any], problems: list[Problem], default_organization: UUID | None
) -> list[Problem]:
    """The problem that no organization is meant; none where one is, or where another problem tells of it already."""
    is_reported = any(problem.parameter == "organization_uid" for problem in problems)
    if "organization_uid" in values or default_organization is not None or is_reported:
        return []
    return [Problem("organization_uid", "is required: the token names no default organization")]
