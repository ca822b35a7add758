"""Highlights mark exactly the words that a search matched, and escape HTML."""

from __future__ import annotations

import html
from collections.abc import Iterator
from uuid import uuid5

import pytest

from service.settings import Settings
from tests.corpus import ORGANIZATIONS
from tests.node.asking import ask, serving_subjects
from tests.node.serving import Api

# ---- highlights ----


MARKED: list[tuple[dict[str, str], str, list[str]]] = [
    ({"search": "invoice"}, "Re: Invoice & <b>more</b> invoices", ["Invoice", "invoices"]),
    ({"search": "resume"}, "👍 Your résumé", ["résumé"]),
    ({"search": "run"}, "Running and run", ["Running", "run"]),
    ({"search": "都庁 東京"}, "東京都庁への行き方", ["東京都庁"]),
    ({"search": "京都"}, "👩\u200d👩 東京都庁", ["京都"]),
    ({"search": "注文確認"}, "注文の確認", ["注文", "確認"]),
    ({"search": "국어"}, "한국어를", ["국어"]),
    ({"search": "ไทย"}, "ประเทศไทยแลนด์", ["ไทย"]),
    ({"search": "full"}, "Ｆｕｌｌ width", ["Ｆｕｌｌ"]),
    ({"search": "1.2.3"}, "v1.2.3 out", ["1", "2", "3"]),
    ({"search": "𠮷野"}, "𠮷野家", ["𠮷野"]),
    ({"search": "1\ufe0f\u20e3"}, "step 1\ufe0f\u20e3 done", ["1\ufe0f\u20e3"]),
    ({"search": "👍"}, "yes 👍🏽!", ["👍🏽"]),
    ({"search": "👧"}, "our 👩\u200d👩\u200d👧 day", ["👩\u200d👩\u200d👧"]),
    ({"search": "⚕"}, "a 👨🏽\u200d⚕\ufe0f came", ["👨🏽\u200d⚕\ufe0f"]),
    ({"search": "👨"}, "the 👨🏽\u200d⚕\ufe0f went", ["👨🏽\u200d⚕\ufe0f"]),
    ({"search": "🇫🇷"}, "to 🇩🇪🇫🇷 now", ["🇫🇷"]),
    ({"search": "🔥"}, "so ❤\ufe0f\u200d🔥!", ["❤\ufe0f\u200d🔥"]),
    ({"search": "a"}, "🄐 item", ["🄐"]),
    ({"search": "0"}, "0️⃣ and 🄀 and zero", ["0️⃣", "🄀"]),
    ({"search": "s"}, "see 🄪 below", ["🄪"]),
    ({"search": "本"}, "🉀文学", ["🉀"]),
    ({"search": "ココ"}, "🈁 here", ["🈁"]),
    ({"search": "a"}, "\u00df-𝐀 and 𝐀-\ufb01", ["𝐀", "𝐀"]),  # stems are counted within words
    ({"search": "½"}, "½ price", ["½"]),
    ({"search": "1"}, "for ½ price", ["½"]),
    ({"search": "株"}, "㈱アクメ", ["㈱"]),
    ({"search": "№"}, "Rechnung№4711", ["№"]),
    ({"search": "❗"}, "stop ⁉\ufe0f now", ["⁉\ufe0f"]),
    ({"search": "51月"}, "room 5㋀", ["5㋀"]),
    ({"search": "5"}, "a ㎨ and 5", ["5"]),
    ({"search": "x" * 30 + "🄐"}, "b" * 1000 + " " + "x" * 30 + "🄐" + " c" * 400, ["x" * 30 + "🄐"]),
    ({"search": "❷"}, "❶ first ❷ second", ["❷"]),
    (
        {"search": "🏴"},
        "goal 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        ["🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"],
    ),
    ({"search": "ԵՐԵՎԱՆ"}, "դեպի Երևան", ["Երևան"]),
    ({"search": "zebra"}, "Re: [Fwd: quarterly zebra]", ["zebra"]),
    ({"search": "invo", "match": "prefix"}, "an invoice", ["invoice"]),
    ({"search": "invioce", "match": "fuzzy"}, "an invoice", ["invoice"]),
    ({"search": "the report", "match": "phrase"}, "report on the report", ["the", "report"]),
    ({"search": "re: whole thing", "match": "exact"}, "Whole thing", ["Whole thing"]),
    ({"search": "4420", "match": "prefix"}, "+44 20 7946 0958 call", ["44 20 7946 0958"]),
    ({"search": "7890", "match": "prefix"}, "sum of 7,890,123 today", ["7,890,123"]),
    ({"search": "zebra"}, " lead zebra", ["zebra"]),
    ({"search": "out"}, "  log   out  ", ["out"]),
    ({"search": "zebra"}, "\t\n 12,000 zebra", ["zebra"]),
    ({"search": "zebra"}, " \x00\x1f zebra-zebra", ["zebra", "zebra"]),
    ({"search": "zebra"}, "\u00a0\u3000zebra", ["zebra"]),  # which OpenSearch keeps
    ({"search": "zebra"}, "\u2003 zebra crossing", ["zebra"]),
    ({"search": "lead"}, "\r\n\ufeff lead first", ["lead"]),
    ({"search": "𠮷野"}, "  𠮷 𠮷野家", ["𠮷野"]),
    ({"search": "zebra"}, " one\u2029  a zebra \u2029and\u2029zebra", ["zebra", "zebra"]),
    ({"search": "zebra"}, "zebra\u2029xzebra\u2029zebra\u2029\u2029 zebra\u2029", ["zebra", "zebra", "zebra"]),
    ({"search": "lead", "match": "exact"}, "  lead ", ["  lead "]),
    ({"q": 'wire -house "to bits"'}, "wire cut to bits", ["wire", "to", "bits"]),
]


@pytest.fixture(scope="module")
def titled(settings: Settings, opensearch_url: str) -> Iterator[Api]:
    """A service over one conversation for each subject."""
    yield from serving_subjects(settings, opensearch_url, (subject for _parameters, subject, _marked in MARKED))


@pytest.mark.parametrize(("parameters", "subject", "marked"), MARKED)
def test_highlights_mark_exactly_the_matched_words(
    parameters: dict[str, str], subject: str, marked: list[str], titled: Api
) -> None:
    found = ask(titled, highlight="subject", **parameters)["highlights"][str(uuid5(ORGANIZATIONS[0], subject))]
    ranges = found["subject"]["ranges"]
    assert [subject[start:end] for start, end in ranges] == marked
    shown = found["subject"]["html"]
    assert html.unescape(shown.replace("<mark>", "").replace("</mark>", "")) == subject
    assert shown.count("<mark>") == len(marked)
    assert "<b>" not in shown


@pytest.mark.parametrize("how", ["api", "deep_api"])
def test_every_conversation_of_a_page_has_its_highlights(how: str, request: pytest.FixtureRequest) -> None:
    service: Api = request.getfixturevalue(how)
    data = ask(service, search="invoice", highlight="subject", page=2, per_page=10)
    assert list(data["highlights"]) == [item["uid"] for item in data["items"]]
    assert all(found["subject"]["ranges"] for found in data["highlights"].values())
    plain = ask(service, highlight="subject", per_page=1)
    assert [found["subject"]["ranges"] for found in plain["highlights"].values()] == [[]]
