"""Prints the sample with recent dates, for the profile `dev`: an inbox whose newest conversation is from today or before.

Every conversation moves by a whole number of 13 weeks, so that its last change lies in the 13 weeks before now. Weekdays,
hours, and the times within a conversation stay as they are. Needs nothing but Python.

Usage: python tests/samples/recent.py > recent.ndjson
"""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

SAMPLE = Path(__file__).with_name("conversations.ndjson.gz")
PERIOD = timedelta(weeks=13)
TIMES = ("sent_at", "created_on", "updated_on")


def recent(now: datetime) -> Iterator[dict[str, object]]:
    with gzip.open(SAMPLE, "rt", encoding="utf-8") as file:
        for line in file:
            one = json.loads(line)
            shift = (now - datetime.fromisoformat(one["updated_on"])) // PERIOD * PERIOD
            moved = {name: moved_by(shift, one[name]) for name in TIMES if one[name] is not None}
            yield one | moved


def moved_by(shift: timedelta, text: str) -> str:
    time = datetime.fromisoformat(text) + shift
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}Z"


if __name__ == "__main__":
    for one in recent(datetime.now(UTC)):
        print(json.dumps(one, ensure_ascii=False))
