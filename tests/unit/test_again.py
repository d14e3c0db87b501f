"""A second look at what failed: luck is told from a defect, and never kept secret."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts.base import REPOSITORY
from tests.parts.lanes import lane_of

QUIET = "filterwarnings = ignore::pytest.PytestAssertRewriteWarning\n"  # of a plugin that is named, not found
STEADY = "def test_steady(): pass\n"
UNLUCKY = """
def test_unlucky():
    mark = pathlib.Path(__file__).with_name("mark")
    seen = mark.exists()
    mark.touch()
    assert seen, "the first time"
"""
SHY = UNLUCKY.replace("unlucky", "shy").replace("assert seen", "if seen: pytest.skip('not today')\n    assert seen")
LATE = """
@pytest.fixture
def late():
    yield
    mark = pathlib.Path(__file__).with_name("late-mark")
    seen = mark.exists()
    mark.touch()
    assert seen, "in the end"

def test_late(late): pass
"""
BROKEN = "def test_broken(): assert False, 'always'\n"


def run(folder: Path, *tests: str, workers: int = 0) -> tuple[int, str, str]:
    """Exit code, the closing line and all that pytest said of a run with these tests."""
    (folder / "test_it.py").write_text("import pathlib, pytest\n" + "".join(tests), encoding="utf-8")
    (folder / "pytest.ini").write_text(f"[pytest]\naddopts = -p tests.parts.again -p tests.parts.lanes\n{QUIET}", encoding="utf-8")
    # Other plugins would only take time.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    env |= {"PYTHONPATH": str(REPOSITORY), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    parallel = ["-p", "xdist", "-n", str(workers)] if workers else []
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--again", "3", *parallel]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()[-1], done.stdout


@pytest.mark.parametrize("workers", [0, 2])
def test_what_fails_once_is_told_as_unsteady(tmp_path: Path, workers: int) -> None:
    """It counts as passed once, is named, and the reason of its first failure stands there."""
    code, closing, said = run(tmp_path, STEADY, UNLUCKY, LATE, workers=workers)
    assert code == 0, said
    assert "3 passed, 2 unsteady in" in closing
    assert "failed" not in closing
    assert "unsteady: test_it.py::test_unlucky (call)" in said
    assert "AssertionError: the first time" in said
    assert "unsteady: test_it.py::test_late (teardown)" in said
    assert "AssertionError: in the end" in said


def test_what_fails_twice_has_failed(tmp_path: Path) -> None:
    """Known bad: a defect beside bad luck; only the luck is forgiven."""
    code, closing, said = run(tmp_path, STEADY, UNLUCKY, BROKEN)
    assert code == 1
    assert "1 failed, 2 passed, 1 unsteady in" in closing
    assert "FAILED test_it.py::test_broken" in said


def test_what_is_skipped_the_second_time_has_failed(tmp_path: Path) -> None:
    """Known bad: a second look that sees nothing, taken for a proof."""
    code, closing, _ = run(tmp_path, STEADY, SHY)
    assert (code, "1 failed, 1 passed in" in closing) == (1, True)


def test_where_many_fail_none_is_run_again(tmp_path: Path) -> None:
    """Four at once are no bad luck."""
    many = [UNLUCKY.replace("unlucky", f"unlucky_{i}").replace('"mark"', f'"mark-{i}"') for i in range(4)]
    code, closing, said = run(tmp_path, STEADY, *many)
    assert (code, "4 failed, 1 passed in" in closing) == (1, True)
    assert "once more" not in said


def test_a_file_that_cannot_be_read_is_no_bad_luck(tmp_path: Path) -> None:
    """Known bad: a run that forgives what it never collected."""
    code, closing, said = run(tmp_path, STEADY, "import nowhere\n")
    assert (code, "1 error in" in closing) == (2, True)
    assert "once more" not in said


def test_tests_with_real_parts_keep_to_their_lanes() -> None:
    """Those of a lane on one worker, all others by their file."""
    assert lane_of("tests/chaos/test_line.py::test_a[x/y::z]") == lane_of("tests/acceptance/test_demo.py::test_b") == "stories"
    assert lane_of("tests/contract/test_log.py::test_c") == lane_of("tests/integration/test_ingest.py::test_d") == "parts"
    assert lane_of("tests/unit/desk/test_console.py::test_e[a]") == "tests/unit/desk/test_console.py"
