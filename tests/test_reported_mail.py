"""Small inputs from public bug reports about mail software, with the right results: one line each.

They come from issues of Zammad, Thunderbird, MimeKit, sup, notmuch, piler, ddeboer/imap, mail-parser and others, with made-up
names and addresses.
"""

from __future__ import annotations

import pytest

from service.sources.addresses import addresses
from service.sources.dates import parse_date
from service.sources.snippets import snippet
from service.sources.threads import normalised_subject
from tests.mail_imports import HEAD, message


def latin(text: str) -> str:
    return text.encode().decode("latin-1")


@pytest.mark.parametrize(
    ("value", "subject"),
    [
        ('[SUSPECTED SPAM]=?utf-8?B?VGhpcyBpcyB0aGUgb3JpZ2luYWw=?=', '[SUSPECTED SPAM]This is the original'),
        ('Some text here =?utf-8?Q??=', 'Some text here'),
        ('=?utf-8?B?QVc6IEdyb8OfZSBHZWJ1cnRzdGFncy1QYXJ0eSBpbSBN?=\n\t=?utf-8?B?YWkgKGljaCk=?=', 'AW: Große Geburtstags-Party im Mai (ich)'),
        ('=?ISO-8859-1?Q?PUNKDISTRO mailorder news 24.04.2015 / PISSE LP pr?=\n    =?ISO-8859-1?Q?e-order?=', 'PUNKDISTRO mailorder news 24.04.2015 / PISSE LP pre-order'),
        ('=?UTF-8?B??==?UTF-8?Q?=54?==?UTF-8?B??==?UTF-8?Q?=69?==?UTF-8?Q?=72?==?UTF-8?B??==?UTF-8?Q?=65?==?UTF-8?Q?=64?=', 'Tired'),
        ('=?ISO-8859-15?Q?Notificaci=F3n=20de=20conexi=F3n=20=A4?=', 'Notificación de conexión €'),
        ('=?utf-8?q?aktivn=C4=9B?= =?utf-8?q?zneu=C5=BE=C3=ADvanou?= zranitelnost', 'aktivnězneužívanou zranitelnost'),
        ('=?UTF-8?Q?a=E2=80=A8b=0D=0ADate=3A_1999?=', 'a b Date: 1999'),
        ('=?utf-8?Q?Re:_=5BTicket_=2312=5D?=', 'Re: [Ticket #12]'),
        ('=?UTF-8*en?Q?caf=C3=A9?=', 'café'),
        ('=?iso-8859-1?q?this=20is=20some=20text?=', 'this is some text'),
        ('=?us-ascii?Q?caf=E9?=', 'café'),
        ('=?utf-8?B?Y2Fmw6k?=', 'café'),
        ('=?utf-8?B?Y2Fmw6k==?=', 'café'),
        ('=?UTF-8?Q?Invoice=201=?=', 'Invoice 1='),
        ('=?windows-1258?Q?Vi=EA=F2t?=', 'Việt'),
        ('=?utf-7?Q?Gr+APwA3w-e?=', 'Grüße'),
        ('=?ks_c_5601-1987?B?vsiz58fPvLy/5A==?=', '안녕하세요'),
        ('=?gb18030?Q?=B9=FE=B9=FE?=', '哈哈'),
        ('=?koi8-u?B?8NLJ18XU?=', 'Привет'),
        ('=?cp1251?Q?=CF=F0=E8=E2=E5=F2?=', 'Привет'),
        ('=?ISO-2022-JP?B?GyRCJWElQyU7ITwlOBsoQg==?=', 'メッセージ'),
        ('=?iso-2022-jp?B?GyRCLWobKEI=?=', '㈱'),
        ('=?SHIFT-JIS?B?g4GDYoNagVuDVw==?=', 'メッセージ'),
        ('=?unicode-1-1-utf-7?Q?+AOk-t+AOk-?=', 'été'),
        ('=?latin1?Q?=E9t=E9?=', 'été'),
        ('=?iso8859-1?Q?=E9t=E9?=', 'été'),
        ('=?ISO_8859-1?Q?=E9t=E9?=', 'été'),
        ('=?macintosh?Q?=8Et=8E?=', 'été'),
        ('=?ibm850?Q?=82t=82?=', 'été'),
        ('=?cp437?Q?=82t=82?=', 'été'),
        ('=?iso-8859-16?Q?=AAi?=', 'Și'),
        ('=?iso-8859-8-i?B?+ezl7Q==?=', 'שלום'),
        ('=?UTF-8?Q?=F0=9F=98?= =?UTF-8?Q?=80_ok?=', '😀 ok'),
        ('=?utf-8?q?a?=b=?utf-8?q?c?=', 'abc'),
        ('(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)', '(ab)'),
        ('a\\tb', 'a\\tb'),
    ],
)  # fmt: skip
def test_subjects(value: str, subject: str) -> None:
    assert message(f"{HEAD}Subject: {value}\n\n").subject == subject


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ('"Tan Tanaka,<dtantanaka@verisign.com>', [('Tan Tanaka', 'dtantanaka@verisign.com')]),
        ('John Smith, Jr <johnsmith@example.com>', [('John Smith, Jr', 'johnsmith@example.com')]),
        ('=?iso-8859-1?Q?L=F6stname=2C_Firstname_-_COMPANY?=\n \t<F.Loestname@company.com>', [('Löstname, Firstname - COMPANY', 'f.loestname@company.com')]),
        ('simple@example.net, =?UTF-8?Q?John_=22Johnny=22_Doe?= <john.doe@example.com>', [(None, 'simple@example.net'), ('John "Johnny" Doe', 'john.doe@example.com')]),
        ('Joe Foo, PhD <joe@example.com>', [('Joe Foo, PhD', 'joe@example.com')]),
        ('"Smith, J." <j@x.org>, "Doe, A." <a@x.org>', [('Smith, J.', 'j@x.org'), ('Doe, A.', 'a@x.org')]),
        ('A Group:Ed Jones <joe@a.test>,joe@where.test,John <jdoe@one.test>;', [('Ed Jones', 'joe@a.test'), (None, 'joe@where.test'), ('John', 'jdoe@one.test')]),
        ('Undisclosed recipients:;', []),
        ('<mailto:jane@example.com>', [(None, 'jane@example.com')]),
        ('Jane <jane@example.com> (Office)', [('Jane', 'jane@example.com')]),
        ('jane@example.com (Jane Doe)', [('Jane Doe', 'jane@example.com')]),
        ("'jane@example.com' <jane@example.com>", [('jane@example.com', 'jane@example.com')]),
        ('"Jane Doe (Acme)" <jane@example.com>', [('Jane Doe (Acme)', 'jane@example.com')]),
        ('Jane [Support] <jane@example.com>', [('Jane [Support]', 'jane@example.com')]),
        ('Jane Doe via List <list@example.com>', [('Jane Doe via List', 'list@example.com')]),
        ('"=?utf-8?Q?J=C3=A4ne?=" <jane@example.com>', [('Jäne', 'jane@example.com')]),
        ('Jane Doe<jane@example.com>', [('Jane Doe', 'jane@example.com')]),
        ('Jane <jane@münchen.example>', [('Jane', 'jane@münchen.example')]),
        ('jane@example.com <jane@example.com>, <bob@example.com>', [('jane@example.com', 'jane@example.com'), (None, 'bob@example.com')]),
        ('Jane Doe <jane@example.com', [('Jane Doe', 'jane@example.com')]),
        ('Jane Doe jane@example.com', [('Jane Doe', 'jane@example.com')]),
        ('"jane doe"@example.com', [(None, '"jane doe"@example.com')]),
        ('Jane <@relay.example:jane@example.com>', [('Jane', 'jane@example.com')]),
        ('a@x.org; b@x.org', [(None, 'a@x.org'), (None, 'b@x.org')]),
        ('=?utf-8?B?SmFuZSA8amFuZUBleGFtcGxlLmNvbT4=?=', [('Jane', 'jane@example.com')]),
        ('"Jane\\"J\\" Doe" <jane@example.com>', [('Jane"J" Doe', 'jane@example.com')]),
        ('"Jane at Home" <jane@example.com>', [('Jane at Home', 'jane@example.com')]),
        ('jane+tag@example.com', [(None, 'jane+tag@example.com')]),
        ("o'brien@example.com", [(None, "o'brien@example.com")]),
        ("O'Brien, Pat <pat.o'brien@example.com>", [("O'Brien, Pat", "pat.o'brien@example.com")]),
        ('Jane <jane@[192.168.0.1]>', [('Jane', 'jane@[192.168.0.1]')]),
        ("=?gb2312?B?086yyZjl?= user@example.com", [("游采樺", "user@example.com")]),
    ],
)  # fmt: skip
def test_senders(value: str, found: list[tuple[str | None, str | None]]) -> None:
    assert [(one.name, one.email) for one in addresses([latin(value)])] == found


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ('Thu, 1 Oct 2015 14:40:57 +0200 (Mitteleuropäische Sommerzeit)', '2015-10-01T12:40:57'),
        ('lör, 29 maj 1999 00:24:04 +0200 (CEST)', '1999-05-28T22:24:04'),
        ('Di, 17 Mai 2005 12:31:00 0200', '2005-05-17T10:31:00'),
        ('Thu, 6 Oct 2022 12:27:13 +0200 (GMT+02:00)', '2022-10-06T10:27:13'),
        ('Thu, 3 Sep 2015 19:23:42 -0700 (GMT-07:00)', '2015-09-04T02:23:42'),
        ('Fri, 28 Feb 92 11:07:59 MEZ', '1992-02-28T10:07:59'),
        ('17 Jul 2012 19.38.50', '2012-07-17T19:38:50'),
        ('Tue, 17 Jul 2012 19.38.50 +0200', '2012-07-17T17:38:50'),
        ('Wed, 14 Aug 2019 15:26:28 +0200 (W. Europe Daylight Time)', '2019-08-14T13:26:28'),
        ('Mon, 05-Feb-07 10:11:12 GMT', '2007-02-05T10:11:12'),
        ('Monday, 5 February 2007 10:11:12 -0500', '2007-02-05T15:11:12'),
        ('Sun Nov  6 08:49:37 1994', '1994-11-06T08:49:37'),
        ('2007-02-05T10:11:12Z', '2007-02-05T10:11:12'),
        ('2007-02-05T10:11:12.123+01:00', '2007-02-05T09:11:12'),
        ('20070205T101112Z', '2007-02-05T10:11:12'),
        ('Mon, 5 Feb 2007 10:11:12 PST', '2007-02-05T18:11:12'),
        ('Mon, 5 Feb 2007 10:11:12 pm', '2007-02-05T22:11:12'),
        ('Mon, 5 Feb 2007 24:00:00 +0000', '2007-02-06T00:00:00'),
        ('Mon, 5 Feb 2007 10:11:12 +0000 (UTC) (extra)', '2007-02-05T10:11:12'),
        ('Mon,5 Feb 2007 10:11:12 +0000', '2007-02-05T10:11:12'),
        ('5 Feb 2007 10:11:12', '2007-02-05T10:11:12'),
        ('Mon, 5 Feb 107 10:11:12 +0000', '2007-02-05T10:11:12'),
        ('Feb 5, 2007 10:11 AM', '2007-02-05T10:11:00'),
        ('lunes, 5 de febrero de 2007 10:11:12 +0100', '2007-02-05T09:11:12'),
        ('Mon, 5 Feb 2007 10:11:12 - 0500', '2007-02-05T15:11:12'),
        ('Mon, 5 Feb 2007 10:11:12 =?ISO-8859-1?Q?Hora_est=E1ndar_romance?=', '2007-02-05T10:11:12'),
        ('Mon, 5 Feb 2007 10:11:12 GMT-0500', '2007-02-05T15:11:12'),
        ('Mon, 5 Feb 2007 10:11:12 GMT-05:00', '2007-02-05T15:11:12'),
        ('Mon, 05 Feb 2007 10:11:12 EST5EDT', '2007-02-05T15:11:12'),
        ('Thu, 01 Jan 1970 00:00:00 GMT', '1970-01-01T00:00:00'),
    ],
)  # fmt: skip
def test_dates(text: str, date: str) -> None:
    found = parse_date(latin(text))
    assert found is not None
    assert found.replace(microsecond=0).isoformat() == f"{date}+00:00"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('Svar her.\n\nons. 26. aug. 2026 kl. 14:05 skrev Globex Support <demo@getmunin.com\n>:\n\n> Hei\n', 'Svar her.'),
        ('Tak.\n\nFra: Ada <ada@x.org>\nSendt: 5. marts 2024 10:00\nTil: Bo <bo@x.org>\nEmne: Sag\n\nGammel besked her\n', 'Tak.'),
        ('Hi S.,\n\nThanks.\n\n----------- Original Message -----------\nFrom: "S."\nDate: Monday, July 24th 2023 at 3:59 pm\nSubject: Sync\nTo: "R." ,\n\n> Hey\n > x\n', 'Hi S., Thanks.'),
        ('Yes.\n\nOn Tue, Mar 5, 2024 at 10:00 AM Jane <jane@example.com> wrote:\n\n> Could you?\n', 'Yes.'),
        ('Yes.\n\nOn Tue, Mar 5, 2024 at 10:00 AM Jane Doe via Support <\nsupport@example.com> wrote:\n> Could you?\n', 'Yes.'),
        ('Ok.\n\nLe mar. 5 mars 2024 à 10:00, Jane <jane@example.com> a écrit :\n> Bonjour\n', 'Ok.'),
        ('Ok.\n\nEl mar, 5 mar 2024 a las 10:00, Jane (<jane@example.com>) escribió:\n> Hola\n', 'Ok.'),
        ('Ok.\n\nIl giorno mar 5 mar 2024 alle ore 10:00 Jane <jane@example.com> ha scritto:\n> Ciao\n', 'Ok.'),
        ('Ok.\n\nEm ter., 5 de mar. de 2024 às 10:00, Jane <jane@example.com> escreveu:\n> Oi\n', 'Ok.'),
        ('Ok.\n\nOp di 5 mrt 2024 om 10:00 schreef Jane <jane@example.com>:\n> Hoi\n', 'Ok.'),
        ('Ok.\n\nDen tis 5 mars 2024 kl 10:00 skrev Jane <jane@example.com>:\n> Hej\n', 'Ok.'),
        ('Ok.\n\nwt., 5 mar 2024 o 10:00 Jane <jane@example.com> napisał(a):\n> Hej\n', 'Ok.'),
        ('Ok.\n\nút 5. 3. 2024 v 10:00 odesílatel Jane <jane@example.com> napsal:\n> Ahoj\n', 'Ok.'),
        ('Ok.\n\n2024年3月5日(火) 10:00 Jane <jane@example.com>:\n> こんにちは\n', 'Ok.'),
        ('Ok.\n\nJane <jane@example.com> 于2024年3月5日周二 10:00写道：\n> 你好\n', 'Ok.'),
        ('Ok.\n\n2024년 3월 5일 (화) 오전 10:00, Jane <jane@example.com>님이 작성:\n> 안녕\n', 'Ok.'),
        ('Ok.\n\nвт, 5 мар. 2024 г. в 10:00, Jane <jane@example.com>:\n> Привет\n', 'Ok.'),
        ('Ok.\n\nAm Di., 5. März 2024 um 10:00 Uhr schrieb Jane <jane@example.com>:\n> Hallo\n', 'Ok.'),
        ('Ok.\n\nJane <jane@example.com>, 5 Mar 2024 Sal, 10:00 tarihinde şunu yazdı:\n> Merhaba\n', 'Ok.'),
        ('Ok.\n\nVào Th 3, 5 thg 3, 2024 vào lúc 10:00 Jane <jane@example.com> đã viết:\n> Chào\n', 'Ok.'),
        ('Ok.\n\n-----Ursprüngliche Nachricht-----\nVon: Jane\nGesendet: Dienstag\nAn: Bo\nBetreff: x\n\nalt\n', 'Ok.'),
        ('Ok.\n\n________________________________\nFrom: Jane <jane@example.com>\nSent: Tuesday\nTo: Bo\nSubject: x\n\nold\n', 'Ok.'),
        ('Ok.\n\n*From:* Jane <jane@example.com>\n*Sent:* Tuesday\n*To:* Bo\n*Subject:* x\n\nold\n', 'Ok.'),
        ('Ok.\n\n---- On Tue, 05 Mar 2024 10:00:00 +0000 Jane <jane@example.com> wrote ----\n\n> old\n', 'Ok.'),
        ('Ok.\n\n---- On Tue, 05 Mar 2024 10:00:00 +0000 Jane <jane@example.com> wrote ---\n\nold\n', 'Ok.'),
        ('Ok\n\n-- \nJane\nAcme\n', 'Ok'),
        ('Ok\n\nSent from my iPhone\n', 'Ok'),
        ('Ok\n\nSent from my iPhone\n\n> On 5 Mar 2024, at 10:00, Jane <jane@example.com> wrote:\n> \n> old\n', 'Ok'),
        ('##- Please type your reply above this line -##\n\nHello', 'Hello'),
        ('On Tuesday I wrote: the book is here', 'On Tuesday I wrote: the book is here'),
        ('Here is the list:\n- one\n- two\n', 'Here is the list: - one - two'),
        ('> quoted only\n', None),
        ('Ok.\n\nJane Doe <jane@example.com> schrieb am Di., 5. März 2024, 10:00:\n> Hallo\n', 'Ok.'),
        ('Ok.\n\nJane Doe <jane@example.com> kirjoitti 5.3.2024 kello 10.00:\n> Hei\n', 'Ok.'),
        ('Ok.\n\nJane Doe wrote on 05/03/2024 10:00:\n> Hello\n', 'Ok.'),
        ('Ok.\n\nQuoting Jane <jane@example.com>:\n> Hello\n', 'Ok.'),
        ('Ok.\n\nFrom: Jane Doe [mailto:jane@example.com]\nSent: Tuesday, 5 March 2024 10:00\nTo: Bo\nSubject: RE: x\n\nold\n', 'Ok.'),
        ('Ok.\n\nDe : Jane <jane@example.com>\nEnvoyé : mardi 5 mars 2024 10:00\nÀ : Bo\nObjet : x\n\nold\n', 'Ok.'),
        ('Ok.\n\nDe: Jane <jane@example.com>\nEnviado el: martes, 5 de marzo de 2024 10:00\nPara: Bo\nAsunto: x\n\nold\n', 'Ok.'),
        ('Ok.\n\nDa: Jane <jane@example.com>\nInviato: martedì 5 marzo 2024 10:00\nA: Bo\nOggetto: x\n\nold\n', 'Ok.'),
        ('Ok.\n\n发件人: Jane <jane@example.com>\n发送时间: 2024年3月5日 10:00\n收件人: Bo\n主题: x\n\nold\n', 'Ok.'),
        ('Ok.\n\n差出人: Jane <jane@example.com>\n送信日時: 2024年3月5日 10:00\n宛先: Bo\n件名: x\n\nold\n', 'Ok.'),
    ],
)  # fmt: skip
def test_snippets(text: str, shown: str | None) -> None:
    assert snippet(text) == shown


