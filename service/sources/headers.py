"""Splits a raw message into its headers and its body, however broken the lines are.

The headers end at the first empty line. A line without a colon before it is skipped if a usual header of mail follows
later; otherwise the body begins at this line.
"""

from __future__ import annotations

import codecs
import re

HEADER_BYTES = 8_000_000  # of a message's headers that are read; no mail server accepts so many

Headers = dict[str, list[str]]
"""The values of each header by its lower-case name: Latin-1 text, in which each character is a byte, with its folds."""

_EMPTY_LINE = re.compile(rb"\n\r*\n")
_NOTHING = re.compile(rb"(?:\xef\xbb\xbf)?(?:[ \t\r]*\n)*")
_SEPARATOR = re.compile(rb">*From [^\n]*\n(?:[ \t\r]*\n)*")
_FIELD = re.compile(rb"^([!-9;-~]++)[ \t]*+:[ \t]*+([^\n]*+(?:\n[ \t][^\n]*+)*+)", re.MULTILINE)
_LINE = re.compile(rb"[^\n]*+(?:\n[ \t][^\n]*+)*+\n?")
# Usual headers of mail: a line that begins with one belongs to the headers, even if a line before it does not.
_USUAL = re.compile(
    rb"^(?:from|to|cc|bcc|subject|date|message-id|reply-to|sender|in-reply-to|references|received|return-path"
    rb"|mime-version|content-[a-z-]+|delivered-to|status|x-[a-z0-9-]+|list-[a-z-]+|user-agent|resent-[a-z-]+"
    rb"|dkim-signature|arc-[a-z-]+|authentication-results)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
_PARTS = frozenset({b"content-type", b"content-transfer-encoding", b"content-disposition", b"content-id"})
_READ = _PARTS | {
    b"from", b"to", b"cc", b"subject", b"date", b"message-id", b"in-reply-to", b"references", b"received",
    b"sender", b"reply-to", b"resent-date", b"delivery-date", b"x-received", b"x-gm-thrid", b"x-gmail-labels",
    b"keywords", b"x-keywords", b"list-id", b"list-post",
    b"status", b"x-status", b"x-mozilla-status", b"x-mozilla-keys", b"return-path",
}  # fmt: skip
_NAMES = {name: name.decode() for name in _READ}


def split(data: bytes) -> tuple[bytes, Headers, int]:
    """The message with usual line ends, those of its headers that are used, and where its body begins.

    Raises ValueError if it has no headers.
    """
    data = _readable(data)
    begin = _begin(data)
    end, body = _ends(data, begin, len(data))
    block = data[begin : min(end, begin + HEADER_BYTES)]
    cut = _text_in(block)
    if cut is not None:
        block, body = block[:cut], begin + cut
    headers, count = _fields(block, _READ)
    if not count:
        raise ValueError("has no headers")
    return data, headers, body


def split_part(data: bytes, begin: int, end: int) -> tuple[Headers, int]:
    """The headers of a part of a message that are used, and where its body begins."""
    if data[begin : begin + 1] == b"\n" or data[begin : begin + 2] == b"\r\n":
        return {}, data.index(b"\n", begin) + 1
    last, body = _ends(data, begin, end)
    block = data[begin : min(last, begin + HEADER_BYTES)]
    headers, count = _fields(block, _PARTS)
    return (headers, body) if count else ({}, begin)


def _readable(data: bytes) -> bytes:
    if data[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
        data = data.decode("utf-16", "replace").encode()
    if b"\n" not in data[:20_000] and b"\r" in data[:20_000]:
        data = data.replace(b"\r", b"\n")  # line ends of old Macs
    return data


def _begin(data: bytes) -> int:
    """Where the headers begin: after a byte order mark, empty lines and separators of a mailbox."""
    nothing = _NOTHING.match(data)
    begin = nothing.end() if nothing is not None else 0
    while (separator := _SEPARATOR.match(data, begin)) is not None:
        begin = separator.end()
    return begin


def _ends(data: bytes, begin: int, end: int) -> tuple[int, int]:
    """Where the headers end, and where the body begins."""
    empty = _EMPTY_LINE.search(data, begin, end)
    return (empty.start() + 1, empty.end()) if empty is not None else (end, end)


def _text_in(block: bytes) -> int | None:
    """Where the body begins inside the block, if no empty line separates it from the headers; else None."""
    last = None
    for usual in _USUAL.finditer(block):
        last = usual
    at = _field_end(block, last.start()) if last is not None else 0
    while at < len(block):
        if _FIELD.match(block, at) is None and block[at : at + 1] not in b" \t" and not _SEPARATOR.match(block, at):
            return at
        at = _field_end(block, at)
    return None


def _field_end(block: bytes, at: int) -> int:
    line = _LINE.match(block, at)
    return max(line.end() if line is not None else len(block), at + 1)


def _fields(block: bytes, read: frozenset[bytes]) -> tuple[Headers, int]:
    headers: Headers = {}
    count = 0
    for field in _FIELD.finditer(block):
        count += 1
        name = field[1].lower()
        if name in read:
            headers.setdefault(_NAMES[name], []).append(field[2].rstrip().decode("latin-1"))
    return headers, count
