"""Two ways in which OpenSearch searches for words that are near to a typed one: one clause each, or all in one clause.

OpenSearch finds near words with an automaton, which takes up to some milliseconds to make for a long word with two
mistakes. If the words become clauses, it is made once for an index; if they are one clause together, once for each
segment. A query has a limit of clauses (1,024), which an organization with many words that are alike may reach. So a
search is sent with clauses first, and if these are too many, once more with the words together. Its answer is the same.
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
