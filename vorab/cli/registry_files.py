"""Files of devices and customers: YAML, JSON or CSV, a row per entry, every mistake with file and place."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from vorab.errors import ConfigError

FORMATS: Final = ("yaml", "json", "csv")
_SUFFIXES: Final = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".csv": "csv"}
_FORMULA: Final = ("=", "+", "-", "@")
_YES: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Row(NamedTuple):
    """One entry and where it stands."""

    place: int
    """Line of a CSV file, else number of the entry, from 1."""
    values: dict[str, Any]


def read_rows(file: Path) -> list[Row]:
    """The entries of a file, by its suffix.

    Raises:
        ConfigError: no such file, another suffix, or not a list of entries.
    """
    form = _SUFFIXES.get(file.suffix.lower())
    if form is None:
        raise ConfigError("a file of entries ends in .yaml, .json or .csv", file=str(file))
    try:
        text = file.read_text(encoding="utf-8-sig")
        if form == "csv":
            reader = csv.DictReader(io.StringIO(text, newline=""))
            return [Row(reader.line_num, {key: _bare(value) for key, value in row.items() if key and value}) for row in reader]
        # All YAML is text here: a firmware of 1.10 is no number, and 22:00 is not 1320.
        found: Any = json.loads(text) if form == "json" else yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes text only
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(file)) from None
    except (ValueError, yaml.YAMLError, csv.Error) as error:
        raise ConfigError(f"not valid {form.upper()}: {error}", file=str(file)) from None
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise ConfigError("holds no list of entries", file=str(file))
    nothing = (None, "") if form == "json" else ("", "~", "null")
    return [Row(n, {key: value for key, value in entry.items() if value not in nothing}) for n, entry in enumerate(found, 1)]


def write_rows(rows: Sequence[Mapping[str, Any]], form: str) -> str:
    """Entries as text that `read_rows` reads back."""
    if form == "json":
        return json.dumps(list(rows), ensure_ascii=False, indent=1) + "\n"
    if form == "yaml":
        return yaml.safe_dump([dict(row) for row in rows], allow_unicode=True, sort_keys=False)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def words(value: object) -> list[str]:
    """A list of words, from a list or from text with spaces, commas or semicolons between them."""
    if isinstance(value, list | tuple):
        return [str(word) for word in value]
    return str(value).replace(",", " ").replace(";", " ").split()


def truth(value: object) -> object:
    """Yes and no as people write them; anything else as it is, for the record's own check."""
    return _YES.get(value.strip().lower(), value) if isinstance(value, str) else value


def mapping(value: object) -> object:
    """`a=1 b=2` as a mapping; anything else as it is."""
    if not isinstance(value, str):
        return value
    return dict(part.partition("=")[::2] for part in words(value))


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_cell(found)}" for name, found in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    # A spreadsheet takes what starts so for a formula: a device name must never become one.
    return "'" + value if isinstance(value, str) and value[:1] in _FORMULA else value


def _bare(text: str) -> str:
    return text[1:] if text[:1] == "'" and text[1:2] in _FORMULA else text


def unknown(row: Row, known: Iterable[str], file: Path) -> None:
    """Refuse keys nobody knows; raises ConfigError."""
    import difflib

    known = list(known)
    for name in row.values:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            raise ConfigError(f"unknown key {name}", file=str(file), line=row.place, key=name, hint=hint)
