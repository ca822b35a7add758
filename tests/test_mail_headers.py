"""What mailers write into headers, and what it means: subjects, charsets, addresses, dates, ids."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.sources.addresses import addresses
from service.sources.charsets import decode
from service.sources.dates import parse_date
from service.sources.encoded_words import decoded
from service.sources.message import parse
from service.sources.message_ids import own_id, references
from service.sources.mime_parameters import content
from tests.mail_imports import HEAD, message, raw


def latin(text: str) -> str:
    """The bytes of a text in UTF-8, each as a character."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize(
    ("value", "subject"),
    [
        ("Invoice for\n =?utf-8?Q?M=C3=BCnchen?=", "Invoice for München"),
        ("=?utf-8?Q?M=C3=BCnchen?=\n invoice paid", "München invoice paid"),
        ("=?utf-8?Q?M=C3=BCnchen?=\r\n\t=?utf-8?Q?_paid?=", "München paid"),
        ("Заказ 17 =?utf-8?Q?caf=C3=A9?=", "Заказ 17 café"),
        ("=?utf-8?q?caf=C3=A9?= ☕ heute", "café ☕ heute"),
        ("=?utf-8?B?5p2x\n 5Lqs?=", "東京"),
        ("=?utf-\n 8?Q?a?=", "a"),
        ("=?utf-8?Q?a_b=C3=BC?\n =", "a bü"),
        ("=?utf-8?Q?Hello\n world?=", "Hello world"),
        ("=?utf-8?Q?M=C3?= =?utf-8?Q?=BCn?=", "Mün"),
        ("=?utf-8?Q?M=C3?=\n =?UTF8?B?vA==?=", "Mü"),
        ("=?utf-8?Q?=F0=9F=98?= =?utf-8?Q?=80?=", "😀"),
        ("=?utf-8?Q?=C3=BCber=E2=82?=", "über"),
        ("=?utf-8?Q?=C3=BCber=E2=82?= all", "über all"),
        ("=?utf-8?Q?Caf=C3?=", "Caf"),
        ("=?utf-8?Q?what?=3F?=", "what??"),
        ("=?utf-8?Q?Hello, world; a@b?= x", "Hello, world; a@b x"),
        ("=?utf-8?q?broken =?utf-8?q?good?=", "=?utf-8?q?broken good"),
        ("=?utf-8?b?!!!?= =?utf-8?q?good?=", "good"),
        ("=?nowhere?q?abc=C3=BC?= =?utf-8?q?_good?=", "abcü good"),
        ("=?utf-8?Q?Caf=E9?=", "Café"),
        ("=?iso-8859-1?Q?caf=C3=A9?=", "café"),
        ("=?utf-8*de?q?=C3=BC?=", "ü"),
        ('=?"utf-8"?q?=C3=BC?=', "ü"),
        ("=?UTF-8?b?w7w?=", "ü"),
        ("=?utf-8?B?w7w=w7w=?=", "üü"),
        ("a=?utf-8?Q?b?=c", "abc"),
        ("=?utf-8?Q??=", ""),
        ("=?utf-8?Q?a=ZZb=?=", "a=ZZb="),
        ("=?utf-8?Q?=3D=3Futf-8=3FQ=3Fabc=3F=3D?=", "=?utf-8?Q?abc?="),
        ("=?utf-7?Q?+AOk-?=", "é"),
        ("=?utf-16?B?//5hAGIA?=", "ab"),
    ],
)
def test_encoded_words(value: str, subject: str) -> None:
    assert decoded(latin(value)) == subject


