"""Files of entries: CSV, JSON, JSON Lines or YAML, a row per entry, and where in the file each of its values stands."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed leaves it out
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from vorab.errors import ConfigError
from vorab.registry.mistakes import Mistakes, unknown_key

FORMATS: Final = ("yaml", "json", "jsonl", "csv")
_SUFFIXES: Final = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}
_NAMED: Final = ".yaml, .json, .jsonl or .csv"
_FORMULA: Final = ("=", "+", "-", "@")
_SPACE: Final = " \t\r\n"

Spot = tuple[int, int]
"""Line and column, both from 1; column 0: the whole line. In CSV the column is that of the table, elsewhere that of the text."""


class Row(NamedTuple):
    """One entry and where it stands."""

    line: int
    """Line of the file on which it begins, from 1."""
    values: dict[str, Any]
    spare: bool = False
    """Whether it has more cells than the header."""
    find: Callable[[str], Spot] | None = None

    def where(self, key: str) -> Spot:
        """Where a value stands; the beginning of the entry for one that is not there."""
        return self.find(key) if self.find is not None else (self.line, 0)


def read_rows(file: Path, known: Sequence[str]) -> list[Row]:
    """The entries of a file, by its suffix; `known` are the keys an entry may have, the first one it must have.

    Raises:
        ConfigError: no such file, another suffix, not a list of entries, or a CSV header with unknown names.
    """
    form = _SUFFIXES.get(file.suffix.lower())
    if form is None:
        raise ConfigError(f"{file.suffix or 'no suffix'} is not known", file=str(file), hint=f"a file of entries ends in {_NAMED}")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        hint = f"name an existing file that ends in {_NAMED}"
        raise ConfigError(f"the file cannot be read: {error.strerror}", file=str(file), hint=hint) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError("the file is not UTF-8 text", file=str(file), line=line, hint="save it as UTF-8") from None
    if form == "csv":
        return list(_csv_rows(text, file, known))
    if form == "jsonl":
        return list(_line_rows(text, file))
    return _json_rows(text, file) if form == "json" else _yaml_rows(text, file)


def _filled(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if value not in (None, "")}


# ----------------------------------------------------------------------------------------------------- CSV


def _csv_rows(text: str, file: Path, known: Sequence[str]) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        names = next(reader, [])
        _check_header(names, file, known)
        line = reader.line_num
        for cells in reader:
            if cells:
                values = {name: _bare(cell) for name, cell in zip(names, cells, strict=False) if name and cell}
                yield Row(line + 1, values, any(cells[len(names) :]), partial(_csv_spot, names, cells, line + 1))
            line = reader.line_num
    except csv.Error as error:
        raise ConfigError(f"not valid CSV: {error}", file=str(file), line=reader.line_num, hint="look at the quotes in this line") from None


def _csv_spot(names: Sequence[str], cells: Sequence[str], line: int, key: str) -> Spot:
    # A cell in quotes may hold line breaks, so what follows it stands further down.
    column = names.index(key) if key in names else 0
    return line + sum(cell.count("\n") for cell in cells[:column]), column + 1


def _check_header(names: Sequence[str], file: Path, known: Sequence[str]) -> None:
    wrong = [unknown_key(name, known, file, (1, i)) for i, name in enumerate(names, 1) if name and name not in known]
    for i, name in enumerate(names, 1):
        if name and name in names[: i - 1]:
            wrong.append(ConfigError(f"two columns {name}", file=str(file), line=1, column=i, key=name, hint="keep one"))
    if known[0] not in names:
        hint = f"the first line names the columns: {','.join(known[:4])},…"
        wrong.append(ConfigError(f"there is no column {known[0]}", file=str(file), line=1, key=known[0], hint=hint))
    if len(names) == 1 and ";" in names[0]:
        hint = "separate the columns with commas"
        wrong = [ConfigError("the columns are separated with semicolons", file=str(file), line=1, hint=hint)]
    if wrong:
        raise Mistakes(wrong)


# ---------------------------------------------------------------------------------------------------- JSON


def _json_rows(text: str, file: Path) -> list[Row]:
    entries = _list_of(_parsed(text, file, 1), file)
    decoder, rows = json.JSONDecoder(), []
    end, line, start = 0, 1, 0
    for entry in entries:
        begin = text.index("{", end)
        line += text.count("\n", end, begin)
        start = text.rfind("\n", 0, begin) + 1
        rows.append(Row(line, _filled(entry), find=partial(_json_spot, text, begin, line, start)))
        end = decoder.raw_decode(text, begin)[1]
        line += text.count("\n", begin, end)
    return rows


def _line_rows(text: str, file: Path) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            entry = _parsed(line, file, number)
            if not isinstance(entry, dict):
                raise ConfigError("not an entry", file=str(file), line=number, hint='each line is one JSON object: {"device": "pump-1"}')
            yield Row(number, _filled(entry), find=partial(_json_spot, line, line.index("{"), number, 0))


def _parsed(text: str, file: Path, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        said, at, hint = f"not valid JSON: {error.msg}", line + error.lineno - 1, f"look at column {error.colno}"
        raise ConfigError(said, file=str(file), line=at, column=error.colno, hint=hint) from None


def _json_spot(text: str, begin: int, line: int, start: int, key: str) -> Spot:
    """Where a key of the (valid) object at `begin` stands; `line` and `start` are those of its first line."""
    decoder, at = json.JSONDecoder(), begin + 1
    found = begin
    while True:
        at = _skip(text, at, _SPACE + ",")
        if text[at] == "}":
            break
        place = at
        name, at = scanstring(text, at + 1)
        if name == key:
            found = place
        at = decoder.raw_decode(text, _skip(text, _skip(text, at, _SPACE) + 1, _SPACE))[1]
    broken = text.rfind("\n", start, found)
    return line + text.count("\n", begin, found), found - (broken if broken >= begin else start - 1)


def _skip(text: str, at: int, what: str) -> int:
    while text[at] in what:
        at += 1
    return at


# ---------------------------------------------------------------------------------------------------- YAML


def _yaml_rows(text: str, file: Path) -> list[Row]:
    # All YAML is text here: a firmware of 1.10 is no number, and 22:00 is not 1320.
    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
        found: Any = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes text only
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "it cannot be read"
        hint = f"look at column {mark.column + 1}, and at the indentation" if mark else "look at the indentation"
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise ConfigError(f"not valid YAML: {reason}", file=str(file), line=line, column=column, hint=hint) from None
    entries = _list_of(found, file)
    return [
        Row(
            child.start_mark.line + 1,
            {key: value for key, value in entry.items() if value not in ("", "~", "null")},
            find=partial(_yaml_spot, child),
        )
        for child, entry in zip(node.value if node else (), entries, strict=True)
    ]


def _yaml_spot(node: Any, key: str) -> Spot:
    marks = {name.value: name.start_mark for name, _ in node.value}
    mark = marks.get(key, node.start_mark)
    return mark.line + 1, mark.column + 1


def _list_of(found: Any, file: Path) -> list[dict[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise ConfigError(
            "holds no list of entries", file=str(file), line=1, hint="`vorab devices export` and `vorab customers export` show the form"
        )
    return found


# ----------------------------------------------------------------------------------------------------- out


def write_rows(rows: Sequence[Mapping[str, Any]], form: str) -> str:
    """Entries as text that `read_rows` reads back."""
    if form == "json":
        return json.dumps(list(rows), ensure_ascii=False, indent=1) + "\n"
    if form == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if form == "yaml":
        return yaml.safe_dump([dict(row) for row in rows], allow_unicode=True, sort_keys=False)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


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
