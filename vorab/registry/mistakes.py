"""Mistakes of a file of entries: each with file, line, column, reason and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from vorab.errors import ConfigError

MOST_SAID: Final = 20


class Mistakes(ConfigError):
    """All mistakes of one import."""

    def __init__(self, found: Iterable[ConfigError], so: str = "nothing was imported") -> None:
        """`found` holds at least one."""
        self.found: list[ConfigError] = [one for each in found for one in (each.found if isinstance(each, Mistakes) else [each])]
        self._so = so
        first = self.found[0]
        super().__init__(first.what, file=first.file, line=first.line, column=first.column, key=first.key, hint=first.hint)

    def __str__(self) -> str:
        """Three lines for each, and how many there are."""
        count = len(self.found)
        said = [str(each) for each in self.found[:MOST_SAID]]
        if count > MOST_SAID:
            said.append(f"… and {count - MOST_SAID} more; --json lists all")
        return "\n".join([*said, f"{count} mistakes; {self._so}"] if count > 1 else said)


def unknown_key(name: str, known: Sequence[str], file: Path, at: tuple[int, int]) -> ConfigError:
    """A key nobody knows, with the one that was probably meant."""
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return ConfigError(f"unknown key {name}", file=str(file), line=at[0], column=at[1], key=name, hint=hint)


def as_json(error: ConfigError) -> dict[str, str | int]:
    """A mistake for machines."""
    return {"file": error.file, "line": error.line, "column": error.column, "key": error.key, "reason": error.what, "hint": error.hint}
