"""The seeds and findings of the fuzzing, and a few mutations of each. scripts/fuzz continues from them."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.fuzz.__main__ import LONGEST_BYTES
from tests.fuzz.corpus import seeds, words
from tests.fuzz.mutation import mutated
from tests.fuzz.targets import TARGETS

CHANGES = {"mail": 20, "sms": 20, "archives": 40}


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_makes_a_target_fail(name: str) -> None:
    start = seeds(name)
    assert start
    assert words(name)
    inputs = mutated(start, words(name), LONGEST_BYTES, seed=18)
    for data in itertools.islice(inputs, len(start) + CHANGES.get(name, 100)):
        TARGETS[name](data)
    for data in (b"", b"\0", b"\xff" * 300):
        TARGETS[name](data)


def test_ci_fuzzes_for_two_minutes_with_the_same_seed() -> None:
    workflow = (Path(__file__).parents[1] / ".github/workflows/ci.yml").read_text("utf-8")
    assert "- run: scripts/fuzz --minutes 2 --seed 18\n" in workflow
