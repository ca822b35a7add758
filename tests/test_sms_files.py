"""Real SMS files: invalid XML, kinds of messages, groups, forms of numbers, CSV with open quotes. Nothing is lost."""

from __future__ import annotations

import csv
import gzip
import io
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.errors import Misconfigured
from service.sources import sms_xml
from service.sources.file_limits import Limits
from service.sources.phone_numbers import Peers
from service.sources.sms_fields import date_of
from service.sources.sms_files import Sms, Unusable, read
from tests.examples import examples
from tests.sms_imports import COLLECTION, imported

WHEN = "2024-07-01T12:00:00Z"


def entries(
    path: Path, data: str | bytes, *, limits: Limits | None = None, region: str | None = None
) -> list[Sms | str]:
    (path / "sms").write_bytes(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)
    return [found for _name, _number, found in read(str(path / "sms"), limits=limits or Limits(), region=region)]


def texts(found: list[Sms | str]) -> list[str]:
    assert [one for one in found if isinstance(one, str)] == []
    return [one.text for one in found if isinstance(one, Sms)]


def xml(*elements: str, head: str = "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>") -> str:
    return f'{head}\n<smses count="{len(elements)}">\n' + "\n".join(elements) + "\n</smses>"


def sms(
    body: str = "x", *, kind: str = "1", address: str = "+15550100001", read: str = "1", date: int = 1709632800000
) -> str:
    return (
        f'<sms address="{address}" date="{date}" type="{kind}" body="{body}" read="{read}" contact_name="(Unknown)" />'
    )


