"""Finds the parts of a message: the texts from which its snippet is made, and the number of its attachments.

Only what is needed is decoded. A part is stored as its begin and end in the message, so nothing is copied.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from service.sources.charsets import decode
from service.sources.encoded_words import from_base64
from service.sources.headers import Headers, split_part
from service.sources.mime_parameters import Content, content

DEEPEST = 30  # levels of nested parts; deeper parts are ignored
MOST_PARTS = 20_000
TEXT_BYTES = 200_000  # of a text that are decoded
META_BYTES = 4_096  # of HTML that are searched for its charset

# Leaves that are part of the message's form. They are not counted as attachments.
_FORM = frozenset({
    "application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature",
    "application/pgp-encrypted", "application/applefile", "message/delivery-status",
    "message/disposition-notification", "message/global-delivery-status", "text/rfc822-headers",
})  # fmt: skip
_ENVELOPES = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_UUENCODED = re.compile(
    rb"^begin(?:-base64)? [0-7]{3,4} [^\r\n]+\r?\n(?=(?:[!-`]|[A-Za-z0-9+/]{4})[^\n]*\n)", re.MULTILINE
)
_UUENCODED_END = re.compile(rb"^(?:end|====)[ \t\r]*$", re.MULTILINE)
_ANY_BOUNDARY = re.compile(
    rb"^--([^\s-][^\r\n]*?|[^\s][^\r\n]+?)[ \t\r]*\n(?=content-|\r?\n)", re.MULTILINE | re.IGNORECASE
)
_NO_BASE64_LINE = re.compile(rb"[^A-Za-z0-9+/=\r\n \t_-]|[A-Za-z0-9+/]+ [A-Za-z0-9+/]+ ")
# Text that a mailing list appended to base64: after a padded or an empty line.
_FOOTER = re.compile(rb"[=\n][ \t]*\r?\n(?:[ \t]*\r?\n)*+(?=[^\s]*[^A-Za-z0-9+/=\s]|[^\s]+[ \t]+[^\s])")
_PADDED_BREAK = re.compile(rb"=[ \t]+(\r?\n)")  # spaces that a server added to a soft line break of quoted-printable


_ASCII = frozenset({"us-ascii", "ascii"})  # programs declare these for text in any charset
_META = re.compile(rb"<meta\s[^>]{0,300}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Text:
    """A text part: plain or HTML, decoded when it is asked for."""

    data: bytes
    begin: int
    end: int
    kind: Content
    encoding: str
    hint: str | None

    @property
    def is_html(self) -> bool:
        return self.kind.kind != "text/plain"

    def decoded(self) -> str:
        raw = _transferred(self.data[self.begin : min(self.end, self.begin + TEXT_BYTES)], self.encoding)
        charset, hint = self.kind.first("charset"), self.hint
        if self.is_html and (charset is None or charset.lower() in _ASCII) and (meta := _META.search(raw[:META_BYTES])):
            charset, hint = None, meta[1].decode()
        return decode(raw, charset, hint)


@dataclass(slots=True)
class Parts:
    """The texts of a message, the preferred one first, and how many attachments it has."""

    texts: list[Text] = field(default_factory=list)
    attachments: int = 0
    seen: int = 0


def parts(data: bytes, headers: Headers, begin: int, hint: str | None = None) -> Parts:
    found = Parts()
    _visit(found, data, headers, begin, len(data), hint, depth=0, container="")
    return found


def _visit(
    found: Parts, data: bytes, headers: Headers, begin: int, end: int, hint: str | None, *, depth: int, container: str
) -> None:
    found.seen += 1
    kinds = headers.get("content-type")
    kind = (
        content(kinds[0]) if kinds else Content("message/rfc822" if container == "multipart/digest" else "text/plain")
    )
    if not kind.kind.startswith("multipart/"):
        _leaf(found, data, headers, begin, end, hint, kind, depth, container)
    elif kind.kind != "multipart/encrypted" and depth < DEEPEST:
        boundary = _boundary(data, kind, begin, end)
        if boundary is None:
            found.texts.append(Text(data, begin, end, Content("text/plain", kind.parameters), _encoding(headers), hint))
            return
        first = len(found.texts)
        for start, stop in _between(data, boundary, begin, end):
            if found.seen >= MOST_PARTS:
                break
            inner, body = split_part(data, start, stop)
            _visit(found, data, inner, body, stop, hint, depth=depth + 1, container=kind.kind)
        if kind.kind == "multipart/alternative":
            found.texts[first:] = sorted(found.texts[first:], key=lambda text: text.is_html)


def _leaf(
    found: Parts, data: bytes, headers: Headers, begin: int, end: int, hint: str | None,
    kind: Content, depth: int, container: str,
) -> None:  # fmt: skip
    disposition = content(headers.get("content-disposition", [""])[0]) if "content-disposition" in headers else None
    if _is_attachment(headers, kind, disposition, depth, container):
        found.attachments += 1
    elif kind.kind.startswith("text/") and kind.kind not in _NO_TEXTS and kind.kind not in _FORM:
        if kind.kind not in _HTML:
            kind = Content("text/plain", kind.parameters)
        found.texts.append(Text(data, begin, end, kind, _encoding(headers), hint))
        if kind.kind == "text/plain":
            found.attachments += _uuencoded(data, begin, end)


_HTML = frozenset({"text/html", "text/enriched", "text/richtext", "text/x-html"})
_NO_TEXTS = frozenset(
    {"text/calendar", "text/csv", "text/x-vcard", "text/vcard", "text/css", "text/x-amp-html", "text/xml"}
)


def _is_attachment(headers: Headers, kind: Content, disposition: Content | None, depth: int, container: str) -> bool:
    """Whether a leaf is a file beside the text. A picture inside HTML is part of the text."""
    is_text = kind.kind.startswith("text/")
    if kind.kind in _FORM or (depth == 0 and kind.kind in _ENVELOPES):
        return False
    declared = disposition.kind if disposition is not None else ""
    if declared.startswith("attachment"):
        return True
    if depth == 0 and is_text and kind.kind not in _NO_TEXTS:
        return False
    if container == "multipart/related" and "content-id" in headers and not kind.kind.startswith("message/"):
        return False
    is_named = bool(kind.parameters.keys() & {"name"}) or (
        disposition is not None and "filename" in disposition.parameters
    )
    return is_named or not is_text


def _encoding(headers: Headers) -> str:
    words = headers.get("content-transfer-encoding", [""])[0].lower().replace('"', " ").replace(";", " ").split()
    return words[0] if words else ""


def _transferred(data: bytes, encoding: str) -> bytes:
    """The decoded bytes of a body. If it is not encoded as its header says, its bytes stay as they are."""
    if encoding == "quoted-printable":
        return binascii.a2b_qp(_PADDED_BREAK.sub(rb"=\1", data) if b"= " in data or b"=\t" in data else data)
    if encoding == "base64":
        line = data.lstrip()[:200].partition(b"\n")[0]
        if _NO_BASE64_LINE.search(line):
            return data
        footer = _FOOTER.search(data)
        return from_base64(data[: footer.start() + 1 if footer else len(data)].decode("latin-1"))
    if encoding in {"x-uuencode", "uuencode", "x-uue", "uue"}:
        return b"".join(_uu_lines(data))
    return data


def _uu_lines(data: bytes) -> Iterator[bytes]:
    for line in data.splitlines():
        if not line.startswith((b"begin ", b"end")):
            try:
                yield binascii.a2b_uu(line)
            except binascii.Error:
                continue


def _uuencoded(data: bytes, begin: int, end: int) -> int:
    """How many uuencoded files the text holds."""
    if data.find(b"begin", begin, end) < 0:
        return 0
    count = 0
    start = _UUENCODED.search(data, begin, end)
    while start is not None:
        close = _UUENCODED_END.search(data, start.end(), end)
        if close is None:
            break
        count += 1
        start = _UUENCODED.search(data, close.end(), end)
    return count


def _boundary(data: bytes, kind: Content, begin: int, end: int) -> bytes | None:
    """The declared boundary if the message uses it, or else the first line that looks like a boundary."""
    names = kind.parameters.get("boundary", [])
    for name in dict.fromkeys([*names, *(name.strip() for name in names), *(name.split(" ")[0] for name in names)]):
        boundary = name.encode("latin-1", "replace").rstrip()
        if boundary and _delimiter(boundary).search(data, begin, end):
            return boundary
    guessed = _ANY_BOUNDARY.search(data, begin, end)
    return guessed[1] if guessed is not None else None


def _delimiter(boundary: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"^--" + re.escape(boundary) + rb"(--)?[ \t\r]*$\n?", re.MULTILINE)


def _between(data: bytes, boundary: bytes, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Where each part begins and ends."""
    start = None
    for line in _delimiter(boundary).finditer(data, begin, end):
        if start is not None:
            yield start, max(start, line.start())
        if line[1]:
            return
        start = line.end()
    if start is not None:
        yield start, end
