"""Verifies bearer tokens: JSON Web Tokens (RFC 7519) signed with HS256. The names of the claims are settings."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

from service.conversation import parse_uuid
from service.errors import Forbidden, Misconfigured, Unauthorized
from service.settings import Settings

ALGORITHM = "HS256"
LEEWAY_SECONDS = 5
LONGEST_TOKEN = 16_384
REMEMBERED_TOKENS = 1024
REMEMBERED_SECONDS = 60.0


Claims = dict[str, Any]
"""The content of a token: any JSON."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The user behind a token: its organizations, the default one for requests that name none, and its scopes."""

    user: str
    organizations: frozenset[UUID]
    default_organization: UUID | None
    scopes: frozenset[str] = frozenset()

    def require_scope(self, scope: str) -> None:
        """Raises Forbidden if the token does not have the scope."""
        if scope not in self.scopes:
            raise Forbidden(f"the token lacks the scope {scope}")

    def require(self, organization_uid: UUID) -> None:
        """Raises Forbidden if the token does not list the organization.

        The message is the same whether the organization exists or not, so that it reveals nothing.
        """
        if organization_uid not in self.organizations:
            raise Forbidden("the token does not cover this organization")


class Tokens:
    """Verifies tokens, and mints them for development and operators.

    A verified token is cached for a minute at most, and never beyond its own lifetime: verifying one takes as long as
    everything else that the service does for a search.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.token_secret is None:
            raise Misconfigured("CONVERSATIONS_TOKEN_SECRET is not set: set it to 32 random bytes or more")
        self._settings = settings
        previous = settings.token_secret_previous
        self._secrets = [settings.token_secret.get_secret_value()]
        self._secrets += [previous.get_secret_value()] if previous is not None else []
        self._remembered: OrderedDict[str, tuple[float, Caller]] = OrderedDict()

    @property
    def secrets(self) -> list[bytes]:
        """The current secret, then the previous one if it is set. The keys of cursors are derived from these."""
        return [secret.encode() for secret in self._secrets]

    def verify(self, header: str | None) -> Caller:
        """The caller that an `Authorization` header identifies.

        Raises Unauthorized with the reason. The message never repeats the token.
        """
        now = time.time()
        token = _bearer(header)
        until, caller = self._remembered.get(token, (0.0, None))
        if caller is not None and now < until:
            return caller
        claims = self._claims(token)
        organizations = _uuids(claims, self._settings.organizations_claim)
        caller = Caller(
            user=_subject(claims),
            organizations=organizations,
            default_organization=self._default(claims, organizations),
            scopes=_scopes(claims, self._settings.scope_claim),
        )
        expires = int(claims["exp"])  # as PyJWT reads it: it may be larger than any float
        self._remember(token, min(now + REMEMBERED_SECONDS, expires + LEEWAY_SECONDS), caller)
        return caller

    def _remember(self, token: str, until: float, caller: Caller) -> None:
        self._remembered[token] = (until, caller)
        self._remembered.move_to_end(token)
        if len(self._remembered) > REMEMBERED_TOKENS:
            self._remembered.popitem(last=False)

    def mint(
        self,
        user: str,
        organizations: list[UUID],
        *,
        default: UUID | None = None,
        scopes: tuple[str, ...] = (),
        lifetime: timedelta = timedelta(hours=12),
    ) -> str:
        """Makes a signed token. `default` should be one of `organizations`: `verify` refuses the token otherwise."""
        now = datetime.now(UTC)
        claims: Claims = {
            "sub": user,
            "aud": self._settings.token_audience,
            "iat": now,
            "exp": now + lifetime,
            self._settings.organizations_claim: [str(uid) for uid in organizations],
        }
        if self._settings.token_issuer is not None:
            claims["iss"] = self._settings.token_issuer
        if default is not None:
            claims[self._settings.default_organization_claim] = str(default)
        if scopes:
            claims[self._settings.scope_claim] = " ".join(scopes)
        return jwt.encode(claims, self._secrets[0], algorithm=ALGORITHM)

    def _claims(self, token: str) -> Claims:
        try:
            return self._decoded(token)
        except jwt.ExpiredSignatureError:
            raise Unauthorized("the token has expired: get a new one") from None
        except jwt.InvalidAudienceError:
            raise Unauthorized("the token is for another audience") from None
        except jwt.InvalidIssuerError:
            raise Unauthorized("the token is from another issuer") from None
        except jwt.ImmatureSignatureError:
            raise Unauthorized("the token is not valid yet: check nbf, iat, and the clocks of both sides") from None
        except jwt.MissingRequiredClaimError as error:
            raise Unauthorized(f"the token lacks the claim {error.claim}") from None
        except Exception:  # claims of the wrong type make PyJWT raise TypeError, OverflowError and others
            raise Unauthorized(f"the token is not a JWT signed with {ALGORITHM} and the service's secret") from None

    def _decoded(self, token: str) -> Claims:
        """The claims of a token that one of the secrets signed. Raises PyJWT's errors."""
        wrong = jwt.InvalidSignatureError()
        for secret in self._secrets:
            try:
                return jwt.decode(
                    token,
                    secret,
                    algorithms=[ALGORITHM],
                    audience=self._settings.token_audience,
                    issuer=self._settings.token_issuer,
                    leeway=LEEWAY_SECONDS,
                    options={"require": ["exp", "sub", "aud"]},
                )
            except jwt.InvalidSignatureError as error:
                wrong = error
        raise wrong

    def _default(self, claims: Claims, organizations: frozenset[UUID]) -> UUID | None:
        """The organization of the default claim; without that claim, the token's only organization, or None."""
        name = self._settings.default_organization_claim
        if claims.get(name) is None:
            return next(iter(organizations)) if len(organizations) == 1 else None
        default = _uuid(claims[name], name)
        if default not in organizations:
            raise Unauthorized(f"the token's {name} is not one of its organizations")
        return default


def _bearer(header: str | None) -> str:
    if not header:
        raise Unauthorized("a token is needed: send it as 'Authorization: Bearer <token>'")
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized("the Authorization header must be 'Bearer <token>'")
    if len(token) > LONGEST_TOKEN:
        raise Unauthorized(f"the token is longer than {LONGEST_TOKEN} characters")
    return token


def _subject(claims: Claims) -> str:
    if not isinstance(claims["sub"], str) or not claims["sub"]:
        raise Unauthorized("the token's claim sub must be a string that is not empty")
    return claims["sub"]


def _uuids(claims: Claims, name: str) -> frozenset[UUID]:
    listed = claims.get(name)
    if not isinstance(listed, list) or not listed:
        raise Unauthorized(f"the token names no organizations: its claim {name} must be a list of UUIDs")
    return frozenset(_uuid(value, name) for value in listed)


def _uuid(value: object, name: str) -> UUID:
    try:
        return parse_uuid(value)
    except ValueError:
        raise Unauthorized(f"the token's claim {name} holds something that is not a UUID") from None


def _scopes(claims: Claims, name: str) -> frozenset[str]:
    """The scopes: one string, separated by spaces (RFC 8693, 4.2), or a list of strings, as some issuers send them."""
    value = claims.get(name) or []
    if isinstance(value, str):
        value = value.split()
    if not isinstance(value, list) or not all(isinstance(scope, str) for scope in value):
        raise Unauthorized(f"the token's claim {name} must be a string or a list of strings")
    return frozenset(value)
