"""The benchmark of the learned detector: the scorer keeps the published rules, and the command says where it falls short."""

from __future__ import annotations

import gzip
import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from streams.detectors.surprise_config import SurpriseConfig
from vorab.bench import nab, nab_study
from vorab.bench.nab_score import PROFILES, Floats, Profile, Referee, Series, halves, load
from vorab.cli import app

pytestmark = pytest.mark.slow

FIGURES: Final = (
    "standard",
    "low_fp",
    "low_fn",
    "own_range",
    "half_a",
    "half_b",
    "fixed_threshold",
    "us_per_reading",
    "bytes_per_series",
)


def series(n: int, *windows: tuple[int, int]) -> Series:
    """A series of which only the windows matter."""
    return Series(np.arange(n), np.zeros(n), windows)


def said(n: int, *places: int) -> Floats:
    """Reports at these places."""
    out = np.zeros(n)
    out[list(places)] = 1.0
    return out


CORPUS: Final = {"a/one": series(1000, (400, 499), (700, 799)), "a/two": series(1000)}
QUIET: Final = {"a/one": said(1000), "a/two": said(1000)}


def test_who_never_speaks_has_nothing_and_who_speaks_first_has_all() -> None:
    """0 and 100, in every profile."""
    referee = Referee(CORPUS)
    for profile in PROFILES:
        assert referee.best(QUIET, profile).score == 0
        assert referee.best(QUIET | {"a/one": said(1000, 400, 700)}, profile).score == pytest.approx(100)


def test_only_the_earliest_report_in_a_window_counts() -> None:
    """A second one costs nothing and earns nothing."""
    referee = Referee(CORPUS)
    once = referee.best(QUIET | {"a/one": said(1000, 450)}, "standard")
    twice = referee.best(QUIET | {"a/one": said(1000, 450, 460)}, "standard")

    assert once.score == twice.score
    assert (once.found, once.outside) == (1, 0)


def test_a_report_just_behind_a_window_costs_less_than_one_far_from_any() -> None:
    """0.11 at most; nothing during probation."""
    referee = Referee(CORPUS)
    found = QUIET | {"a/one": said(1000, 400, 700)}

    def cost(place: int) -> float:
        return 4 / 100 * (100 - referee.at(found | {"a/one": said(1000, 400, 700, place)}, "standard", 0.5).score)

    assert cost(10) == 0
    assert cost(200) == pytest.approx(0.11)
    assert 0 < cost(500) < cost(510) < 0.11
    assert cost(500) == pytest.approx(-0.11 * (2 / (1 + math.exp(5 / 99)) - 1))


def test_the_last_reading_of_a_window_earns_almost_nothing() -> None:
    """Less than the first by far, and still more than a miss."""
    referee = Referee(CORPUS)
    late = referee.at(QUIET | {"a/one": said(1000, 499, 700)}, "standard", 0.5).score

    assert 75 < late < 76


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=60, max_size=60), st.sampled_from(sorted(PROFILES)))
def test_the_best_threshold_is_the_best_of_all_by_plain_counting(scores: list[int], profile: str) -> None:
    """The sweep over thresholds against a loop over readings, at every threshold."""
    corpus = {"a/x": series(60, (20, 29), (45, 54))}
    told = {"a/x": np.array(scores, float)}
    totals = {threshold: plain(scores, threshold, PROFILES[profile]) for threshold in range(7)}
    null, perfect = -2 * PROFILES[profile].missed, 2 * PROFILES[profile].found
    referee = Referee(corpus)

    assert referee.best(told, profile).score == pytest.approx(100 * (max(totals.values()) - null) / (perfect - null))
    for threshold, total in totals.items():
        assert referee.at(told, profile, threshold).score == pytest.approx(100 * (total - null) / (perfect - null))


