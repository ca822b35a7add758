"""Searches for near words: the words are separate clauses, or all in one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from service.query.conditions import Words
from service.search.fuzzy_rewrite import AS_CLAUSES, PARAMETER, TOGETHER, together
from service.search.subject_clauses import clause_of

ORGANIZATION = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")


def test_only_how_near_words_are_found_changes() -> None:
    clause = clause_of(Words("invoice overdue 17", "fuzzy"), ORGANIZATION)
    before = str({"query": {"bool": {"filter": [clause]}}, "aggs": {"counts": {"filters": {"x": clause}}}, "size": 5})
    after = str(
        together({"query": {"bool": {"filter": [clause]}}, "aggs": {"counts": {"filters": {"x": clause}}}, "size": 5})
    )
    assert before.count(AS_CLAUSES) == 4
    assert after == before.replace(f"'{AS_CLAUSES}'", f"'{TOGETHER}'")


def test_what_callers_name_like_the_parameter_stays() -> None:
    typed: dict[str, Any] = {"filters": {PARAMETER: {"match": {"subject": AS_CLAUSES}}}, "sort": [{"a": 1}]}
    assert together(typed) == typed
    assert together({}) == {}
