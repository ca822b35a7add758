"""Endless changes of a corpus, for machines without atheris."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence


def mutated(seeds: Sequence[bytes], words: Sequence[bytes], longest: int, seed: int | None = None) -> Iterator[bytes]:
    """The seeds themselves, then changed ones: pieces removed, repeated, replaced, exchanged with those of others."""
    yield from seeds
    rng = random.Random(seed)
    pool = list(seeds) or [b""]
    for _ in itertools.count():
        data = bytearray(rng.choice(pool))
        for _change in range(rng.choice((1, 1, 2, 4, 8))):
            _change_one(data, rng, words, pool)
        made = bytes(data[:longest])
        yield made
        if rng.random() < 0.01 and len(pool) < 5000:
            pool.append(made)


def _change_one(data: bytearray, rng: random.Random, words: Sequence[bytes], pool: Sequence[bytes]) -> None:
    at = rng.randint(0, len(data))
    end = min(len(data), at + rng.choice((1, 1, 2, 8, 64, 1000)))
    other = rng.choice(pool)
    begin = rng.randint(0, len(other))
    new = rng.choice(
        (
            b"", bytes([rng.randrange(256)]), rng.choice(words or [b"\0"]), bytes(data[at:end]) * rng.choice((2, 3, 300)),
            other[begin : begin + rng.choice((1, 8, 64, 1000))],
        )
    )  # fmt: skip
    data[at : end if rng.random() < 0.6 else at] = new
