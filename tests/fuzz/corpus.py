"""The first inputs of each target: small files, inputs that are made here, and words to build inputs from."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import zstandard

from service.query.fields import FIELDS
from service.query.parameters import LIST_PARAMETERS

CORPUS = Path(__file__).parent / "seeds"


def seeds(name: str) -> list[bytes]:
    """The files of a target, and the inputs that are made for it."""
    kept = [path.read_bytes() for path in sorted((CORPUS / name).glob("*")) if path.is_file()]
    return [*kept, *_MADE.get(name, list)()]


def words(name: str) -> list[bytes]:
    return [word.encode() for word in WORDS[name]]


def _parameters() -> list[bytes]:
    return [b"%s=%s" % (one.name.encode(), one.example.replace(" ", "+").encode()) for one in LIST_PARAMETERS]


def _archives() -> list[bytes]:
    message = (
        b"From a@b.example Thu Jan  1 00:00:00 2004\nFrom: a@b.example\nDate: Thu, 1 Jan 2004 00:00:00 +0000\n\nx\n"
    )
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a/mail.mbox"), message, zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo("../b.eml"), message)
    with tarfile.open(fileobj=tarred, mode="w") as tar:
        entry = tarfile.TarInfo("cur/1:2,S")
        entry.size = len(message)
        tar.addfile(entry, io.BytesIO(message))
    packed = zstandard.ZstdCompressor().compress(message)
    return [
        message,
        gzip.compress(message, mtime=0),
        packed,
        zipped.getvalue(),
        tarred.getvalue(),
        gzip.compress(tarred.getvalue(), mtime=0),
    ]


def _deep() -> list[bytes]:
    """JSON that is nested deeper than a parser may recurse."""
    return [b"[" * 5000, b'{"a":' * 3000, json.dumps({"sub": "a"}).encode() + b"[" * 5000]


_MADE: dict[str, Callable[[], list[bytes]]] = {
    "parameters": _parameters,
    "archives": _archives,
    "tokens": _deep,
    "ndjson": _deep,
    "mail": lambda: [b"c" + data for data in _deep()],
}
_FIELDWORDS = [row.name for row in FIELDS] + [row.syntax.name + ":" for row in FIELDS if row.syntax]
WORDS: dict[str, list[str]] = {
    "parameters": [*(f"&{one.name}=" for one in LIST_PARAMETERS), "%00", "%ff", "none", "any", "[in]", "&", "=", "+", "*", "now-1d"],
    "search_box": [*_FIELDWORDS, " OR ", " AND ", " NOT ", "(", ")", '"', "-", "*", "is:", "has:", "before:", "..", "none", "2024-07"],
    "cursors": ["*", "=", "-", "_"],
    "tokens": ["alg", "HS256", "none", "kid", "typ", "sub", "aud", "conversations", "exp", "nbf", "iat", "organizations",
               "6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f", "scope", "agents", "parties", "default_organization", "4102444800", "1e400"],
    "ndjson": ['{"uid":', '"organization_uid":', '"updated_on":', '"deleted_on":', '"metadata":{', '"subject":', "\\ud800", "null", "1e400", "\n"],
    "mail": ["\n\n", "From ", "From: ", "Subject: ", "Date: ", "Message-ID: ", "References: ", "Content-Type: ", "multipart/mixed; boundary=",
             "charset=", "=?utf-8?b?", "?=", "Content-Transfer-Encoding: base64", "X-Gmail-Labels: ", "Status: RO", "\r\n", "--", "iso-2022-jp"],
    "sms": ["<sms ", "<mms ", "<smses ", "address=", "date=", "type=", "body=", "&#55357;", "&#0;", "/>", "</", "<![CDATA[", "<!DOCTYPE", ";", '"', "date,from,to,text"],
    "archives": ["PK\x03\x04", "\x1f\x8b\x08", "ustar", "(\xb5/\xfd", "../", "/etc/passwd", "PaxHeader"],
}  # fmt: skip
