"""When and where people answer: learned from what they read, answered and left, across people who live alike; pure.

What is learned chooses among what a person, their contract and the operator allow. It never adds a message.
"""

from vorab.habits.choice import Choice, choose
from vorab.habits.outcomes import CHANNELS, HOURS, Learner, Outcome, Rows, rows_of
from vorab.habits.patterns import Patterns, fit
from vorab.habits.rest import lowered, unheard

__all__ = ["CHANNELS", "HOURS", "Choice", "Learner", "Outcome", "Patterns", "Rows", "choose", "fit", "lowered", "rows_of", "unheard"]
