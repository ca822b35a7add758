"""The seed of a fault run decides its plan, whichever faults were postponed."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.plan import Planned, happen, plan

NAMES = ["a", "b", "c", "d", "e"]
ROUNDS = 15  # three decks
Drawn = tuple[float, float, int]


def what_happens(seed: int, moments: list[bool]) -> tuple[list[Planned], dict[tuple[int, str], Drawn]]:
    """The faults in the order of their first attempts, and what each did. In each moment, some cannot happen.

    A fault draws from its random generator before it knows whether it can happen.
    """
    now = itertools.cycle(moments)
    first: list[Planned] = []
    did: dict[tuple[int, str], Drawn] = {}

    def try_one(one: Planned) -> bool:
        choices = one.choices()
        drawn = one.hold, choices.random(), choices.randint(1, 3)
        if one not in first:
            first.append(one)
        if not next(now):
            return False
        did[one.deck, one.name] = drawn
        return True

    for _later in itertools.islice(happen(plan(seed, NAMES, is_long=False), try_one), ROUNDS):
        pass
    return first, did


@given(st.integers(0, 1000), st.lists(st.booleans(), min_size=1, max_size=20))
def test_the_plan_is_the_same_whatever_was_postponed(seed: int, moments: list[bool]) -> None:
    order, all_did = what_happens(seed, [True])
    assert len(all_did) == ROUNDS
    found, did = what_happens(seed, moments)
    assert found == order
    assert did.items() <= all_did.items()


def test_a_postponed_fault_happens_as_soon_as_it_can() -> None:
    tried: list[str] = []

    def try_one(one: Planned) -> bool:
        tried.append(one.name)
        return len(tried) != 1

    steps = happen(iter([Planned(1, 0, name, 1.0) for name in "abc"]), try_one)
    assert [[one.name for one in later] for later in steps] == [["a"], [], []]
    assert tried == ["a", "b", "a", "c"]


def test_seeds_decks_and_faults_differ() -> None:
    def taken(seed: int, *, is_long: bool = False) -> list[Planned]:
        return list(itertools.islice(plan(seed, NAMES, is_long=is_long), 2 * len(NAMES)))

    first = taken(1)
    assert taken(1) == first
    assert [one.name for one in taken(2)] != [one.name for one in first]
    assert [one.name for one in first[:5]] != [one.name for one in first[5:]]
    assert sorted(one.name for one in first[:5]) == NAMES
    assert len({one.choices().random() for one in first + taken(2)}) == 4 * len(NAMES)
    assert all(1.5 <= one.hold <= 3.0 for one in first)
    assert any(one.hold > 3.0 for one in taken(1, is_long=True))
