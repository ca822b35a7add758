"""The audit trail identifies each caller uniquely, but never by a name or address that people know."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import re
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from litestar.testing import RequestFactory
from structlog.testing import capture_logs

from service import audit
from service.api import audit_lines
from service.api.auth import Tokens
from service.api.requests import ApiRequest
from service.api.writes import Line, parse_lines
from service.errors import Misconfigured
from service.identity.caller import Caller
from service.settings import Settings
from service.token_settings import EXPORT, READ, WRITE
from tests.without_cluster import ask

ONE = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
OTHER = UUID("a0000000-0000-4000-8000-000000000002")
UID = UUID("b0000000-0000-4000-8000-00000000000a")
KEY = Caller("key 0f3a5c7e9b1d2f40", frozenset({ONE}), ONE, is_key=True)
NAMES = (
    "ada@example.com", "Ada Lovelace", "ada.lovelace", "JohnSmith", "ada", "acme:jane.doe", "acme|jane.doe",
    "auth0|jane.doe", "auth0|", "samlp|acme|jane@acme.example", "f:6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f:jane",
    "004915112345678", "+4915112345678", "00123456789012345", "auth0|004915112345678", "github|583231",
    "sms|004915112345678", "acme|5f7c8ec7c33c6c004bbafe82", "x5f7c8ec7c33c6c004bbafe82", "5f7c8ec7c33c6c004bbafe82\n",
    "deadbeefcafebabe", "ada004915112345678", "19990101ada19990101", "5f7c8ec7", "{6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f}",
    "key 0f3a5c7e9b1d2f40", "user root", f"sha256:{16 * '0'}", "sha256:0f3a5c7e9b1d2f40", "1" * 65, "", "a\nb", "\ud800",
    "٠٠٤٩١٥١١٢٣٤٥٦٧٨٩٠١٢٣٤", "ä",
)  # fmt: skip
OPAQUE = (
    "6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f", "6F2C1D1E-8A4B-4C3D-9E5F-0A1B2C3D4E5F", "0f3a5c7e9b1d2f40",
    "5f7c8ec7c33c6c004bbafe82", sha256(b"x").hexdigest(), "110169484474386276334", "auth0|5f7c8ec7c33c6c004bbafe82",
    "google-oauth2|110169484474386276334", "auth0|6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f",
)  # fmt: skip


def request_to(file: Path, caller: Caller) -> ApiRequest:
    """A request of this caller to an application whose trail is the file."""
    app = SimpleNamespace(state=SimpleNamespace(audit=audit.Audit(file, is_logged=False)))
    request = RequestFactory().get("/")
    request.scope["litestar_app"] = app  # type: ignore[typeddict-item]
    request.scope["state"] = {"notes": {"request_id": "r"}}
    audit_lines.remember_caller(request, caller)
    return request


def written(tmp_path: Path, caller: Caller) -> dict[str, Any]:
    """The line of one write of this caller."""
    file = tmp_path / "audit"
    file.unlink(missing_ok=True)
    audit_lines.record(request_to(file, caller), "write", {ONE}, written=1)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@pytest.mark.parametrize("is_full", [False, True])
@pytest.mark.parametrize("is_logged", [False, True])
def test_a_line_that_is_written_in_part_is_completed_or_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_full: bool, is_logged: bool
) -> None:
    write, parts = os.write, list[int]()

    def nearly_full(descriptor: int, data: bytes) -> int:
        if is_full and parts:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        parts.append(write(descriptor, data[:20]))
        return parts[-1]

    monkeypatch.setattr(os, "write", nearly_full)
    file = tmp_path / "audit"
    trail = audit.Audit(file, is_logged=is_logged)
    is_refused = is_full and not is_logged
    with (
        capture_logs() as lines,
        pytest.raises(Misconfigured, match="No space left") if is_refused else contextlib.nullcontext(),
    ):
        trail.record("write", who="key 1", organizations=[ONE], written=1)
    assert [line["reason"] for line in lines if line["event"] == "audit_file_failed"] == (
        ["No space left on device"] if is_full and is_logged else []
    )
    monkeypatch.undo()
    audit.Audit(file, is_logged=False).record("write", who="key 1", organizations=[ONE], written=2)
    before, after = file.read_text().splitlines()
    assert json.loads(after)["written"] == 2, "a line that was cut off is not joined to the next one"
    assert before.endswith('"written": 1}') is not is_full


@pytest.mark.parametrize("held", [b"", b"\n", b'{"action": "load"}\n'])
def test_whole_lines_are_followed_by_no_empty_one(held: bytes, tmp_path: Path) -> None:
    file = tmp_path / "audit"
    file.write_bytes(held)
    audit.Audit(file, is_logged=False).record("write", who="key 1", organizations=[ONE], written=2)
    assert file.read_bytes().startswith(held + b"{")


@pytest.mark.parametrize("user", NAMES)
def test_a_subject_that_may_identify_a_person_is_hashed(user: str) -> None:
    assert audit.who(user) == f"sha256:{sha256(user.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


@pytest.mark.parametrize("user", OPAQUE)
def test_an_opaque_subject_is_recorded_unchanged(user: str) -> None:
    assert audit.who(user) == user
    assert not re.match("key |user |sha256:", user)


def test_no_subject_is_recorded_like_a_key(tmp_path: Path) -> None:
    forged = Caller(KEY.user, frozenset({ONE}), ONE)
    assert written(tmp_path, KEY)["who"] == KEY.user
    assert written(tmp_path, forged)["who"] == audit.who(KEY.user) != KEY.user


def test_a_line_names_the_issuer_of_its_subject(tmp_path: Path) -> None:
    lines = [
        written(tmp_path, Caller("42", frozenset({ONE}), ONE, issuer=issuer))
        for issuer in ("https://a.example/realms/main", "https://b.example", "ada@example.com", "x" * 201, "")
    ]
    assert len({line["who"] for line in lines}) == 1
    hashes = [f"sha256:{sha256(text).hexdigest()[:16]}" for text in (b"ada@example.com", b"x" * 201)]
    assert [line.get("issuer") for line in lines] == [
        "https://a.example/realms/main", "https://b.example", *hashes, None,
    ]  # fmt: skip


def test_no_two_callers_have_one_identity() -> None:
    """So nobody uses up the rate of another."""
    ones = [
        KEY, Caller(KEY.user, frozenset(), None), Caller("\n" + KEY.user, frozenset(), None),
        *(
            Caller(user, frozenset(), None, issuer=issuer)
            for issuer, user in (("a", "b c"), ("a b", "c"), ("a", "b\nc"), ("a\nb", "c"), ("", "a b c"), ("1 a", "b c"))
        ),
    ]  # fmt: skip
    assert len({one.identity for one in ones}) == len(ones)


def refused(file: Path, settings: Settings, token: str, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    """The audit lines of these requests, without their times and request ids. Each request must get 403."""
    file.unlink(missing_ok=True)
    headers = {"Authorization": f"Bearer {token}"}
    answers = ask(settings.but(audit_file=file), *({"headers": headers, **one} for one in requests))
    assert {answer.status_code for answer in answers} == {403}
    lines: list[dict[str, Any]] = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert {line.pop("request_id") for line in lines} <= set(ids)
    assert all(line.pop("timestamp") for line in lines)
    return lines


def test_an_action_that_the_token_does_not_allow_is_recorded(bare_settings: Settings, tmp_path: Path) -> None:
    """A line names the organization of the request. If the request names none, it names those of the caller."""
    settings, file = bare_settings.but(token_issuer="https://a.example"), tmp_path / "audit"
    tokens = Tokens(settings)
    reader = tokens.mint("ada@example.com", [ONE], default=ONE, scopes=(READ,))
    writer = tokens.mint("ada@example.com", [ONE], default=ONE, scopes=(WRITE, EXPORT))
    restricted = tokens.mint("ada@example.com", [ONE, OTHER], scopes=(WRITE,), agents=(UUID(int=7),))
    export = {"url": "/api/conversations/export"}
    bulk = {"url": "/api/conversations/bulk", "method": "POST", "content": b"{}"}
    delete = {"url": f"/api/conversations/{str(UID).upper()}", "method": "DELETE"}
    elsewhere = {"params": {"organization_uid": str(OTHER)}}
    common = {"who": audit.who("ada@example.com"), "issuer": "https://a.example", "refused": 1}
    assert refused(file, settings, reader, export, export | elsewhere, bulk, delete, delete | elsewhere) == [
        {"action": "export", "organization": str(ONE), "lacks": "scope", **common},
        {"action": "export", "organization": str(OTHER), "lacks": "scope", **common},
        {"action": "write", "organization": str(ONE), "lacks": "scope", **common},
        {"action": "delete", "organization": str(ONE), "uid": str(UID), "lacks": "scope", **common},
        {"action": "delete", "organization": str(OTHER), "uid": str(UID), "lacks": "scope", **common},
    ]
    assert refused(
        file, settings, writer, export | elsewhere, delete | elsewhere, {"method": "HEAD", **export, **elsewhere}
    ) == [
        {"action": "export", "organization": str(OTHER), "lacks": "organization", **common},
        {"action": "delete", "organization": str(OTHER), "uid": str(UID), "lacks": "organization", **common},
        {"action": "export", "organization": str(OTHER), "lacks": "organization", **common},
    ]
    assert refused(file, settings, restricted, bulk) == [
        {"action": "write", "organizations": [str(ONE), str(OTHER)], "lacks": "all conversations", **common}
    ]


def test_a_refusal_repeats_nothing_that_the_caller_wrote(bare_settings: Settings, tmp_path: Path) -> None:
    token = Tokens(bare_settings).mint("ada@example.com", [ONE], default=ONE, scopes=(READ,))
    texts = ("MARK", "%ff", "\n", f"{OTHER}\nMARK", "MARK" * 1_000)
    asked = [
        {"url": f"/api/conversations/{path}", "method": "DELETE", "params": {"organization_uid": text}}
        for path, text in zip(("MARK", "%FFMARK", "MARK", str(UID), "MARK"), texts, strict=True)
    ]
    lines = refused(tmp_path / "audit", bare_settings, token, *asked)
    assert [line["organization"] for line in lines] == 5 * [str(ONE)]
    for hidden in ("MARK", "ada", token):
        assert hidden not in str(lines)


def test_refused_reads_are_not_in_the_trail(bare_settings: Settings, tmp_path: Path) -> None:
    """Allowed reads are not, either."""
    token = Tokens(bare_settings).mint("ada", [ONE], default=ONE)
    elsewhere = {"params": {"organization_uid": str(OTHER)}}
    asked = ({"url": f"/api/conversations{path}", **elsewhere} for path in ("", "/count", f"/{UID}"))
    assert refused(tmp_path / "audit", bare_settings, token, *asked) == []


@pytest.mark.slow
def test_a_flood_of_refusals_has_no_more_lines_than_the_rate_of_the_caller(
    bare_settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "audit"
    settings = bare_settings.but(caller_rate=0.001, caller_burst=5, audit_file=file)
    headers = {"Authorization": f"Bearer {Tokens(settings).mint('ada', [ONE], default=ONE, scopes=(READ,))}"}
    one = {"url": "/api/conversations/export", "headers": headers}
    answers = ask(settings, *(8 * [one]))
    assert sorted(answer.status_code for answer in answers) == [*(5 * [403]), *(3 * [429])]
    assert len(file.read_text().splitlines()) == 5


def test_the_refused_lines_of_a_bulk_request_are_recorded_in_one_line(tmp_path: Path) -> None:
    """It is one line, however many organizations they name. Lines that are wrong in another way do not count."""
    file = tmp_path / "audit"
    tombstones = [
        {"uid": str(UID), "organization_uid": str(uid), "deleted_on": "2024-01-01T00:00:00Z"}
        for uid in (ONE, OTHER, OTHER, *(UUID(int=at) for at in range(audit.MOST_NAMED)))
    ]
    body = b"".join(b"%s\n" % json.dumps(one).encode() for one in tombstones) + b"nonsense\n"

    def lines_of(body: bytes) -> list[Line]:
        return asyncio.run(parse_lines(body, frozenset({ONE}), max_ahead=timedelta(days=1)))

    request = request_to(file, KEY)
    for some in (body, b"".join(body.splitlines(keepends=True)[:3]), body.splitlines()[0], b"nonsense"):
        audit_lines.record_uncovered(request, lines_of(some))
    many, two = map(json.loads, file.read_text().splitlines())
    assert (many["action"], many["who"], many["lacks"]) == ("write", KEY.user, "organization")
    assert many["refused"] == audit.MOST_NAMED + 2
    assert many["organizations_in_all"] == audit.MOST_NAMED + 1
    assert many["organizations"] == [str(UUID(int=at)) for at in range(audit.MOST_NAMED)]
    assert (two["organization"], two["refused"]) == (str(OTHER), 2)
