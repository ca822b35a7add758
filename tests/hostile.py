"""Texts that attack an analyzer: each repeats what makes a regular expression recurse, or a normalization quadratic."""

from __future__ import annotations

import sys
from collections.abc import Callable

Text = Callable[[int], str]  # the text with this number of code points


def repeated(unit: str) -> Text:
    return lambda length: (unit * (length // len(unit) + 1))[:length]


def behind(first: str, unit: str) -> Text:
    return lambda length: (first + unit * (length // len(unit) + 1))[:length]


def in_halves(first: str, one: str, other: str) -> Text:
    return lambda length: (first + one * (length // 2) + other * (length // 2 + 1))[:length]


PLAIN = repeated("lorem ipsum dolor 12 ")
REPLY_MARKS: dict[str, Text] = {
    f"repeated {unit!r}": repeated(unit)
    for unit in (
        "re:", "re : ", "Re[2]: ", "re(99) :", "re:\t", "r:", "FWD: ", "AW:", "antwort:", "回复:", "转发：", "[x] re: ", "]re:",
        "re: [a] fw: ", "]", "]  ", "re[", "re", "re ", ":", "[",
        "[fwd:", "(fwd)",
    )
} | {"spaces behind ]": behind("]", " "), "spaces behind re": behind("re", " "), "digits behind re[": behind("re[", "1")}  # fmt: skip
EMOJI: dict[str, Text] = {
    "variation selectors": behind("😀", "\ufe0f"),
    "joiners": behind("👩", "\u200d"),
    "joined": repeated("👩\u200d"),
    "families": repeated("👩\u200d👩\u200d👧\u200d👦"),
    "families without end": repeated("👨🏽\u200d❤\ufe0f\u200d"),
    "skin tones": behind("👍", "🏽"),
    "keycaps": repeated("1\ufe0f\u20e3"),
    "flags": repeated("🇩🇪"),
    "half flags": repeated("🇩"),
    "tags": repeated("🏴\U000e0067\U000e0062\U000e007f"),
    "emoji": repeated("😀"),
}
UNBROKEN: dict[str, Text] = {
    f"unbroken {unit!r}": repeated(unit)
    for unit in (
        "a", "É", "s", "ational", "y", "漢", "あ", "ア", "ー", "ｶﾞ", "한", "\u1100", "\u1161", "\u1112\u1161\u11ab", "ﾡ", "ก",
        "สวัสดี", "ກ", "က", "ក", "ក្", "क्ष", "ཀྵ", "ا", "א", "𝒜", "\U00010400", "1", "1a", "aA", "a漢", "漢1",
    )
}  # fmt: skip
COMBINING: dict[str, Text] = {
    "one mark on a letter": behind("e", "\u0301"),
    "marks to be reordered": behind("e", "\u0301\u0316"),
    "marks all to be reordered": in_halves("e", "\u0301", "\u0316"),
    "marks without a letter": repeated("\u0316\u0301\u0334\u0345"),
    "Thai marks": in_halves("ก", "\u0e49", "\u0e38"),
    "voicing marks": behind("か", "\u3099"),
    "halfwidth voicing marks to be reordered": in_halves("e", "\u0301", "\uff9e"),
    "enclosing marks": behind("a", "\u20dd"),
    "astral marks to be reordered": in_halves("e", "\u0301", "\U0001d165"),
}
EXPANDING: dict[str, Text] = {
    f"expanding {unit!r}": repeated(unit)
    for unit in ("\ufdfa", "\ufdfb", "ﬃ", "㌖", "ß", "ẞ", "İ", "\u0390", "\u1f82", "①", "½", "Ⱥ", "㍿", "\u0149")
}
INVISIBLE: dict[str, Text] = {
    f"invisible {unit!r}": repeated(unit)
    for unit in (
        "\x01\x1f\x7f\x85", "\0", "\u200f", "\u202ea", "a\u00ad", "a\u200b", "a\u200c", "\ufeff", "\ufffd", "\ufdd0", "\u2028",
        "\n", " ", "\u00a0", "\u034f", "\u180e",
    )
}  # fmt: skip
PUNCTUATED: dict[str, Text] = {
    f"punctuated {unit!r}": repeated(unit)
    for unit in ("a-", "a'", "a.", "a_", "1,", "a@b.", "-", "'", '"', "\\", "<b>", "&amp;", "(", "*", "a OR ", "from:")
}
HOSTILE: dict[str, Text] = REPLY_MARKS | EMOJI | UNBROKEN | COMBINING | EXPANDING | INVISIBLE | PUNCTUATED


def acceptable(expected: str) -> tuple[str, ...]:
    """The acceptable reasons. From Python 3.14 on, the parser reads nested texts to the end, and finds other errors."""
    is_unlimited = expected == "nested too deeply" and sys.version_info >= (3, 14)
    return (expected, "it breaks off", "bytes as JSON", "not a known field") if is_unlimited else (expected,)
