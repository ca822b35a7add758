"""Finds the writer's own text: without quotes, attributions such as "On Monday, Ada wrote:", signatures and footers.

Attributions are recognized in many languages, and by what they have in common: they end in a colon, contain a time or
an address, and are followed by a quote.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from service.sources.encoded_words import cleaned
from service.sources.prompts import run_of_prompts
from service.sources.quote_words import FIELD, MARKERS, OPENERS, SENT_FROM, VERBS
from service.text import fold

SNIPPET_CHARACTERS = 200
ENOUGH_CHARACTERS = 600  # of own text that are collected, so that an attribution after the snippet is still found
LINES = 5_000  # of a text that are examined
LINE_CHARACTERS = 2_000  # of a line that are examined
MOST_LINES = 5  # that an attribution may span

_QUOTE = re.compile(r"[ ]?[>|｜＞]|[A-Za-z]{1,4}>")
_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\u00ad\u034f"
_NO_INVISIBLE = str.maketrans("", "", _INVISIBLE)
_VERB_AND_COLON = re.compile(rf"(?:{VERBS})(?:.{{0,200}}?[:：]|\s*[:：]?)\s*$", re.IGNORECASE)
_CLOSING = re.compile(r">\s?[:：]$")  # the end of an attribution that was cut inside <…>
_OLD = re.compile(r"(?:wrote|writes):$")
_TIME = re.compile(r"\d{1,2}[:.h]\d\d|\b(?:19|20)\d\d\b|\d{1,2}[./]\d{1,2}[./]\d{2}")
_ADDRESS_AND_COLON = re.compile(r"\d.*<[^<>\s]+@[^<>\s]+>\s*[:：]$")
_COULD_BE = re.compile(r"[\d@]|(?:wrote|writes):$")
_OPENER = re.compile(rf"(?:{OPENERS})\b|\W*\d|[^\W\d_]{{2,4}}[.,]", re.IGNORECASE)
_RULE = re.compile(r"_{10,}$|[-=*]{30,}$")
_DASHES = re.compile(r"[-_=*\s]{2,}(.*?)[-_=*:\s]*$")
_FIELD = re.compile(rf"[*_>\s]*(?:{FIELD})[*_]*\s?[:：]", re.IGNORECASE)
_FIELD_LIKE = re.compile(r"[*_\s]*[^\W\d_][\w .'-]{0,24}[*_]*\s?[:：]")
_SENT_FROM = re.compile(SENT_FROM, re.IGNORECASE)
_REPLY_ABOVE = re.compile(
    r"[#=*-]*\s*(?:please )?(?:type your reply|reply|write) above this line\b.{0,40}$", re.IGNORECASE
)
_ARMOR = re.compile(r"-----BEGIN PGP (SIGNED MESSAGE|SIGNATURE|MESSAGE|PUBLIC KEY BLOCK)-----")
_UUENCODED = re.compile(r"begin(?:-base64)? [0-7]{3,4} \S")


def snippet(text: str) -> str | None:
    """The first SNIPPET_CHARACTERS of the writer's own text, else those of a forwarded message, else None."""
    if not text.isascii():
        text = text.translate(_NO_INVISIBLE)
    lines = [line[:LINE_CHARACTERS] for line in text.splitlines()[:LINES]]
    own, end = _own(lines)
    if not own and end is not None:
        own, _end = _own(_forwarded(lines[end:]))
    words = cleaned(" ".join(own))
    return words[:SNIPPET_CHARACTERS].rstrip() or None


def joined(text: str) -> str:
    """Text in format=flowed with DelSp=yes (RFC 3676): the space at a soft line end is not part of the text."""
    return re.sub(r"(?<!-) \r?\n(?!>)", "", text)


