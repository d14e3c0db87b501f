"""Words and phrases are found in replies, and what is harmless is left out."""

from __future__ import annotations

from vorab.understanding.lexicon import Lexicon, lexicon, read
from vorab.understanding.spelling import tokens

TEXT = """
# a comment
[money]
rechnung*
*anwalt*
wer .. zahlt
geld

[harmless]
geld wert
"""


def found(text: str) -> set[str]:
    """The phrases found in a text."""
    return {hit.said for hit in Lexicon(read(TEXT)).find(tokens(text))}


def test_words_begin_end_and_have_inside() -> None:
    """`ab*` begins with, `*ab*` has inside, and a word without a star is that word alone."""
    assert found("Rechnungen vom Rechtsanwalts") == {"rechnung*", "*anwalt*"}
    assert found("Abrechnung geldlos") == set()


def test_a_gap_is_short_and_ends_with_the_sentence() -> None:
    """Words far apart, or in two sentences, are no phrase."""
    assert found("Wer von euch zahlt das?") == {"wer .. zahlt"}
    assert found("Wer da? Er zahlt.") == set()
    assert found("Wer kommt denn nun heute noch alles dazu und zahlt") == set()


def test_harmless_words_take_others_along() -> None:
    """*Ihr seid euer Geld wert* is praise; the same word elsewhere is still one about money."""
    assert found("Ihr seid euer Geld wert") == {"geld wert"}
    assert found("Geld wert, aber wo ist mein Geld") == {"geld wert", "geld"}


def test_the_shipped_lexicon_has_a_group_for_each_flag() -> None:
    """And every line of it can be found in itself, so none is dead."""
    lines = [phrase for phrase in lexicon().phrases if not any("*" in word for piece in phrase.pieces for word in piece)]
    assert {"money", "law", "anger", "repeated", "danger", "mensch"} <= {phrase.group for phrase in lines}

    dead = [
        each.said
        for each in lines
        if each.said not in {hit.said for hit in lexicon().find([word for part in each.pieces for word in part])}
    ]
    assert [said for said in dead if said not in covered(dead)] == []


def covered(dead: list[str]) -> set[str]:
    """Lines that a harmless phrase hides when they stand alone."""
    harmless = {phrase.said for phrase in lexicon().phrases if phrase.group == "harmless"}
    return {said for said in dead if any(phrase.group == "harmless" for phrase in lexicon().find(tokens(said))) or said in harmless}
