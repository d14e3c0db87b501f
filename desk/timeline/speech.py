"""Says the entries of a timeline in German or English, times in one zone. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, tzinfo
from string import Formatter
from typing import Any, Final

from babel.dates import format_date, format_datetime

from desk import words as english
from desk.timeline.entry import Entry, Param
from desk.timeline.sayings import ACTIONS, ANSWERS, CHANNELS, DOUBTS, INTENTS, MEETINGS, REASONS, REFUSALS, SAYINGS, STAGES, Both
from vorab.clock import Micros, parse_iso, to_datetime
from vorab.records import DeliveryReason, Stage
from vorab.words import FALLBACK, LANGUAGES, LOCALES, Words

MENTION: Final = {True: Both("Darf erwähnt werden.", "May be mentioned."), False: Both("Nicht erwähnen.", "Not to be mentioned.")}
_FORMATTER: Final = Formatter()


def language_of(wished: str, accepted: str = "") -> str:
    """`de` or `en`: what is wished, else the first of a browser's languages that we speak."""
    if wished in LANGUAGES:
        return wished
    named = [part.partition(";")[0].strip()[:2].lower() for part in accepted.split(",")]
    return next((name for name in named if name in LANGUAGES), FALLBACK)


class Speech:
    """One language, one zone, and the words of machines and causes.

    Args:
        language: `de` or `en`.
        zone: Whose clocks are read.
        words: What causes are called.
    """

    def __init__(self, language: str, zone: tzinfo, words: Words) -> None:
        self.language, self.zone, self._words = language, zone, words

    def say(self, entry: Entry) -> str:
        """The sentence of an entry; what is not known is left out."""
        saying = SAYINGS[entry.words].spoken(self.language)
        filled = {name: self._filled(name, entry.params) for _, name, _, _ in _FORMATTER.parse(saying) if name}
        return _tidy(saying.format(**filled))

    def of(self, table: Mapping[str, Both], name: str) -> str:
        """A word of a table; a name it does not have stands for itself."""
        both = table.get(name)
        return both.spoken(self.language) if both is not None else english.spaced(name)

    def intent(self, name: str) -> str:
        """What a reply was taken for."""
        return self.of(INTENTS, name)

    def channel(self, name: str) -> str:
        """By which way."""
        return self.of(CHANNELS, name)

    def clock(self, at: Micros) -> str:
        """`02:14`."""
        return f"{self._local(at):%H:%M}"

    def day(self, at: Micros) -> str:
        """`Dienstag, 24. November 2026`."""
        pattern = "EEEE, d. MMMM y" if self.language == "de" else "EEEE, d MMMM y"
        return format_date(self._local(at).date(), pattern, locale=LOCALES[self.language])

    def exact(self, at: Micros) -> str:
        """`24.11.2026, 02:14:05 Europe/Berlin`."""
        pattern = "d.M.y, HH:mm:ss" if self.language == "de" else "d MMM y, HH:mm:ss"
        return f"{format_datetime(self._local(at), pattern, locale=LOCALES[self.language])} {self.zone}"

    def moment(self, at: Micros) -> str:
        """`Di., 24. Nov., 16:30 Uhr`."""
        pattern = "EEE d. MMM, HH:mm 'Uhr'" if self.language == "de" else "EEE d MMM, HH:mm"
        return format_datetime(self._local(at), pattern, locale=LOCALES[self.language])

    def number(self, value: float, unit: str) -> str:
        """`0,62 bar`."""
        text = english.number(value)
        if self.language == "de":
            text = text.translate(str.maketrans(",.", ".,"))
        return f"{text} {english.unit(unit)}".strip()

    def cause(self, name: str) -> str:
        """`Zu wenig Druck`."""
        said = self._noun(name)
        return said[:1].upper() + said[1:]

    def _noun(self, name: str) -> str:
        noun = self._words.cause(name, self.language)["noun"]
        other = self._words.cause("other", self.language)["noun"]
        return english.spaced(name) if noun == other and name and name != "other" else noun

    def _date(self, text: str) -> str:
        return format_date(date.fromisoformat(text), "dd.MM.y" if self.language == "de" else "d MMM y", locale=LOCALES[self.language])

    def group(self, group: str) -> str:
        """What devices have in common: `Standort ahornweg: zu wenig Druck`."""
        if self.language == FALLBACK:
            return english.group_words(group)
        whole, _, cause = group.partition("|")
        kind, _, name = whole.partition("/")
        model, _, firmware = name.rpartition("/")
        said = {
            "parent": f"hinter {name}",
            "site": f"Standort {name}",
            "firmware": f"{english.spaced(model).replace('-', ' ')}, Firmware {firmware}",
            "model": english.spaced(name).replace("-", " "),
            "device": name,
            "fleet": "alle Geräte",
        }.get(kind, whole)
        return f"{said}: {self._noun(cause)}" if cause else said

    def _filled(self, name: str, params: Mapping[str, Param]) -> str:
        raw: Any = params.get(name)
        german, text = self.language == "de", "" if raw is None else str(raw)
        match name:
            case "value" | "limit":
                said = self.number(raw, str(params.get("unit") or "")) if isinstance(raw, int | float) else ""
            case "cause":
                said = self.cause(text)
            case "stage":
                said = STAGES[text] if german else english.STAGES[Stage(text)]
                said = said if said.endswith("?") else f"{said}."
            case "reason":
                said = (REASONS[text] if german else english.REASONS[DeliveryReason(text)]) or str(params.get("detail") or "")
            case "start":
                said = self.moment(parse_iso(text)) if text else ""
            case "until":
                said = f" {'bis' if german else 'until'} {self.moment(parse_iso(text))}" if text else ""
            case "ends":
                said = f", {'endet am' if german else 'ends on'} {self._date(text)}" if text else ""
            case "by":
                channel = self.channel(str(params.get("channel") or ""))
                said = f" {'per' if german else 'by'} {channel}" if channel else ""
            case "mention":
                said = MENTION[bool(raw)].spoken(self.language)
            case "group":
                said = self.group(text)
            case _:
                said = self._by_table(name, text)
        return said

    def _by_table(self, name: str, raw: str) -> str:
        tables = {"intent": INTENTS, "before": INTENTS, "answer": ANSWERS, "action": ACTIONS, "refusal": REFUSALS, "how": MEETINGS}
        return self.of(tables[name], raw) if name in tables else raw

    def doubts(self, doubts: str) -> str:
        """Why a person has a reply."""
        return ", ".join(self.of(DOUBTS, each) for each in doubts.split(", ") if each)

    def _local(self, at: Micros) -> Any:
        return to_datetime(at).astimezone(self.zone)


def _tidy(text: str) -> str:
    """A sentence without what was not known: no colon before nothing, no two ends."""
    text = " ".join(text.split()).strip()
    for nothing in (": .", ":."):
        text = text.replace(nothing, ".")
    text = text.rstrip(":").rstrip()
    return text[:-1] if text.endswith("..") and not text.endswith("...") else text