def _own(lines: Sequence[str]) -> tuple[list[str], int | None]:  # noqa: PLR0912 - one pass over the lines, for speed
    """The writer's own lines, and the line at which a forwarded message ended them, or None."""
    own: list[str] = []
    length = paragraph = 0  # `paragraph` is where the last paragraph begins in `own`
    run_end, is_typed, has_attribution = 0, False, False  # of the last run of lines that begin with ">"
    for number, line in enumerate(lines):
        plain = line.strip()
        if not plain:
            paragraph = len(own)
            continue
        if has_attribution and line[0] == ">" and len(plain) > 3:
            paragraph = len(own)
            continue
        if (line[0] == ">" or _is_quoted(line)) and not (plain[-1] in ":：" and _CLOSING.match(plain)):
            if number >= run_end and not has_attribution and line[0] == ">":
                run_end, is_typed = run_of_prompts(lines, number)
            if has_attribution or not is_typed or number >= run_end:
                paragraph = len(own)
                continue
        if plain[0] in "-_=*" or plain[-1] in ":：" or plain[0] in "Bb":
            if plain in {"--", "- --"} or (own and _RULE.match(plain)) or _UUENCODED.match(plain):
                break
            if _is_armor(plain):
                if "SIGNED" not in plain:
                    break
                continue
        if number and plain.startswith("Hash: ") and _is_armor(lines[number - 1]):
            continue
        if (plain[0] in "-_=*" or ":" in plain or "：" in plain) and _begins_original(lines, number):
            return own, number
        if plain[-1] in ":：" or "wr" in plain[-10:] or not plain.isascii():
            taken = _attribution(own[paragraph:], plain, lines[number + 1 : number + 4])
            if taken:
                del own[len(own) - taken + 1 :]
                paragraph, has_attribution = len(own), True
                continue
        if _SENT_FROM.match(plain) or (plain[0] in "#-=*Pp" and _REPLY_ABOVE.match(plain)):
            continue
        own.append(plain)
        length += len(plain)
        if length > ENOUGH_CHARACTERS:
            break
    return own, None


def _is_quoted(line: str) -> bool:
    return (line[:1] in "> |｜＞" or line.find(">", 1, 5) >= 0) and _QUOTE.match(line) is not None


def _is_armor(line: str) -> bool:
    return line.startswith("-----BEGIN PGP") and _ARMOR.match(line) is not None


def _attribution(before: Sequence[str], line: str, after: Sequence[str]) -> int:
    """The number of lines in the attribution that ends with this line; 0 if none does."""
    follower = next((one for one in after if one.strip()), "")
    is_quote_next = _is_quoted(follower)
    if line[-1] not in ":：" and not is_quote_next:
        return 0
    earlier = list(before[-(MOST_LINES - 1) :])
    if not is_quote_next and not _COULD_BE.search(" ".join([*earlier, line])):
        return 0
    for count in range(len(earlier) + 1):
        candidate = " ".join([*earlier[len(earlier) - count :], line])
        first = earlier[len(earlier) - count] if count else line
        if count < len(earlier) and candidate.count(">") > candidate.count("<"):
            continue  # the "<" is in an earlier line
        if _is_attribution(candidate, is_quote_next=is_quote_next) and (
            _OPENER.match(first) or count == len(earlier) or (count == 0 and _stands_alone(line))
        ):
            return count + 1
    return 1 if _OLD.search(line) else 0


def _stands_alone(line: str) -> bool:
    """Whether the line alone is a whole attribution, so that the line before it does not belong to it."""
    is_whole = line.count("<") == line.count(">") and " " in line
    return is_whole and (_TIME.search(line) is not None or _OLD.search(line) is not None)


def _is_attribution(text: str, *, is_quote_next: bool) -> bool:
    has_source = "@" in text or _TIME.search(text) is not None
    if is_quote_next:
        return (has_source and text[-1] in ":：") or _VERB_AND_COLON.search(text) is not None
    if not has_source:
        return _OLD.search(text) is not None
    return _VERB_AND_COLON.search(text) is not None or _ADDRESS_AND_COLON.search(text) is not None


def _begins_original(lines: Sequence[str], number: int) -> bool:
    """Whether a copy of another message begins here: at a line such as "--- Original Message ---", or at headers."""
    line = lines[number].strip()
    if line[0] in "-_=*" and (dashes := _DASHES.match(line)) is not None:
        words = dashes[1].strip(" :")
        if words and (fold(words) in MARKERS or (line[0] == "-" and _is_attribution(words, is_quote_next=False))):
            return True
        follower = next((one for one in lines[number + 1 : number + 4] if one.strip()), "")
        return (
            not (line.startswith("-----BEGIN"))
            and len(line) > 4
            and _FIELD.match(follower) is not None
            and _has_fields(lines[number + 1 : number + 8])
        )
    if _FIELD.match(line):
        return _has_fields(lines[number : number + 6])
    return line[-1] in ":：" and fold(line.strip(" :：")) in MARKERS


def _has_fields(lines: Sequence[str]) -> bool:
    """Whether at least three lines look like headers, as programs write them over a copied message."""
    return sum(_FIELD_LIKE.match(line) is not None for line in lines) >= 3


def _forwarded(lines: Sequence[str]) -> Sequence[str]:
    """The text of a forwarded message, without its marker and its headers."""
    begin = 1 if not _FIELD.match(lines[0].strip()) else 0
    has_begun = False
    for number, line in enumerate(lines[begin : begin + 40], start=begin):
        if not line.strip():
            if has_begun:
                return lines[number:]
        else:
            has_begun = True
            if not _FIELD_LIKE.match(line) and not line[0].isspace():
                return lines[number:]
    return ()
