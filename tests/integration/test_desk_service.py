"""`vorab desk` and `vorab why` as processes: found by the announcement, useful after the end, ended on purpose when something is wrong."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.parts.base import PATIENCE_S
from tests.unit.desk.house import PARTITIONS, House, Story, furnish
from vorab.clock import SystemClock
from vorab.errors import EXIT_CRASH, EXIT_OK, EXIT_PROBLEMS, EXIT_USAGE

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("VORAB_")}


@pytest.fixture
def folder(tmp_path: Path) -> tuple[Path, dict[str, Story]]:
    """A state folder with a log and no desk database."""
    house = House(tmp_path)
    stories = furnish(house)
    house.close()
    for file in tmp_path.glob("desk.db*"):
        file.unlink()
    return tmp_path, stories


def vorab(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command, to its end."""
    command = [sys.executable, "-m", "vorab", *words]
    return subprocess.run(command, cwd=cwd, env=CLEAN, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@contextmanager
def desk(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`vorab desk`, running; its announcement of an earlier run is gone."""
    (folder / "desk.json").unlink(missing_ok=True)
    words = ["desk", "--state-dir", str(folder), "--port", "0"]
    env = {**CLEAN, "VORAB_TOPICS_PARTITIONS": str(PARTITIONS)}
    process = subprocess.Popen([sys.executable, "-m", "vorab", *words], cwd=folder, env=env, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE_S)


def ask(folder: Path, process: subprocess.Popen[bytes], path: str) -> Any:
    """An answer of the desk, as soon as it has one."""
    clock = SystemClock()
    for _ in range(4_800):
        assert process.poll() is None
        try:
            port = json.loads((folder / "desk.json").read_text(encoding="utf-8"))["port"]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
                return json.loads(answer.read())
        except (OSError, ValueError):
            clock.sleep(0.05)
    raise AssertionError(f"no answer to {path}")


def test_why_asks_the_running_desk_and_then_its_database(folder: tuple[Path, dict[str, Story]]) -> None:
    """The same chain while a desk runs, after it was killed, and in words."""
    home, stories = folder
    case = stories["healed"].case
    with desk(home) as process:
        chain = ask(home, process, f"/api/why/{case}")
        running = vorab("why", case, "--told-only", "--state-dir", str(home), "--json", cwd=home)
        assert json.loads(running.stdout) == chain
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == EXIT_OK
    ended = vorab("why", case[:8], "--told-only", "--state-dir", str(home), "--json", cwd=home)
    assert ended.returncode == EXIT_OK
    assert json.loads(ended.stdout) == chain
    told = vorab("why", stories["healed"].action, "--told-only", "--state-dir", str(home), cwd=home)
    assert "Heat Pump 001 healed itself" in told.stdout
    assert "▸" in told.stdout
    assert "not sent" in told.stdout.lower()
    nobody = vorab("why", "00000000-none", "--state-dir", str(home), cwd=home)
    assert (nobody.returncode, nobody.stdout) == (EXIT_PROBLEMS, "")


def test_why_without_a_desk_says_what_to_do(tmp_path: Path) -> None:
    """Three lines, exit code 2."""
    done = vorab("why", "b816ec32", "--state-dir", str(tmp_path), cwd=tmp_path)
    assert done.returncode == EXIT_USAGE
    assert "no desk" in done.stderr


def test_a_killed_desk_goes_on(folder: tuple[Path, dict[str, Story]]) -> None:
    """Kill -9, start again: the same cases."""
    home, stories = folder
    with desk(home) as process:
        ask(home, process, f"/api/cases/{stories['doubted'].case}")
        before = ask(home, process, "/api/cases")
        process.kill()
    with desk(home) as process:
        assert ask(home, process, "/api/cases") == before


def test_an_unexpected_error_ends_the_process_on_purpose(folder: tuple[Path, dict[str, Story]]) -> None:
    """A desk that cannot fold does not pretend: exit code 70, for the supervisor."""
    home, _ = folder
    with sqlite3.connect(home / "desk.db") as db:
        db.execute("CREATE TABLE records (n INTEGER PRIMARY KEY)")
    db.close()
    with desk(home) as process:
        assert process.wait(PATIENCE_S) == EXIT_CRASH
