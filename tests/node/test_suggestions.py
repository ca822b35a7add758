"""Suggestions while somebody types, and for a search without results: from the caller's organization only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid5

import pytest

from service.conversation import STATUSES, Conversation, Metadata
from service.settings import Settings
from tests.corpus import ORGANIZATIONS
from tests.node.asking import ask
from tests.node.clusters import own_alias
from tests.node.serving import Api, serving

# ---- as you type, and nothing found ----


@pytest.fixture(scope="module")
def office(settings: Settings, opensearch_url: str) -> Iterator[Api]:
    """Two organizations: the texts of one must not be suggested to the other."""
    people = {"ada@example.com": "Ada Lovelace", "adam@example.org": "Adam", "bob@example.com": "Bob Advent"}
    subjects = ["Invoice 7 overdue", "invoices of May", "Invoice 8", "東京都庁への行き方", "receipt for Ada"]
    mine = [
        Conversation(
            uid=uuid5(ORGANIZATIONS[0], f"{subject}{address}"), organization_uid=ORGANIZATIONS[0], subject=subject,
            status=STATUSES[place], channel="email", categories=["Billing", "Administration"][: place + 1],
            updated_on=datetime(2024, 1, 1 + place, tzinfo=UTC), metadata=Metadata(from_email=address, from_name=name),
        )
        for place, subject in enumerate(subjects[:4])
        for address, name in people.items()
    ]  # fmt: skip
    theirs = Conversation(
        uid=uuid5(ORGANIZATIONS[1], "x"), organization_uid=ORGANIZATIONS[1], subject="invoicing secretly, inventory",
        categories=["Adjustments"], updated_on=datetime(2024, 1, 1, tzinfo=UTC),
        metadata=Metadata(from_email="adversary@example.com", from_name="Invader"),
    )  # fmt: skip
    with own_alias(settings, opensearch_url) as own:
        own.load([*mine, theirs])
        yield from serving(own.settings, own.url)


def test_suggestions_complete_words_senders_and_categories(office: Api) -> None:
    found = ask(office, "/suggest", q="overdue inv")
    assert found["words"] == [{"text": "overdue invoice", "count": 3}]
    found = ask(office, "/suggest", q="INV")
    assert found["words"] == [{"text": "invoice", "count": 6}, {"text": "invoices", "count": 3}]
    found = ask(office, "/suggest", q="ad")
    assert {one["from_email"] for one in found["senders"]} == {"ada@example.com", "adam@example.org", "bob@example.com"}
    assert found["categories"] == [{"category": "Administration", "count": 9}]
    assert ask(office, "/suggest", q="bil")["categories"] == [{"category": "Billing", "count": 12}]
    assert ask(office, "/suggest", q="都")["words"][0]["text"].startswith("都庁")


def test_nothing_of_another_organization_is_suggested(office: Api) -> None:
    for text in ("inv", "ad", "sec", "inventory", "adversary"):
        told = json.dumps(ask(office, "/suggest", q=text))
        for secret in ("secret", "inventory", "adversary", "Adjustments", "invoicing"):
            assert secret not in told
    found = ask(office, search="secretlyy", suggest="true")
    assert found["suggestions"] == {
        "did_you_mean": None, "any_words": 0, "without": [{"parameter": "search", "total": 12}],
    }  # fmt: skip
    token = office.token(ORGANIZATIONS[0])
    assert office.get(f"/api/conversations/suggest?q=a&organization_uid={ORGANIZATIONS[1]}", token).status_code == 403
    assert office.get(f"/api/conversations/count?organization_uid={ORGANIZATIONS[1]}", token).status_code == 403


def test_a_search_without_results_suggests_other_searches(office: Api) -> None:
    found = ask(office, search="invioce overdeu", suggest="true")
    assert found["suggestions"]["did_you_mean"] == {"search": "invoice overdue", "total": 3, "with_filters": True}
    found = ask(office, search="invioce", status="closed", suggest="true")
    assert found["suggestions"]["did_you_mean"] == {"search": "invoice", "total": 9, "with_filters": False}
    found = ask(office, q="invioce status:draft", suggest="true")
    assert found["suggestions"]["did_you_mean"] == {"q": "invoice status:draft", "total": 3, "with_filters": True}
    for mark in ("Re: ", "AW: Fwd: ", "RE[2]: ", "回复："):
        found = ask(office, q=f"{mark}invioce", suggest="true")
        assert found["suggestions"]["did_you_mean"] == {"q": f"{mark}invoice", "total": 9, "with_filters": True}
    found = ask(office, search="overdue", channel="sms", suggest="true")
    assert found["suggestions"] == {
        "did_you_mean": None, "any_words": 0, "without": [{"parameter": "channel", "total": 3}],
    }  # fmt: skip
    assert "suggestions" not in ask(office, search="invoice", suggest="true")
    assert ask(office, search="zzzzzz", suggest="true")["suggestions"]["did_you_mean"] is None
