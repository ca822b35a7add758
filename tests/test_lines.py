"""Lines of NDJSON: their keys decide what they are, and checking a line is cheap, whatever it holds."""

from __future__ import annotations

import json
import re
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.conversation import MAX_LINE_BYTES, MAX_REASON_BYTES, Conversation, Metadata, Tombstone
from service.sources import lines
from service.times import format_time
from tests.corpus import corpus
from tests.hostile import acceptable

DAY = timedelta(days=1)
UID = "6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f"
LEAST: dict[str, Any] = {"uid": UID, "organization_uid": UID, "updated_on": "2024-07-01T12:00:00Z"}
GONE: dict[str, Any] = {"uid": UID, "organization_uid": UID, "deleted_on": "2024-07-01T12:00:00Z"}
START = json.dumps(LEAST).encode()[:-1] + b","


def parse(text: bytes | dict[str, Any]) -> Conversation | Tombstone:
    return lines.parse(text if isinstance(text, bytes) else json.dumps(text).encode(), max_ahead=DAY)


def problem(text: bytes | dict[str, Any]) -> lines.InvalidLine:
    with pytest.raises(lines.InvalidLine) as caught:
        parse(text)
    assert len(str(caught.value).encode()) <= MAX_REASON_BYTES
    return caught.value


def test_every_conversation_of_the_corpus_is_read_as_it_was_written() -> None:
    for conversation in corpus()[:500]:
        assert parse(conversation.model_dump_json().encode()) == conversation


def test_the_keys_decide_what_a_line_is() -> None:
    assert isinstance(parse(LEAST), Conversation)
    assert isinstance(parse(GONE), Tombstone)
    assert isinstance(parse(json.dumps(GONE).replace("deleted_on", "\\u0064eleted_on").encode()), Tombstone)
    assert isinstance(parse(LEAST | {"subject": '"deleted_on": 1'}), Conversation)
    assert isinstance(parse(LEAST | {"metadata": {"snippet": '{"deleted_on":'}}), Conversation)
    assert str(problem(GONE | {"note": 'the "updated_on"'})) == "note: is not a known field"
    assert "not both" in str(problem(LEAST | GONE))
    assert problem(LEAST | GONE).uid == UID
    assert "updated_on: is required" in str(problem({"uid": UID, "organization_uid": UID}))


def test_the_first_problems_and_the_number_of_others_are_reported_without_values() -> None:
    secret = "the-secret-value"
    wrong = {
        "uid": secret,
        "channel": secret,
        "status": secret,
        "is_read": secret,
        "sent_at": secret,
        "party_uid": secret,
    }
    told = str(problem({**LEAST, **wrong}))
    assert told.startswith("uid: must be a UUID")
    assert told.endswith("; and 1 more")
    assert secret not in told
    long = str(problem({**LEAST, **{f"{'n' * 1_000}{number}": 1 for number in range(20)}}))
    assert long.endswith("; and 15 more")
    assert "n" * 41 not in long
    assert str(problem(START + b'"a\\n\\u202eb":1}')) == "a\\n\\u202eb: is not a known field"


