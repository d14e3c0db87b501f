"""The weights that ship are what the examples that ship give."""

from __future__ import annotations

import numpy as np
import pytest

from vorab.errors import ConfigError
from vorab.understanding.kinds import Example, Flag, Intent, Route
from vorab.understanding.reading import examples_in, shipped
from vorab.understanding.training import learn_all, words_of
from vorab.understanding.weights import load, pack, unpack

FEW = shipped()[::40]


def test_learning_again_gives_the_same() -> None:
    """Nothing but the examples decides; one example less gives other weights."""
    assert pack(learn_all(FEW)) == pack(learn_all(FEW))
    assert pack(learn_all(FEW)) != pack(learn_all(FEW[1:]))


@pytest.mark.slow
def test_the_shipped_weights_are_learned_from_the_shipped_examples() -> None:
    """Whoever changes an example, a phrase or the training calls `python -m scripts.understanding`.

    Sums of floats may differ in the last place from machine to machine, so a weight may be one step off.
    """
    ships, again = load(), unpack(pack(learn_all(shipped())))

    assert ships.words == again.words
    step = np.abs(ships.weights).max(axis=0) / 127
    assert (np.abs(ships.weights - again.weights) <= 2.1 * step).all()


def test_the_shipped_words_are_those_of_the_shipped_examples() -> None:
    """The quick half of the above: an example or phrase that was added and not learned is noticed at once."""
    assert load().words == words_of(shipped())


def test_examples_are_many_and_of_each_kind() -> None:
    """Both languages, every intent, every flag."""
    examples = shipped()

    assert len(examples) >= 1_500
    for language in ("de", "en"):
        mine = [each for each in examples if each.language == language]
        assert {each.intent for each in mine} == set(Intent)
        assert {flag for each in mine for flag in each.flags} == set(Flag)
    assert len({(each.language, each.text) for each in examples}) == len(examples)


def test_no_flagged_example_is_the_bots() -> None:
    """The examples keep the rule they teach."""
    assert [each for each in shipped() if each.route is Route.BOT and (each.flags or each.intent in {Intent.HUMAN, Intent.OTHER})] == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"text": "ja", "intent": "consent_yes"}', "language"),
        ('{"text": "ja", "language": "fr", "intent": "consent_yes"}', "fr"),
        ('{"text": "ja", "language": "de", "intent": "yes"}', "yes"),
        ('{"text": "ja", "language": "de", "intent": "thanks", "flags": ["rage"]}', "rage"),
        ("nonsense", "Expecting"),
    ],
)
def test_a_mistake_in_an_example_is_named_with_its_line(line: str, what: str) -> None:
    """An operator extends the list by hand."""
    with pytest.raises(ConfigError, match=what) as caught:
        examples_in(f'{{"text": "ok", "language": "de", "intent": "other"}}\n{line}\n', "mine.jsonl")

    assert "mine.jsonl:2" in str(caught.value) or caught.value.line == 2


def test_the_route_follows_from_the_rest_where_it_is_not_said() -> None:
    """A flag is a person's, and so is what is nothing else."""
    rows = '{"text": "a", "language": "de", "intent": "thanks"}\n{"text": "b", "language": "de", "intent": "thanks", "flags": ["law"]}'

    assert examples_in(rows, "mine") == [
        Example("a", "de", Intent.THANKS),
        Example("b", "de", Intent.THANKS, (Flag.LAW,), Route.HUMAN),
    ]
