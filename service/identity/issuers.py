"""The issuers of tokens: the single one of the settings, or those in CONVERSATIONS_TOKEN_ISSUERS_FILE."""

from __future__ import annotations

import ssl
import tomllib
from functools import cache
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.errors import Misconfigured
from service.identity import key_sources
from service.identity.claims import ClaimNames
from service.identity.key_sources import KeySource
from service.identity.public_keys import ASYMMETRIC
from service.settings import Settings
from service.token_settings import SCOPES, TokenSettings

SHARED = "HS256"
ALWAYS_REQUIRED = ("exp", "sub", "aud")
OF_THE_PAGE = frozenset(
    {
        "client_id", "code_challenge", "code_challenge_method", "nonce", "redirect_uri", "response_mode",
        "response_type", "scope", "state",
    }
)  # fmt: skip


class Issuer(BaseModel):
    """An issuer, what its tokens must look like, and where its keys are. `issuer` is None if any `iss` is accepted.

    These names are the keys of a table [[issuer]]. For a key that a table lacks, the value of the settings is used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str | None = Field(None, min_length=1)
    jwks_url: str | None = None
    jwks_file: Path | None = None
    discovery: bool = False
    audience: str = Field(min_length=1)
    algorithms: tuple[str, ...] = ()
    leeway: int = Field(ge=0, le=300)
    required_claims: tuple[str, ...] = ()
    organizations_claim: str = Field(min_length=1)
    default_organization_claim: str = Field(min_length=1)
    scope_claim: str = Field(min_length=1)
    agents_claim: str = Field(min_length=1)
    parties_claim: str = Field(min_length=1)
    default_scopes: tuple[str, ...] = ()
    client_id: str | None = Field(None, min_length=1)
    client_scopes: tuple[str, ...] = ()
    client_parameters: str = ""

    @property
    def has_keys(self) -> bool:
        """Whether its tokens are verified with public keys."""
        return bool(self.jwks_url or self.jwks_file or self.discovery)

    @property
    def accepted(self) -> tuple[str, ...]:
        """The accepted algorithms. A shared secret and public keys exclude each other unless the settings name both."""
        return self.algorithms or (ASYMMETRIC if self.has_keys else (SHARED,))

    @property
    def required(self) -> tuple[str, ...]:
        own = ("iss",) if self.issuer is not None else ()
        return tuple(dict.fromkeys((*ALWAYS_REQUIRED, *own, *self.required_claims)))

    @property
    def names(self) -> ClaimNames:
        return ClaimNames(
            self.organizations_claim,
            self.default_organization_claim,
            self.scope_claim,
            self.agents_claim,
            self.parties_claim,
        )

    @property
    def more_parameters(self) -> list[tuple[str, str]]:
        """The pairs in `client_parameters`. Raises ValueError if it is invalid, or has a parameter in OF_THE_PAGE."""
        text = self.client_parameters
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True) if text else []
        if own := sorted(OF_THE_PAGE & {name for name, _value in pairs}):
            raise ValueError(f"the page itself sets the parameter {own[0]}")
        return pairs

    def source(self, trusted: ssl.SSLContext) -> KeySource:
        """Where its keys are fetched from."""
        if self.jwks_url is not None:
            return key_sources.of_url(self.jwks_url, trusted)
        if self.jwks_file is not None:
            return key_sources.of_file(self.jwks_file)
        return key_sources.of_discovery(self.issuer or "", trusted)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if sum(map(bool, (self.jwks_url, self.jwks_file, self.discovery))) > 1:
            raise ValueError("its keys come from a URL, a file, or discovery: set one of them")
        if self.has_keys and self.issuer is None:
            raise ValueError("issuer (CONVERSATIONS_TOKEN_ISSUER) must be set, because its keys are set")
        looked_up = self.jwks_url or (self.issuer if self.discovery else None)
        if looked_up is not None and not key_sources.is_safe(looked_up):
            raise ValueError("its keys must be at a URL with https (or with http on this machine)")
        if self.client_id is not None and not (self.has_keys and key_sources.is_safe(self.issuer or "")):
            raise ValueError("people can sign in only at an issuer with public keys whose name is an https URL")
        _ = self.more_parameters
        known = (SHARED, *ASYMMETRIC)
        if unknown := [name for name in self.algorithms if name not in known]:
            raise ValueError(f"{unknown[0]} is not an accepted algorithm: choose from {' '.join(known)}")
        if not self.has_keys and set(self.accepted) != {SHARED}:
            raise ValueError("algorithms other than HS256 need the keys of an issuer")
        if unknown := [name for name in self.default_scopes if name not in SCOPES]:
            raise ValueError(f"{unknown[0]} is not a scope: choose from {' '.join(SCOPES)}, or none")
        return self


_OF_ONE = {
    "issuer": "CONVERSATIONS_TOKEN_ISSUER",
    "jwks_url": "CONVERSATIONS_TOKEN_JWKS_URL",
    "jwks_file": "CONVERSATIONS_TOKEN_JWKS_FILE",
    "discovery": "CONVERSATIONS_TOKEN_DISCOVERY",
    "client_id": "CONVERSATIONS_OIDC_CLIENT_ID",
}  # the settings of a single issuer; a file with several issuers excludes them


def issuers(settings: Settings) -> list[Issuer]:
    """The issuers of the settings. Raises Misconfigured if they are not consistent, or the file cannot be used."""
    if settings.token_issuers_file is None:
        return [_issuer(_of_settings(settings), "the settings of tokens")]
    if given := [name for name, value in _of_settings(settings).items() if name in _OF_ONE and value]:
        raise Misconfigured(
            f"CONVERSATIONS_TOKEN_ISSUERS_FILE names the issuers: unset {', '.join(_OF_ONE[name] for name in given)}"
        )
    return _of_file(settings.token_issuers_file, _shared(settings))


def _shared(settings: TokenSettings) -> dict[str, object]:
    """What all issuers share, unless a table says otherwise."""
    default_scopes = settings.default_scopes.split()
    return {
        "audience": settings.token_audience,
        "algorithms": (settings.token_algorithms or "").split(),
        "leeway": settings.token_leeway,
        "required_claims": settings.token_required_claims.split(),
        "organizations_claim": settings.organizations_claim,
        "default_organization_claim": settings.default_organization_claim,
        "scope_claim": settings.scope_claim,
        "agents_claim": settings.agents_claim,
        "parties_claim": settings.parties_claim,
        "default_scopes": [] if default_scopes == ["none"] else default_scopes,
        "client_scopes": settings.oidc_scopes.split(),
        "client_parameters": settings.oidc_parameters,
    }


def _of_settings(settings: TokenSettings) -> dict[str, object]:
    return _shared(settings) | {
        "issuer": settings.token_issuer,
        "jwks_url": settings.token_jwks_url,
        "jwks_file": settings.token_jwks_file,
        "discovery": settings.token_discovery,
        "client_id": settings.oidc_client_id,
    }


def _of_file(path: Path, shared: dict[str, object]) -> list[Issuer]:
    where = f"CONVERSATIONS_TOKEN_ISSUERS_FILE {path}"
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Misconfigured(f"{where} cannot be read: {reason}") from None
    tables = content.get("issuer")
    if content.keys() - {"issuer"} or not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise Misconfigured(f"{where} must hold tables [[issuer]], and nothing else")
    found = [_issuer(shared | table, f"{where}, table {number}") for number, table in enumerate(tables, 1)]
    names = [one.issuer for one in found]
    if not found or None in names or len(set(names)) < len(names):
        raise Misconfigured(f"{where} must hold issuers with different names, each with the key issuer")
    return found


def _issuer(values: dict[str, object], where: str) -> Issuer:
    try:
        return Issuer.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise Misconfigured(f"{where}: {f'{place}: ' if place else ''}{message}") from None


@cache  # reading the system's certificates takes 30 ms
def trusted(ca_file: Path | None) -> ssl.SSLContext:
    """The certificates that an issuer's server is verified with. Raises Misconfigured if the file cannot be used."""
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=str(ca_file))
        except OSError as error:
            raise Misconfigured(
                f"CONVERSATIONS_TOKEN_CA_FILE {ca_file} cannot be used: {error.strerror or error}"
            ) from None
    return context
