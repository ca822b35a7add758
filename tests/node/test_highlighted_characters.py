"""Every character that normalization changes is highlighted as a whole, and without its neighbours.

Analyzers replace such a character, often by several, and so report wrong offsets.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid5

import pytest

from service.conversation import Conversation
from service.settings import Settings
from tests.corpus import ORGANIZATIONS
from tests.node.asking import ask
from tests.node.clusters import own_alias
from tests.node.serving import Api, serving

BATCH = 40  # each character may become 18, and a text has at most 800 of these
BEFORE, BEHIND = "qq ", " qq"
NO_WORDS = "\u2120\u3164\uffa0"  # the service mark, and the invisible fillers of Hangul


def _plain(character: str) -> str:
    return unicodedata.normalize("NFKC", character)


CHANGED = [
    character
    for character in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(character) not in ("Cn", "Cs", "Co") and _plain(character) != character
]
EXPANDED = [character for character in CHANGED if len(_plain(character)) > 1]
# Each that becomes several, and every fourth of all.
TESTED = sorted({*EXPANDED, *CHANGED[::4]})
BATCHES = [TESTED[start : start + BATCH] for start in range(0, len(TESTED), BATCH)]


@pytest.fixture(scope="module")
def of_characters(settings: Settings, opensearch_url: str) -> Iterator[Api]:
    """A service over a conversation for each of the characters. Its category is the number of its batch."""
    with own_alias(settings, opensearch_url) as own:
        own.load(
            [
                Conversation(
                    uid=uuid5(ORGANIZATIONS[0], character), organization_uid=ORGANIZATIONS[0],
                    subject=f"{BEFORE}{character}{BEHIND}", categories=[str(number)],
                    updated_on=datetime(2024, 1, 1, tzinfo=UTC),
                )
                for number, batch in enumerate(BATCHES)
                for character in batch
            ]
        )  # fmt: skip
        yield from serving(own.settings, own.url)


@pytest.mark.parametrize("asked", ["characters", "first words", "last words"])
def test_a_found_character_is_highlighted_as_a_whole(asked: str, of_characters: Api) -> None:
    assert len(EXPANDED) > 1200
    wrong, missing = {}, []
    for number, batch in enumerate(BATCHES):
        texts = [character if asked == "characters" else _word(character, asked) for character in batch]
        data = ask(
            of_characters, search=" ".join(texts), match="any", category=str(number), highlight="subject", per_page=100
        )
        for character in batch:
            marks = data["highlights"].get(str(uuid5(ORGANIZATIONS[0], character)))
            if marks is None:
                missing.append(character)
            elif marks["subject"]["ranges"] != [[len(BEFORE), len(BEFORE) + 1]]:
                wrong[character] = marks["subject"]
    assert wrong == {}
    assert [one for one in missing if _is_word(one)] == []


def _word(character: str, asked: str) -> str:
    """The first or the last word of what the character becomes."""
    kinds = {one: unicodedata.category(one)[0] for one in _plain(character)}
    if not any(kind in "LN" for kind in kinds.values()):
        return character
    words = "".join(one if kinds[one] in "LMN" else " " for one in _plain(character)).split()
    return words[0] if asked == "first words" else words[-1]


def _is_word(character: str) -> bool:
    """Whether it has letters, digits or pictures, and not only marks and what Unicode calls modifiers of letters."""
    kinds = {unicodedata.category(one) for one in _plain(character)}
    return character not in NO_WORDS and not kinds.isdisjoint(("Lu", "Ll", "Lt", "Lo", "Nd", "Nl", "No", "So"))
