"""The stems in the index are those of Snowball's published algorithms, which an independent library computes."""

from __future__ import annotations

from pathlib import Path

import pytest
import snowballstemmer

from service.index import mapping
from tests import oracle

WORDS = {
    "english": "news skies invoices running generously dying sky connection use us",
    "spanish": "aplicaciones facturas pagamos corrección actualizando cuentas gatos",
    "french": "réservations factures annulé commandes paiement livraison",
    "german": "Rechnungen Häuser Bestellung Kündigungen Zahlung bestellt",
    "italian": "fatture ordini prenotazione pagamenti spedizioni",
    "portuguese": "faturas pagamentos atrasado corrigido pedidos",
    "dutch": "rekeningen bestellingen betaling facturen",
    "swedish": "fakturor bokningen beställningar betalning",
    "danish": "bestillinger regningen fakturaer betaling",
    "norwegian": "bestillinger regningen fakturaer betaling",
    "finnish": "laskut tilaukset tilauksen maksujen",
    "hungarian": "számlák rendelések csomagok",
    "romanian": "contractele comenzile plăților",
    "turkish": "faturalar kitaplar siparişler",
    "russian": "заказов книги счётом переводы добавить исправлена",
    "greek": "λογαριασμοί λογαριασμός λογαριασμού",
    "armenian": "փոխարինել գրքերը",
}
# Each row has a language and the forms of one word; the first form is the dictionary's.
ROWS = (Path(__file__).parents[1] / "samples" / "word_forms.tsv").read_text("utf-8").splitlines()
FORMS = [row.split("\t")[1].lower().split() for row in ROWS]
IRREGULAR = dict(
    rule.split(" => ") for rule in mapping.load().settings["index"]["analysis"]["filter"]["irregular_forms"]["rules"]
)
# British spellings in the list, and the American ones, whose stems they have.
AMERICAN = {"apologise": "apologize", "favourite": "favorite", "realise": "realize", "recognise": "recognize"}
SHORTEST, SHORTEST_WORDS = 3, {"finnish": 5, "hungarian": 5, "romanian": 5, "turkish": 5}
ENGLISH: list[str] = mapping.load().settings["index"]["analysis"]["filter"]["english_words"]["keywords"]
# Unrelated words with the same stem in another language: data and date in Italian, internal and internet in Hungarian.
UNRELATED = (
    ("data", "date"), ("internal", "internet"), ("compile", "compute"), ("file", "fill"), ("line", "linear"),
    ("not", "note"), ("are", "area"), ("state", "status"), ("part", "party"), ("color", "cool"), ("server", "serving"),
)  # fmt: skip


@pytest.mark.parametrize("language", WORDS)
def test_each_word_has_its_form_and_its_stem(language: str, tokens: oracle.Tokens) -> None:
    stemmer = snowballstemmer.stemmer(language)
    words = WORDS[language].split()
    places = tokens(oracle.STEMS, " ".join(words))
    assert len(places) == len(words)
    for word, place in zip(words, places, strict=True):
        stem = stemmer.stemWord(word.lower())
        wanted = {oracle.folded(word)} | ({oracle.folded(stem)} if _counts(language, word, stem) else set())
        assert wanted <= place, word


def _counts(language: str, word: str, stem: str) -> bool:
    return len(stem) >= SHORTEST and len(word) >= SHORTEST_WORDS.get(language, 1)


def test_listed_english_words_have_english_stems_only(tokens: oracle.Tokens) -> None:
    stemmer = snowballstemmer.stemmer("english")
    assert len(ENGLISH) > 1_000
    assert sorted(set(ENGLISH)) == ENGLISH
    for start in range(0, len(ENGLISH), 100):
        words = ENGLISH[start : start + 100]
        for word, place in zip(words, tokens(oracle.STEMS, " ".join(words)), strict=True):
            assert place == {word, IRREGULAR.get(word, stemmer.stemWord(AMERICAN.get(word, word)))}


@pytest.mark.parametrize(("one", "other"), UNRELATED)
def test_unrelated_english_words_share_no_stem_of_another_language(one: str, other: str, tokens: oracle.Tokens) -> None:
    for asked, found in ((one, other), (other, one)):
        assert not tokens(oracle.STEMS_ASKED, asked)[0] & tokens(oracle.STEMS, found)[0]


def test_a_word_is_found_in_each_of_its_forms(tokens: oracle.Tokens) -> None:
    parted = []
    for start in range(0, len(FORMS), 10):
        forms = [form for word in FORMS[start : start + 10] for form in word]
        there = dict(zip(forms, tokens(oracle.STEMS, " ".join(forms)), strict=True))
        asked = dict(zip(forms, tokens(oracle.STEMS_ASKED, " ".join(forms)), strict=True))
        for word, *others in FORMS[start : start + 10]:
            parted += [(word, one) for one in others if not (there[word] & asked[one] and there[one] & asked[word])]
    assert parted == []


def test_news_is_no_form_of_new_in_any_language(tokens: oracle.Tokens) -> None:
    news, new = tokens(oracle.STEMS, "news new")
    assert not news & new


def test_a_word_has_few_stems_and_none_is_too_short(tokens: oracle.Tokens) -> None:
    for words in WORDS.values():
        for word, place in zip(words.split(), tokens(oracle.STEMS, words), strict=True):
            assert len(place) < 8
            assert min(map(len, place)) >= min(3, len(word))
