"""Marks that OpenSearch set inside a character stand around it once they are repaired, and nothing else changes."""

from __future__ import annotations

import json

import msgspec
import pytest

from service.client.responses.marks import BEGIN, END, whole_characters


def _sent(text: str) -> bytes:
    return text.replace("<", BEGIN).replace(">", END).encode()


@pytest.mark.parametrize(
    ("sent", "whole"),
    [
        (r"<\uD83C>\uDD10 item", "<🄐> item"),  # the first half
        (r"\uD835<\uDC00> b", "<𝐀> b"),  # the second
        (r"<\uD83C><\uDE01> here", "<🈁> here"),  # both, one after the other
        (r"\uD83C<>\uDD10 item", "<🄐> item"),  # nothing, in the middle
        (r"x \uD83C<\uDD10\uD83C>\uDD11 y", "x <🄐🄑> y"),
        (r"a\\\\\uD83C<\uDD10>", r"a\\\\<🄐>"),  # behind an escaped backslash
        (r"<\ud83c>\udd10", "<🄐>"),
    ],
)
def test_a_mark_inside_a_character_is_moved_around_it(sent: str, whole: str) -> None:
    answer = _sent(f'{{"subject":["{sent}"]}}')
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(answer)
    assert whole_characters(answer) == _sent(f'{{"subject":["{whole}"]}}')


@pytest.mark.parametrize(
    "text", [r"a backslash \uD83C<x>\uDD10", r"\\uD83C>\\uDD10", "<🄐> item", "<a>b", r"\uD83C> \uDD10", "\ufdd0 \ufdd1"]
)
def test_what_is_valid_stays(text: str) -> None:
    answer = json.dumps({"subject": [_sent(text).decode()]}, ensure_ascii=False).encode()
    assert whole_characters(answer) == answer


def test_surrogates_without_a_mark_between_them_stay_for_the_decoder_to_refuse() -> None:
    for sent in (rb'{"a":"\uD83C \uDD10"}', rb'{"a":"\uD83C"}'):
        assert whole_characters(sent) == sent
