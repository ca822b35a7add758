"""API keys for machines: made by an operator, stored in the cluster as hashes, each with its rights and its expiry.

A key is `ck_<id>_<secret>`. The secret is 32 random bytes, so a plain SHA-256 of it can be stored: nobody can guess it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from opensearchpy.exceptions import NotFoundError, RequestError

from service.client import Client, translated
from service.client.error_types import is_from_opensearch
from service.client.responses import Json, part
from service.errors import ConversationsError, NotFound
from service.identity.caller import Caller
from service.reach import Restriction
from service.times import format_time

PREFIX = "ck_"
MOST_KEYS = 5_000
MOST_BYTES = 16_000_000  # of all keys as they are stored: one response of OpenSearch must hold them
FORGOTTEN_AFTER = timedelta(days=90)  # the next `create` removes keys that ended longer ago
_FEWER = "revoke those that are not used, which are removed 90 days later, or use tokens"
_KEY = re.compile(r"ck_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")

Time = Annotated[datetime, msgspec.Meta(tz=True)]


def keys_index(alias: str) -> str:
    """The name of the index that holds the keys."""
    return f"{alias}_keys"


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of a key, under its id. Times are in UTC."""

    name: str
    hash: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    organizations: list[UUID]
    default_organization: UUID | None = None
    scopes: list[str]
    agents: list[UUID] | None = None
    parties: list[UUID] | None = None
    created_on: Time
    expires_on: Time
    revoked_on: Time | None = None

    def ended(self, now: datetime) -> str | None:
        """Why the key is not accepted any more, or None if it is."""
        if self.revoked_on is not None:
            return "the API key was revoked"
        return "the API key has expired: get a new one" if self.expires_on <= now else None

    def caller(self, key_id: str) -> Caller:
        organizations = frozenset(self.organizations)
        only = self.organizations[0] if len(organizations) == 1 else None
        return Caller(
            user=f"key {key_id}",
            organizations=organizations,
            default_organization=self.default_organization or only,
            scopes=frozenset(self.scopes),
            restriction=Restriction(_set(self.agents), _set(self.parties)),
            is_key=True,
        )

    def record(self, key_id: str, now: datetime) -> dict[str, object]:
        """What `key list` prints: everything but the hash."""
        shown = msgspec.to_builtins(self)
        shown |= {name: format_time(value) for name, value in _times(self) if value is not None}
        del shown["hash"]
        return {"id": key_id, "is_active": self.ended(now) is None, **shown}


_TIMES = ("created_on", "expires_on", "revoked_on")


def _set(uids: list[UUID] | None) -> frozenset[UUID] | None:
    return None if uids is None else frozenset(uids)


def split(text: str) -> tuple[str, str] | None:
    """The id and the hash of a key's secret; None if the text is not a key."""
    found = _KEY.fullmatch(text)
    return None if found is None else (found[1], _hashed(found[2]))


