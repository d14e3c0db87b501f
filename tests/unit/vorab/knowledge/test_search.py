"""Search: what an agent types, in German or English, finds the article they need."""

from __future__ import annotations

import re

import pytest

from vorab.knowledge import Library, folder_of, load_articles, search

ASKED = {
    "pump shakes": "pump-worn-bearing",
    "Pumpen vibrieren, Lager heiß": "pump-worn-bearing",
    "PU-3310": "pump-worn-bearing",
    "Schrauben locker": "pump-loose-mounting",
    "Druck schwankt": "pump-air-in-suction",
    "kein Druck an der Pumpe": "pump-restart",
    "Wärmepumpe heizt nicht": "heat-pump-refrigerant",
    "Waermepumpe Leck": "heat-pump-refrigerant",
    "Warmepumpe Leck": "heat-pump-refrigerant",
    "Saugdruck zu niedrig": "heat-pump-restart",
    "heat pump lost pressure after defrost": "heat-pump-restart",
    "blasse Ausdrucke": "printer-toner-feed",
    "it prints pale": "printer-toner-feed",
    "Drucker druckt nicht": "printer-restart-queue",
    "queue full, nothing printed": "printer-restart-queue",
    "the printer gets too hot and smells": "printer-fuser-hot",
    "Ueberhitzung": "printer-fuser-hot",
    "Papier klemmt": "printer-paper-jam",
    "paper stuck": "printer-paper-jam",
    "WLAN": "connection-lost",
    "offline since yesterday": "connection-lost",
    "Kaltemittel": "heat-pump-refrigerant",
    "Kaeltemittel": "heat-pump-refrigerant",
    "Kältemittels": "heat-pump-refrigerant",
    "Förder": "printer-toner-feed",
}


@pytest.fixture(scope="module")
def library() -> Library:
    """The articles that come with vorab."""
    return Library(load_articles(folder_of("")))


def first(library: Library, query: str) -> str:
    """The id of what is found first; empty where nothing is."""
    return next((found.article.id for found in library.search(query)), "")


@pytest.mark.parametrize("query", ASKED)
def test_what_agents_ask_is_answered_first(library: Library, query: str) -> None:
    """With and without umlauts, by words, by forms of words, and by part number."""
    assert first(library, query) == ASKED[query]


@pytest.mark.parametrize(
    ("part", "value", "lost"),
    [
        ("TOKENIZERS", {**search.TOKENIZERS, "words": "unicode61 remove_diacritics 0"}, "Kaltemittel"),
        ("_spelt", str, "Kaeltemittel"),
        ("_ENDING", re.compile("(?!)"), "Kältemittels"),
    ],
)
def test_a_search_that_knows_less_about_words_is_caught(monkeypatch: pytest.MonkeyPatch, part: str, value: object, lost: str) -> None:
    """Known bad: without folding, other spellings, or endings, one of the questions above is not answered."""
    monkeypatch.setattr(search, part, value)
    poorer = Library(load_articles(folder_of("")))

    assert first(poorer, lost) != ASKED[lost]


def test_model_and_cause_narrow_it(library: Library) -> None:
    """Nothing about another machine is shown to whoever works on this one."""
    everywhere = library.search("pressure Druck", limit=50)
    here = library.search("pressure Druck", model="heat-pump", cause="low_pressure", limit=50)

    assert {found.article.models[0] for found in everywhere} > {"heat-pump"}
    assert {found.article.id for found in here} == {"heat-pump-restart", "heat-pump-refrigerant"}


def test_a_part_of_a_word_will_do(library: Library) -> None:
    """German joins words, so some are looked for inside others."""
    assert first(library, "filmdruck") == ""
    assert first(library, "mittel verloren") == "heat-pump-refrigerant"


@pytest.mark.parametrize(
    "query", ["", "   ", "xyzzy", '"', "'", "AND OR NOT", "NEAR(pump, 2)", "pump*", "a:b", "-", "🙂", "\x00", "x" * 10_000]
)
def test_any_question_is_only_words(library: Library, query: str) -> None:
    """What SQLite would take for an operator is looked for, not obeyed."""
    assert len(library.search(query)) <= 10


def test_what_is_about_a_case_is_listed(library: Library) -> None:
    """Also without a question."""
    assert [article.id for article in library.about("heat-pump", "low_pressure")] == ["heat-pump-refrigerant", "heat-pump-restart"]
