"""The service view: alerts are counted where they were raised, years where they count."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from vorab.bench import service
from vorab.bench.nab_score import Series
from vorab.clock import DAY, HOUR

N = 1000
CORPUS = {"real/a.csv": Series(np.arange(N) * HOUR, np.zeros(N), ((300, 399), (600, 699)))}


def felt(*alerts: int) -> dict[str, float]:
    """The view of one file with alerts at these readings."""
    return service.felt(CORPUS, {"real/a.csv": np.array(alerts, np.intp)}, CORPUS)


def test_alerts_are_counted_where_they_were_raised() -> None:
    """Two in one window find it once; one in the first readings, which do not count, is nothing; the delay is from the window's begin."""
    found = felt(10, 149, 150, 310, 399, 400, 900)

    assert (found["windows"], found["found"], found["alerts"]) == (2, 1, 5)
    assert found["recall"] == 0.5
    assert found["precision"] == 0.4
    assert found["delay_h_median"] == 10.0
    years = (N - 1 - 150) * HOUR / DAY / 365.25
    assert found["alerts_per_device_year"] == pytest.approx(5 / years, abs=0.1)
    assert found["false_alerts_per_device_year"] == pytest.approx(3 / years, abs=0.1)


def test_a_detector_that_always_speaks_has_a_price() -> None:
    """Known-bad: every window is found, and everybody was called all the time."""
    found = felt(*range(N))

    assert found["recall"] == 1.0
    assert found["alerts_per_device_year"] > 1000
    assert felt()["recall"] == 0.0
    assert felt()["delay_h_median"] is None


def write(folder: Path) -> Path:
    """A corpus of two files, one with a fault of a day, as the benchmark publishes it."""
    start, labels = datetime(2026, 1, 1, tzinfo=UTC), {}
    for name, fault in (("realX/a.csv", 20.0), ("artificialX/b.csv", 0.0)):
        rows = 50 + 10 * np.sin(2 * np.pi * np.arange(2400) / 288) + np.random.default_rng(1).normal(0, 0.5, 2400)
        rows[2000:2100] += fault
        stamps = [(start + timedelta(minutes=5 * k)).strftime("%Y-%m-%d %H:%M:%S") for k in range(2400)]
        file = folder / "data" / name
        file.parent.mkdir(parents=True)
        with file.open("w", newline="") as out:
            csv.writer(out).writerows([("timestamp", "value"), *zip(stamps, rows.tolist(), strict=True)])
        labels[name] = [[stamps[1980], stamps[2200]]] if fault else []
    (folder / "labels").mkdir()
    (folder / "labels" / "combined_windows.json").write_text(json.dumps(labels))
    return folder


@pytest.mark.slow
def test_the_shipped_rule_finds_a_fault_in_a_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One window, found; what was recorded and what is artificial are told apart."""
    monkeypatch.setattr(service, "CURVE", (0.01, 100.0))

    found = service.run(write(tmp_path))

    assert (found["files"], found["windows"], found["found"]) == (1, 1, 1)
    assert found["artificial"] == {"windows": 0, "found": 0, "alerts": found["artificial"]["alerts"]}
    assert found["half_a"]["recall"] == 1.0
    strict = found["curve"][1]
    assert (strict["share"], strict["recall"]) == (100.0, 0.0)
    assert found["curve"][0]["alerts_per_device_year"] >= found["alerts_per_device_year"]
    assert found["ok"] == (not found["short"])
