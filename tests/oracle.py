"""What the answer should be, by brute force in plain Python. Shares no code with service/search.

The order of the subject is written out anew here from the contract: NFKD, combining marks dropped, case-folded, 1 000
characters, by code point.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from service.conversation import Conversation

Tokens = Callable[[str, str], tuple[str, ...]]  # of a field and a text: the analyzer's own tokens, in their order

EXACT, STEMS = "subject", "subject.english"
SPACELESS_SCRIPTS = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "LAO", "KHMER", "MYANMAR")
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
    """The request with what `match=auto` comes to: all words, or any of them where nothing has all."""
    if request.search is None or request.match != "auto":
        return request
    strict = dataclasses.replace(request, match="words")
    is_found = any(_matches(strict, conversation, tokens) for conversation in conversations)
    return strict if is_found else dataclasses.replace(request, match="any")


def matched(request: Request, conversations: list[Conversation], tokens: Tokens) -> dict[str, str]:
    """What the answer says of `match=auto`."""
    if request.search is None or request.match != "auto":
        return {}
    return {"matched": "any" if settled(request, conversations, tokens).match == "any" else "all"}


def ordered(conversations: list[Conversation], sort: str) -> list[Conversation]:
    """By the keys, missing values last either way; ties by -updated_on, then by the text of the uid."""
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
        return _holds(tokens(EXACT, subject), tokens(EXACT, text)) and bool(tokens(EXACT, text))
    if match == "any":
        return any(_found_in_part(piece, subject, tokens) for piece in pieces)
    last = {"words": _found_in_any_form, "prefix": _found_begun, "fuzzy": _found_mistyped}[match]
    before = _found_mistyped if match == "fuzzy" else _found_in_any_form
    return all(before(piece, subject, tokens) for piece in pieces[:-1]) and last(pieces[-1], subject, tokens)


def _pieces(text: str) -> list[str]:
    """Between spaces, where a reply's mark and what holds neither letter, number nor symbol are nothing."""
    words = unicodedata.normalize("NFKC", text).split()
    marks = {f"{mark}:" for mark in REPLY_MARKS}
    return [word for word in words if word.lower() not in marks and any(_kind(c) for c in word)]


def _found_in_any_form(piece: str, subject: str, tokens: Tokens) -> bool:
    if _is_spaceless(piece):
        dictionary = tokens(STEMS, piece)
        by_words = set(dictionary) <= set(tokens(STEMS, subject)) and bool(dictionary)
        return by_words or _holds(tokens(EXACT, subject), tokens(EXACT, piece))
    return _holds(tokens(STEMS, subject), tokens(STEMS, piece))


def _found_in_part(piece: str, subject: str, tokens: Tokens) -> bool:
    in_parts = _is_spaceless(piece) and not set(tokens(STEMS, piece)).isdisjoint(tokens(STEMS, subject))
    return in_parts or _found_in_any_form(piece, subject, tokens)


def _found_begun(piece: str, subject: str, tokens: Tokens) -> bool:
    if _found_in_any_form(piece, subject, tokens):
        return True
    *whole, begun = tokens(EXACT, piece) or ("",)
    if _is_spaceless(piece) or not begun:
        return False
    if not whole:
        return any(token.startswith(begun) for token in tokens(EXACT, subject))
    in_pieces = [tokens(EXACT, f"x {one}")[1:] for one in unicodedata.normalize("NFKC", subject).split()]
    return any(
        there[at : at + len(whole)] == tuple(whole) and there[at + len(whole)].startswith(begun)
        for there in in_pieces
        for at in range(len(there) - len(whole))
    )


def _found_mistyped(piece: str, subject: str, tokens: Tokens) -> bool:
    if _found_in_any_form(piece, subject, tokens):
        return True
    if _is_spaceless(piece) or any(c.isdigit() for c in piece):
        return False
    wanted, there = tokens(EXACT, piece), tokens(EXACT, subject)
    return bool(wanted) and all(any(_is_near(one, other) for other in set(there)) for one in wanted)


def _is_near(typed: str, there: str) -> bool:
    """AUTO: up to 2 letters as they are, up to 5 one mistake, else two; the first letter is right."""
    allowed = 0 if len(typed) < 3 else 1 if len(typed) < 6 else 2
    return typed[:1] == there[:1] and _distance(typed, there) <= allowed


@functools.cache
def _distance(one: str, other: str) -> int:
    """Letters to insert, delete, change, or to swap with a neighbour (optimal string alignment)."""
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, start=1):
        row = [i]
        for j, b in enumerate(other, start=1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def _holds(there: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Whether the tokens stand in there, one behind the other; none always do."""
    return any(there[at : at + len(wanted)] == wanted for at in range(len(there) - len(wanted) + 1))


def _whole(text: str, tokens: Tokens) -> tuple[str, ...]:
    return tokens("subject.whole", text)


def _is_spaceless(text: str) -> bool:
    return any(unicodedata.name(c, "").startswith(SPACELESS_SCRIPTS) for c in text)


def _kind(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LMN" or category == "So"


def condition_holds(name: str, value: str, conversation: Conversation) -> bool:
    """A further parameter, as it is written in the query string."""
    field, sign = (name[:-1], "!") if name.endswith("!") else (name.partition("[")[0], name.partition("[")[2][:-1])
    own = own_values(field, conversation)
    if sign in ("gte", "gt", "lte", "lt"):
        bounded = getattr(conversation, field)
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
    """The values of a field as texts; none where it has none."""
    given = conversation.metadata
    found: Any = {
        "category": conversation.categories, "label": given.labels,
        "from_email": given.from_email.lower() if given.from_email is not None else None,
        "has_attachments": given.has_attachments,
    }.get(field, getattr(conversation, field, None))  # fmt: skip
    listed = found if isinstance(found, list) else [] if found is None else [found]
    return {str(one).lower() if isinstance(one, bool) else str(one) for one in listed}


def _compares(when: datetime | int, sign: str, value: str) -> bool:
    """A date is its whole day in UTC."""
    if isinstance(when, int):
        number = int(value)
        return {"gte": when >= number, "gt": when > number, "lte": when <= number, "lt": when < number}[sign]
    if len(value) == len("2024-01-01"):
        day, at = date.fromisoformat(value), when.date()
        return {"gte": at >= day, "gt": at > day, "lte": at <= day, "lt": at < day}[sign]
    moment = datetime.fromisoformat(value)
    return {"gte": when >= moment, "gt": when > moment, "lte": when <= moment, "lt": when < moment}[sign]


def _key(conversation: Conversation, name: str) -> Any:
    value = getattr(conversation, name)
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
