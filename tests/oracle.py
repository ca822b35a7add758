"""What the answer should be, by brute force in plain Python. Shares no code with service/search.

The order of the subject is written out anew here from the contract: NFKD, combining marks dropped, case-folded, 1 000
characters, by code point.
"""

from __future__ import annotations

import csv
import dataclasses
import itertools
import re
import string
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from service.conversation import Conversation
from tests import oracle_codes, oracle_korean
from tests.field_values import value_in
from tests.oracle_mistakes import is_mistyped_code, is_near

Positions = tuple[frozenset[str], ...]  # the tokens at each position of a text
Tokens = Callable[[str, str], Positions]  # called with a field and a text: the analyzer's tokens, in their order

EXACT, STEMS, VARIANTS = "subject", "subject.stems", "subject.variants"
# The analyzers of the typed text.
EXACT_ASKED, STEMS_ASKED, JOINED_ASKED = EXACT, "subject_stems_asked", "subject_joined_asked"
SPACELESS_SCRIPTS = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "LAO", "KHMER", "MYANMAR")
ELIDED = re.compile("c|d|j|l|m|n|s|t|v|qu|jusqu|lorsqu|puisqu|quoiqu|un|gl|all|dall|dell|nell|coll|sull|quell")
REPLY_MARKS = ("re", "fwd", "aw", "sv", "回复")  # of all that there are, those that the tests use


@dataclass(frozen=True)
class Request:
    """A request in plain values, as the query string will carry them."""

    organization: str
    filters: dict[str, str] = field(default_factory=dict)
    categories: tuple[str, ...] = ()
    search: str | None = None
    match: str = "words"
    conditions: tuple[tuple[str, str], ...] = ()
    sort: str = "-updated_on"
    page: int = 1
    per_page: int = 25


def matching(request: Request, conversations: list[Conversation], tokens: Tokens) -> list[Conversation]:
    """All that match, in order."""
    request = settled(request, conversations, tokens)
    found = [conversation for conversation in conversations if _matches(request, conversation, tokens)]
    return ordered(found, request.sort)


def settled(request: Request, conversations: list[Conversation], tokens: Tokens) -> Request:
    """The request with `match=auto` resolved: all words, or any of them if no conversation has all."""
    if request.search is None or request.match != "auto":
        return request
    strict = dataclasses.replace(request, match="words")
    is_found = any(_matches(strict, conversation, tokens) for conversation in conversations)
    return strict if is_found else dataclasses.replace(request, match="any")


def matched(request: Request, conversations: list[Conversation], tokens: Tokens) -> dict[str, str]:
    """The part of the answer that reports how `match=auto` was resolved."""
    if request.search is None or request.match != "auto":
        return {}
    return {"matched": "any" if settled(request, conversations, tokens).match == "any" else "all"}


def ordered(conversations: list[Conversation], sort: str) -> list[Conversation]:
    """Sorted by the keys, missing values always last; ties by -updated_on, then by the text of the uid."""
    found = sorted(conversations, key=lambda conversation: str(conversation.uid))
    found.sort(key=lambda conversation: conversation.updated_on, reverse=True)
    for key in reversed(sort.split(",")):
        name, descending = key.removeprefix("-"), key.startswith("-")
        present = [conversation for conversation in found if _key(conversation, name) is not None]
        missing = [conversation for conversation in found if _key(conversation, name) is None]
        present.sort(key=lambda conversation: _key(conversation, name), reverse=descending)
        found = present + missing
    return found


def answer(request: Request, conversations: list[Conversation], tokens: Tokens) -> dict[str, Any]:
    """The whole body of the answer."""
    found = matching(request, conversations, tokens)
    start = (request.page - 1) * request.per_page
    return {
        "status": "success",
        "data": {
            "items": [item(conversation) for conversation in found[start : start + request.per_page]],
            "pagination": {
                "page": request.page,
                "per_page": request.per_page,
                "total": len(found),
                "total_pages": (len(found) + request.per_page - 1) // request.per_page,
            },
            **matched(request, conversations, tokens),
        },
    }


