"""What a customer's reply means: intent, flags, who answers, the time that was named, and why; German and English.

`own` cuts off what a reply quotes, `spelling` gives it one spelling, `lexicon` finds words and phrases, `features` and `training` are the
linear model, `recogniser` puts them together and learns from corrections, `wish` reads times. All pure. `docs/understanding.md` says how
well it does, and where it does not.
"""

from __future__ import annotations

from vorab.understanding.kinds import EFFECTS, Example, Flag, Intent, Route, Understood, Window
from vorab.understanding.own import own_words
from vorab.understanding.reading import examples_of
from vorab.understanding.recogniser import Recogniser, recogniser
from vorab.understanding.wish import wish

__all__ = [
    "EFFECTS",
    "Example",
    "Flag",
    "Intent",
    "Recogniser",
    "Route",
    "Understood",
    "Window",
    "examples_of",
    "own_words",
    "recogniser",
    "wish",
]
