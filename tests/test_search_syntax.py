"""The search box: how texts are parsed, what is reported if they are not understood, and that no text crashes it."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.query import search_syntax
from service.query.conditions import (
    AllOf,
    AnyOf,
    Between,
    Missing,
    Node,
    Not,
    OneOf,
    Person,
    SearchText,
    Words,
    loosened,
    with_match,
)
from service.query.conversation_query import ConversationQuery, Extras
from service.query.explain import as_parameters, as_text
from service.query.fields import Operator
from service.query.time_bounds import UTC_ZONE, Ago

BERLIN = ZoneInfo("Europe/Berlin")
UID = "6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f"
PIECES = ["invoice", "-", "(", ")", "OR", '"', "status:", "closed", "from:", "created:", "..", "-7d", ":", "*", ",", " ", "“",
          "：", "is:unread", "注文", "\u0000", "\ud83d\udc4d", "a" * 40, "none", "AND"]  # fmt: skip


def or_pasted(text: str, *parts: Node) -> AnyOf:
    """The parsed parts of a text, or a subject that is exactly this text."""
    return AnyOf((AllOf(parts), Words(text, "exact")))


WORDLESS = ["OR", "OR OR", "-()", "()()", "() ()", "(())", "(", ")", "-(OR)", "(OR) OR ()", "\u200e()-()"]


def nodes(text: str, zone: ZoneInfo = UTC_ZONE) -> tuple[Node, ...]:
    return search_syntax.parse(text, zone).nodes


def warnings(text: str) -> list[tuple[int, str, str]]:
    return [(one.position, one.text, one.message) for one in search_syntax.parse(text, UTC_ZONE).warnings]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("two words", (Words("two words"),)),
        ("invoi*", (Words("invoi", "prefix"),)),
        ('"as written"', (Words("as written", "phrase", stems=False),)),
        ("“as written”", (Words("as written", "phrase", stems=False),)),
        ("-word", (AnyOf((Not(Words("word", stems=False)), Words("-word", "exact"))),)),
        (
            "-10% off",
            (AnyOf((AllOf((Not(Words("10%", stems=False)), Words("off"))), Words("-10% off", "exact"))),),
        ),
        ("a -b c", (or_pasted("a -b c", Words("a"), Not(Words("b", stems=False)), Words("c")),)),
        ("a -b status:draft", (Words("a"), Not(Words("b", stems=False)), OneOf("status", ("draft",)))),
        ("-5 to (-180, 5)", (
            or_pasted(
                "-5 to (-180, 5)",
                Not(Words("5", stems=False)), Words("to"), AllOf((Not(Words("180,", stems=False)), Words("5"))),
            ),
        )),
        ("a OR b", (AnyOf((Words("a"), Words("b"))),)),
        ("a b OR c", (AnyOf((Words("a b"), Words("c"))),)),
        ("(a OR b) c", (AnyOf((Words("a"), Words("b"))), Words("c"))),
        ("x -(a b)", (or_pasted("x -(a b)", Words("x"), Not(Words("a b", stems=False))),)),
        ("-(a status:draft)", (Not(AllOf((Words("a", stems=False), OneOf("status", ("draft",))))),)),
        ("status:closed,draft", (OneOf("status", ("closed", "draft")),)),
        ("STATUS:Closed", (OneOf("status", ("closed",)),)),
        ("status：closed", (OneOf("status", ("closed",)),)),
        ("-status:closed", (Not(OneOf("status", ("closed",))),)),
        ("agent:none", (Missing("agent_uid"),)),
        ("agent:any", (Not(Missing("agent_uid")),)),
        (f"party:{UID.upper()}", (OneOf("party_uid", (UID,)),)),
        ("channel:sms direction:inbound", (OneOf("channel", ("sms",)), OneOf("direction", ("inbound",)))),
        ('category:"Returns, damaged","Billing"', (OneOf("category", ("Returns, damaged", "Billing")),)),
        ("\ufeff-word", (AnyOf((Not(Words("word", stems=False)), Words("\ufeff-word", "exact"))),)),
        ("\ufeffstatus:closed", (OneOf("status", ("closed",)),)),
        ("\u200e-status:closed \u200b\u2060OR \u200bsms", (AnyOf((Not(OneOf("status", ("closed",))), Words("sms"))),)),
        ("status: \u200eclosed (\u200fchannel:sms)", (OneOf("status", ("closed",)), OneOf("channel", ("sms",)))),
        ("label:none", (Missing("label"),)),
        ('label:"none"', (OneOf("label", ("none",)),)),
        ("is:unread is:unassigned", (OneOf("is_read", (False,)), Missing("agent_uid"))),
        ("is:replied has:attachment", (OneOf("has_reply", (True,)), OneOf("has_attachments", (True,)))),
        ("from:ada to:bob@example.com", (Person("from", "ada"), Person("to", "bob@example.com"))),
        ("subject:invoice", (Words("invoice"),)),
        ("Re: invoice", (Words("Re: invoice"),)),
        ("at 12:30", (Words("at 12:30"),)),
        ("https://example.com/x", (Words("https://example.com/x"),)),
        ("foo(bar)", (Words("foo(bar)"),)),
        ("or and not", (Words("or and not"),)),
        ("created:-7d..", (Between("created_on", (("gte", Ago(7, "d")),)),)),
        ("sent:-2w", (Between("sent_at", (("gte", Ago(2, "w")),)),)),
    ],
)  # fmt: skip
def test_what_a_text_means(text: str, expected: tuple[Node, ...]) -> None:
    assert nodes(text) == expected
    assert warnings(text) == []


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("created:2024", "2024-01-01", "2025-01-01"),
        ("created:2024-02", "2024-02-01", "2024-03-01"),
        ("created:2024-12", "2024-12-01", "2025-01-01"),
        ("created:2024-07-01", "2024-07-01", "2024-07-02"),
        ("created:2024-01..2024-03", "2024-01-01", "2024-04-01"),
        ("created:2024-07-01..2024-07-01", "2024-07-01", "2024-07-02"),
        ("created:2024..", "2024-01-01", None),
        ("created:..2024", None, "2025-01-01"),
    ],
)
def test_a_date_means_the_whole_day_month_or_year(text: str, low: str | None, high: str | None) -> None:
    expected: list[tuple[Operator, datetime]] = [] if low is None else [("gte", day(low))]
    expected += [] if high is None else [("lt", day(high))]
    assert nodes(text) == (Between("created_on", tuple(expected)),)


def test_dates_reach_both_ends_of_time() -> None:
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
    assert nodes("created:0001..9999") == (Between("created_on", (("gte", first), ("lte", last))),)
    assert nodes("created:0001-01-01..", ZoneInfo("Asia/Tokyo")) == (Between("created_on", (("gte", first),)),)
    assert nodes("created:..9999-12-31", ZoneInfo("America/New_York")) == (Between("created_on", (("lte", last),)),)


def test_after_is_from_the_start_of_a_day_and_before_up_to_it_where_the_caller_lives() -> None:
    start = datetime(2024, 6, 30, 22, tzinfo=UTC)  # midnight in Berlin, where it is summer
    assert nodes("after:2024-07-01", BERLIN) == (Between("updated_on", (("gte", start),)),)
    assert nodes("before:2024-07-01", BERLIN) == (Between("updated_on", (("lt", start),)),)


@pytest.mark.parametrize(
    ("text", "position", "about", "says"),
    [
        ("stauts:closed", 0, "stauts", "did you mean status?"),
        ("x status:closde", 9, "closde", "did you mean closed?"),
        ("is:unraed", 3, "unraed", "did you mean unread?"),
        ("agent:ada", 6, "ada", "must be a UUID"),
        ("created:2024-02-30", 8, "2024-02-30", "no such day"),
        ("created:2024..2023", 8, "2024..2023", "ends before it begins"),
        ("created:yesterday", 8, "yesterday", "must be a date"),
        ('"open', 0, '"open', "not closed"),
        ("(open", 0, "(", "not closed"),
        ("a ) b", 2, ")", "closes nothing"),
        ("a OR", 4, "", "one is missing"),
        ("OR a", 0, "", "one is missing"),
        ("a -", 2, "-", "holds no word"),
        ('""', 0, '""', "holds no word"),
        ("--option", 0, "--", "is text here: a single - leaves out what follows it"),
        ("-- word", 0, "--", "holds no word"),
        ("- word", 0, "-", "holds no word"),
        ("word --", 5, "--", "holds no word"),
        ("word * 2", 5, "*", "holds no word"),
        ("label:Friends & Family", 14, "&", 'label:"Friends & Family"'),
        ("&", 0, "&", "holds no word"),
        ("?!", 0, "?!", "holds no word"),
        ("status:", 0, "status:", "has no value"),
        ("status: closde", 8, "closde", "did you mean closed?"),
        ("from: -x", 0, "from:", "has no value"),
        ("from: to:bob", 0, "from:", "has no value"),
        ("from: OR ada", 0, "from:", "has no value"),
        ("from: ada", 0, "from: ada", "leave out the space"),
        ("label: x", 0, "label: x", "leave out the space"),
        ("()", 0, "()", "holds nothing"),
        ("a (( ))", 3, "( )", "holds nothing"),
        ("status:none,closed", 12, "closed", "must stand alone"),
        ("label:x,any", 8, "any", "must stand alone"),
        ("messages:5..2", 9, "5..2", "nothing can be within its bounds"),
        ("from:(bob", 5, "(bob", "takes no brackets"),
        ("from:(bob OR eve)", 5, "(bob", "takes no brackets"),
        ("subject:(go OR plain)", 8, "(go", "takes no brackets"),
        ("from:ada, grace", 9, "", "has a comma without a value after it"),
        ("a AND b", 2, "AND", "is a word here"),
        ("👍 stauts:x", 2, "stauts", "did you mean status?"),
    ],
)
def test_a_text_that_is_not_understood_is_reported_with_its_position_and_advice(
    text: str, position: int, about: str, says: str
) -> None:
    (found,) = warnings(text)
    assert found[:2] == (position, about)
    assert says in found[2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--option a", (Words("--option a"),)),
        ("-- word", (Words("word"),)),
        ("…", (Words("…", stems=False),)),  # matches nothing, like each text without a word
        (" -… ", (Words("…", stems=False),)),
        ('"" ()', (Words('""', stems=False),)),
        ("(… OR ‥)", (Words("‥", stems=False),)),
        ("… OR a", (Words("a"),)),
        ("… a", (Words("a"),)),
        ("()", ()),
        (" （ ）", ()),
        (" ", ()),
        *((text, (Words("…", stems=False),)) for text in WORDLESS),
        ("OR alpha", (Words("alpha"),)),
        ("alpha OR OR ()", (Words("alpha"),)),
        ("-() alpha", (Words("alpha"),)),
        ("status: closed", (OneOf("status", ("closed",)),)),
        ("from: ada lovelace", (Person("from", "ada"), Words("lovelace"))),
        ("x -from: ada", (Words("x"), Not(Person("from", "ada")))),
        ("(from: ada) x", (Person("from", "ada"), Words("x"))),
        ("status: foo", (Words("status: foo"),)),
        ("note: closed", (Words("note: closed"),)),
        ("() a", (Words("a"),)),
        ("from:Ada Lovelace <ada@example.com> x", (Person("from", "ada@example.com"), Words("x"))),
        ('From: "Lovelace, Ada" <ada@example.com>', (Person("from", "ada@example.com"),)),
        ("to:Lovelace, Ada <ada@example.com>", (Person("to", "ada@example.com"),)),
        ('cc:"Ada <ada@example.com>"', (Person("cc", "ada@example.com"),)),
        ("from:<ada@example.com>,bob", (AnyOf((Person("from", "ada@example.com"), Person("from", "bob"))),)),
        ("from:ada OR <b@c.de>", (AnyOf((Person("from", "ada"), Words("<b@c.de>"))),)),
        ("from:ada subject:x <b@c.de>", (Person("from", "ada"), Words("x <b@c.de>"))),
        ("category:billing", (OneOf("category", ("billing",), any_case=True),)),
        ('category:"Billing"', (OneOf("category", ("Billing",)),)),
        ("category:a,b", (OneOf("category", ("a", "b"), any_case=True),)),
        ('category:a,"B"', (AnyOf((OneOf("category", ("a",), any_case=True), OneOf("category", ("B",)))),)),
        ("sent:none", (Missing("sent_at"),)),
        ("created:any", (Not(Missing("created_on")),)),
        ("status:closed\u200e", (OneOf("status", ("closed",)),)),
        ("from:zoe@x.org\u200b", (Person("from", "zoe@x.org"),)),
        ("from:\u202anone\u202c", (Missing("from_email"),)),
        ("to:Zoe <zoe@x.org\u200b>", (Person("to", "zoe@x.org"),)),
        ('label:"\ufeffIn box\u2060 "', (OneOf("label", ("In box",)),)),
        ("is:unread,unassigned", (AnyOf((OneOf("is_read", (False,)), Missing("agent_uid"))),)),
    ],
)
def test_what_people_write_that_is_nearly_the_syntax(text: str, expected: tuple[Node, ...]) -> None:
    assert nodes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("red apple", (Words("red apple"),)),
        ("red (apple boat)", (Words("red"), AllOf((Words("apple boat"),)))),
        ("(apple boat)", (AllOf((Words("apple boat"),)),)),
        ("(apple status:draft)", (AllOf((AllOf((Words("apple"), OneOf("status", ("draft",)))),)),)),
        ("red subject:apple boat", (Words("red"), AllOf((Words("apple"),)), Words("boat"))),
        ("subject:apple", (AllOf((Words("apple"),)),)),
        ("red (apple OR boat)", (Words("red"), AnyOf((Words("apple"), Words("boat"))))),
        ("-(red) ()", (AnyOf((Not(AllOf((Words("red", stems=False),))), Words("-(red) ()", "exact"))),)),
        ("()", ()),
    ],
)
def test_brackets_and_subject_can_be_kept_apart_from_plain_words(text: str, expected: tuple[Node, ...]) -> None:
    assert search_syntax.parse(text, UTC_ZONE, keeps_groups=True).nodes == expected


def test_words_behind_a_leading_dash_are_loosened_too() -> None:
    """The whole text may also be a subject that begins with a dash; that changes nothing for its words."""
    asked = search_syntax.parse("-book rank shelf", UTC_ZONE, keeps_groups=True).nodes
    left_out = Not(Words("book", stems=False))
    whole = Words("-book rank shelf", "exact")
    (found,) = loosened(asked, "auto")
    assert found == AnyOf((AllOf((left_out, Words("rank shelf", "auto"))), whole))
    assert with_match((found,), "auto", "any") == (AnyOf((AllOf((left_out, Words("rank shelf", "any"))), whole)),)


def test_only_plain_words_outside_of_brackets_are_loosened() -> None:
    asked = search_syntax.parse("red subject:apple (blue boat) -(old) car", UTC_ZONE, keeps_groups=True).nodes
    kept = (AllOf((Words("apple"),)), AllOf((Words("blue boat"),)), Not(AllOf((Words("old", stems=False),))))
    whole = Words("red subject:apple (blue boat) -(old) car", "exact")
    assert loosened(asked, "any") == (AnyOf((AllOf((Words("red car", "any"), *kept)), whole)),)


def test_a_lower_case_or_is_a_word_and_gives_a_hint() -> None:
    def hints(text: str) -> list[int]:
        return [hint.position for hint in search_syntax.parse(text, UTC_ZONE).hints]

    assert hints("ada or bob") == [4]
    assert nodes("ada or bob") == (Words("ada or bob"),)
    assert warnings("ada or bob") == []
    assert hints("or bob") == hints("bob or") == hints("(or bob)") == hints("ada OR bob") == hints('"a or b"') == []


@pytest.mark.parametrize(
    ("text", "hinted"),
    [
        ("high -10°C today", ["-10°C"]), ("range -5 to (-180, 5)", ["-5", "-180,"]),
        ("-10% off", []), ("(-5)", []), ("invoice -draft", []), ("invoice -status:draft", []),
    ],
)  # fmt: skip
def test_a_number_that_is_left_out_gives_a_hint(text: str, hinted: list[str]) -> None:
    hints = search_syntax.parse(text, UTC_ZONE).hints
    assert [hint.text for hint in hints if "leaves out this number" in hint.message] == hinted


def test_what_is_not_understood_is_text() -> None:
    assert nodes("stauts:closed") == (Words("stauts:closed"),)
    assert nodes("status:closde invoice") == (Words("status:closde invoice"),)
    assert nodes("status:closed,nonsense") == (Words("status:closed,nonsense"),)


def test_a_text_has_its_limits() -> None:
    search_syntax.parse("x" * search_syntax.MAX_CHARACTERS, UTC_ZONE)
    with pytest.raises(search_syntax.TooLong, match="512 characters"):
        search_syntax.parse("x" * (search_syntax.MAX_CHARACTERS + 1), UTC_ZONE)
    search_syntax.parse("a " * search_syntax.MAX_CLAUSES, UTC_ZONE)
    with pytest.raises(search_syntax.TooLong, match="30 clauses, not 31"):
        search_syntax.parse("a " * (search_syntax.MAX_CLAUSES + 1), UTC_ZONE)


@given(st.one_of(st.text(max_size=512), st.lists(st.sampled_from(PIECES), max_size=60).map("".join)))
def test_no_text_makes_the_parser_fail(text: str) -> None:
    try:
        found = search_syntax.parse(text, BERLIN)
    except search_syntax.TooLong:
        return
    for warning in found.warnings:
        assert text[warning.position :].startswith(warning.text)


@given(st.text(alphabet="abc ", min_size=1, max_size=60).filter(str.strip))
def test_plain_words_are_one_search(text: str) -> None:
    assert nodes(text) == (Words(" ".join(text.split())),)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("two words", {"search": "two words"}),
        ('"a phrase"', {"search": "a phrase", "match": "phrase"}),
        ("invoi*", {"search": "invoi", "match": "prefix"}),
        ("status:closed,draft -channel:sms", {"status[in]": "closed,draft", "channel[nin]": "sms"}),
        ('category:"a, b","c"', {"category[in]": '"a, b",c'}),
        ("agent:none party:any", {"agent_uid": "none", "party_uid": "any"}),
        ("is:unread is:replied has:attachment", {"is_read": "false", "has_reply": "true", "has_attachments": "true"}),
        ("created:2024", {"created_on[gte]": "2024-01-01T00:00:00.000Z", "created_on[lt]": "2025-01-01T00:00:00.000Z"}),
        ("sent:-7d..", {"sent_at[gte]": "-7d"}),
        ("a OR b", None),
        ("-word", None),
        ("from:ada", None),
        ("status:closed status:draft", None),
    ],
)
def test_a_text_as_parameters(text: str, parameters: dict[str, str] | None) -> None:
    found = search_syntax.parse(text, UTC_ZONE)
    assert as_parameters(ConversationQuery(where=found.nodes, extras=Extras(parsed_search=found))) == parameters


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (ConversationQuery(where=(OneOf("status", ("closed",)), SearchText("two words"))), "status:closed two words"),
        (
            ConversationQuery(where=(OneOf("is_read", (False,)), SearchText("a phrase", "phrase"))),
            'is:unread "a phrase"',
        ),
        (ConversationQuery(where=(OneOf("category", ("a, b", "c")),)), 'category:"a, b","c"'),
        (ConversationQuery(where=(SearchText("-draft"),)), None),
        (ConversationQuery(where=(SearchText("a OR b"),)), None),
        (ConversationQuery(where=(SearchText("status:closed"),)), None),
        (ConversationQuery(where=(SearchText("x", "fuzzy"),)), None),
        (
            ConversationQuery(where=(Not(OneOf("status", ("closed",))), Missing("agent_uid"))),
            "-status:closed agent:none",
        ),
        (ConversationQuery(where=(OneOf("has_attachments", (False,)),)), None),
        (ConversationQuery(where=(Missing("sent_at"), Not(Missing("created_on")))), "sent:none created:any"),
        (ConversationQuery(where=(Missing("subject"),)), None),
        (ConversationQuery(where=(Missing("is_read"),)), None),
        (ConversationQuery(where=(OneOf("from_email", ("ada@example.com",)),)), "from:ada@example.com"),
        (ConversationQuery(where=(OneOf("from_email", ("root@localhost",)),)), None),
        (ConversationQuery(where=(OneOf("to_emails", ("ada@example.com",)),)), None),
        (
            ConversationQuery(where=(Between("created_on", (("gte", day("2024-01-01")), ("lt", day("2025-01-01")))),)),
            "created:2024-01-01T00:00:00.000Z..2024-12-31T23:59:59.999Z",
        ),
    ],
)
def test_parameters_as_a_text(query: ConversationQuery, text: str | None) -> None:
    assert as_text(query) == text
