"""Random requests over the corpus, for comparison with brute force."""

from __future__ import annotations

import random
from typing import Any

from service.conversation import CHANNELS, DIRECTIONS, STATUSES
from service.query.conditions import MATCHES
from service.query.conversation_query import MAX_SORTS
from service.query.fields import RELEVANCE, SORT_FIELDS
from tests import oracle
from tests.corpus import AGENTS, CATEGORIES, ORGANIZATIONS, PARTIES, WORDS

SIGNS = ("[in]", "[nin]", "!")
DATES = ("created_on", "updated_on", "sent_at")
SORTED_BY = tuple(name for name in SORT_FIELDS if name != RELEVANCE)
SORTS = [f"{sign}{name}" for name in SORTED_BY for sign in ("", "-")]
_NAMES = {
    "status": STATUSES, "channel": CHANNELS, "direction": DIRECTIONS, "agent_uid": [str(uid) for uid in AGENTS],
    "created_by_uid": [str(uid) for uid in AGENTS], "party_uid": [str(uid) for uid in PARTIES[:3]], "category": ["Billing", '"Returns, damaged"', "返品"],
}  # fmt: skip
CONDITIONS = [
    *((f"{name}{sign}", [values[0], ",".join(values[:2])]) for name, values in _NAMES.items() for sign in SIGNS),
    *((name, ["none", "any"]) for name in ("category", "agent_uid", "party_uid", "parent_conversation_uid")),
    ("created_by_uid", ["none", "any", *map(str, AGENTS)]),
    ("direction", ["inbound", "outbound", "none", "any", "inbound,outbound"]),
    ("has_reply", ["true", "false"]),
    ("has_attachments", ["true", "false", "none", "any"]),
    ("label", ["Inbox", '"To do, later"', "none", 'Inbox,"To do, later"', "inbox"]),
    ("to_emails", ["bob@example.com", "eve@example.com,x@example.com", "none", "any"]),
    ("cc_emails", ["eve@example.com", "bob@example.com", "none", "any"]),
    ("from_email", ["ada@example.com", "none", "any", "ADA@example.com,x@example.com"]),
    ("message_count", ["1", "2", "50", "7", "none", "any"]),
    *((f"message_count[{sign}]", ["0", "1"]) for sign in ("gte", "gt")),
    *((f"message_count[{sign}]", ["2", "50", "2147483647"]) for sign in ("lte", "lt")),
    *((f"{field}[{sign}]", ["2024-01-01", "2024-01-01T00:00:00.001Z"]) for field in DATES for sign in ("gte", "gt")),
    *((f"{field}[lte]", ["2024-01-02", "2024-01-02T00:00:00.001Z"]) for field in DATES),
    *((f"{field}[lt]", ["2024-01-03", "2024-01-02T00:00:00.001Z"]) for field in DATES),  # later than all bounds above
]


def random_request(rng: random.Random) -> oracle.Request:
    filters: dict[str, str] = {}
    if rng.random() < 0.25:
        filters["is_read"] = rng.choice(["true", "false"])
    if rng.random() < 0.3:
        filters["status"] = ",".join(rng.sample(STATUSES, rng.randint(1, 4)))
    if rng.random() < 0.25:
        filters["channel"] = rng.choice(CHANNELS)
    if rng.random() < 0.15:
        filters["agent_uid"] = str(rng.choice(AGENTS))
    if rng.random() < 0.1:
        filters["party_uid"] = str(rng.choice(PARTIES))
    categories = tuple(rng.sample(CATEGORIES, rng.randint(1, 3))) if rng.random() < 0.2 else ()
    taken = {*filters, *(("category",) if categories else ())}  # a parameter is given once
    search = " ".join(rng.choices(WORDS, k=rng.choice((1, 1, 2)))) if rng.random() < 0.35 else None
    return oracle.Request(
        organization=str(rng.choices(ORGANIZATIONS, (6, 4, 2, 1))[0]),
        filters=filters,
        categories=categories,
        search=search,
        match=rng.choice(MATCHES) if search is not None else "words",
        conditions=tuple(
            (name, rng.choice(values)) for name, values in CONDITIONS if name not in taken and rng.random() < 0.025
        ),
        sort=random_sort(rng),
        page=rng.choice((1, 1, 1, 2, 3, 10, 60)),
        per_page=rng.choice((1, 7, 25, 100)),
    )


def random_sort(rng: random.Random) -> str:
    """One key or several."""
    names = rng.sample(SORTED_BY, rng.choice((1, 1, *range(2, MAX_SORTS + 1))))
    return ",".join(f"{rng.choice(('', '-'))}{name}" for name in names)


def query_parameters(request: oracle.Request) -> dict[str, Any]:
    parameters: dict[str, Any] = {"organization_uid": request.organization, **request.filters}
    if request.categories:
        parameters["category"] = ",".join('"' + name.replace('"', '""') + '"' for name in request.categories)
    if request.search is not None:
        parameters |= {"search": request.search, "match": request.match}
    parameters |= dict(request.conditions)
    return parameters | {"sort": request.sort, "page": request.page, "per_page": request.per_page}
