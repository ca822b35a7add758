"""Which faults happen, in which order and with which parameters: by the seed alone, whatever was postponed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

SECONDS, LONG_SECONDS = (1.5, 3.0), (2.0, 10.0)


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault. Each has a random generator of its own, so that what it draws changes nothing for the others."""

    seed: int
    deck: int
    name: str
    hold: float
    """How many seconds the fault lasts, unless its kind says otherwise."""

    def choices(self) -> random.Random:
        """The random generator of the fault. A postponed fault gets the same numbers again."""
        return random.Random(f"{self.seed}/{self.deck}/{self.name}")


def plan(seed: int, kinds: Sequence[str], *, is_long: bool) -> Iterator[Planned]:
    """All kinds in random order, again and again without end."""
    for deck in itertools.count():
        names = sorted(kinds)
        random.Random(f"{seed}/{deck}").shuffle(names)
        for name in names:
            hold = random.Random(f"{seed}/{deck}/{name}/hold").uniform(*(LONG_SECONDS if is_long else SECONDS))
            yield Planned(seed, deck, name, hold)


def happen(planned: Iterator[Planned], try_one: Callable[[Planned], bool]) -> Iterator[list[Planned]]:
    """Tries one fault after the other, and after each of them one that was postponed before it.

    `try_one` returns whether the fault happened; if not, it is postponed. Yields those that are postponed now.
    """
    later: list[Planned] = []
    for one in planned:
        again = later.pop(0) if later else None
        later += [tried for tried in (one, again) if tried is not None and not try_one(tried)]
        yield later
