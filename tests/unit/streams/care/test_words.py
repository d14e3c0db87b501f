"""What a text is about: the worked example's words in German and English, and what takes them back."""

from __future__ import annotations

import pytest

from streams.care.words import heard
from tests.unit.streams.care.test_decision import CARE


def topics(text: str) -> set[str]:
    """What is heard in a text."""
    return set(heard(text, CARE.words, CARE.negations))


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("Ich bin WÜTEND!", {"anger"}),
        ("Das ist eine Frechheit. Ich gehe zum Anwalt.", {"anger", "legal"}),
        ("Mir reicht es jetzt", {"anger"}),
        ("Damit bin ich nicht zufrieden", {"anger"}),
        ("I’m fed up, and my lawyers will hear of it", {"anger", "legal"}),
        ("I want my money back", {"money"}),
        ("There is smoke in the cellar", {"danger"}),
        ("Die Pumpe brennt", {"danger"}),
        ("Bitte rufen Sie mich an", set()),
        ("", set()),
    ],
)
def test_words_are_heard_in_both_languages(text: str, about: set[str]) -> None:
    """Capitals make no difference, `*` stands for any letters, phrases count as a whole."""
    assert topics(text) == about


@pytest.mark.parametrize(
    "text",
    [
        "Ich bin nicht wütend",
        "Das ärgert mich nicht",
        "Ich bin keineswegs sauer",
        "I am not angry at all",
        "I'm not really upset",
        "We don't need a lawyer",
        "Kein Rauch, kein Feuer",
    ],
)
def test_a_negation_takes_a_word_back(text: str) -> None:
    """Before the word in both languages, behind it in German."""
    assert topics(text) == set()


@pytest.mark.parametrize(
    "text",
    [
        "Nicht nur wütend bin ich",
        "I am not only angry",
        "Es ist nicht warm, und ich bin wütend",
        "Ich bin wütend weil es nicht warm ist",
        "It does not heat. I am angry",
        "Not that I mind the noise but I am upset",
    ],
)
def test_a_negation_of_something_else_does_not(text: str) -> None:
    """`Not only`, another clause, another sentence: in doubt it counts, for a person who looks for nothing costs little."""
    assert topics(text) == {"anger"}


def test_without_negations_the_tests_above_would_fail() -> None:
    """Known bad: whoever forgets the list takes calm for anger."""
    assert heard("Ich bin nicht wütend", CARE.words, {}) == {"anger"}
