"""Files that commands write: an output never replaces an input or another output, and is never left incomplete."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.cli import checkpoint, cli
from service.cli.checkpoint import Checkpoint
from service.errors import Misconfigured
from service.files import replacing, require_distinct
from service.rejects import Rejects
from service.sources import ndjson
from tests.corpus import corpus

LINE = corpus()[0].model_dump_json() + "\n"
ORGANIZATION = str(corpus()[0].organization_uid)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with an input, links to it, and an OPENSEARCH_URL that cannot be reached."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENSEARCH_URL", "http://127.0.0.1:9")
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "one.eml").write_text("Subject: hello\n\nhello\n")
    (tmp_path / "in.ndjson").write_text(LINE)
    (tmp_path / "link.ndjson").symlink_to("in.ndjson")
    (tmp_path / "hard.ndjson").hardlink_to(tmp_path / "in.ndjson")
    (tmp_path / "folder").symlink_to(".")
    (tmp_path / "rejects.ndjson.1").write_text(LINE)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("load in.ndjson --rejects in.ndjson", "overwrite the input"),
        ("load in.ndjson --rejects ./mail/../in.ndjson", "overwrite the input"),
        ("load in.ndjson --rejects folder/in.ndjson", "overwrite the input"),
        ("load in.ndjson --rejects link.ndjson", "overwrite the input"),
        ("load in.ndjson --rejects hard.ndjson", "overwrite the input"),
        ("load link.ndjson --rejects hard.ndjson", "overwrite the input"),
        ("load in.ndjson --checkpoint in.ndjson", "overwrite the input"),
        ("load in.ndjson --checkpoint hard.ndjson", "overwrite the input"),
        ("load in.ndjson --rejects new --checkpoint folder/new", "both name"),
        ("load rejects.ndjson.1 in.ndjson --parallel 2", "overwrite the input"),
        ("load in.ndjson rejects.ndjson.1 --parallel 2", "overwrite the input"),
        ("load in.ndjson link.ndjson --parallel 2 --checkpoint c --rejects c", "both name"),
        (f"import-mail mail --organization {ORGANIZATION} --rejects mail/rejects", "lies in the input folder mail"),
        (f"import-mail folder --organization {ORGANIZATION}", "lies in the input folder folder"),
        (f"import-mail mail/one.eml --organization {ORGANIZATION} --output mail/one.eml", "overwrite the input"),
        (f"import-mail mail/one.eml --organization {ORGANIZATION} --output x --rejects x", "both name"),
        (f"import-sms in.ndjson --organization {ORGANIZATION} --output link.ndjson", "overwrite the input"),
        ("reindex in.ndjson --rejects link.ndjson", "overwrite the input"),
    ],
)
def test_an_output_is_never_an_input_nor_another_output(command: str, says: str, folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = CliRunner().invoke(cli, command.split())
    assert isinstance(done.exception, Misconfigured), done.output
    assert says in str(done.exception)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_device_may_be_any_output(tmp_path: Path) -> None:
    require_distinct(["/dev/null"], {"--rejects": [Path("/dev/null")], "--output": [Path("/dev/null")]})


@pytest.mark.parametrize(
    ("option", "content"),
    [("--rejects", LINE), ("--rejects", "notes\n"), ("--checkpoint", LINE), ("--checkpoint", "notes\n")],
)
def test_a_file_of_another_kind_is_never_replaced(option: str, content: str, folder: Path) -> None:
    (folder / "other").write_text(content)
    done = CliRunner().invoke(cli, ["load", "in.ndjson", option, "other"])
    assert isinstance(done.exception, Misconfigured)
    assert "would be replaced" in str(done.exception)
    assert (folder / "other").read_text() == content


def test_a_file_is_replaced_when_it_is_whole_and_keeps_links_and_permissions(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to("file")
    with pytest.raises(ZeroDivisionError), replacing(link) as sink:  # noqa: PT012 (the block is what fails)
        sink.write(b"half")
        sink.flush()
        raise ZeroDivisionError
    assert file.read_text() == "old"
    with replacing(link) as sink:
        sink.write(b"new")
        assert file.read_text() == "old"
    assert (file.read_text(), link.is_symlink(), file.stat().st_mode & 0o777) == ("new", True, 0o640)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_two_writers_of_one_file_leave_one_whole(tmp_path: Path) -> None:
    with replacing(tmp_path / "file") as one, replacing(tmp_path / "file") as other:
        one.write(b"one" * 1000)
        other.write(b"other" * 1000)
    assert (tmp_path / "file").read_bytes() == b"one" * 1000
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_writer_leaves_the_old_file_and_no_other(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    program = (
        "import sys, time\nfrom service.files import replacing\n"
        "with replacing(sys.argv[1]) as sink:\n"
        "    sink.write(b'half'); sink.flush(); print('ready', flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "file")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        process.wait(60)
    assert (tmp_path / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_import_that_fails_leaves_its_earlier_output(folder: Path) -> None:
    (folder / "out.ndjson").write_text("whole")
    (folder / "sms.csv").write_text("who,when,what\n+49151,2024-07-01 12:00:00,Hello\n")
    arguments = ["import-sms", "sms.csv", "--organization", ORGANIZATION, "--output", "out.ndjson"]
    done = CliRunner().invoke(cli, arguments)
    assert isinstance(done.exception, Misconfigured)
    assert (folder / "out.ndjson").read_text() == "whole"


def test_rejects_of_any_text_are_kept_by_a_load_that_resumes(tmp_path: Path) -> None:
    """Some characters end a line for str.splitlines, but not in NDJSON."""
    path = tmp_path / "rejects"
    texts = ["a\u2028b", "a\u2029b", "a\x85b", "a\x0bb", "a\x1cb", "a\ud800b", "plain"]
    with Rejects(path) as rejects:
        for number, text in enumerate(texts, start=1):
            rejects.add("file", number, "wrong", text.encode("utf-8", "surrogatepass"))
    before = path.read_bytes()
    path.write_bytes(before + b'{"source": "file", "li')  # killed amid a line
    with Rejects(path, kept=lambda _source, line: line <= 6) as rejects:
        assert rejects.count == 6
        rejects.add("file", 7, "wrong", b"plain")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "kept",
    [
        "{}", "[]", "null", '{"lines": {}}', '{"lines": [], "stamps": {}}', '{"lines": {}, "stamps": {"in.ndjson": "STAMP"}}',
        '{"lines": {"in.ndjson": "x"}, "stamps": {"in.ndjson": "STAMP"}}', "\x00", "", "\udcff",
        "[" * 100_000,
    ],
)  # fmt: skip
def test_a_checkpoint_of_another_version_is_refused_in_one_sentence(kept: str, folder: Path) -> None:
    stamp = ndjson.stamp("in.ndjson")
    assert stamp is not None
    (folder / "checkpoint").write_bytes(kept.replace("STAMP", stamp).encode("utf-8", "surrogateescape"))
    with pytest.raises(Misconfigured, match="leave --resume out"):
        Checkpoint.resumed(Path("checkpoint"), ("in.ndjson",))


def test_a_load_resumes_from_a_matching_checkpoint(folder: Path) -> None:
    kept = {"lines": {"in.ndjson": 1}, "stamps": {"in.ndjson": ndjson.stamp("in.ndjson")}}
    (folder / "checkpoint").write_text(json.dumps(kept))
    assert Checkpoint.resumed(Path("checkpoint"), ("in.ndjson",)).lines == {"in.ndjson": 1}


@pytest.mark.parametrize("is_read", [True, False])  # changed while it was read, or after that
def test_a_load_does_not_resume_in_a_file_that_was_changed_in_place(
    folder: Path, is_read: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0.0)
    source = Path("in.ndjson")
    begun = Checkpoint(Path("checkpoint"), ("in.ndjson",))
    begun.reach("in.ndjson", 1)
    source.write_bytes(source.read_bytes().swapcase())  # as many bytes
    if is_read:
        begun.reach("in.ndjson", 2)
    with pytest.raises(
        Misconfigured, match=r"in\.ndjson has changed since checkpoint was written: load without --resume"
    ):
        Checkpoint.resumed(Path("checkpoint"), ("in.ndjson",))


def test_a_load_does_not_resume_in_a_pipe(folder: Path) -> None:
    os.mkfifo("pipe")
    (folder / "checkpoint").write_text(json.dumps({"lines": {"pipe": 1}, "stamps": {"pipe": None}}))
    with pytest.raises(Misconfigured, match="--resume needs regular files: pipe is none"):
        Checkpoint.resumed(Path("checkpoint"), ("pipe",))
