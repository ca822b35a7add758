"""Requests exactly as people and programs write them: names, the box, prefixes, times, fields without a value."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from uuid import uuid5

import pytest

from service.conversation import Conversation
from service.query.fields import FIELDS
from service.settings import Settings
from tests.corpus import ORGANIZATIONS
from tests.node.clusters import own_alias
from tests.node.request_forms import AGENT, ASKED, NOW, STORED, organization
from tests.node.serving import Api, serving


@pytest.fixture(scope="module")
def typed(settings: Settings, opensearch_url: str) -> Iterator[Api]:
    """A service over the conversations of every table, and one without a subject."""
    stored = [
        Conversation.model_validate(
            {
                "uid": uuid5(organization(table), subject), "organization_uid": organization(table),
                "subject": subject, "updated_on": NOW + timedelta(minutes=number), **fields,
            }
        )
        for table, rows in STORED.items()
        for number, (subject, fields) in enumerate(rows.items())
    ]  # fmt: skip
    blank = Conversation(uid=uuid5(ORGANIZATIONS[0], ""), organization_uid=organization("blank"), updated_on=NOW)
    with own_alias(settings, opensearch_url) as own:
        own.load([*stored, blank])
        yield from serving(own.settings, own.url)


@pytest.mark.parametrize("table", ASKED)
def test_what_is_asked_finds_what_is_meant(table: str, typed: Api) -> None:
    token = typed.token(organization(table))
    wrong = []
    for asked, expected in ASKED[table]:
        answer = typed.conversations(token, {"per_page": "100", **asked})
        found = sorted(item["subject"] for item in answer["data"]["items"])
        if found != sorted(expected):
            wrong.append((asked, found, sorted(expected)))
    assert wrong == []


def test_every_optional_field_can_be_searched_by_none_and_any(typed: Api) -> None:
    required = {"updated_on"}
    assert {row.name for row in FIELDS if row.plain is None or not row.plain.presence} == required
    token = typed.token(organization("blank"))
    for asked, total in (("none", 1), ("any", 0)):
        answer = typed.conversations(token, {"subject": asked})
        assert answer["data"]["pagination"]["total"] == total


@pytest.mark.parametrize("text", ["is:unread", "-nothing", "!!!"])
def test_relevance_without_plain_words_means_newest_first(text: str, typed: Api) -> None:
    token = typed.token(organization("box"))
    by_relevance, newest = (
        typed.conversations(token, {"q": text, "sort": sort})["data"] for sort in ("relevance", "-updated_on")
    )
    assert by_relevance == newest
    pages = [
        typed.conversations(token, {"q": text, "sort": "relevance", "per_page": 1, "page": page}) for page in (1, 2)
    ]
    assert [page["data"]["items"] for page in pages] == [newest["items"][:1], newest["items"][1:2]]


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("status: closed", 0), ("status:", 1), ("()", 1), ("from: ada", 1), ("--option", 1), ("-- word", 1),
        ("status:none,closed", 1), ("this or that", 0), ("from:ada", 0), ("-10% off", 0), ("alpha OR", 1),
        ("OR", 1), ("-()", 1), ("()()", 2), ("(", 1),
    ],
)  # fmt: skip
def test_the_box_warns_of_mistakes_and_refuses_them_if_strict(text: str, warned: int, typed: Api) -> None:
    token = typed.token(organization("box"))
    answer = typed.conversations(token, {"q": text, "explain": "query"})
    hints = [one for one in answer["data"]["query"]["warnings"] if one["message"].startswith("or is a word")]
    assert len(answer["data"]["query"]["warnings"]) - len(hints) == warned
    assert len(hints) == (text == "this or that")
    strict = typed.http.get(
        f"{typed.address}/api/conversations", params={"q": text},
        headers={"Authorization": f"Bearer {token}", "Prefer": "handling=strict"},
    )  # fmt: skip
    assert strict.status_code == (400 if warned else 200), strict.text


@pytest.mark.parametrize(
    "asked",
    [
        *({name: f"{word},Billing"} for name in ("category", "category[in]", "category[nin]", "label", "from_email",
                                                 "to_emails", "cc_emails") for word in ("none", "any")),
        *({name: f"{AGENT},{word}"} for name in ("agent_uid[in]", "party_uid[nin]", "parent_conversation_uid")
          for word in ("none", "any")),
        *({name: f"closed,{word}"} for name in ("status", "status[in]", "status!") for word in ("none", "any")),
        {"direction": "inbound,none"}, {"created_on": "2024"}, {"sent_at": "none,any"}, {"subject": "invoice"},
    ],
    ids=str,
)  # fmt: skip
def test_none_and_any_cannot_be_combined_with_other_values(asked: dict[str, str], typed: Api) -> None:
    answer = typed.get("/api/conversations", typed.token(organization("values")), params=asked)
    assert answer.status_code == 400, answer.text
    (problem,) = answer.json()["error"]["details"]
    assert problem["parameter"] == next(chain(asked))


def test_facets_count_composed_and_decomposed_names_as_one(typed: Api) -> None:
    answer = typed.conversations(typed.token(organization("names")), {"facets": "category"})
    counted = {one["value"]: one["count"] for one in answer["data"]["facets"]["category"]["values"]}
    assert counted["Café"] == 2
    assert counted["BILLING"] == counted["billing"] == 1


def test_links_replace_the_page_however_its_parameter_is_encoded(typed: Api) -> None:
    token = typed.token(organization("box"))
    answer = typed.get("/api/conversations?per_page=2&p%61ge=2&%73tatus=any", token)
    assert answer.status_code == 200
    links = answer.headers["link"].split(", ")
    assert links
    for link in links:
        target = link[link.index("<") + 1 : link.index(">")]
        assert target.count("page=") == 2, "per_page, and the page of the link"
        assert typed.get(target, token).status_code == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("{tag}", 304), ("{strong}", 304), ('"x", {tag}', 304), ('"x" , {strong},', 304), ("*", 304),
        ('"x"', 200), ('W/"x", "y"', 200), ("{bare}", 200), ('"*"', 200),
    ],
)  # fmt: skip
def test_if_none_match_compares_weakly_and_may_be_a_list_or_a_star(sent: str, status: int, typed: Api) -> None:
    token = typed.token(organization("box"))
    tag = typed.get("/api/conversations", token).headers["etag"]
    strong = tag.removeprefix("W/")
    again = typed.http.get(
        f"{typed.address}/api/conversations",
        headers={
            "Authorization": f"Bearer {token}",
            "If-None-Match": sent.format(tag=tag, strong=strong, bare=strong.strip('"')),
        },
    )
    assert again.status_code == status
