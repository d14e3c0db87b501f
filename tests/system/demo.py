"""A night of the demo for tests, as fast as this machine can play it: what it tells is tested, and not how fast the machine is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.parts.base import PATIENCE_S

SECONDS: Final = 120.0
"""Twice the minute a person gets, because the tests may share their machine."""
LONGEST_S: Final = 600.0
WORK_S: Final = 0.7
"""How long the work by which a machine is measured takes where it has a processor to itself."""
SHARE: Final = 1 / 8
"""Of the shortest silence that is a fault in the story: where vorab hears of things so late, silences are made by the machine."""
SILENCE_S: Final = 20 * 60
NIGHT_S: Final = 9.5 * 3600

Night = dict[str, Any]


def play(folder: Path, seconds: float) -> Night:
    """One whole night and its figures."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VORAB_")}
    command = [sys.executable, "-m", "vorab", "demo", "--seconds", str(seconds), "--json", "--no-browser", "--state-dir", str(folder)]
    done = subprocess.run(command, env=clean, check=False, capture_output=True, text=True, timeout=3 * seconds + PATIENCE_S)
    assert done.stdout, done.stderr
    found: Night = json.loads(done.stdout)
    return {**found, "exit": done.returncode, "folder": folder, "seconds": seconds}


def slowness() -> float:
    """How many times longer than usual some work takes now, on all processors at once; at least 1."""
    work = "import time; began = time.monotonic(); sum(i * i for i in range(10_000_000)); print(time.monotonic() - began)"
    command = [sys.executable, "-S", "-c", work]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(os.cpu_count() or 1)]
    return max(1.0, *(float(child.communicate()[0]) / WORK_S for child in children))


def fitting(new_folder: Callable[[], Path], run: Callable[[Path, float], Night] = play, slower: Callable[[], float] = slowness) -> Night:
    """A night at a speed that suits the machine; one that went wrong, and was too fast for it, is played again at half the speed."""
    seconds = min(LONGEST_S, SECONDS * slower())
    while True:
        night = run(new_folder(), seconds)
        if well(night) or not too_fast(night) or seconds >= LONGEST_S:
            return night
        seconds = min(LONGEST_S, 2 * seconds)


def well(night: Night) -> bool:
    """Whether all came true."""
    return all(beat["ok"] for beat in night["beats"]) and night["exit"] == 0


def too_fast(night: Night) -> bool:
    """Whether the machine fell behind, by what the night itself says of how late its symptoms were, outside of the demo's own kill."""
    late_ms = night["sum"]["publish_to_symptom_p99_undisturbed_ms"]
    speed = NIGHT_S / night["seconds"]
    return late_ms is not None and late_ms / 1e3 > SHARE * SILENCE_S / speed
