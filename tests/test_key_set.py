"""The keys of an issuer: fetched once for all waiting requests, kept while it is down, replaced without a restart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import uvloop

from service.api.auth import Tokens
from service.errors import KeysUnavailable, Unauthorized
from service.identity import key_set, key_sources
from service.identity.issuers import trusted
from service.identity.key_set import (
    FIRST_RETRY_SECONDS,
    MOST_TRIED,
    MOST_UNKNOWN,
    RETRY_SECONDS,
    UNKNOWN_PAUSE_SECONDS,
    UNKNOWN_SECONDS,
    KeySet,
)
from service.settings import Settings
from tests.issuer import Issuer, issuer, jwk

LIFETIME = 600.0
Value = TypeVar("Value")


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def served() -> Iterator[Issuer]:
    with issuer() as found:
        found.keys = [jwk("first")]
        yield found


def run(served: Issuer, clock: Clock, action: Callable[[KeySet], Awaitable[Value]]) -> Value:
    async def all_of_it() -> Value:
        keys = KeySet(
            key_sources.of_url(served.jwks_url, trusted(None)), issuer=served.url, lifetime=LIFETIME, clock=clock
        )
        try:
            return await action(keys)
        finally:
            await keys.close()

    return asyncio.run(all_of_it())


async def has(keys: KeySet, kid: str | None) -> bool:
    return bool(await keys.find(kid, "RS256"))


async def settled(keys: KeySet) -> None:
    """Waits until the running fetch has ended, if there is one."""
    if keys._fetching is not None:
        await keys._fetched()
        await asyncio.sleep(0)  # lets the callback of the fetch run


def test_keys_are_fetched_once_however_many_wait_and_off_the_event_loop(served: Issuer, clock: Clock) -> None:
    served.seconds = 0.3

    async def action(keys: KeySet) -> None:
        waiting = asyncio.gather(*(has(keys, "first") for _ in range(1_000)))
        turns = 0
        while not waiting.done():
            await asyncio.sleep(0.005)
            turns += 1
        assert all(await waiting)
        assert turns > 3  # a fetch on the event loop would block it

    run(served, clock, action)
    assert served.requests == ["/keys"]


def test_a_waiter_that_is_cancelled_does_not_end_the_fetch_of_the_others(served: Issuer, clock: Clock) -> None:
    served.seconds = 0.2

    async def action(keys: KeySet) -> bool:
        first, second = (asyncio.create_task(has(keys, "first")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert run(served, clock, action)
    assert len(served.requests) == 1


@pytest.mark.parametrize("is_warm", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
def test_a_thousand_random_kids_make_one_fetch(served: Issuer, clock: Clock, is_warm: bool, at_once: bool) -> None:
    async def action(keys: KeySet) -> None:
        if is_warm:
            assert await has(keys, "first")
        kids = [f"random {number}" for number in range(1_000)]
        if at_once:
            assert not any(await asyncio.gather(*(has(keys, kid) for kid in kids)))
        else:
            for kid in kids:
                assert not await has(keys, kid)
                clock.now += 29.9 / 1_000
        assert len(served.requests) == 1 + is_warm
        assert await has(keys, "first")
        clock.now += UNKNOWN_PAUSE_SECONDS
        assert not await has(keys, "another")
        assert len(served.requests) == 2 + is_warm

    run(served, clock, action)


def test_an_unknown_key_id_is_remembered_for_a_while(served: Issuer, clock: Clock) -> None:
    async def action(keys: KeySet) -> None:
        assert not await has(keys, "missing")
        clock.now += UNKNOWN_PAUSE_SECONDS + 1
        assert not await has(keys, "missing")
        assert len(served.requests) == 1
        clock.now += UNKNOWN_SECONDS - UNKNOWN_PAUSE_SECONDS
        assert not await has(keys, "missing")
        assert len(served.requests) == 2
        for number in range(2 * MOST_UNKNOWN):
            clock.now += UNKNOWN_PAUSE_SECONDS
            keys._remember(f"random {number}")
        assert len(keys._unknown) <= MOST_UNKNOWN

    run(served, clock, action)


def test_a_key_is_not_called_unknown_by_an_issuer_that_is_down(served: Issuer, clock: Clock) -> None:
    async def action(keys: KeySet) -> None:
        assert await has(keys, "first")
        served.status, served.keys = 500, [jwk("first"), jwk("second")]
        assert not await has(keys, "second")
        assert not await has(keys, "second")
        assert len(served.requests) == 2
        served.status = 200
        clock.now += UNKNOWN_PAUSE_SECONDS
        assert await has(keys, "second")

    run(served, clock, action)


def test_new_keys_are_found_without_a_restart(served: Issuer, clock: Clock) -> None:
    async def action(keys: KeySet) -> None:
        assert await has(keys, "first")
        served.keys = [jwk("first"), jwk("second")]
        assert await has(keys, "second")  # at once: the first key that is asked for and not there
        served.keys = [jwk("second"), jwk("third")]
        assert await has(keys, "first")
        assert not await has(keys, "third")
        clock.now += UNKNOWN_PAUSE_SECONDS
        assert await has(keys, "third")
        assert not await has(keys, "first")
        served.keys = [jwk("fourth")]
        clock.now += LIFETIME
        assert await has(keys, "fourth")
        assert not await has(keys, "third")  # what the issuer took back ends with the fetch after the lifetime

    run(served, clock, action)


def test_the_last_good_keys_serve_while_the_issuer_is_down(served: Issuer, clock: Clock) -> None:
    async def action(keys: KeySet) -> None:
        assert await has(keys, "first")
        served.status = 500
        for number in range(5):
            clock.now += LIFETIME
            assert await has(keys, "first")
            await settled(keys)
            assert await has(keys, "first")
            assert len(served.requests) == 2 + number
        await keys.close()
        served.status, served.seconds, served.keys = 200, 0.0, [jwk("second")]
        clock.now += RETRY_SECONDS
        await has(keys, "first")
        await keys._fetched()
        assert await has(keys, "second")
        assert not await has(keys, "first")

    run(served, clock, action)


def test_with_a_known_key_nobody_waits_for_an_issuer_that_hangs(served: Issuer, clock: Clock) -> None:
    """Also the first request after the lifetime, when nobody knows yet that the issuer is down."""

    async def action(keys: KeySet) -> None:
        assert await has(keys, "first")
        with served.hanging() as asked:
            for pause in (LIFETIME, RETRY_SECONDS):
                asked.clear()
                clock.now += pause
                assert all(await asyncio.gather(*(has(keys, "first") for _ in range(100))))
                assert keys._fetching is not None, "no fetch is under way"
                assert await asyncio.to_thread(asked.wait, 60)
                await keys.close()  # ends the fetch

    run(served, clock, action)
    assert len(served.requests) == 3


def test_a_token_with_an_unknown_key_waits_for_one_fetch_of_an_issuer_that_fails(served: Issuer, clock: Clock) -> None:
    """The fetch after the lifetime and the one for the unknown key are one: at most one in 30 seconds."""

    async def action(keys: KeySet) -> None:
        assert await has(keys, "first")
        served.status = 500
        clock.now += LIFETIME
        for _ in range(299):
            assert await has(keys, "first")
            assert not await has(keys, f"unknown at {clock.now}")
            await settled(keys)
            clock.now += RETRY_SECONDS / 300
        assert len(served.requests) == 2
        clock.now += RETRY_SECONDS / 150
        assert not await has(keys, "unknown")
        assert len(served.requests) == 3

    run(served, clock, action)


def test_a_new_key_is_found_within_30_seconds_though_strangers_use_unknown_ones(served: Issuer, clock: Clock) -> None:
    async def action(keys: KeySet) -> None:
        assert await has(keys, "first")
        assert not await has(keys, "of a stranger")
        served.keys.append(jwk("second"))
        clock.now += UNKNOWN_PAUSE_SECONDS - 1
        assert not await has(keys, "second")
        clock.now += 1
        assert not await has(keys, "of another stranger")  # its fetch finds the new key, too
        assert await has(keys, "second")
        assert len(served.requests) == 3

    run(served, clock, action)


def test_a_fetch_has_one_timeout_for_all_its_answers(
    served: Issuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_set, "FETCH_SECONDS", 0.3)
    served.seconds = 0.2  # for each of the two answers

    async def action() -> None:
        source = key_sources.of_discovery(served.url, trusted(None))
        keys = KeySet(source, issuer=served.url, lifetime=LIFETIME, clock=clock)
        with pytest.raises(KeysUnavailable):
            await has(keys, "first")
        await keys.close()

    asyncio.run(action())


def test_an_idle_service_fetches_too_so_that_withdrawn_keys_end_with_their_lifetime(served: Issuer) -> None:
    async def action() -> None:
        keys = KeySet(key_sources.of_url(served.jwks_url, trusted(None)), issuer=served.url, lifetime=0.1)
        assert await has(keys, "first")
        served.keys = [jwk("second")]
        await asyncio.sleep(0.3)
        assert not keys._has("first")
        await keys.close()
        asked = len(served.requests)
        await asyncio.sleep(0.2)
        assert len(served.requests) == asked  # none after the end

    asyncio.run(action())


def test_no_timer_is_lost_in_a_loop_whose_timers_fire_a_little_early() -> None:
    async def action() -> None:
        fetches = [0] * 30
        are_enough = asyncio.Event()

        def source_of(number: int) -> Callable[[], Awaitable[bytes]]:
            async def source() -> bytes:
                fetches[number] += 1
                if min(fetches) >= 10:
                    are_enough.set()
                return json.dumps({"keys": [jwk("first")]}).encode()

            return source

        sets = [KeySet(source_of(number), issuer="", lifetime=0.02) for number in range(len(fetches))]
        assert all([await has(keys, "first") for keys in sets])
        async with asyncio.timeout(20):
            await are_enough.wait()
        for keys in sets:
            await keys.close()

    uvloop.run(action())


@pytest.mark.parametrize("content", [b"", b"{}", b'{"keys": []}', b"<html>"])
def test_an_answer_without_keys_is_no_reason_to_forget_those_there_are(
    served: Issuer, clock: Clock, content: bytes
) -> None:
    async def action(keys: KeySet) -> None:
        assert await has(keys, "first")
        served.override = lambda path: content
        clock.now += LIFETIME
        assert await has(keys, "first")
        await settled(keys)
        assert await has(keys, "first")

    run(served, clock, action)
    assert len(served.requests) == 2


def test_without_any_keys_the_issuer_is_asked_again_soon_but_not_by_everybody(served: Issuer, clock: Clock) -> None:
    async def action(keys: KeySet) -> None:
        served.status = 503
        for _ in range(100):
            with pytest.raises(KeysUnavailable):
                await has(keys, "first")
        assert len(served.requests) == 1
        served.status = 200
        clock.now += FIRST_RETRY_SECONDS
        assert await has(keys, "first")

    run(served, clock, action)


def test_a_token_without_a_kid_takes_the_only_key(served: Issuer, clock: Clock) -> None:
    async def action(keys: KeySet) -> None:
        assert await has(keys, None)
        served.keys = [jwk("first"), jwk("second"), jwk("third", "ES256")]
        clock.now += LIFETIME
        assert await has(keys, None)  # the fetch has only begun
        await settled(keys)
        assert not await has(keys, None)  # two would fit
        assert await keys.find(None, "ES256")

    run(served, clock, action)


def test_of_keys_with_one_name_a_few_that_fit_the_algorithm_are_tried(served: Issuer, clock: Clock) -> None:
    served.keys = [jwk("first", "ES256"), *9 * [jwk("first")]]

    async def action(keys: KeySet) -> None:
        for algorithm, number in (("ES256", 1), ("RS256", MOST_TRIED)):
            found = await keys.find("first", algorithm)
            assert len(found) == number
            assert all(algorithm in key.algorithms for key in found)
        assert await keys.find("first", "EdDSA") == []

    run(served, clock, action)
    assert len(served.requests) == 1


def test_each_of_two_keys_with_one_name_verifies(bare_settings: Settings, served: Issuer) -> None:
    served.keys = [jwk("first") | {"kid": "same"}, jwk("second") | {"kid": "same"}]

    async def action() -> None:
        tokens = Tokens(bare_settings.but(token_issuer=served.url, token_jwks_url=served.jwks_url))
        for kid in ("first", "second"):
            assert (await tokens.verify(served.token(kid, headers={"kid": "same"}))).user == "ada"
        with pytest.raises(Unauthorized, match="a key of its issuer signed"):
            await tokens.verify(served.token("third", headers={"kid": "same"}))
        await tokens.close()

    asyncio.run(action())


def test_a_file_of_keys_is_read_again(bare_settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    own = Issuer("https://login.example")
    file.write_text(json.dumps({"keys": [jwk("first")]}))

    async def action() -> None:
        tokens = Tokens(bare_settings.but(token_issuer=own.url, token_jwks_file=file))
        assert (await tokens.verify(own.token())).user == "ada"
        file.write_text(json.dumps({"keys": [jwk("second")]}))
        assert (await tokens.verify(own.token("second"))).user == "ada"
        with pytest.raises(Unauthorized, match="no key"):
            await tokens.verify(own.token(sub="somebody else"))
        file.unlink()
        assert (await tokens.verify(own.token("second", sub="eve"))).user == "eve"

    asyncio.run(action())
