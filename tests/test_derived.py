"""Derived fields: the hash of each version is pinned, so no change goes unnoticed."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from service import stored_documents as derivation
from service.conversation import CHANNELS, STATUSES, Conversation, ImportRecord
from service.stored_documents import (
    DERIVED,
    DERIVED_VERSION,
    document_id,
    import_record,
    order_fields,
    stored,
    tombstone,
)
from service.text import fold

# The hash of `derived()` in each version. A new version adds a row; a row that is here is never changed.
PINNED = {
    1: "df3f6757262f11ac41539b0a10eac5da7834fda269e14f1bf76df7de8efb4bb3",
    2: "35df65db14aac5642e00d8d12c84706b4e862464827bbbe0c808c4ec7424478b",
    3: "e7feea0e3234e18ba41a88f0902e086177c5262af4e4e5469cb1655975203620",
    4: "d5bbe217f519aa99d874eee7e13822994fe226c8ee54e37f84514697282bf2d6",
    5: "73a807f3f8501bacb6805fac22a46473b113fa997216f9be6dd1cb062e5dfc9d",
    6: "8fa285143319a5c308263b4c42db99ca9c6b2f06992d8cbe7dd90754ac9e4ed1",
}

ORGANIZATION = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
UIDS = (UUID(int=0), UUID("0197a3c2-5d1e-7c3b-8f4a-2b6d9e0c1f35"), UUID(int=2**128 - 1))
TIMES = ("1970-01-01T00:00:00.000Z", "2024-02-29T23:59:59.999Z", "9999-12-31T12:00:00.000Z")
# The names that there were when the numbers were chosen. New names need not be added, as they change no document.
STATUSES_PINNED = (None, "draft", "active", "archived", "closed")
CHANNELS_PINNED = (None, "email", "sms")
SUBJECTS = (
    None, "", " ", "Invoice 2024", "RE: Re[2]: invoice", "ÀÉÎÕÜ àéîõü", "Straße STRASSE ẞ", "İstanbul ıI", "ﬃ Å Ⅷ ½ ①",
    "Ωμέγα ΣΊΣΥΦΟΣ ς", "Ёлка ёлка Й", "שָׁלוֹם", "الْعَرَبِيَّة ﷺ", "हिन्दी क़", "ภาษาไทย", "漢字 漢字 㐀", "カタカナ が か\u3099 ｶﾞ",
    "한국어 한국어", "Tiếng Việt", "🙂👍🏽 👨‍👩‍👧", "\U0001d400\U00020000\U0001f600", "e" + "\u0301\u0316" * 40, "a\u00adb\u2060c\u200cd",
    "e-mail, don’t", "ab", "abc\u0000", "x" * 2000, "é" * 2000, "\uffff\U00010000",
    "അവന്\u200d উত্\u200dসব",
)  # fmt: skip


def samples() -> list[Conversation]:
    common: dict[str, Any] = {"organization_uid": ORGANIZATION, "uid": UIDS[1], "updated_on": TIMES[1]}
    changes: list[dict[str, Any]] = [
        *({"subject": subject} for subject in SUBJECTS),
        *({"status": status} for status in STATUSES_PINNED),
        *({"channel": channel} for channel in CHANNELS_PINNED),
        *({"uid": uid, "updated_on": time} for uid in UIDS for time in TIMES),
        *({"sent_at": time} for time in TIMES),
        {"categories": ["Łódź Süd", "返品"], "metadata": {"labels": ["Work/Ünits"]}},
        {"metadata": {"from_email": "Ada.Lovelace@example.com", "from_name": "Ada Lovelace"}},
        {"metadata": {"to_emails": ["Ada.Lovelace@example.com", "bob@example.com"], "cc_emails": ["Eve@x.org"]}},
    ]
    return [Conversation.model_validate(common | change) for change in changes]


def unchanging_characters() -> str:
    """The characters of Unicode 3.2, whose data is the same in every version of Python."""
    return "".join(
        character
        for character in map(chr, range(0x110000))
        if unicodedata.ucd_3_2_0.category(character) not in ("Cn", "Co", "Cs")
    )


def derived() -> str:
    """A hash of everything that is derived: of the samples, their tombstones, and each character's folding."""
    found = hashlib.sha256()
    for one in samples():
        document = json.loads(stored(one))
        found.update(json.dumps([document.get(name) for name in DERIVED], sort_keys=True).encode())
        found.update(document_id(one.organization_uid, one.uid).encode())
        found.update(tombstone(one.organization_uid, one.uid, one.updated_on))
        record = ImportRecord(uid=one.uid, organization_uid=one.organization_uid, version=one.version, keys=["a"])
        found.update(import_record(record))
    found.update("\n".join(map(fold, unchanging_characters())).encode())
    return found.hexdigest()


def test_the_derived_fields_match_their_version() -> None:
    assert derived() == PINNED.get(DERIVED_VERSION), (
        "what is derived at writing time changed: raise DERIVED_VERSION in service/stored_documents.py, pin the new hash "
        "here, and say in CHANGELOG.md that a reindex is needed"
    )
    assert list(PINNED) == list(range(1, DERIVED_VERSION + 1))
    assert len(set(PINNED.values())) == len(PINNED)


@pytest.mark.slow
def test_the_pin_notices_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    changes: dict[str, Any] = {
        "fold": str.casefold,
        "SORT_KEY_CHARACTERS": 999,
        "digest": lambda document, version, kind: (1, len(document) + version + len(kind)),
        "uid_order": lambda uid: (uid.int >> 80, uid.int >> 48 & (2**32 - 1), uid.int & (2**48 - 1)),
        "sort_key_prefixes": lambda key: (0, 0, 0, len(key)),
        "_STATUS_ORDER": {"active": 10, "archived": 20, "closed": 30, "draft": 41},
        "_CHANNEL_ORDER": {"email": 10, "sms": 30},
        "own_words": lambda organization, subject, **others: f"{organization}{subject}{others}",
        "sent_fields": lambda one: {"weekday": 1} if one.sent_at else {},
        "document_id": lambda organization, uid: f"{organization}/{uid}",
    }
    found = {derived()}
    for name, changed in changes.items():
        with monkeypatch.context() as patched:
            patched.setattr(derivation, name, changed)
            found.add(derived())
    assert len(found) == 1 + len(changes)


@pytest.mark.parametrize(("field", "names"), [("status", STATUSES), ("channel", CHANNELS)])
def test_names_have_numbers_in_the_order_of_the_names_with_gaps(field: str, names: tuple[str, ...]) -> None:
    common = {"organization_uid": ORGANIZATION, "uid": UIDS[1], "updated_on": TIMES[1]}
    numbers = [int(order_fields(Conversation.model_validate(common | {field: name}))[field]) for name in sorted(names)]
    assert all(later - earlier > 1 for earlier, later in pairwise(numbers))
    assert all(0 < number < 128 for number in numbers)  # the mapping's type is byte
