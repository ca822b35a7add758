"""Tokens: which are accepted, and with which error others are refused."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from pydantic import SecretStr

from service.api.auth import Caller, Tokens
from service.errors import Forbidden, InvalidQuery, Misconfigured, Unauthorized
from service.identity.claims import LATEST
from service.query.conversation_query import ConversationQuery
from service.search.paging.cursors import Cursors
from service.settings import Settings

ONE = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
OTHER = UUID("b3d94c52-7e0f-4a6b-8c1d-2e5f60718293")
SECRET = "s" * 32
DEFAULT = {"conversations:read", "conversations:export"}


def claims(**changes: Any) -> dict[str, Any]:
    usual = {"sub": "ada", "aud": "conversations", "exp": time.time() + 86_400, "organizations": [str(ONE)]}
    return {name: value for name, value in (usual | changes).items() if value is not ...}


def signed(secret: str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    return "Bearer " + jwt.encode(claims(**changes), secret, algorithm=algorithm)


def unsigned(header: dict[str, Any]) -> str:
    parts = (json.dumps(part).encode() for part in (header, claims()))
    return "Bearer " + ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def verify(settings: Settings, header: str | None) -> Caller:
    return asyncio.run(Tokens(settings).verify(header))


def test_a_minted_token_is_trusted(bare_settings: Settings) -> None:
    token = Tokens(bare_settings).mint("ada", [ONE, OTHER], default=OTHER, scopes=("conversations:write",))
    assert verify(bare_settings, f"Bearer {token}") == Caller(
        "ada", frozenset({ONE, OTHER}), OTHER, frozenset({"conversations:write"})
    )


@pytest.mark.parametrize(
    ("organizations", "default", "means"),
    [([ONE], None, ONE), ([ONE, OTHER], None, None), ([ONE, OTHER], OTHER, OTHER)],
)
def test_the_default_organization(
    bare_settings: Settings, organizations: list[UUID], default: UUID | None, means: UUID | None
) -> None:
    token = Tokens(bare_settings).mint("ada", organizations, default=default)
    assert verify(bare_settings, f"bearer {token}").default_organization == means


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (None, "a token is needed"),
        ("", "a token is needed"),
        ("Basic YTpi", "must be 'Bearer"),
        ("Bearer ", "must be 'Bearer"),
        ("Bearer x", "not a JWT"),
        ("Bearer é.ü.ß", "not a JWT"),
        ("Bearer " + "x" * 60_000, "longer than"),
        (unsigned({"alg": "none", "typ": "JWT"}), "not a JWT signed with HS256"),
        (unsigned({"alg": "NONE"}), "not a JWT signed with HS256"),
        (unsigned({"alg": "HS256"}), "not a JWT signed with HS256"),
        (signed(secret="t" * 32), "not a JWT signed with HS256"),
        (signed(secret="s" * 64, algorithm="HS512"), "not a JWT signed with HS256"),
        (signed(aud="other"), r"another audience \(aud\): get one"),
        (signed(aud=...), "lacks the claim aud, which this service requires: get one that has it"),
        (signed(exp=time.time() - 60), "expired"),
        (signed(exp=...), "lacks the claim exp"),
        (signed(nbf=time.time() + 86_400), "not valid yet"),
        (signed(sub=...), "lacks the claim sub"),
        (signed(sub=""), "sub must be a string"),
        (signed(organizations=...), "names no organizations"),
        (signed(organizations=[]), "names no organizations"),
        (signed(organizations=str(ONE)), "names no organizations"),
        (signed(organizations=["x"]), "not a UUID"),
        (signed(organizations=[5]), "not a UUID"),
        (signed(default_organization=str(OTHER)), "not one of its organizations"),
        (signed(default_organization="x"), "not a UUID"),
        (signed(scope=5), "must be a string"),
        (signed(exp=[]), "not a JWT"),
        (signed(exp={}), "not a JWT"),
        (signed(exp=float("nan")), "not a JWT"),
        (signed(exp=float("inf")), "not a JWT"),
        (signed(exp=-(10**400)), "expired"),
        (signed(exp=True), "expired"),
        (signed(nbf=10**400), "not valid yet"),
        (signed(nbf=float("inf")), "not a JWT"),
        (signed(iat=[]), "not a JWT"),
        (signed(iat=float("inf")), "not a JWT"),
        (signed(aud=[5]), "audience|not a JWT"),
        (signed(organizations=[[[]]]), "not a UUID"),
        (signed(organizations=[10**400]), "not a UUID"),
        (signed(default_organization=[]), "not a UUID"),
    ],
)
def test_an_invalid_token_is_refused_with_a_reason_and_not_shown(
    bare_settings: Settings, header: str | None, says: str
) -> None:
    with pytest.raises(Unauthorized, match=says) as caught:
        verify(bare_settings, header)
    if header and len(header) > 12:
        assert header[7:] not in str(caught.value)


@pytest.mark.parametrize("exp", [LATEST, LATEST - 0.5, 2**33])
def test_a_token_may_expire_as_late_as_a_date_can_be_written(bare_settings: Settings, exp: float) -> None:
    tokens = Tokens(bare_settings)
    header = signed(exp=exp)
    assert asyncio.run(tokens.verify(header)).user == asyncio.run(tokens.verify(header)).user == "ada"


def test_the_issuer_is_checked_where_one_is_set(bare_settings: Settings) -> None:
    strict = bare_settings.but(token_issuer="us")
    assert verify(strict, signed(iss="us")).user == "ada"
    with pytest.raises(Unauthorized, match=r"another issuer .* ask its operator"):
        verify(strict, signed(iss="them"))
    with pytest.raises(Unauthorized, match="iss"):
        verify(strict, signed())


def test_the_names_of_the_claims_are_settings(bare_settings: Settings) -> None:
    renamed = bare_settings.but(organizations_claim="orgs", default_organization_claim="org", scope_claim="scp")
    found = verify(renamed, signed(organizations=..., orgs=[str(ONE), str(OTHER)], org=str(OTHER), scp=["a", "b"]))
    assert found == Caller("ada", frozenset({ONE, OTHER}), OTHER, frozenset({"a", "b", *DEFAULT}))


def test_a_token_is_good_for_its_lifetime_only(bare_settings: Settings) -> None:
    token = Tokens(bare_settings).mint("ada", [ONE], lifetime=timedelta(seconds=-60))
    with pytest.raises(Unauthorized, match="expired"):
        verify(bare_settings, f"Bearer {token}")


def test_a_caller_may_ask_for_its_organizations_only() -> None:
    caller = Caller("ada", frozenset({ONE}), ONE)
    caller.require(ONE)
    with pytest.raises(Forbidden):
        caller.require(OTHER)


def test_a_missing_token_secret_is_an_error() -> None:
    with pytest.raises(Misconfigured, match="CONVERSATIONS_TOKEN_SECRET"):
        Tokens(Settings.load().model_copy(update={"token_secret": None}))


def test_the_secret_can_be_replaced_while_older_tokens_stay_valid(bare_settings: Settings) -> None:
    new = bare_settings.but(token_secret=SecretStr("n" * 32))
    both = bare_settings.but(token_secret=SecretStr("n" * 32), token_secret_previous=SecretStr(SECRET))
    old = Tokens(bare_settings)
    before, after = (f"Bearer {tokens.mint('ada', [ONE])}" for tokens in (old, Tokens(both)))
    assert verify(both, before).user == verify(both, after).user == "ada"
    assert verify(new, after).user == "ada"
    with pytest.raises(Unauthorized, match="not a JWT"):
        verify(new, before)
    with pytest.raises(Unauthorized, match="expired"):
        verify(both, f"Bearer {old.mint('ada', [ONE], lifetime=timedelta(seconds=-60))}")
    with pytest.raises(Unauthorized, match="not a JWT"):
        verify(both, signed(secret="t" * 32))


def test_a_cursor_outlives_a_new_secret(bare_settings: Settings) -> None:
    query = ConversationQuery(cursor="*")
    text = Cursors(b"old").write((1, "b", None), query, ONE)
    assert Cursors(b"new", b"old").read(dataclasses.replace(query, cursor=text), ONE) == (1, "b", None)
    with pytest.raises(InvalidQuery):
        Cursors(b"new").read(dataclasses.replace(query, cursor=text), ONE)


def test_cursors_with_a_secret_of_their_own_do_not_depend_on_the_token_secret(bare_settings: Settings) -> None:
    query = ConversationQuery(cursor="*")

    def cursors(settings: Settings) -> Cursors:
        return Cursors(*Tokens(settings).cursor_secrets)

    own = bare_settings.but(cursor_secret=SecretStr("c" * 32))
    derived, sealed = (cursors(settings).write((1, "b"), query, ONE) for settings in (bare_settings, own))
    rotated = own.but(token_secret=SecretStr("n" * 32))
    assert cursors(rotated).read(dataclasses.replace(query, cursor=sealed), ONE) == (1, "b")
    assert cursors(own).read(dataclasses.replace(query, cursor=derived), ONE) == (1, "b"), "set while a walk goes on"
    with pytest.raises(InvalidQuery):
        cursors(bare_settings).read(dataclasses.replace(query, cursor=sealed), ONE)
    with pytest.raises(Misconfigured, match="CONVERSATIONS_CURSOR_SECRET must have at least 32 bytes"):
        bare_settings.but(cursor_secret="short")
