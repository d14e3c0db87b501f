"""Files of entries: every value is found again by line and column, in every format."""

from __future__ import annotations

from pathlib import Path

import pytest

from vorab.errors import ConfigError
from vorab.registry.files import FORMATS, read_rows, write_rows
from vorab.registry.kinds import DEVICES

KNOWN = DEVICES.fields


def rows_of(folder: Path, name: str, text: str) -> list[tuple[dict[str, object], tuple[int, int]]]:
    """What a file holds, and where the model of each entry stands."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return [(row.values, row.where("model")) for row in read_rows(file, KNOWN)]


@pytest.mark.parametrize(
    ("name", "text", "places"),
    [
        ("a.csv", "device,name,model\na,x,pump\n\nb,y,pump\n", [(2, 3), (4, 3)]),
        ("a.csv", 'device,name,model\na,"two\nlines",pump\nb,y,pump\n', [(3, 3), (4, 3)]),
        ("a.csv", "\ufeffdevice,model\r\na,pump\r\nb,pump\r\n", [(2, 2), (3, 2)]),
        ("a.json", '[{"device": "a", "model": "pump"},\n {"device": "b",\n  "model": "pump"}]', [(1, 18), (3, 3)]),
        ("a.json", '[\n{"device": "a", "name": "{\\"model\\": 1}", "limits": {"model": 2}, "model": "pump"}]', [(2, 67)]),
        ("a.jsonl", '{"device": "a", "model": "pump"}\n\n  {"model": "pump", "device": "b"}\n', [(1, 17), (3, 4)]),
        ("a.yaml", "- {device: a, model: pump}\n- device: b\n  model: pump\n", [(1, 15), (3, 3)]),
    ],
)
def test_every_value_is_found_again(tmp_path: Path, name: str, text: str, places: list[tuple[int, int]]) -> None:
    """Also behind cells with line breaks, keys within values, empty lines and a byte order mark."""
    found = rows_of(tmp_path, name, text)
    assert [values["model"] for values, _ in found] == ["pump"] * len(places)
    assert [place for _, place in found] == places


def test_what_is_not_there_stands_where_the_entry_begins(tmp_path: Path) -> None:
    """A key that was forgotten is told at its entry."""
    file = tmp_path / "a.json"
    file.write_text('[\n  {"name": "x"}\n]', encoding="utf-8")
    assert [row.where("device") for row in read_rows(file, KNOWN)] == [(2, 3)]


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_written_is_read_back(tmp_path: Path, form: str) -> None:
    """Text that looks like a formula, quotes, commas and line breaks as well."""
    rows = [{"device": "a", "name": '=1+"x",\ny', "firmware": "1.10"}, {"device": "b", "name": "Käse"}]
    file = tmp_path / f"a.{form}"
    file.write_text(write_rows(rows, form), encoding="utf-8", newline="")
    assert [row.values for row in read_rows(file, KNOWN)] == rows


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", b"device,device\n", r"two columns device[\s\S]*a\.csv:1 \[device\], column 2"),
        ("a.csv", b'device\n"a"b\n', r"not valid CSV[\s\S]*a\.csv:2"),
        ("a.csv", b"device\na\xff\n", r"not UTF-8[\s\S]*a\.csv:2"),
        ("a.jsonl", b'{"device": "a"}\n{"device": }\n', r"not valid JSON[\s\S]*a\.jsonl:2, column 12"),
        ("a.jsonl", b'{"device": "a"}\n["b"]\n', r"not an entry[\s\S]*a\.jsonl:2"),
        ("a.json", b'[{"device": "a"},\n {"device" "b"}]', r"not valid JSON[\s\S]*a\.json:2, column 12"),
        ("a.yaml", b"- device: a\n - device: b\n", r"not valid YAML[\s\S]*a\.yaml:2, column"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(tmp_path: Path, name: str, text: bytes, says: str) -> None:
    """File, line and column, whatever is broken about its form."""
    file = tmp_path / name
    file.write_bytes(text)
    with pytest.raises(ConfigError, match=says):
        read_rows(file, KNOWN)
