"""Whether a word is another one with typing mistakes, by the definition of the edit distance."""

from __future__ import annotations

import functools
import re


def is_near(typed: str, there: str) -> bool:
    """As fuzziness AUTO: up to 2 letters allow no mistake, up to 5 one, else two. The first letter must be right."""
    allowed = 0 if len(typed) < 3 else 1 if len(typed) < 6 else 2
    return typed[:1] == there[:1] and _distance(typed, there) <= allowed


def is_mistyped_code(piece: str, subject: str) -> bool:
    """Whether a piece of the subject is this code with one mistake in its letters: IVN-2024 is INV-2024."""
    if not (typed := _code(piece)):
        return False
    there = re.findall("[0-9]+", subject)
    is_near_one = any(
        code[0] == typed[0] and _distance(typed, code) <= 1 for one in subject.split() if (code := _code(one))
    )
    return is_near_one and all(digits in there for digits in re.findall("[0-9]+", piece))


def _code(piece: str) -> str:
    """The code in one word, if the piece has letters and digits of ASCII, and signs between them; else an empty text."""
    inner = re.sub(r"^\W+|\W+$", "", piece)
    groups = re.split("[-_/.:‐‑–−]", inner)
    code = "".join(groups).lower()
    is_code = (
        code.isascii() and code.isalnum() and all(groups) and re.search("[a-z]", code) and re.search("[0-9]", code)
    )
    dotted = bool(re.search("[.:]", inner)) and not (groups[0].isalpha() and len(groups[0]) > 1)
    is_version = dotted and sum(bool(re.search("[A-Za-z]", group)) for group in groups) < 2
    return code if is_code and len(code) >= (10 if is_version else 5) else ""


@functools.cache
def _distance(one: str, other: str) -> int:
    """How many letters to insert, delete, change, or swap with a neighbour (optimal string alignment)."""
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, start=1):
        row = [i]
        for j, b in enumerate(other, start=1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]
