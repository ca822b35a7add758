"""Whether a word is another one with typing mistakes, by the definition of the edit distance."""

from __future__ import annotations

import functools


def is_near(typed: str, there: str) -> bool:
    """AUTO: up to 2 letters as they are, up to 5 one mistake, else two; the first letter is right."""
    allowed = 0 if len(typed) < 3 else 1 if len(typed) < 6 else 2
    return typed[:1] == there[:1] and _distance(typed, there) <= allowed


@functools.cache
def _distance(one: str, other: str) -> int:
    """Letters to insert, delete, change, or to swap with a neighbour (optimal string alignment)."""
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
