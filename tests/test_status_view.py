"""`conversations status` on a terminal: whole words at every width, and singular or plural as the counts need."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import sys
import termios
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.cli import status_view
from service.message_texts import counted
from service.operations.status import IndexStatus, Status, age_of

NAME = "conversations-0123456789ab-20240701t120000"
INDEX = IndexStatus(
    NAME, "0123456789ab", derived_version=1, reads=True, writes=True, conversations=1_234_567, tombstones=1, bytes=123_456_789,
    shards=1, replicas=0, routing_partition=1, refresh_interval=None, differing_ranges=3,
)  # fmt: skip
FOUND = Status(
    "search", "3.3.1", "green", nodes=1, alias="conversations", index=NAME, conversations=1_234_567, tombstones=1,
    newest_write="2024-07-01T12:00:00.000Z", newest_write_age_seconds=1.2, mapping_of_service="0123456789ab",
    derived_version_of_service=1,
    indices=[INDEX], reindex=None, loads=[], problem=None,
)  # fmt: skip

OnTerminal = Callable[[int, str], str]


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[OnTerminal]:
    """The text of the status on a terminal with this number of columns and this TERM."""
    leader, follower = os.openpty()

    def show(columns: int, kind: str) -> str:
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        monkeypatch.delenv("COLUMNS", raising=False)
        monkeypatch.setenv("TERM", kind)
        with open(follower, "w", encoding="utf-8", closefd=False) as stream, monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", stream)
            if kind != "dumb":
                patched.setenv("COLUMNS", str(columns))  # rich asks the process's own terminal first
            status_view.show(FOUND, "table")
            print("END", file=stream)
        shown = b""
        while b"END" not in shown:  # a terminal gives what was written in pieces
            shown += os.read(leader, 65_536)
        return re.sub(r"\x1b\[[0-9;]*m|END\n", "", shown.decode().replace("\r\n", "\n"))

    yield show
    os.close(leader)
    os.close(follower)


@pytest.mark.parametrize("kind", ["xterm", "dumb"])
@pytest.mark.parametrize("columns", [60, 80, 100, 120, 200])
def test_no_word_is_broken_at_any_width(columns: int, kind: str, on_terminal: OnTerminal) -> None:
    shown = on_terminal(columns, kind)
    words = shown.split()
    assert max(map(len, shown.splitlines())) <= columns
    assert {NAME, "1,234,567", "reads"} <= set(words)
    assert "123.5 MB" in shown
    assert ("CONVERSATIONS" in words) == (columns >= 100), "a table, or a record for each index"


def test_nouns_are_singular_or_plural_as_their_counts(on_terminal: OnTerminal) -> None:
    shown = on_terminal(120, "dumb")
    assert "1 node\n" in shown
    assert "1 second ago" in shown


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 nodes"), (1, "1 node"), (2, "2 nodes"), (1_200, "1,200 nodes"), (1.0, "1 node"), (2.5, "2.5 nodes")],
)
def test_a_count_and_its_noun(count: float, words: str) -> None:
    assert counted(count, "node") == words
    assert counted(2, "index", "indices") == "2 indices"


def test_no_message_writes_a_plural_behind_a_number_by_hand() -> None:
    """All messages with counts that may be 1 go through `counted`; limits, which are constants, need not."""
    nouns = "nodes|shards|replicas|documents|conversations|tombstones|organizations|lines|checks|messages|problems"
    by_hand = re.compile(rf"\{{(?!MAX_|MOST_|WINDOW)[a-z][^{{}}]*\}} (?:{nouns})\b")
    found = [
        f"{path.name}: {line.strip()}"
        for path in (Path(__file__).parents[1] / "service").rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if by_hand.search(line)
    ]
    assert not found


@pytest.mark.parametrize(
    ("is_running", "says"),
    [(True, "running, at the step"), (False, "interrupted at the step"), (None, "reindex, at the step")],
)
def test_an_unfinished_reindex_is_called_what_it_is(is_running: bool | None, says: str) -> None:
    found = status_view._unfinished({"action": "reindex", "step": "backfill", "is_running": is_running})
    assert says in found
    assert ("--resume" in found) == (is_running is False)


def test_a_version_ahead_of_the_clock_has_no_negative_age() -> None:
    now = datetime.now(UTC)
    assert age_of(now + timedelta(days=1)) == 0
    assert 60 <= age_of(now - timedelta(minutes=1)) < 120
