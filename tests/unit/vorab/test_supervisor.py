"""The supervisor starts what crashed and leaves alone what ended."""

from __future__ import annotations

import sys
from pathlib import Path

from vorab.clock import SystemClock
from vorab.errors import EXIT_CRASH
from vorab.supervisor import LONGEST_WAIT_S, Supervisor, backoff_s


def _counting(path: str, then: str) -> list[str]:
    count = f"p = pathlib.Path({path!r}); n = len(p.read_text()) if p.exists() else 0; p.write_text('x' * (n + 1))"
    return [sys.executable, "-c", f"import pathlib, sys, time; {count}; {then}"]


def test_a_child_that_crashed_on_purpose_is_started_again(tmp_path: Path) -> None:
    """Exit 70 means: I met something I did not understand, start me afresh."""
    supervisor = Supervisor(_counting(f"{tmp_path}/n", f"sys.exit({EXIT_CRASH} if n < 2 else 0)"), SystemClock())

    assert supervisor.run() == 0
    assert supervisor.exits == [70, 70, 0]


def test_a_child_that_was_called_wrongly_is_not_started_again(tmp_path: Path) -> None:
    """A wrong setting does not become right by repetition."""
    supervisor = Supervisor(_counting(f"{tmp_path}/n", "sys.exit(2)"), SystemClock())

    assert supervisor.run() == 2
    assert supervisor.exits == [2]


def test_a_killed_child_is_started_again_and_counted(tmp_path: Path) -> None:
    """A kill -9 is survived, and kills on purpose are told from crashes."""
    supervisor = Supervisor(_counting(f"{tmp_path}/n", "time.sleep(60 if n == 0 else 0)"), SystemClock())
    supervisor.start()
    while not (tmp_path / "n").exists():
        SystemClock().sleep(0.01)
    supervisor.kill()
    while len(supervisor.exits) < 2:
        SystemClock().sleep(0.01)
    supervisor.stop()

    assert supervisor.exits[0] == -9
    assert supervisor.expected == 1


def test_waits_grow_and_stay_bounded() -> None:
    """A child that cannot live does not burn the machine."""
    waits = [backoff_s(n) for n in range(1, 20)]

    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_WAIT_S
