"""Grapheme clusters, compared with those of ICU's C++ library, which shares no code with the service."""

from __future__ import annotations

import random

from icu4py.breakers import CharacterBreaker

from service.search.words.clusters import whole_clusters

PIECES = (
    "👩\u200d👩\u200d👧", "👍🏽", "🇩🇪🇫🇷", "🇩", "1\ufe0f\u20e3", "e\u0301\u0316", "क्षत्रिय", "क्\u200dष", "ন্ত্রী", "ക്ഷ", "தமிழ்", "ಕ್ಷ",
    "น้ำ", "한국", "\u1112\u1161\u11ab", "👨🏽\u200d⚕\ufe0f", "🏴\U000e0067\U000e0062\U000e007f", "a\u200db", "❤\ufe0f\u200d🔥", "ｶﾞ",
    "x ", "!",
)  # fmt: skip


def test_a_range_is_extended_to_whole_clusters() -> None:
    rng = random.Random(17)
    for _round in range(500):
        text = "".join(rng.choice(PIECES) for _place in range(3))
        ends = [0]
        for cluster in CharacterBreaker(text, "en"):
            ends.append(ends[-1] + len(cluster))
        for start in range(len(text)):
            end = rng.randint(start + 1, len(text))
            whole = (max(one for one in ends if one <= start), min(one for one in ends if one >= end))
            assert whole_clusters(text, start, end) == whole, (text, start, end)
