"""The audit trail names each caller by something that nobody else can have, and nobody by what people know them by."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from litestar.testing import RequestFactory

from service import audit
from service.api import trail
from service.identity.caller import Caller

ONE = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
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


def written(tmp_path: Path, caller: Caller) -> dict[str, Any]:
    """The line of one write of this caller."""
    file = tmp_path / "audit"
    file.unlink(missing_ok=True)
    app = SimpleNamespace(state=SimpleNamespace(audit=audit.Audit(file, is_logged=False)))
    request = RequestFactory().get("/")
    request.scope["litestar_app"] = app  # type: ignore[typeddict-item]
    request.scope["state"] = {"notes": {"request_id": "r"}}
    trail.remember(request, caller)
    trail.record(request, "write", {ONE}, written=1)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@pytest.mark.parametrize("user", NAMES)
def test_a_subject_that_may_tell_who_it_is_is_a_hash(user: str) -> None:
    assert audit.who(user) == f"sha256:{sha256(user.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


@pytest.mark.parametrize("user", OPAQUE)
def test_an_opaque_subject_is_itself(user: str) -> None:
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