def mms(
    address: str, text: str = "x", *, box: str = "1", more: str = "", parts: str = "", date: int = 1709632800000
) -> str:
    return (
        f'<mms date="{date}" msg_box="{box}" address="{address}" read="1" {more}><parts>'
        f'<part ct="application/smil" text="&lt;smil/&gt;" /><part ct="text/plain" text="{text}" />{parts}</parts>'
        '<addrs><addr address="+15550100007" type="137" /><addr address="+15550100008" type="151" /></addrs></mms>'
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("Yup &#xD83D;&#xDC4C;", "Yup 👌"), ("&#55357;&#56396;", "👌"), ("&#xd83d;&#56396;", "👌"), ("&#x1F44C;", "👌"),
        ("a&#xD83D;b", "a\ufffdb"), ("&#xDC4C;&#xD83D;", "\ufffd\ufffd"), ("&#0;&#1;x&#31;", " x "), ("a\x01b", "a b"),
        ("&#x110000;&#xFFFF;", "\ufffd\ufffd"), ("Tom & Jerry &nbsp; &amp;c", "Tom & Jerry &nbsp; &c"), ("\ud83d\udc4c", "👌"),
        ("a&#10;b&#38;amp;", "a\nb&amp;"), ("&lt;b&gt; &quot;&#34;", '<b> ""'), ("null", "null"), ("", ""),
    ],
)  # fmt: skip
def test_characters_that_xml_forbids(body: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert texts(entries(tmp_path, xml(sms("first"), sms(body), sms("last")))) == ["first", text, "last"]
    monkeypatch.setattr(sms_xml, "CHUNK", 1_000)
    for shift in range(80):  # wherever the parts in which the file is read end
        padding = " " * (sms_xml.CHUNK - 200 + shift)
        assert texts(entries(tmp_path, xml(padding + sms(body), sms("last")))) == [text, "last"]


@pytest.mark.parametrize("body", ["a<b", '"', "<<", 'say "hi" & <b>', "a</sms>", "x' <!-- ", '<sms body="'])
def test_an_element_that_is_not_valid_rejects_only_itself(body: str, tmp_path: Path) -> None:
    shifts = range(0, 80, 8) if body == "a<b" else (0,)
    for shift in shifts:  # wherever the parts in which the file is read end
        padding = " " * (2**16 - 250 + shift) if shift else ""
        found = entries(
            tmp_path, xml(padding + sms("first"), sms(body), mms("1", "second"), mms("2", body), sms("last"))
        )
        assert [one.text for one in found if isinstance(one, Sms)] == ["first", "second", "last"]
        rejected = [one for one in found if isinstance(one, Unusable)]
        assert len(rejected) == len(found) - 3 >= 2
        assert all(one.startswith("is not valid XML (") and body[:3].encode() in one.text for one in rejected[:1])


def test_encodings_of_xml(tmp_path: Path) -> None:
    body = xml(sms("Grüße €"))
    for encoding in ("utf-16", "utf-8-sig"):
        assert texts(entries(tmp_path, body.encode(encoding))) == ["Grüße €"]
    for declared, encoding in (("windows-1252", "cp1252"), ("ISO-8859-1", "cp1252"), ("windows-1251", "cp1251")):
        text = "Привет" if encoding == "cp1251" else "Grüße €"
        data = xml(sms(text), head=f"<?xml version='1.0' encoding='{declared}'?>").encode(encoding)
        assert texts(entries(tmp_path, data)) == [text]


def test_kinds_and_marks_of_android(tmp_path: Path) -> None:
    found = entries(tmp_path, xml(*(sms(kind=kind, read="null") for kind in "1234567")))
    assert [(one.direction, one.is_draft, one.read) if isinstance(one, Sms) else one for one in found] == [
        ("inbound", False, None), ("outbound", False, None), ("outbound", True, None), ("outbound", False, None),
        ("outbound", False, None), ("outbound", False, None), "direction '7' must be inbound or outbound",
    ]  # fmt: skip


def test_a_conversation_of_drafts_is_a_draft(tmp_path: Path) -> None:
    (tmp_path / "sms.xml").write_text(
        xml(sms(kind="3"), sms("y", kind="3", address="5"), sms("z", kind="2", address="5"))
    )
    assert sorted((one.status or "", one.message_count) for one in imported(tmp_path / "sms.xml")[0]) == [
        ("active", 2),
        ("draft", 1),
    ]


def test_mms_have_subjects_and_attachments(tmp_path: Path) -> None:
    picture = '<part ct="image/jpeg" data="AAAA" /><part ct="text/x-vCard" text="null" />'
    mojibake = "Grüße".encode().decode("latin-1")
    found = entries(tmp_path, xml(
        mms("1", "hello", more='sub="Holiday"', parts=picture), mms("1", "hello", more='sub="null"'),
        mms("1", "", more=f'sub="{mojibake}" sub_cs="106"'), mms("null", box="1"), mms("", box="2"),
    ))  # fmt: skip
    assert [(one.text, one.attachments, one.peer) for one in found if isinstance(one, Sms)] == [
        ("Holiday\nhello", 2, "1"), ("hello", 0, "1"), ("Grüße", 0, "1"), ("x", 0, "+15550100007"), ("x", 0, "+15550100008"),
    ]  # fmt: skip
    (tmp_path / "one.xml").write_text(xml(mms("1", "hello", parts=picture)))
    assert imported(tmp_path / "one.xml")[0][0].metadata.attachment_count == 2


def test_a_group_is_one_conversation_in_any_order(tmp_path: Path) -> None:
    members = ["+15550100001", "+1 (555) 010-0002", "+15550100003"]
    orders = ([0, 1, 2], [2, 0, 1], [1, 0, 2])
    (tmp_path / "sms.xml").write_text(xml(*(
        mms("~".join(members[at] for at in order), date=1709632800000 + number) for number, order in enumerate(orders)
    )))  # fmt: skip
    found, _rejected, _counts = imported(tmp_path / "sms.xml")
    assert [one.message_count for one in found] == [3]


@pytest.mark.parametrize(
    ("region", "same"),
    [
        (None, ["+49 170 1234567", "+49(0)170/1234567", "tel:+49-170-1234567", "\u202a+49 170 1234567\u202c", "＋４９１７０１２３４５６７"]),
        ("DE", ["+49 170 1234567", "0170 1234567", "0049 170 1234567", "(0170) 12345-67", "٠١٧٠١٢٣٤٥٦٧"]),
        (None, ["+491701234567", "'+491701234567"]),
        (None, ["491701234567", "491701234567.0"]),
        ("us", ["+1 201-555-0123", "(201) 555-0123", "1-201-555-0123", "011 1 201 555 0123"]),
    ],
)  # fmt: skip
def test_a_number_is_one_in_all_its_forms(region: str | None, same: list[str]) -> None:
    assert len({Peers(region).of(number) for number in same}) == 1


def test_other_peers_are_kept_apart() -> None:
    peers = Peers("DE")
    different = [
        "j.doe@x.org",
        "jdoe@x.org",
        "A-B",
        "AB",
        "Dr. Who",
        "DrWho",
        "110",
        "11 0 11",
        "ISB-BANK",
        "I.S.B",
        "DHL",
        "0170 1234567",
    ]
    assert len({peers.of(peer) for peer in different}) == len(different)
    assert peers.of("J.Doe@X.org") == "j.doe@x.org"
    assert Peers().of("0170 1234567") != Peers().of(
        "+49 170 1234567"
    )  # without a region, nothing says that it is German
    assert Peers().of("0170 123-4567") == "01701234567"
    assert [Peers().of(peer) for peer in ("", " ", "null", "~", "insert-address-token")] == [""] * 5
    with pytest.raises(Misconfigured, match="two letters"):
        Peers("Germany")


def test_broken_xml_loses_only_the_rest_of_its_file(tmp_path: Path) -> None:
    whole = xml(sms("1"), sms("2"), sms("3"))
    cut = entries(tmp_path, whole[: whole.index(' body="3"')])
    assert texts(cut[:2]) == ["1", "2"]
    assert cut[2] == "is not complete, valid XML after message 2: unclosed token: line 5, column 0"
    packed = entries(tmp_path, gzip.compress(whole.encode())[:-9])
    assert isinstance(packed[-1], str)
    assert "incomplete or damaged" in packed[-1]
    for entity in ('<!DOCTYPE x [<!ENTITY a "b">]>', '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'):
        (only,) = entries(tmp_path, entity + whole)
        assert "declares entities" in str(only)


SMALL = Limits(line=20_000, element=200_000)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (xml("<mms>" * 100_000), "nested more than 16 deep"),
        (xml("<x>" * 100_000), "nested more than 16 deep"),
        (xml(sms("1"), sms("é ä" * 200_000)), ": an element is longer than 200,000 bytes"),
        (xml("<mms date='1' address='1' msg_box='1'>" + "<mms/>" * 3 + "</mms>"), "inside another message"),
        (xml("<sms " + "a" * 900_000), "valid XML"),
            (xml("<sms <" * 100_000), "not complete, valid XML"),
        ("<" + "a" * 900_000, "not complete, valid XML"),
        ("<a>" + "<b/>" * 300_000 + "</a", "not complete, valid XML"),
        (f"date,peer,text\n{WHEN},1,{'x' * 900_000}\n{WHEN},1,y\n", "longer than 20,000 bytes"),
        ("date,peer,text" + "x" * 900_000 + f"\n{WHEN},1,y\n", "longer than 20,000 bytes"),
        ("x" * 900_000, "longer than 20,000 bytes"),
        ("\n" * 3_000_000 + "date\n", "lacks peer, text"),
        ("," * 9_000 + "\0" + "," * 9_000 + "r\n", "lacks peer, date, text"),
        ("a;" * 9_000 + "\0\n", "lacks peer, date, text"),
        ('date,peer,text\n' + '"\n' * 100_000, "has no peer number"),
        ('date,peer,text\n' + '"a""\n' * 100_000, "has no peer number"),
        ("date,peer,text\n" + '"' * 19_000 + "\n" + ',"' * 9_000 + "\n", "has no peer number"),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_a_hostile_file_ends_in_rejects_in_bounded_time(data: str, problem: str, tmp_path: Path) -> None:
    started = time.process_time()
    found = entries(tmp_path, data, limits=SMALL)
    assert time.process_time() - started < 5
    assert any(problem in one for one in found if isinstance(one, str)), found[:5]


def test_pictures_in_a_backup_are_passed_over_whatever_their_size(tmp_path: Path) -> None:
    picture = f'<part ct="image/jpeg" data="{"QUJD" * 500_000}" />'
    found = entries(tmp_path, xml(mms("1", "a", parts=picture), mms("1", "b")), limits=Limits(element=1_000_000))
    assert texts(found) == ["a", "b"]
    assert [one.attachments for one in found if isinstance(one, Sms)] == [1, 0]


# ---- CSV


def test_every_line_of_the_collection_is_a_message_or_a_reject(tmp_path: Path) -> None:
    """Tabs separate the fields, so quotes are text. Uses the collection in ../shared/data, if it exists."""
    if COLLECTION.exists():
        lines = gzip.decompress(COLLECTION.read_bytes()).decode().splitlines()[1:]
        assert len(lines) == 5_574
    else:
        lines = [
            f"ham\t{quote}message {number}{quote[:-1]}" for number in range(300) for quote in ('"', '""', "", 'a"')
        ]
    expected = [line.partition("\t")[2] for line in lines]
    head = "label\ttext\tpeer\tdate\n"
    last = "".join(f"{line}\t1\t{WHEN}\n" for line in lines)
    found = texts(entries(tmp_path, head + last))
    assert [text.replace('"', "") for text in found] == [text.replace('"', "") for text in expected]
    first = "peer\tdate\ttext\n" + "".join(f"1\t{WHEN}\t{text}\n" for text in expected)
    assert len(entries(tmp_path, first)) == len(lines)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (f'peer,date,text\n1,{WHEN},"open\n1,{WHEN},b\n1,{WHEN},c"\n', ['"open', "b", 'c"']),
        (f'text,peer,date\n"open,1,{WHEN}\nb,1,{WHEN}\n', ['"open', "b"]),
        (f'peer,date,text\n1,{WHEN},"two\nlines"\n1,{WHEN},c\n', ["two\nlines", "c"]),
        (f'peer,date,text\r\n1,{WHEN},"two\r\n\r\nlines"\r\n', ["two\n\nlines"]),
        (f'peer,date,text\n1,{WHEN},"say ""hi"", you"\n', ['say "hi", you']),
        (f'peer,date,text\n1,{WHEN},"Hello" she said\n', ['"Hello" she said']),
        (f'peer,date,text\n1,{WHEN},Hello, you, there\n', ["Hello, you, there"]),
        (f'PEER;Date; Text \n1;{WHEN};a\n', ["a"]),
        (f'"Peer","DATE","text"\n"1","{WHEN}","a"\n', ["a"]),
        (f'sep=;\npeer;date;text\n1;{WHEN};a\n', ["a"]),
        (f'peer|date|text\n1|{WHEN}|a\n', ["a"]),
        (f'name,with,commas\tpeer\tdate\ttext\nx\t1\t{WHEN}\ta\n', ["a"]),
        (f'\n\npeer,date,text\n\n1,{WHEN},a\n\n', ["a"]),
        (f'peer,date,text\r1,{WHEN},a\r1,{WHEN},b\r', ["a", "b"]),
        (f'peer,date,text\n1,{WHEN},{"x" * 200_000}\n', ["x" * 200_000]),
        (f'\ufeffpeer,date,text\n1,{WHEN},a', ["a"]),
    ],
)  # fmt: skip
def test_csv_in_its_dialects(data: str, expected: list[str], tmp_path: Path) -> None:
    assert texts(entries(tmp_path, data)) == expected
    if "\ufeff" not in data:
        assert texts(entries(tmp_path, data.encode("utf-16"))) == expected
        assert texts(entries(tmp_path, data.encode("utf-16-le"))) == expected