DEEP = 100_000


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"[" * DEEP, "must be a JSON object"),
        (b'{"x":' + b"[" * DEEP + b"]" * DEEP + b"}", "nested too deeply"),
        (b'{"x":' * DEEP + b"1" + b"}" * DEEP, "nested too deeply"),
        (START + b'"subject":' + b"[" * DEEP, "nested too deeply"),
        (START + b'"categories":' + b"[" * 400 + b"]" * 400 + b"}", "nested too deeply"),
        (START + b'"metadata":{"labels":' + b'[{"a":' * DEEP, "nested too deeply"),
        (START + b'"categories":[[[["a"]]]]}', "categories.0"),
        (START + b'"subject":"a","subject":"a"}', "subject is given more than once"),
        (START + b'"subject":"a","\\u0073ubject":"b"}', "subject is given more than once"),
        (START + b'"metadata":{"snippet":"a" , "snippet" : "b"}}', "snippet is given more than once"),
        (START + b'"metadata":{},"metadata":{"snippet":"b"}}', "metadata is given more than once"),
        (START + b'"message_count":NaN}', "is not valid JSON"),
        (START + b'"message_count":-Infinity}', "is not valid JSON"),
        (START + b'"message_count":1e400}', "message_count: "),
        (START + b'"message_count":1.0}', "message_count: "),
        (START + b'"message_count":1' + b"0" * 400 + b"}", "message_count: "),
        (START + b'"message_count":' + b"9" * 5_000 + b"}", "number that is too large"),
        (START + b'"foo":' + b"9" * 5_000 + b"}", "number that is too large"),
        (START + b'"metadata":{"history_id":9223372036854775808}}', "metadata.history_id: "),
        (START + b'"subject":"\\ud83d"}', "lone surrogate"),
        (START + b'"subject":"\xed\xa0\xbd"}', "is not valid UTF-8"),
        (START + b'"subject":"\xff"}', "is not valid UTF-8"),
        (START + b'"subject":"a\x01"}', "control character"),
        (START + b'"subject":"a\x00"}', "bytes that are 0"),
        (json.dumps(LEAST).encode("utf-16"), "UTF-16"),
        (json.dumps(LEAST).encode("utf-16-be"), "UTF-16"),
        (b"\xef\xbb\xbf" + json.dumps(LEAST).encode(), "byte order mark"),
        (json.dumps(LEAST).encode() * 2, "trailing characters"),
        (START, "is not valid JSON"),
        (b"nonsense", "is not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
    ],
)
def test_strange_lines_are_rejected_with_a_clear_reason(text: bytes, told: str) -> None:
    reason = str(problem(text))
    assert any(text in reason for text in acceptable(told))


WRONG: tuple[Any, ...] = (
    0, -1, 1.5, 2**31, 2**70, True, None, "x", "", "x" * 5_000, [], [1], [[]], [""], ["x" * 5_000], ["x"] * 1_001, {}, {"a": 1},
)  # fmt: skip
LIBRARIES = re.compile(r"Input|Expected|should|String|List|Value error|`|valid string|array|is not valid\Z")


def reason_of(line: bytes) -> str | None:
    try:
        parse(line)
    except lines.InvalidLine as error:
        return str(error)
    return None


@pytest.mark.parametrize("field", [*Conversation.model_fields, *(f"metadata.{name}" for name in Metadata.model_fields)])
def test_no_reason_is_in_the_words_of_a_library(field: str) -> None:
    for value in WRONG:
        parent, _, name = field.rpartition(".")
        whole = LEAST | ({parent: {name: value}} if parent else {name: value})
        text = json.dumps(whole).encode()
        for line in (text, text + b" " * lines.EXPLAINED_BYTES):  # long lines are judged by another library first
            reason = reason_of(line)
            assert reason is None or reason.startswith(field)
            assert not LIBRARIES.search(reason or ""), reason


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"x", "expected value at column 1"),
        (START + b'"subject":}', "expected value at column 156"),
        (START, "it ends inside a value at column 145"),
        (START + b'"subject":tru}' + b" " * lines.EXPLAINED_BYTES, "invalid character (byte 156)"),
    ],
)
def test_the_error_about_invalid_json_names_the_position(text: bytes, told: str) -> None:
    assert str(problem(text)) == f"is not valid JSON: {told}"


def test_text_of_any_kind_is_kept_as_it_came() -> None:
    text = "\0 \x7f \u202e \U0001f600 \ufffe \ufdfa"
    for is_escaped in (True, False):
        found = parse(json.dumps(LEAST | {"subject": text}, ensure_ascii=is_escaped).encode())
        assert isinstance(found, Conversation)
        assert found.subject == text
    found = parse(START + b'"subject":"a\\":","categories":[":b","c\\\\"],"metadata":{"labels":["\\"x\\" : y"]}} \r')
    assert isinstance(found, Conversation)
    assert (found.subject, found.categories, found.metadata.labels) == ('a":', [":b", "c\\"], ['"x" : y'])


