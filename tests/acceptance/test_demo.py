"""The demo, told by its own beats: each is a promise to whoever watches."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.system import demo
from tests.system.demo import LONGEST_S, SECONDS, Night
from vorab.demo.beats import BEATS, MOST_FALSE_ALARMS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]


@pytest.fixture(scope="module")
def night(demo_night: Night) -> Night:
    """One whole night, and its figures."""
    figures = ("seconds", "sum", "machine_temperature", "log_errors", "unexpected_exits", "rejections", "start_s")
    sys.stderr.write(json.dumps({key: demo_night[key] for key in figures}) + "\n")
    return demo_night


@pytest.mark.parametrize("name", list(BEATS))
def test_each_beat_comes_true(night: Night, name: str) -> None:
    """What the demo tells has happened, by the records in the log."""
    [beat] = [beat for beat in night["beats"] if beat["name"] == name]

    assert beat["ok"], beat["text"]
    assert beat["at_s"] is not None


def test_nothing_went_wrong_behind_the_scenes(night: Night) -> None:
    """No error line, no crash but the one the demo causes, and exit code 0."""
    log = Path(night["folder"], "vorab.log").read_text(encoding="utf-8")

    assert (night["log_errors"], night["unexpected_exits"], night["exit"]) == (0, 0, 0), log[-4000:]


def test_the_documented_failure_is_found_with_few_false_alarms(night: Night) -> None:
    """A real machine of 2014: at least one learned symptom in the window of its failure, at most twelve outside all windows."""
    figures = night["machine_temperature"]

    assert figures["inside_failure_window"] >= 1
    assert figures["outside_all_windows"] <= MOST_FALSE_ALARMS


@pytest.mark.parametrize(
    ("ok", "late_ms", "slower", "played"),
    [
        (True, 90_000.0, 1.0, [SECONDS]),
        (False, 30.0, 1.0, [SECONDS]),
        (False, None, 1.0, [SECONDS]),
        (False, 900.0, 1.0, [SECONDS, 2 * SECONDS]),
        (False, 90_000.0, 2.0, [2 * SECONDS, 4 * SECONDS, LONGEST_S]),
        (False, 90_000.0, 50.0, [LONGEST_S]),
    ],
)
def test_a_night_is_played_again_only_where_the_machine_fell_behind(
    tmp_path: Path, late_ms: float | None, slower: float, played: list[float], *, ok: bool
) -> None:
    """Known bad: a demo that fails on a machine that keeps up, and is given one chance after another."""
    found: list[float] = []

    def run(folder: Path, seconds: float) -> Night:
        found.append(seconds)
        total = {"publish_to_symptom_p99_undisturbed_ms": late_ms}
        return {"beats": [{"ok": ok}], "sum": total, "exit": not ok, "folder": folder, "seconds": seconds}

    assert demo.well(demo.fitting(lambda: tmp_path, run, lambda: slower)) is ok
    assert found == played
