"""Korean words in parts, for the oracle. The analyzer finds endings: it gives the word with its ending and without."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

Positions = tuple[frozenset[str], ...]
Tokens = Callable[[str, str], Positions]


def in_parts(at: int, pieces: list[str], subject: str, tokens: Tokens) -> bool:
    """Whether the subject has the Korean word without its ending, or the two or three words that it is made of."""
    word = pieces[at].strip(".,!?()")
    if len(pieces) > 4 or not word or not all("가" <= c <= "힣" for c in word):
        return False
    written = "".join(next(iter(place)) for place in tokens("subject", subject) if len(place) == 1)
    words = frozenset[str]().union(*tokens("subject.stems", subject))
    readings = frozenset[str]().union(*tokens("subject_stems_asked", word)) | {word}
    if any(reading != word and reading in written for reading in readings):
        return True
    made_of = (parts for reading in readings if len(reading) <= 8 for parts in _parts(reading))
    return any(
        all(part in written for part in parts)
        and any(words & frozenset[str]().union(*tokens("subject_stems_asked", part)) for part in parts)
        for parts in made_of
    )


def _parts(word: str) -> Iterator[list[str]]:
    for count in (1, 2):
        for cuts in itertools.combinations(range(1, len(word)), count):
            parts = [word[start:end] for start, end in itertools.pairwise((0, *cuts, len(word)))]
            if all(len(part) > 1 for part in parts):
                yield parts
