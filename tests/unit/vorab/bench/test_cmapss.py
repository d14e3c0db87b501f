"""The bench of engines: wear is found in engines made up here, and what would be cheating or late is caught."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from vorab.bench import cmapss
from vorab.errors import ConfigError

pytestmark = pytest.mark.slow

SENSORS = 5


def made_up(count: int = 24, seed: int = 1, wears: float = 1.0) -> list[cmapss.Floats]:
    """Engines of 150 to 250 flights whose first two sensors grow by shares until they fail; the last one never moves."""
    chance = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        life = int(chance.integers(150, 250))
        rows = chance.normal(0, 1, (life, SENSORS)) + chance.normal(100, 5, SENSORS)
        worn = wears * np.exp((np.arange(life) - life) / 40) * chance.uniform(8, 16)
        rows[:, 0] += worn
        rows[:, 1] -= worn
        rows[:, -1] = 7.0
        out.append(rows)
    return out


def write(folder: Path, engines: list[cmapss.Floats]) -> Path:
    """The file as it is published."""
    rows = [[unit, flight, 0, 0, 0, *row] for unit, one in enumerate(engines, 1) for flight, row in enumerate(one.tolist(), 1)]
    with gzip.open(folder / "train_FD001.txt.gz", "wt", encoding="utf-8") as file:
        file.writelines(" ".join(map(str, row)) + "\n" for row in rows)
    return folder


def test_engines_that_wear_are_announced_in_time(tmp_path: Path) -> None:
    """All of them, none late, and the interval holds the truth."""
    found = cmapss.run(write(tmp_path, made_up()))

    assert found["ok"]
    assert (found["engines"], found["late"]) == (24, 0)
    assert found["covered"] >= 0.8
    assert found["width_median"] < 80


def test_engines_that_fail_without_wear_are_short(tmp_path: Path) -> None:
    """Known-bad: nothing is to be seen before, so nobody can be announced; the bench says so."""
    found = cmapss.run(write(tmp_path, made_up(wears=0.0)))

    assert not found["ok"]
    assert found["late"] > 0


def test_a_detector_that_waits_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known-bad: with a horizon of three flights every alarm is late."""
    monkeypatch.setitem(cmapss.SETTINGS, "within", "3 d")

    found = cmapss.run(write(tmp_path, made_up()))

    assert not found["ok"]
    assert found["late"] > 2


def test_nothing_of_an_engines_own_future_is_used() -> None:
    """An engine that is cut short was told the same until then."""
    engines = made_up()
    teachers, whole = engines[12:], engines[0]
    cut = whole[: len(whole) - 15]

    [told], _ = cmapss.judge([whole], teachers)
    [less], _ = cmapss.judge([cut], teachers)

    assert len(whole) - 1 - told.alarm == len(cut) - 1 - less.alarm
    assert told.said[: len(less.said)].tolist() == less.said.tolist()
    assert len(less.said) == len(told.said) - 15


def test_a_table_holds_what_it_was_made_of() -> None:
    """88 of 100 statements of the teachers lie in their own intervals; 0 and for ever have a bin too."""
    chance = np.random.default_rng(3)
    said = chance.uniform(5, 80, 6000)
    left = said * chance.uniform(0.5, 1.5, 6000)
    table = cmapss.calibrate([cmapss.Flights(200, 50, left, said)])

    low, middle, high = table.told(said)
    assert ((left >= low) & (left <= high)).mean() == pytest.approx(0.88, abs=0.01)
    assert (low <= middle).all()
    assert [float(each) for each in table.told(np.array([0.0]))[0]] == [table.low[0]]
    assert [float(each) for each in table.told(np.array([np.inf]))[2]] == [table.high[-1]]


def test_a_folder_without_the_file_is_named(tmp_path: Path) -> None:
    """With what is missing."""
    with pytest.raises(ConfigError, match="train_FD001"):
        cmapss.run(tmp_path)
