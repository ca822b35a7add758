"""What is fuzzed: functions of bytes. The errors for invalid input are right; every other exception is a finding."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

import msgspec
from pydantic import SecretStr

from service.api.auth import Tokens
from service.api.writes import parse_lines
from service.errors import InvalidQuery, Misconfigured, TooLarge, Unauthorized
from service.index.writer import write_of
from service.query.conversation_query import ConversationQuery
from service.query.parameters import COUNT_PARAMETERS, EXPORT_PARAMETERS, LIST_PARAMETERS
from service.query.parser import parse_one, parse_query, parse_suggest
from service.search import compiler
from service.search.paging.cursors import Cursors
from service.settings import Settings
from service.sources import lines, mail, mailbox, sms
from service.sources.file_limits import Limits

Result = TypeVar("Result")
ORGANIZATION = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
DAY = timedelta(days=1)
SMALL = Limits(
    nested=3, ratio=50, unpacked=2_000_000, directory=100_000, entry=10_000, message=1_000_000, whole=100_000,
    section=10_000, protected=100_000, line=100_000, element=100_000, depth=8,
)  # fmt: skip
SECRET = "for fuzzing on this machine only"
TOKENS = Tokens(Settings.load().but(token_secret=SecretStr(SECRET)))
CURSORS = Cursors(b"for fuzzing")


def parameters(data: bytes) -> None:
    """A query string: a parsed query also compiles, and the result contains the organization."""
    for known in (LIST_PARAMETERS, COUNT_PARAMETERS, EXPORT_PARAMETERS):
        _query(data, known)
    with contextlib.suppress(InvalidQuery):
        parse_suggest(data, ORGANIZATION)
    with contextlib.suppress(InvalidQuery):
        parse_one(data[:40].decode("utf-8", "replace"), data[40:], ORGANIZATION, known=LIST_PARAMETERS[:1])


def search_box(data: bytes) -> None:
    """The text of `q`, leniently and strictly, in each way of matching its words."""
    text = quote(data[1:].decode("utf-8", "replace")[:600]).encode()
    match = (b"", b"&match=any", b"&match=auto")[data[0] % 3] if data else b""
    _query(b"q=" + text + match + b"&explain=query", LIST_PARAMETERS, strict=bool(data and data[0] & 64))


def _query(data: bytes, known: Any, *, strict: bool = False) -> ConversationQuery | None:
    try:
        organization, query = parse_query(data, ORGANIZATION, known=known, strict=strict)
    except InvalidQuery:
        return None
    body = msgspec.json.encode(compiler.compile_query(query, organization))
    assert str(organization).encode() in body
    msgspec.json.encode(compiler.compile_page(query, organization))
    return query


def cursors(data: bytes) -> None:
    """A text as a cursor, and a real cursor that was changed: only cursors that the service wrote are read."""
    _, query = parse_query(b"search=a&sort=subject", ORGANIZATION, known=LIST_PARAMETERS)
    real = CURSORS.write((1, 2.5, data[:50].decode("utf-8", "replace"), None), query, ORGANIZATION)
    position = CURSORS.read(replace(query, cursor=real), ORGANIZATION)
    assert position is not None
    changed = bytearray(real.encode())
    for at, byte in enumerate(data[:8]):
        changed[(at * 31 + byte) % len(changed)] = data[-1 - at % len(data)]
    for text in (changed.decode("latin-1"), data.decode("utf-8", "replace")):
        try:
            found = CURSORS.read(replace(query, cursor=text), ORGANIZATION)
        except InvalidQuery:
            continue
        # The last character may differ in bits that base64 does not use: then the cursor is the same.
        assert (found == position and text.rstrip("=")[:-1] == real[:-1]) or (text == "*" and found is None), text


def tokens(data: bytes) -> None:
    """A header, and claims with a valid signature."""
    texts = [data.decode("latin-1"), f"Bearer {data.decode('utf-8', 'replace')}"]
    header, _, claims = data.partition(b"\n")
    texts.append(f"Bearer {_signed(header or HEADER, claims)}")
    texts.append(f"Bearer {_signed(HEADER, data)}")
    for text in texts:
        with contextlib.suppress(Unauthorized):
            caller = finished(TOKENS.verify(text))
            assert caller.organizations


HEADER = b'{"alg":"HS256","typ":"JWT"}'


def _signed(header: bytes, claims: bytes) -> str:
    parts = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, claims))
    signature = hmac.digest(SECRET.encode(), parts.encode(), hashlib.sha256)
    return f"{parts}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def ndjson(data: bytes) -> None:
    """A bulk request, as lines and as an array: each line is a write or has a reason."""
    for is_json in (False, True):
        with contextlib.suppress(InvalidQuery, TooLarge):
            for line in finished(parse_lines(data, frozenset({ORGANIZATION}), max_ahead=DAY, is_json=is_json)):
                assert (line.write is None) == bool(line.reason)
    with contextlib.suppress(lines.InvalidLine):
        found = lines.parse(data, max_ahead=DAY)
        if not hasattr(found, "deleted_on"):
            json.loads(write_of(found).source)


def finished(coroutine: Coroutine[object, object, Result]) -> Result:
    """The result of a coroutine that only gives way to other tasks, and waits for nothing else."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration as ended:
        result: Result = ended.value
        return result


def mails(data: bytes) -> None:
    """A mailbox of any form: every message is in a conversation, left out, a duplicate, or rejected with a reason."""
    counts = mail.Counts()
    rejected: list[str] = []
    name = ("mail.mbox", "mail.eml", "mail.emlx")[data[0] % 3] if data else "mail"
    with _file(name, data[1:]) as path:
        made = list(
            mail.conversations(
                [path], ORGANIZATION, mail.Own(), reject=lambda _name, _number, why, _data, _at: rejected.append(why),
                counts=counts,
            )
        )  # fmt: skip
    for item in made:
        write_of(item)
    assert counts.read == counts.in_conversations + counts.duplicates + counts.left_out + counts.rejected
    assert all(rejected)


def texts(data: bytes) -> None:
    """A file of SMS, XML or CSV."""
    counts = mail.Counts()
    columns = {"date": "date", "from": "from", "text": "text"} if data and data[0] & 4 else None
    with _file("sms.xml" if data and data[0] & 1 else "sms.csv", data[1:]) as path, contextlib.suppress(Misconfigured):
        for item in sms.conversations(
            [path], ORGANIZATION, reject=lambda *_reject: None, counts=counts, region="DE", columns=columns
        ):
            write_of(item)
        assert counts.read == counts.in_conversations + counts.duplicates + counts.rejected


def archives(data: bytes) -> None:
    """An archive of mail: no message comes from outside of the archive."""
    with _file("archive", data) as path:
        for message in mailbox.read(path, limits=SMALL):
            assert message.source.startswith(path)


@contextlib.contextmanager
def _file(name: str, data: bytes) -> Any:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        yield str(path)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "parameters": parameters, "search_box": search_box, "cursors": cursors, "tokens": tokens, "ndjson": ndjson,
    "mail": mails, "sms": texts, "archives": archives,
}  # fmt: skip
