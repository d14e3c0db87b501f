"""Words that mean much the same share what was learned of one of them."""

from __future__ import annotations

import numpy as np
import pytest

from vorab.understanding.alike import Alike, alike
from vorab.understanding.features import features
from vorab.understanding.spelling import tokens


@pytest.mark.parametrize(
    ("one", "other"),
    [("heizung", "boiler"), ("nöd", "not"), ("ruaf", "ring"), ("anwalt", "barrister"), ("erstattung", "refund"), ("löppt", "läuft")],
)
def test_languages_and_dialects_meet_in_a_name(one: str, other: str) -> None:
    """What was learned of a word in one of them holds in the others."""
    assert set(alike().names(tokens(one)[0])) & set(alike().names(tokens(other)[0]))


def test_a_word_of_its_own_has_no_name() -> None:
    """Nothing is made up; a number is a number, whichever."""
    assert alike().names("rhabarber") == ()
    assert alike().names("9999") == alike().names("99") == ("9",)


def test_a_beginning_stands_for_the_words_that_begin_so() -> None:
    """The longest beginning counts, and only where a star allows it."""
    table = Alike(["# a remark: not read", "curse: scheiss* mist", "praise: scheissgut*"])

    assert table.names("scheisdreck") == ("curse",)
    assert table.names("scheisgutes") == ("praise",)
    assert table.names("mistel") == ()


def test_replies_in_two_languages_look_alike_to_the_model() -> None:
    """The same wish shares features across languages; without the table it would share none."""

    def seen(words: list[str]) -> set[int]:
        return set(features(words, ()).places.tolist())

    both = seen(["heizung", "lauft", "wieder"]) & seen(["boiler", "works", "again"])
    table = {name for name in features(["heizung", "lauft", "wieder"], ()).names if name.startswith("<")}

    assert "<machine works>" in table
    assert len(both) >= len({"<machine>", "<works>", "<again>", "<machine works>", "<works again>", "<machine again>"})


def test_values_of_names_are_even() -> None:
    """A long reply weighs no more than a short one."""
    for words in (["heizung"], ["heizung", "lauft", "wieder", "danke"] * 20):
        found = features(words, ())
        named = found.values[len(found.places) - len(found.names) :]
        mine = np.array([value for name, value in zip(found.names, named, strict=True) if name.startswith("<")])
        assert np.isclose((mine**2).sum(), 1, atol=1e-4)
