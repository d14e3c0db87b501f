"""What makes a reply doubtful although its intent is clear: *yes, but*; *works again, I think*; *order it, no, don't*. Pure.

A table says which group of `lexicon/doubts.txt` doubts which intents. What is doubtful goes to a person.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Final

from vorab.understanding.kinds import EFFECTS, Intent
from vorab.understanding.lexicon import Hit, Lexicon, read

DOUBTED: Final[dict[str, frozenset[Intent]]] = {
    "no": frozenset({Intent.CONSENT_YES, Intent.WORKS_AGAIN, Intent.ORDER}),
    "but": frozenset({Intent.CONSENT_YES, Intent.WORKS_AGAIN, Intent.ORDER}),
    "unsure": frozenset(
        {Intent.CONSENT_YES, Intent.CONSENT_NO, Intent.WORKS_AGAIN, Intent.WAS_WRONG, Intent.ORDER, Intent.MOVE, Intent.STOP}
    ),
    "odd": frozenset({Intent.WORKS_AGAIN, Intent.WAS_WRONG, Intent.CONSENT_YES}),
    "relapse": frozenset({Intent.WORKS_AGAIN, Intent.WAS_WRONG, Intent.CONSENT_NO}),
    "shift": frozenset({Intent.CALL_ME}),
    "no_call": frozenset({Intent.CALL_ME}),
    "narrow": frozenset({Intent.STOP}),
    "runs": frozenset({Intent.CONSENT_YES}),
    "machine": frozenset(Intent),
    "undo": frozenset({Intent.ORDER}),
    "sour": frozenset({Intent.THANKS, Intent.CONSENT_YES}),
    "days": frozenset({Intent.WORKS_AGAIN}),
    "elsewhere": frozenset(Intent) - {Intent.STOP, Intent.MOVE, Intent.CALL_ME},
}
ASKED: Final = frozenset({Intent.WORKS_AGAIN, Intent.WAS_WRONG, Intent.CONSENT_NO})
"""Said they mean something; asked they do not."""
FINE: Final = "fine_no"
"""A no that means yes: *no problem*."""
VAGUE: Final = "vague"
"""Means anything where it is all that was said."""
SHORT: Final = 2
"""Words up to which a reply needs a phrase of its intent in it: about one word the model only guesses ..."""
SURE: Final = 0.9
SURE_OF_PLAIN: Final = 0.75
"""... unless it is as sure as this, of an intent that does something and of any other."""


def doubts_of(words: Sequence[str], intent: Intent, confidence: float, groups: set[str]) -> Iterator[str]:
    """Why a reply with this intent is doubtful.

    Args:
        words: Its words.
        intent: What it is taken for.
        confidence: How surely.
        groups: Groups of the lexicon that were found in it.
    """
    hits = _lexicon().find(words)
    spoken = [place for place, word in enumerate(words) if word[0].isalpha()]
    fine = {place for hit in hits if hit.group == FINE for place in hit.places}
    vague = {place for hit in hits if hit.group == VAGUE for place in hit.places}
    if not set(spoken) - vague:
        yield "says too little"
    elif len(spoken) <= SHORT and intent not in groups and confidence < (SURE if intent in EFFECTS else SURE_OF_PLAIN):
        yield f"so few words, and none that says {intent}"
    for hit in _once(hits):
        if intent in DOUBTED.get(hit.group, ()) and not fine.intersection(hit.places):
            yield f"{intent}, and “{hit.said}”"
    if "?" in words and intent in ASKED:
        yield f"{intent} is asked, not said"


def contradicts(intent: Intent, wants: set[Intent]) -> set[Intent]:
    """What else is wanted by sentences of the same reply, where the two do not go together."""
    firm = intent in EFFECTS or intent in {Intent.STATUS, Intent.QUESTION, Intent.STILL_BROKEN, Intent.TOO_LATE}
    return (wants & EFFECTS) - {intent} if firm else set()


def _once(hits: Sequence[Hit]) -> Iterator[Hit]:
    seen: set[str] = set()
    for hit in hits:
        if hit.group not in seen or hit.group == "no":
            seen.add(hit.group)
            yield hit


@functools.cache
def _lexicon() -> Lexicon:
    folder = resources.files("vorab.understanding") / "lexicon"
    return Lexicon(read((folder / "doubts.txt").read_text(encoding="utf-8")))
