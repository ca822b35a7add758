"""Reads SMS from CSV: separated by commas, semicolons, tabs or bars, in UTF-8, UTF-16 or Windows-1252.

Every line that is not empty becomes part of a message, or a reject. A quote that is not closed is text: unlike
in csv.reader, the lines after it do not become part of its field.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from service import progress
from service.errors import Misconfigured
from service.sources.file_limits import Limits
from service.sources.phone_numbers import Peers
from service.sources.sms_fields import COLUMNS, NEEDED, Sms, Unusable, date_of, sms_of
from service.sources.window import CHUNK, Window

MOST_LINES, MOST_BYTES = 500, 1_000_000  # of one quoted field
_SEPARATORS = (b",", b";", b"\t", b"|")
# A line of column names, also of another table, has a separator and no control characters. Both take linear time.
_SEPARATED = re.compile(rb"[^\x00-\x1f][,;\t|][^\x00-\x1f]")
_CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x0c\x0e-\x1f]|\r(?!\Z)")

Line = tuple[int, bytes | None]
"""The number of a line and its bytes, or None for one that is longer than the limit."""


def read_csv(
    window: Window, columns: Mapping[str, str], name: str, peers: Peers, limits: Limits
) -> Iterator[tuple[int, Sms | str]]:
    """Yields the number of each message's line, and the message or the reason why there is none.

    Raises Misconfigured if the file is a table whose columns have other names.
    """
    lines = _Lines(window, limits)
    header = lines.next()
    if header is not None and re.match(rb"(?i)sep=.\s*\Z", header[1] or b""):
        header = lines.next()  # Excel's own line
    if header is None:
        return
    if header[1] is None:
        yield header[0], f"is longer than {limits.line:,} bytes"
        return
    text = _Decoder(name)
    table = _Table.of(header[1], columns, text)
    if isinstance(table, str):
        if _SEPARATED.search(header[1]) and not _CONTROLS.search(header[1]):
            raise Misconfigured(f"{name} {table}")
        yield header[0], table
        return
    while (line := lines.next()) is not None:
        number, data = line
        if data is None:
            yield number, f"is longer than {limits.line:,} bytes"
            continue
        try:
            yield number, sms_of(_record(table, data, lines, text), peers)
        except ValueError as error:
            yield number, Unusable(str(error), text(data).encode())


class _Lines:
    """The lines of a window with their numbers. `next` skips empty lines; `ahead` shows the lines to come."""

    def __init__(self, window: Window, limits: Limits) -> None:
        self._lines = _lines(window, limits)
        self._ahead: deque[Line] = deque()

    def next(self) -> Line | None:
        while True:
            line = self._ahead.popleft() if self._ahead else next(self._lines, None)
            if line is None or line[1] is None or line[1].strip():
                return line

    def ahead(self) -> Iterator[Line]:
        """The lines after the last one that `next` returned, including empty ones. `next` will still return them."""
        at = 0
        while True:
            if at == len(self._ahead):
                if (line := next(self._lines, None)) is None:
                    return
                self._ahead.append(line)
            yield self._ahead[at]
            at += 1

    def skip(self, count: int) -> None:
        for _ in range(count):
            self._ahead.popleft()


def _lines(window: Window, limits: Limits) -> Iterator[Line]:
    """Every line without its end. A line that is too long is skipped, and never in memory as a whole."""
    number, is_too_long = 1, False
    while window.rest or not window.has_ended:
        end = window.data.find(b"\n", window.at)
        if end < 0 and not window.has_ended:
            if window.rest > limits.line:
                is_too_long, window.at = True, len(window.data)
            window.fill(window.rest + CHUNK)
            continue
        end = len(window.data) if end < 0 else end
        is_too_long |= end - window.at > limits.line
        yield number, None if is_too_long else window.data[window.at : end].rstrip(b"\r")
        window.at, number, is_too_long = min(end + 1, len(window.data)), number + 1, False


class _Decoder:
    """Decodes lines as UTF-8, or else as Windows-1252, and says so once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._has_warned = False

    def __call__(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError:
            if not self._has_warned:
                self._has_warned = True
                progress.say(f"{self._name} is not UTF-8: it is read as Windows-1252; if that is wrong, convert it")
            return data.decode("cp1252", "replace")


@dataclass(frozen=True, slots=True)
class _Table:
    """The columns of a file: where each of COLUMNS is, and how many there are."""

    separator: bytes
    field: re.Pattern[bytes]
    places: Mapping[str, int]
    width: int

    @classmethod
    def of(cls, header: bytes, columns: Mapping[str, str], text: _Decoder) -> _Table | str:
        """The table that a header describes, or what is wrong with it. Names are compared without regard to case."""
        wanted = {column: columns.get(column, column) for column in COLUMNS}
        found: list[tuple[int, int, _Table]] = []
        for separator in _SEPARATORS:
            field = re.compile(rb'"((?:[^"]|"")*)"[ ]*(?=%s|\Z)|([^%s]*)' % ((re.escape(separator),) * 2))
            titles = [_folded(text(title)) for title, _is_open in _split(header, separator, field)]
            places = {
                column: titles.index(_folded(title)) for column, title in wanted.items() if _folded(title) in titles
            }
            found.append(
                (sum(column in places for column in NEEDED), len(titles), cls(separator, field, places, len(titles)))
            )
        _needed, _count, table = max(found, key=lambda one: one[:2])
        missing = [wanted[column] for column in NEEDED if column not in table.places]
        if not missing:
            return table
        titles = [text(title).strip() for title, _is_open in _split(header, table.separator, table.field)]
        return (
            f"has the columns {', '.join(titles)[:500] or 'none'}, and lacks {', '.join(missing)}: "
            f"name the column with --column, such as --column {missing[0]}=NAME"
        )

    def split(self, data: bytes) -> list[tuple[bytes, bool]]:
        return _split(data, self.separator, self.field)

    def values(self, fields: list[bytes], text: _Decoder) -> dict[str, str | None]:
        """The fields by their names. Raises ValueError if there are more than columns.

        If the text is the last column, further fields belong to it, because a separator in it was not quoted.
        """
        if len(fields) > self.width and any(field.strip() for field in fields[self.width :]):
            if self.places["text"] != self.width - 1:
                raise ValueError(f"has {len(fields)} fields, not {self.width}: quote a text that holds the separator")
            fields = [*fields[: self.width - 1], self.separator.join(fields[self.width - 1 :])]
        return {
            column: text(fields[at] if column == "text" else _FORMULA.sub(rb"\1", fields[at]))
            for column, at in self.places.items()
            if at < len(fields)
        }


_FORMULA = re.compile(rb'^\s*="([^"]*)"\s*$')  # makes a spreadsheet keep the plus or the zeros of a number


def _folded(title: str) -> str:
    return title.strip().strip("\ufeff\"'").strip().casefold()


def _split(data: bytes, separator: bytes, field: re.Pattern[bytes]) -> list[tuple[bytes, bool]]:
    """The fields of a line, each with whether it begins with a quote that is not closed."""
    fields: list[tuple[bytes, bool]] = []
    at = 0
    while True:
        match = field.match(data, at)
        assert match is not None
        if match[1] is not None:
            fields.append((match[1].replace(b'""', b'"'), False))
        else:
            fields.append((match[2], match[2].startswith(b'"')))
        at = match.end()
        if at >= len(data):
            return fields
        at += len(separator)


def _record(table: _Table, data: bytes, lines: _Lines, text: _Decoder) -> dict[str, str | None]:
    """The values of a record that begins with this line. Lines that a quoted field holds are taken from `lines`."""
    fields = table.split(data)
    if any(is_open for _field, is_open in fields) and (joined := _joined(table, data, lines)) is not None:
        fields = joined
    return table.values([field for field, _is_open in fields], text)


def _joined(table: _Table, data: bytes, lines: _Lines) -> list[tuple[bytes, bool]] | None:
    """The fields of a record over several lines, or None if the open quote does not begin such a record.

    A line that is a complete record is not part of a field. A line with an odd number of quotes counts as a record only
    if the first line is a record too; otherwise one of its quotes closes the field.
    """
    parts, is_open, length = [data], data.count(b'"') % 2 == 1, 0
    is_whole = _is_record(table, data, with_odd_quotes=True)
    for count, (_number, line) in enumerate(lines.ahead(), start=1):
        if not is_open or count > MOST_LINES or line is None or length > MOST_BYTES:
            return None
        if _is_record(table, line, with_odd_quotes=is_whole):
            return None
        parts.append(line)
        length += len(line)
        is_open ^= line.count(b'"') % 2 == 1
        if not is_open:
            fields = table.split(b"\n".join(parts))
            if len(fields) > table.width or any(still_open for _field, still_open in fields):
                return None
            lines.skip(count)
            return fields
    return None


def _is_record(table: _Table, line: bytes, *, with_odd_quotes: bool) -> bool:
    if line.count(table.separator) < table.width - 1:
        return False
    fields = table.split(line)
    if len(fields) != table.width or (line.count(b'"') % 2 and not with_odd_quotes):
        return False
    try:
        date_of(fields[table.places["date"]][0].decode("ascii", "replace").strip())
    except ValueError:
        return False
    return True
