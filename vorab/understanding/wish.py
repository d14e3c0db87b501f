"""The time somebody names in a reply, German or English: "um fünf", "morgen Vormittag", "after 4pm", "between 9 and 11". Pure.

It is resolved against the moment the reply came and the person's zone. Where a day is not named it is the next time that hour comes. An
hour from one to six without a word beside it is in the afternoon: nobody asks to be called at four in the night.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from vorab.clock import Micros, to_datetime, to_micros
from vorab.understanding.hours import BEFORE_NOON, DAY_PARTS, HOUR, HOURS, LATE, MONTHS, WEEKDAYS
from vorab.understanding.kinds import Window

OPENS: Final = time(8)
CLOSES: Final = time(18)
LAST: Final = time(20)
"""A day without an hour is from eight to six; "after five" ends at eight in the evening."""
ABOUT: Final = timedelta(minutes=30)
"""How long after a named moment it is still that moment."""
LONGEST: Final = 1_000

_BEFORE: Final = "halb|half past|half|viertel nach|quarter past|viertel vor|quarter to|dreiviertel"
_AFTER: Final = r"uhr|h\b|o'?clock|am\b|a\.m|pm\b|p\.m"
_CLOCK: Final = rf"(?:({_BEFORE})\s+)?({HOUR})(?:\s?[:.h]\s?([0-5]\d))?\s*({_AFTER})?"
_DAYS: Final = "|".join(WEEKDAYS)
_NUMBER: Final = re.compile(r"\+?\d(?:[\s/\-()]*\d){5,}")
_NOT_THEN: Final = re.compile(
    r"(?:(?:an)?statt(?:\s+um)?|instead of|rather than|nicht um|not at|can'?t (?:make|do)|cannot (?:make|do)"
    rf"|um (?={HOUR} (?:uhr )?(?:kann|geht|passt|schaff)))\s+(?:at\s+)?{_CLOCK}"
    rf"|\bum\s+{_CLOCK}\s+(?:kann ich|geht es|geht|passt(?: es)?(?: mir)?|schaff\w*(?: ich| i)?)\s+(?:leider\s+)?(?:nicht|ned|net)"
    rf"|(?:statt|instead of|not|nicht)\s+(?:on\s+|am\s+)?\b(?:{_DAYS})\b"
    rf"|\b{_CLOCK}\s+(?:doesn'?t|does not)\s+(?:suit|work)"
    rf"|\b(?:{_DAYS})(?:'s| is)?\s+(?:(?:is )?no good|doesn'?t (?:suit|work))"
    rf"|\b(?:{_DAYS})\s+(?:passt|geht|klappt)[\w ]{{0,12}}? (?:nicht|ned|net|nöd)"
)
_GREETING: Final = re.compile(
    r"\b(?:guten? morgen|good (?:morning|afternoon|evening)|guten? abend|schönen (?:abend|tag|nachmittag)|moin)\b"
)
_BETWEEN: Final = re.compile(
    rf"\b(?:zwischen|between|von|from)\s+{_CLOCK}\s+(?:und|and|bis|to|till|until|-)\s+{_CLOCK}|\b{_CLOCK}\s*(?:-|–|bis)\s*{_CLOCK}"
)
_FROM: Final = re.compile(rf"\b(?:ab|nach|erst nach|after|from|frühestens|nach de|nach dr|any time after)\s+(?:um\s+)?{_CLOCK}")
_UNTIL: Final = re.compile(rf"\b(?:vor|bis|before|until|till|by|spätestens)\s+(?:um\s+)?{_CLOCK}")
_AT: Final = re.compile(rf"\b(?:um|at|gegen|around|about|so um|so gegen|circa|ca\.?|@|for|to)\s+{_CLOCK}")
_OR: Final = re.compile(rf"\b(?:auch|lieber|ginge|do|make it|how about|what about|maybe)\s+{_CLOCK}")
_AFTERWARDS: Final = re.compile(r"\b(?:after that|afterwards|after then|danach)\b")
_BARE: Final = re.compile(
    rf"\b(?:({_BEFORE})\s+)?({HOUR})(?:\s?[:.]\s?([0-5]\d))?\s*({_AFTER})"
    rf"|\b(halb|half|half past)\s+({HOUR})|\b([01]?\d|2[0-3]):([0-5]\d)\b"
)
_DATE: Final = re.compile(
    r"\b(?:am\s+|den\s+|on the\s+|the\s+)?([0-3]?\d)(?:\.|st\b|nd\b|rd\b|th\b)"
    rf"(?:\s*(?:of\s+)?(1[0-2]|0?[1-9])\.|\s*(?:of\s+)?({'|'.join(MONTHS)})\b)?"
)


class _When(NamedTuple):
    start: time
    end: time


def wish(text: str, now: Micros, zone: str) -> Window | None:
    """The window a reply names; None where it names none."""
    said = " ".join(text[:LONGEST].casefold().replace("’", "'").split())
    said = _NOT_THEN.sub(" ", _GREETING.sub(" ", _NUMBER.sub(" ", said)))
    try:
        here = to_datetime(now).astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OverflowError):
        return None
    day, said = _day(said, here.date())
    when = _hours(said)
    if day is None and when is None:
        return None
    if day is None:
        assert when is not None  # noqa: S101 - one of the two is there
        day = here.date() if datetime.combine(here.date(), when.end, here.tzinfo) > here else here.date() + timedelta(days=1)
    found = when or _When(OPENS, CLOSES)
    start, end = datetime.combine(day, found.start, here.tzinfo), datetime.combine(day, found.end, here.tzinfo)
    if start < here < end:
        start = here
    return Window(to_micros(start), to_micros(end)) if start < end else None


def _day(said: str, today: date) -> tuple[date | None, str]:
    """The day that is named, and the text without it, so that its numbers are no hours."""
    rules: tuple[tuple[str, int], ...] = (
        (r"\b(?:übermorgen|uebermorgen|ubermorgen|übermorn|day after tomorrow)\b", 2),
        (r"\b(?:tomorrow|tmrw|tomorow|morn)\b", 1),
        (r"(?<!am )(?<!jeden )(?<!vom )\b(?:morgen|morgn|moang|morga|morjen)\b", 1),
        (r"\b(?:heute|heut|heit|hüt|today|tonight|this (?:morning|afternoon|evening)|hüüt|vandaag)\b", 0),
    )
    for pattern, days in rules:
        if found := re.search(pattern, said):
            return today + timedelta(days=days), said if "tonight" in found[0] or "this" in found[0] else said.replace(found[0], " ", 1)
    later = 7 if re.search(r"\b(?:nächste[rn]?|naechste[rn]?|kommende[rn]?|nächscht|next) (?:woche|wuche|week)\b", said) else 0
    if found := re.search(rf"\b({_DAYS})(?=s?\b|vormittag|nachmittag|abend|früh|mittag|morgen)", said):
        ahead = (WEEKDAYS[found[1]] - today.weekday()) % 7
        monday = today - timedelta(days=today.weekday())
        day = monday + timedelta(days=7 + WEEKDAYS[found[1]]) if later else today + timedelta(days=ahead or 7)
        return day, said.replace(found[1], " ", 1)
    if found := _DATE.search(said):
        day_then = _date(found, today)
        return day_then, said.replace(found[0], " ", 1) if day_then else said
    return (today - timedelta(days=today.weekday()) + timedelta(days=7), said) if later else (None, said)


def _date(found: re.Match[str], today: date) -> date | None:
    month = int(found[2]) if found[2] else MONTHS[found[3]] if found[3] else today.month
    for _ in range(2 if found[2] or found[3] else 12):
        try:
            day = date(today.year, month, int(found[1]))
        except ValueError:
            day = None
        if day is not None and day >= today:
            return day
        if found[2] or found[3]:
            try:
                return date(today.year + 1, month, int(found[1]))
            except ValueError:
                return None
        month = month % 12 + 1
        if month == 1:
            today = date(today.year + 1, 1, 1)
    return None


def _hours(said: str) -> _When | None:
    part = next((window for words, window in DAY_PARTS if re.search(words, said)), None)
    late = bool(re.search(LATE, said))
    early = bool(re.search(BEFORE_NOON, said))
    if found := _BETWEEN.search(said):
        groups = found.groups()
        groups = groups[:8] if groups[1] else groups[8:]
        start, end = _clock(groups[:4], late=late, early=early), _clock(groups[4:], late=late, early=early)
        if start and end and start >= end and start.hour >= 12 and end.hour < 12:
            end = time(end.hour + 12, end.minute)
        if start and end and start > end and start.hour >= 13 and int(start.hour - 12) < end.hour:
            start = time(start.hour - 12, start.minute)
        return _When(start, end) if start and end and start < end else None
    for pattern, kind in ((_FROM, "from"), (_UNTIL, "until"), (_AT, "at"), (_OR, "at"), (_BARE, "at")):
        if found := pattern.search(said):
            groups = found.groups()
            if pattern is _BARE:
                groups = (
                    groups[:4] if groups[1] else (groups[4], groups[5], None, None) if groups[5] else (None, groups[6], groups[7], "uhr")
                )
            moment = _clock(groups, late=late, early=early)
            if moment is not None:
                return _span("from" if kind == "until" and _AFTERWARDS.search(said) else kind, moment)
    return _When(*part) if part else None


def _span(kind: str, moment: time) -> _When:
    if kind == "from":
        return _When(moment, max(LAST, _plus(moment, ABOUT)))
    if kind == "until":
        return _When(min(OPENS, moment), moment)
    return _When(moment, _plus(moment, ABOUT))


def _plus(moment: time, more: timedelta) -> time:
    later = datetime.combine(date(2000, 1, 1), moment) + more
    return later.time() if later.day == 1 else time(23, 59, 59)


def _clock(groups: tuple[str | None, ...], *, late: bool, early: bool) -> time | None:
    """An hour in words or figures, with what stands around it."""
    before, word, minutes, after = groups[:4]
    if word is None:
        return None
    hour = int(word) if word.isdigit() else HOURS[word]
    minute = int(minutes or 0)
    if hour > 24:
        return None
    if before == "halb":
        hour, minute = hour - 1 if hour else 23, 30
    elif before in {"half", "half past"}:
        minute = 30
    elif before in {"viertel nach", "quarter past"}:
        minute = 15
    elif before in {"viertel vor", "quarter to", "dreiviertel"}:
        hour, minute = hour - 1 if hour else 23, 45
    mark = (after or "").replace(".", "")
    if mark == "pm" or (hour < 12 and late and mark != "am"):
        hour = hour + 12 if hour < 12 else hour
    elif mark == "am":
        hour %= 12
    elif 0 < hour + minute / 60 < 7 and not early and not (word.isdigit() and len(word) == 2 and word.startswith("0")):
        hour += 12
    return time(hour % 24, minute)