def test_a_line_with_too_many_fields_is_a_reject(tmp_path: Path) -> None:
    found = entries(tmp_path, f"peer,text,date\n1,a,b,{WHEN}\n1,a,{WHEN}\n1,a,{WHEN},,\n")
    assert found[0] == "has 4 fields, not 3: quote a text that holds the separator"
    assert texts(found[1:]) == ["a", "a"]


def test_another_encoding_is_reported_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = f"peer,date,text\n1,{WHEN},Grüße €\n1,{WHEN},Grüße\n".encode("cp1252")
    assert texts(entries(tmp_path, data)) == ["Grüße €", "Grüße"]
    assert capsys.readouterr().err.count("is not UTF-8: it is read as Windows-1252") == 1


ROWS = st.lists(
    st.text(st.characters(blacklist_categories=("Cs", "Cc")) | st.sampled_from('",\t;\n "'), max_size=12), max_size=6
)


@settings(max_examples=examples(200))
@given(ROWS, st.sampled_from([",", ";", "\t", "|"]), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
@example(["\n;"], ";", csv.QUOTE_ALL)
@example(["\n1;0"], ";", csv.QUOTE_ALL)
def test_written_csv_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str], separator: str, quoting: int
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=separator, quoting=quoting, lineterminator="\n")  # type: ignore[arg-type]
    writer.writerow(["peer", "text", "date"])
    writer.writerows([["1", text, WHEN] for text in rows])
    assert texts(entries(tmp_path_factory.mktemp("csv"), file.getvalue())) == rows


