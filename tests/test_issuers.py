"""Tokens of identity providers: real keys, and a real issuer on 127.0.0.1."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr

from service.api.auth import Tokens
from service.errors import KeysUnavailable, Misconfigured, Unauthorized
from service.identity.caller import Caller
from service.operations import doctor
from service.settings import Settings
from tests.examples import examples
from tests.issuer import ALGORITHMS, Issuer, encoded, issuer, jwk, private_key

SECRET = "s" * 40


@pytest.fixture
def served() -> Iterator[Issuer]:
    with issuer() as found:
        found.keys = [jwk("first")]
        yield found


@pytest.fixture
def settings(bare_settings: Settings, served: Issuer) -> Settings:
    return bare_settings.but(token_secret=SECRET, token_issuer=served.url, token_jwks_url=served.jwks_url)


def verify(settings: Settings, *headers: str) -> Caller:
    async def run() -> Caller:
        tokens = Tokens(settings)
        *_, last = [await tokens.verify(header) for header in headers]
        await tokens.close()
        return last

    return asyncio.run(run())


def refused(settings: Settings, header: str, says: str) -> None:
    with pytest.raises(Unauthorized, match=says) as caught:
        verify(settings, header)
    assert header[7:] not in str(caught.value)


def by_hand(header: bytes | dict[str, Any], claims: bytes | dict[str, Any], secret: bytes = b"") -> str:
    """A token signed with HMAC-SHA256, whatever its header says."""
    signed = f"{encoded(header)}.{encoded(claims)}"
    return f"Bearer {signed}.{encoded(hmac.digest(secret, signed.encode(), hashlib.sha256)) if secret else ''}"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_is_verified_with_its_key(settings: Settings, served: Issuer, algorithm: str) -> None:
    served.keys = [jwk("another", "ES256"), jwk("own", algorithm)]
    assert verify(settings, served.token("own", algorithm)).user == "ada"
    forged = served.token("other", algorithm, headers={"kid": "own"})
    refused(settings, forged, "a key of its issuer signed")


def test_keys_come_from_a_url_a_file_or_the_issuers_configuration(
    bare_settings: Settings, served: Issuer, tmp_path: Path
) -> None:
    named = bare_settings.but(token_issuer=served.url)
    assert verify(named.but(token_discovery=True), served.token()).user == "ada"
    assert served.requests == ["/.well-known/openid-configuration", "/keys"]
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": served.keys}))
    assert verify(named.but(token_jwks_file=file), served.token()).user == "ada"
    assert len(served.requests) == 2


@pytest.mark.parametrize(
    "configuration",
    [
        {"issuer": "https://somebody.example", "jwks_uri": "https://127.0.0.1/keys"},
        {"jwks_uri": "https://127.0.0.1/keys"},
        {"issuer": "{own}", "jwks_uri": "http://keys.example/keys"},
        {"issuer": "{own}", "jwks_uri": "http://127.0.0.1:1/keys"},
        {"issuer": "{own}", "jwks_uri": "file:///etc/passwd"},
        {"issuer": "{own}", "jwks_uri": 5},
        {"issuer": "{own}"},
        [],
    ],
)
def test_a_wrong_configuration_is_not_followed(bare_settings: Settings, served: Issuer, configuration: Any) -> None:
    served.override = lambda path: json.dumps(configuration).replace("{own}", served.url).encode()
    with pytest.raises(KeysUnavailable):
        verify(bare_settings.but(token_issuer=served.url, token_discovery=True), served.token())
    assert served.requests == ["/.well-known/openid-configuration"]


def test_several_issuers_have_their_own_keys_and_claims(
    bare_settings: Settings, served: Issuer, tmp_path: Path
) -> None:
    with issuer() as other:
        other.keys = [jwk("second", "ES256")]
        file = tmp_path / "issuers.toml"
        file.write_text(
            f'[[issuer]]\nissuer = "{served.url}"\njwks_url = "{served.jwks_url}"\n'
            f'[[issuer]]\nissuer = "{other.url}"\ndiscovery = true\naudience = "search"\n'
            'algorithms = ["ES256"]\norganizations_claim = "https://search.example/orgs"\nscope_claim = "app.rights"\n'
        )
        several = bare_settings.but(token_issuers_file=file)
        assert verify(several, served.token()).user == "ada"
        orgs = {"https://search.example/orgs": served.claims()["organizations"], "organizations": ...}
        token = other.token("second", "ES256", aud="search", app={"rights": ["conversations:write"]}, **orgs)
        assert verify(several, token).scopes == {"conversations:write"}
        for wrong in (
            served.token(iss=other.url),
            other.token("second", "ES256", iss=served.url, **orgs),
            other.token("second", "ES256", aud="search", iss="https://nobody.example", **orgs),
            other.token("second", "ES256", **orgs),
            served.token(iss=[served.url]),
            served.token(iss=...),
        ):
            with pytest.raises(Unauthorized):
                verify(several, wrong)


def test_the_claims_that_a_token_must_have_are_settings(settings: Settings, served: Issuer) -> None:
    strict = settings.but(token_required_claims="exp agents app.tenant")
    agents = ["7130b409-fa61-524d-be1a-faaf76a75552"]
    refused(strict, served.token(), "lacks the claim agents")
    refused(strict, served.token(agents=agents), "lacks the claim app.tenant")
    refused(strict, served.token(agents=agents, app={"tenant": None}), "lacks the claim app.tenant")
    assert verify(strict, served.token(agents=agents, app={"tenant": 5})).user == "ada"
    refused(settings, served.token(iss=...), "iss")


def test_the_leeway_is_a_setting(settings: Settings, served: Issuer) -> None:
    late = served.token(exp=int(time.time()) - 60)
    refused(settings, late, "expired")
    assert verify(settings.but(token_leeway=120), late).user == "ada"


def public_pem(kid: str) -> bytes:
    found: bytes = (
        private_key(kid, "RS256")
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return found


@pytest.mark.parametrize("also_shared", [False, True])
def test_no_other_algorithm_or_key_than_the_issuers_is_believed(
    settings: Settings, served: Issuer, also_shared: bool
) -> None:
    if also_shared:
        settings = settings.but(token_algorithms="RS256 HS256")
    claims = served.claims()
    modulus = base64.urlsafe_b64decode(jwk("first")["n"] + "==")
    der = (
        private_key("first", "RS256")
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    for secret in (public_pem("first"), public_pem("first").strip(), der, modulus, json.dumps(jwk("first")).encode()):
        for algorithm in ("HS256", "RS256", "hs256"):
            refused(settings, by_hand({"alg": algorithm, "kid": "first", "typ": "JWT"}, claims, secret), "not a JWT")
    for algorithm in ("none", "None", "NONE", "nOnE", "", "HS512", "RS999", "ES256K", "ES512", "PS384"):
        refused(settings, by_hand({"alg": algorithm, "kid": "first"}, claims), "not a JWT")
    header: dict[str, Any]
    for header in ({"alg": ["RS256"]}, {"alg": None}, {"alg": 5}, {"alg": {}}, {}):
        refused(settings, by_hand({**header, "kid": "first"}, claims), "not a JWT")
    shared = jwt.encode(claims, SECRET, "HS256")
    if also_shared:
        assert verify(settings, f"Bearer {shared}").user == "ada"
    else:
        refused(settings, f"Bearer {shared}", "not a JWT")


@pytest.mark.parametrize(
    "header",
    [
        {"jku": "http://127.0.0.1:1/keys"},
        {"x5u": "http://127.0.0.1:1/certificate"},
        {"x5c": ["MIIB"]},
        {"crit": ["exp"], "exp": 5},
        {"crit": ["b64"], "b64": False},
        {"zip": "DEF"},
    ],
)
def test_a_token_that_names_a_key_of_its_own_is_refused(
    settings: Settings, served: Issuer, header: dict[str, Any]
) -> None:
    signed = by_hand({"alg": "RS256", "kid": "first", **header}, served.claims(), b"x" * 32)
    refused(settings, signed, "header must not hold")
    assert served.requests == []


def test_an_embedded_key_is_not_used(settings: Settings, served: Issuer) -> None:
    refused(settings, served.token("own", headers={"kid": "first", "jwk": jwk("own")}), "header must not hold")
    refused(settings, served.token("first", headers={"jwk": jwk("first")}), "header must not hold")


@pytest.mark.parametrize("kind", ["logout+jwt", "dpop+jwt", "secevent+jwt", 5, None, ["JWT"]])
def test_tokens_for_other_purposes_are_refused(settings: Settings, served: Issuer, kind: object) -> None:
    token = by_hand({"alg": "RS256", "kid": "first", "typ": kind}, served.claims(), b"x" * 32)
    refused(settings, token, "typ must be JWT")
    assert verify(settings, served.token(headers={"typ": "at+jwt"})).user == "ada"


def test_a_token_with_a_duplicate_name_is_refused(bare_settings: Settings, served: Issuer, settings: Settings) -> None:
    claims = json.dumps(served.claims(iss=...)).encode()
    twice = claims[:-1] + b', "sub": "root"}'
    refused(bare_settings.but(token_secret=SECRET), by_hand({"alg": "HS256"}, twice, SECRET.encode()), "not a JWT")
    assert verify(bare_settings.but(token_secret=SECRET), by_hand({"alg": "HS256"}, claims, SECRET.encode()))
    refused(settings, by_hand(b'{"alg":"RS256","kid":"first","alg":"HS256"}', claims, b"x" * 32), "not a JWT")


@pytest.mark.parametrize("nested", [b"[" * 20_000, b'{"a":' * 6_000, b'{"alg":' + b"[" * 20_000])
def test_a_token_may_not_be_nested_deeper_than_a_parser_goes(
    bare_settings: Settings, served: Issuer, settings: Settings, nested: bytes
) -> None:
    for used in (settings, bare_settings.but(token_secret=SECRET)):
        refused(used, by_hand(nested, b"{}", b"x" * 32), "not a JWT")
    refused(bare_settings.but(token_secret=SECRET), by_hand({"alg": "HS256"}, nested, SECRET.encode()), "not a JWT")


WRONG: tuple[object, ...] = (None, True, 5, -1, 1.5, "", "x", [], ["x"], [None], {}, {"a": 1}, [[]], 10**400)


@pytest.mark.parametrize(
    "claim",
    ["iss", "sub", "aud", "exp", "nbf", "organizations", "default_organization", "scope", "agents", "parties"],
)
def test_a_claim_of_the_wrong_type_is_refused(settings: Settings, served: Issuer, claim: str) -> None:
    """Or is harmless: a time long ago, a scope that nobody knows, an empty list that restricts to nothing."""

    async def run() -> dict[str, object]:
        tokens = Tokens(settings)
        taken: dict[str, object] = {}
        for value in WRONG:
            changes: dict[str, Any] = {claim: value}
            try:
                caller = await tokens.verify(served.token(**changes))
            except Unauthorized:
                continue
            taken[repr(value)[:20]] = caller
        return taken

    right = {
        "sub": {"'x'"},
        "nbf": {"5", "-1", "1.5"},
        "default_organization": {"None"},
        "scope": {"None", "''", "'x'", "[]", "['x']"},
        "agents": {"[]"},
        "parties": {"[]"},
    }
    assert asyncio.run(run()).keys() == right.get(claim, set())


def test_a_thousand_organizations_are_taken_and_no_more(settings: Settings, served: Issuer) -> None:
    many = [str(uuid.uuid4()) for _ in range(1_001)]
    token = served.token(organizations=many[:1_000])
    assert len(verify(settings, token, token).organizations) == 1_000
    refused(settings, served.token(organizations=many), "at most 1,000 UUIDs|longer than")
    refused(settings, served.token(organizations=[many[0]] * 1_001), "at most 1,000 UUIDs|longer than")


@pytest.mark.slow
def test_the_cache_of_verified_tokens_is_bounded(settings: Settings, served: Issuer) -> None:
    async def run() -> tuple[int, int]:
        tokens = Tokens(settings)
        many = [str(uuid.uuid4()) for _ in range(1_000)]
        for number in range(60):
            await tokens.verify(served.token(organizations=many, sub=f"user {number}"))
        return len(tokens._remembered), tokens._remembered_uids

    assert asyncio.run(run()) == (50, 50_000)


def test_a_key_is_good_for_its_own_algorithm_only(settings: Settings, served: Issuer) -> None:
    served.keys = [jwk("first", alg="RS512")]
    refused(settings, served.token(), "no key of the issuer fits the token")
    assert verify(settings, served.token(algorithm="RS512")).user == "ada"


@pytest.mark.parametrize("name", ["alg", "use", "key_ops", "d", "crv", "x5c"])
def test_null_values_in_a_key_set_are_ignored(settings: Settings, served: Issuer, name: str) -> None:
    own = jwk("first")
    served.keys = [cast(dict[str, Any], None), {"kty": None}, {**own, name: own.get(name)}]
    assert verify(settings, served.token()).user == "ada"


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"keys": 5}', b'{"keys": []}', b"[" * 100_000, b"\xff", b"x" * 1_100_000]
)
def test_what_is_no_key_set_is_not_used(settings: Settings, served: Issuer, content: bytes) -> None:
    served.override = lambda path: content
    with pytest.raises(KeysUnavailable, match="cannot be fetched"):
        verify(settings, served.token())


@pytest.mark.parametrize("status", [204, 302, 404, 500])
def test_other_answers_than_200_are_not_used(settings: Settings, served: Issuer, status: int) -> None:
    served.status = status
    with pytest.raises(KeysUnavailable):
        verify(settings, served.token())
    assert served.requests == ["/keys"]


def test_the_service_makes_no_tokens_that_it_would_not_accept(settings: Settings) -> None:
    with pytest.raises(Misconfigured, match="add HS256"):
        Tokens(settings).mint("ada", [uuid.uuid4()])
    assert Tokens(settings.but(token_algorithms="HS256 RS256")).mint("ada", [uuid.uuid4()])


@pytest.mark.slow
def test_the_issuers_certificate_is_checked(bare_settings: Settings, made: Path) -> None:
    with issuer((made / "web" / "web.pem", made / "web" / "web-key.pem")) as served:
        served.keys = [jwk("first")]
        settings = bare_settings.but(token_issuer=served.url, token_jwks_url=served.jwks_url)
        with pytest.raises(KeysUnavailable):
            verify(settings, served.token())
        assert served.requests == []
        assert verify(settings.but(token_ca_file=made / "ca" / "ca.pem"), served.token()).user == "ada"


def test_doctor_fetches_the_keys(settings: Settings, served: Issuer) -> None:
    found = asyncio.run(doctor._tokens(settings))
    assert (found.verdict, found.found) == ("ok", f"{served.url} with 1 key, audience conversations")
    assert asyncio.run(doctor._tokens(settings.model_copy(update={"token_secret": None}))).verdict == "failed"
    assert asyncio.run(doctor._tokens(settings.but(token_algorithms="RS999"))).verdict == "failed"
    for client_id, verdict in (("page", "ok"), ("conversations", "warning")):
        assert asyncio.run(doctor._tokens(settings.but(oidc_client_id=client_id))).verdict == verdict
    served.status = 404
    found = asyncio.run(doctor._tokens(settings))
    assert (found.verdict, "its server answered 404" in found.found) == ("failed", True)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["RS256", "HS256"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
TEXTS = st.one_of(
    st.text(max_size=300),
    st.lists(st.binary(max_size=60), min_size=2, max_size=4).map(lambda parts: ".".join(map(encoded, parts))),
    st.tuples(
        st.dictionaries(st.sampled_from(["alg", "kid", "typ", "jku", "x"]), JSON_VALUES, max_size=4),
        st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "organizations", "x"]), JSON_VALUES, max_size=5),
        st.binary(max_size=300),
    ).map(lambda parts: f"{encoded(parts[0])}.{encoded(parts[1])}.{encoded(parts[2])}"),
)


def test_any_text_is_refused_with_a_reason_and_nothing_else(settings: Settings, served: Issuer) -> None:
    both = Tokens(settings.but(token_algorithms="RS256 ES256 HS256"))
    known = served.token()

    @given(TEXTS, st.integers(0, len(known) - 3), st.sampled_from("AZaz09-_.~ é"))
    @hypothesis_settings(max_examples=examples(300), derandomize=True)
    def refuses(text: str, at: int, other: str) -> None:
        changed = known[:at] + other + known[at + 1 :]
        for header in (text, f"Bearer {text}", *((changed,) if at > 6 and changed != known else ())):
            with pytest.raises(Unauthorized):
                loop.run_until_complete(both.verify(header))

    loop = asyncio.new_event_loop()
    try:
        assert loop.run_until_complete(both.verify(known)).user == "ada"
        refuses()
    finally:
        loop.close()


def test_without_a_shared_secret_cursors_need_one_of_their_own(settings: Settings) -> None:
    bare = settings.model_copy(update={"token_secret": None})
    assert verify(bare, Issuer(settings.token_issuer or "").token()).user == "ada"
    with pytest.raises(
        Misconfigured, match=r"CONVERSATIONS_CURSOR_SECRET is not set.*CONVERSATIONS_CURSOR_SECRET_FILE"
    ):
        _ = Tokens(bare).cursor_secrets
    own = bare.but(cursor_secret=SecretStr("c" * 32))
    assert Tokens(own).cursor_secrets == [b"c" * 32]
