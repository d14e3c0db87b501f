"""`vorab customers timeline` and `vorab customers corrections`: what is said on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from desk.store import Store
from desk.store import records as rows
from tests.unit.desk.house import MORNING, House, customer, device
from tests.unit.desk.talking import Keys, corrected, heard, history
from vorab.cli import app
from vorab.clock import MINUTE
from vorab.errors import ConfigError

REPLIES = ("geht ned", "es piept scho wieder", "nix geht mehr da", "laft immer no ned", "des is no hi", "immer no koid")


def run(folder: Path, *arguments: str) -> Result:
    """One command on the state of a folder; errors speak as exceptions."""
    command = ["customers", *arguments, "--state-dir", str(folder)]
    return CliRunner().invoke(app, command, catch_exceptions=False)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a desk and a log left behind, and somebody who has the customer's key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    @contextmanager
    def people(_settings: object) -> Iterator[object]:
        yield Keys()

    monkeypatch.setattr("vorab.cli.registry.reading_people", people)
    house = House(tmp_path)
    more = [heard(f"d-{n}", MORNING + n * MINUTE, words) for n, words in enumerate(REPLIES)]
    said = [corrected(f"kd-{n}", f"d-{n}", MORNING + n * MINUTE + 1, "still_broken") for n, _ in enumerate(REPLIES)]
    house.write([customer(), device("heat-pump-001"), device("heat-pump-002"), *history()[1], *more, *said])
    house.catch_up()
    house.close()
    return tmp_path


def test_the_dialogue_is_told_for_people_and_for_programs(state: Path) -> None:
    """In both languages with the words; `--json` is complete and leaves them sealed."""
    page = run(state, "timeline", "c-1").stdout
    assert "Tuesday, 24 November 2026" in page
    assert "“ham se des scho wieder, mir langts, des is des dritte Mal!” Taken for: not understood" in page
    assert "Zu wenig Druck: 0,62 bar" in run(state, "timeline", "c-1", "--lang", "de").stdout
    told = json.loads(run(state, "timeline", "c-1", "--json").stdout)
    assert (told["customer"], len(told["entries"]) > 30) == ("main/c-1", True)
    assert "mir langts" not in str(told)


def test_without_a_desk_it_is_told_from_the_log(state: Path) -> None:
    """The same entries."""
    before = run(state, "timeline", "c-1", "--json").stdout
    (state / "desk.db").unlink()
    assert run(state, "timeline", "c-1", "--json").stdout == before
    with pytest.raises(ConfigError, match="no desk's database"):
        run(state, "timeline", "c-1", "--check")


def test_it_is_rebuilt_and_compared(state: Path) -> None:
    """The same: code 0 and the digest; a row that is lost: code 1 and the entry."""
    found = run(state, "timeline", "c-1", "--check")
    assert (found.exit_code, "main/c-1: the same, " in found.stdout) == (0, True)
    store = Store(f"sqlite:///{state / 'desk.db'}")
    with store.write() as db:
        db.execute(rows.delete().where(rows.c.id == "a-1"))
    store.close()
    found = run(state, "timeline", "c-1", "--check")
    assert (found.exit_code, "differs" in found.stdout, '"id":"a-1"' in found.stdout) == (1, True, True)
    told = json.loads(run(state, "timeline", "c-1", "--check", "--json").stdout)
    assert (told["same"], '"id":"a-1"' in told["first_difference"]["log"]) == (False, True)


def test_nobody_s_timeline_is_an_error(state: Path) -> None:
    """Code 1, and where customers are named."""
    found = run(state, "timeline", "nobody")
    assert (found.exit_code, "vorab customers list" in found.stderr) == (1, True)


def test_corrections_are_counted_before_and_after(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both shares, for the same words and for words of others; where nothing can be read, no share."""
    told = json.loads(run(state, "corrections", "--json").stdout)
    assert (told["corrections"], told["readable"]) == (7, 7)
    assert told["same_words"]["after"]["right"] > told["same_words"]["before"]["right"]
    assert set(told["other_words"]) >= {"before", "after", "folds"}
    page = run(state, "corrections").stdout
    assert "7 replies were corrected, 7 of them can be read" in page
    assert "before, " in page
    monkeypatch.setattr("tests.unit.desk.talking.WHO", "nobody")
    assert run(state, "corrections").stdout == "7 replies were corrected, 0 of them can be read\n"
