"""Inputs of commands: a wrong name has one exit code and one line, and earlier rejects are not read as mail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.sources import mailbox
from tests.command_line import ORGANIZATION, assert_one_line, conversations

READERS = (
    ("load",), ("load", "--dry-run"), ("import-mail", "--organization", ORGANIZATION),
    ("import-sms", "--organization", ORGANIZATION), ("reindex",), ("verify",),
)  # fmt: skip
MAIL = (
    b"From: a@example.com\nDate: Mon, 1 Jul 2024 12:00:00 +0000\nMessage-ID: <1@example.com>\nSubject: hello\n\nhello\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one.eml").write_bytes(MAIL)
    (tmp_path / "bad.eml").write_bytes(b"nothing of a message")
    (tmp_path / "mail").mkdir()
    return tmp_path


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_a_missing_input_is_wrong_use_in_every_command(command: tuple[str, ...], folder: Path) -> None:
    assert_one_line(conversations(folder, *command, "none"), 2, "none", "does not exist")


@pytest.mark.parametrize("command", [one for one in READERS if one[0] != "import-mail"], ids=" ".join)
def test_a_folder_is_no_input_but_for_mail(command: tuple[str, ...], folder: Path) -> None:
    assert_one_line(conversations(folder, *command, "."), 2, "FILE: '.' is a folder, and must be a file")


def import_mail(folder: Path, *arguments: str) -> tuple[int, str, dict[str, int]]:
    """The exit code, standard error and counts of an import into a file outside the folder."""
    output = str(folder.parent / "out.ndjson")
    done = conversations(folder, "import-mail", *arguments, "--organization", ORGANIZATION, "--output", output)
    return done.returncode, done.stderr, json.loads(done.stdout or "{}")


def test_a_folder_of_mail_that_would_hold_the_rejects_is_refused_with_the_option(folder: Path) -> None:
    code, said, _counts = import_mail(folder, ".")
    assert code == 2
    assert "choose another file with --rejects" in said


def test_a_file_of_rejects_in_a_folder_of_mail_is_not_read(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = str(tmp_path_factory.mktemp("other") / "rejects.ndjson")
    assert import_mail(folder, "bad.eml")[2]["rejected"] == 1
    code, said, counts = import_mail(folder, ".", "--rejects", other)
    assert (code, counts["messages"], counts["rejected"], counts["in_output"]) == (3, 2, 1, 1)
    assert "rejects.ndjson is not read: it is a file of rejects" in said
    read: list[int] = []
    assert len(list(mailbox.read(folder, advance=read.append))) == 2
    assert sum(read) == mailbox.size(folder)


def test_rejects_of_an_earlier_run_stay_and_that_is_said(folder: Path) -> None:
    import_mail(folder, "bad.eml")
    before = (folder / "rejects.ndjson").read_bytes()
    code, said, _counts = import_mail(folder, "one.eml")
    assert code == 0
    assert "nothing was rejected; rejects.ndjson is from an earlier run" in said
    assert (folder / "rejects.ndjson").read_bytes() == before
    (folder / "rejects.ndjson").unlink()
    assert "earlier run" not in import_mail(folder, "one.eml")[1]


def test_rejects_that_cannot_be_written_are_named(folder: Path) -> None:
    code, said, _counts = import_mail(folder, "bad.eml", "--rejects", "/dev/full")
    assert code == 1
    assert said.splitlines()[-1] == (
        "conversations: cannot write /dev/full (No space left on device): choose another file with --rejects"
    )


@pytest.mark.parametrize("command", ["search", "count"])
def test_the_error_about_a_word_with_a_leading_dash_says_how_to_write_it(command: str, folder: Path) -> None:
    assert_one_line(conversations(folder, command, "-draft"), 2, "comes after --")
    assert " -- " not in conversations(folder, command, "--statuss", "draft").stderr
    assert " -- " not in conversations(folder, "status", "-d").stderr


def test_deleting_no_uids_succeeds(folder: Path) -> None:
    done = conversations(folder, "delete", "-", "--yes", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"items": []})
    assert done.stderr == "There were no uids: nothing was deleted.\n"


def test_trash_and_junk_are_imported_if_they_are_asked_for(tmp_path: Path) -> None:
    for number, name in enumerate((".", ".Trash", ".Junk")):
        (tmp_path / "mail" / name / "cur").mkdir(parents=True)
        (tmp_path / "mail" / name / "cur" / "1").write_bytes(MAIL.replace(b"<1@", b"<%d@" % number))
    for options, left_out in (
        ((), 2),
        (("--include-trash",), 1),
        (("--include-junk",), 1),
        (("--include-trash", "--include-junk"), 0),
    ):
        code, _said, counts = import_mail(tmp_path, "mail", *options)
        assert (code, counts["left_out"], counts["messages"]) == (0, left_out, 3)


def test_a_broken_archive_does_not_affect_other_files(folder: Path) -> None:
    (folder / "bad.eml").write_bytes(b"PK\x03\x04 no zip")
    code, _said, counts = import_mail(folder, "one.eml", "bad.eml")
    assert (code, counts["messages"], counts["rejected"], counts["in_output"]) == (3, 2, 1, 1)
    assert json.loads((folder / "rejects.ndjson").read_text())["source"] == "bad.eml"
