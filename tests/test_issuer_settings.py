"""Settings and keys of identity providers that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from service.api.auth import Tokens
from service.errors import Misconfigured
from service.identity import key_sources, public_keys
from service.settings import Settings
from tests.issuer import encoded, jwk, private_key


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": encoded(b"x" * 40), "kid": "first", "alg": "HS256"},
        {**jwk("first"), "use": "enc"},
        {**jwk("first"), "key_ops": ["sign"]},
        {**jwk("first"), "alg": "RSA-OAEP"},
        {**jwk("first"), "alg": "none"},
        {**jwk("first"), "kid": 5},
        {**jwk("first"), "n": "AQAB"},
        {**jwk("first"), "n": 5},
        {"kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB", "kid": "first"},
        {"kty": ["RSA"], "kid": "first"},
        {"kid": "first"},
        {},
    ],
)
def test_keys_that_cannot_verify_are_left_out(key: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no key that can verify"):
        public_keys.read(json.dumps({"keys": [key]}).encode())
    both = public_keys.read(json.dumps({"keys": [key, jwk("second")]}).encode())
    assert [one.kid for one in both] == ["second"]


def test_small_and_private_keys_are_left_out() -> None:
    small = rsa.generate_private_key(public_exponent=65_537, key_size=1_024)  # noqa: S505 (that is the point)
    private = json.loads(RSAAlgorithm.to_jwk(private_key("first", "RS256")))
    for key in (json.loads(RSAAlgorithm.to_jwk(small.public_key())), private):
        with pytest.raises(ValueError, match="no key that can verify"):
            public_keys.read(json.dumps({"keys": [key]}).encode())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"token_jwks_url": "http://keys.example/keys"}, "https"),
        ({"token_jwks_url": "ftp://127.0.0.1/keys"}, "https"),
        ({"token_jwks_url": "https:///keys"}, "https"),
        ({"token_jwks_url": "https://[::1/keys"}, "https"),
        ({"token_discovery": True}, "must be set, because its keys are"),
        ({"token_issuer": "login.example", "token_discovery": True}, "https"),
        ({"token_issuer": "a", "token_jwks_url": "https://a/k", "token_discovery": True}, "set one of them"),
        ({"token_algorithms": "RS256"}, "need the keys of an issuer"),
        ({"token_algorithms": "none"}, "not an accepted algorithm"),
        ({"default_scopes": "everything"}, "not a scope"),
        ({"token_ca_file": "/nowhere.pem", "token_issuer": "a", "token_jwks_url": "https://a/k"}, "cannot be used"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused_at_the_start(
    bare_settings: Settings, changes: dict[str, Any], says: str
) -> None:
    changes = {"token_issuer": "https://login.example"} | changes if "token_jwks_url" in changes else changes
    with pytest.raises(Misconfigured, match=says):
        Tokens(bare_settings.but(**changes))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "must hold tables"),
        ("x = 1", "must hold tables"),
        ("issuer = 5", "must hold tables"),
        ("[[issuer]]\n", "with different names"),
        ("[[issuer]]\nissuer = 'a'\n[[issuer]]\nissuer = 'a'", "with different names"),
        ("[[issuer]]\nissuer = 'a'\nsecret = 'b'", "table 1: secret"),
        ("[[issuer]]\nissuer = 'a'\nleeway = -5", "table 1: leeway"),
        ("[[issuer]\n", "cannot be read"),
        ("\udcff = 1", "cannot be read"),
        ("x = " + "[" * 10_000, "cannot be read"),
    ],
)
def test_a_file_of_issuers_that_cannot_work_is_refused(
    bare_settings: Settings, tmp_path: Path, content: str, says: str
) -> None:
    file = tmp_path / "issuers.toml"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(Misconfigured, match=says):
        Tokens(bare_settings.but(token_issuers_file=file))
    with pytest.raises(Misconfigured, match="unset"):
        Tokens(bare_settings.but(token_issuers_file=file, token_issuer="a"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_http_is_for_this_machine_only(host: str) -> None:
    assert key_sources.is_safe(f"http://{host}:8080/keys")
    assert key_sources.is_safe("http://[::1]:8080/keys")
    assert not key_sources.is_safe(f"http://{host}.example/keys")
    assert not key_sources.is_safe(f"http://user@keys.example/{host}")


@pytest.mark.parametrize(
    ("issuer", "followed", "not_followed"),
    [
        (
            "https://login.example/realms/main",
            ["https://login.example/keys", "https://keys.example:8443/", "https://10.0.0.1/keys"],
            ["http://login.example/keys", "http://127.0.0.1:9200/", "http://localhost/keys", "http://[::1]:9200/"],
        ),
        (
            "https://127.0.0.1:9200",
            ["https://127.0.0.1:9200/keys"],
            ["http://127.0.0.1:9200/keys", "http://127.0.0.1:80/keys", "http://127.0.0.1/keys"],
        ),
        (
            "http://localhost:8080/realms/main",
            ["http://localhost:8080/keys", "http://LOCALHOST:8080/", "https://keys.example/"],
            ["http://localhost:9200/keys", "http://localhost/", "http://127.0.0.1:8080/", "ftp://localhost:8080/"],
        ),
        ("http://127.0.0.1", ["http://127.0.0.1/keys", "http://127.0.0.1:80/keys"], ["http://127.0.0.1:81/keys", ""]),
    ],
)
def test_an_issuer_may_not_name_another_server_of_this_machine(
    issuer: str, followed: list[str], not_followed: list[str]
) -> None:
    assert all(key_sources.may_name(issuer, url) for url in followed)
    assert not any(key_sources.may_name(issuer, url) for url in not_followed)