def item(conversation: Conversation) -> dict[str, Any]:
    """The item of the contract, written out field by field."""
    given = conversation.metadata
    return {
        "uid": str(conversation.uid),
        "organization_uid": str(conversation.organization_uid),
        "channel": conversation.channel,
        "direction": conversation.direction,
        "status": conversation.status,
        "subject": conversation.subject,
        "categories": conversation.categories,
        "sent_at": _time(conversation.sent_at),
        "is_read": conversation.is_read,
        "has_reply": conversation.has_reply,
        "message_count": conversation.message_count,
        "metadata": {
            "from_email": given.from_email,
            "from_name": given.from_name,
            "to_emails": given.to_emails,
            "cc_emails": given.cc_emails,
            "snippet": given.snippet,
            "labels": given.labels,
            "provider_message_id": given.provider_message_id,
            "thread_id": given.thread_id,
            "has_attachments": given.has_attachments,
            "attachment_count": given.attachment_count,
            "history_id": given.history_id,
        },
        "agent_uid": _text(conversation.agent_uid),
        "party_uid": _text(conversation.party_uid),
        "created_by_uid": _text(conversation.created_by_uid),
        "parent_conversation_uid": _text(conversation.parent_conversation_uid),
        "created_on": _time(conversation.created_on),
        "updated_on": _time(conversation.updated_on),
    }


def _matches(request: Request, conversation: Conversation, tokens: Tokens) -> bool:
    if str(conversation.organization_uid) != request.organization:
        return False
    for name, value in request.filters.items():
        own = getattr(conversation, name)
        own = {True: "true", False: "false"}.get(own, str(own)) if own is not None else None
        if own not in value.split(","):
            return False
    if request.categories and not set(request.categories) & set(conversation.categories):
        return False
    if not all(condition_holds(name, value, conversation) for name, value in request.conditions):
        return False
    return request.search is None or found_by(request.search, request.match, conversation.subject, tokens)


def found_by(text: str, match: str, subject: str | None, tokens: Tokens) -> bool:
    """Whether the subject is found by the text, as docs/search.md says."""
    if subject is None:
        return False
    pieces = _pieces(text)
    if not pieces:
        return False
    if match == "exact":
        return _whole(subject, tokens) == _whole(text, tokens) and len(subject) <= 10_000
    if match == "phrase":
        return _holds(tokens(EXACT, subject), tokens(EXACT_ASKED, text))
    if match == "any":
        return any(
            _found_in_part(piece, subject, tokens) or _in_other_words(at, pieces, subject, tokens)
            for at, piece in enumerate(pieces)
        )
    last = {"words": _found_in_any_form, "prefix": _found_begun, "fuzzy": _found_mistyped}[match]
    before = _found_mistyped if match == "fuzzy" else _found_in_any_form
    found = [before(piece, subject, tokens) for piece in pieces[:-1]] + [last(pieces[-1], subject, tokens)]
    return all(one or _in_other_words(at, pieces, subject, tokens) for at, one in enumerate(found))


def _in_other_words(at: int, pieces: list[str], subject: str, tokens: Tokens) -> bool:
    """Whether the subject joins the piece with its neighbour in one word, or divides it into two words."""
    there = ["".join(place) for place in tokens(EXACT_ASKED, subject)]
    if len(pieces) <= 4 and len(word := _letters(pieces[at])) <= 16:
        halves = {one + other for one, other in itertools.pairwise(there) if _are_halves(one, other)}
        if word and folded(word) in halves:
            return True
    if oracle_codes.in_other_groups(at, pieces, subject) or oracle_korean.in_parts(at, pieces, subject, tokens):
        return True
    if len(pieces) > 8:
        return False
    pairs = [pieces[one : one + 2] for one in (at - 1, at) if one >= 0]
    words = [folded("".join(map(_letters, pair))) for pair in pairs if len(pair) == 2 and all(map(_letters, pair))]
    return any(word in there for word in words)


def _are_halves(one: str, other: str) -> bool:
    """Whether they may be one word. Only the first may be a single letter, but none that is often a word."""
    return len(other) > 1 and (len(one) > 1 or (one in "bcdefghijklmnpqrstuvx" and len(other) > 2))


def _letters(piece: str) -> str:
    word = piece.strip(string.punctuation)
    return word if word.isalpha() and not is_spaceless(word) else ""


def folded(word: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c)).casefold()


def _pieces(text: str) -> list[str]:
    """The parts between spaces, without reply marks, and without those that have no letter, number or symbol."""
    words = oracle_codes.plain(oracle_codes.owned(text)).split()
    marks = {"(fwd)", "[fwd:", *(f"{mark}:" for mark in REPLY_MARKS)}
    words = [word for word in words if word.lower() not in marks and any(_kind(c) for c in word)]
    return [word for word in words if not _is_sign(word)] or words


