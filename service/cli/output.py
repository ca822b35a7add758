"""The output of commands: JSON for programs, tables that fit the terminal for people, names for other commands."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from service import terminal
from service.cli.answers import Item
from service.terminal import printable

Form = Literal["table", "json", "name"]
UID_WIDTH = 36
SENDER_WIDTH = 16
SUBJECT_WIDTH = 24  # a shorter subject says too little, so other columns are dropped first


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of conversations. On a narrow terminal, the least important columns are left out."""

    title: str
    text: Callable[[Item], str]
    importance: int


def _sender(item: Item) -> str:
    metadata = item.get("metadata") or {}
    return str(metadata.get("from_name") or metadata.get("from_email") or "")


def _minutes(value: object) -> str:
    """2024-07-01T12:00:00.000Z as 2024-07-01 12:00."""
    return str(value or "")[:16].replace("T", " ")


_READ = {True: "yes", False: "no", None: ""}
COLUMNS: tuple[Column, ...] = (
    Column("UID", lambda item: str(item["uid"]), 9),
    Column("UPDATED (UTC)", lambda item: _minutes(item["updated_on"]), 3),
    Column("STATUS", lambda item: str(item["status"] or ""), 4),
    Column("CHANNEL", lambda item: str(item["channel"] or ""), 1),
    Column("READ", lambda item: _READ.get(item["is_read"], ""), 0),
    Column("FROM", _sender, 2),
    Column("SUBJECT", lambda item: str(item["subject"] or ""), 8),
)


def form_of(form: Form | None, *, default: Form = "table") -> Form:
    """The requested form. Without one, `default` on a terminal, and JSON elsewhere."""
    return form or (default if terminal.is_terminal(sys.stdout) else "json")


def print_json(value: object, *, indent: int | None = 2) -> None:
    print(terminal.json_text(value, sys.stdout, indent=indent))


def print_names(names: Iterable[str]) -> None:
    for name in names:
        print(printable(name))


def print_conversations(items: Sequence[Item]) -> None:
    width = terminal.console(sys.stdout).width
    columns = _fitting(items, width)
    table = _table([column.title for column in columns])
    for item in items:
        table.add_row(*(Text(printable(column.text(item))) for column in columns))
    left = (
        width - 2 * (len(columns) - 1) - sum(_width(column, items) for column in columns if column.title != "SUBJECT")
    )
    for column, shown in zip(columns, table.columns, strict=True):
        shown.no_wrap, shown.overflow = True, "ellipsis"
        if column.title == "SUBJECT":
            shown.max_width = max(left, 1)
        else:
            shown.width = min(_width(column, items), width)
    print_rich(table)


def _fitting(items: Sequence[Item], width: int) -> list[Column]:
    """The most important columns, as many as leave room for the subject."""
    columns = list(COLUMNS)

    def needed() -> int:
        widths = (_width(column, items) for column in columns)
        return sum(widths) + 2 * (len(columns) - 1)

    while len(columns) > 2 and needed() > width:
        columns.remove(min(columns, key=lambda column: column.importance))
    if needed() > width and width < UID_WIDTH + SUBJECT_WIDTH // 2:
        columns = [COLUMNS[0]]
    return columns


def _width(column: Column, items: Sequence[Item]) -> int:
    """The width of the column in terminal cells. The subject and the sender may be shortened."""
    widest = max((cell_len(printable(column.text(item))) for item in items), default=0)
    most = {"SUBJECT": SUBJECT_WIDTH, "FROM": SENDER_WIDTH}.get(column.title, widest)
    return max(len(column.title), min(widest, most))


def _table(titles: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in titles:
        table.add_column(title)
    return table


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Prints a table. The columns named in `right` contain numbers."""
    print_rich(table_of(titles, rows, right=right))


def table_of(titles: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> Table:
    table = _table(titles)
    for column in table.columns:
        column.justify = "right" if column.header in right else "left"
        column.overflow = "fold"
    for row in rows:
        table.add_row(*(Text(printable(text)) for text in row))
    return table


def table_or_records(titles: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str]) -> RenderableType:
    """A table that breaks no word or, if the terminal is too narrow, one record for each row."""
    columns = [[title, *(printable(row[place]) for row in rows)] for place, title in enumerate(titles)]
    least = [_least(column, is_number=title in right) for title, column in zip(titles, columns, strict=True)]
    room = terminal.console(sys.stdout).width - sum(least) - 2 * (len(titles) - 1)
    if room < 0:
        records = [dict(zip(map(str.lower, titles), row, strict=True)) for row in rows]
        return Group(*(part for record in records for part in (record_of(record), Text())))
    table = table_of(titles, rows, right=right)
    for column, texts, width in zip(table.columns, columns, least, strict=True):
        more = min(room, max(map(cell_len, texts)) - width)
        column.width, room = width + more, room - more
    return table


def _least(texts: Iterable[str], *, is_number: bool) -> int:
    """The smallest width in cells that breaks no word, and separates no number from its unit."""
    return max(cell_len(word) for text in texts for word in ([text] if is_number else text.split() or [""]))


def record_of(record: Mapping[str, object]) -> Table:
    """One line for each field, and for each field of an object inside it. Fields without a value are left out."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _flat(record):
        table.add_row(Text(printable(name)), Text(printable(value)))
    return table


def _flat(record: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif value not in (None, "", []):
            yield f"{prefix}{name}", _words(value)


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(_words, value)) if isinstance(value, list) else str(value)


def print_rich(content: RenderableType) -> None:
    """Prints the content without spaces at the ends of lines."""
    console = terminal.console(sys.stdout)
    with console.capture() as captured:
        console.print(content)
    for line in captured.get().splitlines():
        print(line.rstrip())
