"""Parts of a search body, in the form that OpenSearch reads, and the fields of a subject."""

from __future__ import annotations

from collections.abc import Mapping

Clause = Mapping[str, object]
"""A part of a search body, in the form that OpenSearch reads."""

EXACT, STEMS, VARIANTS, WHOLE = "subject", "subject.stems", "subject.variants", "subject.whole"
# The search analyzer of joined words, such as "andor" of and/or. It makes English stems only: "and" is a Swedish stem.
JOINED = "subject_joined_asked"
NOTHING: Clause = {"match_none": {}}


def all_of(clauses: list[Clause]) -> Clause:
    return clauses[0] if len(clauses) == 1 else {"bool": {"filter": clauses}}


def any_of(*clauses: Clause) -> Clause:
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}}


def none_of(clause: Clause) -> Clause:
    return {"bool": {"must_not": [clause]}}


def phrase(field: str, text: str, **options: object) -> Clause:
    return {"match_phrase": {field: {"query": text, **options}}}


def all_words(field: str, text: str, **options: object) -> Clause:
    return {"match": {field: {"query": text, "operator": "and", **options}}}
