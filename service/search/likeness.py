"""How like a typed word the words of subjects are: what the changes between the two cost, in bits."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import islice

from service.search.written_words import BEFORE, BEHIND, key_of, words_of
from service.text import SPACELESS, plain_of
from service.vocabulary import comparable, parts_of

LONGEST = 50  # letters of a word that is corrected
LEAST_ALIKE = 0.6
MOST_CANDIDATES = 1_000  # a comparison takes about 20 microseconds
MOST_LIKELY = 24
CHANGE, FIRST_LETTER, SIGN = 5.0, 2.0, 1.0
# Of runs in scripts without spaces: a part of the right run is in the same subjects, and must not be better than it.
MARK, LAST_LETTER, SHORTER, CUT_WORD, CUT_ENDING = 3.0, 2.0, 3.0, 3.0, 1.0
LEAST_SHARED = 0.5  # of the letters of a run
SHORT_RUN = 5  # letters of runs that lack at most one

_KATAKANA = re.compile("[\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f]")
_HANGUL = re.compile("[\u1100-\u11ff\uac00-\ud7a3]")
_VOICING = "\uff9e\uff9f"

Likely = tuple[float, str]


def likely_words(typed: str, texts: Iterable[str]) -> list[Likely]:
    """The words of written texts that are like the typed one, each with its cost, the likeliest first."""
    letters, signs, key = letters_in(typed), _parts(typed), key_of(typed)
    candidates = (one for text in texts for one in words_of(text) if len(one) <= LONGEST)
    costs = [
        (_cost(letters, letters_in(one)) + (SIGN if _parts(one) != signs else 0.0), one)
        for one in islice(dict.fromkeys(candidates), MOST_CANDIDATES)
        if key_of(one) != key
    ]
    return _likeliest(costs, len(letters), FIRST_LETTER)


def letters_in(word: str) -> str:
    """The letters of a word, folded, without the signs between them."""
    return "".join(parts_of(comparable(word)))


def _parts(word: str) -> int:
    return len(parts_of(word))


def _likeliest(costs: list[Likely], letters: int, ends: float) -> list[Likely]:
    most = CHANGE * (1 - LEAST_ALIKE) * letters + ends
    return sorted(one for one in costs if one[0] <= most)[:MOST_LIKELY]


def _cost(typed: Sequence[str], candidate: Sequence[str]) -> float:
    """By the letters that are not in both words in the same order."""
    changes = max(len(typed), len(candidate)) - _in_order(typed, candidate)
    return CHANGE * changes + (FIRST_LETTER if typed[:1] != candidate[:1] else 0.0)


def _in_order(typed: Sequence[str], candidate: Sequence[str]) -> int:
    blocks = SequenceMatcher(None, typed, candidate, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks)


def likely_runs(typed: str, texts: Iterable[str]) -> list[Likely]:
    """The parts of written texts in a script without spaces that are like the typed run, each with its cost."""
    letters = letters_of(plain_of(typed).lower())
    cuts: dict[tuple[str, ...], float] = {}
    for part, cut in (one for text in texts for one in _parts_of_runs(letters_of(text), letters)):
        if part not in cuts and len(cuts) == MOST_CANDIDATES:
            break
        cuts[part] = min(cut, cuts.get(part, cut))
    costs = [
        (_cost_of_run(letters, there) + cut, "".join(part))
        for part, cut in cuts.items()
        if (there := [plain_of(letter) for letter in part]) != letters
    ]
    return _likeliest(costs, len(letters), FIRST_LETTER + LAST_LETTER)


def missing_letters(letters: int) -> int:
    """How many letters of a run may be missing in a subject that has a run like it."""
    return 1 if letters <= SHORT_RUN else 2


def _parts_of_runs(there: list[str], typed: list[str]) -> Iterator[tuple[tuple[str, ...], float]]:
    """The parts of about this length with enough of the letters, each with the cost of the words that it cuts."""
    wanted = set(typed)
    plain = [plain_of(letter) for letter in there]
    more = missing_letters(len(typed))
    for size in range(max(2, len(typed) - more), len(typed) + more + 1):
        for start in range(len(there) - size + 1):
            if len(wanted.intersection(plain[start : start + size])) < LEAST_SHARED * len(wanted):
                continue
            part = tuple(there[start : start + size])
            if all(map(SPACELESS.match, part)) and part[0] not in BEHIND and part[-1] not in BEFORE:
                yield part, _cut(there, start, start + size)


def _cut(there: list[str], start: int, end: int) -> float:
    """The cost of cutting a word of katakana or Hangul, whose ends are known. A Korean word may lose an ending."""
    cost = 0.0
    for at, of_hangul in ((start, CUT_WORD), (end, CUT_ENDING)):
        if 0 < at < len(there):
            around = there[at - 1], there[at]
            cost += (
                CUT_WORD if all(map(_KATAKANA.match, around)) else of_hangul if all(map(_HANGUL.match, around)) else 0
            )
    return cost


def _cost_of_run(typed: list[str], there: list[str]) -> float:
    """By the letters and marks that are not in both runs in the same order.

    A run of as many letters has other letters in their places: the run that begins one letter later in the subject
    would have nearly all of them in the same order.
    """
    if len(typed) == len(there):
        changes = sum(
            0.0 if one == other else MARK if one[0] == other[0] else CHANGE
            for one, other in zip(typed, there, strict=True)
        )
    else:
        one, other = "".join(typed), "".join(there)
        changes = CHANGE * (max(len(one), len(other)) - _in_order(one, other))
    ends = (FIRST_LETTER if typed[0][0] != there[0][0] else 0.0) + (
        LAST_LETTER if typed[-1][0] != there[-1][0] else 0.0
    )
    return changes + ends + (SHORTER if len(there) < len(typed) else 0.0)


def letters_of(text: str) -> list[str]:
    """The letters with their marks, as the mapping's tokenizer `runs` cuts a script without spaces."""
    letters: list[str] = []
    for character in text:
        if letters and (unicodedata.category(character)[0] == "M" or character in _VOICING):
            letters[-1] += character
        else:
            letters.append(character)
    return letters
