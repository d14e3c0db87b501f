"""Rows of a file as entries and mistakes, and what an import of them would change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from vorab.clock import Micros
from vorab.errors import ConfigError
from vorab.records import Record
from vorab.registry.checks import Wrong
from vorab.registry.files import Row
from vorab.registry.kinds import CUSTOMERS, PERSONAL, Kind, kept_marks, plain, same
from vorab.registry.mistakes import unknown_key

_STEP: Final = 1_000

Progress = Callable[[str, int, int], None]
"""Told what is done, how much of it, and how much there is."""


def silent(what: str, done: int, total: int) -> None:
    """Nobody watches."""


@dataclass(slots=True)
class Sorted:
    """What a file holds: entries with their rows, and mistakes; a row with a mistake is no entry."""

    entries: list[tuple[Any, Row]] = field(default_factory=list)
    wrong: list[ConfigError] = field(default_factory=list)


def known_keys(kind: Kind) -> tuple[str, ...]:
    """The columns a file of this kind may have."""
    return (kind.fields[0], "tenant", *PERSONAL, *kind.fields[2:]) if kind is CUSTOMERS else kind.fields


def sort_out(
    rows: Sequence[Row], kind: Kind, file: Path, at: Micros, also: Callable[[Row], Iterable[Wrong]] | None = None, tell: Progress = silent
) -> Sorted:
    """The entries of a file, `at` the time of the import (µs); `also` looks at what the registry does not hold."""
    found, seen, known = Sorted(), dict[str, int](), known_keys(kind)
    for number, row in enumerate(rows):
        if number % _STEP == 0:
            tell("checking", number, len(rows))
        wrong = [unknown_key(name, known, file, row.where(name)) for name in row.values if name not in known]
        if row.spare:
            hint = 'put text that has commas in quotes: "Muster, Erika"'
            wrong.append(ConfigError("more cells than the header has columns", file=str(file), line=row.line, hint=hint))
        entry, said = kind.make({name: value for name, value in row.values.items() if name in kind.fields}, at)
        for key, what, hint in (*said, *(also(row) if also else ())):
            line, column = row.where(key)
            wrong.append(ConfigError(what, file=str(file), line=line, column=column, key=key, hint=hint))
        if entry is not None and entry.key in seen:
            line, column = row.where(kind.name)
            hint = f"first at {seen[entry.key]}; keep one"
            wrong.append(ConfigError(f"{entry.key} stands there twice", file=str(file), line=line, column=column, key=kind.name, hint=hint))
        if wrong:
            found.wrong += wrong
        else:
            found.entries.append((entry, row))
        if entry is not None:
            seen.setdefault(entry.key, row.line)
    tell("checking", len(rows), len(rows))
    return found


@dataclass(slots=True)
class Changes:
    """What an import changes."""

    new: list[Any] = field(default_factory=list)
    changed: list[tuple[Any, Mapping[str, tuple[Any, Any]]]] = field(default_factory=list)
    """The entry and, per field, what stood there and what stands there now."""
    unchanged: int = 0

    @property
    def entries(self) -> list[Any]:
        """What has to be written."""
        return [*self.new, *(entry for entry, _ in self.changed)]


def changes(entries: Iterable[tuple[Any, Row]], known: Mapping[str, Record]) -> Changes:
    """What entries would change about what is known."""
    found = Changes()
    for made, row in entries:
        before = known.get(made.key)
        entry = kept_marks(made, before, row.values)
        if before is None:
            found.new.append(entry)
        elif same(before, entry):
            found.unchanged += 1
        else:
            old, new = plain(before), plain(entry)
            names = [name for name in (*new, *(name for name in old if name not in new)) if old.get(name) != new.get(name)]
            found.changed.append((entry, {name: (old.get(name), new.get(name)) for name in names}))
    return found
