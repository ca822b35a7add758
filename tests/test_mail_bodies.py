"""Bodies of messages: their attachments, and the snippet, which holds only what the writer wrote."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.sources.html_text import text_of_html
from service.sources.snippets import snippet
from tests.mail_imports import HEAD, message

TEXT = "Content-Type: text/plain\n\nPlease look.\n"
ATTACHED = "Content-Type: message/rfc822\n\nFrom: b@x.org\nSubject: inner\n\nThe inner text.\n"


def multipart(*parts: str, kind: str = "mixed; boundary=b1") -> str:
    return f"{HEAD}Content-Type: multipart/{kind}\n\n" + "".join(f"--b1\n{part}" for part in parts) + "--b1--\n"


@pytest.mark.parametrize(
    ("text", "shown", "attachments"),
    [
        (multipart(TEXT, ATTACHED), "Please look.", 1),
        (multipart("Content-Type: text/html\n\n<p>Look</p>\n", ATTACHED), "Look", 1),
        (multipart(ATTACHED, ATTACHED), None, 2),
        (multipart(TEXT, 'Content-Type: application/pdf;\n name*0="foo"; name*="bar"\n\nxx\n'), "Please look.", 1),
        (multipart(TEXT, "Content-Type: application/pdf\n\nxx\n"), "Please look.", 1),
        (multipart(TEXT, "Content-Type: application/ms-tnef; name=winmail.dat\n\nxx\n"), "Please look.", 1),
        (multipart(TEXT, "Content-Type: application/pgp-signature; name=s.asc\n\nxx\n", kind="signed; boundary=b1"), "Please look.", 0),
        (multipart("Content-Type: text/html\n\n<p>Hi</p>\n", "Content-Type: image/png; name=a.png\nContent-ID: <a>\n\nxx\n", kind="related; boundary=b1"), "Hi", 0),
        (multipart("Content-Type: text/plain\n\n \n", "Content-Type: text/html\n\n<p>Hi</p>\n", kind="alternative; boundary=b1"), "Hi", 0),
        (multipart("Content-Type: text/html\n\n<p>Hi</p>\n", TEXT, kind="alternative; boundary=b1"), "Please look.", 0),
        (multipart(TEXT, kind='mixed; boundary*0="b1"; boundary*="b1"'), "Please look.", 0),
        (multipart(TEXT, kind="mixed; boundary=other; boundary=b1"), "Please look.", 0),
        (multipart(TEXT, kind="mixed"), "Please look.", 0),
        (f"{HEAD}Content-Type: text/plain; charset*=ansi-x3.4-1968''utf-8\n\nHello again.\n", "Hello again.", 0),
        (f"{HEAD}Content-Type: text\n\nHello\n", "Hello", 0),
        (f"{HEAD}Content-Transfer-Encoding: base64\n\nSGVsbG8\n", "Hello", 0),
        (f"{HEAD}Content-Transfer-Encoding: base64\n\nThis is, of course, not base64.\n", "This is, of course, not base64.", 0),
        (f"{HEAD}Content-Transfer-Encoding: base64\n\nSGVsbG8=\n____\nThe list: post@x.org\n", "Hello", 0),
        (f"{HEAD}Content-Transfer-Encoding: base64\n\nSGVsbG8h\n\nThe list\n", "Hello!", 0),
        (f"{HEAD}Content-Transfer-Encoding: base64\n\nSGVs\n\nbG8=\nSGVsbG8=\n", "HelloHello", 0),
        (f"{HEAD}Content-Transfer-Encoding: quoted-printable\n\nHel= \nlo=\t\r\n = you\n", "Hello = you", 0),
        (f"{HEAD}\nHello\n\nbegin 644 a.txt\n#0V%T\n`\nend\n", "Hello", 1),
        (f"{HEAD}Content-Type: text/html\n\n<style>x</style><script>y()</script><div style='display:none'>no<div>no</div></div>"
         "<p>Caf&eacute;<br>au lait</p><blockquote>quoted</blockquote>", "Café au lait", 0),
    ],
)  # fmt: skip
def test_the_snippet_and_the_number_of_attachments(text: str, shown: str | None, attachments: int) -> None:
    found = message(text)
    assert (found.snippet, found.attachments) == (shown, attachments)


@pytest.mark.parametrize(
    "attribution",
    [
        "On Fri, Mar 1, 2024 at 12:32 PM Jane Doe, Head of Sales <\njane@x.org> wrote:",
        "On Friday Jane wrote:",
        "fre 1 mars 2024 kl 12:32 skrev Jane Doe <\n7jane@x.org>:",
        "fre. 1. mars 2024 kl. 12:32 skrev Jane Doe <jane@x.org\n>:",
        "Am 01.03.2024 um 12:32 schrieb Jane Doe:",
        "Le 01/03/2024 à 12:32, Jane Doe a écrit :",
        "El vie, 1 mar 2024 a las 12:32, Jane Doe (<jane@x.org>)\nescribió:",
        "Il giorno ven 1 mar 2024 alle ore 12:32 Jane Doe <\njane@x.org> ha scritto:",
        "Em sex., 1 de mar. de 2024 às 12:32, Jane Doe <jane@x.org>\nescreveu:",
        "Op vr 1 mrt 2024 om 12:32 schreef Jane Doe <jane@x.org>:",
        "Den fre 1 mars 2024 kl 12:32 skrev Jane Doe <jane@x.org>:",
        "pt., 1 mar 2024 o 12:32 Jane Doe <jane@x.org> napisał(a):",
        "пт, 1 мар. 2024 г. в 12:32, Jane Doe <jane@x.org>:",
        "2024年3月1日(金) 12:32 Jane Doe <jane@x.org>:",
        "在 2024年3月1日，Jane Doe <jane@x.org> 写道：",
        "2024년 3월 1일 (금) 오후 12:32, Jane Doe <jane@x.org>님이 작성:",
    ],
)
@pytest.mark.parametrize("quote", ["\n> Lunch at one?", "\n\n> Lunch at one?"])
def test_attributions_are_no_part_of_the_snippet(attribution: str, quote: str) -> None:
    assert snippet(f"Fine with me.\n\n{attribution}{quote}\n") == "Fine with me."


@pytest.mark.parametrize(
    "copy",
    [
        "-----Original Message-----\nFrom: Jane\nSent: today\n\nLunch?",
        "-----Ursprüngliche Nachricht-----\nLunch?",
        "---------- Message transféré ----------\nLunch?",
        "________________________________\nVon: Jane\nGesendet: heute\nAn: Joe\n\nLunch?",
        "-- \nAda",
        "Sent from my iPhone",
    ],
)
def test_copies_and_signatures_are_no_part_of_the_snippet(copy: str) -> None:
    assert snippet(f"Fine with me.\n\n{copy}\n") == "Fine with me."


@pytest.mark.parametrize(
    "session",
    [
        "> x <- rnorm(10)\n> mean(x)\n[1] 0.3",
        "> x\n> summary(lm(y ~ x))\nCall:\nlm(formula = y ~ x)",
        "> f <- function(a) {\n+ a + 1\n+ }\n> # then\n> f(1)\n[1] 2",
        ">>> import os\n>>> os.getcwd()\n'/tmp'",
    ],
)
def test_a_pasted_interpreter_session_stays_in_the_snippet(session: str) -> None:
    assert snippet(f"I tried:\n\n{session}\n\nWhy?\n\nOn 1 Mar 2024 Jane wrote:\n> No.\n") == (
        f"I tried: {' '.join(session.split())} Why?"
    )


@pytest.mark.parametrize(
    "quote",
    [
        "> I tried\n> x <- rnorm(10)\n> and it failed",
        "> x <- 3\n>> y <- 4",
        "> yes\n> no",
        "> see help(mean), please",
        "On 1 Mar 2024 Jane wrote:\n> x <- rnorm(10)\n> mean(x)",
    ],
)
def test_code_in_a_quote_is_a_quote(quote: str) -> None:
    assert snippet(f"{quote}\n\nSo it is.\n") == "So it is."


@pytest.mark.parametrize("text", ["He said:", "I wrote to him: no.", "Steps:\n1. open\n2. close"])
def test_what_only_looks_like_an_attribution_stays(text: str) -> None:
    assert snippet(text) == " ".join(text.split())


@pytest.mark.parametrize("kind", ["text/html", "text/html; charset=us-ascii"])
@pytest.mark.parametrize(
    ("meta", "charset"),
    [
        ('<meta charset="windows-1251">', "cp1251"), ("<META charset=koi8-r />", "koi8-r"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">', "koi8-r"),
        ('<meta charset="windows-1251">', "utf-8"),
    ],
)  # fmt: skip
def test_html_may_name_its_charset_itself(kind: str, meta: str, charset: str) -> None:
    """A charset in the header comes first. Valid UTF-8 is read as UTF-8, whatever charset is named."""
    html = f"<html><head>{meta}</head><body>Привет, как дела?</body></html>".encode(charset)
    head = f"{HEAD}Content-Type: {kind}\nContent-Transfer-Encoding: base64\n\n"
    assert message(head.encode() + base64.encodebytes(html)).snippet == "Привет, как дела?"


def test_a_bracket_in_an_attribute_does_not_end_its_tag() -> None:
    text = """<p title="a > b">one</p><p title='>'>two</p><p class=x">three</p><a href="x>four</a>"""
    assert text_of_html(text).split() == ["one", "two", "three", "four"]


@pytest.mark.parametrize(
    "unit",
    [
        "<",
        "<a ",
        "<!--",
        "<script>",
        "<div hidden>",
        '<a "',
        "&",
        '<a ="',
        "= '",
        "<blockquote>",
        ">",
        "a:\n",
        "-----\n",
        "On 1 wrote:\n",
        "> x\n",
        "> f(\n",
    ],
)
def test_hostile_bodies_take_linear_time(unit: str) -> None:
    started = time.process_time()
    text_of_html(unit * (400_000 // len(unit)))
    snippet(unit * (400_000 // len(unit)))
    assert time.process_time() - started < 5


@given(
    st.text(max_size=300),
    st.sampled_from(["text/html", "text/plain", "multipart/mixed; boundary=a", "message/rfc822", "multipart/digest"]),
)
def test_no_body_raises(text: str, kind: str) -> None:
    message(f"{HEAD}Content-Type: {kind}\n\n--a\n{text}\n--a--\n".encode())