@pytest.mark.parametrize(
    ("charset", "data", "text"),
    [
        ("windows-874", b"\xca\xc7\xd1\xca\xb4\xd5", "สวัสดี"),
        ("tis-620", b"\xca\xc7\xd1\xca\xb4\xd5", "สวัสดี"),
        ("x-sjis", "①㈱テスト".encode("cp932"), "①㈱テスト"),
        ("Shift_JIS", "①㈱テスト".encode("cp932"), "①㈱テスト"),
        ("windows-31j", "髙".encode("cp932"), "髙"),
        ("iso-2022-jp", b"\x1b$B-!%F%9%H-j\x1b(B", "①テスト㈱"),
        ("iso-2022-jp", b"\x1b(I\x43\x3d\x44\x1b(B", "ﾃｽﾄ"),
        (None, b"\x1b$B%F%9%H\x1b(B", "テスト"),
        ("euc-jp", b"\xad\xa1\xa5\xc6", "①テ"),
        ("ks_c_5601-1987", "똠 뷁".encode("cp949"), "똠 뷁"),
        ("euc-kr", "똠 뷁".encode("cp949"), "똠 뷁"),
        ("iso-2022-kr", "주문".encode("iso2022_kr"), "주문"),
        ("iso-2022-kr", "주문".encode("iso2022_kr")[4:], "주문"),
        ("gb2312", "镕".encode("gbk"), "镕"),
        ("x-gbk", "镕".encode("gbk"), "镕"),
        ("hz-gb-2312", "你好".encode("hz"), "你好"),
        ("big5", "碁".encode("cp950"), "碁"),
        ("big5-hkscs", "嘅".encode("big5hkscs"), "嘅"),
        ("iso-8859-9", b"\x93\xdeubat\x94", "“Şubat”"),
        ("iso-8859-1", b"\x93a\x94 \x80", "“a” €"),
        ("iso-8859-8-i", "שלום".encode("iso8859_8"), "שלום"),
        ("iso-8859-8-e", "שלום".encode("iso8859_8"), "שלום"),
        ("iso-8859-6-i", "سلام".encode("iso8859_6"), "سلام"),
        ("x-mac-roman", b"caf\x8e", "café"),
        ("macintosh", b"caf\x8e", "café"),
        ("x-mac-cyrillic", "мир".encode("mac_cyrillic"), "мир"),
        ("cp-850", b"caf\x82", "café"),
        ("ibm_850", b"caf\x82", "café"),
        ("win-1251", "мир".encode("cp1251"), "мир"),
        ("iso-8859-2*pl", b"\xa3\xf3d\xbc", "Łódź"),
        ("koi8-ru", "мир".encode("koi8_u"), "мир"),
        ("unicode-1-1-utf-7", b"+AOk-", "é"),
        ("utf-16le", "ab".encode("utf-16-le"), "ab"),
        ('"utf-8";', "é".encode(), "é"),
        ("zlib", "é".encode(), "é"),
        ("idna", "é".encode(), "é"),
        (None, "Привет, как дела?".encode("cp1251"), "Привет, как дела?"),
        (None, "Привет, как дела?".encode("koi8_r"), "Привет, как дела?"),
        (None, "テスト送信".encode("cp932"), "テスト送信"),
        (None, "Grüße".encode("latin-1"), "Grüße"),
        (None, b"\xed\xa0\xbd\xed\xb8\x80 \xed\x95\x9c", "😀 한"),
        ("utf-8", b"\xed\xa0\xbd\xed\xb8\x80", "😀"),
        (None, "Grüße".encode("utf-16"), "Grüße"),
    ],
)  # fmt: skip
def test_charsets(charset: str | None, data: bytes, text: str) -> None:
    assert decode(data, charset) == text
    if charset and ";" not in charset:
        assert decoded(f"=?{charset}?B?{base64.b64encode(data).decode()}?=") == text


