"""Reads Content-Type and Content-Disposition with their parameters, also those that break RFC 2045 and RFC 2231."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

READ_CHARACTERS = 50_000  # of a header that are read

_FOLD = re.compile(r"[ \t]*\r*\n[ \t]*")
_PARAMETER = re.compile(
    r"""[;\s]\s*([^\s=;"*]{1,100})(?:\*(\d{1,3}))?(\*)?\s*=\s*(?:"((?:[^"\\]|\\.)*+)(?:"|\\?\Z)|([^;"]*+))""",
    re.DOTALL | re.ASCII,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_KIND = re.compile(r"[^\s;/,]+/[^\s;,]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Content:
    """A value such as text/plain, in lower case, and the values of each of its parameters, as Latin-1 text."""

    kind: str
    parameters: dict[str, list[str]] = field(default_factory=dict)

    def first(self, name: str) -> str | None:
        """The first word of a parameter's value: a charset and the like have no spaces."""
        words = (self.parameters.get(name) or [""])[0].split()
        return words[0] if words else None


def content(value: str) -> Content:
    value = _FOLD.sub(" ", value[:READ_CHARACTERS])
    kind = value.partition(";")[0].strip(' \t"').lower()
    if "=" not in value:
        return Content(_kind(kind))
    parameters: dict[str, list[str]] = {}
    pieces: dict[str, list[tuple[int, str, bool]]] = {}
    for match in _PARAMETER.finditer(" " + value):
        name = match[1].lower()
        text = _ESCAPED.sub(r"\1", match[4]) if match[4] is not None else match[5].strip()
        if match[2] is not None:
            pieces.setdefault(name, []).append((int(match[2]), text, match[3] is not None))
        else:
            parameters.setdefault(name, []).append(_extended(text) if match[3] else text)
    for name, parts in pieces.items():
        parts.sort(key=lambda part: part[0])
        whole = "".join(text for _number, text, _is_extended in parts)
        parameters.setdefault(name, []).insert(0, _extended(whole) if parts[0][2] else whole)
    return Content(_kind(kind), parameters)


def _kind(text: str) -> str:
    """The type; text/plain if there is none that can be read (RFC 2045, 5.2)."""
    match = _KIND.match(text)
    return match[0] if match is not None else ("text/plain" if text in {"", "text"} or "=" in text else text)


def _extended(text: str) -> str:
    """The value of charset'language'value, in which bytes may be written as %41 (RFC 2231, 4)."""
    text = text.split("'", 2)[2] if text.count("'") >= 2 else text
    return unquote_to_bytes(text.encode("latin-1", "replace")).decode("latin-1")
