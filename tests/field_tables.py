"""Writes what follows from the registry of fields: tables of docs/api.md and docs/search.md, and BOX_FIELDS of the page.

scripts/field-tables runs it after a change of service/query/fields.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from service.query.fields import ANY, FIELDS, NONE
from service.query.parameters import EXTRA_PARAMETERS, MORE_PARAMETERS, PARAMETERS
from service.query.query_string import Parameter
from service.query.search_fields import SEARCH_FIELDS

ROOT = Path(__file__).parents[1]
# By file: where a table begins, where it ends, and what is between the two.
Tables = dict[str, list[tuple[str, str, str]]]


def tables() -> Tables:
    parameters = "| parameter | meaning |\n|---|---|\n"
    search_fields = rows((f"{one.name}:", one.description) for one in SEARCH_FIELDS)
    return {
        "docs/api.md": [(parameters, "\n\n", described(PARAMETERS))],
        "docs/search.md": [
            ("| field | value |\n|---|---|\n", "\n\n", search_fields),
            (parameters, "\n\n", described((*MORE_PARAMETERS, *EXTRA_PARAMETERS))),
        ],
        "service/web/box_fields.js": [("BOX_FIELDS = {\n", "\n};", box_fields())],
    }


def rows(cells: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"| `{name}` | {text} |" for name, text in cells)


def described(parameters: Iterable[Parameter[object]]) -> str:
    return rows((one.name, one.description) for one in parameters)


def box_fields() -> str:
    """Each name that may stand before a colon, with its values if these are few."""
    values: dict[str, list[str]] = {one.name: [] for one in SEARCH_FIELDS}
    for row in FIELDS:
        if row.syntax is not None and row.choices:
            values[row.syntax.name] = [*row.choices, NONE, ANY]
        for state in row.shown_states.values():
            prefix, _, word = state.partition(":")
            values[prefix].append(word)
    return "\n".join(f"  {name}: [{', '.join(map(repr, texts))}]," for name, texts in values.items())


def written(name: str) -> str:
    """The text of the file with its tables as they should be."""
    text = (ROOT / name).read_text("utf-8")
    for begin, end, table in tables()[name]:
        before, found, rest = text.partition(begin)
        if not found or begin in rest:
            sys.exit(f"{name}: it must have exactly one table that begins with {begin.splitlines()[0]!r}")
        text = before + begin + table + end + rest.partition(end)[2]
    return text


def out_of_date() -> list[str]:
    """The names of the files whose tables are not as they should be."""
    return [name for name in tables() if (ROOT / name).read_text("utf-8") != written(name)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/field-tables", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, and fail if a table is out of date")
    changed = out_of_date()
    if not parser.parse_args().check:
        for name in changed:
            (ROOT / name).write_text(written(name), "utf-8")
            print(f"{name}: written")
    elif changed:
        sys.exit(f"out of date, run scripts/field-tables: {', '.join(changed)}")


if __name__ == "__main__":
    main()
