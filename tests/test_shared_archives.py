"""Every message of every archive in ../shared/data is read or rejected. Without that folder, nothing is tested.

The expected numbers come from grep, tar, wc or the description of the archives, not from the code under test.
"""

from __future__ import annotations

import gzip
import re
import tarfile
from pathlib import Path

import pytest

from service.errors import Misconfigured
from service.sources import mailbox
from service.sources.sms_files import read
from tests.mail_imports import SHARED, imported

DATA = SHARED.parent
# Mailman writes From:, Date: and Subject: behind each separator. (Message-ID lines are more: digests hold some, too.)
BEGUN = re.compile(rb"^From .*\d{4}\nFrom: .*\n(?:[ \t].*\n)*Date: ", re.MULTILINE)
TARS = {  # the files that are not empty
    "mail/notmuch-corpora.tar.gz": 284, "malformed/mail-fixtures.tar.gz": 104, "malformed/mail-parser-thirdparty.tar.gz": 31,
}  # fmt: skip
MAILBOXES = sorted((DATA / "mail").glob("*.txt.gz"))
LISTS = {"r-help": 10_600, "r-sig-geo": 1_650, "twisted-python": 8_600}  # at least so many messages each


@pytest.mark.slow
@pytest.mark.parametrize("path", MAILBOXES, ids=lambda path: path.name)
def test_every_message_of_a_list_comes_out_whole(path: Path) -> None:
    data = gzip.decompress(path.read_bytes())
    found = list(mailbox.read(path))
    assert len(found) == len(BEGUN.findall(data))
    assert [one.problem for one in found] == [None] * len(found)
    kept = b"".join(one.separator + one.data for one in found)
    assert re.sub(rb"\s|>", b"", kept) == re.sub(rb"\s|>", b"", data)


@pytest.mark.slow
def test_the_lists_are_as_large_as_they_are_said_to_be() -> None:
    for name, least in LISTS.items() if MAILBOXES else []:
        found = sum(1 for path in MAILBOXES if path.name.startswith(name) for _one in mailbox.read(path))
        assert least <= found <= least * 1.03, (name, found)


@pytest.mark.parametrize("name", TARS)
def test_every_file_of_an_archive_is_a_message_or_a_reject(name: str) -> None:
    if not DATA.is_dir():
        return
    with tarfile.open(DATA / name) as archive:
        files = {entry.name for entry in archive if entry.isfile() and entry.size}
    found = list(mailbox.read(DATA / name))
    assert len(found) == len(files) == TARS[name]
    assert {one.source.removeprefix(f"{DATA / name}/") for one in found} == files


def test_every_message_of_the_collection_is_accounted_for(tmp_path: Path) -> None:
    path = DATA / "sms" / "SMSSpamCollection.tsv.gz"
    if not path.exists():
        return
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()[1:]
    assert len(lines) == 5_574
    (tmp_path / "sms.tsv").write_text(
        "label\ttext\tpeer\tdate\n" + "".join(f"{line}\t1\t1719835200\n" for line in lines)
    )
    assert len(list(read(str(tmp_path / "sms.tsv")))) == 5_574
    with pytest.raises(Misconfigured, match="has the columns Label, SMS, and lacks peer, date, text"):
        list(read(str(path)))


@pytest.mark.slow
def test_imports_of_everything_add_up() -> None:
    folders = [DATA / name for name in ("mail", "malformed") if (DATA / name).is_dir()]
    if not folders:
        return
    found, rejected, count = imported(*folders)  # this checks the sum
    assert count == sum(TARS.values()) + sum(1 for path in MAILBOXES for _one in mailbox.read(path))
    assert len(rejected) < 40  # of the malformed ones
    assert len(found) > 5_000
