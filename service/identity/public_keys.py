"""The public keys of an issuer, from a JSON Web Key Set (RFC 7517).

Only keys for signatures are taken: RSA of 2,048 bits or more, the curves P-256 and P-384, and Ed25519. Each
verifies its own algorithms only, whatever a token says. Symmetric and private keys are left out, because a published
key is not secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

MOST_KEYS = 100
LEAST_RSA_BITS = 2_048  # RFC 7518, 3.3

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
Jwk = Mapping[str, object]

ALGORITHMS = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""The algorithms for each type of key and curve."""
ASYMMETRIC = tuple(name for names in ALGORITHMS.values() for name in names)

_READERS: dict[str, Callable[[str], object]] = {
    "RSA": RSAAlgorithm.from_jwk, "EC": ECAlgorithm.from_jwk, "OKP": OKPAlgorithm.from_jwk,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Key:
    """A public key with its `kid`, and the algorithms that it can verify."""

    kid: str | None
    algorithms: frozenset[str]
    public: PublicKey


class _Set(msgspec.Struct):
    keys: list[object]


def read(content: bytes) -> list[Key]:
    """The usable keys of a set. Raises ValueError if it is not a key set, or has no usable key."""
    try:
        listed = msgspec.json.decode(content, type=_Set).keys[:MOST_KEYS]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise ValueError("it is not a JSON Web Key Set") from None
    # What is not understood is ignored (RFC 7517, 5). Some programs write members without a value as null.
    objects = [
        {name: value for name, value in one.items() if value is not None} for one in listed if isinstance(one, dict)
    ]
    found = [key for key in map(_key, objects) if key is not None]
    if not found:
        raise ValueError("it holds no key that can verify a signature")
    return found


def _key(jwk: Jwk) -> Key | None:
    kid, algorithms = jwk.get("kid"), _algorithms(jwk)
    if not algorithms or not isinstance(kid, str | None):
        return None
    try:
        public = _READERS[str(jwk["kty"])](msgspec.json.encode(jwk).decode())
    except Exception:  # for a bad key, PyJWT and cryptography raise errors of many types
        return None
    if isinstance(public, RSAPublicKey) and public.key_size < LEAST_RSA_BITS:
        return None
    return Key(kid, algorithms, public) if isinstance(public, PublicKey) else None


def _algorithms(jwk: Jwk) -> frozenset[str]:
    """The algorithms that the key can verify: none if it is private, or not for signatures."""
    operations = jwk.get("key_ops", ["verify"])
    is_for_signatures = jwk.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
    if "d" in jwk or not is_for_signatures:
        return frozenset()
    kind, curve = jwk.get("kty"), jwk.get("crv")
    fitting = next((names for key, names in ALGORITHMS.items() if key == (kind, curve)), ())
    return frozenset(name for name in fitting if jwk.get("alg", name) == name)