def plain(scores: list[int], threshold: int, weights: Profile) -> float:
    """The rules reading by reading for windows 20 to 29 and 45 to 54 of 60 readings, 9 of them probation."""

    def sigmoid(y: float) -> float:
        return 2 / (1 + math.exp(5 * y)) - 1 if y <= 3 else -1.0

    total, earned = 0.0, {20: -weights.missed, 45: -weights.missed}
    for k in range(9, 60):
        if scores[k] < threshold:
            continue
        window = next((first for first in earned if first <= k < first + 10), None)
        before = [first for first in earned if first + 9 < k]
        if window is not None:
            earned[window] = max(earned[window], weights.found * sigmoid(-(window + 10 - k) / 10) / sigmoid(-1))
        else:
            total += weights.false * (sigmoid((k - before[-1] - 9) / 9) if before else -1.0)
    return total + sum(earned.values())


def test_halves_share_the_files_of_every_group() -> None:
    """Even and odd places by name."""
    assert halves(["b/1", "a/3", "a/1", "a/2"]) == {"A": ["a/1", "a/3", "b/1"], "B": ["a/2"]}


def corpus(folder: Path) -> Path:
    """Two files of a fortnight as the benchmark lays them out, one packed, with a jump in a window of one."""
    begin, labels = datetime(2024, 1, 1, tzinfo=UTC), {}
    for number, name in enumerate(("real/one.csv", "real/two.csv")):
        k = np.arange(1400)
        values = 20 + 5 * np.sin(k / 46) + np.random.default_rng(number).normal(0, 0.2, len(k))
        values[900:] += 9 * number
        times = [(begin + timedelta(minutes=15 * each)).strftime("%Y-%m-%d %H:%M:%S") for each in k.tolist()]
        text = "timestamp,value\n" + "".join(f"{time},{value:.4f}\n" for time, value in zip(times, values, strict=True))
        path = folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if number:
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(text.encode()))
        else:
            path.write_text(text)
        labels[name] = [[f"{times[880]}.000000", f"{times[980]}.000000"]] if number else []
    (folder / "labels").mkdir()
    (folder / "labels" / "combined_windows.json").write_text(json.dumps(labels))
    return folder


def test_the_command_prints_one_line_and_fails_where_it_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every promised figure stands in it; a detector that never reports is short of the bar, and says of what."""
    monkeypatch.setattr(nab, "TOGETHER", 4)
    monkeypatch.setattr(nab, "TIMES", 1)
    monkeypatch.setattr(nab, "SurpriseConfig", lambda: SurpriseConfig(margin=1e9))
    ended = CliRunner().invoke(app, ["bench", "nab", "--data", str(corpus(tmp_path))])
    found = json.loads(ended.stdout)

    assert ended.exit_code == 1
    assert set(FIGURES) <= set(found)
    assert {"standard", "low_fp", "own_range"} <= set(found["short"])
    assert found["restart_equal"]


def test_a_jump_in_a_window_is_found(tmp_path: Path) -> None:
    """With the range given and without; what the detector says does not depend on a restart."""
    files = load(corpus(tmp_path))
    referee = Referee(files)
    config = SurpriseConfig()

    for ranged in (True, False):
        assert referee.best(nab.listen(files, config, given=ranged), "standard").found == 1
    plainly, restarted = (nab.listen(files, config, given=False, restart=restart) for restart in (False, True))
    assert all(np.array_equal(plainly[name], restarted[name]) for name in files)


def test_a_window_without_readings_is_refused(tmp_path: Path) -> None:
    """Naming the file."""
    folder = corpus(tmp_path)
    (folder / "labels" / "combined_windows.json").write_text(json.dumps({"real/one.csv": [["2031-01-01", "2031-01-02"]]}))

    with pytest.raises(ValueError, match=r"one\.csv"):
        load(folder)


def test_the_study_moves_every_setting_both_ways() -> None:
    """10 % up and down, whole numbers by one at least; nothing is left out."""
    variants = dict(nab_study.neighbours())

    assert len(variants) == 2 * len(SurpriseConfig.__dataclass_fields__)
    assert variants["cells -10 %"] == replace(SurpriseConfig(), cells=SurpriseConfig().cells - round(SurpriseConfig().cells / 10))
    assert SurpriseConfig() not in variants.values()
    assert SurpriseConfig() not in dict(nab_study.ablations()).values()
