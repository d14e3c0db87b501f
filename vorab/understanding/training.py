"""Learning the weights from examples: the same examples give the same weights. Pure.

A linear model, logistic, with L2: one column for each intent (softmax), each flag, and whether a person is due (each by itself).
Every example is learned as it stands, with slips of the keys, and amid what people put around it.
"""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vorab.understanding.asides import ASIDES, CLOSINGS, OPENINGS
from vorab.understanding.features import SIZE, Features, features
from vorab.understanding.kinds import Example, Flag, Intent, Route
from vorab.understanding.lexicon import lexicon
from vorab.understanding.spelling import Speller, tokens

INTENTS: Final = tuple(Intent)
FLAGS: Final = tuple(Flag)
COLUMNS: Final = len(INTENTS) + len(FLAGS) + 1
PERSON: Final = COLUMNS - 1
"""The column that says whether a person is due."""

EPOCHS: Final = 6
BATCH: Final = 64
RATE: Final = 0.35
DECAY: Final = 2e-5
"""Chosen by cross-validation over the examples; docs/understanding.md has the figures."""

OTHERS: Final = 0.35
"""What an example of `other` counts for the intent: there are six times as many as of any other, and far fewer among replies."""


class Trained(NamedTuple):
    """Weights and the words that are known."""

    weights: NDArray[np.float32]
    words: tuple[str, ...]


def words_of(examples: Iterable[Example]) -> tuple[str, ...]:
    """Words that are spelt right: those of the lexicon and of examples, the commonest first."""
    counts = Counter(word for example in examples for word in tokens(example.text) if word[0].isalpha())
    for word in lexicon().words:
        counts[word] += 1
    # What was written once may be one of the slips that examples are full of.
    return tuple(
        word
        for word, count in sorted(counts.items(), key=lambda each: (-each[1], each[0]))
        if word and (count > 1 or word in lexicon().words)
    )


def seen(text: str, speller: Speller) -> Features:
    """The features of a text."""
    words = speller.mend(tokens(text))
    return features(words, lexicon().find(words))


def varied(examples: Sequence[Example]) -> Iterator[tuple[Example, str]]:
    """Each example as it stands, with slips, and with something around it."""
    flagged = {name: [each for each in examples if each.language == name and each.flags] for name in OPENINGS}
    alike: dict[tuple[str, Intent], list[Example]] = {}
    for each in examples:
        if each.route is Route.BOT:
            alike.setdefault((each.language, each.intent), []).append(each)
    for example in examples:
        yield example, example.text
        chance = random.Random(zlib.crc32(f"{example.language} {example.text}".encode()))
        if len(example.text) > 6:
            yield example, slipped(example.text, chance)
        if example.intent is not Intent.OTHER or example.flags or example.route is Route.HUMAN:
            opening = chance.choice(("", *OPENINGS[example.language])) if chance.random() < 0.7 else ""
            closing = chance.choice(CLOSINGS[example.language]) if chance.random() < 0.7 or not opening else ""
            said = [example.text, chance.choice(ASIDES[example.language])][: 1 + (chance.random() < 0.5)]
            chance.shuffle(said)
            yield example, f"{opening} {'. '.join(said)}. {closing}".strip()
        if example.route is Route.BOT:
            # The same wish in two sentences is one wish; with a flag in one of them it is a person's.
            kind = flagged[example.language] if chance.random() < 0.5 else alike[example.language, example.intent]
            if kind:
                other = chance.choice(kind)
                parts = [example.text, other.text]
                chance.shuffle(parts)
                yield example._replace(flags=other.flags, route=other.route), ". ".join(parts)


def slipped(text: str, chance: random.Random) -> str:
    """A text with a slip of the keys in it, two in a long one."""
    letters = list(text)
    for _ in range(1 + len(text) // 45):
        place = chance.randrange(1, len(letters) - 1)
        if not (letters[place].isalpha() and letters[place - 1].isalpha()):
            continue
        kind = chance.randrange(3)
        if kind == 0:
            letters[place - 1], letters[place] = letters[place], letters[place - 1]
        elif kind == 1:
            del letters[place]
        else:
            letters[place] = chance.choice("abcdefghiklmnoprstuwz")
    return "".join(letters)


def aims(example: Example) -> tuple[NDArray[np.float32], float]:
    """What each column should say, and how much the intent counts: of a mixed reply nothing is to be learned of it."""
    aim = np.zeros(COLUMNS, np.float32)
    aim[INTENTS.index(example.intent)] = 1
    for flag in example.flags:
        aim[len(INTENTS) + FLAGS.index(flag)] = 1
    aim[PERSON] = example.route is Route.HUMAN
    plain = example.route is Route.BOT or example.intent in {Intent.HUMAN, Intent.OTHER} or bool(example.flags)
    return aim, OTHERS if example.intent is Intent.OTHER else float(plain)


def learn_all(examples: Sequence[Example], *, epochs: int = EPOCHS, seed: int = 1) -> Trained:
    """Learn examples from nothing."""
    words = words_of(examples)
    speller = Speller(words, lexicon().careful)
    rows = [(seen(text, speller), *aims(example)) for example, text in varied(examples)]
    weights = np.zeros((SIZE, COLUMNS), np.float32)
    squares = np.full((SIZE, COLUMNS), 1e-2, np.float32)
    order = np.random.default_rng(seed)
    for epoch in range(epochs):
        rate = RATE * (1 - epoch / epochs) + 0.02
        shuffled = order.permutation(len(rows))
        for start in range(0, len(rows), BATCH):
            step(weights, squares, [rows[i] for i in shuffled[start : start + BATCH]], rate)
    return Trained(weights, words)


def step(weights: NDArray[np.float32], squares: NDArray[np.float32], rows: Sequence[tuple[Features, Any, float]], rate: float) -> None:
    """One step of AdaGrad for a few rows, in place."""
    places = np.concatenate([row[0].places for row in rows])
    values = np.concatenate([row[0].values for row in rows])
    row_of = np.repeat(np.arange(len(rows)), [len(row[0].places) for row in rows])
    touched, back = np.unique(places, return_inverse=True)
    width = len(touched)
    table = np.bincount(row_of * width + back, values, len(rows) * width).reshape(len(rows), width).astype(np.float32)
    wrong = answers(table @ weights[touched]) - np.stack([row[1] for row in rows])
    wrong[:, : len(INTENTS)] *= np.array([[row[2]] for row in rows], np.float32)
    slope = table.T @ wrong + DECAY * len(rows) * weights[touched]
    squares[touched] += slope * slope
    weights[touched] -= rate * slope / np.sqrt(squares[touched])


def answers(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores as chances: intents add up to one, the others stand alone."""
    count = len(INTENTS)
    powers = np.exp(scores[..., :count] - scores[..., :count].max(axis=-1, keepdims=True))
    alone = 1 / (1 + np.exp(-np.clip(scores[..., count:], -30, 30)))
    return np.concatenate([powers / powers.sum(axis=-1, keepdims=True), alone], axis=-1)
