"""The caller of a request, and what it may do."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from service.errors import Forbidden
from service.reach import Reach, Restriction
from service.token_settings import ADMIN, EXPORT, READ, WRITE

GRANTED_BY = {
    READ: frozenset({READ, WRITE, EXPORT, ADMIN}),
    EXPORT: frozenset({EXPORT, ADMIN}),
    WRITE: frozenset({WRITE, ADMIN}),
    ADMIN: frozenset({ADMIN}),
}
"""The scopes that include each right: who may write or export may read."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The user behind a token: its organizations, the default one for requests that name none, and its scopes.

    `restriction` says which conversations of these organizations it sees. `issuer` is the token's `iss`, if it has one.
    With `is_key`, `user` is `key ` and the id of an API key. Otherwise it is the `sub` of a token: any text, even such.
    """

    user: str
    organizations: frozenset[UUID]
    default_organization: UUID | None
    scopes: frozenset[str] = frozenset()
    restriction: Restriction = field(default_factory=Restriction)
    issuer: str = ""
    is_key: bool = False

    @property
    def identity(self) -> str:
        """Identifies the caller: the id of a key, or a subject with its issuer, as issuers may share subjects.

        Two callers never have the same identity, whatever texts their tokens hold.
        """
        return self.user if self.is_key else f"{len(self.issuer)} {self.issuer} {self.user}"

    def require_scope(self, scope: str) -> None:
        """Raises Forbidden if the token does not have the scope, nor one that includes it.

        Raises Forbidden also for writes of a restricted caller: a write could replace what it must not see.
        """
        if not self.scopes & GRANTED_BY[scope]:
            raise Forbidden(f"the token lacks the scope {scope}", "scope")
        if scope == WRITE and self.restriction != Restriction():
            raise Forbidden(
                "the token is restricted to some agents or parties, so it cannot write", "all conversations"
            )

    def require(self, organization_uid: UUID) -> UUID:
        """The organization: a Reach if the caller is restricted. Raises Forbidden if the token does not list it.

        The message is the same whether the organization exists or not, so that it reveals nothing.
        """
        if organization_uid not in self.organizations:
            raise Forbidden("the token does not cover this organization", "organization")
        if self.restriction == Restriction():
            return organization_uid
        return Reach(organization_uid, self.restriction)
