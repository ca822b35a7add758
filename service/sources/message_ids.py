"""Finds message ids in Message-ID, References and In-Reply-To, as mailers write them.

An id is written in angle brackets, but may be folded, hold spaces, be encoded, or have no brackets. The address of a
person, which old mailers put beside it, is never an id.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from service.sources.encoded_words import decoded_words
from service.sources.headers import Headers

GMAIL_THREAD = "@gmail-thread"  # the end of an id that is made of the number of a thread in Gmail
READ_CHARACTERS = 1_000_000  # of a header that are read
SHORTEST_ID = 6  # digits of an id that is a number
PERSON_CHARACTERS = 300  # before an address, searched for a word that shows that it is a person's

_DIGEST = re.compile(r"mailman\.\d+\.\d{9,}\.\d+\.[^@]+@")  # the id that Mailman gives to a digest

_NO_IDS = frozenset({"null", "none", "nil", "undefined", "unknown", "false", "n/a"})
_IN_BRACKETS = re.compile(r"<([^<>]*+)(?:>|(?=<)|\Z)")
_SPACE = re.compile(r"\s+", re.ASCII)
_ASIDES = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|\((?:[^()\\]|\\.)*+(?:\)|\\?\Z)', re.DOTALL)
_OF_PERSON = re.compile(r"\b(?:from|by|von|de|da|di|van|fra|från|od|от|par|por)\b[^<>]*\Z", re.IGNORECASE)
_NAMED = re.compile(r"\s*(?:[A-Z\xc0-\xde][^\W\d_]*[.,]?\s+){1,4}<[^<>]*>\s*")  # Jane Doe <jane@example.com>
_OF_LETTERS = re.compile(r"[a-z]{1,20}(?:[._-][a-z]{1,20})*@[a-z.-]+", re.IGNORECASE)
_BARE = re.compile(r"[^\s<>,;\"()\[\]]+@[^\s<>,;\"()\[\]]+")
_NUMBER = re.compile(r"[^\s<>,;\"()@]*\d[^\s<>,;\"()@]*")
_BETWEEN = re.compile(r"[\s,;]+", re.ASCII)
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"))


def is_of_digest(name: str) -> bool:
    """Whether the id is that of a mailing list's digest. Replies to it are replies to different messages in it."""
    return name.startswith("mailman.") and _DIGEST.match(name) is not None


def own_id(headers: Headers, people: Collection[str]) -> str | None:
    """The id of the message itself, or None if it has none."""
    text = _text(headers.get("message-id", [""])[0])
    found = next(_ids(text, people), None)
    if found is None and "<" not in text:
        found = _SPACE.sub("", _ASIDES.sub(" ", text))  # without brackets, and with spaces in it
    return found if found and found.lower() not in people and not _is_placeholder(found) else None


def references(headers: Headers, people: Collection[str]) -> tuple[str, ...]:
    """The ids of Gmail's thread (if given), of References, and the first one of In-Reply-To, without repetition.

    `people` are the addresses of the message's sender and recipients, in lower case.
    """
    if not ("references" in headers or "in-reply-to" in headers or "x-gm-thrid" in headers):
        return ()
    gmail = [f"{thread.strip()}{GMAIL_THREAD}" for thread in headers.get("x-gm-thrid", [])[:1] if thread.strip()]
    older = [one for value in headers.get("references", []) for one in _ids(_text(value), people)]
    parents = (one for value in headers.get("in-reply-to", []) for one in _ids(_text(value), people))
    return tuple(dict.fromkeys([*gmail, *older, *([first] if (first := next(parents, None)) else [])]))


def _text(value: str) -> str:
    """The value; decoded, if it has no angle bracket."""
    value = value[:READ_CHARACTERS]
    if "<" in value:
        return value
    if "=?" in value:
        value = decoded_words(value)
    for entity, character in _ENTITIES:
        value = value.replace(entity, character)
    return value


def _ids(text: str, people: Collection[str]) -> Iterator[str]:
    """The ids in the text, without those that are addresses of persons."""
    plain = _ASIDES.sub(" ", text) if '"' in text or "(" in text else text
    if "<" not in plain and not plain.strip() and "<" in text:
        plain = text  # the whole value is in quotes
    if "<" not in plain:
        plain = plain if plain.strip() else text.strip(' \t\r\n"')
        yield from (word for word in _bare(plain) if word.lower() not in people)
        return
    before = 0
    for match in _IN_BRACKETS.finditer(plain):
        if match.start() - before > 1:
            yield from (word for word in _bare(plain[before : match.start()]) if "@" in word)
        one = _SPACE.sub("", match[1])
        is_id = one and one.lower() not in people and not _is_placeholder(one)
        if is_id and not _is_person(plain, before, match.start(), one):
            yield one
        before = match.end()
    yield from (word for word in _bare(plain[before:]) if "@" in word)


def _is_person(text: str, before: int, begin: int, one: str) -> bool:
    """Whether the address is a person's: a word such as "from" is before it, or the text is one name and address."""
    if begin - before <= 3:
        return False
    if _OF_PERSON.search(text, max(before, begin - PERSON_CHARACTERS), begin) is not None:
        return True
    return (
        len(text) <= PERSON_CHARACTERS and _NAMED.fullmatch(text) is not None and _OF_LETTERS.fullmatch(one) is not None
    )


def _is_placeholder(one: str) -> bool:
    """Whether this is a text that programs write if they have no id."""
    return one.strip("()[]").lower() in _NO_IDS or (one.isdigit() and len(one) < SHORTEST_ID)


def _bare(text: str) -> list[str]:
    """The ids without brackets, if the text consists only of these. Otherwise it is a sentence, and has none."""
    words = [word for word in _BETWEEN.split(text) if word]
    if words and all(_BARE.fullmatch(word) for word in words):
        return words
    return words if len(words) == 1 and _NUMBER.fullmatch(words[0]) and not _is_placeholder(words[0]) else []
