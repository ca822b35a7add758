"""The limits of a document: one table, from which validation, the OpenAPI document and docs/documents.md follow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from service.api import openapi
from service.conversation import LIMITS, MAX_ITEM_BYTES, MAX_LINE_BYTES, Conversation, reason
from service.sources.shortening import LIST_BYTES, Fit
from service.stored_documents import stored

ROOT = Path(__file__).parents[1]
UID = "6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f"
LEAST: dict[str, Any] = {"uid": UID, "organization_uid": UID, "updated_on": "2024-07-01T12:00:00Z"}
NAMES = [*LIMITS]
LONGEST_TERM_BYTES = 32_766  # Lucene's


def made(name: str, value: Any) -> dict[str, Any]:
    outer, _, inner = name.partition(".")
    return LEAST | {outer: {inner: value} if inner else value}


@pytest.mark.parametrize("name", NAMES)
def test_a_value_at_a_limit_is_valid_and_one_above_it_is_reported(name: str) -> None:
    limit = LIMITS[name]
    text = "\U0001f600" * limit.characters
    whole: Any = text if limit.items is None else [text]
    Conversation.model_validate(made(name, whole))
    longer: Any = text + "x" if limit.items is None else [text + "x"]
    with pytest.raises(ValidationError) as caught:
        Conversation.model_validate(made(name, longer))
    assert f"at most {limit.characters:,} characters" in reason(caught.value)
    assert reason(caught.value).startswith(name)
    if limit.items is not None:
        Conversation.model_validate(made(name, ["x"] * limit.items))
        with pytest.raises(ValidationError) as caught:
            Conversation.model_validate(made(name, ["x"] * (limit.items + 1)))
        assert f"at most {limit.items:,} texts" in reason(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_no_text_of_a_list_is_too_long_a_term_for_the_index(name: str) -> None:
    limit = LIMITS[name]
    if limit.items is not None:
        assert 4 * limit.characters <= LONGEST_TERM_BYTES


@pytest.mark.parametrize("character", ["a", "é", "東", "\U0001f600", "\0", '"'])
def test_an_item_has_at_most_so_many_bytes(character: str) -> None:
    """Found by halving: the greatest number of addresses that is taken makes the greatest item."""
    address = character * 200
    size = len(Conversation.model_validate(made("metadata.cc_emails", [address])).model_dump_json().encode())
    one = len(Conversation.model_validate(made("metadata.cc_emails", [address] * 2)).model_dump_json().encode()) - size
    fit = min((MAX_ITEM_BYTES - size) // one + 1, 1000)
    found = Conversation.model_validate(made("metadata.cc_emails", [address] * fit))
    assert len(found.model_dump_json().encode()) <= MAX_ITEM_BYTES
    if fit < 1000:
        with pytest.raises(ValidationError) as caught:
            Conversation.model_validate(made("metadata.cc_emails", [address] * (fit + 1)))
        assert reason(caught.value) == "must have at most 256,000 bytes as JSON"


def test_an_item_fits_a_line_however_it_is_written() -> None:
    assert MAX_LINE_BYTES == 6 * MAX_ITEM_BYTES


def test_the_openapi_document_tells_each_limit() -> None:
    item: Any = openapi.item_schema()
    for name, limit in LIMITS.items():
        outer, _, inner = name.partition(".")
        schema = item["properties"][outer]
        schema = schema["properties"][inner] if inner else schema
        if limit.items is not None:
            assert (schema["maxItems"], schema["items"]["maxLength"]) == (limit.items, limit.characters)
        else:
            assert schema["anyOf"][0]["maxLength"] == limit.characters
    for number in (MAX_ITEM_BYTES, MAX_LINE_BYTES):
        assert f"{number:,} bytes" in openapi.WRITE_DESCRIPTION


def test_the_table_in_the_docs_matches_the_code() -> None:
    page = (ROOT / "docs" / "documents.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z_.]+)` \| ([\d,]+) \| ([\d,]*) \|", page, re.MULTILINE)
    expected = [(name, f"{one.characters:,}", f"{one.items:,}" if one.items else "") for name, one in LIMITS.items()]
    assert rows == expected
    for number in (MAX_ITEM_BYTES, MAX_LINE_BYTES):
        assert f"{number:,} bytes" in page


def fitted(texts: dict[str, str], lists: dict[str, list[str]]) -> tuple[Conversation, bool]:
    fit = Fit()
    values: dict[str, Any] = {name: fit.text(name, text) for name, text in texts.items()}
    values |= {name: fit.texts(name, found) for name, found in lists.items()}
    metadata = {name.partition(".")[2]: value for name, value in values.items() if "." in name}
    own = {name: value for name, value in values.items() if "." not in name}
    return Conversation.model_validate(LEAST | own | {"metadata": metadata}), fit.shortened


strange = st.text(st.characters(codec=None, exclude_characters="…"), max_size=20) | st.text(
    st.sampled_from('"\\\0\x01é\U0001f600\ud800'), max_size=9
)
TEXTS = [name for name in NAMES if LIMITS[name].items is None]
LISTS = [name for name in NAMES if LIMITS[name].items is not None]


@given(
    st.dictionaries(st.sampled_from(TEXTS), strange, max_size=5),
    st.dictionaries(st.sampled_from(LISTS), st.lists(strange, max_size=5), max_size=4),
    st.sampled_from((1, 60, 1_000)),
)
def test_whatever_an_import_finds_fits_a_document(
    texts: dict[str, str], lists: dict[str, list[str]], times: int
) -> None:
    found, shortened = fitted(
        {name: text * times for name, text in texts.items()},
        {name: [f"{number}{text}" for number in range(times) for text in found] for name, found in lists.items()},
    )
    assert len(stored(found)) < MAX_ITEM_BYTES + 6_000
    shown = (found.subject or "", *found.categories, *found.metadata.labels)
    if not shortened:
        assert not any(text.endswith("…") or text.startswith("… and") for text in shown)


def test_all_lists_and_texts_that_are_too_long_together_fit_a_document() -> None:
    for character in ("x", '"', "\U0001f600", "\x01"):
        found, shortened = fitted(
            {name: character * 10_000 for name in TEXTS if name != "metadata.snippet"},
            {name: [f"{number}{character * 2_000}" for number in range(2_000)] for name in LISTS},
        )
        assert shortened
        assert found.subject is not None
        assert found.subject.endswith("…")
        assert len(found.subject) == LIMITS["subject"].characters
        for name, texts in (("metadata.to_emails", found.metadata.to_emails), ("categories", found.categories)):
            more = re.fullmatch(r"… and ([\d,]+) more", texts[-1])
            assert more is not None
            assert int(more[1].replace(",", "")) + len(texts) - 1 == 2_000
            assert len(texts) <= (LIMITS[name].items or 0)


def test_what_fits_is_left_as_it_is() -> None:
    texts = ["x"] * 1_000
    found, shortened = fitted({"subject": "s" * 2_000}, {"metadata.to_emails": texts})
    assert (found.metadata.to_emails, found.subject, shortened) == (texts, "s" * 2_000, False)
    assert LIST_BYTES * 4 < MAX_ITEM_BYTES