def test_raw_bytes_of_a_header_are_read_as_the_charset_that_the_message_names() -> None:
    head = f"{HEAD}Content-Type: text/plain; charset=iso-8859-2\nSubject: ".encode()
    assert message(head + "Łódź".encode("iso8859_2") + b"\n\n").subject == "Łódź"
    head = f"{HEAD}Content-Type: text/plain; charset=gb2312\nSubject: ".encode()
    assert message(head + "发票通知".encode("gbk") + b"\n\n").subject == "发票通知"  # much of it could be UTF-8
    assert message(head + "发票通知".encode() + b"\n\n").subject == "发票通知"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("Doe, Jane <jane@x.org>", [("Doe, Jane", "jane@x.org")]),
        ("Dr. Jane Doe, Ph.D. <jane@x.org>", [("Dr. Jane Doe, Ph.D.", "jane@x.org")]),
        ("Doe; Jane <jane@x.org>", [("Doe; Jane", "jane@x.org")]),
        ("=?utf-8?Q?M=C3=BCller,_Jane?= <jane@x.org>", [("Müller, Jane", "jane@x.org")]),
        ("=?utf-8?Q?a <b@c.org>,?= <d@e.org>", [("a <b@c.org>,", "d@e.org")]),
        ("=?utf-8?B?SmFuZSA8amFuZUBleGFtcGxlLmNvbT4=?=", [("Jane", "jane@example.com")]),
        ("jane@x.org <jane@x.org>", [("jane@x.org", "jane@x.org")]),
        ("Jane @ Home <jane@x.org>", [("Jane @ Home", "jane@x.org")]),
        ("Jane <mailto:jane@x.org>", [("Jane", "jane@x.org")]),
        ("Jane <Sales> <jane@x.org>", [("Jane <Sales>", "jane@x.org")]),
        ("Jane (Sales, EU) <jane@x.org>", [("Jane (Sales, EU)", "jane@x.org")]),
        ('"Jane Doe <jane@x.org>', [("Jane Doe", "jane@x.org")]),
        ('"A" <a@x>, "B <b@x>, "C, D" <c@x>', [("A", "a@x"), ("B", "b@x"), ("C, D", "c@x")]),
        ("a@x.org, b@y.org, Jane <c@z.org>", [(None, "a@x.org"), (None, "b@y.org"), ("Jane", "c@z.org")]),
        ("Jane Doe <jane at x.org>", [("Jane Doe", "jane@x.org")]),
        ("ada at x.org, bob at y.org (Bob)", [(None, "ada@x.org"), ("Bob", "bob@y.org")]),
        ("Team: a@x.org, Bob <b@y.org>;, c@z.org", [(None, "a@x.org"), ("Bob", "b@y.org"), (None, "c@z.org")]),
        ("undisclosed-recipients:;", []),
        ("<a@x.org, b@x.org>", [(None, "a@x.org"), (None, "b@x.org")]),
        ("a@x.org b@x.org", [(None, "a@x.org"), (None, "b@x.org")]),
        ("undisclosed-recipients:@x.org", []),
        ("<@r1,@r2:jane@x.org>", [(None, "jane@x.org")]),
        ("<<jane@x.org.>>", [(None, "jane@x.org")]),
        ("Jane <jane@x.org", [("Jane", "jane@x.org")]),
        ("Jane <<jane@x.org>>", [("Jane", "jane@x.org")]),
        ("(Jane) <jane@x.org>", [("Jane", "jane@x.org")]),
        ("jane@x.org (Jane Doe)", [("Jane Doe", "jane@x.org")]),
        ("jane@x.org <Jane Doe>", [("Jane Doe", "jane@x.org")]),
        ('"jane doe"@x.org', [(None, '"jane doe"@x.org')]),
        ("Jörg <jörg@exämple.à>", [("Jörg", "jörg@exämple.à")]),
        ("Cron Daemon", [("Cron Daemon", None)]),
        ("", []),
    ],
)
def test_addresses(value: str, found: list[tuple[str | None, str | None]]) -> None:
    assert [(one.name, one.email) for one in addresses([latin(value)])] == found


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Tue, 5 Mar 2024 10:00:00 +02:00", "2024-03-05T08:00:00"),
        ("Tue, 5 Mar 2024 10:00:00 GMT+0200", "2024-03-05T08:00:00"),
        ("5 Mar 2024 10:00 UTC+2", "2024-03-05T08:00:00"),
        ("Tue, 2 Jul 2024 10:00:00 CEST", "2024-07-02T08:00:00"),
        ("Tue, 2 Jul 2024 10:00:00 (W. Europe Daylight Time)", "2024-07-02T08:00:00"),
        ("Tue, 2 Jul 2024 10:00:00 Pacific Standard Time", "2024-07-02T18:00:00"),
        ("Tue, 2 Jul 2024 10:00:00 +0200 (Pacific Standard Time)", "2024-07-02T08:00:00"),
        ("Tue, 2 Jul 2024 10:00:00 (China Standard Time)", "2024-07-02T02:00:00"),
        ("Tue, 2 Jul 2024 10:00:00 Central European Summer Time", "2024-07-02T08:00:00"),
        ("Tue, 2 Jul 2024 10:00:00 GMT Standard Time", "2024-07-02T10:00:00"),
        ("Tue, 2 Jul 2024 10:00:00 (Unheard-of Standard Time)", "2024-07-02T10:00:00"),
        ("Tue, 2 Jul 2024 10:00:00 (CEST)", "2024-07-02T08:00:00"),
        ("Tue, 5 Mar 2024 10:00:00 MSK", "2024-03-05T07:00:00"),
        ("Tue, 5 Mar 2024 10:00:00 IST", "2024-03-05T04:30:00"),
        ("Tue, 5 Mar 2024 10:00:00 JST", "2024-03-05T01:00:00"),
        ("1999/01/31", "1999-01-31T00:00:00"),
        ("2019-01-02T10:00:00Z", "2019-01-02T10:00:00"),
        ("20190102T100000Z", "2019-01-02T10:00:00"),
        ("2019-01-03 10:00:00.123 +0200", "2019-01-03T08:00:00"),
        ("31 Dec 2016 23:59:60 +0000", "2016-12-31T23:59:59.999000"),
        ("Mon, 5 Mar 2024 24:00:00 +0000", "2024-03-06T00:00:00"),
        ("Mar 5, 2024 3:04 PM", "2024-03-05T15:04:00"),
        ("5 Mar 2024 12:00 a.m.", "2024-03-05T00:00:00"),
        ("5 Mar 24 10:00:00 EST", "2024-03-05T15:00:00"),
        ("5 Mar 98 10:00:00 +0000", "1998-03-05T10:00:00"),
        ("Tue Mar  5 10:00:00 +0000 2024", "2024-03-05T10:00:00"),
        ("05-Mar-24 10.00.00", "2024-03-05T10:00:00"),
        ("Di, 5. März 2024 10:00:00 +0100", "2024-03-05T09:00:00"),
        ("mar., 5 mars 2024 10:00:00 +0100", "2024-03-05T09:00:00"),
        ("mié, 6 de marzo de 2024 10:00:00 +0100", "2024-03-06T09:00:00"),
        ("Ср, 6 марта 2024 10:00:00 +0300", "2024-03-06T07:00:00"),
        ("2024年3月5日 10:00:00", "2024-03-05T10:00:00"),
        ("2024년 3월 5일 오후 3:04", "2024-03-05T15:04:00"),
        ("05.03.2024 10:00", "2024-03-05T10:00:00"),
        ("31/01/2024 10:00", "2024-01-31T10:00:00"),
        ("(Tue) 5 (fifth) Mar 2024 (x) 10:00 +0000", "2024-03-05T10:00:00"),
        ("Mon, 5 Mar 2024 10:00:00 +9999", "2024-03-05T10:00:00"),
        ("Mon, 31 Feb 2024 10:00:00 +0000", None),
        ("Sat, 01 Jan 19100 10:00:00 GMT", "2000-01-01T10:00:00"),
        ("Tue, 24 Jul 2007 18:55:07 +00200", "2007-07-24T18:55:07"),
        ("1185303307", "2007-07-24T18:55:07"),
        ("Di, 17 Mai 2005 12:31:00 0200", "2005-05-17T10:31:00"),
        ("Mon, 5 Feb 2007 10:11:12 - 0500", "2007-02-05T15:11:12"),
        ("Mon, 5 Feb 2007 10:11:12 =?ISO-8859-1?Q?Hora_est=E1ndar_romance?=", "2007-02-05T10:11:12"),
        ("Mon, 5 Feb 2007 10:11:12 (Mitteleuropäische Zeit)", "2007-02-05T10:11:12"),
        ("Mon, 5 Feb 2007 10:11:12 EST5EDT", "2007-02-05T15:11:12"),
        ("nonsense", None),
    ],
)
def test_dates(text: str, date: str | None) -> None:
    found = parse_date(latin(text))
    assert (found and found.isoformat()) == (date and f"{date}+00:00")


