"""The stems in the index are those of Snowball's published algorithms, which an independent library computes."""

from __future__ import annotations

import pytest
import snowballstemmer

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
    "romanian": "facturile comenzile plăților",
    "turkish": "faturalar kitaplar siparişler",
    "russian": "заказов книги счётом переводы добавить исправлена",
    "greek": "λογαριασμοί λογαριασμός παραγγελίες",
    "armenian": "փոխարինել գրքերը",
}
SHORTEST = {"finnish": 4, "hungarian": 4, "romanian": 4, "turkish": 4}


@pytest.mark.parametrize("language", WORDS)
def test_each_word_has_its_form_and_its_stem(language: str, tokens: oracle.Tokens) -> None:
    stemmer = snowballstemmer.stemmer(language)
    words = WORDS[language].split()
    places = tokens(oracle.STEMS, " ".join(words))
    assert len(places) == len(words)
    for word, place in zip(words, places, strict=True):
        stem = stemmer.stemWord(word.lower())
        wanted = {oracle.folded(word)} | ({oracle.folded(stem)} if len(stem) >= SHORTEST.get(language, 3) else set())
        assert wanted <= place, word


def test_news_is_no_form_of_new_in_any_language(tokens: oracle.Tokens) -> None:
    news, new = tokens(oracle.STEMS, "news new")
    assert not news & new


def test_no_stem_stands_twice_at_a_place_or_is_too_short(tokens: oracle.Tokens) -> None:
    for words in WORDS.values():
        for word, place in zip(words.split(), tokens(oracle.STEMS, words), strict=True):
            assert len(place) < 8
            assert min(map(len, place)) >= min(3, len(word))
