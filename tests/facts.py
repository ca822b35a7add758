"""Rows of deploy_facts.yml and dashboards_facts.yml: each names the line of an official source that it comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator

COMMIT = re.compile(r"[0-9a-f]{40}")


def rows(fact: object, name: str) -> Iterator[tuple[str, dict[str, object]]]:
    """The row itself, if it is one, and those inside it."""
    if isinstance(fact, dict):
        if "path" in fact or "why" in fact:
            yield name, fact
        for key, held in fact.items():
            if key != "lines":
                yield from rows(held, f"{name}.{key}")


def without_source(fact: object, name: str) -> list[str]:
    """The names of the rows that have neither a line with its file and commit, nor a reason why there is none."""
    found = list(rows(fact, name))
    return [at for at, row in found if not has_source(row)] if found else [name]


def has_source(row: dict[str, object]) -> bool:
    if "why" in row:
        return isinstance(row["why"], str) and bool(row["why"]) and "lines" not in row
    path, commit, lines = row["path"], row.get("commit"), row.get("lines")
    if not (isinstance(path, str) and isinstance(commit, str) and isinstance(lines, dict)):
        return False
    numbers = list(lines.values())
    return bool(COMMIT.fullmatch(commit) and numbers) and all(type(line) is int and line > 0 for line in numbers)
