"""Writes what follows from the registry of fields: tables of docs/api.md and docs/search.md, and BOX_FIELDS of the page.

scripts/field-tables runs it after a change of service/query/fields.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from service import files
from service.errors import ConversationsError
from service.query.fields import ANY, FIELDS, NONE
from service.query.parameters import EXTRA_PARAMETERS, MORE_PARAMETERS, PARAMETERS
from service.query.query_string import Parameter
from service.query.search_fields import SEARCH_FIELDS

ROOT = Path(__file__).parents[1]
# By file, each list of rows: the lines that stand before it, and the rows.
Rows = dict[str, list[tuple[str, list[str]]]]


def tables() -> Rows:
    parameters = "| parameter | meaning |\n|---|---|\n"
    search_fields = [cells(f"{one.name}:", one.description) for one in SEARCH_FIELDS]
    return {
        "docs/api.md": [(parameters, described(PARAMETERS))],
        "docs/search.md": [
            ("| field | value |\n|---|---|\n", search_fields),
            (parameters, described((*MORE_PARAMETERS, *EXTRA_PARAMETERS))),
        ],
        "service/web/box_fields.js": [("export const BOX_FIELDS = {\n", box_fields())],
    }


def cells(name: str, text: str) -> str:
    """A row of a table in Markdown."""
    cell = " ".join(text.split()).replace("|", r"\|")
    return f"| `{name}` | {cell} |\n"


def described(parameters: Iterable[Parameter[object]]) -> list[str]:
    return [cells(one.name, one.description) for one in parameters]


def box_fields() -> list[str]:
    """Each name that may stand before a colon, with its values if these are few."""
    values: dict[str, list[str]] = {one.name: [] for one in SEARCH_FIELDS}
    for row in FIELDS:
        if row.syntax is not None and row.choices:
            values[row.syntax.name] = [*row.choices, NONE, ANY]
        for state in row.shown_states.values():
            prefix, _, word = state.partition(":")
            values[prefix].append(word)
    return [f"  {name}: [{', '.join(map(repr, texts))}],\n" for name, texts in values.items()]


def written(name: str) -> str:
    """The text of the file with its rows as they should be. Replaces only lines that begin as a row does."""
    text = (ROOT / name).read_text("utf-8")
    for before, rows in tables()[name]:
        if text.count(before) != 1:
            line = before.partition("\n")[0]
            raise ValueError(f"{name} must have the line {line!r} once, and has it {text.count(before)} times")
        start = text.index(before) + len(before)
        end = start
        while text.startswith(rows[0][:2], end):
            end = text.index("\n", end) + 1
        text = text[:start] + "".join(rows) + text[end:]
    return text


def out_of_date() -> dict[str, str]:
    """The files whose rows are not as they should be, each with its right text."""
    right = {name: written(name) for name in tables()}
    return {name: text for name, text in right.items() if (ROOT / name).read_text("utf-8") != text}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/field-tables", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, and fail if a file is out of date")
    is_check = parser.parse_args().check
    try:
        changed = out_of_date()
        if is_check and changed:
            raise ValueError(f"out of date, run scripts/field-tables: {', '.join(changed)}")
        for name, text in changed.items():
            with files.replacing(ROOT / name) as file:
                file.write(text.encode())
            print(f"{name}: written")
    except (ConversationsError, OSError, ValueError) as error:
        sys.exit(f"field-tables: {error}")


if __name__ == "__main__":
    main()
