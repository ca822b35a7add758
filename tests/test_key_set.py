"""The keys of an issuer: fetched once for all who wait, kept while it is down, and replaced without a restart."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from service.api.auth import Tokens
from service.errors import KeysUnavailable, Unauthorized
from service.identity import key_sources
from service.identity.issuers import trusted
from service.identity.key_set import (
    FIRST_RETRY_SECONDS,
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
    return await keys.find(kid, "RS256") is not None


def test_keys_are_fetched_once_however_many_wait_and_off_the_event_loop(served: Issuer, clock: Clock) -> None:
    served.seconds = 0.3

    async def action(keys: KeySet) -> None:
        waiting = asyncio.gather(*(has(keys, "first") for _ in range(1_000)))
        turns = 0
        while not waiting.done():
            await asyncio.sleep(0.005)
            turns += 1
        assert all(await waiting)
        assert turns > 3  # a fetch on the event loop would leave it no turn

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


def test_a_key_that_is_not_there_is_remembered_for_a_while(served: Issuer, clock: Clock) -> None:
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
        assert not await has(keys, "third")  # what the issuer took back ends with the lifetime
        assert await has(keys, "fourth")

    run(served, clock, action)


def test_the_last_good_keys_serve_while_the_issuer_is_down(served: Issuer, clock: Clock) -> None:
    async def action(keys: KeySet) -> None:
        assert await has(keys, "first")
        served.status = 500
        for _ in range(5):
            clock.now += LIFETIME
            assert await has(keys, "first")
            assert await has(keys, "first")
            await asyncio.sleep(0)
        served.seconds = 0.5  # nobody waits for an issuer that is known to be down
        clock.now += RETRY_SECONDS
        began = time.monotonic()
        assert await has(keys, "first")
        assert time.monotonic() - began < served.seconds
        await keys.close()
        served.status, served.seconds, served.keys = 200, 0.0, [jwk("second")]
        clock.now += RETRY_SECONDS
        await has(keys, "first")
        await keys._fetched()
        assert await has(keys, "second")
        assert not await has(keys, "first")

    run(served, clock, action)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"keys": []}', b"<html>"])
def test_an_answer_without_keys_is_no_reason_to_forget_those_there_are(
    served: Issuer, clock: Clock, content: bytes
) -> None:
    async def action(keys: KeySet) -> None:
        assert await has(keys, "first")
        served.override = lambda path: content
        clock.now += LIFETIME
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
        assert not await has(keys, None)  # two would fit
        assert await keys.find(None, "ES256") is not None

    run(served, clock, action)


def test_of_keys_with_one_name_the_one_for_the_algorithm_is_taken(served: Issuer, clock: Clock) -> None:
    served.keys = [jwk("first", "ES256"), jwk("first"), jwk("first")]

    async def action(keys: KeySet) -> None:
        for algorithm in ("ES256", "RS256"):
            found = await keys.find("first", algorithm)
            assert found is not None
            assert algorithm in found.algorithms
        assert await keys.find("first", "EdDSA") is None

    run(served, clock, action)
    assert len(served.requests) == 1


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
