"""Splits a JSON array into the bytes of its elements, without decoding them.

A decoder of the whole body would block the event loop; this splitter pauses every few milliseconds so that other
requests are served. Each element is parsed separately later, like a line of NDJSON, so an invalid element does not
affect the others.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from service.conversation import MAX_LINE_BYTES
from service.errors import InvalidQuery, Problem, TooLarge

# A string (complete or cut off) or a structural character. No part of it can match in two ways, so every input is
# scanned in linear time.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[][{},]', re.DOTALL)
_BLANK = b" \t\r\n"
_DEPTHS = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}
TOKENS_A_STEP = 1_000


def is_array(body: bytes) -> bool:
    """Whether the first character after white space is `[`."""
    start = _first(body)
    return body[start : start + 1] == b"["


async def elements(body: bytes, most: int, pause: Callable[[], Awaitable[None]]) -> list[bytes]:
    """The bytes of each element, in order. `pause` is awaited after every TOKENS_A_STEP tokens.

    Raises InvalidQuery if the body is not exactly one complete array. Raises TooLarge if it has more than `most`
    elements, or an element has more than MAX_LINE_BYTES.
    """
    texts: list[bytes] = []
    at = begin = _first(body) + 1
    depth, steps = 1, 0
    while depth:
        token = _TOKEN.search(body, at, begin + MAX_LINE_BYTES + 1)
        if token is None or _is_cut(token[0]):
            raise _unfinished(body, begin, len(texts) + 1)
        at = token.end()
        depth += _DEPTHS.get(token[0], 0)
        if depth == 0 or (depth == 1 and token[0] == b","):
            _add(texts, body[begin : token.start()].strip(_BLANK), most, is_last=depth == 0)
            begin = at
        steps += 1
        if steps % TOKENS_A_STEP == 0:
            await pause()
    if body[at:].strip(_BLANK):
        raise _wrong("has more text after the JSON array")
    return texts


def _first(body: bytes) -> int:
    """The offset of the first character that is not white space."""
    return len(body) - len(body.lstrip(_BLANK))


def _is_cut(token: bytes) -> bool:
    """Whether the token is a string without its closing quotation mark."""
    return token[:1] == b'"' and (len(token) == 1 or token[-1:] != b'"')


def _add(texts: list[bytes], text: bytes, most: int, *, is_last: bool) -> None:
    if is_last and not text and not texts:
        return  # the empty array
    if not text:
        raise _wrong(f"must be a JSON array: its element {len(texts) + 1:,} is empty")
    if len(texts) == most:
        raise TooLarge(f"a request may have at most {most:,} elements, this one has more: send it in parts")
    texts.append(text)


def _unfinished(body: bytes, begin: int, number: int) -> Exception:
    if len(body) - begin > MAX_LINE_BYTES:
        return TooLarge(f"an element may have at most {MAX_LINE_BYTES:,} bytes: element {number:,} has more")
    return _wrong(f"must be a whole JSON array: it ends within element {number:,}")


def _wrong(message: str) -> InvalidQuery:
    return InvalidQuery([Problem("body", message)])
