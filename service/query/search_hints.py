"""Warnings and hints of the search box: for text with another possible meaning, and names from other mail searches."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile

from service.message_texts import nearest
from service.query.fields import FIELDS, Field, Kind, states_of
from service.text import REPLY_WORDS

# Names from other mail searches, each with its name here.
_OTHER_NAMES = {
    "sender": "from",
    "author": "from",
    "recipient": "to",
    "recipients": "to",
    "date": "after, before or on",
    "day": "on",
    "since": "after",
    "newer": "after",
    "newer_than": "after",
    "until": "before",
    "older": "before",
    "older_than": "before",
    "received": "sent",
    "tag": "label",
    "folder": "label",
    "in": "label",
    "title": "subject",
    "state": "status",
    "type": "channel",
    "assignee": "agent",
    "attachment": "has:attachment",
    "attachments": "has:attachment",
    "filename": "has:attachment",
}
_SYNTAX = frozenset('*()"')
_SYNTAX_OR_ADDRESS = _SYNTAX | frozenset(":,@")
_CLOCK = re.compile(r"(?<=\d\d\d\d-\d\d-\d\d)[ \t]+(\d\d?:\d\d(?::\d\d)?)(?![^\s)])", re.ASCII)
_STAR = re.compile(r"\*(?=.)")

# Words before a colon that are not names of fields: mailto:ada@example.com.
_SCHEMES = frozenset({"mailto", "tel", "callto", "sip", "sips", "xmpp", "urn", "geo", "cid", "mid"})
# Signs that are operators in other searches if they are alone between words. Here they are punctuation.
SIGNS = {
    "-": "a - before a space leaves nothing out: write it directly before what it should leave out",
    "|": "| is punctuation here: OR in capitals finds either side",
    "||": "|| is punctuation here: OR in capitals finds either side",
}

OTHER_OR = "{} is a word here: OR in capitals finds either side"
CLOSES_NOTHING = "this bracket closes nothing: read as a sign next to the word"
INNER_STAR = "* is a sign here: it stands for more letters only at the end of a word"
NEEDS_QUOTES = '{name}: takes a value with spaces in quotes, as {name}:"Friends & Family"'
ONE_WORD = '{}: takes one word here: write "{}" in quotes if all of it is the name'
EXCLUDED_NUMBER = "- leaves out this number: write it in quotes to search for it"
NEEDS_T = "a time after a date is text here: write both as one, as {}T{}Z in UTC"


def field_meant(name: str, names: Sequence[str], fields: Sequence[Field] = FIELDS) -> str:
    """A question that suggests a field for an unknown name, which is in lower case. It is empty if no name is near."""
    meant = _OTHER_NAMES.get(name) or _own_names(fields).get(name)
    return f"; did you mean {meant}?" if meant is not None else nearest(name, tuple(names))


def is_text(name: str, rest: str) -> bool:
    """Whether an unknown name before a colon is text: a reply mark, mailto:, Net::HTTP or C:\\Windows."""
    return name in REPLY_WORDS or name in _SCHEMES or rest.startswith((":", "\\"))


def _own_names(fields: Sequence[Field]) -> Mapping[str, str]:
    """The names of parameters and of stored values whose field has another name in the search box."""
    found = {}
    for row in fields:
        if row.syntax is not None:
            for name in (row.name, row.index_path.rpartition(".")[2]):
                found[name] = row.syntax.name
    return found


def state_meant(word: str, shown: Sequence[str], fields: Sequence[Field] = FIELDS) -> str:
    """A question that suggests something for an unknown word after is: or has:, such as `is:closed`."""
    for row in fields:
        if row.syntax is not None and word in row.choices:
            return f"; did you mean {row.syntax.name}:{word}?"
    return nearest(word, tuple(shown))


def choice_meant(word: str, row: Field, fields: Sequence[Field] = FIELDS) -> str:
    """A question that suggests something for a word that is not a choice of this field, such as `status:unread`."""
    for prefix, words in states_of(fields).items():
        if word in words:
            return f"; did you mean {prefix}:{word}?"
    for other in fields:
        if other.syntax is not None and word in other.choices:
            return f"; did you mean {other.syntax.name}:{word}?"
    return nearest(word, row.choices)


def are_signs(part: str, *, is_between: bool) -> bool:
    """Whether a part without a word is only punctuation, as in subjects: `&`, `–`, `?`, and `-` between words.

    Stars, brackets, quotation marks, and dashes at an end are not, because they may be meant as syntax.
    """
    return _SYNTAX.isdisjoint(part) and (is_between or part.strip("-") != "")


def name_begun(plain: str, begun: int, end: int) -> str | None:
    """The words in capitals that begin with the value from `begun` to `end`, as in `from:Anna Kowalska`.

    None if no such word follows the value.
    """
    words = list(takewhile(_may_be_of_name, plain[begun:].split()))
    return " ".join(words) if len(words) > 1 and words[0] == plain[begun:end] else None


def _may_be_of_name(word: str) -> bool:
    return word[0].isupper() and _SYNTAX_OR_ADDRESS.isdisjoint(word) and word != "OR"


def of_word(word: str) -> str | None:
    """The hint about a word with a star that is not at its end, or with a closing bracket that was not opened."""
    if _STAR.search(word):
        return INNER_STAR
    open_here = 0
    for character in word:
        open_here += (character == "(") - (character == ")")
        if open_here < 0:
            return CLOSES_NOTHING
    return None


def of_value(name: str, kind: Kind | None, value: str) -> str | None:
    """The hint about a value without quotation marks, in which a star is only a sign."""
    if kind == "text":
        return of_word(value)
    if "*" not in value or kind not in ("name", "address"):
        return None
    if kind == "name":
        return f"{name}: compares whole names, and * is a part of one: {name}:any finds each"
    if "@" in value and value.index("*") == len(value) - 1:
        return None  # the last word of an address may be incomplete anyway
    return f"{name}: finds parts of an address, whole words of them: leave out the *"


def clock_after(plain: str, at: int) -> tuple[int, int, str] | None:
    """The time that follows the date which ends at `at`: its start, its end, and the warning about it."""
    found = _CLOCK.match(plain, at)
    if found is None:
        return None
    clock = found[1].zfill(8 if found[1].count(":") == 2 else 5)
    return (
        found.start(1),
        found.end(1),
        NEEDS_T.format(plain[at - 10 : at], clock if len(clock) == 8 else f"{clock}:00"),
    )
