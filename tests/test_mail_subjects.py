"""Subjects of mail: of real messages, and in every charset that a language's mail uses."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from service.sources import mailbox
from service.sources.message import parse
from tests.mail_imports import HEAD, SHARED, message

PINNED = {
    "attachment_pdf.eml": "Another PDF with 🎉 Unicode chars in it 🍿",
    "attachment_with_quoted_filename.eml": "Eelanalüüsi päring",
    "trademark_character_in_subject.eml": "GA.comô has a lead for you",
    "raw_email_encoded_stack_level_too_deep.eml": "Nicolas Fouché has accepted your invitation to Gmail",
    "raw_email.eml": "NOTE: 한국말로 하는 것",
    "raw_email_with_partially_quoted_subject.eml": 'Re: Test: "漢字" mid "漢字" tail',
    "example14.eml": "Re: TEST テストテスト",
}


def test_subjects_of_real_messages_are_those_that_were_read_by_eye() -> None:
    folder = SHARED.parent / "malformed"
    if folder.is_dir():
        subjects = {
            one.source.rpartition("/")[2]: parse(one).subject
            for one in mailbox.read(folder / "mail-fixtures.tar.gz")
            if one.source.rpartition("/")[2] in PINNED
        }
        assert PINNED.items() >= subjects.items()
        assert len(subjects) >= 6


CHARSETS = {
    "ja": ("iso-2022-jp", "shift_jis", "euc-jp", "utf-8"),
    "ru": ("koi8-r", "windows-1251", "iso-8859-5", "utf-8"),
    "es": ("iso-8859-1", "windows-1252", "iso-8859-15", "utf-8"),
    "zh": ("gb2312", "gbk", "gb18030", "utf-8"),
}
SPOKEN = {
    "ja": "ドキュメントの誤字を修正した", "ru": "Исправлена опечатка в описании", "es": "Corrección de traducción: añadir",
    "zh": "修复文档中的错误链接",
}  # fmt: skip


@pytest.mark.parametrize("language", list(CHARSETS))
@pytest.mark.parametrize("way", ["b", "q", "raw"])
def test_subjects_of_each_language_come_through_every_charset_that_its_mail_uses(language: str, way: str) -> None:
    """In encoded words, or as raw UTF-8. With 20 real subjects of each language, if ../shared/data/subjects exists."""
    path = SHARED.parent / "subjects" / "subjects.ndjson.gz"
    subjects = [SPOKEN[language]]
    if path.exists():
        lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
        mine = [" ".join(line["subject"].split()) for line in lines if line["lang"] == language]
        subjects += [subject for subject in mine if not subject.isascii() and "=?" not in subject][:20]
        assert len(subjects) == 21
    tried = 0
    for subject in subjects:
        for charset in CHARSETS[language] if way != "raw" else ("utf-8",):
            try:
                data = subject.encode(charset)
            except UnicodeEncodeError:
                continue
            if way == "raw":
                value = data
            elif way == "b":
                value = b"=?%s?b?%s?=" % (charset.encode(), base64.b64encode(data))
            else:
                value = b"=?%s?q?%s?=" % (charset.encode(), b"".join(b"=%02X" % byte for byte in data))
            assert message(f"{HEAD}Subject: ".encode() + value + b"\n\n").subject == subject, (charset, subject)
            tried += 1
    assert tried >= len(subjects)
