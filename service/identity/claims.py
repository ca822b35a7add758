"""Reads the claims of a token after its signature was verified: the user, its organizations and its rights.

The times of a token are checked in signed_tokens.py and service/api/auth.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from service.conversation import parse_uuids
from service.errors import Unauthorized
from service.identity.caller import Caller
from service.reach import Restriction
from service.token_settings import SCOPES

MOST_UIDS = 1_000  # organizations, agents or parties in a token
MOST_SCOPES = 1_000
LATEST = 253_402_300_799  # the end of the year 9999, in seconds since 1970

Claims = Mapping[str, object]
"""The content of a token: any JSON."""


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """The names of the claims. A name with dots is also found inside objects: `realm_access.roles`."""

    organizations: str = "organizations"
    default_organization: str = "default_organization"
    scope: str = "scope"
    agents: str = "agents"
    parties: str = "parties"


def caller_of(claims: Claims, names: ClaimNames, default_scopes: frozenset[str]) -> Caller:
    """The caller. Raises Unauthorized with the claim that is missing or malformed."""
    _require_types(claims)
    organizations = _organizations(claims, names.organizations)
    scopes = _scopes(claims, names.scope)
    return Caller(
        user=str(claims["sub"]),
        organizations=organizations,
        default_organization=_default(claims, names.default_organization, organizations),
        scopes=scopes if scopes & _OWN else scopes | default_scopes,
        restriction=Restriction(_restricted(claims, names.agents), _restricted(claims, names.parties)),
        issuer=str(claims.get("iss", "")),
    )


_OWN = frozenset(SCOPES)
_TIMES = ("exp", "nbf", "iat")
_TEXTS = ("sub", "iss")
_ABSENT = object()


def _require_types(claims: Claims) -> None:
    """Raises Unauthorized if a registered claim has another type than RFC 7519 gives it, or a time is beyond year 9999.

    PyJWT also takes times as text, and any `iss` where no issuer is set.
    """
    for name in _TIMES:
        value = claims.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LATEST:
            raise Unauthorized(f"the token's claim {name} must be a number of seconds, at most {LATEST}")
    for name in _TEXTS:
        value = claims.get(name, "x")
        if not isinstance(value, str) or not value:
            raise Unauthorized(f"the token's claim {name} must be a string that is not empty")


def _value(claims: Claims, name: str) -> object:
    """The claim with this name. If there is none, the parts of the name between dots are looked up in nested objects.

    Raises Unauthorized if a value on the way is not an object: otherwise, a restriction would be ignored.
    """
    if name in claims:
        return claims[name]
    *ways, last = name.split(".")
    found: object = claims
    for part in (*ways, last):
        if not isinstance(found, Mapping):
            raise Unauthorized(f"the token's claim {ways[0]} must be an object that leads to {name}")
        if part not in found:
            return _ABSENT
        found = found[part]
    return found


def has(claims: Claims, name: str) -> bool:
    """Whether the claim is there, and not null."""
    value = _value(claims, name)
    return value is not _ABSENT and value is not None


def expiry(claims: Claims) -> int:
    """The claim exp of a caller's claims, in whole seconds since 1970, as PyJWT reads it."""
    value = claims["exp"]
    assert isinstance(value, int | float)  # `caller_of` has refused other types
    return int(value)


def _organizations(claims: Claims, name: str) -> frozenset[UUID]:
    listed = _value(claims, name)
    if not isinstance(listed, list) or not listed:
        raise Unauthorized(f"the token names no organizations: its claim {name} must be a list of UUIDs")
    return _uuids(listed, name)


def _uuids(listed: list[object], name: str) -> frozenset[UUID]:
    if len(listed) > MOST_UIDS:
        raise Unauthorized(f"the token's claim {name} must hold at most {MOST_UIDS:,} UUIDs")
    try:
        return frozenset(parse_uuids(listed))
    except ValueError:
        raise Unauthorized(f"the token's claim {name} holds something that is not a UUID") from None


def _default(claims: Claims, name: str, organizations: frozenset[UUID]) -> UUID | None:
    """The organization of the default claim; without that claim, the token's only one; None if it has several."""
    if not has(claims, name):
        return next(iter(organizations)) if len(organizations) == 1 else None
    (default,) = _uuids([_value(claims, name)], name)
    if default not in organizations:
        raise Unauthorized(f"the token's {name} is not one of its organizations")
    return default


def _scopes(claims: Claims, name: str) -> frozenset[str]:
    """The scopes: one string, separated by spaces (RFC 8693, 4.2), or a list of strings, as some issuers send them."""
    value = _value(claims, name) if has(claims, name) else []
    if isinstance(value, str):
        value = value.split()
    if not isinstance(value, list) or not all(isinstance(scope, str) for scope in value):
        raise Unauthorized(f"the token's claim {name} must be a string or a list of strings")
    if len(value) > MOST_SCOPES:
        raise Unauthorized(f"the token's claim {name} must hold at most {MOST_SCOPES:,} scopes")
    return frozenset(value)


def _restricted(claims: Claims, name: str) -> frozenset[UUID] | None:
    """The agents or parties that the caller is restricted to; None without the claim. Null is refused."""
    value = _value(claims, name)
    if value is _ABSENT:
        return None
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        raise Unauthorized(f"the token's claim {name} must be a UUID or a list of UUIDs")
    return _uuids(value, name)