CHINESE = [(0, "凌晨"), (5, "早上"), (8, "上午"), (12, "中午"), (13, "下午"), (19, "晚上")]  # each until the next


@pytest.mark.parametrize(
    ("form", "halves"),
    [
        ("2024年5月3日 {half}{hour}:{minute:02}", [(0, "上午"), (12, "下午")]),
        ("2024年5月3日週五 {half}{hour}:{minute:02}", CHINESE),
        ("2024/5/3 {half} {hour:02}:{minute:02}:00", [(0, "上午"), (11, "中午"), (15, "下午"), (17, "晚上")]),
        (
            "2024年5月3日 {half}{hour}点{minute:02}分",
            [(0, "晚上"), (5, "早上"), (10, "中午"), (15, "下午"), (18, "晚上")],
        ),
        ("2024年5月3日(金) {half}{hour}:{minute:02}", [(0, "午前"), (12, "午後")]),
        ("2024年5月3日 {half}{hour}时{minute:02}分", [(0, "上午"), (12, "午后")]),
        ("2024년 5월 3일 (금) {half} {hour}:{minute:02}", [(0, "오전"), (12, "오후")]),
        ("2024. 5. 3. {half} {hour}:{minute:02}:00", [(0, "오전"), (12, "오후")]),
        ("May 3, 2024 {hour}:{minute:02}:00 {half}", [(0, "AM"), (12, "PM")]),
        ("3 May 2024 {hour}:{minute:02} {half}", [(0, "a. m."), (12, "p. m.")]),
    ],
)
def test_times_with_a_word_for_the_half_of_the_day(form: str, halves: list[tuple[int, str]]) -> None:
    """The hour after noon or midnight may be 12 or 0. Hours of a 24-hour clock are read, too."""
    for hour in range(24):
        half = [name for begin, name in halves if begin <= hour][-1]
        for written in {hour % 12 or 12, hour % 12, hour or 12}:
            text = form.format(half=half, hour=written, minute=4)
            assert parse_date(latin(text)) == datetime(2024, 5, 3, hour, 4, tzinfo=UTC), text


