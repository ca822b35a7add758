"""What one request may see: an organization, and if the caller is restricted, only some of its conversations."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

Uids = frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Restriction:
    """The agents and the parties whose conversations are seen. None means all of them, an empty set none."""

    agents: Uids | None = None
    parties: Uids | None = None

    def by_field(self) -> dict[str, list[str]]:
        """The allowed values of each restricted field, sorted."""
        allowed = {"agent_uid": self.agents, "party_uid": self.parties}
        return {name: sorted(map(str, uids)) for name, uids in allowed.items() if uids is not None}


class Reach(UUID):
    """The uid of an organization together with the restriction of the caller.

    It is a subclass of UUID, so it can be passed wherever an organization's uid is expected. A plain UUID means the
    whole organization; requests of the API get a Reach from `Caller.require`. Two with the same uid but different
    restrictions are not equal.
    """

    __slots__ = ("restriction",)
    restriction: Restriction

    def __init__(self, organization_uid: UUID, restriction: Restriction) -> None:
        super().__init__(int=organization_uid.int)
        object.__setattr__(self, "restriction", restriction)

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and restriction_of(other) == self.restriction

    def __hash__(self) -> int:
        return hash((self.int, self.restriction))


def restriction_of(organization_uid: object) -> Restriction | None:
    """The restriction; None if the whole organization is seen."""
    return organization_uid.restriction if isinstance(organization_uid, Reach) else None


def identity_of(organization_uid: UUID) -> bytes:
    """Identifies the organization together with the restriction, in cursors and as a cache key."""
    restriction = restriction_of(organization_uid)
    if restriction is None:
        return organization_uid.bytes
    return organization_uid.bytes + hashlib.sha256(repr(restriction.by_field()).encode()).digest()
