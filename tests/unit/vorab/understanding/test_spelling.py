"""One spelling for many: umlauts, capitals, doubled letters, slips of the keys."""

from __future__ import annotations

import pytest

from vorab.understanding.spelling import Speller, plain, tokens


@pytest.mark.parametrize(
    "spelt", ["Größe für Übermut", "Groesse fuer Uebermut", "GRÖSSE FÜR ÜBERMUT", "grose fur ubermut", "gröööße  fürr übermut"]
)
def test_many_spellings_are_one(spelt: str) -> None:
    """Missing umlauts, capitals and stretched letters mean the same."""
    assert tokens(spelt) == ["grose", "fur", "ubermut"]


def test_signs_say_something() -> None:
    """Emoji and currencies become words, figures only how long they are."""
    assert tokens("👍 89€ um 17:30!!!") == ["emoup", "99", "euro", "um", "99", ".", "99", "!", "!!"]


def test_slips_are_mended() -> None:
    """Swapped, missing, doubled and wrong letters of known words; what is known stays."""
    speller = Speller(["rechnung", "danke", "druker", "bitte"])

    assert speller.mend(["rechnnug", "dnake", "druckr", "rechnug", "bitte", "?"]) == [
        "rechnung",
        "danke",
        "druckr",
        "rechnung",
        "bitte",
        "?",
    ]


def test_short_words_are_not_made_into_a_flag() -> None:
    """Known bad: without care *bissl* is one slip from *bills*, and a late message becomes a matter of money."""
    assert Speller(["bisls"], careful=["bisls"]).mend(["bisl"]) == ["bisl"]
    assert Speller(["bisls"]).mend(["bisl"]) == ["bisl"]
    assert Speller(["bisls"]).mend(["bisln"]) == ["bisls"]
    assert Speller(["bisls"], careful=["bisls"]).mend(["bisln"]) == ["bisln"]


def test_plain_has_small_letters_only() -> None:
    """Accents, apostrophes and other scripts leave nothing odd behind."""
    assert plain("Don’t CAFÉ Привет") == "dont cafe "
