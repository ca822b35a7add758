"""Claims that no issuer should send: refused, never taken for something else."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from typing import Any
from uuid import UUID

import pytest

from service.api.auth import Tokens
from service.errors import Unauthorized
from service.identity.caller import Caller
from service.settings import Settings
from tests.issuer import encoded

ONE = "6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f"
SECRET = b"s" * 32
LATER = 4_000_000_000  # in the year 2096
NO_OBJECTS: tuple[object, ...] = ([{"agents": [ONE]}], '{"agents": []}', "agents", None, 5, True, [], "")


def signed(claims: bytes | dict[str, Any]) -> str:
    """The Authorization header with a token of these claims, whatever they are."""
    if isinstance(claims, dict):
        usual = {"sub": "ada", "aud": "conversations", "exp": LATER, "organizations": [ONE]}
        claims = json.dumps({name: value for name, value in (usual | claims).items() if value is not ...}).encode()
    text = f"{encoded({'alg': 'HS256'})}.{encoded(claims)}"
    return f"Bearer {text}.{encoded(hmac.digest(SECRET, text.encode(), hashlib.sha256))}"


def verify(settings: Settings, claims: bytes | dict[str, Any]) -> Caller:
    return asyncio.run(Tokens(settings).verify(signed(claims)))


@pytest.mark.parametrize("container", NO_OBJECTS)
@pytest.mark.parametrize("setting", ["agents", "parties", "scope", "organizations", "default_organization"])
def test_a_nested_claim_is_refused_if_its_container_is_no_object(
    bare_settings: Settings, setting: str, container: object
) -> None:
    """Otherwise a restriction would be lost, or a token would get the scopes of one without that claim."""
    shallow = bare_settings.but(**{f"{setting}_claim": f"access.{setting}"})
    deep = bare_settings.but(**{f"{setting}_claim": f"app.access.{setting}"})
    for settings, claims in ((shallow, {"access": container}), (deep, {"app": {"access": container}})):
        with pytest.raises(Unauthorized, match="must be an object that leads to"):
            verify(settings, claims)


@pytest.mark.parametrize("claims", [{}, {"access": {}}, {"access": {"Agents": [ONE]}}, {"agents": [ONE]}])
def test_a_missing_nested_claim_means_no_restriction(bare_settings: Settings, claims: dict[str, Any]) -> None:
    settings = bare_settings.but(agents_claim="access.agents")
    assert verify(settings, claims).restriction.agents is None
    for there in ({"access": {"agents": [ONE]}}, {"access": 5, "access.agents": [ONE]}):
        assert verify(settings, there).restriction.agents == frozenset({UUID(ONE)})


def test_a_required_nested_claim_is_refused_if_its_container_is_no_object(bare_settings: Settings) -> None:
    settings = bare_settings.but(token_required_claims="app.tenant")
    assert verify(settings, {"app": {"tenant": "x"}})
    for container in NO_OBJECTS:
        with pytest.raises(Unauthorized, match="must be an object that leads to"):
            verify(settings, {"app": container})


@pytest.mark.parametrize(
    "value",
    [
        str(LATER), "9_999_999_999", "٩٩٩٩٩٩٩٩٩٩", f" {LATER} ", "", True, False, None, [], [LATER], {}, {"a": LATER},
        10**4_000, 2**1_024, 253_402_300_800, 1e300, float("inf"), float("-inf"), float("nan"),
    ],
    ids=lambda value: str(value)[:20] if not isinstance(value, int) or value < 2**64 else f"{len(f'{value:x}')} hex",
)  # fmt: skip
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
def test_a_time_is_a_number_of_seconds(bare_settings: Settings, claim: str, value: object) -> None:
    with pytest.raises(Unauthorized):
        verify(bare_settings, {claim: value})
    assert verify(bare_settings, {claim: LATER + 0.5 if claim == "exp" else 1_000_000_000.5})


@pytest.mark.parametrize("value", [None, False, 5, 1.5, "", [], ["https://login.example"], {}, {"a": "b"}])
@pytest.mark.parametrize("claim", ["iss", "sub"])
def test_an_issuer_and_a_subject_are_texts(bare_settings: Settings, claim: str, value: object) -> None:
    """This includes `iss` if no issuer is set, although any issuer is accepted then."""
    with pytest.raises(Unauthorized):
        verify(bare_settings, {claim: value})
    assert verify(bare_settings, {"iss": "https://login.example"}).issuer == "https://login.example"
    assert verify(bare_settings, {}).issuer == ""


@pytest.mark.parametrize("half", [r"\ud800", r"\uDBFF", r"\udc00", r"\uDfff", r"\udc00\ud800"])
@pytest.mark.parametrize("claim", ["sub", "scope", "iss", "x", "nested"])
def test_half_a_surrogate_pair_is_refused(bare_settings: Settings, claim: str, half: str) -> None:
    """In JSON it is written with an escape. It has no UTF-8, so an answer with it would be 500."""
    usual = {"sub": "ada", "aud": "conversations", "exp": LATER, "organizations": [ONE]}
    written = json.dumps(usual | {claim: [{"HALF": ["x HALF"]}] if claim == "nested" else "HALF x"})
    assert verify(bare_settings, written.replace("HALF", r"\ud83d\ude00").encode())
    with pytest.raises(Unauthorized, match="not a JWT"):
        verify(bare_settings, written.replace("HALF", half).encode())
    assert verify(bare_settings, {"sub": "😀"}).user == "😀"  # a whole pair in JSON


def test_a_claim_is_in_utf_8_and_is_json(bare_settings: Settings) -> None:
    right = json.dumps({"sub": "ada", "aud": "conversations", "exp": LATER, "organizations": [ONE], "x": 0})
    assert verify(bare_settings, right.encode())
    surrogate = right.replace("ada", "\ud800").encode("utf-8", "surrogatepass")
    no_json = [right.replace('"x": 0', f'"x": {value}').encode() for value in ("NaN", "Infinity", "-Infinity")]
    for wrong in (right.encode("utf-16"), right.encode("utf-32-le"), surrogate, *no_json):
        with pytest.raises(Unauthorized, match="not a JWT"):
            verify(bare_settings, wrong)
