"""The table of dialects in the docs is what the dialects are."""

from __future__ import annotations

import re
from pathlib import Path

from ingest.dialects import DIALECTS, dialect
from vorab import settings

FORMATS = Path(__file__).resolve().parents[4] / "docs" / "formats.md"


def rows(text: str) -> dict[str, list[str]]:
    """The cells of each row below `## Dialects`, by the first."""
    section = text.partition("\n## Dialects\n")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row[1:] for row in cells}


def wrong(text: str) -> list[str]:
    """What the table says of the dialects that is not so."""
    found = rows(text)
    problems = [f"{name} is missing" for name in DIALECTS if name not in found]
    problems += [f"{name} does not exist" for name in found if name not in DIALECTS]
    for name in found.keys() & DIALECTS.keys():
        topics, by_default = found[name][0], found[name][1]
        if tuple(re.findall(r"`([^`]+)`", topics)) != dialect(name).filters:
            problems.append(f"the topics of {name}")
        if (by_default == "yes") != (name in settings.DIALECTS):
            problems.append(f"whether {name} is heard by default")
    return problems


def test_the_table_of_dialects_is_complete_and_true() -> None:
    """Each dialect has a row with its usual topics, and whether it is heard by default."""
    assert wrong(FORMATS.read_text(encoding="utf-8")) == []


def test_a_table_that_is_wrong_is_caught() -> None:
    """A row less, other topics, another default."""
    text = FORMATS.read_text(encoding="utf-8")
    for old, new in (
        ("| `homie` |", "| `homey` |"),
        ("`tele/{device}/{what}`,", "`tele/#`,"),
        ("`zigbee2mqtt/#` | yes", "`zigbee2mqtt/#` | no"),
    ):
        assert old in text
        assert wrong(text.replace(old, new)) != []