@pytest.mark.parametrize(
    "subject",
    [
        "RE : x", "Re:Re:x", "Re:\u00a0x", "Aw: Re: x", "[list] Re: x", "Re: [list] Re: x", "Re(2): x", "Antw.: x", "AW：x",
        "回复: Re: x", "Réf. : x", "Re.: x", "RE: FW: [EXTERNAL] x", "[EXTERNAL] [list] Re: x", "Re: x (fwd)", "[Fwd: x]",
        "*** SPAM *** Re: x", "*****SPAM***** RE: x", "{SPAM?} Re: x", "Re: ***SPAM*** x", "Re-2: x", "RE RE: x", "На: x",
        "Resp: x", "TL: x", "Re :Fwd: x", "Re\t: x",
    ],
)  # fmt: skip
def test_reply_marks(subject: str) -> None:
    assert normalised_subject(subject) == ("x", True)


def test_utf_8_that_is_called_japanese_is_utf_8() -> None:
    head = f"{HEAD}Content-Type: text/plain; charset=iso-2022-jp\nContent-Transfer-Encoding: 7bit\n\n"
    assert message(head.encode() + "ほげ".encode()).snippet == "ほげ"
    assert message(head.encode() + "ほげ".encode("iso2022_jp")).snippet == "ほげ"
    assert message(head.encode() + "ほげ".encode("cp932")).snippet == "ほげ"