def test_letters_of_two_scripts_are_no_half_of_a_day() -> None:
    assert parse_date(latin("2024년 5월 3일 오午 3:04")) == parse_date(latin("2024년 5월 3일 3:04"))


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("a/b; name*0*=utf-8''a%20; name*1=b", "a b"),
        ("a/b; name*1=b; name*0*=utf-8''a%20", "a b"),
        ("a/b; name*1*=b; name*0=100%25", "100%25b"),
    ],
)
def test_the_segment_with_the_lowest_number_says_whether_a_parameter_is_extended(value: str, name: str) -> None:
    assert content(value).parameters["name"] == [name]


@pytest.mark.parametrize(
    ("separator", "date"),
    [
        ("From a@x Tue Nov 13 20:38:47 2018", datetime(2018, 11, 13, 20, 38, 47, tzinfo=UTC)),
        ("From 16@xxx Tue Nov 13 20:38:47 +0000 2018", datetime(2018, 11, 13, 20, 38, 47, tzinfo=UTC)),
        ("From a@x 01-Jul-24 10:00:00", datetime(2024, 7, 1, 10, tzinfo=UTC)),
        ("From a@x Tue Nov 13 20:38:47 EST 2018", datetime(2018, 11, 14, 1, 38, 47, tzinfo=UTC)),
        ("From a@x Tue Nov 13 20:38:47 2018 +0200", datetime(2018, 11, 13, 18, 38, 47, tzinfo=UTC)),
        ("From root Mon Nov 14 23:42 UTC 2016", datetime(2016, 11, 14, 23, 42, tzinfo=UTC)),
        ("From a!b Wed Jul  2 21:49:08 2003 remote from host", datetime(2003, 7, 2, 21, 49, 8, tzinfo=UTC)),
    ],
)
def test_dates_of_separators(separator: str, date: datetime) -> None:
    assert parse(raw("From: a@x.org\n\n", separator.encode())).date == date


@pytest.mark.parametrize("separator", ["From ", "From -", f"From {'0' * 40} Mon Sep 17 00:00:00 2001"])
def test_a_separator_without_a_date_of_its_own_gives_none(separator: str) -> None:
    with pytest.raises(ValueError, match="no valid date"):
        parse(raw("From: a@x.org\n\n", separator.encode()))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ('Message from Jane Doe <jane@x.org> \n   of "Tue, 01 Mar 2024 10:00:00 +0000." <mq1@x>', ("mq1@x",)),
        ('Message from Joe <joe@y.org> of "x" <a@b>', ("a@b",)),
        ("<a@b> (message from Joe <joe@y.org> on Tue)", ("a@b",)),
        ('Your message of "Tue, 1 Mar" <a@b>', ("a@b",)),
        ("<a@b>; from joe@y.org on Tue", ("a@b",)),
        ("<ab\n c@d>", ("abc@d",)),
        ("<a b@c>", ("ab@c",)),
        ("ticket-1@x.org", ("ticket-1@x.org",)),
        ("=?utf-8?Q?=3Ca=40b=3E?=", ("a@b",)),
        ("<a@b", ("a@b",)),
        ("jane@x.org", ()),
        ("<Jane@x.org>", ()),
        ("Message from Bo <bo@x>", ()),
        ("(message from Jane on Tue)", ()),
        ("Bo Doe <bo@x.org>", ()),
        ("Bo Doe <bo.17@x.org>", ("bo.17@x.org",)),
        ('"<a@b>"', ("a@b",)),
        ("20240701.17", ("20240701.17",)),
    ],
)
def test_ids(value: str, found: tuple[str, ...]) -> None:
    people = {"jane@x.org"}
    assert references({"in-reply-to": [value]}, people) == references({"references": [value]}, people) == found
    assert own_id({"message-id": [value]}, people) == next(iter(found), None) or not found


