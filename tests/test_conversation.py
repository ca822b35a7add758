"""Documents: which are accepted, how they are normalised, and what is derived from them."""

from __future__ import annotations

import json
import time
import timeit
import unicodedata
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from service.conversation import LIMITS, Conversation
from service.stored_documents import (
    item,
    order_fields,
    sort_key_prefixes,
    stored,
    subject_sort_key,
    tombstone,
    uid_order,
)
from service.text import fold
from service.times import format_time, parse_time
from tests.corpus import corpus, made

UID = "6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f"
LEAST: dict[str, Any] = {"uid": UID, "organization_uid": UID, "updated_on": "2024-07-01T12:00:00Z"}


def test_identity_and_version_are_enough_and_the_rest_is_null_or_empty() -> None:
    found = json.loads(Conversation.model_validate(LEAST).model_dump_json())
    assert found.pop("metadata")["labels"] == []
    assert found.pop("categories") == []
    assert {name for name, value in found.items() if value is not None} == set(LEAST)


@pytest.mark.parametrize(
    ("given_time", "kept"),
    [
        ("2024-07-01T12:00:00Z", "2024-07-01T12:00:00.000Z"),
        ("2024-07-01t14:00:00.1239+02:00", "2024-07-01T12:00:00.123Z"),
        ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("2024-07-01 12:00:00.123456789Z", "2024-07-01T12:00:00.123Z"),
    ],
)
def test_times_become_utc_truncated_to_the_millisecond(given_time: str, kept: str) -> None:
    assert format_time(parse_time(given_time)) == kept


@pytest.mark.parametrize(
    "wrong",
    ["2024-07-01", "2024-07-01T12:00:00", "1719835200", 1719835200, "2024-13-01T00:00:00Z", "yesterday", "",
     "0001-01-01T00:00:00+10:00", "2024-07-01T12:00:00+2:00"],
)  # fmt: skip
def test_times_without_an_offset_or_of_another_form_are_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|outside|month|year"):
        parse_time(wrong)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"uid": "6f2c1d1e8a4b4c3d9e5f0a1b2c3d4e5f"}, "uid"),
        ({"uid": 5}, "uid"),
        ({"uid": None}, "uid"),
        ({"channel": "fax"}, "channel"),
        ({"status": "open"}, "status"),
        ({"is_read": "true"}, "is_read"),
        ({"message_count": -1}, "message_count"),
        ({"message_count": "1"}, "message_count"),
        ({"updated_on": "1969-12-31T23:59:59Z"}, "updated_on"),
        ({"updated_on": None}, "updated_on"),
        ({"subject": "\ud800"}, "subject"),
        ({"categories": ["\ud800"]}, "categories"),
        ({"metadata": {"snippet": "\ud800"}}, "metadata"),
        ({"subject": 5}, "subject"),
        ({"categories": ["  "]}, "categories"),
        ({"categories": "Billing"}, "categories"),
        ({"metadata": {"foo": 1}}, "metadata"),
        ({"metadata": {"history_id": 2**63}}, "metadata"),
        ({"foo": 1}, "foo"),
    ],
)
def test_an_error_names_the_wrong_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Conversation.model_validate(LEAST | change)
    assert {error["loc"][0] for error in caught.value.errors()} == {field}


def test_uids_are_lower_case_and_categories_trimmed() -> None:
    found = Conversation.model_validate(LEAST | {"uid": UID.upper(), "categories": [" a b\u00ad "]})
    assert str(found.uid) == UID
    assert found.categories == ["a b"]


def test_labels_and_addresses_are_trimmed_and_names_are_not() -> None:
    spaced = {"from_email": " a@b.cd\n\u200b", "to_emails": ["\ta@b.cd", "\u3000x "], "cc_emails": [" c@d.ef \u200e"]}
    found = Conversation.model_validate(
        LEAST | {"metadata": spaced | {"labels": ["\u00a0In box \u2060\ufeff"], "from_name": " A "}}
    )
    assert found.metadata.from_email == "a@b.cd"
    assert found.metadata.to_emails == ["a@b.cd", "x"]
    assert found.metadata.cc_emails == ["c@d.ef"]
    assert found.metadata.labels == ["In box"]
    assert found.metadata.from_name == " A "


