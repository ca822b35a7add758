"""Verifies bearer tokens of all kinds, and remembers them for a while."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt

from service.errors import Misconfigured, Unauthorized
from service.identity.api_keys import PREFIX
from service.identity.caller import Caller
from service.identity.claims import caller_of, expiry
from service.identity.issuers import SHARED, Issuer, issuers, trusted
from service.identity.key_ring import KeyRing
from service.identity.key_set import KeySet
from service.identity.providers import Providers, reader
from service.identity.signed_tokens import OTHER_ISSUER, Verifier, part
from service.settings import Settings

Headers = Iterable[tuple[bytes, bytes]]
"""The headers of an ASGI scope: lower-case names, and values."""

LONGEST_TOKEN = 57_344  # a token with 1,000 organizations has about 53,000 characters
REMEMBERED_TOKENS = 1024
REMEMBERED_UIDS = 50_000  # organizations, agents and parties of all remembered tokens together
REMEMBERED_SECONDS = 60.0

__all__ = ["Caller", "Tokens"]


class Tokens:
    """Verifies tokens, and mints them for development and operators.

    A verified token is remembered for a minute at most, and never beyond its own lifetime, because verifying one takes
    as long as everything else that the service does for a search. Only a hash of the token is remembered.
    """

    def __init__(self, settings: Settings, keys: KeyRing | None = None) -> None:
        self._settings = settings
        self._keys = keys
        given = (settings.token_secret, settings.token_secret_previous)
        self._secrets = [secret.get_secret_value() for secret in given if secret is not None]
        found = issuers(settings)
        self.providers = Providers(found, reader(settings.token_ca_file), lifetime=settings.token_keys_lifetime)
        if settings.token_secret is None and any(SHARED in issuer.accepted for issuer in found):
            raise Misconfigured(
                "CONVERSATIONS_TOKEN_SECRET is not set: set it to 32 random bytes or more, or set the keys of an "
                "issuer (CONVERSATIONS_TOKEN_JWKS_URL and others, see docs/access.md)"
            )
        self._verifiers = [self._verifier(issuer) for issuer in found]
        self._remembered: OrderedDict[bytes, tuple[float, int, Caller]] = OrderedDict()
        self._remembered_uids = 0

    def _verifier(self, issuer: Issuer) -> Verifier:
        settings = self._settings
        if not issuer.has_keys:
            return Verifier(issuer, None, self._secrets)
        source = issuer.source(trusted(settings.token_ca_file))
        keys = KeySet(source, issuer=issuer.issuer or "", lifetime=settings.token_keys_lifetime)
        return Verifier(issuer, keys, self._secrets)

    async def close(self) -> None:
        """Cancels running fetches."""
        await self.providers.close()
        for keys in (self._keys, *(verifier.keys for verifier in self._verifiers)):
            if keys is not None:
                await keys.close()

    @property
    def cursor_secrets(self) -> list[bytes]:
        """The cursor secret, if it is set, and then the secrets of tokens. Raises Misconfigured if there are none.

        New cursors are made with the first secret. Cursors that were made with any of them are accepted.
        """
        own = self._settings.cursor_secret
        found = [*([] if own is None else [own.get_secret_value()]), *self._secrets]
        if not found:
            raise Misconfigured(
                "CONVERSATIONS_CURSOR_SECRET is not set: set it to 32 random bytes or more, or set "
                "CONVERSATIONS_CURSOR_SECRET_FILE to a file that holds them"
            )
        return [secret.encode() for secret in found]

    @property
    def mints(self) -> bool:
        """Whether tokens that `mint` makes are accepted."""
        return bool(self._secrets) and SHARED in self._verifiers[0].issuer.accepted

    async def verify(self, header: str | None) -> Caller:
        """The caller that an `Authorization` header identifies.

        Raises Unauthorized with the reason, and KeysUnavailable. The message never repeats the token.
        """
        now = time.time()
        token = _bearer(header)
        if self._keys is not None and token.startswith(PREFIX):
            return await self._keys.caller(token)
        digest = _digest(token)
        until, _uids, caller = self._remembered.get(digest, (0.0, 0, None))
        if caller is not None and now < until:
            return caller
        verifier = self._of_issuer(token)
        claims = await verifier.claims(token)
        caller = caller_of(claims, verifier.issuer.names, frozenset(verifier.issuer.default_scopes))
        self._remember(digest, min(now + REMEMBERED_SECONDS, expiry(claims) + verifier.issuer.leeway), caller)
        return caller

    def known(self, header: str | None) -> Caller | None:
        """The caller of an `Authorization` header, if it was verified before and is remembered."""
        try:
            token = _bearer(header)
        except Unauthorized:
            return None
        if self._keys is not None and token.startswith(PREFIX):
            return self._keys.known(token)
        until, _uids, caller = self._remembered.get(_digest(token), (0.0, 0, None))
        return caller if time.time() < until else None

    def known_of(self, headers: Headers) -> Caller | None:
        """Like `known`, for the headers of a request. None if it has several `Authorization` headers."""
        found = authorizations(headers)
        return self.known(found[0]) if len(found) == 1 else None

    def _of_issuer(self, token: str) -> Verifier:
        """The verifier of the issuer that the token names. If there is only one issuer, always its verifier."""
        if len(self._verifiers) == 1:
            return self._verifiers[0]
        try:
            named = part(token, 1).get("iss")
        except ValueError:
            raise Unauthorized("the token is not a JWT") from None
        for verifier in self._verifiers:
            if verifier.issuer.issuer == named:
                return verifier
        raise Unauthorized(OTHER_ISSUER)

    def _remember(self, digest: bytes, until: float, caller: Caller) -> None:
        self._forget(digest)
        restriction = caller.restriction
        uids = len(caller.organizations) + len(restriction.agents or ()) + len(restriction.parties or ())
        self._remembered[digest] = (until, uids, caller)
        self._remembered_uids += uids
        while len(self._remembered) > REMEMBERED_TOKENS or self._remembered_uids > REMEMBERED_UIDS:
            self._forget(next(iter(self._remembered)))

    def _forget(self, digest: bytes) -> None:
        _until, uids, _caller = self._remembered.pop(digest, (0.0, 0, None))
        self._remembered_uids -= uids

    def mint(
        self,
        user: str,
        organizations: list[UUID],
        *,
        default: UUID | None = None,
        scopes: tuple[str, ...] = (),
        lifetime: timedelta = timedelta(hours=12),
        agents: tuple[UUID, ...] = (),
        parties: tuple[UUID, ...] = (),
    ) -> str:
        """Makes a signed token. `default` should be one of `organizations`: `verify` refuses the token otherwise.

        Without `agents` and `parties`, the token gives access to all conversations of the organizations. Raises
        Misconfigured if the service would not accept the token.
        """
        if not self.mints:
            raise Misconfigured(
                "this service does not accept tokens that it signs itself: get one from the issuer, or add HS256 to "
                "CONVERSATIONS_TOKEN_ALGORITHMS and set CONVERSATIONS_TOKEN_SECRET"
            )
        now = datetime.now(UTC)
        issuer = self._verifiers[0].issuer
        names = issuer.names
        claims: dict[str, object] = {
            "sub": user,
            "aud": issuer.audience,
            "iat": now,
            "exp": now + lifetime,
            names.organizations: [str(uid) for uid in organizations],
        }
        optional: dict[str, object] = {
            "iss": issuer.issuer,
            names.default_organization: None if default is None else str(default),
            names.scope: " ".join(scopes),
            names.agents: [str(uid) for uid in agents],
            names.parties: [str(uid) for uid in parties],
        }
        claims |= {name: value for name, value in optional.items() if value}
        return jwt.encode(claims, self._secrets[0], algorithm=SHARED)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def authorizations(headers: Headers) -> list[str]:
    """The values of the request's `Authorization` headers."""
    return [value.decode("latin-1") for name, value in headers if name == b"authorization"]


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
