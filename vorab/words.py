"""The words of messages: what causes and machines are called, and how people say when something happened.

The words of causes and machines are the operator's (`knowledge/causes.yaml`, `knowledge/machines.yaml`).
A built-in `other` is always there. The notifier and the customer page say the same things in the same words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final

import yaml
from babel.dates import format_date, format_time

import vorab
from vorab.clock import Micros, to_datetime
from vorab.errors import ConfigError

LANGUAGES: Final = ("de", "en")
FALLBACK: Final = "en"
LOCALES: Final = {"de": "de_DE", "en": "en_GB"}

Table = Mapping[str, Mapping[str, Mapping[str, str]]]

_CAUSES: Final[Table] = {
    "other": {
        "de": {"noun": "eine Störung", "was": "hat {when} eine Störung gemeldet", "is": "meldet seit {when} eine Störung"},
        "en": {"noun": "a fault", "was": "reported a fault {when}", "is": "has reported a fault since {when}"},
    }
}
_MACHINES: Final[Table] = {"other": {"de": {"noun": "Gerät", "gender": "n"}, "en": {"noun": "device"}}}
_NEEDED: Final = {"causes": {"noun", "was", "is"}, "machines": {"noun"}}


@dataclass(frozen=True, slots=True)
class Words:
    """The two tables."""

    causes: Table = field(default_factory=lambda: _CAUSES)
    machines: Table = field(default_factory=lambda: _MACHINES)

    def cause(self, name: str, language: str) -> Mapping[str, str]:
        """What a cause is called; a cause with a suffix (`anomaly.pressure`) falls back to its first word, then to `other`."""
        return _pick(self.causes, name, language)

    def machine(self, model: str, language: str) -> Mapping[str, str]:
        """What a model is called."""
        return _pick(self.machines, model, language)


def _pick(found: Table, name: str, language: str) -> Mapping[str, str]:
    for key in (name, name.replace(":", ".").partition(".")[0], "other"):
        if key in found and language in found[key]:
            return found[key][language]
    return found["other"][FALLBACK]


def knowledge_folder() -> Path:
    """The worked example's words: beside the packages in a checkout, inside `vorab` in a wheel."""
    package = Path(vorab.__file__).parent
    for folder in (package / "example" / "knowledge", package.parent / "knowledge"):
        if folder.is_dir():
            return folder
    return package / "example" / "knowledge"


def load_words(folder: Path | None = None) -> Words:
    """The words of a folder; files that are not there leave the built-in ones.

    Raises:
        ConfigError: a file is not what it should be; names file and entry.
    """
    where = folder or knowledge_folder()
    return Words(_load(where / "causes.yaml", _CAUSES), _load(where / "machines.yaml", _MACHINES))


def _load(file: Path, built_in: Table) -> Table:
    if not file.exists():
        return built_in
    try:
        found: Any = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"not valid YAML: {error}", file=str(file)) from None
    needed = _NEEDED[file.stem]
    for name, languages in found.items() if isinstance(found, dict) else [("", None)]:
        for language, words in languages.items() if isinstance(languages, dict) else [("", None)]:
            if not isinstance(words, dict) or not needed <= words.keys() or not all(isinstance(word, str) for word in words.values()):
                raise ConfigError(f"words need {', '.join(sorted(needed))} as text", file=str(file), key=f"{name}.{language}".strip("."))
    return {**built_in, **found}


class Times:
    """Moments in the words of one language, in one zone, as seen from `now` (µs)."""

    def __init__(self, language: str, zone: tzinfo, now: Micros) -> None:
        self._language, self._locale, self._zone = language, LOCALES[language], zone
        self._now = self._local(now)

    def when(self, at: Micros, since: Micros | None = None) -> str:
        """`heute um 02:10 Uhr`, `at 02:10 today`; the day is left out where it is that of `since`."""
        local = self._local(at)
        clock = format_time(local, "HH:mm", locale=self._locale)
        day = "" if since is not None and self._local(since).date() == local.date() else self._day(local)
        if self._language == "de":
            return " ".join(part for part in (day, f"um {clock} Uhr") if part)
        return " ".join(part for part in (f"at {clock}", day) if part)

    def since(self, at: Micros, since: Micros | None = None) -> str:
        """The same after *seit* or *since*: `heute 02:10 Uhr`, `02:31 Uhr`, `02:10 today`."""
        text = self.when(at, since)
        if self._language == "de":
            # seit heute 02:10 Uhr, seit dem 21. November, 22:40 Uhr
            return text.removeprefix("um ").replace(" um ", ", " if text.startswith("am ") else " ").replace("am ", "dem ", 1)
        return text.removeprefix("at ")

    def _day(self, local: datetime) -> str:
        days = (self._now.date() - local.date()) // timedelta(days=1)
        german = self._language == "de"
        if days in {0, 1}:
            return (("heute", "gestern") if german else ("today", "yesterday"))[days]
        pattern = "d. MMMM" if german else "d MMMM"
        if local.year != self._now.year:
            pattern += " y"
        return ("am " if german else "on ") + format_date(local.date(), pattern, locale=self._locale)

    def _local(self, at: Micros) -> datetime:
        return to_datetime(at).astimezone(self._zone)