def test_a_category_of_invisible_characters_is_empty_and_a_limit_does_not_count_them() -> None:
    with pytest.raises(ValidationError):
        Conversation.model_validate(LEAST | {"categories": ["\u200b"]})
    longest = "x" * LIMITS["categories"].characters
    line = json.dumps(LEAST | {"categories": [f"\u200b{longest}\u200b"]})
    assert Conversation.model_validate_json(line).categories == [longest]


def test_the_item_is_cut_out_of_the_stored_document_exactly() -> None:
    for conversation in corpus()[:500]:
        assert item(stored(conversation)) == conversation.model_dump_json().encode()


def test_what_was_not_written_by_us_is_not_taken_for_an_item() -> None:
    organization = UUID(UID)
    with pytest.raises(ValueError, match="no order"):
        item(tombstone(organization, organization, datetime(2024, 1, 1, tzinfo=UTC)))


@given(st.text(max_size=60), st.text(max_size=60))
def test_prefixes_keep_the_order_of_the_sort_key(one: str, other: str) -> None:
    keys = [subject_sort_key(text.encode("utf-8", "replace").decode()) for text in (one, other)]
    prefixes = [sort_key_prefixes(key) for key in keys]
    assert all(0 <= number < 2**48 for prefix in prefixes for number in prefix)
    if keys[0] <= keys[1]:
        assert prefixes[0] <= prefixes[1]
    if prefixes[0] < prefixes[1]:
        assert keys[0] < keys[1]


@given(st.text(max_size=2000).filter(lambda text: text.isascii() or text.encode("utf-8", "ignore").decode() == text))
def test_the_sort_key_is_the_one_of_the_contract(subject: str) -> None:
    decomposed = unicodedata.normalize("NFKD", subject)
    expected = "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()[:1000]
    assert subject_sort_key(subject) == expected


_MARKS = "e漢か각\u0301\u0316\u0344\u0f73\u0f81\u3099\uff9e\u0345\u1161\u11a8\U0001d165ﬃ\ufdfaßİ"


@given(st.text(alphabet=_MARKS, max_size=200))
def test_the_sort_key_of_any_combining_marks_is_the_one_of_the_contract(subject: str) -> None:
    decomposed = unicodedata.normalize("NFKD", subject)
    assert subject_sort_key(subject) == "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()[:1000]


@pytest.mark.parametrize(("one", "other"), [("\u0301", "\u0316"), ("\u0f73", "\u0f73")])
def test_a_run_of_marks_is_folded_in_linear_time(one: str, other: str) -> None:
    """Normalizing the whole run at once would take 256 times longer for a text that is 16 times longer."""

    def seconds(length: int) -> float:
        text = "é" + one * (length // 2) + other * (length // 2)
        return min(timeit.repeat(lambda: fold(text), number=1, repeat=3, timer=time.process_time))

    assert seconds(64_000) < 16 * 16 / 2 * max(seconds(4_000), 0.0005)


@pytest.mark.parametrize(
    ("one", "other"), [("Café", "CAFE"), ("straße", "STRASSE"), ("Ｆｕｌｌ", "full"), ("ﬁle", "File")]
)
def test_case_accents_and_width_do_not_matter_to_the_order(one: str, other: str) -> None:
    assert subject_sort_key(one) == subject_sort_key(other)


@given(st.uuids(), st.uuids())
def test_the_numbers_of_a_uid_are_ordered_as_its_text(one: UUID, other: UUID) -> None:
    assert (uid_order(one) < uid_order(other)) == (str(one) < str(other))
    assert all(0 <= number < 2**48 for number in uid_order(one))


def test_missing_values_have_no_order_fields() -> None:
    found = set(order_fields(Conversation.model_validate(LEAST)))
    assert found == {"uid_1", "uid_2", "uid_3", "digest_1", "digest_2"}


def test_status_and_channel_are_ordered_by_their_names() -> None:
    numbers = [
        order_fields(Conversation.model_validate(LEAST | {"status": status}))["status"]
        for status in ("active", "archived", "closed", "draft")
    ]
    assert numbers == sorted(numbers)


def test_the_corpus_of_the_tests_holds_what_it_promises() -> None:
    conversations = corpus()
    assert tuple(conversations) == made.__wrapped__(7)
    times = [one.updated_on for one in conversations]
    assert len(set(times)) < len(times) / 1.5
    assert any(one.subject is None for one in conversations)
