"""Translates Dashboards' query language (DQL, "kuery") to queries of OpenSearch.

Only what the views and docs/analysts.md use. Follows OpenSearch Dashboards, in
src/plugins/data/common/opensearch_query/kuery: ast/kuery.peg, functions/*.ts.
"""

from __future__ import annotations

import re
from typing import Any

Query = dict[str, Any]
_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|(<=|>=|[<>():])|([^\s"<>():]+))')
_RANGES = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
_NUMBER = re.compile(r"-?(?:[1-9]\d*(?:\.\d+)?|0)")
_NAMED = {"true": True, "false": False, "null": None}


def query(text: str, dates: set[str], zone: str = "UTC") -> Query:
    """The query that Dashboards makes of the text. `dates` are the fields of the type date."""
    parser = _Parser(text, dates, zone)
    found = parser.any_of(None)
    assert parser.peek() is None, f"{text!r}: {parser.peek()!r} is not understood"
    return found


class _Parser:
    def __init__(self, text: str, dates: set[str], zone: str) -> None:
        assert re.fullmatch(rf"(?:{_TOKEN.pattern})+\s*", text), f"{text!r} is no DQL"
        self.tokens = ["".join(found) for found in _TOKEN.findall(text)]
        self.dates, self.zone = dates, zone

    def peek(self) -> str | None:
        return self.tokens[0] if self.tokens else None

    def word(self) -> str | None:
        return self.tokens[0].lower() if self.tokens else None

    def any_of(self, field: str | None) -> Query:
        found = [self.all_of(field)]
        while self.word() == "or":
            self.tokens.pop(0)
            found.append(self.all_of(field))
        return found[0] if len(found) == 1 else {"bool": {"should": found, "minimum_should_match": 1}}

    def all_of(self, field: str | None) -> Query:
        found = [self.one(field)]
        while self.word() == "and":
            self.tokens.pop(0)
            found.append(self.one(field))
        return found[0] if len(found) == 1 else {"bool": {"filter": found}}

    def one(self, field: str | None) -> Query:
        if self.word() == "not":
            self.tokens.pop(0)
            return {"bool": {"must_not": self.one(field)}}
        if self.peek() == "(":
            self.tokens.pop(0)
            found = self.any_of(field)
            assert self.tokens.pop(0) == ")"
            return found
        if field is not None:
            return self.equal(field)
        name, operator = self.tokens.pop(0), self.tokens.pop(0)
        if operator in _RANGES:
            zone = {"time_zone": self.zone} if name in self.dates else {}
            return _should({"range": {name: {_RANGES[operator]: self.value()[0], **zone}}})
        assert operator == ":", operator
        return self.one(name) if self.peek() == "(" else self.equal(name)

    def equal(self, field: str) -> Query:
        value, quoted = self.value()
        if value == "*" and not quoted:
            return _should({"exists": {"field": field}})
        assert "*" not in str(value) or quoted, "wildcards are not translated"
        if field in self.dates:
            return _should({"range": {field: {"gte": value, "lte": value, "time_zone": self.zone}}})
        return _should({"match_phrase" if quoted else "match": {field: value}})

    def value(self) -> tuple[Any, bool]:
        """The value, and whether it was in quotes. Several words without quotes are one value."""
        first = self.tokens.pop(0)
        if first.startswith('"'):
            return re.sub(r'\\(["\\])', r"\1", first[1:-1]), True
        words = [first]
        while (word := self.word()) is not None and word not in ("and", "or", "not", ")"):
            words.append(self.tokens.pop(0))
        text = " ".join(words)
        if _NUMBER.fullmatch(text):
            return float(text) if "." in text else int(text), False
        return _NAMED.get(text, text), False


def _should(clause: Query) -> Query:
    return {"bool": {"should": [clause], "minimum_should_match": 1}}
