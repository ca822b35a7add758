"""Names with and without apostrophe, hyphen or space find one another, also in addresses; so do phone numbers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid5

import pytest

from service.conversation import Conversation, Metadata
from service.settings import Settings
from tests.corpus import ORGANIZATIONS
from tests.node.asking import ask
from tests.node.clusters import own_alias
from tests.node.serving import Api, serving

PEOPLE = {
    "straight": Metadata(from_email="m@x.org", from_name="Miles O'Brien"),
    "curly": Metadata(from_email="k@x.org", from_name="Keiko O’Brien"),
    "joined": Metadata(from_email="w@x.org", from_name="William OBRIEN"),
    "hyphen": Metadata(from_email="p@x.org", from_name="Jean-Luc Picard"),
    "space": Metadata(from_email="g@x.org", from_name="Jean Luc Godard"),
    "one word": Metadata(from_email="h@x.org", from_name="Jeanluc Héros"),
    "address": Metadata(from_email="al-sayed@x.org", to_emails=["d'angelo.r@x.org"], cc_emails=["o'brien@y.org"]),
    "plain address": Metadata(from_email="alsayed@x.org", to_emails=["dangelo@x.org"]),
    "number": Metadata(from_email="+491701234567", to_emails=["030123456"]),
    "number in groups": Metadata(from_email="+49 (170) 123-45 67", to_emails=["(030) 123-456"]),
    "other number": Metadata(from_email="+491701234568", to_emails=["0301234567"]),
    "other": Metadata(from_email="brien@x.org", from_name="Luc Brien"),
}


@pytest.fixture(scope="module")
def named(settings: Settings, opensearch_url: str) -> Iterator[Api]:
    with own_alias(settings, opensearch_url) as own:
        own.load(
            [
                Conversation(
                    uid=uuid5(ORGANIZATIONS[0], subject), organization_uid=ORGANIZATIONS[0], subject=subject,
                    updated_on=datetime(2024, 1, 1, tzinfo=UTC), metadata=metadata,
                )
                for subject, metadata in PEOPLE.items()
            ]
        )  # fmt: skip
        yield from serving(own.settings, own.url)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from:obrien", ("curly", "joined", "straight")),
        ("from:o'brien", ("curly", "joined", "straight")),
        ("from:O’Brien", ("curly", "joined", "straight")),
        ('from:"Miles OBrien"', ("straight",)),
        ("from:obri*", ("curly", "joined", "straight")),
        ("from:o'bri*", ("curly", "joined", "straight")),
        ("from:brien", ("curly", "other", "straight")),
        ("from:jeanluc", ("hyphen", "one word", "space")),
        ("from:jean-luc", ("hyphen", "one word", "space")),
        ('from:"jean luc"', ("hyphen", "one word", "space")),
        ('from:"JeanLuc Picard"', ("hyphen",)),
        ('from:"Jean Luc Heros"', ("one word",)),
        ("from:al-sayed", ("address", "plain address")),
        ("from:alsayed", ("address", "plain address")),
        ("to:dangelo", ("address", "plain address")),
        ("to:d'angelo", ("address", "plain address")),
        ("cc:obrien", ("address",)),
        ("to:obrien", ("address",)),
        ("from:lucjean", ()),
        ("from:+491701234567", ("number", "number in groups")),
        ('from:"+49 170 1234567"', ("number", "number in groups")),
        ('from:"+49 (170) 123-45 67"', ("number", "number in groups")),
        ("to:030123456", ("number", "number in groups")),
        ('to:"(030) 123-456"', ("number", "number in groups")),
        ("from:030123456", ()),
    ],
)
def test_a_name_is_found_with_and_without_its_punctuation(text: str, found: tuple[str, ...], named: Api) -> None:
    assert tuple(item["subject"] for item in ask(named, q=text, sort="subject")["items"]) == found
