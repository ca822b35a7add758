"""Output that cannot be written, text that must not be printed, and commands that need no cluster."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest
import zstandard

from tests.command_line import (
    COMMAND,
    CONTROLS,
    ORGANIZATION,
    ROOT,
    assert_one_line,
    conversations,
    environment,
    process,
)
from tests.corpus import corpus


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("completion", "bash"), ("context", "show", "a")])
def test_a_full_standard_output_is_an_error(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[contexts.a]\n")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, *arguments], env=environment(tmp_path, CONVERSATIONS_CONFIG="c.toml"), cwd=tmp_path, stdout=full,
            stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "No space left on device" in done.stderr


@pytest.mark.slow
def test_a_full_standard_error_changes_nothing_else(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, "status"], env=environment(tmp_path), stderr=full, check=False)
    assert done.returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ["--help", "completion bash", "load --help"])
def test_a_reader_that_goes_away_is_no_error(arguments: str, tmp_path: Path) -> None:
    """The command may end before or after the reader, so 0 and 141 are both right."""
    done = subprocess.run(
        ["bash", "-c", f"{shlex.join(COMMAND)} {arguments} | true; echo ${{PIPESTATUS[0]}}"],
        env=environment(tmp_path), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.strip() in ("141", "0")


@pytest.mark.slow
def test_a_closed_pipe_ends_with_exit_code_141(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = subprocess.run(
            [*COMMAND, "completion", "bash"], env=environment(tmp_path), stdout=closed, stderr=subprocess.PIPE, text=True,
            check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (141, "")


def test_no_control_characters_of_file_names_or_files_are_printed(tmp_path: Path) -> None:
    name = "evil\x1b]0;title\x07\nname\x9b31m.ndjson"
    (tmp_path / name).write_bytes(b'{"uid": "\x1b[2J\xc2\x9b", "status": "\\u001b[31m"}\n')
    for arguments in (("load", name, "--dry-run"), ("load", f"no{name}", "--dry-run"), ("status", "--config", name),
                      ("verify", f"no{name}"), ("search", "--status", name), (name,)):  # fmt: skip
        done = conversations(tmp_path, *arguments)
        assert done.returncode != 0
        assert not CONTROLS.search(done.stderr + done.stdout), done


@pytest.mark.slow
def test_letters_that_the_output_encoding_lacks_cause_no_error(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('[contexts.a]\nurl = "http://é.日本/"\n', "utf-8")
    done = process(tmp_path, "context", "show", "a", "--config", str(config), PYTHONIOENCODING="latin-1")
    assert json.loads(done.stdout)["settings"] == {"url": "http://é.日本/"}


def test_a_dry_run_of_load_checks_lines_and_writes_nothing(tmp_path: Path) -> None:
    lines = [one.model_dump_json() for one in corpus()[:5]]
    text = "\n".join([*lines, "{}", "nonsense"]).encode()
    (tmp_path / "a.ndjson.zst").write_bytes(zstandard.compress(text[:100]) + zstandard.compress(text[100:]))
    before = sorted(tmp_path.iterdir())
    done = conversations(tmp_path, "load", "a.ndjson.zst", "--dry-run", "--no-progress")
    assert done.returncode == 3
    assert json.loads(done.stdout) == {"would_load": 5, "would_reject": 2}
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        "a.ndjson.zst, line 6", "a.ndjson.zst, line 7", "conversations",
    ]  # fmt: skip
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.gz", b'{"uid": 1}\n', "is not gzip"),
        ("a.zst", b'{"uid": 1}\n', "is not zstandard"),
        ("a.ndjson", b"PK\x03\x04....", "is a zip archive"),
        ("a.ndjson", b"\xff\xfe{\x00", "is UTF-16"),
        ("a.gz", b"\x1f\x8b\x08\x00broken", "is incomplete or damaged"),
        ("a.zst", zstandard.compress(b"{}\n" * 9999)[:-9], "is incomplete or damaged"),
        ("a.zst", b"\x28\xb5\x2f\xfd" + b"\xff" * 50, "is incomplete or damaged"),
    ],
)
def test_a_file_in_another_or_a_damaged_format_is_refused_in_one_line(
    name: str, content: bytes, says: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert_one_line(conversations(tmp_path, "load", name, "--dry-run", "--no-progress", "-q"), 1, name, says)


def test_an_import_into_a_file_reports_in_output_instead_of_written(tmp_path: Path) -> None:
    mailbox = str(ROOT / "tests" / "samples" / "twisted-python.mbox.gz")
    done = conversations(tmp_path, "import-mail", mailbox, "--organization", ORGANIZATION, "--output", "out.ndjson")
    assert done.returncode == 0
    record = json.loads(done.stdout)
    assert "written" not in record
    assert record["in_output"] == len((tmp_path / "out.ndjson").read_text().splitlines()) > 10


@pytest.mark.slow
def test_uids_on_standard_input_are_read_one_by_one(tmp_path: Path) -> None:
    """The input may be endless, such as the output of `yes`."""
    for line, says in (("y", "UID: 'y': must be a UUID"), ("0" * 2**16, "must be a UUID")):
        with subprocess.Popen(["yes", line], stdout=subprocess.PIPE) as endless:
            done = subprocess.run(
                [*COMMAND, "delete", "-", "--yes", "--organization", ORGANIZATION], env=environment(tmp_path), cwd=tmp_path,
                stdin=endless.stdout, capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
            endless.kill()
        assert_one_line(done, 2, says)
        assert len(done.stderr) < 400
