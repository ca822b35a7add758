"""Mailboxes as programs lay them out on disk: what is mail is found, with its folder, its flags and its state."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from pathlib import Path

import pytest

from service.sources import mail, mailbox
from service.sources.folder_names import NAMES
from service.sources.folders import decoded_name, is_left_out, role
from service.sources.message import parse
from tests.mail_imports import ORGANIZATION, imported, numbered

FROM = "From a@x.org Mon Jan  1 10:00:00 2024\n"


def laid(root: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def read(path: Path) -> dict[str, mailbox.RawMessage]:
    """The messages, by the numbers in their Message-IDs."""
    found = list(mailbox.read(path))
    assert [one.problem for one in found] == [None] * len(found)
    return {parse(one).id.partition("@")[0]: one for one in found}


def labels(path: Path) -> dict[str, tuple[str, ...]]:
    return {number: one.labels for number, one in read(path).items()}


def maildir(*folders: str) -> dict[str, str]:
    return {f"{folder}/cur/{number}.a:2,S": numbered(number) for number, folder in enumerate(folders, start=1)}


def test_maildirs_folders_are_labels(tmp_path: Path) -> None:
    laid(tmp_path, maildir(".", ".Sub.Folder", ".Entw&APw-rfe", "Work/2024", ".INBOX.Old", "INBOX"))
    laid(tmp_path, {"cur/.hidden": "x", "tmp/9": numbered(9), "dovecot-uidlist": "3 V1", "dovecot.index.log": "x"})
    laid(tmp_path, {".Sub.Folder/maildirfolder": "", "subscriptions": "Work", ".DS_Store": "x", "maildirsize": "1S"})
    assert labels(tmp_path) == {
        "1": (), "2": ("Sub/Folder",), "3": ("Entwürfe",), "4": ("Work/2024",), "5": ("INBOX/Old",), "6": (),
    }  # fmt: skip


def test_a_maildir_within_a_maildir_has_its_path_as_label(tmp_path: Path) -> None:
    folders = ("Sent", "Sent/2023", "Trash/2023", "Junk/a/b", "Work", "Work/Sub", "INBOX/Sub", "A/B", "INBOX", "Trash")
    laid(tmp_path, maildir(*folders))
    expected = {str(number): (name,) for number, name in enumerate(folders, start=1)}
    assert labels(tmp_path) == expected | {"7": ("Sub",), "9": ()}
    assert len(imported(tmp_path)[0]) == len(folders) - 3  # without what is in the trash or junk
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        archive.add(tmp_path / "Trash", "mail/Trash")
        archive.add(tmp_path / "Sent", "mail/Sent")
    found = labels(tmp_path / "all.tar")
    assert found == {"1": ("Sent",), "2": ("Sent/2023",), "3": ("Trash/2023",), "10": ("Trash",)}


def test_a_maildir_below_other_folders_or_in_an_archive_is_the_same(tmp_path: Path) -> None:
    laid(tmp_path / "backup" / "anna", maildir("Maildir", "Maildir/.Sent", "Maildir/Work"))
    expected = {"1": (), "2": ("Sent",), "3": ("Work",)}
    assert labels(tmp_path) == expected
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "backup", "backup")
    assert labels(tmp_path / "all.tar.gz") == expected | {"3": ()}  # Work may be the name of a user there
    assert {one.flags for one in read(tmp_path / "all.tar.gz").values()} == {"S"}


def test_mh_folders_are_labels_and_sequences_are_flags(tmp_path: Path) -> None:
    laid(tmp_path, {"inbox/1": numbered(1), "inbox/2": numbered(2), "inbox/3": numbered(3), "inbox/,4": numbered(4)})
    laid(tmp_path, {"inbox/.mh_sequences": "cur: 3\nunseen: 2-3\nreplied: 1\n", "work/old/5": numbered(5)})
    found = read(tmp_path)
    assert {number: (one.labels, one.flags, one.is_deleted) for number, one in found.items()} == {
        "1": ((), "SR", False), "2": ((), "", False), "3": ((), "", False), "4": ((), "S", True),
        "5": (("work/old",), None, False),
    }  # fmt: skip


def test_a_profile_of_thunderbird_is_read(tmp_path: Path) -> None:
    def box(number: int, status: str) -> str:
        return f"From - Mon Jan 01 10:00:00 2024\nX-Mozilla-Status: {status}\nX-Mozilla-Status2: 00000000\n{numbered(number)}\n"

    laid(tmp_path / "Mail" / "Local Folders", {
        "Inbox": box(1, "0001") + box(2, "0000") + box(3, "0009") + box(4, "0003"), "Inbox.msf": "x", "Sent": box(5, "0001"),
        "Sent.msf": "x", "Inbox.sbd/Projects": box(6, "0001"), "Inbox.sbd/Projects.msf": "x", "filterlog.html": "x",
        "msgFilterRules.dat": "x", "Inbox.sbd/Projects.sbd/2024": box(7, "0005"), "Trash": box(8, "0001"), "Trash.msf": "x",
    })  # fmt: skip
    found = read(tmp_path)
    assert {number: (one.labels, one.flags, one.is_deleted) for number, one in found.items()} == {
        "1": ((), "S", False), "2": ((), "", False), "3": ((), "ST", True), "4": ((), "SR", False),
        "5": (("Sent",), "S", False), "6": (("Inbox/Projects",), "S", False), "7": (("Inbox/Projects/2024",), "SF", False),
        "8": (("Trash",), "S", False),
    }  # fmt: skip


def test_mailboxes_of_apple_mail_are_read(tmp_path: Path) -> None:
    def emlx(number: int, flags: int) -> str:
        text = numbered(number)
        return f"{len(text):<10}\n{text}<?xml version=\"1.0\"?><plist><dict><key>flags</key><integer>{flags}</integer></dict></plist>"  # fmt: skip

    laid(tmp_path, {
        "Sent Messages.mbox/Messages/1.emlx": emlx(1, 1), "INBOX.mbox/ABC/Data/1/Messages/2.partial.emlx": emlx(2, 1 << 33 | 4),
        "INBOX.mbox/Info.plist": "x", "Deleted Messages.mbox/mbox": FROM + numbered(3), "Deleted Messages.mbox/table_of_contents": "x",
    })  # fmt: skip
    found = read(tmp_path)
    assert [found[number].flags for number in "123"] == ["S", "R", None]
    assert found["1"].data == numbered(1).encode()
    assert [role(found[number].labels[0]) if found[number].labels else None for number in "13"] == ["sent", "trash"]


def test_apple_mails_folders_lie_between_those_of_its_accounts(tmp_path: Path) -> None:
    account, store = f"V10/{str(ORGANIZATION).upper()}", f"{str(ORGANIZATION).upper()}/Data"
    message = f"{len(numbered(1)):<10}\n"
    laid(tmp_path, {
        f"{account}/INBOX.mbox/{store}/Messages/1.emlx": message + numbered(1),
        f"{account}/Deleted Messages.mbox/{store}/1/Messages/2.emlx": message + numbered(2),
        f"{account}/Customers.mbox/North.mbox/{store}/Messages/3.emlx": message + numbered(3),
        f"{account}/INBOX.mbox/{store}/Attachments/1/2/a.pdf": "%PDF", f"{account}/INBOX.mbox/{store}/Messages/1.2.emlxpart": "x",
        "V10/MailData/Envelope Index": "SQLite format 3\0", "V10/MailData/Envelope Index-wal": "x", "V10/MailData/a.plist": "x",
        "export/Customers.mbox/mbox": FROM + numbered(4),
    })  # fmt: skip
    assert labels(tmp_path) == {"1": (), "2": ("Deleted Messages",), "3": ("Customers/North",), "4": ("Customers",)}
    assert labels(tmp_path / account / "INBOX.mbox") == {"1": ()}


def counted(*paths: Path, asked_for: tuple[str, ...] = ()) -> mail.Counts:
    counts = mail.Counts()
    found = list(
        mail.conversations(
            [str(path) for path in paths], ORGANIZATION, mail.Own(),
            reject=lambda *_what: None, counts=counts, asked_for=asked_for,
        )
    )  # fmt: skip
    assert counts.read == counts.in_conversations + counts.duplicates + counts.left_out + counts.rejected
    assert counts.in_conversations == sum(one.message_count or 0 for one in found)
    return counts


def test_trash_and_junk_are_left_out_and_counted_unless_asked_for(tmp_path: Path) -> None:
    laid(tmp_path, maildir(".", ".Trash", ".Junk", ".Trash.2023", ".Papierkorb"))
    laid(tmp_path, {"cur/9:2,ST": numbered(9), "box": f"{FROM}{numbered(10, X_Mozilla_Status='0008')}"})
    laid(
        tmp_path,
        {"takeout.mbox": f"{FROM}{numbered(11, X_Gmail_Labels='Spam,Unread')}\n{FROM}{numbered(12, Status='ROD')}"},
    )
    assert counted(tmp_path).left_out == 8
    assert counted(tmp_path, asked_for=("trash",)).left_out == 2
    assert counted(tmp_path, asked_for=("junk",)).left_out == 6
    assert counted(tmp_path, asked_for=("junk", "trash")).left_out == 0


def test_a_message_that_is_left_out_twice_is_one_left_out_and_one_duplicate(tmp_path: Path) -> None:
    twice = (numbered(1), numbered(1))
    laid(tmp_path, {"Trash": "\n".join(FROM + text for text in twice), "inbox": f"{FROM}{numbered(2)}"})
    counts = counted(tmp_path)
    assert (counts.read, counts.left_out, counts.duplicates, counts.in_conversations) == (3, 1, 1, 1)
    laid(tmp_path, {"Junk": FROM + numbered(1), "inbox": "\n".join(FROM + text for text in (numbered(2), *twice))})
    counts = counted(tmp_path)
    assert (counts.read, counts.left_out, counts.duplicates, counts.in_conversations) == (6, 1, 3, 2)


def test_a_trash_folder_that_is_named_as_input_is_not_left_out(tmp_path: Path) -> None:
    laid(tmp_path, {"Trash": f"{FROM}{numbered(1)}", "Junk/1.eml": numbered(2), ".Trash/cur/3": numbered(3)})
    assert counted(tmp_path).left_out == 3
    assert counted(tmp_path / "Trash", tmp_path / "Junk", tmp_path / ".Trash").left_out == 0


@pytest.mark.parametrize(
    "name",
    ["Sent", ".Sent", ".Gesendet", "Envoy&AOk-s", ".INBOX.Sent Items", "已发送邮件", "[Gmail].Sent Mail", "Outbox"],
)
def test_mail_in_a_folder_of_sent_mail_is_outbound(name: str, tmp_path: Path) -> None:
    laid(tmp_path / "Maildir", maildir(".", name))
    (tmp_path / "Maildir" / "cur" / "1.a:2,S").unlink()
    assert [one.direction for one in imported(tmp_path)[0]] == ["outbound"]
    assert [one.direction for one in imported(tmp_path / "Maildir" / name)[0]] == ["outbound"]


TRANSLATED = {
    "de": ("Posteingang", "Gesendet", "Spam", "Papierkorb", "Entwürfe", "Ungelesen", "Geöffnet", "Markiert"),
    "fr": ("Boîte de réception", "Messages envoyés", "Spam", "Corbeille", "Brouillons", "Non lus", "Ouvert", "Suivis"),
    "es": ("Recibidos", "Enviados", "Spam", "Papelera", "Borradores", "No leído", "Abierto", "Destacados"),
    "pt": ("Caixa de entrada", "Enviados", "Spam", "Lixeira", "Rascunhos", "Não lido", "Aberto", "Com estrela"),
    "it": ("Posta in arrivo", "Posta inviata", "Spam", "Cestino", "Bozze", "Da leggere", "Aperti", "Speciali"),
    "nl": ("Postvak IN", "Verzonden", "Spam", "Prullenbak", "Concepten", "Ongelezen", "Geopend", "Met ster"),
    "pl": ("Odebrane", "Wysłane", "Spam", "Kosz", "Wersje robocze", "Nieprzeczytane", "Otwarte", "Oznaczone gwiazdką"),
    "ru": ("Входящие", "Отправленные", "Спам", "Корзина", "Черновики", "Непрочитанные", "Открытые", "Помеченные"),
    "uk": ("Вхідні", "Надіслані", "Спам", "Кошик", "Чернетки", "Непрочитані", "Відкриті", "Із зірочкою"),
    "tr": ("Gelen Kutusu", "Gönderilmiş Postalar", "Spam", "Çöp Kutusu", "Taslaklar", "Okunmadı", "Açıldı", "Yıldızlı"),
    "sv": ("Inkorgen", "Skickat", "Skräppost", "Papperskorgen", "Utkast", "Oläst", "Öppnat", "Stjärnmärkta"),
    "da": ("Indbakke", "Sendte mails", "Spam", "Papirkurv", "Kladder", "Ulæst", "Åbnet", "Stjernemarkeret"),
    "fi": ("Postilaatikko", "Lähetetyt", "Roskaposti", "Roskakori", "Luonnokset", "Lukematta", "Avattu", "Tähdelliset"),
    "cs": ("Doručená pošta", "Odeslaná pošta", "Spam", "Koš", "Koncepty", "Nepřečtené", "Otevřené", "S hvězdičkou"),
    "hu": ("Beérkező levelek", "Elküldött levelek", "Spam", "Törölt elemek", "Piszkozatok", "Olvasatlan", "Megnyitva", "Csillagozott"),
    "el": ("Εισερχόμενα", "Απεσταλμένα", "Ανεπιθύμητα", "Κάδος απορριμμάτων", "Πρόχειρα", "Μη αναγνωσμένα", "Ανοιγμένα", "Με αστέρι"),
    "ja": ("受信トレイ", "送信済み", "迷惑メール", "ゴミ箱", "下書き", "未読", "開封済み", "スター付き"),
    "zh": ("收件箱", "已发送邮件", "垃圾邮件", "已删除邮件", "草稿", "未读", "已打开", "已加星标"),
    "ko": ("받은편지함", "보낸편지함", "스팸함", "휴지통", "임시보관함", "읽지않음", "열림", "별표편지함"),
    "ar": ("البريد الوارد", "البريد المرسل", "غير مرغوب فيه", "المهملات", "مسودات", "غير مقروءة", "مفتوحة", "مميزة بنجمة"),
}  # fmt: skip
ROLES = ("inbox", "sent", "junk", "trash", "drafts", "unread", "opened", "starred")


@pytest.mark.parametrize("language", TRANSLATED)
def test_labels_of_google_takeout_are_known_in_other_languages(language: str, tmp_path: Path) -> None:
    names = TRANSLATED[language]
    assert tuple(map(role, names)) == ROLES
    inbox, sent, junk, trash, drafts, unread, opened, starred = names
    boxes = [[inbox, unread], [sent, opened, starred], [drafts], [junk], [trash]]
    (tmp_path / "Takeout.mbox").write_text(
        "".join(
            f"{FROM}{numbered(number, Subject=str(number), X_Gmail_Labels=','.join(box))}\n"
            for number, box in enumerate(boxes, start=1)
        )
    )
    found, rejected, _count = imported(tmp_path)
    assert rejected == []
    assert [(one.subject, one.direction, one.status, one.is_read) for one in found] == [
        ("1", "inbound", "active", False), ("2", "outbound", "active", True), ("3", "outbound", "draft", True),
    ]  # fmt: skip
    assert found[1].metadata.labels == [sent, opened, starred]


def test_each_folder_name_has_at_most_one_role() -> None:
    meanings: dict[str, set[str]] = {}
    for meaning, names in NAMES.items():
        for name in names.split(";"):
            meanings.setdefault(name.strip().casefold(), set()).add(meaning)
            assert role(name.strip()) == meaning
            assert role(name.strip().upper()) == meaning
    assert {name for name, found in meanings.items() if len(found) > 1} == set()
    assert {
        role(name) for name in ("Work", "Projects/Trash", "Spam filter", "Sent to lawyer", "", "[Gmail]", "\\")
    } == {None}
    assert [role(name) for name in ("\\Sent", "[Gmail]/Trash", "INBOX.Sent", "Trash/2023", "sent_items")] == [
        "sent", "trash", "sent", "trash", "sent",
    ]  # fmt: skip
    assert not is_left_out(["Work", "Inbox"], ())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Entw&APw-rfe", "Entwürfe"),
        ("A&-B", "A&B"),
        ("&U,BTFw-", "台北"),
        ("&bad", "&bad"),
        ("&AA-", "&AA-"),
        ("a b", "a b"),
    ],
)
def test_names_in_modified_utf_7(name: str, text: str) -> None:
    assert decoded_name(name) == text


def test_unreadable_files_do_not_affect_other_files(tmp_path: Path) -> None:
    laid(tmp_path, {"1.eml": numbered(1), "9.eml": numbered(9)})
    (tmp_path / "2.msg").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500)
    (tmp_path / "3.pst").write_bytes(b"!BDN" + b"\0" * 500)
    (tmp_path / "4.gz").write_bytes(b"\x1f\x8bxxxxxxx")
    (tmp_path / "5.zip").write_bytes(b"PK\x03\x04xxxxxxx")
    (tmp_path / "6.eml").symlink_to("nowhere")
    os.mkfifo(tmp_path / "7.eml")
    (tmp_path / "loop").symlink_to(tmp_path)
    laid(tmp_path, {"mailboxes/INBOX/dbox-Mails/u.1": "2 M1e C5f\n\1\2N  "})
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "8.eml"))
        _found, rejected, count = imported(tmp_path)
    assert count == 10
    for part in ("Outlook message", "Outlook data", "damaged", "broken link", "a pipe", "dbox"):
        assert sum(part in reason for reason in rejected) == {"damaged": 2, "a pipe": 2}.get(part, 1), (part, rejected)
    assert len(list(mailbox.read(tmp_path / "none"))) == 1
    assert mailbox.size(tmp_path) > 0


def test_other_files_of_programs_are_passed_over(tmp_path: Path) -> None:
    names = (
        "dovecot.index", "dovecot.index.cache", "dovecot-uidvalidity", "cyrus.header", "cyrus.cache", "courierimapuiddb",
        "Inbox.msf", ".DS_Store", "._1.eml", "a.lock", "Thumbs.db",
    )  # fmt: skip
    laid(tmp_path, dict.fromkeys(names, "no mail"))
    laid(tmp_path, {"1.": numbered(1)})
    assert [*read(tmp_path)] == ["1"]
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for name in ("__MACOSX/._1.eml", "mail/.DS_Store", "mail/1.eml"):
            entry = tarfile.TarInfo(name)
            entry.size = len(numbered(1))
            archive.addfile(entry, io.BytesIO(numbered(1).encode()))
    assert len(list(mailbox.read(tmp_path / "x.tar"))) == 1


def test_empty_files_are_not_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    laid(tmp_path, {"Archives": "", "Archives.msf": "x", "1.eml": numbered(1), "m": "\n" * 70_000 + numbered(2)})
    assert [*read(tmp_path)] == ["1", "2"]
    assert capsys.readouterr().err == ""


def test_a_message_that_is_left_out_joins_no_threads_and_hides_no_other_copy(tmp_path: Path) -> None:
    references = {"References": "<1@x> <2@x>"}
    laid(tmp_path, maildir("."))
    (tmp_path / "cur" / "1.a:2,S").unlink()
    laid(tmp_path, {"cur/1:2,S": numbered(1), "cur/2:2,S": numbered(2, Subject="Other"), "cur/1b:2,ST": numbered(1)})
    laid(tmp_path, {"cur/3:2,ST": numbered(3, **references)})
    found = imported(tmp_path)[0]
    assert [one.message_count for one in found] == [1, 1]
    assert [one.metadata.labels for one in found] == [[], []]
    assert counted(tmp_path).left_out == 2


def test_mail_that_is_marked_as_deleted_has_the_label_trash(tmp_path: Path) -> None:
    laid(tmp_path, {"cur/9:2,ST": numbered(9), "new/.keep": ""})
    (one,) = mail.conversations(
        [str(tmp_path)], ORGANIZATION, mail.Own(), reject=lambda *_what: None, asked_for=("trash",)
    )
    assert one.metadata.labels == ["Trash"]
