"""Tracks the health of each node, and picks the node for the next call. It uses neither the network nor a clock.

A node that failed rests: the others are asked first. A node that could not be reached, or stayed silent, several times
in a row is dead: its circuit is open, and only probes are sent to it. The answer to a probe closes the circuit. A node
without a cluster manager is dead, too, if half of the nodes or more are dead: the dead nodes may form a cluster that
changes the index without this node.

A probe also searches, because a node whose disk hangs still answers other calls. A node that answered several of these
searches too late gets other calls, but no searches until it has answered one.

A node that was silent, or that seems to be cut off from its cluster, is doubted until a probe has found that it is part
of its cluster. It may answer with an old state of the index.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class Answering(NamedTuple):
    """How many nodes answered the last calls, of all that OPENSEARCH_URL names."""

    answering: int
    all: int


class State(Enum):
    READY = "ready"
    RESTING = "resting"
    DEAD = "dead"


class Failure(Enum):
    """How a call failed that OpenSearch did not answer."""

    DOWN = "no connection could be made, so the request was never sent"
    LOST = "the connection was lost, so the request may have been executed"
    SILENT = "no answer in time"
    SICK = "a proxy or a node outside its cluster answered, or the answer was garbage"
    HUNG = "it is part of its cluster, but answers no search in time"
    ALONE = "it has no cluster manager, and too few nodes answer to elect one"


OPENS_CIRCUIT = frozenset({Failure.DOWN, Failure.SILENT})
"""Several of these in a row open the circuit. Other failures of calls come at once, and asking again may help.

ALONE, which only a probe finds, opens it at once.
"""


@dataclass(slots=True)
class Node:
    """One node.

    `failures` counts the failures since the last answer. `late_searches` counts the searches of probes that had no
    answer in time, since the last answer to a search. `silent_probes` counts other calls of probes without an answer.

    `is_doubted`: its answers to reads may be old. `is_outside`: it was asked, and its cluster goes on without it.

    `id` is that of OpenSearch, once it is known: two URLs may lead to the same node.
    """

    number: int
    most_failures: int
    on_change: Callable[[State, State], None] = lambda _before, _after: None
    state: State = State.READY
    failures: int = 0
    late_searches: int = 0
    silent_probes: int = 0
    last: Exception | None = None
    is_doubted: bool = False
    is_outside: bool = False
    id: str | None = None

    def answered(self) -> None:
        """It answered, and is known to be part of its cluster."""
        self.failures, self.late_searches, self.last, self.is_doubted = 0, 0, None, False
        self._become(State.READY)

    def takes_part(self) -> None:
        """A probe found that it is part of its cluster. The probe still has to search."""
        self.failures, self.is_doubted = 0, False
        if self.state is State.DEAD:
            self._become(State.RESTING)

    def spoke(self, *, is_search: bool) -> None:
        """It answered. A probe decides whether it may be asked before others."""
        self.failures = 0
        if is_search:
            self.late_searches = 0

    def failed(self, failure: Failure, error: Exception | None = None) -> None:
        self.last = error or self.last
        if failure is Failure.HUNG:
            self.late_searches += 1
            self.suspected(is_doubted=False)
            return
        self.failures += 1
        self.is_doubted |= failure is Failure.SILENT
        is_dead = failure is Failure.ALONE or (failure in OPENS_CIRCUIT and self.failures >= self.most_failures)
        self._become(State.DEAD if is_dead else State.RESTING)

    def suspected(self, *, is_doubted: bool = True) -> None:
        """It has not answered for a long time, which is not a failure yet, or seems to be cut off from its cluster."""
        self.is_doubted |= is_doubted
        if self.state is State.READY:
            self._become(State.RESTING)

    def takes(self, *, is_search: bool) -> bool:
        """Whether it may get a call of this kind."""
        return self.state is not State.DEAD and not (is_search and self.late_searches >= self.most_failures)

    def _become(self, state: State) -> None:
        before, self.state = self.state, state
        if before is not state:
            self.on_change(before, state)


def _distinct(nodes: Iterable[Node]) -> int:
    return len({node.number if node.id is None else node.id for node in nodes})


@dataclass(slots=True)
class Nodes:
    """The nodes of one client, which are asked in turn."""

    all: list[Node]
    _turn: int = 0

    def are_others_believed(self, node: Node) -> bool:
        """Whether there is another node that is neither dead nor doubted."""
        return any(other.state is not State.DEAD and not other.is_doubted for other in self.all if other is not node)

    def are_all_dead(self) -> bool:
        return all(node.state is State.DEAD for node in self.all)

    def are_most_alive(self, node: Node) -> bool:
        """Whether this node and those that are not dead are a majority, so the others cannot form a cluster.

        A node that several URLs lead to counts once.
        """
        alive = _distinct(one for one in self.all if one is node or one.state is not State.DEAD)
        return 2 * alive > _distinct(self.all)

    def witnesses(self, node: Node) -> list[Node]:
        """The nodes that show whether this node is in their cluster: the other ready ones, else those that rest."""
        others = [other for other in self.all if other is not node]
        ready = [other for other in others if other.state is State.READY]
        return ready or [other for other in others if other.state is State.RESTING]

    def pick(self, but: Collection[Node] = (), *, is_search: bool = False) -> Node | None:
        """The next node to ask: a ready one if there is any, else the resting one that is doubted least.

        Skips the nodes in `but`. None if no other node takes the call.
        """
        count = len(self.all)
        rotated = [self.all[(self._turn + step) % count] for step in range(count)]
        left = [node for node in rotated if node.takes(is_search=is_search) and not any(node is one for one in but)]
        best = min(
            left, key=lambda node: (node.state is not State.READY, node.is_outside, node.is_doubted), default=None
        )
        if best is not None:
            self._turn = best.number + 1
        return best


@dataclass(slots=True)
class Budget:
    """How many slow reads may also be sent to another node: a share of all reads, so that load is never doubled."""

    most: float = 64.0
    share: float = 0.1
    _left: float = field(default=64.0)

    def add(self) -> None:
        self._left = min(self.most, self._left + self.share)

    def take(self) -> bool:
        if self._left < 1:
            return False
        self._left -= 1
        return True
