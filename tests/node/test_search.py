"""Filters, orders and relevance, through HTTP; and whatever is typed is answered or refused."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta
from uuid import uuid5

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from service.conversation import Conversation, Metadata
from service.query.conditions import LOOSE_MATCHES, MATCHES
from tests import oracle
from tests.corpus import ORGANIZATIONS, WORDS
from tests.node.asking import ask, refused, refused_all
from tests.node.clusters import Cluster
from tests.node.serving import Api, serving

# ---- filters and orders ----


def test_contradictory_and_invalid_parameters_are_refused(api: Api) -> None:
    assert (
        refused_all(api, {"created_on[gte]": "2024-02", "created_on[lte]": "2024-01"})[0]["parameter"] == "created_on"
    )
    assert refused_all(api, {"created_on[gt]": "2024-01-31", "created_on[lt]": "2024-01-31"})
    assert refused_all(api, {"sent_at[gte]": "-1d", "sent_at[lte]": "-2d"})
    assert refused(api, sort="relevance")[0]["parameter"] == "sort"
    assert refused(api, sort="-relevance", search="x")[0]["parameter"] == "sort"
    assert refused(api, sort="status,relevance", search="x")
    assert refused(api, sort="status,-status")
    assert refused(api, match="phrase")[0]["parameter"] == "match"
    assert refused(api, q="x " * 300)[0]["parameter"] == "q"
    assert refused(api, tz="Mars/Olympus")[0]["parameter"] == "tz"
    assert "did you mean" in refused_all(api, {"status[inn]": "closed"})[0]["message"]
    assert refused_all(api, {"status!": "closed,nonsense"})[0]["parameter"] == "status!"
    many = ",".join(f"{number:08x}-0000-4000-8000-000000000000" for number in range(101))
    assert "100" in refused_all(api, {"agent_uid[in]": many})[0]["message"]


def test_brackets_and_marks_may_be_percent_encoded(api: Api) -> None:
    token = api.token(ORGANIZATIONS[0])
    bodies = {
        api.get(f"/api/conversations?{query_string}", token).text
        for query_string in ("status[nin]=closed", "status%5Bnin%5D=closed", "status%21=closed", "status!=closed")
    }
    assert len(bodies) == 1
    assert '"total"' in bodies.pop()


def test_a_time_ago_is_counted_from_now(fresh: Cluster) -> None:
    now = datetime.now(UTC)
    ages = {"hour": timedelta(hours=1), "day": timedelta(days=1, hours=1), "week": timedelta(days=8)}
    fresh.load(
        [
            Conversation(
                uid=uuid5(ORGANIZATIONS[0], name), organization_uid=ORGANIZATIONS[0], subject=name, updated_on=now - age
            )
            for name, age in ages.items()
        ]
    )
    for api in serving(fresh.settings, fresh.url):
        for parameters, expected in (
            ({"updated_on[gte]": "-2h"}, ["hour"]),
            ({"updated_on[gte]": "-7d"}, ["hour", "day"]),
            ({"updated_on[lt]": "-1d"}, ["day", "week"]),
            ({"q": "updated:-2w..-7d"}, ["week"]),
            ({"q": "after:-1w"}, ["hour", "day"]),
        ):
            assert [item["subject"] for item in ask(api, **parameters)["items"]] == expected, parameters
        walk = ask(api, **{"updated_on[gte]": "-7d"}, cursor="*", per_page=1)["pagination"]
        second = ask(api, **{"updated_on[gte]": "-7d"}, cursor=walk["next_cursor"], per_page=1)
        assert [item["subject"] for item in second["items"]] == ["day"], "a walk goes on, though now is another time"


@pytest.mark.parametrize("sort", ["is_read,-updated_on", "-status,subject", "has_reply,message_count,-sent_at"])
def test_walks_of_several_keys_visit_every_conversation_once_and_in_order(
    sort: str, api: Api, conversations: list[Conversation]
) -> None:
    expected = oracle.ordered([one for one in conversations if one.organization_uid == ORGANIZATIONS[1]], sort)
    walked: list[str] = []
    cursor: str | None = "*"
    while cursor is not None:
        data = ask(api, "", ORGANIZATIONS[1], sort=sort, cursor=cursor, per_page=100)
        walked += [item["uid"] for item in data["items"]]
        cursor = data["pagination"]["next_cursor"]
    assert walked == [str(one.uid) for one in expected]


@pytest.mark.parametrize(
    "text", [{"search": "invoice"}, {"search": "東京"}, {"q": "invoice OR order OR running OR cafe OR the"}]
)
@pytest.mark.parametrize("sort", ["relevance", "relevance,status,-subject"])
def test_pages_by_relevance_are_those_of_the_walk(text: dict[str, str], sort: str, api: Api, deep_api: Api) -> None:
    """At any depth, with and without a rank descent, and with what earlier pages left in the cache."""
    walked: list[str] = []
    cursor: str | None = "*"
    while cursor is not None:
        data = ask(api, **text, sort=sort, cursor=cursor, per_page=100)
        walked += [item["uid"] for item in data["items"]]
        cursor = data["pagination"]["next_cursor"]
    assert len(walked) > 50
    for service in (api, deep_api, deep_api):
        for page in {1, 2, 3, 5, len(walked) // 7, len(walked) // 7 + 1}:
            data = ask(service, **text, sort=sort, page=page, per_page=7)
            assert [item["uid"] for item in data["items"]] == walked[(page - 1) * 7 : page * 7]
            assert data["pagination"]["total"] == len(walked)


RELEVANT = [  # the best first; equals by time, the newer first
    ("late order", 5), ("Re: late order", 4), ("a late order again", 9), ("your late order", 8), ("order is late", 6),
    ("late orders", 7), ("the orders are late", 3), ("ordering, lately late", 2),
]  # fmt: skip


def test_relevance_is_the_subject_then_the_phrase_then_the_words_and_newer_first_among_equals(fresh: Cluster) -> None:
    fresh.load(
        [
            Conversation(
                uid=uuid5(ORGANIZATIONS[0], subject), organization_uid=ORGANIZATIONS[0], subject=subject,
                updated_on=datetime(2024, 1, day, tzinfo=UTC),
            )
            for subject, day in RELEVANT
        ]
    )  # fmt: skip
    for api in serving(fresh.settings, fresh.url):
        for parameters in ({"search": "late order"}, {"q": "late order"}, {"search": "Re: LATE ORDER"}):
            found = ask(api, sort="relevance", **parameters)
            assert [item["subject"] for item in found["items"]] == [subject for subject, _day in RELEVANT]
        walked, cursor = [], "*"
        while cursor is not None:
            data = ask(api, search="late order", sort="relevance", cursor=cursor, per_page=3)
            walked += [item["subject"] for item in data["items"]]
            cursor = data["pagination"]["next_cursor"]
        assert walked == [subject for subject, _day in RELEVANT]


WRITTEN_FIRST = [  # what is typed, a subject as it is written, and a newer one in another form
    ("C++ jobs", "jobs in C++", "jobs in C"), ("C# tests", "tests of C#", "tests of C"), ("see 订单", "see the 订单", "see the 訂單"),
    ("login page", "page of login", "page to log in"), ("new e-mail", "e-mail is new", "email is new"),
    ("learn C", "we learn C", "we learn C#"), ("f", "grade f", "write F#"), ("runs zzq", "runs apart zzq", "now run zzq"),
    ("нет заказов", "заказов пока нет", "заказ не принят, нет"), ("eat りんご", "りんご to eat", "リンゴ to eat"), ("alle Rechnungen", "Rechnungen, alle", "Rechnung für alle"),
]  # fmt: skip


def test_written_forms_come_before_newer_ones_in_other_forms(fresh: Cluster) -> None:
    fresh.load(
        [
            Conversation(
                uid=uuid5(ORGANIZATIONS[0], subject), organization_uid=ORGANIZATIONS[0], subject=subject,
                updated_on=datetime(2024, 1, day, tzinfo=UTC),
            )
            for _text, *subjects in WRITTEN_FIRST
            for day, subject in enumerate(subjects, start=1)
        ]
    )  # fmt: skip
    for api in serving(fresh.settings, fresh.url):
        for text, *subjects in WRITTEN_FIRST:
            found = ask(api, sort="relevance", search=text)
            assert [item["subject"] for item in found["items"]] == subjects, text


def test_words_of_another_organization_do_not_crowd_out_ones_own(fresh: Cluster) -> None:
    """A fuzzy search takes a limited number of similar words: the other organization has 150 that are more similar."""
    typed = "qwertyx"
    nearer = [typed[:at] + letter + typed[at + 1 :] for at in range(1, len(typed)) for letter in string.ascii_lowercase]
    subjects = [(ORGANIZATIONS[1], word) for word in nearer if word != typed] + [(ORGANIZATIONS[0], "qwerabx")]
    assert len(subjects) > 140
    fresh.load(
        [
            Conversation(
                uid=uuid5(organization, word), organization_uid=organization, subject=word,
                updated_on=datetime(2024, 1, 1, tzinfo=UTC),
            )
            for organization, word in subjects
        ]
    )  # fmt: skip
    for api in serving(fresh.settings, fresh.url):
        found = ask(api, search=typed, match="fuzzy")
        assert [item["subject"] for item in found["items"]] == ["qwerabx"]


def test_addresses_of_another_organization_do_not_crowd_out_ones_own(
    fresh: Cluster,
) -> None:
    """A part of an address is looked up among own addresses: the other organization has more, and they sort before."""
    theirs = [f"ada.b.c.d@exam{first}{second}.com" for first in "abc" for second in string.ascii_lowercase]
    mine = "ada.b.c.d@example.com"
    one = Conversation(
        uid=uuid5(ORGANIZATIONS[0], mine), organization_uid=ORGANIZATIONS[0], updated_on=datetime(2024, 1, 1, tzinfo=UTC),
        metadata=Metadata(from_email=mine, to_emails=[mine], cc_emails=[mine]),
    )  # fmt: skip
    others = Conversation(
        uid=uuid5(ORGANIZATIONS[1], mine), organization_uid=ORGANIZATIONS[1], updated_on=one.updated_on,
        metadata=Metadata(from_email=theirs[0], to_emails=theirs, cc_emails=theirs),
    )  # fmt: skip
    fresh.load([one, others])
    for api in serving(fresh.settings, fresh.url):
        for role in ("from", "to", "cc"):
            for typed in ("ada.b.c.d@exam", "b.c.d@exampl", "d@exam", "ADA.B.c.D@exam*", "exampl*"):
                assert ask(api, q=f"{role}:{typed}")["pagination"]["total"] == 1, (role, typed)
            for typed in ("a.b.c.d@exam", "c.b.d@exam", "b.d@exam*"):
                assert ask(api, q=f"{role}:{typed}")["pagination"]["total"] == 0, (role, typed)


# ---- whatever is typed ----


TYPED = st.one_of(
    st.text(max_size=600),
    st.lists(st.sampled_from([*WORDS, "-", "(", ")", "OR", '"', "status:", "closed", "*", ":", ",", "..", "from:", "[", "/", "\\", "&&",
                              "organization_uid:", "_id:", "{", "}", "~2", "^9", "\u0000", "\u202e"]), max_size=60)
    .map(" ".join),
)  # fmt: skip


@hypothesis_settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TYPED, name=st.sampled_from(["search", "q"]), match=st.sampled_from(MATCHES),
       sort=st.sampled_from(["-updated_on", "relevance", "subject"]))  # fmt: skip
def test_whatever_is_typed_is_answered_or_refused_and_stays_in_the_organization(
    text: str, name: str, match: str, sort: str, api: Api
) -> None:
    organization = ORGANIZATIONS[2]
    parameters = {name: text, "sort": sort, "facets": "status,category", "highlight": "subject", "suggest": "true"}
    parameters |= {"match": match} if name == "search" or match in LOOSE_MATCHES else {"explain": "query"}
    answer = api.get("/api/conversations", api.token(organization), params=parameters)
    assert answer.status_code in (200, 400), answer.text[:500]
    if answer.status_code == 200:
        data = answer.json()["data"]
        assert {item["organization_uid"] for item in data["items"]} <= {str(organization)}
        assert data["pagination"]["total"] <= 80
        for facet in data["facets"].values():
            assert sum(entry["count"] for entry in facet["values"]) <= 80 * 3
    if text.strip() and len(text) <= 100:
        told = api.get("/api/conversations/suggest", api.token(organization), params={"q": text})
        assert told.status_code in (200, 400), told.text[:500]
