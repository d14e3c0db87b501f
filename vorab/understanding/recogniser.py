"""What a reply means: the linear model and the lexicon together, and who answers. Pure.

A reply goes to a person where it carries a flag, asks for one, speaks of danger, contradicts itself, or is not understood well enough.
Corrections by agents are learned on top of the shipped weights, in one order whatever the order they came in: what is forgotten leaves
no trace.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vorab.clock import Micros
from vorab.understanding.doubts import contradicts, doubts_of
from vorab.understanding.features import Features, features
from vorab.understanding.kinds import EFFECTS, PEOPLES, Example, Flag, Intent, Route, Understood
from vorab.understanding.lexicon import Hit, lexicon
from vorab.understanding.own import own_words
from vorab.understanding.reading import examples_in
from vorab.understanding.spelling import Speller, tokens
from vorab.understanding.training import FLAGS, INTENTS, PERSON, Trained, aims, answers
from vorab.understanding.weights import load
from vorab.understanding.wish import wish

MOST_CORRECTIONS: Final = 2_000
LEARN_ROUNDS: Final = 6
LEARN_RATE: Final = 4.0
SURE: Final = 0.7
"""How corrections are learned: in rounds, until each is answered so surely, or the rounds are over."""


class Bars(NamedTuple):
    """From which chance on something counts; chosen by cross-validation (docs/understanding.md)."""

    anger: float = 0.15
    law: float = 0.15
    money: float = 0.2
    repeated: float = 0.3
    person: float = 0.85
    """That a person is due, whatever the intent."""
    person_effect: float = 0.7
    """The same, of an intent that does something."""
    effect: float = 0.6
    """How sure of an intent that does something."""
    plain: float = 0.4
    """How sure of any other."""
    known: float = 0.34
    """The share of words that are known; below it is another language, or none."""
    part: float = 0.75
    """How sure of a sentence by itself, where two sentences want two things."""


BARS: Final = Bars()
WEAK: Final = 0.04
"""A word that sets a flag does not where the model, which saw it amid the others, is surer than this that it is meant otherwise."""


class Seen(NamedTuple):
    """A text as the model sees it."""

    words: list[str]
    hits: list[Hit]
    features: Features
    chances: NDArray[np.float32]


class Recogniser:
    """Tells what replies mean; never changes: `learn` and `forget` give another one.

    Args:
        trained: Weights and known words.
        corrections: Examples learned on top.
        bars: From which chance on something counts.
    """

    def __init__(self, trained: Trained, corrections: Iterable[Example] = (), bars: Bars = BARS) -> None:
        self.bars = bars
        self.corrections = tuple(sorted(set(corrections)))[:MOST_CORRECTIONS]
        self._trained = trained
        self._speller = _speller(trained)
        self.weights = trained.weights
        self._told = {_spoken(self._words(each.text)): each for each in self.corrections}
        if self.corrections:
            self._learn()

    def understand(self, text: str, language: str = "", now: Micros = 0, zone: str = "UTC") -> Understood:  # noqa: ARG002 - replies mix languages
        """What a reply means.

        Args:
            text: The reply, decoded; what it quotes and its signature are cut off.
            language: What the customer is written to in; replies often come in another, so both are always read.
            now: When it came, for the time it names.
            zone: The person's time zone.
        """
        own = own_words(text)
        words = self._words(own)
        told = self._told.get(_spoken(words))
        if not words:
            return Understood(Intent.OTHER, 1.0, (), Route.HUMAN, None, ("nothing of their own",))
        whole = self._see(words)
        parts = [self._see(part) for part in _sentences(words)] if "." in words or "!" in words or "?" in words else []
        intent, confidence, flags, route, why = self._judge(whole, parts)
        if told is not None and told.intent is not Intent.HUMAN and not _asks_for_person(whole):
            intent, confidence, flags, route, why = told.intent, 1.0, [*told.flags], told.route, ["an agent said so of these words"]
        if flags or intent in PEOPLES:
            route = Route.HUMAN
        wished = wish(own, now, zone) if intent in {Intent.CALL_ME, Intent.MOVE} else None
        return Understood(intent, confidence, tuple(flags), route, wished, tuple(why))

    def learn(self, example: Example) -> Recogniser:
        """The recogniser that knows this example, too; an earlier one of the same words gives way."""
        return self.taught([example])

    def taught(self, examples: Iterable[Example]) -> Recogniser:
        """The recogniser that knows all of these, too; the same as learning one after the other."""
        kept = {_spoken(self._words(each.text)): each for each in (*self.corrections, *examples)}
        return Recogniser(self._trained, kept.values(), self.bars)

    def forget(self, example: Example) -> Recogniser:
        """The recogniser that never learned this example."""
        return Recogniser(self._trained, [each for each in self.corrections if each != example], self.bars)

    def reset(self) -> Recogniser:
        """The recogniser as it ships."""
        return Recogniser(self._trained, (), self.bars)

    def dump(self) -> bytes:
        """All that was learned on top: one example a line, in one order."""
        return "".join(json.dumps(each.plain(), ensure_ascii=False, sort_keys=True) + "\n" for each in self.corrections).encode()

    def load(self, dumped: bytes) -> Recogniser:
        """The recogniser that learned what `dump` gave."""
        return Recogniser(self._trained, examples_in(dumped.decode(), "corrections"), self.bars)

    def _words(self, text: str) -> list[str]:
        return self._speller.mend(tokens(own_words(text)))

    def _see(self, words: Sequence[str]) -> Seen:
        hits = lexicon().find(words)
        found = features(words, hits)
        return Seen(list(words), hits, found, answers(self._scores(found)))

    def _scores(self, found: Features) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = found.values @ self.weights[found.places]
        return scores

    def _judge(self, whole: Seen, parts: Sequence[Seen]) -> tuple[Intent, float, list[Flag], Route, list[str]]:
        groups = {hit.group: hit.said for hit in reversed(whole.hits)}
        place = int(whole.chances[: len(INTENTS)].argmax())
        intent, confidence = INTENTS[place], float(whole.chances[place])
        if intent is Intent.WORKS_AGAIN and whole.words[-1] == "?" and not parts:
            # Asked, not said.
            intent, confidence = Intent.STATUS, confidence + float(whole.chances[INTENTS.index(Intent.STATUS)])
        if intent is Intent.THANKS:
            place, intent, confidence = self._besides_thanks(place, confidence, parts)
        flags, why = self._flags(whole, parts)
        why += self._reasons(whole, place)
        if _asks_for_person(whole):
            return Intent.HUMAN, 1.0, flags, Route.HUMAN, [f"asks for a person: “{groups['mensch']}”", *why]
        person = max(float(each.chances[PERSON]) for each in (whole, *parts))
        doubts = self._doubts(whole, parts, intent, confidence, person)
        if "danger" in groups:
            doubts.insert(0, f"danger: “{groups['danger']}”")
        due = bool(flags or doubts) or intent in PEOPLES
        return intent, confidence, flags, Route.HUMAN if due else Route.BOT, [*doubts, *why]

    def _besides_thanks(self, place: int, confidence: float, parts: Sequence[Seen]) -> tuple[int, Intent, float]:
        """Who says something and thanks means the something."""
        for part in parts:
            best = int(part.chances[: len(INTENTS)].argmax())
            if INTENTS[best] not in {Intent.THANKS, *PEOPLES} and part.chances[best] >= self.bars.part:
                return best, INTENTS[best], float(part.chances[best])
        return place, Intent.THANKS, confidence

    def _flags(self, whole: Seen, parts: Sequence[Seen]) -> tuple[list[Flag], list[str]]:
        flags, why = [], []
        for number, flag in enumerate(FLAGS, len(INTENTS)):
            chance = max(float(each.chances[number]) for each in (whole, *parts))
            said = next((hit.said for hit in whole.hits if hit.group == flag), "")
            if said and chance >= WEAK:
                flags.append(flag)
                why.append(f"{flag}: “{said}”")
            elif chance >= getattr(self.bars, flag):
                flags.append(flag)
                why.append(f"{flag}: sounds like it ({chance:.2f})")
        return flags, why

    def _doubts(self, whole: Seen, parts: Sequence[Seen], intent: Intent, confidence: float, person: float) -> list[str]:
        bars, effect = self.bars, intent in EFFECTS
        doubts = []
        if person >= (bars.person_effect if effect else bars.person):
            doubts.append(f"sounds like a matter for a person ({person:.2f})")
        if confidence < (bars.effect if effect else bars.plain):
            doubts.append(f"not sure that it means {intent} ({confidence:.2f})")
        if len(whole.words) > 2 and self._speller.known(whole.words) < bars.known:
            doubts.append("hardly a word is known")
        doubts += doubts_of(whole.words, intent, confidence, {hit.group for hit in whole.hits})
        wants = {INTENTS[int(each.chances[: len(INTENTS)].argmax())] for each in parts if each.chances[: len(INTENTS)].max() >= bars.part}
        if others := contradicts(intent, wants):
            doubts.append(f"wants {intent} and {', '.join(sorted(others))}")
        return doubts

    def _reasons(self, whole: Seen, place: int) -> list[str]:
        names = whole.features.names
        start = len(whole.features.places) - len(names)
        weighed = whole.features.values[start:] * self.weights[whole.features.places[start:], place]
        best = [int(i) for i in np.argsort(-weighed)[:12] if weighed[i] > 0]
        shown = list(dict.fromkeys(names[i] for i in best if not names[i].startswith("[words")))
        return [f"{INTENTS[place]}: {', '.join(shown[:4])}"] if shown else []

    def _learn(self) -> None:
        weights = self._trained.weights.copy()
        rows = [(each, features(words := self._words(each.text), lexicon().find(words))) for each in self.corrections]
        for _ in range(LEARN_ROUNDS):
            wrong = [self._nudge(weights, example, found) for example, found in rows]
            if not any(wrong):
                break
        self.weights = weights

    @staticmethod
    def _nudge(weights: NDArray[np.float32], example: Example, found: Features) -> bool:
        """One step towards what an agent said; whether one was needed."""
        said = answers(found.values @ weights[found.places])
        aim, whole = aims(example)
        off = aim - said
        if not whole:
            off[: len(INTENTS)] = 0
        if np.abs(off).max() < 1 - SURE:
            return False
        # As large as the values themselves are, so that a long text moves the weights no more than a short one.
        size = LEARN_RATE / float(found.values @ found.values)
        np.add.at(weights, found.places, found.values[:, None] * off[None, :] * min(size, LEARN_RATE))
        return True


def _spoken(words: Sequence[str]) -> str:
    """What was said, whatever marks stand in it; asking is saying something else."""
    return " ".join(word for word in words if word.isalnum() or "?" in word)


def _asks_for_person(whole: Seen) -> bool:
    return any(hit.group == "mensch" for hit in whole.hits)


def _sentences(words: Sequence[str]) -> list[list[str]]:
    """The sentences, where there is more than one that says something."""
    found: list[list[str]] = [[]]
    for word in words:
        found[-1].append(word)
        if word[0] in ".!?":
            found.append([])
    spoken = [part for part in found if any(word[0].isalpha() for word in part)]
    return spoken[:8] if len(spoken) > 1 else []


@functools.lru_cache(maxsize=4)
def _speller_of(words: tuple[str, ...]) -> Speller:
    return Speller(words, lexicon().careful)


def _speller(trained: Trained) -> Speller:
    return _speller_of(trained.words)


@functools.cache
def recogniser() -> Recogniser:
    """The one that ships."""
    return Recogniser(load())
