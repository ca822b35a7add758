"""Two ways in which OpenSearch searches for words that are near to a typed one: one clause each, or all in one clause.

OpenSearch finds near words with an automaton. Building it may take some milliseconds for a long word with two mistakes.
With one clause for each word, it is built once for the index. With one clause for all, it is built for each segment.
A query may have 1,024 clauses, and an organization with many similar words may need more. So a search is sent with one
clause for each word first and, if these are too many, again with the words in one clause. The answer is the same.
"""

from __future__ import annotations

from collections.abc import Mapping

AS_CLAUSES, TOGETHER = "constant_score_boolean", "constant_score"  # OpenSearch's names of these rewrites
PARAMETER = "fuzzy_rewrite"


def together(part: Mapping[str, object]) -> Mapping[str, object]:
    """The same part of a search body, with near words together."""
    return {
        name: TOGETHER if (name, value) == (PARAMETER, AS_CLAUSES) else _together(value) for name, value in part.items()
    }


def _together(value: object) -> object:
    if isinstance(value, Mapping):
        return together(value)
    return [_together(one) for one in value] if isinstance(value, list | tuple) else value
