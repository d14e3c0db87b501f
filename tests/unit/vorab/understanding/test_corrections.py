"""What agents said replies meant, as examples: as long as the words can be read, and not a moment longer."""

from __future__ import annotations

import random
from collections.abc import Sequence

from vorab.records import Corrected, HandedTo, Heard
from vorab.sealing import new_key, opened, seal
from vorab.understanding import Flag, Intent, Route, recogniser
from vorab.understanding.corrections import examples_from

KEYS: dict[str, bytes] = {"main/c-1": new_key(), "main/c-2": new_key()}


def said(name: str, words: str, customer: str = "c-1", **changes: object) -> Heard:
    """A reply."""
    made = {
        "id": name, "customer": customer, "channel": "mail", "said": seal(KEYS[f"main/{customer}"], f"main/{customer}", words),
        "handed_to": HandedTo.PERSON, "at": 1,
    }  # fmt: skip
    return Heard.model_validate({**made, **changes})


def meant(heard: str, intent: str, at: int = 2, name: str = "") -> Corrected:
    """What it meant."""
    return Corrected(id=name or f"{heard} {intent} {at}", customer="c-1", heard=heard, intent=intent, at=at)


def reads(customer: str, sealed: Sequence[str]) -> Sequence[str | None]:
    """Who holds the keys."""
    return [opened(KEYS.get(customer), customer, each) for each in sealed]


def test_a_correction_becomes_an_example_whose_words_are_then_understood() -> None:
    """The phrase is taken as the agent said, and was not before."""
    reply = "ham se des scho wieder"
    assert recogniser().understand(reply).intent is not Intent.STILL_BROKEN
    rows = examples_from([said("r", reply)], [meant("r", "still_broken")], reads, {"main/c-1": "de"})
    assert [(row.text, row.language, row.intent, row.route) for row in rows] == [(reply, "de", Intent.STILL_BROKEN, Route.BOT)]
    assert recogniser().taught(rows).understand(reply).intent is Intent.STILL_BROKEN


def test_the_last_word_counts_whatever_the_order() -> None:
    """An agent may be mistaken, and say so; the same records in any order are the same examples."""
    replies = [said("r", "geht ned"), said("s", "passt", "c-2"), said("t", "nobody corrected this")]
    words = [meant("r", "thanks", 2), meant("r", "still_broken", 3), meant("s", "thanks", 2)]
    first = examples_from(replies, words, reads, {})
    assert [(row.text, row.intent) for row in first] == [("geht ned", Intent.STILL_BROKEN), ("passt", Intent.THANKS)]
    for seed in range(5):
        luck = random.Random(seed)
        assert examples_from(luck.sample(replies, 3), luck.sample(words, 3), reads, {}) == first


def test_a_destroyed_key_takes_the_example_back() -> None:
    """Erasing a customer erases what was learned of their words."""
    replies, words = [said("r", "geht ned"), said("s", "passt", "c-2")], [meant("r", "still_broken"), meant("s", "thanks")]
    key = KEYS.pop("main/c-2")
    try:
        assert [row.text for row in examples_from(replies, words, reads, {})] == ["geht ned"]
    finally:
        KEYS["main/c-2"] = key


def test_no_correction_takes_a_flag_from_a_reply() -> None:
    """Anger stays a person's, whatever it meant; a meaning that nobody knows teaches nothing."""
    angry = said("r", "mir langts, wann kommt wer", doubts=("anger", "not_understood"))
    [row] = examples_from([angry], [meant("r", "status")], reads, {})
    assert (row.flags, row.route) == ((Flag.ANGER,), Route.HUMAN)
    assert examples_from([angry], [meant("r", "sing")], reads, {}) == []
    assert examples_from([angry], [meant("r", "human")], reads, {})[0].route is Route.HUMAN
