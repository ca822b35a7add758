"""What long tasks print if standard error is no terminal: each number once, and at the end what they wait for."""

from __future__ import annotations

import asyncio
import gzip
import random
from pathlib import Path

import pytest

from service import progress
from service.cli.transfer import left
from service.index.loader import Tally
from service.sources import ndjson

SOON = 0.01


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(progress, "shown", progress.Shown())


def numbers(text: str) -> list[str]:
    return [line.partition(", ")[0] for line in text.splitlines()]


def test_a_number_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    """At the end of a file, further reads report 0 bytes."""
    with progress.track("Loading", 10, "byte") as advance:
        for count in (4, 6, 0, 0):
            advance(count)
    assert numbers(capsys.readouterr().err) == ["Loading: 4 of 10 bytes", "Loading: 10 of 10 bytes"]


def test_a_task_that_did_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.track("Exporting", None, "conversation"):
        pass
    assert numbers(capsys.readouterr().err) == ["Exporting: 0 conversations"]


def waited(answers: list[str | None]) -> None:
    """Runs progress.waiting() until each of the answers was asked for. The last one is repeated."""

    async def wait() -> None:
        is_last = asyncio.Event()

        def answer() -> str | None:
            if len(answers) > 1:
                return answers.pop(0)
            is_last.set()
            return answers[0]

        async with progress.waiting(answer):
            await asyncio.wait_for(is_last.wait(), 10)
            await asyncio.sleep(5 * SOON)

    asyncio.run(wait())


async def hidden() -> None:
    async with progress.waiting(lambda: "two"):
        await asyncio.sleep(5 * SOON)


def test_what_a_task_waits_for_is_printed_when_it_changes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_SECONDS", SOON)
    waited([None, None, "two", "two", "one"])
    assert capsys.readouterr().err == "All is read: two\nAll is read: one\n"
    monkeypatch.setattr(progress, "shown", progress.Shown(progress=False))
    asyncio.run(hidden())
    assert capsys.readouterr().err == ""


def test_a_load_waits_for_what_was_read_and_has_no_result_yet() -> None:
    reading, tally = progress.Reading(bytes=100), Tally(written=5, unchanged=2, rejected=1)
    reading.lines, reading.refused = 1_020, 12
    assert left(reading, tally) is None
    reading.is_ended = True
    assert left(reading, tally) == "1,000 conversations still on the way to OpenSearch"
    tally.written = 1_004
    assert left(reading, tally) == "1 conversation still on the way to OpenSearch"
    tally.written = 1_005
    assert left(reading, tally) == "all is written, and is being made ready for searches"


def test_the_bytes_of_a_compressed_file_count_when_their_lines_are_read(tmp_path: Path) -> None:
    """If they all counted at the first line, a load would be at 100 % while most lines are unread."""
    file = tmp_path / "some.ndjson.gz"
    words = random.Random(1)
    lines = b"".join(b'{"uid": "%d", "subject": "%x"}\n' % (n, words.getrandbits(160)) for n in range(60_000))
    file.write_bytes(gzip.compress(lines, 1))
    size = file.stat().st_size
    assert size > 1_000_000
    done: list[int] = []
    texts = ndjson.texts(str(file), advance=done.append)
    next(texts)
    assert sum(done) < 300_000
    assert sum(1 for _line in texts) == 60_000 - 1
    assert sum(done) == size
