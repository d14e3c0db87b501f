"""Words for hours, parts of the day, days of the week and months, German and English, dialects among them."""

from __future__ import annotations

from datetime import time
from typing import Final

_WORDS: Final = {
    1: "eins|ein|oans|eis|one",
    2: "zwei|zwoa|zwo|two",
    3: "drei|drü|drii|three",
    4: "vier|viere|four",
    5: "fünf|fuenf|fünfe|fümf|füfi|five",
    6: "sechs|sechse|sechsi|six",
    7: "sieben|siem|siebne|sibni|seven",
    8: "acht|achte|achti|eight",
    9: "neun|neune|nüni|nine",
    10: "zehn|zehne|zehni|ten",
    11: "elf|elfe|elfi|eleven",
    12: "zwölf|zwoelf|zwölfe|zwölfi|twelve|noon|mittag|midday",
}
HOURS: Final[dict[str, int]] = {word: hour for hour, words in _WORDS.items() for word in words.split("|")}
HOUR: Final = rf"(?:{'|'.join(sorted(HOURS, key=len, reverse=True))})\b|2[0-4]\b|[01]?\d(?!\d)"

WEEKDAYS: Final[dict[str, int]] = {
    word: day
    for day, words in enumerate(
        (
            "montag|montog|mäntig|monday|mon",
            "dienstag|deanstag|ziischtig|tuesday|tues|tue",
            "mittwoch|mittwuch|wednesday|wed",
            "donnerstag|dunnerstag|donnschtig|thursday|thurs|thu",
            "freitag|friitig|friday|fri",
            "samstag|sonnabend|samschtig|saturday|sat",
            "sonntag|sunntig|sunday|sun",
        )
    )
    for word in words.split("|")
}

MONTHS: Final[dict[str, int]] = {
    word: month
    for month, words in enumerate(
        (
            "januar|jänner|january|jan",
            "februar|february|feb",
            "märz|maerz|march|mar",
            "april|apr",
            "mai|may",
            "juni|june|jun",
            "juli|july|jul",
            "august|aug",
            "september|sept|sep",
            "oktober|october|okt|oct",
            "november|nov",
            "dezember|december|dez|dec",
        ),
        1,
    )
    for word in words.split("|")
}

DAY_PARTS: Final = (
    (r"vormittag|vormittog|\bforenoon\b|before noon", (time(9), time(12))),
    (r"nachmittag|nochmittag|nomittag|namittag|\bafternoon\b|after lunch|nach dem mittag", (time(13), time(17))),
    (r"mittag|\bnoon\b|\bmidday\b|\blunch", (time(12), time(14))),
    (r"abend|obend|\bevening\b|\btonight\b|\baabig\b|feierabend", (time(17), time(20))),
    (r"früh|frua|fruah|\bfrüe|\bmorning\b|morgens|am morge|\bfrueh|\bam\s+morgen\b", (time(8), time(12))),
)
"""The first that is found counts: *Vormittag* has *mittag* in it."""
LATE: Final = r"abend|obend|\bevening\b|\btonight\b|nachmittag|\bafternoon\b|abends|nachmittags"
BEFORE_NOON: Final = r"früh|fruah|\bmorning\b|morgens|vormittag|in der fruah|am morgen"
