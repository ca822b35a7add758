"""What people type and programs send, by table: the conversations that are stored, and what each request finds of them.

Each table has an organization of its own. Conversations are named by their subjects.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from service.conversation import Conversation
from service.query.fields import FIELDS, Kind
from tests.corpus import ORGANIZATIONS
from tests.field_values import placed

NOW = datetime(2024, 7, 1, 12, tzinfo=UTC)
AGENT = "7dd3833a-4044-5bfc-84b9-49f387f5a79d"
VALUES: dict[Kind, Any] = {
    "uid": AGENT, "name": "Billing", "address": "a@b.cd", "boolean": False, "number": 3, "time": "2024-01-01T00:00:00Z",
}  # fmt: skip


def organization(table: str) -> UUID:
    return uuid5(ORGANIZATIONS[0], table)


def people(**metadata: object) -> dict[str, Any]:
    return {"metadata": metadata}


def with_every_field() -> dict[str, Any]:
    """A conversation with a value in each field. Each has a subject and updated_on anyway; derived fields have no place."""
    return placed(
        {
            row.name: [value] if row.has_several else value
            for row in FIELDS
            if row.name not in ("subject", "updated_on")
            and row.index_path.partition(".")[0] in Conversation.model_fields
            for value in [row.choices[0] if row.choices else VALUES[row.kind]]
        }
    )


BEGINNINGS = (
    "mail from ada@example.com", "ada wrote an exam", "example of ada", "on 2024-01-05", "2024 meeting 01",
    "at 10:30", "30 minutes and 10 items", "version 1.2.31", "31 of 2 in 1", "file a_b-cde.txt", "cde a b",
    "see https://example.com/path", "pathetic example, https", "Order #A-1002", "1002 orders, a", "Müller@Bücher",
    "請求書INV-1002の件",
)  # fmt: skip
# By table: the fields of each conversation by its subject.
STORED: dict[str, dict[str, dict[str, Any]]] = {
    "beginnings": {subject: {} for subject in BEGINNINGS},
    "people": {
        "ada": people(from_email="ada.lovelace@example.com", from_name="Ada Lovelace", to_emails=["alex@example.com"]),
        "bob": people(from_email="bob@example.com.au", to_emails=["ada.lovelace@example.org", "carl@example.com"]),
        "cc": people(from_email="dora@test.net", to_emails=["eve@test.net"], cc_emails=["Alex@Example.com", "fay@a.io"]),
        "spaces": people(from_email=" gus@example.com ", to_emails=["\thal@example.com"], labels=[" Inbox "]),
        "accents": people(from_email=unicodedata.normalize("NFD", "josé@example.com"), from_name="José"),
        "host": people(from_email="root@localhost"),
    },
    "pasted": {
        "with more": {
            "categories": ["\u200bBilling\ufeff "],
            "metadata": {
                "from_email": "zoe@x.org\u200b", "to_emails": ["\u2060yan@x.org\u200e"], "labels": ["\u202aIn box\u202c\u00ad"],
            },
        },
        "plain": {
            "categories": ["Billing"],
            "metadata": {"from_email": "zoe@x.org", "to_emails": ["yan@x.org"], "labels": ["In box"]},
        },
    },
    "names": {
        "composed": {"categories": ["Café"], "metadata": {"labels": ["Büro"]}},
        "decomposed": {
            "categories": [unicodedata.normalize("NFD", "Café")],
            "metadata": {"labels": [unicodedata.normalize("NFD", "Büro")]},
        },
        "capitals": {"categories": ["BILLING", "Счета"]},
        "small": {"categories": ["billing", "straße"]},
        "none": {"categories": ["none"]},
    },
    "box": {
        "one": {"status": "closed", "metadata": {"from_email": "ada@example.com"}},
        "two": {"status": "active"},
        "-10% off": {},
        "10% off": {},
        "--help is missing": {},
        "help is missing": {},
        "- a list": {},
        "-wire": {},
        "wire transfer": {},
        "this or that": {},
    },
    "times": {
        "leap": {"sent_at": "2016-12-31T23:59:60Z", "created_on": "2024-01-01T00:00:00.000Z"},
        "before": {"sent_at": "2016-12-31T23:59:59Z", "created_on": "2024-01-01T00:00:00.001Z"},
    },
    "values": {
        "bare": {},
        "full": with_every_field(),
    },
}  # fmt: skip

Found = tuple[str, ...]
# By table: the request, and the subjects that it finds.
ASKED: dict[str, list[tuple[dict[str, str], Found]]] = {
    "pasted": [
        (asked | {"sort": "subject"}, ("plain", "with more"))
        for asked in [
            {"from_email": "zoe@x.org"}, {"from_email": "\u200bzoe@x.org\u200f"}, {"to_emails": "yan@x.org\ufeff"},
            {"label": "In box"}, {"label": "In box\u2060,x"}, {"category": "Billing\u00ad"}, {"category[in]": '"Billing"'},
            {"q": "from:zoe@x.org\u200b"}, {"q": "from:Zoe <zoe@x.org\u200b>"}, {"q": "to:\u2066yan@x.org\u2069"},
            {"q": 'label:"In box\u200d"'}, {"q": "category:billing\u200c"},
        ]
    ],
    "beginnings": [
        *(
            (asked, found)
            for text, found in [
                ("ada@exa", ("mail from ada@example.com",)),
                ("ADA@Exa", ("mail from ada@example.com",)),
                ("from ada@exa", ("mail from ada@example.com",)),
                ("ada@example.c", ("mail from ada@example.com",)),
                ("example@ada", ()),
                ("2024-0", ("on 2024-01-05",)),
                ("2024-01-0", ("on 2024-01-05",)),
                ("01-2024", ()),
                ("10:3", ("at 10:30",)),
                ("30:1", ()),
                ("1.2.3", ("version 1.2.31",)),
                ("a_b-c", ("file a_b-cde.txt",)),
                ("https://example.com/pa", ("see https://example.com/path",)),
                ("#A-10", ("Order #A-1002",)),
                ("muller@buch", ("Müller@Bücher",)),
                ("請求書INV-10", ("請求書INV-1002の件",)),
                ("請求書INV-20", ()),
                ("exam", ("mail from ada@example.com", "ada wrote an exam", "example of ada",
                          "see https://example.com/path", "pathetic example, https")),
            ]
            for asked in ({"search": text, "match": "prefix"}, {"q": f"{text}*"})
        ),
        ({"q": "subject:ada@exa*"}, ("mail from ada@example.com",)),
    ],
    "people": [
        ({"q": text}, found)
        for text, found in [
            ("from:ada", ("ada",)),
            ("from:ada.lovelace@", ("ada",)),
            ("from:ada.lovelace@e", ("ada",)),
            ("from:ada.lovelace@example", ("ada",)),
            ("from:Ada.Lovelace@Example", ("ada",)),
            ("from:lovelace@exam", ("ada",)),
            ("from:ada.lovelace@example.com", ("ada",)),
            ("from:ADA.LOVELACE@EXAMPLE.COM", ("ada",)),
            ("from:@example", ("ada", "bob", "spaces", "accents")),
            ("from:bob@example.com", ()),
            ("from:bob@example.com.au", ("bob",)),
            ("from:root@local", ("host",)),
            ("from:root@localhost", ("host",)),
            ("from:example@ada", ()),
            ("from:lovel*", ("ada",)),
            ("to:al*", ("ada", "cc")),
            ("from:ada.lovelace@exa*", ("ada",)),
            ("to:lovelace@exam", ("bob",)),
            ("to:lovel*", ("bob",)),
            ("to:lovelace@example.o*", ("bob",)),
            ("to:ada.lovelace@exampl", ("bob",)),
            ("to:ADA_LOVELACE@exam", ("bob",)),
            ("to:carl@exam", ("bob",)),
            ("to:ada@exam", ()),
            ("cc:lovelace@exam", ()),
            ('from:"Ada Lovelace <ada.lovelace@example.com>"', ("ada",)),
            ("from:Ada Lovelace <ada.lovelace@example.com>", ("ada",)),
            ("From: Ada Lovelace <ada.lovelace@example.com>", ("ada",)),
            ('from:"Lovelace, Ada" <ada.lovelace@example.com>', ("ada",)),
            ("from:<ada.lovelace@example.com>", ("ada",)),
            ("from:mailto:ada.lovelace@example.com", ("ada",)),
            ('from:"Lovelace, - ADA"', ("ada",)),
            ("to:alex", ("ada", "cc")),
            ("to:alex@", ("ada", "cc")),
            ("to:alex@e", ("ada", "cc")),
            ("to:alex@example", ("ada", "cc")),
            ("to:alex@example.com", ("ada", "cc")),
            ("cc:alex@example.com", ("cc",)),
            ("cc:alex@e", ("cc",)),
            ("cc:fay", ("cc",)),
            ("cc:eve", ()),
            ("to:eve", ("cc",)),
            ("-to:alex ada", ()),
            ("from:gus@example.com", ("spaces",)),
            ("to:hal@example.com", ("spaces",)),
            ("label:Inbox", ("spaces",)),
            ("from:josé@example.com", ("accents",)),
            ("from:jose@exam", ("accents",)),
        ]
    ]
    + [
        ({"from_email": "gus@example.com"}, ("spaces",)),
        ({"from_email": "Ada Lovelace <ada.lovelace@example.com>"}, ("ada",)),
        ({"from_email": "josé@example.com"}, ("accents",)),
        ({"to_emails": "alex@example.com"}, ("ada",)),
        ({"cc_emails": "alex@example.com,fay@a.io"}, ("cc",)),
        ({"label": "Inbox"}, ("spaces",)),
    ],
    "names": [
        *(
            ({"category": unicodedata.normalize(form, "Café")}, ("composed", "decomposed")) for form in ("NFC", "NFD")
        ),
        *(({"label": unicodedata.normalize(form, "Büro")}, ("composed", "decomposed")) for form in ("NFC", "NFD")),
        ({"category": "billing"}, ("small",)),
        ({"category": "Billing"}, ()),
        ({"q": "category:Billing"}, ("capitals", "small")),
        ({"q": 'category:"billing"'}, ("small",)),
        ({"q": "category:СЧЕТА"}, ("capitals",)),
        ({"q": "category:STRASSE"}, ("small",)),
        ({"q": "category:cafe"}, ()),
        ({"q": "category:CAFÉ"}, ("composed", "decomposed")),
        ({"q": "category:Billing,café"}, ("capitals", "small", "composed", "decomposed")),
        ({"q": 'category:"none"'}, ("none",)),
        ({"category": '"none"'}, ("none",)),
    ],
    "box": [
        ({"q": text}, found)
        for text, found in [
            ("from:ada", ("one",)),
            ("from: ada", ("one",)),
            ("status: closed", ("one",)),
            ("status:", ()),
            ("--help is missing", ("--help is missing", "help is missing")),
            ("-- help", ("--help is missing", "help is missing")),
            ("- a list", ("- a list",)),
            ("-10% off", ("-10% off",)),
            ("-wire", ("one", "two", "-10% off", "10% off", "--help is missing", "help is missing", "- a list", "-wire",
                       "this or that")),
            ("this or that", ("this or that",)),
            *((wordless, ()) for wordless in ("…", "!!!", '""', "-…", "(… OR …)")),
            ("one or two", ()),
            ("one OR two", ("one", "two")),
        ]
    ],
    "times": [
        *(
            ({f"sent_at[{operator}]": "2016-12-31T23:59:60Z"}, found)
            for operator, found in [("gte", ("leap",)), ("lt", ("before",)), ("lte", ("leap", "before")), ("gt", ())]
        ),
        *(
            ({f"created_on[{operator}]": f"2024-01-01T00:00:00.{finer}Z"}, found)
            for finer in ("0005", "000001", "0000000001", "0009999999")
            for operator, found in [
                ("gt", ("before",)), ("gte", ("before",)), ("lt", ("leap",)), ("lte", ("leap",)),
            ]
        ),
        ({"created_on[gte]": "2024-01-01T00:00:00.0000000Z"}, ("leap", "before")),
        ({"q": "created:2024-01-01T00:00:00.0005Z.."}, ("before",)),
        ({"q": "created:..2024-01-01T00:00:00.0005Z"}, ("leap",)),
        ({"q": "created:2024-01-01T00:00:00.0005Z"}, ()),
    ],
    "values": [
        (asked, found)
        for row in FIELDS
        if row.plain is not None and row.plain.presence and row.name != "subject"
        for asked, found in [
            ({row.name: "none"}, ("bare",)), ({row.name: "any"}, ("full",)),
        ]
    ],
}  # fmt: skip
