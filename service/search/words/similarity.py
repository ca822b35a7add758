"""Measures how similar the words of subjects are to a typed one: the cost, in bits, of the changes between the two."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from service.search.words.written_words import BEFORE, BEHIND, key_of, words_of
from service.text import SPACELESS, fold_for_search, letters_of, plain_of
from service.vocabulary import parts_of

LEAST_ALIKE = 0.6
MOST_CANDIDATES = 3_000  # words of subjects
MOST_PARTS = 30_000  # of runs; most of them have too few of the letters
MOST_COMPARED = 30_000  # pairs of letters, for one word: about 25 milliseconds
MOST_LIKELY = 24
MOST_CHANGES = 2  # of a word
LETTERS_OF_A_CHANGE = 3  # a short word has one change for so many letters
CHANGE, FIRST_LETTER, SIGN = 5.0, 2.0, 1.0
# For runs in scripts without spaces. A part of the right run is in the same subjects, and must not score better.
MARK, LAST_LETTER, SHORTER, CUT_WORD, CUT_ENDING = 3.0, 2.0, 3.0, 3.0, 1.0
LEAST_SHARED = 0.5  # of the letters of a run
SHORT_RUN = 5  # letters; a run of up to so many may lack only one

_KATAKANA = re.compile("[\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f]")
_HANGUL = re.compile("[\u1100-\u11ff\uac00-\ud7a3]")

Likely = tuple[float, str]


def likely_words(typed: str, texts: Iterable[str]) -> list[Likely]:
    """The words of written texts that are like the typed one, each with its cost, the likeliest first."""
    changes, signs = _Changes(letters_in(typed)), _parts(typed)
    forms: dict[str, Counter[str]] = {}
    for one in islice((one for text in texts for one in words_of(text)), MOST_CANDIDATES):
        forms.setdefault(key_of(one), Counter())[one] += 1
    forms.pop(key_of(typed), None)
    costs = [(changes.cost_to(letters_in(key)) + (SIGN if _parts(key) != signs else 0.0), key) for key in forms]
    likely = _likeliest(costs, len(changes.typed), FIRST_LETTER)
    as_typed = _Changes(typed.lower())
    return [(cost, _form(forms[key], as_typed)) for cost, key in likely]


def _form(forms: Counter[str], typed: _Changes) -> str:
    """The written form of a word that is nearest to the typed text; of equally near ones, the most frequent."""
    return min(forms, key=lambda form: (typed.to(form) if len(forms) > 1 else 0, -forms[form], form))


def letters_in(word: str) -> str:
    """The letters of a word, folded, without the signs between them."""
    return "".join(parts_of(fold_for_search(word)))


def _parts(word: str) -> int:
    return len(parts_of(word))


def _likeliest(costs: list[Likely], letters: int, ends: float) -> list[Likely]:
    most = CHANGE * (1 - LEAST_ALIKE) * letters + ends
    return sorted(one for one in costs if one[0] <= most)[:MOST_LIKELY]


class _Changes:
    """Counts the changes between a typed text and others. The cost of all comparisons together is limited."""

    def __init__(self, typed: str) -> None:
        self.typed = typed
        self._letters = set(typed)
        self._most = (1 - LEAST_ALIKE) * len(typed) + 1
        self._left = MOST_COMPARED

    def cost_to(self, there: str) -> float:
        """The cost of another word; infinite if it needs too many changes to be the same word with mistakes."""
        made = self.to(there)
        if made > min(MOST_CHANGES, max(1, len(self.typed) // LETTERS_OF_A_CHANGE)):
            return math.inf
        return CHANGE * made + (FIRST_LETTER if self.typed[:1] != there[:1] else 0.0)

    def to(self, there: str) -> float:
        """How many letters must be inserted, left out, changed, or swapped with a neighbour. Infinite if too many."""
        of_each = (
            abs(len(self.typed) - len(there)),
            len(self._letters.difference(there)),
            len(set(there) - self._letters),
        )
        if max(of_each) > self._most or self._left < 0:
            return math.inf
        self._left -= len(self.typed) * len(there)
        earlier: list[int] = []
        before: list[int] = []
        row = list(range(len(there) + 1))
        for place, letter in enumerate(self.typed, start=1):
            earlier, before, row = before, row, [place]
            for at, other in enumerate(there, start=1):
                best = min(before[at - 1] + (letter != other), before[at] + 1, row[at - 1] + 1)
                if place > 1 and at > 1 and letter == there[at - 2] and other == self.typed[place - 2]:
                    best = min(best, earlier[at - 2] + 1)
                row.append(best)
            if min(row) > self._most:
                return math.inf
        return row[-1]


def likely_runs(typed: str, texts: Iterable[str]) -> list[Likely]:
    """The parts of written texts in a script without spaces that are like the typed run, each with its cost."""
    letters = letters_of(plain_of(typed).lower())
    changes = _Changes("".join(letters))
    cuts: dict[tuple[str, ...], float] = {}
    for found in islice((one for text in texts for one in _parts_of_runs(letters_of(text), letters)), MOST_PARTS):
        if found is not None and (found[0] in cuts or len(cuts) < MOST_CANDIDATES):
            part, cut = found
            cuts[part] = min(cut, cuts.get(part, cut))
    costs = [
        (_cost_of_run(letters, there, changes) + cut, "".join(part))
        for part, cut in cuts.items()
        if (there := [plain_of(letter) for letter in part]) != letters
    ]
    return _likeliest(costs, len(letters), FIRST_LETTER + LAST_LETTER)


def missing_letters(letters: int) -> int:
    """How many letters of a run may be missing in a subject with a similar run."""
    return 1 if letters <= SHORT_RUN else 2


def _parts_of_runs(there: list[str], typed: list[str]) -> Iterator[tuple[tuple[str, ...], float] | None]:
    """The parts of about this length that have enough of the letters, each with the cost of the words that it cuts.

    Yields None for every other part.
    """
    wanted = set(typed)
    plain = [plain_of(letter) for letter in there]
    more = missing_letters(len(typed))
    for size in range(max(2, len(typed) - more), len(typed) + more + 1):
        for start in range(len(there) - size + 1):
            part = tuple(there[start : start + size])
            has_enough = len(wanted.intersection(plain[start : start + size])) >= LEAST_SHARED * len(wanted)
            is_whole = part[0] not in BEHIND and part[-1] not in BEFORE
            is_run = has_enough and is_whole and all(map(SPACELESS.match, part))
            yield (part, _cut(there, start, start + size)) if is_run else None


def _cut(there: list[str], start: int, end: int) -> float:
    """The cost of cutting words of katakana or Hangul, whose ends are known. A Korean ending costs less."""
    cost = 0.0
    for at, of_hangul in ((start, CUT_WORD), (end, CUT_ENDING)):
        if 0 < at < len(there):
            around = there[at - 1], there[at]
            cost += (
                CUT_WORD if all(map(_KATAKANA.match, around)) else of_hangul if all(map(_HANGUL.match, around)) else 0
            )
    return cost


def _cost_of_run(typed: list[str], there: list[str], changes: _Changes) -> float:
    """The cost of the letters and marks that are not in both runs in the same order.

    Runs of equal length are compared letter by letter. Otherwise the run that begins one letter later in the subject
    would be as near, because it has nearly all letters in the same order.
    """
    if len(typed) == len(there):
        cost = sum(
            0.0 if one == other else MARK if one[0] == other[0] else CHANGE
            for one, other in zip(typed, there, strict=True)
        )
    else:
        cost = CHANGE * changes.to("".join(there))
    ends = (FIRST_LETTER if typed[0][0] != there[0][0] else 0.0) + (
        LAST_LETTER if typed[-1][0] != there[-1][0] else 0.0
    )
    return cost + ends + (SHORTER if len(there) < len(typed) else 0.0)
