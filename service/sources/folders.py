"""Finds out what a mail folder or label is for (inbox, sent mail, drafts, trash, junk) from its name in many languages.

Google translates the names of its own labels in an archive, and mail programs translate those of their folders.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Collection, Iterable
from functools import lru_cache

from service.sources.folder_names import NAMES, Role

LEFT_OUT: tuple[Role, ...] = ("trash", "junk")
"""The roles whose messages are imported only if they are asked for."""

_PREFIX = re.compile(r"^(?:\[(?:gmail|google mail)\]|inbox)[./]", re.IGNORECASE)
_SPACE = re.compile(r"[\s_]+")
_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")


def _folded(name: str) -> str:
    name = unicodedata.normalize("NFKC", name).casefold().replace("i\u0307", "i").replace("ı", "i")  # Turkish i
    return _SPACE.sub(" ", name).strip(" \\")


_ROLES: dict[str, Role] = {
    _folded(name): role for role, names in reversed(NAMES.items()) for name in names.strip().split(";")
}


@lru_cache(maxsize=10_000)
def role(name: str) -> Role | None:
    r"""What the folder or label is for, such as `sent` for `Gesendet`, `[Gmail]/Sent Mail` or `\Sent`.

    A folder in another one has the outer one's role: `Trash/2023` is trash.
    """
    folder = _PREFIX.sub("", name.lstrip("\\"))
    return _ROLES.get(_folded(folder)) or _ROLES.get(_folded(re.split(r"[/.]", folder, maxsplit=1)[0]))


def has_role(labels: Iterable[str], wanted: Role) -> bool:
    """Whether one of the labels has this role."""
    return any(role(label) == wanted for label in labels)


def is_left_out(labels: Iterable[str], asked_for: Collection[str]) -> bool:
    """Whether a message with these labels is trash or junk, which is imported only if it is asked for."""
    return any((found := role(label)) in LEFT_OUT and found not in asked_for for label in labels)


def decoded_name(name: str) -> str:
    """A folder's name in modified UTF-7 (RFC 3501, 5.1.3) as text: `Entw&APw-rfe` is Entwürfe.

    A name that is not valid modified UTF-7 stays as it is.
    """
    try:
        return _SHIFTED.sub(_unshifted, name)
    except (ValueError, UnicodeError):
        return name


def _unshifted(match: re.Match[str]) -> str:
    if not match[1]:
        return "&"
    packed = match[1].replace(",", "/")
    return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True).decode("utf-16-be")