@settings(max_examples=examples(200))
@given(
    st.lists(
        st.text(st.characters(blacklist_categories=("Cs", "Cc")) | st.sampled_from('",\t '), max_size=12), max_size=8
    )
)
def test_unquoted_lines_are_as_many_as_their_messages_and_rejects(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str]
) -> None:
    lines = [text.replace("\n", " ").replace("\t", " ") for text in rows]
    data = "peer\tdate\ttext\n" + "".join(f"1\t{WHEN}\t{text}\n" for text in lines)
    assert len(entries(tmp_path_factory.mktemp("tsv"), data)) == len(lines)


@pytest.mark.parametrize(
    ("data", "begin"),
    [
        ('<calls count="1"><call number="+15550100001" date="1709632800000" type="1" /></calls>', "calls"),
        ("<html/>", "html"),
    ],
)
def test_a_file_without_messages_is_reported(tmp_path: Path, data: str, begin: str) -> None:
    """The app saves calls in a separate file, calls-*.xml."""
    (found,) = entries(tmp_path, f"<?xml version='1.0' encoding='UTF-8'?>\n{data}")
    assert isinstance(found, str)
    assert f"holds no messages: it begins with <{begin}>" in found
    assert entries(tmp_path, xml()) == []


NOON = datetime(2024, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        WHEN, "1719835200000", "1719835200", "1719835200000000", "1719835200000000000", "1719835200.000", "2024-07-01 12:00:00",
        "2024-07-01 12:00", "2024-07-01T12:00", "2024/07/01 12:00:00", "2024-07-01 14:00:00 +0200", "2024-07-01 14:00:00+02:00",
        "2024-07-01 12:00:00.123 UTC", "01.07.2024 12:00", "01.07.2024, 12:00:00", "Jul 1, 2024 12:00:00 PM", "1 Jul 2024 12:00",
        "Mon, 1 Jul 2024 14:00:00 +0200", "Mon Jul  1 12:00:00 2024", "20240701T120000Z", "20240701120000",
        "202407011200", "20240701-120000", "20240701 120000", "Jul 1, 2024, 12:00:00\u202fPM",
    ],
)  # fmt: skip
def test_dates(text: str) -> None:
    assert date_of(text.replace("2024, 12", "2024 12")).replace(microsecond=0) == NOON


@pytest.mark.parametrize("text", ["", "never", "01/02/2024 12:00", "2024-13-01", "9" * 30, "-5", "1960-01-01", "²"])
def test_dates_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="date"):
        date_of(text)
