"""Files of examples: one JSON object a line, every mistake named with file and line."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from vorab.errors import ConfigError
from vorab.understanding.kinds import Example, Flag, Intent, Route

LANGUAGES = ("de", "en")


def examples_in(text: str, file: str) -> list[Example]:
    """The examples of a file.

    Raises:
        ConfigError: the first mistake, with file and line.
    """
    return [_example(line, file, number) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def shipped() -> list[Example]:
    """The examples that ship, which the shipped weights were learned from."""
    folder = resources.files("vorab.understanding") / "examples"
    files = sorted((each for each in folder.iterdir() if each.name.endswith(".jsonl")), key=lambda each: each.name)
    return [example for file in files for example in examples_in(file.read_text(encoding="utf-8"), file.name)]


def examples_of(path: Path) -> list[Example]:
    """The examples of a file on disk."""
    try:
        return examples_in(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", file=str(path)) from error


def _example(line: str, file: str, number: int) -> Example:
    try:
        row: dict[str, Any] = json.loads(line)
        language = str(row["language"])
        flags = tuple(sorted(Flag(each) for each in row.get("flags", ())))
        intent = Intent(row["intent"])
        due = bool(flags) or intent in {Intent.HUMAN, Intent.OTHER}
        route = Route(row["route"]) if "route" in row else Route.HUMAN if due else Route.BOT
        example = Example(str(row["text"]), language, intent, flags, route)
    except KeyError as error:
        raise ConfigError(f"has no {error.args[0]}", file=file, line=number) from error
    except (ValueError, TypeError) as error:
        raise ConfigError(str(error), file=file, line=number) from error
    if language not in LANGUAGES:
        raise ConfigError(f"there is no language {language}", file=file, line=number, hint=f"it may be {' or '.join(LANGUAGES)}")
    return example
