"""Groups messages into conversations: the connected components of a graph, whose edges are joins of two messages.

The joins depend on the set of messages only, so the order in which messages come does not change the result. A `Rule`
says which messages are joined: that of mail is in threads.py, that of SMS in sms.py. A hard join depends on its two
messages only, and stays. A soft join ends when a message that one of the two refers to becomes known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator
from typing import Protocol

from service.sources.facts import Fact

Row = tuple[int, int, int, int]
"""A message in a bucket of messages that a rule may join: (a hash that identifies the bucket, date, id, roles)."""


class Rule(Protocol):
    """Says which messages are joined, and by which keys an import finds the conversations that its messages may join.

    `keeps_whole` says that messages which once were in one conversation stay in one.
    """

    @property
    def keeps_whole(self) -> bool: ...

    def links(self, fact: Fact) -> Iterable[int]:
        """Ids that the message belongs to, even if there is no message with such an id."""

    def rows(self, fact: Fact) -> Iterable[Row]:
        """The rows of the message, one for each of its buckets."""

    def awaits(self, fact: Fact) -> Iterable[int]:
        """The ids that the message refers to, if it makes soft joins while none of them is known."""

    def pairs(self, rows: Iterable[Row], settled: Container[int]) -> Iterator[tuple[int, int]]:
        """The pairs of ids that are joined. `rows` are sorted. The ids in `settled` make no soft joins."""

    def stored_keys(self, fact: Fact) -> Iterable[str]:
        """The keys that find the message. If the rule joins two messages, each has a key that the other asks for."""

    def asked_keys(self, fact: Fact) -> Iterable[str]:
        """The keys that find the messages with which this one may be joined."""


class Groups:
    """Disjoint sets (union-find) of numbers."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}

    def find(self, node: int) -> int:
        root = node
        while (parent := self._parent.get(root, root)) != root:
            root = parent
        while (parent := self._parent.get(node, node)) != root:
            self._parent[node], node = root, parent
        return root

    def join(self, first: int, second: int) -> None:
        first_root, second_root = self.find(first), self.find(second)
        if first_root != second_root:
            self._parent[second_root] = first_root


class Everything:
    """A container of all numbers."""

    def __contains__(self, _number: object) -> bool:
        return True


def settled(facts: Collection[Fact], rule: Rule) -> set[int]:
    """The ids of the messages that make no soft joins, because a message that they refer to is known."""
    ids = {fact.id for fact in facts}
    return {fact.id for fact in facts if any(reference in ids for reference in rule.awaits(fact))}


def are_linked(facts: Collection[Fact], rule: Rule) -> bool:
    """Whether the links alone join all of the messages. This is quick to compute."""
    groups = Groups()
    for fact in facts:
        for link in rule.links(fact):
            groups.join(fact.id, link)
    return len({groups.find(fact.id) for fact in facts}) == 1


def components(
    facts: Collection[Fact], rule: Rule, *, whole: Iterable[Iterable[Fact]] = (), is_hard: bool = False
) -> list[list[Fact]]:
    """The facts of each conversation. Each of `whole` is kept together. With `is_hard`, there are no soft joins."""
    groups = Groups()
    for fact in facts:
        for link in rule.links(fact):
            groups.join(fact.id, link)
    rows = [row for fact in facts for row in rule.rows(fact)]
    sizes = Counter(row[0] for row in rows)
    rows = sorted(row for row in rows if sizes[row[0]] > 1)
    for first, second in rule.pairs(rows, Everything() if is_hard else settled(facts, rule)):
        groups.join(first, second)
    for some in whole:
        first_id: int | None = None
        for one in some:
            first_id = one.id if first_id is None else first_id
            groups.join(first_id, one.id)
    found: dict[int, list[Fact]] = {}
    for fact in facts:
        found.setdefault(groups.find(fact.id), []).append(fact)
    return list(found.values())
