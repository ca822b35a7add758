"""Messages of the search box about ambiguous texts, and about names from other mail searches."""

from __future__ import annotations

import pytest

from service.query import search_syntax
from service.query.time_bounds import UTC_ZONE


@pytest.mark.parametrize(
    ("text", "position", "about", "says"),
    [
        ("sender:x", 0, "sender", "did you mean from?"),
        ("Recipient:x", 0, "Recipient", "did you mean to?"),
        ("date:2024", 0, "date", "did you mean after, before or on?"),
        ("since:2024", 0, "since", "did you mean after?"),
        ("newer_than:3d", 0, "newer_than", "did you mean after?"),
        ("until:2024", 0, "until", "did you mean before?"),
        ("older:2024", 0, "older", "did you mean before?"),
        ("tag:x", 0, "tag", "did you mean label?"),
        ("title:x", 0, "title", "did you mean subject?"),
        ("from_email:x", 0, "from_email", "did you mean from?"),
        ("categories:x", 0, "categories", "did you mean category?"),
        ("is:closed", 3, "closed", "did you mean status:closed?"),
        ("is:sms", 3, "sms", "did you mean channel:sms?"),
        ("status:unread", 7, "unread", "did you mean is:unread?"),
        ("channel:inbound", 8, "inbound", "did you mean direction:inbound?"),
        ("messages:>1", 9, ">1", "such as 5..10"),
        ("messages:1-2", 9, "1-2", "such as 5..10"),
        ("sent:>2024-01-01", 5, ">2024-01-01", "as 2024-01..2024-03"),
        ("on:2024-01-01-2024-03-01", 3, "2024-01-01-2024-03-01", "as 2024-01..2024-03"),
        ("after:2026-09-29 12:00", 17, "12:00", "as 2026-09-29T12:00:00Z in UTC"),
        ("(x sent:..2026-09-29 9:05:07)", 21, "9:05:07", "as 2026-09-29T09:05:07Z in UTC"),
        ("label:Friends & Family", 14, "&", 'label: takes a value with spaces in quotes, as label:"Friends & Family"'),
    ],
)
def test_a_name_from_another_mail_search_is_reported_with_the_name_here(
    text: str, position: int, about: str, says: str
) -> None:
    (found,) = search_syntax.parse(text, UTC_ZONE).warnings
    assert (found.position, found.text) == (position, about)
    assert says in found.message


@pytest.mark.parametrize(
    ("text", "position", "about", "says"),
    [
        ("in*ice", 0, "in*ice", "* is a sign here"),
        ("a *voice", 2, "*voice", "* is a sign here"),
        ("a -*voice", 3, "*voice", "* is a sign here"),
        ("subject:*voice", 8, "*voice", "* is a sign here"),
        ("label:*", 6, "*", "label:any finds each"),
        ("category:a,Bill*", 11, "Bill*", "category:any finds each"),
        ("from:*@x", 5, "*@x", "leave out the *"),
        ("to:ada*", 3, "ada*", "leave out the *"),
        ("order) x", 0, "order)", "closes nothing"),
        ("(a order)) x", 9, ")", "closes nothing"),
        ("a oR b", 2, "oR", "OR in capitals"),
        ("a Or b", 2, "Or", "OR in capitals"),
        ("invoice - draft", 8, "-", "leaves nothing out"),
        ("invoice | draft", 8, "|", "OR in capitals"),
        ("(a || b)", 3, "||", "OR in capitals"),
        ("from:Anna Maria Kowalska invoice", 5, "Anna", 'write "Anna Maria Kowalska" in quotes'),
        ("x -to:Zoë Öz", 6, "Zoë", 'to: takes one word here: write "Zoë Öz"'),
    ],
)
def test_an_ambiguous_text_gives_a_message(text: str, position: int, about: str, says: str) -> None:
    (found,) = search_syntax.parse(text, UTC_ZONE).messages
    assert (found.position, found.text) == (position, about)
    assert says in found.message


@pytest.mark.parametrize(
    "text",
    ["invoi*", "subject:invoi*", "from:ada@ex*", 'label:"*"', 'from:"*@x"', "foo(bar)", "f(x)(y)", "(order)", '"order)"',
     "after:2026-09-29T12:00:00Z", "after:2026-09-29 12 pieces", "at 2026-09-29 12:00", "label:x invoice",
     "on:2026-09 12:00"],
)  # fmt: skip
def test_an_unambiguous_text_gives_no_message(text: str) -> None:
    assert search_syntax.parse(text, UTC_ZONE).messages == []


def test_a_list_of_names_that_is_text_has_no_hint_of_its_names() -> None:
    told = search_syntax.parse("label:a*,none", UTC_ZONE).messages
    assert [(one.position, one.text) for one in told] == [(0, "label:a*,none"), (9, "none")]


@pytest.mark.parametrize(
    "text",
    [
        "Tom & Ada", "a – b", "what ?", "! urgent", "a / b", "> a", "a -- b", "a ... b", "a = b", "(a & b) OR c", "… a", "a >, < b",
        "Net::HTTP fails", "C:\\Windows", "c:\\", "std::string", "mailto:ada@example.com", "tel:+4420", "re:x", "http://x.y",
        "from:anna Kowalska", "from:Anna invoice", "from:Anna OR Bob", "from:Anna to:Bob", 'from:"Anna Kowalska" Bob',
        "from:Anna@example.com Bob", "from:Anna (Bob)", "from:Anna,Bob eve",
    ],
)  # fmt: skip
def test_usual_texts_of_subjects_give_no_message(text: str) -> None:
    found = search_syntax.parse(text, UTC_ZONE)
    assert found.messages == []
