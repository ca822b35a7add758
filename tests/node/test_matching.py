"""How words match: all or any of them, with mistakes, corrected and completed from the organization's own words."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest

from service.conversation import Conversation, Metadata
from service.settings import Settings
from tests import oracle_codes
from tests.corpus import ORGANIZATIONS
from tests.node.asking import ask, refused
from tests.node.clusters import Cluster, own_alias
from tests.node.serving import Api, serving

MINE, THEIRS, CODED = ORGANIZATIONS[:3]
CODES = oracle_codes.written_codes(random.Random(17))
SUBJECTS = [  # the oldest first
    "Re: report for May", "Re: return label", "Fwd: refund", "हिन्दी भाषा", "தமிழ் மொழி", "বাংলা ভাষা", "한국 출장",
    "Łódź zakupy", "đơn hàng mới", "ærlig talt", "Øresund bro", "กำหนดการ", "น้ำดื่ม 2024", "ຄຳຖາມ", "ARGFとStringIOの返り値", "うまくレンダリングできない問題を修正",
    "パスワードを忘れました",    "ภาษาไทยง่ายมาก", "ພາສາລາວ", "注文確認のお知らせ",
    "database migration", "login page broken", "the quarterly budget", "the the", "budget review", "quarterly numbers",
    "ticket ada@example.com", "ada writes to exams", "meeting 10:30", "build 2024-07-01", "straße gesperrt", "don't panic",
    "invoice May", "invoice June", "invoice July", "invoke the function", "запрос на возврат", "القائمة الجديدة",
    "ångström units", "naïve approach", "Ungarn fährt", "the first", "the second", "the third",
]  # fmt: skip


def conversation(subject: str, organization: UUID = MINE, *, age: int = 0, **fields: Any) -> Conversation:
    return Conversation(
        uid=uuid5(organization, f"{subject}{fields}"), organization_uid=organization, subject=subject, status="active",
        updated_on=datetime(2024, 6, 1, tzinfo=UTC) - timedelta(minutes=age), **fields,
    )  # fmt: skip


@pytest.fixture(scope="module")
def office(settings: Settings, opensearch_url: str) -> Iterator[Api]:
    with own_alias(settings, opensearch_url) as own:
        own.load([conversation(subject, age=-place) for place, subject in enumerate(SUBJECTS)])
        own.load(
            [
                conversation(
                    "named",
                    categories=["Łódź Süd", "Über uns", "返品"],
                    metadata=Metadata(labels=["Wörk/Ops", "Two  spaces"]),
                ),
                conversation(
                    "named too", metadata=Metadata(from_email="Ada.Lovelace@example.com", from_name="Ada Ünal")
                ),
            ]
        )
        own.load([conversation(f"paid {way} now", CODED) for ways in CODES.values() for way in ways])
        yield from serving(own.settings, own.url)


def subjects(api: Api, **parameters: Any) -> list[str]:
    return [item["subject"] for item in ask(api, **parameters)["items"]]


# ---- any of the words ----


@pytest.mark.parametrize("name", ["search", "q"])
def test_match_any_needs_one_word_and_ranks_more_and_rarer_words_first(name: str, office: Api) -> None:
    assert subjects(office, sort="relevance", match="any", **{name: "the quarterly budget"}) == [
        "the quarterly budget", "quarterly numbers", "budget review", "the third", "the second", "the first",
        "invoke the function", "the the",
    ]  # fmt: skip
    assert "matched" not in ask(office, match="any", **{name: "budget"})


def test_match_auto_means_all_words_if_a_conversation_has_them_and_else_any(office: Api) -> None:
    found = ask(office, search="quarterly budget", match="auto")
    assert (found["matched"], found["pagination"]["total"]) == ("all", 1)
    found = ask(office, search="quarterly budget zebra", match="auto", facets="status")
    assert (found["matched"], found["pagination"]["total"]) == ("any", 3)
    assert found["facets"]["status"]["values"] == [{"value": "active", "count": 3}]
    assert ask(office, "/count", search="quarterly budget zebra", match="auto") == {"total": 3, "matched": "any"}
    nothing = ask(office, search="zebra giraffe", match="auto")
    assert (nothing["matched"], nothing["pagination"]["total"]) == ("any", 0)
    filtered = ask(office, search="quarterly budget", match="auto", status="draft,active", direction="none")
    assert filtered["matched"] == "all"


@pytest.mark.parametrize("name", ["search", "q"])
def test_with_match_any_or_auto_a_correction_needs_to_find_only_one_word(name: str, office: Api) -> None:
    def corrected(text: str, match: str) -> str | None:
        told = ask(office, suggest="true", match=match, **{name: text})["suggestions"]["did_you_mean"]
        return None if told is None else str(told[name])

    for match in ("any", "auto"):
        assert corrected("quartrly reveiw", match) == "quarterly review"
        assert corrected("quartrly qqqqzz", match) == "quarterly qqqqzz"
        assert corrected("qqqqzz zzqqxx", match) is None
        assert ask(office, match=match, **{name: "quarterly review"})["pagination"]["total"] == 3
    assert corrected("quartrly reveiw", "words") is None
    assert corrected("quartrly nubmers", "auto") == "quarterly numbers"


def test_in_the_search_box_match_any_and_auto_concern_only_plain_words(office: Api) -> None:
    assert subjects(office, q='quarterly budget -"the quarterly"', match="auto") == [
        "quarterly numbers",
        "budget review",
    ]
    assert subjects(office, q='"quarterly numbers" budget zebra', match="any") == []
    assert ask(office, q="quarterly status:active zebra", match="auto")["matched"] == "any"
    for text in ("-numbers quarterly zebra", "quarterly zebra -numbers", "-giraffe -numbers quarterly zebra"):
        assert subjects(office, q=text, match="any") == ["the quarterly budget"]
        found = ask(office, q=text, match="auto")
        assert ([item["subject"] for item in found["items"]], found["matched"]) == (["the quarterly budget"], "any")
    for match in ("any", "auto"):
        assert subjects(office, q="zebra budget (quarterly the)", match=match) == ["the quarterly budget"]
        assert subjects(office, q="(quarterly budget)", match=match) == ["the quarterly budget"]
        assert set(subjects(office, q="zebra budget subject:quarterly", match=match)) == {"the quarterly budget"}
        assert subjects(office, q="budget subject:zebra", match=match) == []
        assert ask(office, q="budget (quarterly zebra)", match=match, suggest="true")["suggestions"]["any_words"] == 0
    assert ask(office, q="budget subject:zebra", suggest="true")["suggestions"]["any_words"] == 0
    assert ask(office, q="status:active", match="auto")["items"]
    without_text: list[dict[str, Any]] = [{}, {"status": "active"}]
    for parameters in without_text:
        (problem,) = refused(office, match="auto", **parameters)
        assert problem["parameter"] == "match"
    (problem,) = refused(office, match="fuzzy", q="a")
    assert problem["parameter"] == "match"


def test_a_walk_keeps_to_all_or_any_words_as_it_began(fresh: Cluster) -> None:
    walks = {"-updated_on": ("alpha", "beta"), "relevance": ("gamma", "delta")}
    for one, other in walks.values():
        fresh.load([conversation(f"{one} {number}", age=number) for number in range(6)])
        fresh.load([conversation(f"{other} {number}", age=10 + number) for number in range(3)])
    for api in serving(fresh.settings, fresh.url):
        for sort, (one, other) in walks.items():
            asked: dict[str, Any] = {"search": f"{one} {other}", "match": "auto", "sort": sort, "per_page": 4}
            whole = subjects(api, **asked | {"per_page": 100})
            assert len(whole) == 9
            data = ask(api, cursor="*", **asked)
            walked = data["items"]
            fresh.load([conversation(f"{one} {other}", age=60)])
            assert ask(api, **asked)["matched"] == "all"
            while data["pagination"]["next_cursor"] is not None:
                data = ask(api, cursor=data["pagination"]["next_cursor"], **asked)
                assert data["matched"] == "any"
                walked += data["items"]
            assert [item["subject"] for item in walked if item["subject"] != f"{one} {other}"] == whole


def test_an_export_says_whether_all_or_any_words_matched(office: Api) -> None:
    for text, matched, total in (("quarterly budget", "all", 1), ("quarterly budget zebra", "any", 3)):
        answer = office.get(
            "/api/conversations/export",
            office.token(MINE),
            params={"search": text, "match": "auto", "sort": "relevance"},
        )
        *items, end = map(json.loads, answer.text.splitlines())
        assert (end["export"]["matched"], end["export"]["conversations"], len(items)) == (matched, total, total)


# ---- completion ----


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("re", ["refund", "report", "return", "review"]),
        ("हि", ["हिन्दी"]), ("தமி", ["தமிழ்"]), ("বাং", ["বাংলা"]), ("한", ["한국"]),
        ("łód", ["łódź"]), ("lo", ["login", "łódź"]), ("đơ", ["don't", "đơn"]), ("ær", ["ærlig"]),
        ("aer", ["ærlig"]), ("ø", ["øresund"]), ("ore", ["øresund"]), ("str", ["straße", "stringio"]), ("ång", ["ångström"]),
        ("Ang", ["ångström"]), ("ภาษาไทย", ["ภาษาไทยง่ายมาก"]), ("ພາສາ", ["ພາສາລາວ"]), ("注文確", ["注文確認のお知らせ"]),
        ("запр", ["запрос"]), ("القا", ["القائمة"]), ("login pa", ["login page"]), ("ada@exa", ["ada@example.com"]),
        ("2024-0", ["2024-07-01"]), ("10:3", ["10:30"]), ("NAI", ["naïve"]), ("na\u00adi", ["naïve"]),
        ("\u200elog\u2060i", ["login"]), ("re:", []), ("zzz", []), ("กำ", ["กำหนดการ"]), ("น้", ["น้ำดื่ม"]), ("ຄຳ", ["ຄຳຖາມ"]),
        ("stringi", ["stringio"]), ("うまくレ", ["うまくレンダリングできない問題を修正"]),
    ],
)  # fmt: skip
def test_a_word_is_completed_as_it_is_written_and_finds_something(typed: str, words: list[str], office: Api) -> None:
    found = [one["text"] for one in ask(office, "/suggest", q=typed)["words"]]
    assert sorted(found) == sorted(words)
    for text in found:
        assert ask(office, search=text)["pagination"]["total"] > 0


def test_words_that_begin_as_typed_come_first(office: Api) -> None:
    for typed, first in (("đơ", "đơn"), ("do", "don't"), ("łó", "łódź")):
        assert ask(office, "/suggest", q=typed)["words"][0]["text"] == first


def test_names_are_completed_whatever_their_case_and_accents(office: Api) -> None:
    for typed, category in (("lod", "Łódź Süd"), ("łódź s", "Łódź Süd"), ("UBER", "Über uns"), ("返", "返品")):
        assert ask(office, "/suggest", q=typed)["categories"] == [{"category": category, "count": 1}]
    assert ask(office, "/suggest", q="work/")["labels"] == [{"label": "Wörk/Ops", "count": 1}]
    for typed in ("two s", "Two  Sp"):
        assert ask(office, "/suggest", q=typed)["labels"] == [{"label": "Two  spaces", "count": 1}]
    for typed in ("ada.love", "LOVE", "unal", "ada u", "ada@exa", "exam"):
        assert ask(office, "/suggest", q=typed)["senders"] == [{"from_email": "ada.lovelace@example.com", "count": 1}]


# ---- corrections ----


@pytest.mark.parametrize(
    ("typed", "corrected"),
    [
        ("invioce", "invoice"), ("invoide", "invoice"), ("nvoice", "invoice"), ("datbase migratoin", "database migration"),
        ("data base migration", "database migration"), ("loginpage", "login page"), ("log in page", "login page"), ("databas emigration", "database migration"),
        ("logi npage", "login page"), ("datab asemigration", "database migration"),
        ("зопрос", "запрос"), ("القائمه الجديده", None), ("हिन्दि", "हिन्दी"), ("注文確任", "注文確認"), ("バスワード", "パスワード"), ("한극", "한국"),
        ("ภาษาไทบง่าย", "ภาษาไทยง่าย"), ("ภาษาไทยงายมาก", "ภาษาไทยง่ายมาก"), ("ພາສາລາງ", "ພາສາລາວ"), ("angstrm", "ångström"), ("stasse", "straße"), ("zzzzzzzz", None), ("budget invioce", None),
    ],
)  # fmt: skip
def test_a_text_that_finds_nothing_is_corrected(typed: str, corrected: str | None, office: Api) -> None:
    found = ask(office, search=typed, suggest="true")
    if corrected is None:
        assert found["pagination"]["total"] or found["suggestions"]["did_you_mean"] is None
        return
    if found["pagination"]["total"]:  # stems match, or the words joined or split: no correction is needed
        assert subjects(office, search=typed) == subjects(office, search=corrected)
        return
    told = found["suggestions"]["did_you_mean"]
    assert (told["search"], told["with_filters"]) == (corrected, True)
    assert ask(office, search=corrected)["pagination"]["total"] == told["total"]


def test_the_box_is_corrected_and_its_fields_stay(office: Api) -> None:
    found = ask(office, q="status:active invioce OR zzzzz", suggest="true")
    assert found["suggestions"]["did_you_mean"] is None or "status:active" in found["suggestions"]["did_you_mean"]["q"]
    found = ask(office, q="status:active invioce", suggest="true")
    assert found["suggestions"]["did_you_mean"] == {"q": "status:active invoice", "total": 3, "with_filters": True}


def test_suggestions_count_the_conversations_with_any_of_the_words(office: Api) -> None:
    found = ask(office, search="quarterly budget directories", suggest="true")["suggestions"]
    assert (
        found["any_words"]
        == ask(office, search="quarterly budget directories", match="any")["pagination"]["total"]
        == 3
    )
    assert ask(office, q="quarterly budget dirs", suggest="true")["suggestions"]["any_words"] == 3


# ---- words of other organizations ----

QUESTIONS: list[tuple[str, dict[str, str]]] = [
    *(("", {"search": text, "match": match, "suggest": "true"}) for text in ("acquisitoin", "merger plan", "qwertyx", "inv")
      for match in ("fuzzy", "prefix", "auto", "words")),
    *(("", {"search": "project merger plan", "match": match, "sort": "relevance", "cursor": "*"}) for match in ("any", "auto")),
    *(("", {"q": text, "suggest": "true"}) for text in ("acqu*", "acquisitoin", "merger OR acquire")),
    *(("/suggest", {"q": text}) for text in ("acq", "mer", "a", "secret", "ada", "project pl")),
    ("/count", {"search": "acquisitoin", "match": "fuzzy"}),
]  # fmt: skip


def test_what_another_organization_writes_changes_no_answer(fresh: Cluster) -> None:
    """It has every word of the questions, and more similar words than a search can list."""
    fresh.load([conversation(text, age=age) for age, text in enumerate(["project plan", "inventory", "qwerabx list"])])
    rng = random.Random(1)

    def near(word: str) -> str:
        letters = list(word)
        for _change in range(2):
            letters[rng.randrange(1, len(letters))] = rng.choice(string.ascii_lowercase)
        return "".join(letters)

    words = ["acquisition", "acquisitoin", "merger", "project", "plan", "qwertyx", "inventory"]
    theirs = [*words, *sorted({near(word) for word in words for _each in range(400)})]
    assert len(theirs) > 2_000
    for api in serving(fresh.settings, fresh.url):
        before = [_told(ask(api, path, **parameters)) for path, parameters in QUESTIONS]
        fresh.load(
            [
                conversation(
                    " ".join(theirs[at : at + 40]), THEIRS, age=at, categories=[theirs[at]],
                    metadata=Metadata(from_email=f"ada.{theirs[at]}@example.com", labels=[theirs[at]]),
                )
                for at in range(0, len(theirs), 40)
            ]
        )  # fmt: skip
        assert [_told(ask(api, path, **parameters)) for path, parameters in QUESTIONS] == before
        assert subjects(api, search="qwertyx", match="fuzzy") == ["qwerabx list"]
        assert ask(api, "", THEIRS, search="acquisitoin", match="fuzzy")["pagination"]["total"] > 0


def _told(data: dict[str, Any]) -> str:
    return json.dumps(data, sort_keys=True)


def test_the_longest_texts_of_a_dense_vocabulary_are_answered(fresh: Cluster) -> None:
    """Three-letter words, each similar to hundreds of others: no way of matching makes too many clauses of them."""
    rng = random.Random(2)
    words = sorted({"".join(rng.choices(string.ascii_lowercase, k=3)) for _each in range(6_000)})
    subjects_there = [" ".join(words[at : at + 124]) for at in range(0, len(words), 124)]
    fresh.load([conversation(subject, age=age) for age, subject in enumerate(subjects_there)])
    longest = subjects_there[0]
    for api in serving(fresh.settings, fresh.url):
        for match in ("fuzzy", "any", "auto", "prefix", "words"):
            asked = {"search": longest, "match": match, "sort": "relevance", "highlight": "subject", "suggest": "true"}
            assert ask(api, **asked)["pagination"]["total"] >= 1


# ---- codes and numbers ----


@pytest.mark.parametrize("code", CODES)
def test_a_code_is_found_however_it_is_grouped_and_no_other_code_is(code: str, office: Api) -> None:
    everything = sorted({f"paid {way} now" for way in CODES[code]})
    for way in CODES[code]:
        found = ask(office, "", CODED, search=way, per_page=100)["items"]
        assert sorted(item["subject"] for item in found) == everything, way