@pytest.mark.parametrize("value", ["null", "<null>", "(none)", "<undefined>", "<>", "0", "<1>"])
def test_placeholders_for_a_missing_id_are_no_ids(value: str) -> None:
    assert own_id({"message-id": [value]}, ()) is None
    assert references({"in-reply-to": [value], "references": [value]}, ()) == ()


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfSubject: x\nDate: Mon, 1 Jan 2024 10:00:00 +0000\n\nHi",
        b"\n\nSubject: x\nDate: Mon, 1 Jan 2024 10:00:00 +0000\n\nHi",
        b"From a@b Mon Jan  1 10:00:00 2024\nSubject: x\nDate: Mon, 1 Jan 2024 10:00:00 +0000\n\nHi",
        b"no colon\nSubject : x\nDate: Mon, 1 Jan 2024 10:00:00 +0000\n\nHi",
        b"Date: Mon, 1 Jan 2024 10:00:00 +0000\nlost fold: here\nwith words 10:00\nSubject: x\n\nHi",
        b"Date: Mon, 1 Jan 2024 10:00:00 +0000\nFrom a@b\n>From c\nSubject: x\n\nHi",
        b"Subject: x\rDate: Mon, 1 Jan 2024 10:00:00 +0000\r\rHi",
        b"Subject: x\nDate: Mon, 1 Jan 2024 10:00:00 +0000\nHi",
        "Subject: x\nDate: Mon, 1 Jan 2024 10:00:00 +0000\n\nHi".encode("utf-16"),
    ],
)
def test_malformed_headers_are_read(text: bytes) -> None:
    found = message(text)
    assert (found.subject, found.snippet, found.date) == ("x", "Hi", datetime(2024, 1, 1, 10, tzinfo=UTC))


HOSTILE = [
    "=?utf-8?Q?", "=?utf-8?Q?a?= ", "=?", "?=", "(", "<", '"', '"\\', '(<"', "a@x, ", "<a@b>", "a,", "from <a>", "Re:", ": ",
    "=?utf-8?B?\n ", " ", " at ", "(a) ", "1", "\n x", "a\n", "\\", "@", ">", "[",
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
@pytest.mark.slow
def test_hostile_headers_take_linear_time(unit: str) -> None:
    value = unit * (300_000 // len(unit))
    names = ("Subject", "From", "To", "Cc", "In-Reply-To", "References", "Message-ID", "Received", "Content-Type")
    started = time.process_time()
    message("Date: Mon, 1 Jan 2024 10:00:00 +0000\n" + "".join(f"{name}: {value}\n" for name in names) + "\nx")
    assert time.process_time() - started < 10


@given(
    st.binary(max_size=300), st.sampled_from(["Subject", "From", "To", "In-Reply-To", "Content-Type", "X-Gmail-Labels"])
)
def test_no_value_of_a_header_raises(value: bytes, name: str) -> None:
    message(f"{HEAD}{name}: ".encode() + value + b"\n\nBody\n")


@given(
    st.binary(max_size=200),
    st.sampled_from(["utf-8", "iso-2022-jp", "euc-jp", "big5", "utf-7", "utf-16", "hz", "x", "iso-2022-kr"]),
)
def test_no_bytes_in_any_charset_raise(data: bytes, charset: str) -> None:
    assert isinstance(decode(data, charset), str)
    assert isinstance(decode(data, None, charset), str)


@given(
    st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" "), min_size=1, max_size=100)
    .map(str.split)
    .map(" ".join)
    .filter(bool),
)
def test_a_subject_that_the_standard_library_writes_is_read(subject: str) -> None:
    written = EmailMessage(policy.SMTP)
    written["Subject"] = subject
    written["Date"] = "Mon, 1 Jan 2024 10:00:00 +0000"
    written.set_content("Body")
    found = message(written.as_bytes())
    assert found.subject == subject or "=?" in subject
    assert found.snippet == "Body"
