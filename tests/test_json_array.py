"""A JSON array in the body of a bulk request: the texts of its elements, whatever they hold, in linear time."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.json_array import elements, is_array
from service.conversation import MAX_LINE_BYTES
from service.errors import InvalidQuery, TooLarge

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def cut(body: bytes, most: int = 5_000) -> list[bytes]:
    async def pause() -> None:
        await asyncio.sleep(0)

    return asyncio.run(elements(body, most, pause))


@given(st.lists(values), st.booleans(), st.sampled_from([None, 2]))
def test_the_elements_are_those_that_json_has(given_values: list[Any], ascii_only: bool, indent: int | None) -> None:
    body = json.dumps(given_values, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    assert is_array(body)
    assert [json.loads(text.decode("utf-8", "surrogatepass")) for text in cut(body)] == given_values


@given(st.lists(values, min_size=1), st.data())
def test_an_array_that_is_cut_off_is_refused(given_values: list[Any], data: st.DataObject) -> None:
    body = json.dumps(given_values).encode()
    with pytest.raises(InvalidQuery, match="must be a whole JSON array"):
        cut(body[: data.draw(st.integers(1, len(body) - 1))])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"[1,]", "element 2 is empty"), (b"[,1]", "element 1 is empty"), (b"[1,,2]", "element 2 is empty"),
        (b"[1] 2", "more text after"), (b"[]]", "more text after"), (b'["a', "within element 1"),
        (b'["a\\', "within element 1"), (b'["a\\"', "within element 1"), (b'[1,"', "within element 2"),
        (b"[", "within element 1"), (b"[[]", "within element 1"),
    ],
)  # fmt: skip
def test_what_is_not_one_array_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(InvalidQuery, match=says):
        cut(body)


def test_a_broken_element_is_a_text_of_its_own() -> None:
    assert cut(b'[{"a":1], {"b":2}, nul, "\xff"]') == [b'{"a":1]', b'{"b":2}', b"nul", b'"\xff"']
    assert cut(b" \n[ ]\r\n") == []


def test_too_many_or_too_long_elements_are_refused() -> None:
    assert len(cut(b"[" + b"1," * 4_999 + b"1]")) == 5_000
    with pytest.raises(TooLarge, match="at most 5,000 elements"):
        cut(b"[" + b"1," * 5_000_000 + b"1]")
    cut(b'["' + b"x" * (MAX_LINE_BYTES - 2) + b'"]')
    with pytest.raises(TooLarge, match="element 2 has more"):
        cut(b'[1,"' + b"x" * MAX_LINE_BYTES + b'"]')


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", [b'"', b'\\"', b"[", b"{", b"\\", b" ", b'"",', b'{"a":', b"x", b'"\\\\"', b"\xff", b"]", b"1,"]
)
def test_no_body_holds_up_others_for_long(piece: bytes) -> None:
    """At most the bytes of one element are read between two pauses."""
    longest = 0.0
    last = time.perf_counter()

    async def pause() -> None:
        nonlocal longest, last
        longest = max(longest, time.perf_counter() - last)
        await asyncio.sleep(0)
        last = time.perf_counter()

    for start in (b"[", b'["'):
        body = start + piece * (10_000_000 // len(piece))
        last = time.perf_counter()
        try:
            asyncio.run(elements(body, 5_000, pause))
        except (InvalidQuery, TooLarge):
            longest = max(longest, time.perf_counter() - last)
    assert longest < 1.0  # on a busy machine; some 30 ms alone
