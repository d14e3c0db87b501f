"""Storms and readings, what the real processors made of them, and all of it decided anew from the log.

    .venv/bin/python -m tests.retold --hours 6 --devices 12

Incidents twice: with all ticks, where all must agree, and after the log has forgotten them, as it does after some minutes, where none may
differ and nine of ten must agree. Symptoms of a log that has forgotten its ticks, all of which must agree. Prints a line each.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from streams.recount.compare import State
from streams.recount.symptoms import Wanted
from tests.system.figures import say
from tests.unit.streams.detecting import T0
from tests.unit.streams.recount import spoken, stormy
from vorab.clock import HOUR, MINUTE, SystemClock
from vorab.log.sqlite import SqliteLog
from vorab.records import Symptom

LEAST: Final = 0.9
"""The share of incidents that must agree where ticks were forgotten; the others cannot be compared, which is no difference."""


def incidents(folder: Path, hours: int, seed: int) -> bool:
    """Storms of some hours; whether all agree."""
    path = folder / "storms.db"
    happens = stormy.happens(seed, hours)
    stormy.live(path, happens, seed)
    cases, good = len({each.case for each in happens}), True
    for words, allowed in (("with all ticks", {State.AGREES}), ("with ticks forgotten", {State.AGREES, State.GONE})):
        began = time.monotonic()
        gathered = stormy.gather(path)
        states = Counter(verdict.state for verdict in gathered.verdicts.values())
        say(f"{len(gathered.verdicts)} incidents of {cases} cases, {words}: {_told(states)}, in {time.monotonic() - began:.0f} s")
        good = good and set(states) <= allowed and states[State.AGREES] >= LEAST * len(gathered.verdicts) and not gathered.beside
        stormy.forget(path)
    return good


def symptoms(folder: Path, devices: int, hours: int, seed: int) -> bool:
    """Readings of some devices; whether all symptoms agree."""
    with SqliteLog(folder / "readings.db", fsync=False) as log:
        spoken.live(log, [f"d{number}" for number in range(devices)], hours * 60, seed)
        log.forget_ticks(SystemClock().now() + HOUR, 0)
        by_id: dict[str, list[Symptom]] = {}
        for each in spoken.symptoms(log):
            by_id.setdefault(each.confirms or each.id, []).append(each)
        began = time.monotonic()
        found = spoken.find(log, [Wanted(name, some, T0 + hours * HOUR - MINUTE) for name, some in by_id.items()])
        seconds = time.monotonic() - began
    states = Counter(came.state for came in found.values())
    say(f"{len(found)} symptoms of {devices} devices, with ticks forgotten: {_told(states)}, in {seconds:.0f} s")
    for name, came in found.items():
        if came.state is not State.AGREES:
            say(f"  {name}: {came.difference.text if came.difference else came.note}")
    return set(states) == {State.AGREES}


def _told(states: Counter[State]) -> str:
    return ", ".join(f"{number} {state}" for state, number in sorted(states.items()))


def main(arguments: Iterable[str] | None = None) -> int:
    """Make both, and say what came of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hours", type=int, default=6)
    parser.add_argument("--devices", type=int, default=12)
    parser.add_argument("--seed", type=int, default=20261130)
    asked = parser.parse_args(None if arguments is None else list(arguments))
    with tempfile.TemporaryDirectory() as folder:
        good = [incidents(Path(folder), asked.hours, asked.seed), symptoms(Path(folder), asked.devices, asked.hours, asked.seed)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
