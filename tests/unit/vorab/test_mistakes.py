"""A wrong payload description is named with line, key and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from vorab import settings
from vorab.errors import ConfigError

ENTRY = '[[ingest.topic_map]]\nfilter = "a/{device}/b"\n'


def mistake(tmp_path: Path, text: str) -> str:
    """What loading says."""
    file = tmp_path / "vorab.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        settings.load(file, {})
    return str(caught.value).replace(str(tmp_path), "")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('map.signals.t = { path = "a..b" }', 3, "data[*].temp"),
        ('map.signals.t = { path = "a[*]~.b" }', 3, "nothing can follow `~`"),
        ('[ingest.topic_map.map.signals]\nx = { path = "x" }\nt = { path = "a", scal = 2 }', 5, "did you mean scale?"),
        ('[ingest.topic_map.map.signals.t]\npath = "a"\nscale = "ten"', 5, "must be a number"),
        ('[ingest.topic_map.map.signals.t]\npath = "a"\nscale = 0', 3, "leave it out"),
        ('map.signals."t t" = { path = "a" }', 3, "no name for a signal"),
        ('map.signals.t = { path = "a", type = "bool", scale = 2 }', 3, 'type = "number"'),
        ('map.signals.t = { path = "a", true = "on" }', 3, 'for type = "bool"'),
        ('map.signals.t = { path = "a", type = "bool", true = "on", false = "ON" }', 3, "both true and false"),
        ('map.signals.t = { path = "a", min = 2, max = 1 }', 3, "above max"),
        ('map.signals.t = { path = "a", name = "b[*].c" }', 3, "goes through a list"),
        ('map.time = { path = "a", unit = "iso" }', 3, "nothing to read"),
        ('map.values = "x"\nmap.time = { path = "a", unit = "iso", zone = "Mars/Olympus" }', 4, "Europe/Berlin"),
        ('map.values = "x"\nmap.time = { path = "a", unit = "s", zone = "Europe/Berlin" }', 4, "count from 1970 UTC"),
        ('map.values = "x"\nmap.time = { path = "a[*].t", unit = "s" }', 3, "in which no signal lies"),
        ('decoder = "mapped"', 1, "needs the table `map`"),
        ('decoder = "jsn"', 3, "module:function"),
        ('decoder = "json"\nmap.values = "x"', 1, "decoder says 'json'"),
        ('text = {}\nmap.values = "x"', 1, "read one way"),
        ('kind = "status"\nmap.values = "x"', 1, "is for telemetry"),
        ('text.signal = "a b"', 3, "no name for a signal"),
        ('packed.signals.t = { at = 0, type = "u12" }', 3, "'u16'"),
        ("packed.signals = {}", 3, "at least 1 item"),
        ('packed.signals.t = { at = 0, type = "bits" }', 3, "bits = N"),
        ('packed.signals.t = { at = 0, type = "bcd" }', 3, "size (in bytes)"),
        ('packed.signals.t = { at = 0, type = "bcd", size = 9 }', 3, "16 digits"),
        ('packed.signals.t = { at = 0, type = "u8", bit = 1 }', 3, 'bit is for type = "bits"'),
        ('packed.signals.t = { at = 0, type = "bits", bit = 60, bits = 8 }', 3, "begin at a later byte"),
        ('packed.signals.t = { at = 0, type = "u8", signed = true }', 3, "write i8"),
        ('packed.signals.t = { at = 0, type = "bool", scale = 2 }', 3, "are for numbers"),
        ('packed.stride = 3\npacked.signals.t = { at = 0, type = "u32" }', 3, "ends at byte 4 of a record of 3"),
        ('packed.length = 3\npacked.signals.t = { at = 0, type = "u32" }', 3, "reach to byte 4 of a length of 3"),
        ('packed.length = 9\npacked.stride = 4\npacked.signals.t = { at = 0, type = "u32" }', 3, "whole records"),
        ('packed.path = "a"\npacked.signals.t = { at = 0, type = "u32" }', 3, "hex"),
        ('packed.path = "a[*]"\npacked.encoding = "hex"\npacked.signals.t = { at = 0, type = "u32" }', 3, "one payload"),
        ('packed.seq = { at = 0, type = "i8" }\npacked.signals.t = { at = 0, type = "u32" }', 3, "is a counter"),
        ('packed.time = { at = 0, type = "u32", every_s = 1 }\npacked.signals.t = { at = 0, type = "u32" }', 3, "give the stride"),
        ('packed.time = { at = 0, type = "hex", size = 1 }\npacked.signals.t = { at = 0, type = "u32" }', 3, "a time is a number"),
        ('packed.header = 1\npacked.when = { at = 0, type = "u8", equals = 1 }\npacked.signals.t = { at = 0, type = "u32" }', 3, "before"),
    ],
)
def test_a_wrong_description_names_line_key_and_remedy(tmp_path: Path, text: str, line: int, says: str) -> None:
    """Whoever describes a payload wrongly reads where and what to write instead."""
    said = mistake(tmp_path, ENTRY + text + "\n")
    assert says in said
    assert f"vorab.toml:{line} [ingest.topic_map.0" in said


def test_the_second_entry_is_told_from_the_first(tmp_path: Path) -> None:
    """Lines are counted in the entry that is wrong, sub-tables included."""
    good = ENTRY + '[ingest.topic_map.map.signals]\nt = { path = "a" }\n'
    assert "vorab.toml:8 " in mistake(tmp_path, good + good.replace('"a"', '"a..b"'))


def test_of_several_layouts_the_wrong_one_is_named(tmp_path: Path) -> None:
    """A list of layouts counts its tables as well."""
    layout = '[[ingest.topic_map.packed]]\nwhen = { at = 0, type = "u8", equals = 1 }\nsignals.t = { at = 1, type = "u8" }\n'
    assert "vorab.toml:8 " in mistake(tmp_path, ENTRY + layout + layout.replace("at = 1,", "at = -1,"))
