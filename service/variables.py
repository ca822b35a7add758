"""Warns of environment variables that look like settings but are not, such as misspelt ones. They have no effect."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

from service import progress
from service.message_texts import nearest
from service.settings import child_environment, environment_names

PREFIX = "CONVERSATIONS"
OF_OPTIONS = ("CONVERSATIONS_CONFIG", "CONVERSATIONS_CONTEXT", "CONVERSATIONS_WORKERS")  # options that are no settings
LEAST_LIKE = 0.9  # similarity of a first word, such as CONVERSATION, that is taken for PREFIX
MOST_SHOWN = 100  # characters of a name

# Kubernetes gives each container the addresses of the services of its namespace. One may be called conversations-api.
_OF_KUBERNETES = re.compile(r"\w+_SERVICE_(HOST|PORT(_\w+)?)|\w+_PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?")


def warn() -> None:
    """Prints a warning for each such variable. It is not an error, because another version may know the variable."""
    for sentence in unknown(child_environment()):
        progress.complain(f"Warning: {sentence}", level="warning")


def unknown(names: Iterable[str]) -> list[str]:
    """A sentence, without values, for each name that begins like a setting but is not one, with the nearest setting."""
    known = (*environment_names(), *OF_OPTIONS)
    found = []
    for name in sorted(names):
        meant = name.upper()  # settings may also be written in lower case
        if _is_meant(meant) and meant not in known and not _OF_KUBERNETES.fullmatch(meant):
            found.append(f"{name[:MOST_SHOWN]} is no setting and has no effect{nearest(meant, known)}")
    return found


def _is_meant(name: str) -> bool:
    """Whether the first word of the name is the one of settings, or nearly so."""
    word, underscore, _rest = name.partition("_")
    return bool(underscore) and (
        word == PREFIX or (word[:4] == PREFIX[:4] and SequenceMatcher(None, word, PREFIX).ratio() >= LEAST_LIKE)
    )
