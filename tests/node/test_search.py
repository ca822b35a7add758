"""Counts, facets, relevance, highlights, suggestions and the search box, through HTTP, against brute force."""

from __future__ import annotations

import html
import json
import random
import string
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid5
from zoneinfo import available_timezones

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from service.conversation import CHANNELS, DIRECTIONS, STATUSES, Conversation, Metadata
from tests import oracle
from tests.corpus import AGENTS, CATEGORIES, ORGANIZATIONS, PARTIES, WORDS
from tests.node.conftest import Api, Cluster, serving
from tests.node.test_oracle import query_parameters, random_request

FACETS = ("status", "channel", "category", "agent_uid", "is_read", "direction")
Holds = Callable[[Conversation], bool]


def ask(api: Api, path: str = "", *organizations: Any, **parameters: Any) -> dict[str, Any]:
    token = api.token(*(organizations or ORGANIZATIONS[:1]))
    answer = api.get(f"/api/conversations{path}", token, params=parameters)
    assert answer.status_code == 200, answer.text[:1000]
    data: dict[str, Any] = answer.json()["data"]
    return data


def refused(api: Api, *, headers: dict[str, str] | None = None, **parameters: Any) -> list[dict[str, Any]]:
    token = api.token(ORGANIZATIONS[0])
    answer = api.http.get(
        f"{api.address}/api/conversations",
        params=parameters,
        headers={"Authorization": f"Bearer {token}"} | (headers or {}),
    )
    assert answer.status_code == 400, answer.text[:1000]
    details: list[dict[str, Any]] = answer.json()["error"]["details"]
    return details


def refused_all(api: Api, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    return refused(api, **parameters)


# ---- counts and facets ----


def facet_of(field: str, conversations: list[Conversation]) -> dict[str, Any]:
    """The most frequent first, equals by their values; and how many have none."""
    counts: Counter[str] = Counter()
    for one in conversations:
        counts.update(oracle.own_values(field, one))
    listed = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    if field == "is_read":
        values: list[dict[str, Any]] = [{"value": name == "true", "count": count} for name, count in listed]
    else:
        values = [{"value": name, "count": count} for name, count in listed]
    none = sum(1 for one in conversations if not oracle.own_values(field, one))
    return {"values": sorted(values, key=_order) if field == "is_read" else values, "none": none, "other": 0}


def _order(entry: dict[str, Any]) -> Any:
    return -entry["count"], entry["value"]


def without(request: oracle.Request, field: str) -> oracle.Request:
    """The request without its filters on the field."""
    return oracle.Request(
        request.organization,
        {name: value for name, value in request.filters.items() if name != field},
        () if field == "category" else request.categories,
        request.search,
        request.match,
        tuple((name, value) for name, value in request.conditions if name.rstrip("!").partition("[")[0] != field),
    )


@pytest.mark.parametrize("seed", range(4))
def test_counts_and_facets_are_exact_and_each_is_without_its_own_filter(
    seed: int, api: Api, conversations: list[Conversation], tokens: oracle.Tokens
) -> None:
    rng = random.Random(100 + seed)
    for _ in range(25):
        request = random_request(rng)
        wanted = rng.sample(FACETS, rng.randint(1, 6))
        parameters = query_parameters(request) | {"facets": ",".join(wanted)}
        expected = {
            field: facet_of(field, oracle.matching(without(request, field), conversations, tokens)) for field in wanted
        }
        found = ask(api, "", *ORGANIZATIONS, **parameters)
        assert found["facets"] == expected, request
        for name in ("sort", "page", "per_page"):
            parameters.pop(name)
        counted = ask(api, "/count", *ORGANIZATIONS, **parameters)
        total = len(oracle.matching(request, conversations, tokens))
        assert counted == {"total": total, "facets": expected}
        assert found["pagination"]["total"] == total


@pytest.mark.parametrize(("interval", "form"), [("year", "%Y"), ("month", "%Y-%m"), ("day", "%Y-%m-%d")])
def test_created_on_is_counted_by_the_days_of_a_zone(
    interval: str, form: str, api: Api, conversations: list[Conversation]
) -> None:
    parameters = {"facets[created_on]": interval, "tz": "Asia/Tokyo", "created_on[gte]": "1971"}
    found = ask(api, "/count", **parameters)["facets"]["created_on"]
    mine = [one.created_on for one in conversations if one.organization_uid == ORGANIZATIONS[0]]
    counts = Counter((when + timedelta(hours=9)).strftime(form) for when in mine if when is not None)
    years = {when.year for when in mine if when is not None}
    assert {entry["value"]: entry["count"] for entry in found["values"] if entry["value"] > "1970"} == {
        value: count for value, count in counts.items() if value > "1970"
    }
    assert found["none"] == sum(1 for when in mine if when is None)
    assert len(years) > 2


def test_every_time_zone_that_is_taken_is_one_that_opensearch_knows(api: Api) -> None:
    token = api.token(ORGANIZATIONS[3])
    answered = Counter(
        api.get("/api/conversations/count", token, params={"facets[created_on]": "week", "tz": zone}).status_code
        for zone in sorted(available_timezones())
    )
    assert set(answered) == {200, 400}
    assert answered[400] < 10
    assert answered[200] > 400


def test_a_facet_that_there_is_not_is_refused(api: Api) -> None:
    (problem,) = refused(api, facets="status,subject")
    assert problem["parameter"] == "facets"
    assert "direction" in problem["message"]


# ---- the search box ----


def random_tree(rng: random.Random, depth: int = 0) -> tuple[str, Holds]:
    """A text for the box, and what it means, made side by side; words are left to other tests."""
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
        lambda: presence("agent", "agent_uid"),
        lambda: presence("category", "category"),
        lambda: presence("status", "status"),
        lambda: number("messages", "message_count"),
        lambda: ("is:unread", lambda one: one.is_read is False),
        lambda: ("is:replied", lambda one: one.has_reply is True),
        lambda: ("is:unassigned", lambda one: one.agent_uid is None),
        lambda: ("from:ada@example.com", lambda one: one.metadata.from_email is not None),
        lambda: ("from:ada", lambda one: one.metadata.from_email is not None),
        lambda: time("created", "created_on"),
        lambda: time("sent", "sent_at"),
        lambda: ("before:2024-01-01", lambda one: one.updated_on < datetime(2024, 1, 1, tzinfo=UTC)),
    ]
    return rng.choice(kinds)()


