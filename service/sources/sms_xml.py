"""Reads the XML of Android's "SMS Backup & Restore", of any size, and even if it is not valid XML.

The app writes emoji as pairs of surrogates and zeros as references to characters, which XML forbids. Its fields:
https://www.synctech.com.au/sms-backup-restore/fields-in-xml-backup-files/
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from service.errors import SourceUnreadable
from service.sources.file_limits import Limits
from service.sources.phone_numbers import GROUP, Peers
from service.sources.sms_fields import SHOWN_BYTES, Sms, Unusable, sms_of
from service.sources.window import Window

CHUNK = 2**16
MOST_PARTS = 1_000  # of an MMS
MOST_BROKEN = 1_000  # invalid elements of a file, after which the rest is rejected
_UTF8 = "106"  # the number of UTF-8 among the charsets of MMS
_SENDER = "137"  # the type of the sender's address
_NO_ATTACHMENTS = ("text/plain", "application/smil")
_NUMBERS = re.compile(r"(?:&#(?:[0-9]{1,8}|[xX][0-9a-fA-F]{1,8});)+")
_NUMBER = re.compile(r"&#(?:([0-9]+)|[xX]([0-9a-fA-F]+));")
_BARE = re.compile(r"&(?!#\d{1,8};|(?:amp|lt|gt|quot|apos);)")
_INVALID = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_KEPT_AS_NUMBERS = frozenset("&<>\"'\t\n\r")
_UNFINISHED = re.compile(  # a high surrogate, whose low one may follow, or the beginning of a reference
    r"(?:&#(?:55(?:29[6-9]|[3-9]\d\d)|56(?:[0-2]\d\d|3[01]\d)|[xX][dD][89abAB][0-9a-fA-F]{2});)?(?:&[#\w]{0,12})?\Z"
)
_CESU = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")
_CESU_BEGUN = re.compile(rb"\xed(?:[\xa0-\xaf](?:[\x80-\xbf](?:\xed[\xb0-\xbf]?)?)?)?\Z")
_DECLARED = re.compile(rb"""\A\s*<\?xml[^>]{0,200}encoding\s*=\s*["']([\w.:-]{1,40})["']""")
_BASE64_OR_SPACE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \t\r\n"

_MESSAGE = re.compile(rb"<[sm]ms\s")
_MESSAGE_BYTES = 4  # of the beginning of a message that may be at the end of a chunk
_ROOT = b"<smses>"

Found = tuple[int, Sms | str]


def read_xml(window: Window, peers: Peers, limits: Limits) -> Iterator[Found]:
    """Yields the number of each message, and the message or the reason why there is none."""
    reader = _Reader(peers, limits)
    encoding = _encoding(window)
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    rest, begun = "", b""
    try:
        for chunk in _chunks(window):
            data = begun + chunk
            if encoding == "utf-8":
                begun = data[cut.start() :] if (cut := _CESU_BEGUN.search(data, len(data) - 5)) else b""
                data = _CESU.sub(_joined, data[: len(data) - len(begun)])
            text = rest + decoder.decode(data)
            unfinished = _UNFINISHED.search(text, max(0, len(text) - 64))
            rest = unfinished[0] if unfinished else ""
            reader.feed(_valid(text[: len(text) - len(rest)]))
            yield from reader.taken()
        reader.feed(_valid(rest + decoder.decode(begun, True)), is_last=True)
        yield from reader.taken()
        if reader.number == 0 and reader.root != "smses":
            yield 1, f"holds no messages: it begins with <{reader.root[:50]}>, and a backup begins with <smses>"
    except (expat.ExpatError, SourceUnreadable) as error:
        yield from reader.taken()
        if window.failure is None:
            yield reader.number + 1, f"is not complete, valid XML after message {reader.number}: {error}"


def _chunks(window: Window) -> Iterator[bytes]:
    """The bytes of the window, without the middle of very long runs of base64 or white space, which hold no text."""
    was_long = False
    while True:
        window.fill(CHUNK)
        if not window.rest:
            return
        data = window.data[window.at : window.at + CHUNK]
        window.at += len(data)
        is_long = len(data) == CHUNK and not data.translate(None, _BASE64_OR_SPACE)
        if not (is_long and was_long):
            yield data
        was_long = is_long


def _encoding(window: Window) -> str:
    """The encoding that the file declares, if Python has it. UTF-16 has become UTF-8 already."""
    declared = _DECLARED.match(window.data, window.at)
    try:
        name = codecs.lookup(declared[1].decode() if declared else "utf-8").name
        "".encode(name)  # raises LookupError for a codec that makes no text
    except LookupError:
        return "utf-8"
    return "cp1252" if name == "iso8859-1" else "utf-8" if name.startswith("utf-16") else name


def _joined(match: re.Match[bytes]) -> bytes:
    """The character of two surrogates that were each written in UTF-8."""
    return match[0].decode("utf-8", "surrogatepass").encode("utf-16-be", "surrogatepass").decode("utf-16-be").encode()


def _valid(text: str) -> str:
    """The text with what XML forbids made valid: references to surrogates and control characters, and a bare &."""
    if "&" in text:
        text = _BARE.sub("&amp;", _NUMBERS.sub(_characters, text))
    return _INVALID.sub(lambda match: "\ufffd" if match[0] > "\x1f" else " ", text.replace("\0", ""))


def _characters(match: re.Match[str]) -> str:
    """The characters of a run of references. A pair of surrogates is one character, a lone surrogate U+FFFD."""
    points = (int(one[1]) if one[1] else int(one[2], 16) for one in _NUMBER.finditer(match[0]))
    text = "".join(chr(point) if point <= 0x10FFFF else "\ufffd" for point in points)
    text = text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")
    return "".join(f"&#{ord(one)};" if one in _KEPT_AS_NUMBERS else one for one in text)


@dataclass(slots=True)
class _Mms:
    """An MMS whose end has not come yet."""

    attributes: Mapping[str, str]
    texts: list[str] = field(default_factory=list)
    attachments: int = 0
    parts: int = 0
    addresses: list[tuple[str, str]] = field(default_factory=list)


class _Reader:
    """Collects messages from the elements of a backup. A message inside an MMS is rejected."""

    def __init__(self, peers: Peers, limits: Limits) -> None:
        self.number = 0
        self.root = ""
        self._peers, self._limits = peers, limits
        self._found: list[Found] = []
        self._mms: _Mms | None = None
        self._depth = self._mms_depth = 0
        self._since = 0  # characters since the last element
        self._fed = self._broken = 0
        self._skipped: bytes | None = None  # the end of the text that was skipped since an invalid element
        self._parser = self._new_parser()

    def _new_parser(self) -> expat.XMLParserType:
        parser = expat.ParserCreate("utf-8")
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.EntityDeclHandler = self._entity
        return parser

    def feed(self, text: str, *, is_last: bool = False) -> None:
        """Reads a part of the file. An element that is not valid is rejected, and the next message is read."""
        data = text.encode("utf-8", "replace")
        self._since += len(text)
        while (rest := self._behind_broken(data)) is not None:
            try:
                self._parser.Parse(rest, is_last)
            except expat.ExpatError as error:
                if is_last or self._broken == MOST_BROKEN:
                    raise
                at = max(0, self._parser.ErrorByteIndex - self._fed)
                self._reject(error, rest[max(0, at - SHOWN_BYTES // 2) : at + SHOWN_BYTES // 2])
                data = rest[at + 1 :]
            else:
                self._fed += len(rest)
                break
        if self._since > self._limits.element:
            raise SourceUnreadable(f"an element is longer than {self._limits.element:,} bytes")

    def _behind_broken(self, data: bytes) -> bytes | None:
        """The bytes to read: all of them or, after an invalid element, those from the next message on."""
        if self._skipped is None:
            return data
        data = self._skipped + data
        begin = _MESSAGE.search(data)
        self._since = 0
        if begin is None:
            self._skipped = data[-_MESSAGE_BYTES:]
            return None
        self._skipped = None
        self._parser, self._mms, self._depth = self._new_parser(), None, 0
        self._parser.Parse(_ROOT, False)
        self._fed = len(_ROOT)
        return data[begin.start() :]

    def _reject(self, error: expat.ExpatError, shown: bytes) -> None:
        self.number += 1
        self._broken += 1
        self._skipped = b""
        self._found.append((self.number, Unusable(f"is not valid XML ({expat.ErrorString(error.code)})", shown)))

    def taken(self) -> list[Found]:
        """The messages that were found since the last call."""
        found, self._found = self._found, []
        return found

    def _entity(self, *_declaration: object) -> None:
        raise SourceUnreadable("it declares entities, which no backup needs")

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        self._since = 0
        self.root = self.root or tag
        self._depth += 1
        if self._depth > self._limits.depth:
            raise SourceUnreadable(f"elements are nested more than {self._limits.depth} deep")
        if self._mms is not None:
            self._inside(self._mms, tag, attributes)
        elif tag == "sms":
            self._add(tag, attributes, _of_sms(attributes), 0)
        elif tag == "mms":
            self._mms, self._mms_depth = _Mms(attributes), self._depth

    def _end(self, tag: str) -> None:
        self._since = 0
        if self._mms is not None and self._depth == self._mms_depth:
            mms, self._mms = self._mms, None
            self._add(tag, mms.attributes, _of_mms(mms), mms.attachments)
        self._depth -= 1

    def _add(self, tag: str, attributes: Mapping[str, str], values: dict[str, str | None], attachments: int) -> None:
        self.number += 1
        try:
            self._found.append((self.number, sms_of(values, self._peers, attachments=attachments)))
        except ValueError as error:
            self._found.append((self.number, Unusable(str(error), _shown(tag, attributes))))

    def _inside(self, mms: _Mms, tag: str, attributes: dict[str, str]) -> None:
        mms.parts += 1
        if tag in ("sms", "mms"):
            self.number += 1
            self._found.append(
                (self.number, f"is inside another message, {mms.attributes.get('date', 'undated')[:50]}")
            )
        elif mms.parts > MOST_PARTS:
            return
        elif tag == "part":
            kind = attributes.get("ct", "").partition(";")[0].strip().lower()
            if kind == "text/plain":
                mms.texts.append(attributes.get("text", "")[: self._limits.line // 10])
            mms.attachments += kind not in _NO_ATTACHMENTS
        elif tag == "addr":
            mms.addresses.append((attributes.get("type", ""), attributes.get("address", "")))


def _of_sms(attributes: Mapping[str, str]) -> dict[str, str | None]:
    return {
        "peer": attributes.get("address"), "date": attributes.get("date"), "text": attributes.get("body"),
        "direction": attributes.get("type"), "read": attributes.get("read"),
        "name": _known(attributes.get("contact_name")),
    }  # fmt: skip


def _of_mms(mms: _Mms) -> dict[str, str | None]:
    """The fields of an <mms> element. Its text is that of its subject and its parts."""
    attributes = mms.attributes
    texts = [_subject(attributes), *mms.texts]
    return {
        "peer": _known(attributes.get("address")) or _addresses(mms), "date": attributes.get("date"),
        "text": "\n".join(text for text in texts if text and text != "null"),
        "direction": attributes.get("msg_box"), "read": attributes.get("read"),
        "name": _known(attributes.get("contact_name")),
    }  # fmt: skip


def _shown(tag: str, attributes: Mapping[str, str]) -> bytes:
    """The beginning of an element, for the rejects file."""
    shown = " ".join(f"{name}={quoteattr(value)}" for name, value in attributes.items())
    return f"<{tag} {shown} />".encode("utf-8", "replace")


def _addresses(mms: _Mms) -> str:
    """The peers of an MMS without an address of its own: its sender, or its recipients."""
    is_sent = mms.attributes.get("msg_box") in ("2", "3", "4")
    wanted = [address for kind, address in mms.addresses if (kind == _SENDER) != is_sent]
    return GROUP.join(dict.fromkeys(wanted))


def _subject(attributes: Mapping[str, str]) -> str:
    """The subject. The app shows UTF-8 as if it were Latin-1, as Android keeps it; this is undone."""
    subject = _known(attributes.get("sub")) or ""
    if attributes.get("sub_cs") in (_UTF8, "null", None):
        try:
            return subject.encode("latin-1").decode()
        except UnicodeError:
            pass
    return subject


def _known(value: str | None) -> str | None:
    return None if value in ("(Unknown)", "null") else value
