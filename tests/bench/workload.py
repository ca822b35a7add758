"""The requests: first pages of every kind, and deep pages; each as a query string, and as a ConversationQuery."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from service.query.conversation_query import ConversationQuery
from service.query.fields import CONTRACT_SORTS
from service.query.parser import parse_query
from tests.bench.generate import AGENTS, LARGEST

DEEP_SORTS = ("-updated_on", "subject", "status")
DEPTHS = (0.01, 0.5, 0.99)


@dataclass(frozen=True)
class Case:
    """One request. `kind` is sort, filter, search or deep."""

    name: str
    kind: str
    parameters: dict[str, str]
    organization: UUID = LARGEST

    @property
    def query_string(self) -> str:
        return urlencode({"organization_uid": str(self.organization), **self.parameters})

    @property
    def query(self) -> ConversationQuery:
        return parse_query(self.query_string.encode(), None)[1]


def first_pages(vocabulary: list[str], organization: UUID = LARGEST) -> list[Case]:
    """`vocabulary`: the words, the most frequent first."""
    broad, middle, rare = vocabulary[0], vocabulary[60], vocabulary[3000]
    filters = {
        "unread": {"is_read": "false"},
        "status": {"status": "active,draft"},
        "channel, status, unread": {"channel": "email", "status": "active", "is_read": "false"},
        "category": {"category": "Category 3"},
        "agent": {"agent_uid": str(AGENTS[0])},
        "party": {"party_uid": str(UUID(int=77))},
    }
    searches = {
        "broad": {"search": broad},
        "two words": {"search": f"{broad} {middle}"},
        "narrow": {"search": rare},
        "with filters": {"search": middle, "status": "active", "is_read": "false"},
        "by subject": {"search": middle, "sort": "subject"},
    }
    cases = [Case("default", "sort", {})]
    cases += [
        Case(f"sort={sign}{name}", "sort", {"sort": f"{sign}{name}"}) for name in CONTRACT_SORTS for sign in ("", "-")
    ]
    cases += [Case(name, "filter", parameters) for name, parameters in filters.items()]
    cases += [Case(f"search {name}", "search", parameters) for name, parameters in searches.items()]
    return [Case(case.name, case.kind, case.parameters, organization) for case in cases]


def deep_pages(total: int, depths: tuple[float, ...] = DEPTHS, sorts: tuple[str, ...] = DEEP_SORTS) -> list[Case]:
    return [
        Case(f"{sort}, {depth:.0%} deep", "deep", {"sort": sort, "page": str(max(1, int(total * depth / 25)))})
        for sort in sorts
        for depth in depths
    ]