def many(element: bytes) -> bytes:
    room = MAX_LINE_BYTES - len(START) - 40
    return START + b'"metadata":{"to_emails":[' + b",".join([element] * (room // (len(element) + 1))) + b"]}}"


@pytest.mark.parametrize(
    "text",
    [
        *(many(element) for element in (b"0", b'""', b'"a"', b"[]", b"{}", b"1.5", b"null", b'"\\u0041"')),
        START + b",".join(b'"f%d":0' % number for number in range(100_000)) + b"}",
        START + b'"metadata":{' + b",".join(b'"f%d":0' % number for number in range(100_000)) + b"}}",
        START + b",".join([b'"subject":0'] * 100_000) + b"}",
        json.dumps(GONE).encode()[:-1] + b"," + b",".join(b'"f%d":0' % number for number in range(100_000)) + b"}",
        START + b'"subject":"' + b"a" * 1_400_000 + b'"}',
        START + b'"x":"' + b"\\ud800" * 200_000,
        b"x" * (MAX_LINE_BYTES + 1),
    ],
    ids=lambda text: f"{text[-30:]!r}",
)
def test_the_longest_wrong_lines_take_little_memory(text: bytes) -> None:
    tracemalloc.start()
    try:
        problem(text)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60_000_000


@pytest.mark.parametrize("field", ["subject", "uid", "metadata.snippet", "metadata.history_id", "is_read"])
@pytest.mark.parametrize("element", [b"[]", b'{"a":0}'])
def test_a_list_or_object_in_a_plain_field_is_refused_before_its_values_are_made(field: str, element: bytes) -> None:
    nested = b"[" + b",".join([element] * (120_000 // len(element))) + b"]"
    outer, _dot, name = field.rpartition(".")
    own = b'"%s":%s' % (name.encode(), nested)
    text = b"{" + (b'"%s":{%s}' % (outer.encode(), own) if outer else own) + b"}"
    assert str(problem(text)) == f"{field}: must not be a list or an object"


def test_a_line_longer_than_any_item_could_be_is_not_parsed() -> None:
    assert str(problem(json.dumps(LEAST).encode() + b" " * MAX_LINE_BYTES)) == "is longer than 1,536,000 bytes"
    assert isinstance(parse(json.dumps(LEAST).encode() + b" " * (MAX_LINE_BYTES - 200)), Conversation)


@given(st.text(), st.sampled_from([0, 1, 40]), st.booleans())
def test_what_an_item_has_at_least_is_never_more_than_it_has(text: str, indent: int, is_escaped: bool) -> None:
    line = LEAST | {"subject": text, "categories": [f"<{text[:200]}>"] * 9, "metadata": {"labels": [text[:200]]}}
    written = json.dumps(line, ensure_ascii=is_escaped, indent=indent or None).encode(errors="replace")
    found = parse(written)
    assert isinstance(found, Conversation)
    assert lines._least_item_bytes(written) <= len(found.model_dump_json().encode())


def test_versions_far_ahead_of_the_clock_are_refused_and_other_times_are_not() -> None:
    ahead = format_time(datetime.now(UTC) + 2 * DAY)
    assert str(problem(LEAST | {"updated_on": ahead})) == "updated_on: must not lie more than 1 day ahead of the clock"
    assert str(problem(GONE | {"deleted_on": ahead})) == "deleted_on: must not lie more than 1 day ahead of the clock"
    assert isinstance(parse(LEAST | {"created_on": ahead, "sent_at": ahead}), Conversation)
    assert isinstance(lines.parse(json.dumps(LEAST | {"updated_on": ahead}).encode(), max_ahead=3 * DAY), Conversation)
    assert Conversation.model_validate(LEAST | {"updated_on": ahead}).version > 0


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
fields = st.sampled_from([*Conversation.model_fields, "deleted_on", "foo"])


@given(st.dictionaries(fields, anything, max_size=6), st.booleans())
def test_whatever_the_values_are_a_line_is_taken_or_rejected(values: dict[str, Any], is_whole: bool) -> None:
    line = json.dumps({**(LEAST if is_whole else {}), **values})
    told = None
    try:
        parse(line.encode())
    except lines.InvalidLine as error:
        told = str(error)
    assert told != ""


@given(st.binary(max_size=80))
def test_whatever_the_bytes_are_a_line_is_taken_or_rejected(text: bytes) -> None:
    assert str(problem(text))
