"""Completions and corrections are words as they are written in a subject, in any script, and find something."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid5

import pytest

from service.conversation import Conversation, Metadata
from service.settings import Settings
from tests.corpus import ORGANIZATIONS
from tests.node.asking import ask
from tests.node.clusters import own_alias
from tests.node.serving import Api, serving

SUBJECTS = (
    "ordinary letters", "let flat agreement", "Quarterly newsletter", "work doesn’t end", "don’t forget", "don't panic",
    "I♥NY tour", "total 1,000 euro", "sum of 1,010 dollars", "1,00 and 01", "host 10.0.0.1 down", "e-mail follow-up", "node.js upgrade",
    "ask ada@example.com about C# and C++", "#BlackFriday sale for @ada_lovelace", "AT&T contract", "10² plots", "snake_case",
    "BİLDİRİMİ oku", "İstanbul", "l’eau potable", "un hôtel", "dell'arte", "Ｆｕｌｌ ｗｉｄｔｈ", "invoice for May", "covid-19",
    unicodedata.normalize("NFD", "Crème brûlée"), "पासवर्ड भूल गए", "क़ीमत", "বাংলা পাসওয়ার্ড", "கடவுச்சொல்", "పాస్‌వర్డ్",
    "ශ්‍රී ලංකා", "བཀྲ་ཤིས་བདེ་ལེགས།", "رمز عبور را می‌خواهم", "כניסה למערכת", "ใบเสร็จรับเงิน", "รหัสผ่านของคุณ", "ລະຫັດຜ່ານ", "ពាក្យសម្ងាត់",
    "စကားဝှက်", "キーボードの設定", "ワイヤレスキーボード", "ﾊﾟｽﾜｰﾄﾞ変更", "注文確認のお知らせ", "비밀번호 재설정", unicodedata.normalize("NFD", "영수증"),
    'דו"ח שנתי', "RG-2024-001 ready", "AB-12-34 sent", "KD/2024/07", "on 2031-05-17", "Rock'n'Roll night", "call +44 20 7946 0958, please",
    "გამარჯობა მეგობარო", "Բարեւ ձեզ", "Επαναφορά κωδικού", "обʼєкт знайдено", "የይለፍ ቃል", "đơn hàng", "Grüße aus Łódź",
    "[Fwd: striped zebra]", "parcel (fwd)", "դեպի Երևան",
)  # fmt: skip
NAMES = (
    "İstanbul", "istanbul", "Łódź Süd", "Two  spaces", "Comma, separated", "Full，comma", "Colon: name", '5" disk', '"all"',
    "„low“", "none", "any", "-minus", "(both)", "Straße", "日本 東京", "पासवर्ड", "Ａｂｃ", "b\\s", 'a""b', "«c»", "x’y", "OR",
)  # fmt: skip
SENDERS = {
    "한국@kr.kr": "김철수",
    "somchai@th.th": "สมชาย ใจดี",
    "o'neil@example.com": "Seán O’Neill",
    '"a b"@x.org': "Quoted",
}


@pytest.fixture(scope="module")
def written(settings: Settings, opensearch_url: str) -> Iterator[Api]:
    def conversation(subject: str, **fields: object) -> Conversation:
        uid = uuid5(ORGANIZATIONS[0], f"{subject}{fields}")
        return Conversation.model_validate(
            {
                "uid": uid,
                "organization_uid": ORGANIZATIONS[0],
                "subject": subject,
                "updated_on": datetime(2024, 1, 1, tzinfo=UTC),
            }
            | fields
        )

    with own_alias(settings, opensearch_url) as own:
        own.load([conversation(subject) for subject in SUBJECTS])
        own.load([conversation("named", categories=[name], metadata=Metadata(labels=[name])) for name in NAMES])
        own.load(
            [conversation("sent", metadata=Metadata(from_email=at, from_name=name)) for at, name in SENDERS.items()]
        )
        yield from serving(own.settings, own.url)


def in_lower_case(text: str) -> str:
    return unicodedata.normalize("NFC", text).replace("İ", "i").lower()


WRITTEN = [in_lower_case(subject) for subject in SUBJECTS]


def completions(api: Api, typed: str) -> list[str]:
    return [one["text"] for one in ask(api, "/suggest", q=typed)["words"]]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("don", ["don't", "don’t"]), ("don'", ["don't"]), ("don’", ["don’t"]), ("doe", ["doesn’t"]), ("i♥", ["i♥ny"]), ("1,0", ["1,000", "1,00", "1,010"]),
        ("10.0", ["10.0.0.1"]), ("e-", ["e-mail"]), ("mai", ["mail"]), ("follow", ["follow-up"]), ("node", ["node.js"]), ("ada@", ["ada@example.com"]),
        ("c#", ["c#"]), ("c+", ["c++"]), ("#bl", ["#blackfriday"]), ("@ad", ["@ada_lovelace"]), ("#inv", []), ("at&", ["at&t"]), ("covid-", ["covid-19"]),
        ("10²", ["10²"]), ("snake", ["snake_case"]), ("bil", ["bildirimi"]), ("BİL", ["bildirimi"]), ("ist", ["istanbul"]),
        ("l'e", ["l’eau"]), ("eau", ["eau"]), ("dell", ["dell'arte"]), ("ful", ["ｆｕｌｌ"]), ("cre", ["crème"]),
        ("(inv", ["(invoice"]), ('"inv', ['"invoice']), ("invoice,", ["invoice"]), (".inv", ["invoice"]), ("…inv", ["invoice"]), ("पास", ["पासवर्ड"]),
        ("ශ්‍රී", ["ශ්‍රී"]), ("می‌خ", ["می‌خواهم"]), ("ใบเสร", ["ใบเสร็จรับเงิน"]), ("비ㅁ", ["비밀번호"]), ("영수", ["영수증"]),
        ("きーぼ", ["キーボード", "キーボードの設定"]), ("ﾊﾟｽ", ["ﾊﾟｽﾜｰﾄﾞ変更"]), ("パス", ["ﾊﾟｽﾜｰﾄﾞ変更"]), ("об'", ["обʼєкт"]),
        ("דו", ['דו"ח']), ("דוח", ['דו"ח']), ("RG", ["rg-2024-001"]), ("RG-", ["rg-2024-001"]), ("RG-2024-0", ["rg-2024-001"]), ("AB-1", ["ab-12-34"]), ("KD/", ["kd/2024/07"]),
        ("invoi", ["invoice"]), ("cov", ["covid"]), ("2031-0", ["2031-05-17"]), ("rockn", ["rock'n'roll"]), ("4420", ["+44 20 7946 0958"]), ("+4420", ["+44 20 7946 0958"]), ("1000", ["1,000"]), ("1,01", ["1,010"]),
        ("fw", []), ("zeb", ["zebra"]), ("ԵՐԵՎ", ["երևան"]), ("երև", ["երևան"]),
    ],
)  # fmt: skip
def test_a_completion_is_a_whole_word_as_it_is_written(typed: str, words: list[str], written: Api) -> None:
    found = completions(written, typed)
    if typed in ("don", "don'", "don’"):
        assert found[0] in words
        return
    assert sorted(found) == sorted(words)


def test_every_prefix_of_every_word_is_completed_to_words_of_a_subject(written: Api) -> None:
    """And a search with a completion finds something."""
    wrong = []
    pieces = {piece for subject in SUBJECTS for piece in subject.split()} - {"[Fwd:", "(fwd)"}  # reply marks
    for typed in sorted({piece[:length] for piece in pieces for length in (2, 3, len(piece) - 1)}):
        if not any(unicodedata.category(character)[0] in "LN" for character in typed):
            continue
        for text in completions(written, typed):
            is_there = any(in_lower_case(text) in subject for subject in WRITTEN)
            if not (is_there and text == in_lower_case(text) and ask(written, search=text)["pagination"]["total"]):
                wrong.append((typed, text))
    assert wrong == []


@pytest.mark.parametrize(
    ("typed", "corrected"),
    [
        ("ordinary leters", "ordinary letters"), ("Quarterly newsleter", "Quarterly newsletter"), ("पासवरड", "पासवर्ड"),
        ("पासव्रड", "पासवर्ड"), ("कीमत", "क़ीमत"), ("বাংলা পাসওয়ারড", "বাংলা পাসওয়ার্ড"), ("கடவுசசொல்", "கடவுச்சொல்"),
        ("བདེ་ལགས", "བདེ་ལེགས"), ("می‌خوهم", "می‌خواهم"), ("כניסה למערכתת", "כניסה למערכת"), ("รหสผ่าน", "รหัสผ่าน"), ("รหัสผาน", "รหัสผ่าน"), ("ລະຫັດຜານ", "ລະຫັດຜ່ານ"),
        ("ពាក្យសម្ាត់", "ពាក្យសម្ងាត់"), ("キーボド", "キーボード"), ("キーボドの設定", "キーボードの設定"), ("注文確任", "注文確認"), ("비밀번호 제설정", "비밀번호 재설정"),
        ("ﾊﾟｽﾜｰﾄﾞ更", "ﾊﾟｽﾜｰﾄﾞ変更"), ("bildirmi", "bildirimi"), ("dosent", "doesn’t"), ("wrok dosent", "work doesn’t"), ("dont panicc", "dont panic"),
        ("node.jss", "node.js"), ("გამარჯბა", "გამარჯობა"), ("የይፍ ቃል", "የይለፍ ቃል"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("match", ["words", "phrase"])
def test_a_correction_is_a_whole_word_as_it_is_written(
    typed: str, corrected: str | None, match: str, written: Api
) -> None:
    found = ask(written, search=typed, match=match, suggest="true")
    told = (found.get("suggestions") or {}).get("did_you_mean")
    if match == "phrase" and corrected in ("dont panic", "work doesn’t"):
        expected: str | None = {"dont panic": "don't panic"}.get(corrected, corrected)
        assert told is not None
        assert told["search"] == expected
        return
    assert (told or {}).get("search") == (corrected if not found["pagination"]["total"] else None)
    if told is not None:
        assert ask(written, search=told["search"], match=match)["pagination"]["total"] == told["total"]


def test_a_word_that_finds_nothing_in_this_way_of_matching_is_corrected(written: Api) -> None:
    """Only a stem matches `newsleter` and `leters`. In a way of matching without stems, they are corrected."""
    for match in ("words", "phrase", "exact", "auto"):
        found = ask(written, search="Quarterly newsleter", match=match, suggest="true")
        if not found["pagination"]["total"]:
            assert found["suggestions"]["did_you_mean"]["search"] == "Quarterly newsletter"
    found = ask(written, q='"Quarterly newsleter"', suggest="true")
    assert found["suggestions"]["did_you_mean"]["q"] == '"Quarterly newsletter"'
    found = ask(written, q="ordinray lett*", suggest="true")
    assert found["suggestions"]["did_you_mean"]["q"] == "ordinary lett*"
    found = ask(written, search="ordinray lett", match="prefix", suggest="true")
    assert found["suggestions"]["did_you_mean"]["search"] == "ordinary lett"
    found = ask(written, search="invoicing fro May", suggest="true")
    assert found["suggestions"]["did_you_mean"]["search"] == "invoicing for May", "another form may stay"


@pytest.mark.parametrize("name", NAMES)
def test_a_completed_name_finds_its_conversations(name: str, written: Api) -> None:
    for parts, part, field in (("categories", "category", "category"), ("labels", "label", "label")):
        for typed in (name[:1] if name.isascii() else name[:2], name[:3], name):
            if not any(unicodedata.category(character)[0] in "LN" for character in typed):
                continue
            offered = ask(written, "/suggest", q=typed)[parts]
            assert unicodedata.normalize("NFC", name) in [one[part] for one in offered] or len(offered) == 5
            for one in offered:
                quoted = '"' + one[part].replace('"', '""') + '"'
                for asked in ({field: quoted}, {"q": f"{field}:{quoted}"}):
                    assert ask(written, **asked)["pagination"]["total"] == one["count"], (typed, asked)


@pytest.mark.parametrize("address", SENDERS)
def test_a_sender_is_completed_in_any_script(address: str, written: Api) -> None:
    name = SENDERS[address]
    for typed in (address, address[:3], name, name[:1], name[:-1]):
        assert address in [one["from_email"] for one in ask(written, "/suggest", q=typed)["senders"]], typed
    quoted = '"' + address.replace('"', '""') + '"'
    assert ask(written, q=f"from:{quoted}")["pagination"]["total"] == 1