def _found_in_any_form(piece: str, subject: str, tokens: Tokens) -> bool:
    there = tokens(EXACT, subject)
    if not all(_holds(there, tokens(EXACT_ASKED, character)) for character in filter(_is_pictograph, piece)):
        return False
    if not any(unicodedata.category(c)[0] in "LN" and not _is_pictograph(c) for c in piece):
        return _holds(there, tokens(EXACT_ASKED, piece))
    wanted, stems = tokens(STEMS_ASKED, piece), tokens(STEMS, subject)
    if is_spaceless(piece):
        by_words = bool(wanted) and all(any(one & place for place in stems) for one in wanted)
        in_variants = _is_east_asian(piece) and _holds(tokens(VARIANTS, subject), tokens(VARIANTS, piece))
        return by_words or in_variants or _holds(there, tokens(EXACT, piece))
    if number := re.fullmatch(r"\W*([1-9]\d{0,2}(?:[.,'’]\d{3})+|[1-9]\d{3,14})(?:[.,](\d{1,2}))?\W*", piece):
        digits = "".join(filter(str.isdecimal, number[1]))
        other = f"{int(digits):,}".replace(",", " ") if digits == number[1] else digits
        if _holds(there, tokens(EXACT_ASKED, f"{other} {number[2] or ''}")):
            return True
    if re.fullmatch(r"\W*\d{1,4}\W*", piece):
        return _holds(there, tokens(EXACT_ASKED, piece))
    digits = "".join(filter(str.isdecimal, piece)) if re.fullmatch(r"\W*(\d[.,/-]?){7,}\W*", piece) else ""
    joined = "".join(_in_one_word(piece)) or digits
    article, _mark, rest = piece.strip(string.punctuation).replace("’", "'").partition("'")
    behind = rest if ELIDED.fullmatch(article.lower()) and len(rest) > 2 and rest.isalpha() else ""
    ways = [tokens(how, way) for how, way in ((JOINED_ASKED, joined), (STEMS_ASKED, behind)) if way]
    return any(_holds(stems, way) for way in (wanted, *ways))


def _found_in_part(piece: str, subject: str, tokens: Tokens) -> bool:
    stems = tokens(STEMS, subject)
    in_parts = is_spaceless(piece) and any(one & place for one in tokens(STEMS_ASKED, piece) for place in stems)
    return in_parts or _found_in_any_form(piece, subject, tokens)


def _found_begun(piece: str, subject: str, tokens: Tokens) -> bool:
    if _found_in_any_form(piece, subject, tokens) or oracle_codes.begins_number(piece, subject):
        return True
    if _may_lack_marks(piece[-1]):
        return _decomposed(piece) in _decomposed(subject)
    *whole, begun = tokens(EXACT_ASKED, piece)
    if is_spaceless(piece[-1]):
        return False
    if not whole:
        there = [*map(_only, tokens(EXACT_ASKED, subject)), *_in_one_word(subject), *oracle_codes.numbers_in(subject)]
        return any(one.startswith(_only(begun)) for one in there)
    in_pieces = [tokens(EXACT_ASKED, f"x {one}")[1:] for one in unicodedata.normalize("NFKC", subject).split()]
    return any(
        all(one & there[at + step] for step, one in enumerate(whole))
        and any(token.startswith(_only(begun)) for token in there[at + len(whole)])
        for there in in_pieces
        for at in range(len(there) - len(whole))
    )


def _found_mistyped(piece: str, subject: str, tokens: Tokens) -> bool:
    if _found_in_any_form(piece, subject, tokens):
        return True
    if is_spaceless(piece) or any(c.isdigit() for c in piece):
        return not is_spaceless(piece) and is_mistyped_code(oracle_codes.plain(piece), oracle_codes.plain(subject))
    there = {*map(_only, tokens(EXACT_ASKED, subject)), *_in_one_word(subject)}
    ways = [list(map(_only, tokens(EXACT_ASKED, piece))), _in_one_word(piece)]
    return any(way and all(any(is_near(one, other) for other in there) for one in way) for way in ways)


def _in_one_word(text: str) -> list[str]:
    """The words of the text that have hyphens, apostrophes, dots and the like within them, without these."""
    pieces = [piece for piece in oracle_codes.plain(text).split() if not is_spaceless(piece)]
    found = [re.fullmatch(oracle_codes.IN_PARTS, piece) for piece in pieces]
    return [folded(re.sub(r"[\W_ʼ]", "", one[1])) for one in found if one]


