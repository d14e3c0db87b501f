"""The examples of docs/formats.md: each command is run with the topic map that stands above it, and prints what the page shows."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from vorab import cli
from vorab.clock import parse_iso

PAGE = Path(__file__).resolve().parents[3] / "docs" / "formats.md"
TEN = parse_iso("2026-11-23T10:00:00Z")
_BLOCK = re.compile(r"^```(toml|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """One command of the page."""

    settings: str
    command: str
    shown: str


def examples(page: str) -> Iterator[Example]:
    """Every command with what it prints and the settings above it."""
    settings = ""
    for kind, text in _BLOCK.findall(page):
        if kind == "toml":
            settings = text
            continue
        for command in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            line, _, shown = command.partition("\n")
            yield Example(settings, line, shown)


def printed(example: Example, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What `echo TEXT | vorab …` prints at ten o'clock on the day the page was written."""
    (folder / "vorab.toml").write_text(example.settings, encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("vorab.clock.SystemClock.now", lambda _: TEN)
    echo, text, pipe, vorab, *arguments = shlex.split(example.command)
    assert (echo, pipe, vorab) == ("echo", "|", "vorab")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text.encode() + b"\n")))
    with pytest.raises(SystemExit):
        cli.main(arguments)
    return capsys.readouterr().out


def plain(text: str) -> str:
    """Without blanks at the ends of lines."""
    return re.sub(r" +$", "", text, flags=re.MULTILINE).strip()


FOUND = list(examples(PAGE.read_text(encoding="utf-8")))


@pytest.mark.parametrize("example", FOUND, ids=[example.command[-40:] for example in FOUND])
def test_the_page_shows_what_the_command_prints(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reader who copies an example sees what the page shows, but for the time."""
    assert plain(printed(example, tmp_path, monkeypatch, capsys)) == plain(example.shown)


def test_the_page_has_examples_of_every_kind() -> None:
    """A page whose examples were not found would pass the test above."""
    assert {"map", "packed", "text"} <= {word for word in ("map", "packed", "text") for example in FOUND if word in example.settings}
    assert len(FOUND) >= 6


def test_an_example_that_shows_something_else_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Known bad: a value on the page that the command does not print."""
    example = FOUND[0]._replace(command=FOUND[0].command.replace("215", "216"))
    assert plain(printed(example, tmp_path, monkeypatch, capsys)) != plain(example.shown)
