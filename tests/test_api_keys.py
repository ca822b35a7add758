"""API keys in a process of the service: hashed, with an expiry, read once for all requests, revoked soon."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest
from structlog.testing import capture_logs

from service.api.auth import Tokens
from service.errors import KeysUnavailable, SearchUnavailable, Unauthorized
from service.identity import api_keys
from service.identity.api_keys import ApiKey, Known
from service.identity.caller import Caller
from service.identity.key_ring import FRESH_SECONDS, OLDEST_SECONDS, PAUSE_SECONDS, KeyRing
from service.reach import Restriction
from service.settings import Settings

ONE, OTHER = UUID(int=1), UUID(int=2)
ID, SECRET = "0f3c5a7e9b1d2f40", "s" * 43
KEY = f"ck_{ID}_{SECRET}"
READ = "conversations:read"


def stored(**changes: Any) -> ApiKey:
    made = api_keys.new("CRM", [ONE], scopes=[READ], lifetime=timedelta(days=1))
    return msgspec.structs.replace(made, **{"hash": hashlib.sha256(SECRET.encode()).hexdigest(), **changes})


class Cluster:
    """The stored keys, which tests change; a clock that tests move; and the number of reads."""

    def __init__(self, *keys: ApiKey) -> None:
        self.keys: Mapping[str, ApiKey] = dict.fromkeys([ID], keys[0]) if keys else {}
        self.unusable: tuple[str, ...] = ()
        self.now, self.reads, self.is_down = 0.0, 0, False
        self.ring = KeyRing(self.read, clock=lambda: self.now)

    async def read(self) -> Known:
        self.reads += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise SearchUnavailable("down")
        return Known(dict(self.keys), self.unusable)


def run(action: Callable[[], Coroutine[object, object, None]]) -> None:
    asyncio.run(action())


def test_a_key_is_a_caller_with_its_rights(bare_settings: Settings) -> None:
    key = stored(organizations=[ONE, OTHER], default_organization=OTHER, scopes=[READ, "x"], agents=[ONE], parties=[])

    async def action() -> None:
        tokens = Tokens(bare_settings, Cluster(key).ring)
        restriction = Restriction(frozenset({ONE}), frozenset())
        expected = Caller(f"key {ID}", frozenset({ONE, OTHER}), OTHER, frozenset({READ, "x"}), restriction, is_key=True)
        assert await tokens.verify(f"Bearer {KEY}") == expected
        plain = await Tokens(bare_settings, Cluster(stored()).ring).verify(f"Bearer {KEY}")
        assert (plain.default_organization, plain.restriction) == (ONE, Restriction())
        await tokens.close()

    run(action)


@pytest.mark.parametrize(
    "text",
    [
        "ck_", f"ck_{ID}", f"ck_{ID}_", f"ck_{ID}_{'s' * 42}", f"ck_{ID}_{'s' * 44}", f"ck_{ID.upper()}_{SECRET}",
        f"ck_{ID}_{'t' * 43}", f"ck_{ID[::-1]}_{SECRET}", f"CK_{ID}_{SECRET}", f"ck_{ID}_{SECRET}\n.a.b", "ck_é_ü",
        f"ck_{ID}_{hashlib.sha256(SECRET.encode()).hexdigest()[:43]}",
    ],
)  # fmt: skip
def test_a_malformed_key_is_refused_and_not_shown_in_the_error(bare_settings: Settings, text: str) -> None:
    async def action() -> None:
        with pytest.raises(Unauthorized) as caught:
            await Tokens(bare_settings, Cluster(stored()).ring).verify(f"Bearer {text}")
        assert text not in str(caught.value) or len(text) < 4

    run(action)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"expires_on": datetime.now(UTC) - timedelta(seconds=1)}, "expired"),
        ({"revoked_on": datetime.now(UTC)}, "revoked"),
        ({"hash": ""}, "not known"),
    ],
)
def test_an_expired_or_revoked_key_is_refused(changes: dict[str, Any], says: str) -> None:
    async def action() -> None:
        with pytest.raises(Unauthorized, match=says):
            await Cluster(stored(**changes)).ring.caller(KEY)

    run(action)


def test_keys_are_read_once_for_all_and_only_if_somebody_uses_one(bare_settings: Settings) -> None:
    async def action() -> None:
        cluster = Cluster(stored())
        tokens = Tokens(bare_settings, cluster.ring)
        await tokens.verify(f"Bearer {tokens.mint('ada', [ONE])}")
        assert cluster.reads == 0
        await asyncio.gather(*(cluster.ring.caller(KEY) for _ in range(1_000)))
        assert cluster.reads == 1
        for _ in range(1_000):
            with pytest.raises(Unauthorized):
                await cluster.ring.caller(f"ck_{secrets.token_hex(8)}_{SECRET}")
        assert cluster.reads == 1
        cluster.now += PAUSE_SECONDS
        for _ in range(1_000):
            with pytest.raises(Unauthorized):
                await cluster.ring.caller(f"ck_{secrets.token_hex(8)}_{SECRET}")
        assert cluster.reads == 2

    run(action)


def test_a_new_key_is_known_soon_and_a_revoked_one_ends_within_a_minute() -> None:
    async def action() -> None:
        cluster = Cluster()
        with pytest.raises(Unauthorized):
            await cluster.ring.caller(KEY)
        cluster.keys = {ID: stored()}
        cluster.now += PAUSE_SECONDS
        assert (await cluster.ring.caller(KEY)).user == f"key {ID}"
        cluster.keys = {ID: stored(revoked_on=datetime.now(UTC))}
        cluster.now += FRESH_SECONDS + 0.1
        with pytest.raises(Unauthorized, match="revoked"):
            await cluster.ring.caller(KEY)

    run(action)


def test_a_cluster_that_is_down_does_not_prolong_a_revoked_key() -> None:
    async def action() -> None:
        cluster = Cluster(stored())
        await cluster.ring.caller(KEY)
        cluster.is_down = True
        for _ in range(int(OLDEST_SECONDS)):
            assert await cluster.ring.caller(KEY)
            cluster.now += 1.0
        cluster.now += 1.0
        with pytest.raises(KeysUnavailable):
            await cluster.ring.caller(KEY)
        assert OLDEST_SECONDS < 60
        cluster.is_down = False
        cluster.now += PAUSE_SECONDS
        assert await cluster.ring.caller(KEY)

    run(action)


def test_the_log_says_why_keys_are_not_accepted() -> None:
    async def action() -> None:
        cluster = Cluster(stored())
        cluster.unusable = ("f" * 16,)
        with capture_logs() as lines:
            for is_down in (False, False, True):
                cluster.is_down = is_down
                assert await cluster.ring.caller(KEY)  # the unusable key does not affect the others
                cluster.now += FRESH_SECONDS + 1
        assert lines == [
            {"event": "api_keys_unusable", "log_level": "warning", "keys": cluster.unusable},
            {"event": "api_keys_unavailable", "log_level": "warning", "reason": "down", "has_older": True},
        ]

    run(action)


class Stored:
    """A client of a cluster with these documents."""

    def __init__(self, documents: dict[str, Any]) -> None:
        self.documents = documents

    async def search(self, **_: Any) -> dict[str, Any]:
        return {"hits": {"hits": [{"_id": key_id, "_source": source} for key_id, source in self.documents.items()]}}

    @property
    def store(self) -> api_keys.Store:
        return api_keys.Store(cast(Any, self), "conversations")


def document(**changes: Any) -> dict[str, Any]:
    return {**msgspec.to_builtins(stored()), **changes}


LATER = "2126-12-30T00:00:00"
ODD: list[Any] = [None, 5, True, [], {}, "ü", "\ud800", LATER, "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"]
FITTING = {
    "name": ODD[5:6] + ODD[7:], "organizations": [[]], "default_organization": [None], "scopes": [[]],
    "agents": [None, []], "parties": [None, []], "revoked_on": [None],
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        *({name: odd} for name in document() for odd in ODD if odd not in FITTING.get(name, [])),
        {"hash": "a" * 63 + "ü"}, {"hash": "a" * 65}, {"hash": "a" * 64 + "\n"}, {"scopes": ["\ud800"]},
        {"expires_on": 4_900_000_000}, {"expires_on": "4900000000"}, {"revoked_on": "null"}, {"agents": ["x"]},
    ],
    ids=repr,
)  # fmt: skip
def test_a_stored_key_of_another_shape_is_refused_and_does_not_affect_others(changes: dict[str, Any]) -> None:
    async def action() -> None:
        cluster = Stored({ID: document(**changes), ID[::-1]: document()})
        known = await cluster.store.all()
        assert (known.unusable, [*known.keys]) == ((ID,), [ID[::-1]])
        ring = KeyRing(cluster.store.all)
        assert await ring.caller(KEY.replace(ID, ID[::-1]))
        with pytest.raises(Unauthorized, match="not known"):
            await ring.caller(KEY)
        assert ring.known(KEY) is None

    run(action)


def test_times_with_other_offsets_become_utc() -> None:
    async def action() -> None:
        known = await Stored({ID: document(expires_on=f"{LATER}+02:00")}).store.all()
        assert known.keys[ID].record(ID, datetime.now(UTC))["expires_on"] == "2126-12-29T22:00:00.000Z"

    run(action)


def test_a_stored_hash_of_any_characters_is_compared_without_an_error() -> None:
    ring = Cluster(stored(hash="ü\ud800")).ring

    async def action() -> None:
        with pytest.raises(Unauthorized, match="not known"):
            await ring.caller(KEY)
        assert ring.known(KEY) is None

    run(action)


def test_a_cancelled_request_does_not_cancel_the_read_of_keys_for_others() -> None:
    async def action() -> None:
        cluster = Cluster(stored())
        first, second = (asyncio.create_task(cluster.ring.caller(KEY)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).user == f"key {ID}"
        await cluster.ring.close()

    run(action)


def test_a_listed_key_has_no_hash() -> None:
    record = stored().record(ID, datetime.now(UTC))
    assert "hash" not in record
    assert (record["id"], record["is_active"], record["revoked_on"]) == (ID, True, None)