def _holds(there: Positions, wanted: Positions) -> bool:
    """Whether the tokens are in `there` at consecutive positions. False if there are no tokens to find."""
    starts = range(len(there) - len(wanted) + 1) if wanted else ()
    return any(all(one & there[at + step] for step, one in enumerate(wanted)) for at in starts)


def _only(place: frozenset[str]) -> str:
    (token,) = place
    return token


def _whole(text: str, tokens: Tokens) -> Positions:
    return tokens("subject.whole", text)


def is_spaceless(text: str) -> bool:
    return any(unicodedata.name(c, "").startswith(SPACELESS_SCRIPTS) for c in text)


def _may_lack_marks(character: str) -> bool:
    return unicodedata.name(character, "").startswith(("HANGUL", "THAI", "LAO", "KHMER", "MYANMAR"))


def _decomposed(text: str) -> str:
    """Single letters and marks. Hangul consonants are equal at both ends of a syllable, and double ones are split."""
    parts = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text)).casefold()
    named = [(part, unicodedata.name(part, part)) for part in parts]
    return "".join(_sound(name) if name.startswith("HANGUL") else part for part, name in named)


def _sound(name: str) -> str:
    """The consonants or vowels in the name of a jamo, as it is typed."""
    kind, sound = name.split(" ")[1:]
    if kind == "JUNGSEONG":
        vowels = {"WA": "O A", "WAE": "O AE", "OE": "O I", "WEO": "U EO", "WE": "U E", "WI": "U I", "YI": "EU I"}
        return f"<{vowels.get(sound, sound).replace(' ', '><')}>"
    return "".join(f"<{one}>" for one in sound.split("-"))


def _is_east_asian(text: str) -> bool:
    return all(unicodedata.name(c, "").startswith(("CJK", "HIRAGANA", "KATAKANA")) for c in text)


def _kind(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LNS" or category == "Cn" or character in "§¶†‡‰‱"


def _is_sign(piece: str) -> bool:
    return piece.isascii() and not any(c.isalnum() for c in piece)


def _is_pictograph(character: str) -> bool:
    return unicodedata.category(character) in ("So", "Cn", "No")  # in NFKC: numerals that are no digits


def condition_holds(name: str, value: str, conversation: Conversation) -> bool:
    """Whether the conversation meets a condition, given as a parameter of the query string."""
    field, sign = (name[:-1], "!") if name.endswith("!") else (name.partition("[")[0], name.partition("[")[2][:-1])
    own = own_values(field, conversation)
    if sign in ("gte", "gt", "lte", "lt"):
        bounded = value_in(conversation, field)
        return bounded is not None and _compares(bounded, sign, value)
    if value == "none":
        return not own
    if value == "any":
        return bool(own)
    values = next(csv.reader([value]))
    if field == "from_email":
        values = [one.lower() for one in values]
    return bool(set(values) & own) != (sign in ("!", "nin"))


def own_values(field: str, conversation: Conversation) -> set[str]:
    """The values of a field as texts. Empty if it has none."""
    found = value_in(conversation, field)
    listed = found if isinstance(found, list) else [] if found is None else [found]
    return {str(one).lower() if isinstance(one, bool) or field == "from_email" else str(one) for one in listed}


def _compares(when: datetime | int, sign: str, value: str) -> bool:
    """Compares numbers or times. A value that is a date means the whole day in UTC."""
    if isinstance(when, int):
        number = int(value)
        return {"gte": when >= number, "gt": when > number, "lte": when <= number, "lt": when < number}[sign]
    if len(value) == len("2024-01-01"):
        day, at = date.fromisoformat(value), when.date()
        return {"gte": at >= day, "gt": at > day, "lte": at <= day, "lt": at < day}[sign]
    moment = datetime.fromisoformat(value)
    return {"gte": when >= moment, "gt": when > moment, "lte": when <= moment, "lt": when < moment}[sign]


def _key(conversation: Conversation, name: str) -> Any:
    value = value_in(conversation, name)
    if name != "subject" or value is None:
        return value
    decomposed = unicodedata.normalize("NFKD", value)
    return "".join(c for c in decomposed if unicodedata.combining(c) == 0).casefold()[:1000]


def _time(value: datetime | None) -> str | None:
    if value is None:
        return None
    return f"{value.year:04}-{value:%m-%dT%H:%M:%S}.{value.microsecond // 1000:03}Z"


def _text(value: object) -> str | None:
    return None if value is None else str(value)
