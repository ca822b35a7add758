"""Reads the claims of a token after its signature was verified: the user, its organizations and its rights."""

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
    organizations = _organizations(claims, names.organizations)
    scopes = _scopes(claims, names.scope)
    return Caller(
        user=_subject(claims),
        organizations=organizations,
        default_organization=_default(claims, names.default_organization, organizations),
        scopes=scopes if scopes & _OWN else scopes | default_scopes,
        restriction=Restriction(_restricted(claims, names.agents), _restricted(claims, names.parties)),
        issuer=str(claims.get("iss") or ""),
    )


_OWN = frozenset(SCOPES)
_ABSENT = object()


def _value(claims: Claims, name: str) -> object:
    """The claim of this name, or else the value inside objects that the parts of the name lead to."""
    if name in claims:
        return claims[name]
    found: object = claims
    for part in name.split("."):
        found = found.get(part, _ABSENT) if isinstance(found, Mapping) else _ABSENT
    return found


def has(claims: Claims, name: str) -> bool:
    """Whether the claim is there, and not null."""
    value = _value(claims, name)
    return value is not _ABSENT and value is not None


def expiry(claims: Claims) -> int:
    """The claim exp, as PyJWT reads it. It may be larger than any float."""
    value = claims["exp"]
    return int(value) if isinstance(value, int | float | str) else 0


def _subject(claims: Claims) -> str:
    subject = claims["sub"]
    if not isinstance(subject, str) or not subject:
        raise Unauthorized("the token's claim sub must be a string that is not empty")
    return subject


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
    """The organization of the default claim; without that claim, the token's only organization, or None."""
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
    """The only agents or parties that are seen; None without the claim. A claim that is null is refused."""
    value = _value(claims, name)
    if value is _ABSENT:
        return None
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        raise Unauthorized(f"the token's claim {name} must be a UUID or a list of UUIDs")
    return _uuids(value, name)
