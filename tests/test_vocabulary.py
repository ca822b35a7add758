"""The terms of an organization's vocabulary: their words, their codes, and that the tokenizer accepts their length."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.text import fold_for_search
from service.vocabulary import OWNER_CHARACTERS, own_words, owner, parts_of, signed_words

ORGANIZATION, OTHER = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f"), UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e60")


@pytest.mark.parametrize(
    ("subject", "terms"),
    [
        ("Re: Invoice 7", ["Invoice", "7"]), ("हिन्दी भाषा", ["हिन्दी", "भाषा"]), ("東京 abc", ["abc"]), ("", []), ("✅", []),
        ("ada@example.com", ["ada", "example", "com", "-ada-example-com", "-example-com", "!ada@example.com"]), ("a a", ["a"]),
        ("e-mail don’t", ["e", "mail", "-e-mail", "email", "don", "t", "-don-t", "dont", "!e-mail", "!don't"]), ("한-국", ["~gks", "~rnr"]),
        ("v1.2", ["v", "1", "2", "-v-1-2", "-1-2", "!v1.2"]),
        ("10,000", ["10", "000", "-10-000", "10000"]), ("030 123 456", ["030", "123", "456", "030123456", "123456"]), ("don´t", ["don", "t", "-don-t", "dont", "!don't"]),
    ],
)  # fmt: skip
def test_a_subject_has_these_terms(subject: str, terms: list[str]) -> None:
    assert [term[OWNER_CHARACTERS:] for term in own_words(ORGANIZATION, subject).split()] == terms


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("C++, C# and (.NET)?", ["c++", "c#", ".net"]), ("F‐16 costs $50.", ["f-16", "$50"]), ("“5%” off!", ["5%"]),
        ("#1234: @ada", ["#1234", "@ada"]), ("C++言語入門", ["c++"]), ("A/B", ["a/b"]), ("- a -- b ... ...and", []),
        ("[list] (fwd) a,b wait... 1.", []), ("x" * 40 + "+", []), ("हिन्दी", []), ("*C++*", ["c++"]), ("~5€", ["5€"]),
    ],
)  # fmt: skip
def test_signs_tell_words_from_others(text: str, words: list[str]) -> None:
    assert signed_words(text) == words


def test_the_parts_of_a_word_with_signs_are_stored_with_theirs() -> None:
    terms = [term[OWNER_CHARACTERS:] for term in own_words(ORGANIZATION, "C/C++ 5%-10%").split()]
    assert [term for term in terms if term.startswith("!")] == ["!c/c++", "!c++", "!5%-10%", "!5%", "!10%"]


def test_names_and_senders_stand_behind_signs() -> None:
    found = own_words(ORGANIZATION, "", sender=["Ada@x.org", "Ada"], categories=["Über uns"], labels=["Work/Ops"])
    assert [term[OWNER_CHARACTERS:] for term in found.split()] == [
        "@ada", "@x", "@org", "@-ada-x-org", "@-x-org", "#Über-uns", "=Work/Ops",
    ]  # fmt: skip
    found = own_words(ORGANIZATION, "", recipients=["Ada@x.org", "bob@x.org"], copies=["a.b@c.d.e"])
    assert [term[OWNER_CHARACTERS:] for term in found.split()] == [
        ">-ada-x-org", ">-x-org", ">-org", ">-bob-x-org", "&-a-b-c-d", "&-b-c-d-e", "&-c-d-e", "&-d-e", "&-e",
    ]  # fmt: skip
    found = own_words(ORGANIZATION, "", sender=["Jean Luc O'Brien"], recipients=["al-sayed@x.org"])
    joined = [term for term in found.split() if term[OWNER_CHARACTERS + 1].isalpha()]
    assert [term[OWNER_CHARACTERS:] for term in joined] == [
        "@jean", "@luc", "@o", "@brien", "@obrien", "@jeanluc", "@lucobrien", ">alsayed",
    ]  # fmt: skip
    assert fold_for_search("ŁÓDŹ Ærlig") == "lodz aerlig"


@given(st.text(max_size=300), st.lists(st.text(max_size=256), max_size=3))
def test_each_term_begins_with_the_organizations_code_and_is_short(subject: str, names: list[str]) -> None:
    assert owner(ORGANIZATION) != owner(OTHER)
    for term in own_words(
        ORGANIZATION, subject, sender=names, recipients=names, copies=names, categories=names, labels=names
    ).split():
        assert term.startswith(owner(ORGANIZATION))
        assert len(term.encode("utf-16-le", "surrogatepass")) // 2 <= 255
    assert all(part and not part.isspace() for part in parts_of(subject))
