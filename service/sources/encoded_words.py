"""Decodes the text of a header: encoded words (RFC 2047), and raw bytes beside them.

A header's value is given as Latin-1 text, in which each character is a byte, with its line folds. This module also
accepts what RFC 2047 forbids but mailers write: spaces, folds and special characters in a word, words without space
between them, a character that is divided between two words, wrong padding, unknown charsets. A word that cannot be
decoded stays as it is, and the others are still decoded. The time is linear in the length.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from service.sources.charsets import codec_of, decode, is_charset
from service.sources.shortening import clean

DECODED_CHARACTERS = 200_000  # of a header with encoded words that are decoded; no person reads more

_PART = r"[\w.:+*'\"()/-]"
_FOLD = r"(?:\r*\n[ \t]+)"
_START = re.compile(
    rf"=\?[ ]?({_PART}{{0,80}}{_FOLD}?{_PART}{{0,80}})[ ]?\?{_FOLD}?\s?([bBqQ])\s?{_FOLD}?\?",
    re.ASCII,
)
_END = re.compile(rf"\?{_FOLD}?=")
_HEX_PAIR = re.compile(r"[0-9A-F]{2}")
_ESCAPE = re.compile(r"=([0-9A-Fa-f]{2})")
_FOLDED = re.compile(r"=?\r*\n[ \t]*")
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/=]+")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")

Piece = tuple[str, str | None]
"""Bytes as Latin-1 text, and the charset of the encoded word that they come from."""


def decoded(value: str, hint: str | None = None) -> str:
    """The text of a header's value: decoded, without folds and control characters, with single spaces.

    `hint` is the charset to try for raw bytes that are not UTF-8.
    """
    if value.isascii() and value.isprintable() and "=?" not in value:
        return " ".join(value.split())
    return cleaned(decoded_words(value, hint))


def cleaned(text: str) -> str:
    """The text without lone surrogates and U+0000, with single spaces, also for other control characters."""
    if not text.isprintable():
        text = _UNPRINTABLE.sub(" ", clean(text))
    return " ".join(text.split())


def decoded_words(value: str, hint: str | None = None) -> str:
    """The text with its encoded words decoded. Its other spaces stay as they are."""
    if "=?" not in value:
        return _raw(value, hint)
    return "".join(
        _raw(text, hint) if charset is None else _word(text, charset, hint)
        for text, charset in _joined(_pieces(value[:DECODED_CHARACTERS]))
    )


def _raw(text: str, hint: str | None) -> str:
    if text.isascii() and "\x1b" not in text:
        return text
    return decode(text.encode("latin-1", "replace"), None, hint)


def _word(text: str, charset: str, hint: str | None) -> str:
    return decode(text.encode("latin-1"), charset if is_charset(charset) else None, hint)


def _joined(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The pieces without the space between two words. Neighbouring words of one charset become one piece.

    So a character that is divided between them becomes whole.
    """
    run: list[str] = []
    of: str | None = None
    space = ""
    for text, charset in pieces:
        if charset is None:
            if of is not None and not text.strip(" \t\r\n"):
                space = text
                continue
            yield from _ended(run, of)
            yield space + text, None
            run, of, space = [], None, ""
        elif of is not None and codec_of(charset) == codec_of(of):
            run.append(text)
            space = ""
        else:
            yield from _ended(run, of)
            run, of, space = [text], charset, ""
    yield from _ended(run, of)


def _ended(run: list[str], charset: str | None) -> Iterator[Piece]:
    if charset is not None:
        yield "".join(run), charset


def _pieces(value: str) -> Iterator[Piece]:
    """The words of the value, decoded to bytes, and the text between them."""
    starts = list(_START.finditer(value))
    done = 0
    for number, start in enumerate(starts, start=1):
        limit = starts[number].start() if number < len(starts) else len(value)
        if start.start() < done:
            continue
        is_q = start[2] in "qQ"
        end = _end(value, start.end(), limit, is_q=is_q)
        if end is None:
            continue
        if start.start() > done:
            yield value[done : start.start()], None
        payload = value[start.end() : end.start()]
        charset = _FOLDED.sub("", start[1]).strip()
        yield (_from_q(payload) if is_q else from_base64(payload).decode("latin-1")), charset
        done = end.end()
    yield value[done:], None


def _end(value: str, begin: int, limit: int, *, is_q: bool) -> re.Match[str] | None:
    """The end of a word. In Q, "?" before an escaped byte (?=41) looks like an end, but is not, if an end follows."""
    ends = _END.finditer(value, begin, limit)
    end = next(ends, None)
    while is_q and end is not None and _HEX_PAIR.match(value, end.end()):
        later = next(ends, None)
        if later is None:
            break
        end = later
    return end


def _from_q(payload: str) -> str:
    if "\n" in payload:
        payload = _without_folds(payload)
    if "=" in payload:
        return _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), payload.replace("_", " "))
    return payload.replace("_", " ")


def _without_folds(payload: str) -> str:
    """The word without folds. A fold is a space, unless the word has other spaces, or a fold between escaped bytes."""
    has_spaces = "_" in payload or "=20" in payload
    is_inside = re.search(r"=[0-9A-Fa-f]{2}\r*\n[ \t]+=", payload) is not None
    return _FOLDED.sub("" if has_spaces or is_inside else " ", payload)


def from_base64(text: str) -> bytes:
    """The bytes of base64, in one part or several, with or without padding. Other characters in it are ignored."""
    plain = _NO_BASE64.sub("", text.translate(_FOR_URLS))
    return b"".join(_unpadded(part) for part in plain.split("=") if part)


_FOR_URLS = {ord("-"): "+", ord("_"): "/"}


def _unpadded(letters: str) -> bytes:
    whole = letters[: len(letters) - (len(letters) % 4 == 1)]
    return binascii.a2b_base64(whole + "=" * (-len(whole) % 4))
