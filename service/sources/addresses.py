"""Reads the addresses of a header, as people and programs write them.

If an entry ends in <a@b>, this is its address, and the text before it is the name, even with commas, quotes or
brackets. Only the pieces of this text that are addresses themselves become entries of their own. Encoded words are
decoded last, so their content cannot divide an entry. The result is the same in every version of Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from service.conversation import LIMITS
from service.sources.encoded_words import decoded

MOST_TIMES = 10  # a text keeps up to 10 times its limit here; shortening.py cuts it to the limit
LONGEST_PLAIN = 500  # characters of an address that one regular expression recognizes
NAMED_CHARACTERS = 200_000  # of a name that are read
_NAME_CHARACTERS = MOST_TIMES * LIMITS["metadata.from_name"].characters
_EMAIL_CHARACTERS = MOST_TIMES * LIMITS["metadata.from_email"].characters


@dataclass(frozen=True, slots=True)
class Address:
    name: str | None
    email: str | None


_SPACES = re.compile(r"[ \t\r\n]+")
_PLAIN = re.compile(
    r"""(?:"([^"\\<>@=?']*)"|([^"\\<>@=?,;:()'\[]*?))[ ]*"""
    r"""<([^\s<>@,;:"'()\[\]?]+@[^\s<>@,;:"'()?]+[^\s<>@,;:"'()?.])>""",
    re.ASCII,
)
_BARE = re.compile(r"""([^\s<>@,;:"'()\[\]?=]+@[^\s<>@,;:"'()\[\]?=]+[^\s<>@,;:"'()\[\]?=.])""", re.ASCII)
_AT_WORD = r"(?: at | \(at\) | \[at\] )"  # how Mailman's archives, and some people, write the @
_MAILMAN = re.compile(
    rf"\s*([^\s@()<>,;]+){_AT_WORD}([^\s@()<>,;]+)(?:\s+\((.*)\))?\s*", re.DOTALL | re.IGNORECASE | re.ASCII
)

_WORD = re.compile(r"=\?[^?\s]{0,100}\?[bq]\?[^?]*+\?=", re.IGNORECASE | re.ASCII)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)("|\\?\Z)', re.DOTALL)
_ANGLE_END = re.compile(
    r"<([^<>]*+)>+(?=\s*+(?:\x01*+\s*+)?(?:[,;]|\Z))|<([^<>,;\s\x01]*+@[^<>,;\s\x01]*+)(?=[,;]|\s*\Z)", re.ASCII
)
_COMMA = re.compile(r"[,;]")
_IS_ADDRESS = re.compile(rf"(?:mailto:)?[^\s<>@,;()]+(?:@|{_AT_WORD})[^\s<>@,;()]+", re.IGNORECASE | re.ASCII)
_GROUP = re.compile(r"[^@<>\",;:\[\]]*+:(?!//)")
_IN_TEXT = re.compile(r"[^\s<>\"',;:()\[\]]+@[^\s<>\"',;:()\[\]]+", re.ASCII)
_IN_BRACKETS = re.compile(r"<([^<>]*@[^<>]*)>")
_AROUND = " \t[]<>()\"'"  # what may surround an address in a text
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SCHEME = re.compile(r"(?:mailto|smtp|email|e-mail)\s*:\s*", re.IGNORECASE | re.ASCII)
_NOBODY = re.compile(
    r"(?:undisclosed|unlisted|unspecified|suppressed)[ -_]*recipients?|recipients? list|no[ -]to",
    re.IGNORECASE | re.ASCII,
)


def addresses(values: list[str], hint: str | None = None) -> list[Address]:
    """The addresses in these values of headers (Latin-1 text). Entries with neither name nor address are left out."""
    return [address for value in values for address in _of_header(value, hint)]


def _of_header(value: str, hint: str | None) -> Iterator[Address]:
    value = _SPACES.sub(" ", value).strip(" ")
    if (plain := _PLAIN.fullmatch(value, 0, LONGEST_PLAIN)) is not None and len(value) <= LONGEST_PLAIN:
        yield address(plain[1] or plain[2] or "", plain[3], hint)
    elif (bare := _BARE.fullmatch(value)) is not None:
        yield address("", bare[1], hint)
    elif (mailman := _MAILMAN.fullmatch(value)) is not None:
        yield address(mailman[3] or "", f"{mailman[1]}@{mailman[2]}", hint)
    else:
        for name, email in _entries(value):
            found = _whole(name, email, hint)
            if found.name or found.email:
                yield found


def address(name: str, email: str, hint: str | None = None) -> Address:
    """The decoded name and the address in lower case, bounded but not yet cut to the limits of a document."""
    if not name and email.isascii() and email.isprintable() and not ('"' in email or "=?" in email):
        return Address(None, "".join(email.split()).lower()[:_EMAIL_CHARACTERS] or None)
    return Address(
        decoded(name[:NAMED_CHARACTERS], hint)[:_NAME_CHARACTERS] or None,
        decoded(email[:NAMED_CHARACTERS], hint).lower()[:_EMAIL_CHARACTERS] or None,
    )


def _whole(name: str, email: str, hint: str | None) -> Address:
    """The address, even if a mailer encoded it together with the name."""
    found = address(name, email, hint)
    if found.email is None and found.name and "=?" in name and "@" in found.name:
        if (inside := _IN_BRACKETS.search(found.name)) is not None:
            return Address(_name(found.name[: inside.start()]) or None, _email(inside[1]).lower())
        if (alone := _IN_TEXT.fullmatch(found.name)) is not None:
            return Address(None, alone[0].lower())
    return found


def _entries(value: str) -> Iterator[tuple[str, str]]:
    """The name and the address of each entry, not yet decoded."""
    masked = _masked(value)
    begin = 0
    for end in _ANGLE_END.finditer(masked):
        angle = value[end.start(1) : end.end(1)] if end[1] is not None else value[end.start(2) : end.end(2)]
        yield from _with_angle(value, masked, begin, end.start(), angle, end.end())
        begin = end.end()
        comma = _COMMA.search(masked, begin)
        begin = comma.end() if comma is not None else len(value)
    for start, stop in _pieces(masked, begin, len(value)):
        piece = value[start:stop].strip(" ")
        if piece and all(map(_BARE.fullmatch, words := piece.split(" "))):
            yield from (("", word) for word in words)  # one address, or several with only spaces between them
        elif piece:
            yield _without_angle(piece)


def _with_angle(value: str, masked: str, begin: int, end: int, angle: str, after: int) -> Iterator[tuple[str, str]]:
    """The entry that ends in <angle>, after the pieces before it that are addresses themselves."""
    group = _GROUP.match(masked, begin, end)
    if group is not None and ";" in masked[after:]:
        begin = group.end()
    for start, stop in _pieces(masked, begin, end):
        if stop == end or _IS_ADDRESS.fullmatch(masked[start:stop].replace("\x01", "").strip(" ")) is None:
            break
        yield _without_angle(value[start:stop])
        begin = stop + 1
    several = [piece.strip(" ") for piece in _COMMA.split(angle)]
    if len(several) > 1 and all(map(_BARE.fullmatch, several)):
        yield from (("", email) for email in several)  # <a@x.org, b@x.org>
        return
    comment = _COMMA.search(masked, after)
    behind = value[after : comment.start() if comment is not None else len(value)].strip(" ")
    name, email = _name(value[begin:end]) or _name(behind), _email(angle)
    is_swapped = "@" not in email and _IS_ADDRESS.fullmatch(name) is not None
    yield (_name(angle), _email(name)) if is_swapped else (name, email)


def _pieces(masked: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    for comma in _COMMA.finditer(masked, begin, end):
        yield begin, comma.start()
        begin = comma.end()
    yield begin, end


def _without_angle(piece: str) -> tuple[str, str]:
    """An entry without <…>: an address, perhaps with a comment that is the name, or only a name."""
    piece = piece.strip(" ")
    if (group := _GROUP.match(piece)) is not None and _SCHEME.match(piece) is None:
        piece = piece[group.end() :].strip(" ")
    if (mailman := _MAILMAN.fullmatch(piece)) is not None:
        return _name(mailman[3] or ""), f"{mailman[1]}@{mailman[2]}"
    text, comment = _without_comment(piece.replace(" . ", "."))
    text = text.strip(" ").strip("<>").strip(" ")
    if text.startswith('"') and '"@' in text:
        return comment, _email(text)
    plain = _SCHEME.sub("", text)
    words = (_WORD.sub(_blot, plain) if "=?" in plain else plain).split(" ")
    found = next((word for word in words if "@" in word and _IN_TEXT.fullmatch(word.strip(_AROUND))), None)
    if found is not None and "=?" not in found and "\x01" not in found:
        name = _name(plain.replace(found, " ", 1)).strip(_AROUND)
        return name or comment, _email(found.strip(_AROUND))
    if not text or " " in text or "=?" in text or _NOBODY.match(text):
        return ("", "") if _NOBODY.match(text) else (_name(text) or comment, "")
    return comment, _email(text)


def _without_comment(piece: str) -> tuple[str, str]:
    if not piece.endswith(")") or "(" not in piece:
        return piece, ""
    begin = piece.index("(")
    return piece[:begin], _name(piece[begin:])


def _email(text: str) -> str:
    """The address in angle brackets, without a route, a scheme, spaces and other additions."""
    text = _SCHEME.sub("", text.strip(" "))
    if text.startswith("@"):
        text = text.rpartition(":")[2]  # a route (RFC 822): <@relay,@other:name@host>
    if (mailman := _MAILMAN.fullmatch(text)) is not None:
        text = f"{mailman[1]}@{mailman[2]}"
    text = text.strip(" \t,;<>")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    if not text.startswith('"'):
        text = text.replace(" ", "")
    return "" if _NOBODY.match(text) or text.startswith("@") else text.rstrip(".")


def _name(text: str) -> str:
    """A name without the quotes, brackets and commas around it."""
    text = text.strip(" \t\r\n,;")
    if '"' in text:
        text = _QUOTED.sub(lambda quoted: _ESCAPED.sub(r"\1", quoted[1]), text).strip(" ,;")
    for first, last in (("(", ")"), ("'", "'"), ("<", ">")):
        if len(text) > 1 and text[0] == first and text[-1] == last:
            text = text[1:-1].strip(" ")
    return text.rstrip(" <")


def _masked(value: str) -> str:
    """The value with encoded words, quoted strings and comments masked, if they are closed."""
    masked = _WORD.sub(_blot, value) if "=?" in value else value
    if '"' in masked and all(quoted[2] == '"' for quoted in _QUOTED.finditer(masked)):
        masked = _QUOTED.sub(_blot, masked)
    return _without_comments(masked) if "(" in masked else masked


def _blot(match: re.Match[str]) -> str:
    return "\x01" * len(match[0])


def _without_comments(masked: str) -> str:
    """Masks comments, which may be nested. Brackets that are not closed stay."""
    opened: list[int] = []
    kept: list[str] = []
    done = 0
    for bracket in re.finditer(r"[()]", masked):
        if bracket[0] == "(":
            opened.append(bracket.start())
        elif opened:
            begin = opened.pop()
            if not opened:
                kept.append(masked[done:begin] + "\x01" * (bracket.end() - begin))
                done = bracket.end()
    return "".join(kept) + masked[done:]
