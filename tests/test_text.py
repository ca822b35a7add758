"""Text: the reply marks of search and of imported mail, and the words that are no fields of the search syntax."""

from __future__ import annotations

import pytest

from service.text import MAIL_REPLY_MARK, REPLY_MARKS, REPLY_WORDS


@pytest.mark.parametrize("word", sorted(REPLY_WORDS))
def test_every_reply_word_makes_a_reply_mark(word: str) -> None:
    assert REPLY_MARKS.sub("", f"{word.upper()}: invoice") == "invoice"


@pytest.mark.parametrize(
    ("subject", "search", "mail"),
    [
        ("re: x", "x", "x"),
        ("re (2): x", "x", "re (2): x"),
        ("re: fw: x", "x", "fw: x"),
        ("re： x", "re： x", "x"),
        ("antwort: x", "x", "antwort: x"),
        ("re[1234]: x", "re[1234]: x", "x"),
        ("[list] re: x", "[list]x", "[list] re: x"),
    ],
)
def test_search_and_mail_take_different_marks(subject: str, search: str, mail: str) -> None:
    assert REPLY_MARKS.sub(r"\1", subject) == search
    assert MAIL_REPLY_MARK.sub("", subject) == mail
