"""The settings of tokens: secrets, issuers and their keys, and the names of claims."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices as _env
from pydantic import Field, SecretStr

from service.secret_files import SecretFiles

READ, WRITE, EXPORT, ADMIN = (f"conversations:{right}" for right in ("read", "write", "export", "admin"))
SCOPES = (READ, WRITE, EXPORT, ADMIN)


class TokenSettings(SecretFiles):
    """Lists are separated by spaces."""

    token_secret: SecretStr | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_TOKEN_SECRET"),
        description="shared secret that signs HS256 tokens, at least 32 bytes",
    )
    token_secret_previous: SecretStr | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_TOKEN_SECRET_PREVIOUS"),
        description="the previous secret: tokens and cursors made with it are still accepted; no new ones are made "
        "with it",
    )
    cursor_secret: SecretStr | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_CURSOR_SECRET"),
        description="secret that encrypts cursors, at least 32 bytes, the same for all processes; without it, the "
        "secret of the tokens encrypts cursors, and cursors end with that secret",
    )
    token_audience: str = Field(
        "conversations",
        validation_alias=_env("CONVERSATIONS_TOKEN_AUDIENCE"),
        description="the `aud` that a token must carry",
    )
    token_issuer: str | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_TOKEN_ISSUER"),
        description="the `iss` that a token must carry; without it, `iss` is not checked",
    )
    token_jwks_url: str | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_TOKEN_JWKS_URL"),
        description="URL of the issuer's public keys (a JWKS): https, or http on this machine",
    )
    token_jwks_file: Path | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_TOKEN_JWKS_FILE"),
        description="file with the issuer's public keys (a JWKS); it may be replaced while the service runs",
    )
    token_discovery: bool = Field(
        False,
        validation_alias=_env("CONVERSATIONS_TOKEN_DISCOVERY"),
        description="true finds the URL of the issuer's keys by OpenID Connect discovery; CONVERSATIONS_TOKEN_ISSUER "
        "must be a URL",
    )
    token_issuers_file: Path | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_TOKEN_ISSUERS_FILE"),
        description="TOML file with several issuers, each a table [[issuer]]",
    )
    token_ca_file: Path | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_TOKEN_CA_FILE"),
        description="file with the certificates of the authority that signed the issuers' certificates",
    )
    token_algorithms: str | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_TOKEN_ALGORITHMS"),
        description="accepted algorithms, separated by spaces; the default is HS256, or if there are keys of an "
        "issuer, RS256 RS384 RS512 PS256 ES256 ES384 EdDSA without HS256",
    )
    token_leeway: int = Field(
        5,
        ge=0,
        le=300,
        validation_alias=_env("CONVERSATIONS_TOKEN_LEEWAY"),
        description="seconds by which the clocks of an issuer and of the service may differ",
    )
    token_required_claims: str = Field(
        "exp sub aud",
        validation_alias=_env("CONVERSATIONS_TOKEN_REQUIRED_CLAIMS"),
        description="claims that a token must have, separated by spaces; exp, sub and aud are always required, and iss "
        "if an issuer is set",
    )
    token_keys_lifetime: int = Field(
        600,
        ge=1,
        le=86_400,
        validation_alias=_env("CONVERSATIONS_TOKEN_KEYS_LIFETIME"),
        description="seconds after which an issuer's keys are fetched again",
    )
    oidc_client_id: str | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_OIDC_CLIENT_ID"),
        description="client id of the page at the issuer, where the page is a public client with PKCE; with it, people "
        "sign in at the issuer",
    )
    oidc_scopes: str = Field(
        "openid",
        validation_alias=_env("CONVERSATIONS_OIDC_SCOPES"),
        description="scopes that the page asks the issuer for, separated by spaces; openid is always added",
    )
    oidc_parameters: str = Field(
        "",
        validation_alias=_env("CONVERSATIONS_OIDC_PARAMETERS"),
        description="more parameters of the page's request to sign in, written as a query string, such as "
        "audience=conversations",
    )
    organizations_claim: str = Field(
        "organizations",
        validation_alias=_env("CONVERSATIONS_ORGANIZATIONS_CLAIM"),
        description="claim that lists the caller's organizations",
    )
    default_organization_claim: str = Field(
        "default_organization",
        validation_alias=_env("CONVERSATIONS_DEFAULT_ORGANIZATION_CLAIM"),
        description="claim that names the caller's default organization",
    )
    scope_claim: str = Field(
        "scope",
        validation_alias=_env("CONVERSATIONS_SCOPE_CLAIM"),
        description="claim that holds the caller's scopes, separated by spaces",
    )
    agents_claim: str = Field(
        "agents",
        validation_alias=_env("CONVERSATIONS_AGENTS_CLAIM"),
        description="claim that restricts the caller to the conversations of some agents: a UUID or a list; without "
        "the claim, the caller sees all",
    )
    parties_claim: str = Field(
        "parties",
        validation_alias=_env("CONVERSATIONS_PARTIES_CLAIM"),
        description="claim that restricts the caller to the conversations of some parties: a UUID or a list; without "
        "the claim, the caller sees all",
    )
    default_scopes: str = Field(
        f"{READ} {EXPORT}",
        validation_alias=_env("CONVERSATIONS_DEFAULT_SCOPES"),
        description="scopes of a token that has no scope of this service, separated by spaces, or none",
    )
