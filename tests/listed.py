"""A list of documents in plain Python that replaces OpenSearch for paging, and the order that paging must find."""

from __future__ import annotations

import hashlib
import operator
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from service.query.conversation_query import Sort
from service.query.fields import FIELDS_BY_NAME, RELEVANCE, SORT_KEYS
from service.search.clauses import Clause
from service.search.paging.buckets import TooManyBuckets
from service.search.paging.order import SUBJECT_PREFIXES, UID_PARTS, WIDEST_DATE
from service.search.paging.sampling import DIGEST
from service.search.paging.slices import Slice
from service.search.relevance import Scored
from service.stored_documents import sort_key_prefixes, uid_order

Document = dict[str, Any]
Worths = Sequence[int]
DATES = ("created_on", "updated_on", "sent_at")
BOOLEANS = tuple(row.name for row in FIELDS_BY_NAME.values() if row.kind == "boolean")
BYTES = ("order.status", "order.channel")  # the mapping's type is byte
COMPARES = {"gte": operator.ge, "gt": operator.gt, "lte": operator.le, "lt": operator.lt}


def document(uid: int, *, clauses: Sequence[int] = (), **values: object) -> Document:
    """`values` are those of sort keys, by the names of the sorts; `clauses` are the scoring ones that it matches."""
    made: Document = {SORT_KEYS[name]: value for name, value in values.items() if value is not None}
    hashed = int.from_bytes(hashlib.blake2b(b"%d" % uid, digest_size=4).digest(), "big")
    made |= {"uid": uid, "clauses": frozenset(clauses), DIGEST: hashed}
    made |= zip((name for name, _widths in UID_PARTS), uid_order(UUID(int=uid)), strict=True)
    if "order.subject" in made:
        made |= zip(SUBJECT_PREFIXES, sort_key_prefixes(made["order.subject"]), strict=True)
    return made


def scored(worths: Worths) -> list[Scored]:
    """The scoring clauses, each with its weight. A clause matches the documents that have its number."""
    return [(worth, {"term": {"clauses": number}}) for number, worth in enumerate(worths)]


def scoring(worths: Worths) -> list[Clause]:
    """The same clauses, in the form of a search."""
    return [{"constant_score": {"filter": clause, "boost": float(worth)}} for worth, clause in scored(worths)]


def matches(document: Document, clause: Any) -> bool:
    """Whether the clause finds the document. These are the kinds of clause that paging narrows by."""
    ((kind, inside),) = clause.items()
    if kind == "bool":
        parts = {name: [matches(document, one) for one in clauses] for name, clauses in _lists(inside).items()}
        least: int = inside.get("minimum_should_match", 0)
        needed = sum(parts.get("should", [])) >= least
        return needed and all(parts.get("filter", [])) and not any(parts.get("must_not", []))
    if kind == "function_score":
        return bool(score(document, inside["query"]["bool"]["should"]) >= inside["min_score"])
    if kind in ("match_all", "match_none"):
        return bool(kind == "match_all")
    return inside["field"] in document if kind == "exists" else _has(document, kind, inside)


def _has(document: Document, kind: str, inside: Mapping[str, Any]) -> bool:
    """Whether the field has the value. Bounds of dates are numbers only with their format; booleans have no ranges."""
    ((name, wanted),) = inside.items()
    if kind == "term":
        return wanted in document[name]
    assert kind == ("terms" if name in BOOLEANS else "range")
    if kind == "terms":
        return document.get(name) in wanted
    assert wanted.get("format") == ("epoch_millis" if name in DATES else None)
    bounds = {bound: value for bound, value in wanted.items() if bound != "format"}
    bits = 7 if name in BYTES else 63
    numbers = [value for value in bounds.values() if isinstance(value, int)]
    assert all(-(2**bits) <= value < 2**bits for value in numbers), "OpenSearch refuses what its type cannot hold"
    return name in document and all(COMPARES[bound](document[name], value) for bound, value in bounds.items())


def _lists(inside: Mapping[str, object]) -> dict[str, list[Clause]]:
    return {name: value for name, value in inside.items() if isinstance(value, list)}


def score(document: Document, clauses: Sequence[Any]) -> float:
    scores = (one["constant_score"] for one in clauses)
    return sum(float(one["boost"]) for one in scores if matches(document, one["filter"]))


def ordered(
    documents: Sequence[Document], sorts: Sequence[Sort], worths: Worths = (), fixed: int = 0
) -> list[Document]:
    """By the keys with missing values last, then by -updated_on, then by uid. Without the first `fixed` of these."""
    keys = [*sorts, *([] if any(sort.field == "updated_on" for sort in sorts) else [Sort("updated_on")])]
    if fixed > len(keys):
        parts = [name for name, _widths in UID_PARTS[min(fixed - len(keys), len(UID_PARTS) - 1) :]]
        return sorted(documents, key=lambda one: [one[part] for part in parts])
    found = sorted(documents, key=lambda one: str(UUID(int=one["uid"])))
    for sort in reversed(keys[fixed:]):
        name = SORT_KEYS[sort.field]
        valued = [one for one in found if sort.field == RELEVANCE or name in one]
        if sort.field == RELEVANCE:
            valued.sort(key=lambda one: score(one, scoring(worths)), reverse=sort.descending)
        else:
            valued.sort(key=operator.itemgetter(name), reverse=sort.descending)
        found = [*valued, *(one for one in found if sort.field != RELEVANCE and name not in one)]
    return found


@dataclass
class Listed:
    """The list, as a paging.buckets.Counter. `most_buckets` limits the buckets of a field in one histogram."""

    documents: Sequence[Document]
    sorts: Sequence[Sort]
    worths: Worths = ()
    samples: random.Random = field(default_factory=lambda: random.Random(1))
    most_sampled: int = 2
    most_buckets: Mapping[str, int] = field(default_factory=dict)
    is_short_of_dates: bool = False
    rounds: int = 0

    def left(self, narrowing: Sequence[Clause]) -> list[Document]:
        return [one for one in self.documents if all(matches(one, clause) for clause in narrowing)]

    async def histogram(self, narrowing: Sequence[Clause], field: str, width: int) -> tuple[int, dict[int, int]]:
        self.rounds += 1
        if self.is_short_of_dates and field in DATES and not narrowing and width < WIDEST_DATE:
            raise TooManyBuckets
        left = self.left(narrowing)
        lows = Counter(int(one[field]) // 2**width * 2**width for one in left if field in one)
        if len(lows) > self.most_buckets.get(field, len(lows)):
            raise TooManyBuckets
        return len(left), dict(lows)

    async def total(self, narrowing: Sequence[Clause]) -> int:
        return len(self.left(narrowing))

    async def sample(self, narrowing: Sequence[Clause], field: str) -> list[str]:
        left = self.left(narrowing)
        return [one[field] for one in self.samples.sample(left, min(self.most_sampled, len(left)))]

    async def counts(self, narrowing: Sequence[Clause], clauses: Sequence[Clause]) -> list[int]:
        self.rounds += 1
        return [len(self.left([*narrowing, clause])) for clause in clauses]

    def slice(self, part: Slice, *, may_be_short: bool = False) -> list[Document]:
        found = ordered(self.left(part.narrowing), self.sorts, self.worths, part.fixed)
        found = (found[::-1] if part.reverse else found)[part.start : part.start + part.size]
        assert may_be_short or len(found) == part.size
        return found[::-1] if part.reverse else found

    def page(self, slices: Sequence[Slice]) -> list[Document]:
        return [one for part in slices for one in self.slice(part)]
