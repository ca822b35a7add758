"""Splits mbox files of all variants into messages: mboxo, mboxrd, mboxcl, mboxcl2, MMDF, Thunderbird's, git's.

No variant says how a separator differs from a line of text, so a line is judged by its form, by the line before it and
by the lines after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from service.sources.file_limits import Limits
from service.sources.kept import Kept
from service.sources.window import BEHIND, CHUNK, Window

SEPARATOR_BYTES = 1_000  # the longest separator: an address and a date
MOST_QUOTED = 20  # separators that a Content-Length may cover; if there are more, the length is wrong
_AHEAD = 2**16  # bytes after a separator that are in memory
_HEAD = 2**14  # bytes that are examined as the headers of a message
_JUDGED = 2**12  # bytes that are examined to judge a separator
_DATED = 120  # bytes at the end of a separator, which hold its date

Form = Literal["git", "dated", "loose", "bare"]
"""A separator with a commit, with a date as asctime(3) writes it, with a time and a year, or with neither."""

_GIT = re.compile(rb"From (?:[0-9a-f]{40}|[0-9a-f]{64}) Mon Sep 17 00:00:00 2001\s*$")
_ASCTIME = re.compile(
    rb" (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d{1,2} +"
    rb"\d{1,2}:\d\d(?::\d\d)?(?: +[A-Za-z+-][\w+-]{0,9})* +\d{4}(?: +[A-Za-z+-][\w+-]{0,9})*(?: +remote from \S+)?\s*$"
)
_TIME = re.compile(rb"\d{1,2}:\d\d")
_YEAR = re.compile(rb"(?<!\d)(?:19|20)\d\d(?!\d)")
_BARE = re.compile(rb"From \S*\s*$")
_HEADER = re.compile(rb"[!-9;-~]+[ \t]*:")
_KNOWN = re.compile(
    rb"(?:from|to|cc|bcc|date|subject|sender|reply-to|message-id|in-reply-to|references|received|return-path|"
    rb"delivered-to|envelope-to|delivery-date|mime-version|status|path|newsgroups|xref|organi[sz]ation|precedence|"
    rb"lines|comments|keywords|errors-to|approved|apparently-to|user-agent|importance|priority|dkim-signature|"
    rb"domainkey-signature|authentication-results|(?:x|content|list|resent|arc|received|thread|old|original|mailing)"
    rb"-[\w-]+)[ \t]*:",
    re.IGNORECASE,
)
_OWN = re.compile(rb"^(?:from|date|subject|message-id)[ \t]*:", re.IGNORECASE | re.MULTILINE)  # once a message
_ORIGIN = re.compile(rb"^(?:from|date|received|return-path|message-id)[ \t]*:", re.IGNORECASE | re.MULTILINE)
_CONTENT_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,12})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_BLANK_LINE = re.compile(rb"\n[ \t]*\r?\n")
_BLANK_BEFORE = re.compile(rb"(?:\A|\n)[ \t]*\r?\n\Z")
_MORE_SEPARATORS = re.compile(rb"(?:>From [^\n]*\n)+")
_ESCAPED = re.compile(rb"^>(?=>*From )", re.MULTILINE)
MMDF = b"\x01\x01\x01\x01"


@dataclass(frozen=True, slots=True)
class Piece:
    """A message of an mbox: its separator, its bytes, unescaped, and where it begins. `problem` says what is wrong."""

    separator: bytes
    data: bytes
    offset: int
    problem: str | None = None
    digest: str | None = None


def is_mbox(start: bytes) -> bool:
    """Whether a file that begins with these bytes is an mbox file."""
    return start.startswith((b"From ", MMDF + b"\n", MMDF + b"\r\n"))


def single(window: Window, limits: Limits) -> Piece:
    """The whole window as one message, without the separator that some programs write before it."""
    begun = window.offset
    window.fill(SEPARATOR_BYTES)
    line = _line(window, window.at)
    separator = line if form_of(line) is not None else b""
    window.at += len(separator)
    kept = Kept(limits)
    while window.rest:
        kept.feed(window.data[window.at :])
        window.at = len(window.data)
        window.fill(CHUNK)
    return Piece(separator, kept.data, begun, kept.problem, kept.digest)


def split(window: Window, limits: Limits) -> Iterator[Piece]:
    """Yields the messages. Bytes before the first separator are a message, too."""
    return (
        _Mmdf(window, limits).pieces() if window.data[window.at :].startswith(MMDF) else _Mbox(window, limits).pieces()
    )


def form_of(line: bytes) -> Form | None:
    """The form of a separator, or None for another line."""
    if not line.startswith(b"From ") or len(line) > SEPARATOR_BYTES:
        return None
    end = line[-_DATED:]
    if _GIT.match(line):
        return "git"
    if _ASCTIME.search(end):
        return "dated"
    if _TIME.search(end) and _YEAR.search(end):
        return "loose"
    return "bare" if _BARE.match(line) else None


def _line(window: Window, at: int) -> bytes:
    """The line that begins at `at`, with its line end; cut if it is too long for a separator."""
    end = window.data.find(b"\n", at, at + SEPARATOR_BYTES + 1)
    return window.data[at : end + 1 if end >= 0 else at + SEPARATOR_BYTES + 1]


class _Mbox:
    """Splits a window at the lines that are separators."""

    mark = b"\nFrom "

    def __init__(self, window: Window, limits: Limits) -> None:
        self._window, self._limits = window, limits
        self._first: Form | None = None
        self._begin(window.at)

    def _begin(self, at: int) -> None:
        """Begins a message at `at`, where its separator is, if it has one."""
        window = self._window
        window.at = at
        window.fill(_AHEAD)
        self._offset = window.offset
        line = _line(window, window.at)
        form = form_of(line)
        self._separator = line if form is not None or (line.startswith(b"From ") and line.endswith(b"\n")) else b""
        self._first = self._first or form or "bare"
        window.at += len(self._separator)
        if self._separator and (more := _MORE_SEPARATORS.match(window.data, window.at, window.at + _AHEAD)):
            window.at = more.end()
        self._kept = Kept(self._limits)
        self._head = window.data[window.at : window.at + _HEAD]
        blank = _BLANK_LINE.search(b"\n" + self._head)
        self._body_at = window.offset + (blank.end() - 1 if blank else len(self._head))
        self._head = self._head[: blank.end() - 1] if blank else self._head
        length = _CONTENT_LENGTH.search(self._head)
        self._protected = self._body_at + int(length[1]) if length and blank else 0
        self._is_escaped = True

    def pieces(self) -> Iterator[Piece]:
        window = self._window
        scan = max(0, window.at - 1)
        while True:
            at = window.data.find(self.mark, scan)
            if at >= 0:
                self._take(max(at + 1, window.at))
                window.fill(_AHEAD)
                if self._ends_here():
                    yield self._piece()
                    self._begin(window.at)
                    scan = max(0, window.at - 1)
                else:
                    scan = window.at
            else:
                self._take(max(window.at, len(window.data) - len(self.mark) - BEHIND))
                if window.has_ended:
                    self._take(len(window.data))
                    yield self._piece()
                    return
                window.fill(window.rest + 1)
                scan = max(0, window.at - 1)

    def _take(self, upto: int) -> None:
        window = self._window
        self._kept.feed(window.data[window.at : upto])
        window.at = upto

    def _piece(self) -> Piece:
        data = self._kept.data
        if self._separator:
            if self._is_escaped and b">From " in data:
                data = _ESCAPED.sub(b"", data)
            if data.endswith((b"\n\n", b"\n\r\n")):  # the empty line before the next separator
                data = data[: -2 if data.endswith(b"\r\n") else -1]
        return Piece(self._separator, data, self._offset, self._kept.problem, self._kept.digest)

    def _ends_here(self) -> bool:
        """Whether the message ends at the window's position, where a line begins like a separator."""
        window = self._window
        line = _line(window, window.at)
        form = form_of(line)
        if form is None or (form == "git" and self._first != "git"):
            return False
        if not self._begins_message(form, window.at + len(line)):
            return False
        if window.offset < self._protected:
            if self._has_true_length():
                self._is_escaped = False  # mboxcl2: lengths make escapes unnecessary
                return False
            self._protected = 0
        return True

    def _begins_message(self, form: Form, at: int) -> bool:
        """Whether the lines before and after this line, which ends at `at`, show that it is a separator."""
        window = self._window
        if more := _MORE_SEPARATORS.match(window.data, at, at + _JUDGED):
            at = more.end()
        if form in ("loose", "bare") and not _KNOWN.match(window.data, at):
            return False
        head = window.data[at : at + _JUDGED]
        is_after_blank = _BLANK_BEFORE.search(window.data, max(0, window.at - BEHIND), window.at) is not None
        is_in_headers = window.offset < self._body_at
        if is_in_headers and not _OWN.search(self._head[: max(0, window.offset - self._body_at + len(self._head))]):
            return False  # a stray line among the headers: the headers that every message has have not come yet
        if not self._separator and form != "dated":
            return False  # a file that does not begin like an mbox
        return self._is_head(form, head, is_after_blank)

    def _is_head(self, form: Form, head: bytes, is_after_blank: bool) -> bool:
        if b"\n" not in head and len(head) < _JUDGED:  # the file ends here
            return form == "dated" and is_after_blank
        blank = _BLANK_LINE.search(b"\n" + head)
        head = head[: blank.start()] if blank else head
        lines = head.split(b"\n", 4)[:4]
        begins_known = _KNOWN.match(lines[0]) is not None
        if form == "git":
            return _HEADER.match(lines[0]) is not None
        if form == "dated" and is_after_blank:
            return _HEADER.match(lines[0]) is not None or any(_KNOWN.match(line) for line in lines)
        if form == "loose" and is_after_blank:
            return begins_known
        is_certain = begins_known and len(lines) > 1 and _ORIGIN.search(head) is not None
        return is_certain and (form == "dated" or is_after_blank or self._first in ("bare", "loose"))

    def _has_true_length(self) -> bool:
        """Whether the body's Content-Length ends where a separator or the end of the file is.

        Lengths are often wrong. A length that is too long would make the next messages a part of this one.
        """
        window = self._window
        ahead = self._protected - window.offset
        if ahead > self._limits.protected:
            return False
        window.fill(ahead + SEPARATOR_BYTES + 10)
        end = window.at + ahead
        if end > len(window.data):
            return False
        behind = end
        while window.data[behind : behind + 1] in (b"\r", b"\n") and behind < end + 4:
            behind += 1
        is_line_end = window.data[end - 1 : end] == b"\n" or behind > end
        ends_well = behind == len(window.data) or form_of(_line(window, behind)) is not None
        return is_line_end and ends_well and self._quoted(end) <= MOST_QUOTED

    def _quoted(self, end: int) -> int:
        """Counts the separators between the position and `end`. Stops when there are more than MOST_QUOTED."""
        window, found, at = self._window, 0, self._window.at - 1
        while found <= MOST_QUOTED and (at := window.data.find(self.mark, max(0, at), end)) >= 0:
            found += form_of(_line(window, at + 1)) in ("dated", "loose")
            at += 1
        return found


class _Mmdf(_Mbox):
    """Splits a window at the lines of four ^A, which come before and after each message."""

    mark = b"\n" + MMDF

    def _begin(self, at: int) -> None:
        window = self._window
        window.at = at
        window.fill(_AHEAD)
        while _line(window, window.at).strip() == MMDF:
            window.at += len(_line(window, window.at))
        window.skip_blanks()
        super()._begin(window.at)
        self._is_escaped = False

    def _ends_here(self) -> bool:
        return _line(self._window, self._window.at).strip() == MMDF

    def pieces(self) -> Iterator[Piece]:
        return (piece for piece in super().pieces() if piece.data.strip() or piece.problem)
