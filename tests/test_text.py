"""Text: the reply marks of search and of imported mail, and the words that are no fields of the search syntax."""

from __future__ import annotations

import pytest

from service.text import MAIL_REPLY_MARK, REPLY_MARKS, REPLY_WORDS


@pytest.mark.parametrize("word", sorted(REPLY_WORDS))
def test_every_reply_word_makes_a_reply_mark(word: str) -> None:
    assert REPLY_MARKS.sub("", f"{word.upper()}: invoice") == "invoice"


@pytest.mark.parametrize(
    "mark",
    [
        "re:", "Re :", "RE[2]:", "Re (2):", "Re^2:", "Re*2:", "Re-2:", "Re -12:", "Re Re:", "RE  fwd:", "Resp:", "НА:", "TL:", "Antw.:", "Rép. :", "Re.[2]:", "re: Fwd: AW:", "antwort:", "SV:", "RIF:", "R:", "I:", "RES:", "ENC:", "TR:",
        "RV:", "Vá:", "VÁ:", "Отв:", "ОТВ:", "отв[2]:", "ΑΠ:", "απ:", "ΣΧΕΤ:", "Odp:", "PD:", "YNT:", "İLT:", "回复:", "轉寄:", "返信:", "회신:", "השב:", "رد:",
    ],
)  # fmt: skip
def test_search_and_mail_take_the_same_marks(mark: str) -> None:
    assert REPLY_MARKS.sub(r"\1", f"{mark} x") == "x"
    rest = f"{mark} x"
    for _ in range(3):
        rest = MAIL_REPLY_MARK.sub("", rest)
    assert rest == "x"


@pytest.mark.parametrize(
    ("subject", "mail"),
    [("re： x", "x"), ("Va\u0301: x", "x"), ("re[1234]: x", "re[1234]: x"), ("regarding: x", "regarding: x"), ("PS: x", "PS: x"), ("Re-use: x", "Re-use: x"), ("re re x", "re re x"), ("Naß: x", "Naß: x"), ("[list] re: x", "[list] re: x")],
)  # fmt: skip
def test_mail_takes_marks_as_they_were_written(subject: str, mail: str) -> None:
    assert MAIL_REPLY_MARK.sub("", subject) == mail