@pytest.mark.parametrize("seed", range(4))
def test_the_box_finds_what_it_says(seed: int, api: Api, deep_api: Api, conversations: list[Conversation]) -> None:
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
def test_the_box_and_parameters_turn_into_one_another(seed: int, api: Api) -> None:
    rng = random.Random(300 + seed)
    turned = Counter[str]()
    for _ in range(60):
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


def test_a_warning_is_told_beside_the_page_and_is_an_error_for_who_would_have_one(api: Api) -> None:
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


# ---- filters and orders ----


def test_what_does_not_go_together_is_refused(api: Api) -> None:
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


def test_orders_without_deep_pages_say_where_they_end(api: Api) -> None:
    assert ask(api, sort="is_read,status", page=100, per_page=100)["items"] == []
    (problem,) = refused(api, sort="is_read,status", page=101, per_page=100)
    assert problem["parameter"] == "page"
    assert "10000" in problem["message"]
    assert "cursor" in problem["message"]


RELEVANT = [  # the best first; equals by time, the newer first
    ("late order", 5), ("Re: late order", 4), ("a late order again", 9), ("your late order", 8), ("late orders", 7),
    ("order is late", 6), ("the orders are late", 3), ("ordering, lately late", 2),
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


def test_words_of_another_organization_do_not_crowd_out_ones_own(fresh: Cluster) -> None:
    """A fuzzy search takes so many of the nearest words of the index: theirs are 150, and all nearer than mine."""
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


# ---- highlights ----


@pytest.mark.parametrize(
    ("parameters", "subject", "marked"),
    [
        ({"search": "invoice"}, "Re: Invoice & <b>more</b> invoices", ["Invoice", "invoices"]),
        ({"search": "resume"}, "👍 Your résumé", ["résumé"]),
        ({"search": "run"}, "Running and run", ["Running", "run"]),
        ({"search": "都庁 東京"}, "東京都庁への行き方", ["東京都庁"]),
        ({"search": "京都"}, "👩\u200d👩 東京都庁", ["京都"]),
        ({"search": "注文確認"}, "注文の確認", ["注文", "確認"]),
        ({"search": "국어"}, "한국어를", ["국어"]),
        ({"search": "ไทย"}, "ประเทศไทยแลนด์", ["ไทย"]),
        ({"search": "full"}, "Ｆｕｌｌ width", ["Ｆｕｌｌ"]),
        ({"search": "1.2.3"}, "v1.2.3 out", ["1", "2", "3"]),
        ({"search": "𠮷野"}, "𠮷野家", ["𠮷野"]),
        ({"search": "invo", "match": "prefix"}, "an invoice", ["invoice"]),
        ({"search": "invioce", "match": "fuzzy"}, "an invoice", ["invoice"]),
        ({"search": "the report", "match": "phrase"}, "report on the report", ["the", "report"]),
        ({"search": "re: whole thing", "match": "exact"}, "Whole thing", ["Whole thing"]),
        ({"q": 'wire -house "to bits"'}, "wire cut to bits", ["wire", "to", "bits"]),
    ],
)  # fmt: skip
def test_highlights_cut_exactly_the_matched_words(
    parameters: dict[str, str], subject: str, marked: list[str], fresh: Cluster
) -> None:
    fresh.load(
        [
            Conversation(
                uid=uuid5(ORGANIZATIONS[0], subject), organization_uid=ORGANIZATIONS[0], subject=subject,
                updated_on=datetime(2024, 1, 1, tzinfo=UTC),
            )
        ]
    )  # fmt: skip
    for api in serving(fresh.settings, fresh.url):
        (found,) = ask(api, highlight="subject", **parameters)["highlights"].values()
    ranges = found["subject"]["ranges"]
    assert [subject[start:end] for start, end in ranges] == marked
    shown = found["subject"]["html"]
    assert html.unescape(shown.replace("<mark>", "").replace("</mark>", "")) == subject
    assert shown.count("<mark>") == len(marked)
    assert "<b>" not in shown


@pytest.mark.parametrize("how", ["api", "deep_api"])
def test_every_conversation_of_a_page_has_its_highlights(how: str, request: pytest.FixtureRequest) -> None:
    service: Api = request.getfixturevalue(how)
    data = ask(service, search="invoice", highlight="subject", page=2, per_page=10)
    assert list(data["highlights"]) == [item["uid"] for item in data["items"]]
    assert all(found["subject"]["ranges"] for found in data["highlights"].values())
    plain = ask(service, highlight="subject", per_page=1)
    assert [found["subject"]["ranges"] for found in plain["highlights"].values()] == [[]]


# ---- as you type, and nothing found ----


@pytest.fixture(scope="module")
def office(cluster: Cluster) -> Iterator[Api]:
    """Two organizations: what the one knows must not be told to the other."""
    own = Cluster(cluster.settings.but(alias="test_office"), cluster.url)
    own.drop()
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
    own.load([*mine, theirs])
    yield from serving(own.settings, own.url)
    own.drop()


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
    assert found["suggestions"] == {"did_you_mean": None, "without": [{"parameter": "search", "total": 12}]}
    token = office.token(ORGANIZATIONS[0])
    assert office.get(f"/api/conversations/suggest?q=a&organization_uid={ORGANIZATIONS[1]}", token).status_code == 403
    assert office.get(f"/api/conversations/count?organization_uid={ORGANIZATIONS[1]}", token).status_code == 403


def test_where_nothing_is_found_a_way_out_is_told(office: Api) -> None:
    found = ask(office, search="invioce overdeu", suggest="true")
    assert found["suggestions"]["did_you_mean"] == {"search": "invoice overdue", "total": 3, "with_filters": True}
    found = ask(office, search="invioce", status="closed", suggest="true")
    assert found["suggestions"]["did_you_mean"] == {"search": "invoice", "total": 9, "with_filters": False}
    found = ask(office, q="invioce status:draft", suggest="true")
    assert found["suggestions"]["did_you_mean"] == {"q": "invoice status:draft", "total": 3, "with_filters": True}
    found = ask(office, search="overdue", channel="sms", suggest="true")
    assert found["suggestions"] == {"did_you_mean": None, "without": [{"parameter": "channel", "total": 3}]}
    assert "suggestions" not in ask(office, search="invoice", suggest="true")
    assert ask(office, search="zzzzzz", suggest="true")["suggestions"]["did_you_mean"] is None


# ---- whatever is typed ----

TYPED = st.one_of(
    st.text(max_size=600),
    st.lists(st.sampled_from([*WORDS, "-", "(", ")", "OR", '"', "status:", "closed", "*", ":", ",", "..", "from:", "[", "/", "\\", "&&",
                              "organization_uid:", "_id:", "{", "}", "~2", "^9", "\u0000", "\u202e"]), max_size=60)
    .map(" ".join),
)  # fmt: skip


@hypothesis_settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TYPED, name=st.sampled_from(["search", "q"]), match=st.sampled_from(["words", "prefix", "fuzzy", "phrase", "exact"]),
       sort=st.sampled_from(["-updated_on", "relevance", "subject"]))  # fmt: skip
def test_whatever_is_typed_is_answered_or_refused_and_stays_in_the_organization(
    text: str, name: str, match: str, sort: str, api: Api
) -> None:
    organization = ORGANIZATIONS[2]
    parameters = {name: text, "sort": sort, "facets": "status,category", "highlight": "subject", "suggest": "true"}
    parameters |= {"match": match} if name == "search" else {"explain": "query"}
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
