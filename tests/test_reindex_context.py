"""What the steps of a reindex share: the throttle, and the failure that is reported when several tasks fail."""

from __future__ import annotations

import asyncio

import pytest

from service.errors import ReindexFailed
from service.reindex.context import Throttle, together


def test_a_slow_throttle_waits_in_short_steps() -> None:
    for rate in (0.1, 1.0, 3.5, 1000.0):
        pace = Throttle(rate)
        page = range(pace.page(2000))
        assert len(page) / rate <= 60 or len(page) == 1
        portions = list(pace.portions(page))
        assert [one for portion in portions for one in portion] == list(page)
        assert all(len(portion) <= max(1, rate) for portion in portions)


def test_of_several_failures_one_is_reported() -> None:
    async def fail(error: Exception) -> None:
        raise error

    async def nested() -> None:
        await together(fail(ValueError("other")), fail(ReindexFailed("the one")))

    with pytest.raises(ReindexFailed, match="the one"):
        asyncio.run(together(nested(), nested()))
