"""The short form: it fits, it is whole words, and the code is always on it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.glance import LIMIT, glance, shortened
from notifier.render import Renderer
from notifier.words import LANGUAGES, load_words
from tests.unit.notifier.conformance import HOSTILE
from tests.unit.notifier.house import MORNING, customer, note
from vorab.records import Stage

CODE = "0417"
TABLES = load_words()
RENDERER = Renderer(TABLES)
GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The GSM alphabet (3GPP TS 23.038): 160 of these fit into one SMS, and only 70 where one character is outside."""


@pytest.mark.parametrize(
    ("what", "language", "said"),
    [
        ("Pumpe 7: neu gestartet, läuft wieder", "de", "Pumpe 7: neu gestartet, läuft wieder. Code 0417"),
        ("Pump 7: restarted, running again", "en", "Pump 7: restarted, running again. Code 0417"),
        ("Pumpe 7: Dürfen wir sie neu starten?", "de", "Pumpe 7: Dürfen wir sie neu starten? Code 0417"),
        ("wort " * 40, "de", "wort " * 18 + "wort... Code 0417"),
        ("x" * 200, "de", "Nachricht zu Ihrem Gerät. Code 0417"),
        ("", "en", "Message about your device. Code 0417"),
        ("Pump 7: all done", "fr", "Pump 7: all done. Code 0417"),
    ],
)
def test_a_glance_reads_as_written(what: str, language: str, said: str) -> None:
    """What happened, and the code."""
    assert glance(what, CODE, language) == said


def whole_words_only(line: str, said: str) -> bool:
    """Whether every word that is said is a word of the line."""
    words = line.split()
    return [word.rstrip(".") for word in said.removesuffix("...").split()] == [word.rstrip(".") for word in words[: len(said.split())]]


WORDS = st.lists(st.text("abcdefgÄß", min_size=1, max_size=30), max_size=20).map(" ".join)


@given(WORDS)
def test_a_text_is_never_cut_inside_a_word(line: str) -> None:
    """Half a word can be another word."""
    said = shortened(line, 40)
    assert len(said) <= 40
    assert whole_words_only(line, said)


def test_a_text_cut_anywhere_is_caught() -> None:
    """Known bad: cutting at the limit halves a word."""
    line = "Donaudampfschiff Kapitän " * 4
    assert not whole_words_only(line, line[:21] + "...")
    assert whole_words_only(line, shortened(line, 24))


@given(st.text(), st.sampled_from([*LANGUAGES, "fr", ""]))
def test_every_glance_fits_and_has_its_code(what: str, language: str) -> None:
    """Whatever a name holds: one line of at most 110 characters that ends in the code."""
    said = glance(what, CODE, language)
    assert len(said) <= LIMIT
    assert said.endswith(CODE)
    assert said.isprintable() or not what.isprintable()
    assert "\n" not in said


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("stage", Stage)
def test_every_stage_fits_into_one_sms(stage: Stage, language: str) -> None:
    """In the GSM alphabet, for the machines of the example; nothing is left out of it."""
    for model in TABLES.machines:
        for cause in TABLES.causes:
            told = note(stage, params={"name": "", "model": model, "cause": cause, "remedy": "restart", "acted_at": "2026-11-24T01:14:00Z"})
            subject = RENDERER.render(told, None, customer(language=language), now=MORNING).subject
            said = glance(subject, CODE, language)
            assert set(said) <= GSM, said
            assert said.startswith(subject), said


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("evil", HOSTILE)
def test_no_name_makes_a_glance_long_or_a_link(stage: Stage, language: str, evil: str) -> None:
    """Long and hostile names, in every stage."""
    told = note(stage, params={"name": evil, "model": evil, "cause": evil})
    subject = RENDERER.render(told, None, customer(language=language), now=MORNING).subject
    said = glance(subject, CODE, language)
    assert len(said) <= LIMIT
    assert said.endswith(CODE)
    assert "://" not in said
