"""The sample with recent dates, which the profile `dev` loads."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta

from service.conversation import Conversation
from tests.samples.recent import SAMPLE, TIMES, recent

NOW = datetime(2031, 3, 5, 12, 30, tzinfo=UTC)


def test_recent_dates_keep_weekdays_hours_and_the_times_within_a_conversation() -> None:
    with gzip.open(SAMPLE, "rt", encoding="utf-8") as file:
        originals = [Conversation.model_validate(json.loads(line)) for line in file]
    moved = [Conversation.model_validate(one) for one in recent(NOW)]
    assert len(moved) == len(originals) == 400
    for before, after in zip(originals, moved, strict=True):
        shift = after.updated_on - before.updated_on
        assert NOW - timedelta(weeks=13) < after.updated_on <= NOW
        assert shift % timedelta(weeks=13) == timedelta(0)
        for earlier, later in ((before.created_on, after.created_on), (before.sent_at, after.sent_at)):
            assert later == (earlier + shift if earlier is not None else None)
        times = {name: getattr(before, name) for name in TIMES}
        assert after.model_copy(update=times) == before
