"""The marks around matches in highlighted texts, and their repair where OpenSearch set one inside a character.

A character above U+FFFF is two units of UTF-16. An analyzer may turn one character into several letters, such as a
circled A, and then OpenSearch may place a mark in the middle of the character. It sends two lone surrogates, which are
not valid JSON.
"""

from __future__ import annotations

import re
import secrets

import msgspec

_NONCE = secrets.token_hex(4)
BEGIN, END = f"\ufdd0{_NONCE}\ufdd2", f"\ufdd1{_NONCE}\ufdd2"
"""Unicode noncharacters with a random number between, so that no subject contains them."""

_ENDS = (BEGIN.encode(), END.encode())
# A surrogate that is escaped, marks, and the other surrogate. In a text, the backslash itself would be escaped.
_CUT = re.compile(
    rb"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2})((?:%b|%b)++)(\\u[dD][c-fC-F][0-9a-fA-F]{2})" % _ENDS
)


def whole_characters(answer: bytes) -> bytes:
    """The JSON with each mark that is inside a character moved before or after it, so that the marks enclose it."""
    return _CUT.sub(_whole, answer)


def _whole(cut: re.Match[bytes]) -> bytes:
    before, first, marks, second = cut.groups()
    character = msgspec.json.decode(b'"%b%b"' % (first, second), type=str).encode()
    begin, end = _ENDS
    return b"".join([before, begin if marks.startswith(begin) else b"", character, end if marks.endswith(end) else b""])