def is_same(one: str, other: str) -> bool:
    """Compares two hashes in constant time."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True)
class Known:
    """All keys by their ids, including ended ones, and the ids of the keys that this version does not understand."""

    keys: dict[str, ApiKey]
    unusable: tuple[str, ...] = ()


class Store:
    """The keys in the cluster."""

    def __init__(self, client: Client, alias: str) -> None:
        self._client = client
        self._index = keys_index(alias)

    async def all(self) -> Known:
        with translated(alias=self._index):
            try:
                answer = await self._client.search(
                    index=self._index,
                    body={"size": MOST_KEYS, "query": {"match_all": {}}},
                    params={"allow_partial_search_results": "false"},
                )
            except NotFoundError as error:
                if error.error != "index_not_found_exception":  # the error of a proxy: there may be keys
                    raise
                return Known({})
        found = {str(hit["_id"]): _key_of(hit) for hit in part(answer, "hits", "hits", expected=list[Json])}
        keys = {key_id: key for key_id, key in found.items() if key is not None}
        return Known(keys, tuple(sorted(found.keys() - keys.keys())))

    async def create(self, key: ApiKey) -> tuple[str, str]:
        """Stores a key under a new id, with the hash of a new secret. Returns the id, and the key as text."""
        await self._ensure_index()
        known = await self.all()
        await self._forget(known.keys, key.created_on)
        if len(known.keys) + len(known.unusable) >= MOST_KEYS:
            raise ConversationsError(f"there are {MOST_KEYS:,} API keys already: {_FEWER}")
        if sum(len(msgspec.json.encode(one)) for one in (*known.keys.values(), key)) > MOST_BYTES:
            raise ConversationsError(f"with this one, the API keys would have more than {MOST_BYTES:,} bytes: {_FEWER}")
        key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        await self._put(key_id, msgspec.structs.replace(key, hash=_hashed(secret)), create=True)
        return key_id, f"{PREFIX}{key_id}_{secret}"

    async def revoke(self, key_id: str, now: datetime) -> tuple[ApiKey, bool]:
        """Revokes a key. Returns the key as it was before, and whether this call revoked it. Raises NotFound."""
        found = await self._get(key_id)
        if found.revoked_on is not None:
            return found, False
        await self._put(key_id, msgspec.structs.replace(found, revoked_on=now))
        return found, True

    async def _get(self, key_id: str) -> ApiKey:
        with translated(alias=self._index):
            try:
                answer = await self._client.get(index=self._index, id=key_id)
            except NotFoundError as error:
                if not is_from_opensearch(error):  # the error of a proxy: the key may exist
                    raise
                raise NotFound(f"there is no API key {key_id}: 'conversations key list' prints all keys") from None
        found = _key_of(answer)
        if found is None:
            raise ConversationsError(
                f"the API key {key_id} has another shape than this version writes, and is not accepted: "
                f"delete the document {key_id} of the index {self._index}"
            )
        return found

    async def _put(self, key_id: str, key: ApiKey, *, create: bool = False) -> None:
        params = {"refresh": "true"} | ({"op_type": "create"} if create else {})
        with translated(alias=self._index):
            await self._client.index(index=self._index, id=key_id, body=msgspec.to_builtins(key), params=params)

    async def _forget(self, known: dict[str, ApiKey], now: datetime) -> None:
        for key_id, key in list(known.items()):
            if (key.revoked_on or key.expires_on) < now - FORGOTTEN_AFTER:
                with translated(alias=self._index):
                    await self._client.delete(index=self._index, id=key_id)
                del known[key_id]

    async def _ensure_index(self) -> None:
        body = {
            "settings": {"index": {"number_of_shards": 1, "auto_expand_replicas": "0-1", "hidden": True}},
            "mappings": {"dynamic": False},
        }
        with translated(alias=self._index):
            try:
                await self._client.indices.create(index=self._index, body=body)
            except RequestError as error:
                if error.error != "resource_already_exists_exception":
                    raise


def _key_of(hit: Json) -> ApiKey | None:
    """The key in a document, or None if it has another shape than this version's."""
    try:
        found = msgspec.convert(hit["_source"], ApiKey)
        msgspec.json.encode(found)  # fails for a text with half a surrogate pair
        times = {name: None if value is None else value.astimezone(UTC) for name, value in _times(found)}
    except (KeyError, ValueError, OverflowError):  # also msgspec's ValidationError
        return None
    return msgspec.structs.replace(found, **times)


def _times(key: ApiKey) -> list[tuple[str, datetime | None]]:
    return [(name, getattr(key, name)) for name in _TIMES]


def new(
    name: str,
    organizations: list[UUID],
    *,
    default: UUID | None = None,
    scopes: list[str],
    agents: list[UUID] | None = None,
    parties: list[UUID] | None = None,
    lifetime: timedelta,
) -> ApiKey:
    """A key that is valid from now on. `Store.create` gives it its hash."""
    now = datetime.now(UTC)
    return ApiKey(
        name=name,
        hash="",
        organizations=organizations,
        default_organization=default,
        scopes=scopes,
        agents=agents,
        parties=parties,
        created_on=now,
        expires_on=now + lifetime,
    )
