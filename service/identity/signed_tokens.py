"""Verifies JSON Web Tokens (RFC 7519), with the precautions of RFC 8725.

The algorithm is never taken from the token: it must be one that the issuer may use, and one of the key that was found.
Keys come from the issuer's set only, never from the token.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.exceptions import InvalidJTIError, InvalidSubjectError

from service.errors import Unauthorized
from service.identity import claims as token_claims
from service.identity.claims import Claims
from service.identity.issuers import SHARED, Issuer
from service.identity.key_set import KeySet
from service.identity.public_keys import PublicKey

REFUSED = ("jku", "jwk", "x5u", "x5c", "crit", "b64", "zip")
"""Members of a token's header that are refused: they name a key, or change how the token is read."""
TYPES = ("jwt", "at+jwt", "application/jwt", "application/at+jwt")
LONGEST_KID = 1_000
OTHER_ISSUER = (
    "the token is from another issuer (iss) than those that this service accepts: ask its operator where to get one"
)
_NO_KEY = "no key of the issuer fits the token: check its kid and alg"


@dataclass(frozen=True, slots=True)
class _Header:
    algorithm: str
    kid: str | None


class Verifier:
    """Verifies the tokens of one issuer, with its keys, with shared secrets, or both."""

    def __init__(self, issuer: Issuer, keys: KeySet | None, secrets: Sequence[str]) -> None:
        self.issuer = issuer
        self.keys = keys
        self._secrets = secrets if SHARED in issuer.accepted else ()
        accepted = ", ".join(issuer.accepted)
        self._wrong = (
            f"the token is not a JWT signed with {SHARED} and the service's secret"
            if keys is None
            else f"the token is not a JWT that a key of its issuer signed (with {accepted})"
        )

    async def claims(self, token: str) -> Claims:
        """The claims of a token. Raises Unauthorized with the reason, and KeysUnavailable."""
        header = self._header(token)
        if header.algorithm == SHARED:
            found = self._decoded(token, header.algorithm, self._secrets)
        else:
            found = await self._decoded_with_keys(token, header)
        if found is None:
            raise Unauthorized(self._wrong)
        for name in self.issuer.required:
            if not token_claims.has(found, name):
                raise Unauthorized(_lacks(name))
        return found

    async def _decoded_with_keys(self, token: str, header: _Header) -> Claims | None:
        if self.keys is None:
            raise Unauthorized(_NO_KEY)
        fetches = self.keys.fetches
        tried = await self.keys.find(header.kid, header.algorithm)
        found = self._decoded(token, header.algorithm, [key.public for key in tried])
        if found is not None:
            return found
        newer = await self.keys.find_newer(header.kid, header.algorithm, tried, fetches=fetches)
        if not tried and not newer:
            raise Unauthorized(_NO_KEY)
        return self._decoded(token, header.algorithm, [key.public for key in newer])

    def _header(self, token: str) -> _Header:
        try:
            header = part(token, 0)
        except ValueError:
            raise Unauthorized(self._wrong) from None
        if any(name in header for name in REFUSED):
            raise Unauthorized(f"the token's header must not hold {', '.join(REFUSED[:-1])} or {REFUSED[-1]}")
        algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
        if not isinstance(algorithm, str) or algorithm not in self.issuer.accepted:
            raise Unauthorized(self._wrong)
        if not isinstance(kid, str | None) or len(kid or "") > LONGEST_KID:
            raise Unauthorized("the token's kid must be a text")
        if not isinstance(kind, str) or kind.lower() not in TYPES:
            raise Unauthorized("the token's typ must be JWT or at+jwt")
        return _Header(algorithm, kid)

    def _decoded(self, token: str, algorithm: str, keys: Sequence[PublicKey | str]) -> Claims | None:
        """The claims of a token, or None if none of the keys signed it. Raises Unauthorized with another reason."""
        for key in keys:
            try:
                found = self._decode(token, algorithm, key)
                part(token, 1)  # again, because PyJWT takes the last of several claims with one name
                return found
            except jwt.InvalidSignatureError:
                continue
            except jwt.PyJWTError as error:
                raise Unauthorized(_reason(error) or self._wrong) from None
            except Exception:  # claims of the wrong type make PyJWT raise TypeError, OverflowError and others
                raise Unauthorized(self._wrong) from None
        return None

    def _decode(self, token: str, algorithm: str, key: PublicKey | str) -> Claims:
        found: Claims = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=self.issuer.audience,
            issuer=self.issuer.issuer,
            leeway=self.issuer.leeway,
            options={"require": [name for name in self.issuer.required if "." not in name]},
        )
        return found


def _reason(error: jwt.PyJWTError) -> str | None:
    if isinstance(error, jwt.MissingRequiredClaimError):
        return _lacks(error.claim)
    return next((message for kind, message in _REASONS.items() if isinstance(error, kind)), None)


def _lacks(claim: str) -> str:
    return f"the token lacks the claim {claim}, which this service requires: get one that has it from the issuer"


_REASONS: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "the token has expired: get a new one",
    jwt.InvalidAudienceError: "the token is for another audience (aud): get one that is meant for this service",
    jwt.InvalidIssuerError: OTHER_ISSUER,
    InvalidSubjectError: "the token's claim sub must be a string that is not empty",
    InvalidJTIError: "the token's claim jti must be a string",
    jwt.ImmatureSignatureError: "the token is not valid yet: check nbf, iat, and the clocks of both sides",
}


def part(token: str, number: int) -> dict[str, object]:
    """The header (0) or the claims (1) of a token, not verified.

    Raises ValueError if they are not a JSON object in UTF-8, contain a name twice (programs differ in which value they
    use), or a text with half a surrogate pair, which has no UTF-8.
    """
    parts = token.split(".")
    if len(parts) != 3:
        raise ValueError("it does not have three parts")
    text = parts[number]
    decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    try:
        found = json.loads(decoded, **_STRICT)
        if _SURROGATE.search(decoded):
            json.dumps(found, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it is not an object")
    return found


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it contains a name twice")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


_STRICT: dict[str, Any] = {"object_pairs_hook": _unique, "parse_constant": _no_number}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
