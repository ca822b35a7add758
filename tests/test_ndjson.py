"""NDJSON: plain, gzip, standard input; every line ends as a conversation or with its reason."""

from __future__ import annotations

import gzip
import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.conversation import MAX_LINE_BYTES
from service.errors import SourceUnreadable
from service.sources import ndjson
from service.times import format_time
from tests.corpus import corpus

LINES = [conversation.model_dump_json() for conversation in corpus()[:20]]


@pytest.mark.parametrize("compressed", [False, True])
def test_what_is_written_is_read(tmp_path: Path, compressed: bool) -> None:
    data = ("\n".join(LINES) + "\n").encode()
    path = tmp_path / "any-name"
    path.write_bytes(gzip.compress(data) if compressed else data)
    sizes: list[int] = []
    found = list(ndjson.read(str(path), advance=sizes.append))
    assert [line.conversation for line in found] == corpus()[:20]
    assert sum(sizes) == path.stat().st_size == ndjson.size(str(path))


def test_every_line_is_accounted_for_with_its_number_and_reason(tmp_path: Path) -> None:
    path = tmp_path / "file"
    wrong = {"uid": "x", "organization_uid": json.loads(LINES[0])["organization_uid"], "status": "open"}
    path.write_bytes(
        b"\xef\xbb\xbf"
        + LINES[0].encode()
        + b"\n\n  \n{not json}\n\xff\xfe\n"
        + json.dumps(wrong).encode()
        + b"\n"
        + LINES[1].encode()
    )
    found = list(ndjson.read(str(path)))
    assert [line.number for line in found] == [1, 4, 5, 6, 7]
    assert [line.conversation is None for line in found] == [False, True, True, True, False]
    for name in ("uid", "status", "updated_on"):
        assert name in (found[3].reason or "")


def test_a_truncated_file_is_reported_after_its_complete_lines(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(("\n".join(LINES) * 50).encode())[:-2000])
    lines = ndjson.read(str(path))
    assert next(lines).conversation == corpus()[0]
    with pytest.raises(SourceUnreadable, match="incomplete or damaged after line"):
        list(lines)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="No such file"):
        list(ndjson.read(str(tmp_path / "none")))


def test_an_exports_last_line_is_checked_and_is_no_conversation(tmp_path: Path) -> None:
    path = tmp_path / "file"
    end = '{"export":{"complete":true,"conversations":20}}'
    path.write_text("\n".join([*LINES, end, *LINES, end]) + "\n")
    assert [line.conversation for line in ndjson.read(str(path))] == corpus()[:20] * 2
    path.write_text("\n".join([*LINES[:19], end]) + "\n")
    *_whole, last = ndjson.read(str(path))
    assert (last.conversation, last.number) == (None, 20)
    assert last.reason == "ends an export of 20 conversations, but follows 19"


@pytest.mark.parametrize("ending", [b"", b"\n"])
def test_a_line_that_is_too_long_is_rejected_and_the_next_is_read(tmp_path: Path, ending: bytes) -> None:
    path = tmp_path / "file"
    for length in (MAX_LINE_BYTES + 1, 2 * MAX_LINE_BYTES, 2 * MAX_LINE_BYTES + 2):
        path.write_bytes(b"x" * length + b"\n" + LINES[0].encode() + ending)
        long, next_one = ndjson.read(str(path))
        assert (long.number, long.conversation, next_one.number) == (1, None, 2)
        assert "longer than" in (long.reason or "")
        assert next_one.conversation == corpus()[0]


def test_a_deletion_is_recognized_and_a_version_ahead_of_the_clock_is_rejected(tmp_path: Path) -> None:
    ahead = format_time(datetime.now(UTC) + timedelta(days=3))
    names = {name: json.loads(LINES[0])[name] for name in ("uid", "organization_uid")}
    path = tmp_path / "file"
    path.write_text(
        "\n".join(map(json.dumps, [names | {"deleted_on": "2024-07-01T12:00:00Z"}, names | {"updated_on": ahead}]))
    )
    deletion, early = ndjson.read(str(path))
    assert deletion.deletion is not None
    assert deletion.conversation is None
    assert deletion.reason == "is a deletion: only 'conversations load' accepts deletions"
    assert (early.conversation, early.deletion) == (None, None)
    assert early.reason == "updated_on: must not lie more than 1 day ahead of the clock"
    _deletion, late = ndjson.read(str(path), max_ahead=timedelta(days=4))
    assert late.conversation is not None


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b""])
def test_a_line_of_the_greatest_length_is_read(tmp_path: Path, ending: bytes) -> None:
    path = tmp_path / "file"
    longest = LINES[0].encode().ljust(MAX_LINE_BYTES)
    path.write_bytes(longest + ending + (longest + b" " + ending if ending else b""))
    first, *rest = ndjson.read(str(path))
    assert first.conversation == corpus()[0]
    assert [line.reason for line in rest] == ["is longer than 1,536,000 bytes"] * bool(ending)


@pytest.mark.timeout(60)
def test_a_line_from_a_pipe_comes_before_the_pipe_ends() -> None:
    """As in `tail -f file | conversations load -`. The first bytes may come one by one."""
    line = f"{corpus()[0].model_dump_json()}\n".encode()
    reads, writes = os.pipe()
    with os.fdopen(writes, "wb", buffering=0) as feed:

        def write_slowly() -> None:
            for byte in line[:10]:
                feed.write(bytes([byte]))
            feed.write(line[10:])

        writer = threading.Thread(target=write_slowly)
        writer.start()
        found = ndjson.read(f"/dev/fd/{reads}")
        assert next(found).conversation == corpus()[0]
        writer.join()
        feed.write(line)
        assert next(found).number == 2
    assert list(found) == []
    os.close(reads)


@pytest.mark.parametrize(("begin", "command"), [(b"From ada@example.com Mon", "import-mail"), (b"<?xml", "import-sms")])
def test_files_of_messages_are_refused_with_the_name_of_the_right_command(
    begin: bytes, command: str, tmp_path: Path
) -> None:
    (tmp_path / "box.gz").write_bytes(gzip.compress(begin + b"\n"))
    with pytest.raises(SourceUnreadable, match=command):
        list(ndjson.read(str(tmp_path / "box.gz")))
