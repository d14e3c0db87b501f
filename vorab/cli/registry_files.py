"""Files of devices and customers: YAML, JSON or CSV, a row per entry, every mistake with file and place."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import typer
import yaml
from pydantic import ValidationError

from vorab.errors import ConfigError

FORMATS: Final = ("yaml", "json", "csv")
_SUFFIXES: Final = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".csv": "csv"}
_FORMULA: Final = ("=", "+", "-", "@")
_MOST_SAID: Final = 20
_YES: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Row(NamedTuple):
    """One entry and where it stands."""

    place: int
    """Line of the file, from 1."""
    values: dict[str, Any]
    spare: bool = False
    """Whether it has more cells than the header."""


class Mistakes(ConfigError):
    """All mistakes of one import."""

    def __init__(self, found: Iterable[ConfigError]) -> None:
        """`found` holds at least one."""
        self.found: list[ConfigError] = [one for each in found for one in (each.found if isinstance(each, Mistakes) else [each])]
        first = self.found[0]
        super().__init__(first.what, file=first.file, line=first.line, key=first.key, hint=first.hint)

    def __str__(self) -> str:
        """Three lines for each, and how many there are."""
        count = len(self.found)
        said = [str(each) for each in self.found[:_MOST_SAID]]
        if count > _MOST_SAID:
            said.append(f"… and {count - _MOST_SAID} more")
        return "\n".join([*said, f"{count} mistakes; nothing was imported"] if count > 1 else said)


Entry = TypeVar("Entry")


def entries_of(rows: Iterable[Row], make: Callable[[Row], Entry], key: Callable[[Entry], str], file: Path) -> list[Entry]:
    """What `make` makes of each row.

    Raises:
        Mistakes: what `make` raised as ConfigError, for all rows, and keys that stand there twice.
    """
    found: list[Entry] = []
    wrong: list[ConfigError] = []
    seen: dict[str, int] = {}
    for row in rows:
        try:
            entry = make(row)
        except ConfigError as error:
            wrong.append(error)
            continue
        name = key(entry)
        if name in seen:
            wrong.append(ConfigError(f"{name} stands there twice", file=str(file), line=row.place, hint=f"first at {seen[name]}; keep one"))
        seen.setdefault(name, row.place)
        found.append(entry)
    if wrong:
        raise Mistakes(wrong)
    return found


def read_rows(file: Path, known: Sequence[str]) -> list[Row]:
    """The entries of a file, by its suffix; `known` are the keys an entry may have, the first one it must have.

    Raises:
        ConfigError: no such file, another suffix, not a list of entries, or a CSV header with unknown names.
    """
    form = _SUFFIXES.get(file.suffix.lower())
    if form is None:
        raise ConfigError(
            f"{file.suffix or 'no suffix'} is not known", file=str(file), hint="a file of entries ends in .yaml, .json or .csv"
        )
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        hint = "name an existing file that ends in .yaml, .json or .csv"
        raise ConfigError(f"the file cannot be read: {error.strerror}", file=str(file), hint=hint) from None
    except UnicodeDecodeError:
        raise ConfigError("the file is not UTF-8 text", file=str(file), hint="save it as UTF-8") from None
    if form == "csv":
        return _csv_rows(text, file, known)
    return _json_rows(text, file) if form == "json" else _yaml_rows(text, file)


def _csv_rows(text: str, file: Path, known: Sequence[str]) -> list[Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        _check_header(reader.fieldnames or (), file, known)
        return [
            Row(reader.line_num, {key: _bare(value) for key, value in row.items() if key and value}, spare=any(row.get(None) or ()))
            for row in reader
        ]
    except csv.Error as error:
        raise ConfigError(f"not valid CSV: {error}", file=str(file), line=reader.line_num, hint="look at the quotes in this line") from None


def _check_header(names: Sequence[str], file: Path, known: Sequence[str]) -> None:
    wrong = [_unknown(name, known, file, 1) for name in names if name and name not in known]
    if known[0] not in names:
        hint = f"the first line names the columns: {','.join(known[:4])},…"
        wrong.append(ConfigError(f"there is no column {known[0]}", file=str(file), line=1, key=known[0], hint=hint))
    if len(names) == 1 and ";" in names[0]:
        hint = "separate the columns with commas"
        wrong = [ConfigError("the columns are separated with semicolons", file=str(file), line=1, hint=hint)]
    if wrong:
        raise Mistakes(wrong)


def _json_rows(text: str, file: Path) -> list[Row]:
    try:
        found: Any = json.loads(text)
    except json.JSONDecodeError as error:
        hint = f"look at column {error.colno}"
        raise ConfigError(f"not valid JSON: {error.msg}", file=str(file), line=error.lineno, hint=hint) from None
    entries = _list_of(found, file)
    return [
        Row(place, {key: value for key, value in entry.items() if value not in (None, "")})
        for place, entry in zip(_json_places(text, len(entries)), entries, strict=True)
    ]


def _json_places(text: str, entries: int) -> list[int]:
    """The line of each entry of a JSON list that is known to be right."""
    decoder, places = json.JSONDecoder(), []
    end, line = 0, 1
    for _ in range(entries):
        begin = text.index("{", end)
        line += text.count("\n", end, begin)
        places.append(line)
        end = decoder.raw_decode(text, begin)[1]
        line += text.count("\n", begin, end)
    return places


def _yaml_rows(text: str, file: Path) -> list[Row]:
    # All YAML is text here: a firmware of 1.10 is no number, and 22:00 is not 1320.
    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
        found: Any = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes text only
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "it cannot be read"
        hint = f"look at column {mark.column + 1}, and at the indentation" if mark else "look at the indentation"
        raise ConfigError(f"not valid YAML: {reason}", file=str(file), line=mark.line + 1 if mark else 0, hint=hint) from None
    entries = _list_of(found, file)
    places = [child.start_mark.line + 1 for child in node.value] if node else []
    return [
        Row(place, {key: value for key, value in entry.items() if value not in ("", "~", "null")})
        for place, entry in zip(places, entries, strict=True)
    ]


def _list_of(found: Any, file: Path) -> list[dict[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise ConfigError(
            "holds no list of entries", file=str(file), line=1, hint="`vorab devices export` and `vorab customers export` show the form"
        )
    return found


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


def unknown(row: Row, known: Sequence[str], file: Path) -> list[ConfigError]:
    """What is wrong with the shape of a row: keys nobody knows, cells without a column."""
    wrong = [_unknown(name, known, file, row.place) for name in row.values if name not in known]
    if row.spare:
        hint = 'put text that has commas in quotes: "Muster, Erika"'
        wrong.append(ConfigError("more cells than the header has columns", file=str(file), line=row.place, hint=hint))
    return wrong


def _unknown(name: str, known: Sequence[str], file: Path, line: int) -> ConfigError:
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return ConfigError(f"unknown key {name}", file=str(file), line=line, key=name, hint=hint)


def invalid(error: ValidationError, row: Row, file: Path) -> ConfigError:
    """The first mistake a record's own check found, for what has no words of its own."""
    first = error.errors(include_url=False, include_input=False)[0]
    hint = "write what it asks for, or leave the key out"
    return ConfigError(first["msg"], file=str(file), line=row.place, key=".".join(map(str, first["loc"])), hint=hint)


def say_entry(values: Mapping[str, Any], *, as_json: bool) -> None:
    """Show one entry: a line a value, or one JSON document."""
    if as_json:
        typer.echo(json.dumps(values, ensure_ascii=False))
        return
    for name, value in values.items():
        typer.echo(f"{name:<14} {json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value}")


def say_notes(notes: Sequence[str]) -> None:
    """What is no mistake but worth knowing, on standard error."""
    for text in notes[:_MOST_SAID]:
        typer.echo(f"note: {text}", err=True)
    if len(notes) > _MOST_SAID:
        typer.echo(f"note: … and {len(notes) - _MOST_SAID} more; --json lists all", err=True)


def count(number: int, thing: str) -> str:
    """`1 device`, `2 devices`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
