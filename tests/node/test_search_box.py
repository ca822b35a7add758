"""The search box, through HTTP: what it finds, against brute force, and how it turns into parameters and back."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from service.conversation import CHANNELS, DIRECTIONS, STATUSES, Conversation
from tests import oracle
from tests.corpus import AGENTS, CATEGORIES, ORGANIZATIONS, PARTIES
from tests.node.asking import ask, refused
from tests.node.serving import Api

Holds = Callable[[Conversation], bool]


# ---- the search box ----


def random_tree(rng: random.Random, depth: int = 0) -> tuple[str, Holds]:
    """A text for the box, and a function that says whether a conversation matches it. It has no words to search for."""
    kind = rng.random()
    if depth < 3 and kind < 0.2:
        parts = [random_tree(rng, depth + 1) for _ in range(rng.randint(2, 3))]
        return f"({' OR '.join(text for text, _ in parts)})", lambda one: any(holds(one) for _, holds in parts)
    if depth < 3 and kind < 0.4:
        parts = [random_tree(rng, depth + 1) for _ in range(rng.randint(2, 3))]
        return f"({' '.join(text for text, _ in parts)})", lambda one: all(holds(one) for _, holds in parts)
    if depth < 3 and kind < 0.55:
        text, holds = random_tree(rng, depth + 1)
        return f"-({text})", lambda one: not holds(one)
    return random_leaf(rng)


def random_leaf(rng: random.Random) -> tuple[str, Holds]:
    def values(box_name: str, field: str, known: list[str], *, quoted: bool = False) -> tuple[str, Holds]:
        chosen = rng.sample(known, rng.randint(1, 2))
        shown = [f'"{value}"' for value in chosen] if quoted else chosen
        return f"{box_name}:{','.join(shown)}", lambda one: bool(set(chosen) & oracle.own_values(field, one))

    def presence(box_name: str, field: str) -> tuple[str, Holds]:
        word = rng.choice(["none", "any"])
        return f"{box_name}:{word}", lambda one: bool(oracle.own_values(field, one)) == (word == "any")

    def time(box_name: str, field: str) -> tuple[str, Holds]:
        low, high = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC)
        return (
            f"{box_name}:2024-01-01..2024-01-02",
            lambda one: (when := getattr(one, field)) is not None and low <= when < high,
        )

    def number(box_name: str, field: str) -> tuple[str, Holds]:
        text, counts = rng.choice(
            [("2", {2}), ("1,50", {1, 50}), ("2..50", {2, 50}), ("2..", {2, 50}), ("..2", {1, 2})]
        )
        return f"{box_name}:{text}", lambda one: getattr(one, field) in counts

    kinds: list[Callable[[], tuple[str, Holds]]] = [
        lambda: values("status", "status", list(STATUSES)),
        lambda: values("channel", "channel", list(CHANNELS)),
        lambda: values("direction", "direction", list(DIRECTIONS)),
        lambda: values("agent", "agent_uid", [str(uid) for uid in AGENTS]),
        lambda: values("party", "party_uid", [str(uid) for uid in PARTIES]),
        lambda: values("creator", "created_by_uid", [str(uid) for uid in AGENTS]),
        lambda: values("category", "category", [name for name in CATEGORIES if '"' not in name], quoted=True),
        lambda: values("label", "label", ["Inbox", "To do, later"], quoted=True),
        lambda: presence("label", "label"),
        lambda: presence("to", "to_emails"),
        lambda: presence("agent", "agent_uid"),
        lambda: presence("category", "category"),
        lambda: presence("status", "status"),
        lambda: number("messages", "message_count"),
        lambda: ("is:unread", lambda one: one.is_read is False),
        lambda: ("is:replied", lambda one: one.has_reply is True),
        lambda: ("is:unassigned", lambda one: one.agent_uid is None),
        lambda: ("from:ada@example.com", lambda one: one.metadata.from_email is not None),
        lambda: ("from:ada", lambda one: one.metadata.from_email is not None),
        lambda: (
            "to:eve@example.com",
            lambda one: {*one.metadata.to_emails, *one.metadata.cc_emails} >= {"eve@example.com"},
        ),
        lambda: ("has:attachment", lambda one: one.metadata.has_attachments is True),
        lambda: time("created", "created_on"),
        lambda: time("sent", "sent_at"),
        lambda: ("before:2024-01-01", lambda one: one.updated_on < datetime(2024, 1, 1, tzinfo=UTC)),
    ]
    return rng.choice(kinds)()


@pytest.mark.parametrize("seed", range(4))
def test_the_box_finds_the_same_as_brute_force(
    seed: int, api: Api, deep_api: Api, conversations: list[Conversation]
) -> None:
    rng = random.Random(200 + seed)
    organization = ORGANIZATIONS[0]
    mine = [one for one in conversations if one.organization_uid == organization]
    between = 0
    for _ in range(40):
        text, holds = random_tree(rng)
        expected = oracle.ordered([one for one in mine if holds(one)], "-updated_on")
        between += 0 < len(expected) < len(mine)
        for service in (api, deep_api):
            found = ask(service, q=text, page=2, per_page=20)
            assert "warnings" not in found, text
            assert found["pagination"]["total"] == len(expected), text
            assert [item["uid"] for item in found["items"]] == [str(one.uid) for one in expected[20:40]], text
    assert between > 20


@pytest.mark.parametrize("seed", range(3))
def test_the_box_is_converted_to_parameters_and_back(seed: int, api: Api) -> None:
    rng = random.Random(300 + seed)
    turned = Counter[str]()
    for _ in range(80):
        leaves = [random_leaf(rng)[0] for _ in range(rng.randint(1, 3))]
        words = rng.choice(["", "", "invoice", '"of the"', "ord*", "東京"])
        text = " ".join([rng.choice(["", "-"]) + leaf for leaf in leaves] + ([words] if words else []))
        told = ask(api, q=text, explain="query")
        parameters = told["query"]["parameters"]
        if parameters is None:
            continue
        turned["to parameters"] += 1
        there = ask(api, explain="query", **parameters)
        assert there["items"] == told["items"], (text, parameters)
        assert there["pagination"] == told["pagination"]
        if there["query"]["q"] is not None:
            turned["and back"] += 1
            back = ask(api, q=there["query"]["q"])
            assert back["items"] == told["items"], (text, there["query"]["q"])
            assert back["pagination"] == told["pagination"]
    assert turned["to parameters"] > 20
    assert turned["and back"] > 15


def test_the_box_can_only_narrow(api: Api, conversations: list[Conversation]) -> None:
    mine = [one for one in conversations if one.organization_uid == ORGANIZATIONS[0] and one.status == "closed"]
    assert ask(api, q="status:any OR status:none", status="closed")["pagination"]["total"] == len(mine)
    assert ask(api, q="-status:closed", status="closed")["pagination"]["total"] == 0


def test_a_mistake_in_the_box_is_a_warning_and_with_strict_handling_an_error(api: Api) -> None:
    found = ask(api, q="stauts:closed")
    (warning,) = found["warnings"]
    assert warning == {"position": 0, "text": "stauts", "message": "there is no field stauts; did you mean status?"}
    (problem,) = refused(api, headers={"Prefer": "respond-async, handling=strict"}, q="stauts:closed")
    assert (problem["parameter"], problem["value"]) == ("q", "stauts")
    assert "at 0" in problem["message"]
    assert "status" in problem["message"]
    token = api.token(ORGANIZATIONS[0])
    headers = {"Authorization": f"Bearer {token}", "Prefer": "handling=strict"}
    answer = api.http.get(f"{api.address}/api/conversations?q=invoice", headers=headers)
    assert answer.headers["preference-applied"] == "handling=strict"
