"""A second look at what failed: `--again 3` runs up to three failed tests once more, each alone, and says which of them were unsteady.

A test that fails twice has failed, and so has one that is skipped or gone the second time. Where more than so many fail, something is
broken, and none is run again. What is unsteady counts as passed and is told besides, with the reason of its first failure.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Generator
from typing import Final

import pytest

from tests.parts.base import RUN

UNSTEADY: Final = "unsteady"
FAILED: Final = ("failed", "error")
_PASSED: Final = re.compile(r"^=* ?1 passed(, \d+ warnings?)? in ", re.MULTILINE)

Alone = Callable[[str], tuple[bool, str]]
"""Runs a test by its id: whether it passed, and what pytest said."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many failures may be looked at again."""
    parser.addoption("--again", type=int, default=0, metavar="N", help="run up to N failed tests once more, each alone")


def alone(name: str) -> tuple[bool, str]:
    """Run a test in a process of its own."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "--color=no", "-q", name]
    env = {key: value for key, value in os.environ.items() if key != RUN}  # its parts write logs of their own
    done = subprocess.run(
        command, check=False, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.returncode == 0 and _PASSED.search(done.stdout) is not None, done.stdout


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """After all tests: look again at those that failed. Not in the workers of a parallel run, and not after an interruption."""
    done = yield
    most: int = session.config.getoption("--again")
    reporter: pytest.TerminalReporter | None = session.config.pluginmanager.get_plugin("terminalreporter")
    if most and reporter is not None and not hasattr(session.config, "workerinput"):
        look_again(session, reporter, most, alone)
    return done


def look_again(session: pytest.Session, reporter: pytest.TerminalReporter, most: int, run: Alone) -> None:
    """Run again what failed, and set the reports right."""
    reports = [report for kind in FAILED for report in reporter.stats.get(kind, [])]
    if not all(isinstance(report, pytest.TestReport) for report in reports):
        return  # a file that cannot even be read is no matter of luck
    names = list(dict.fromkeys(report.nodeid for report in reports))
    if not 0 < len(names) <= most:
        return
    reporter.ensure_newline()
    for name in names:
        reporter.section(f"once more, alone: {name}")
        passed, said = run(name)
        reporter.write_line("".join(f"  | {line}\n" for line in said.splitlines()).rstrip())
        if passed:
            _forgive(session, reporter, name)


def _forgive(session: pytest.Session, reporter: pytest.TerminalReporter, name: str) -> None:
    """Count a test as passed, and as unsteady."""
    first: list[pytest.TestReport] = []
    for kind in FAILED:
        found = reporter.stats.get(kind, [])
        first += [report for report in found if report.nodeid == name]
        reporter.stats[kind] = [report for report in found if report.nodeid != name]
    session.testsfailed -= len(first)
    reporter.stats.setdefault(UNSTEADY, []).append(first[0])
    passed = reporter.stats.setdefault("passed", [])
    if all(report.nodeid != name for report in passed):
        passed.append(first[0])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Which tests were unsteady, and why they failed first."""
    found: list[pytest.TestReport] = terminalreporter.stats.get(UNSTEADY, [])
    if not found:
        return
    terminalreporter.section("unsteady: failed first, passed alone")
    for report in found:
        terminalreporter.write_line(report.longreprtext)
        terminalreporter.write_line(f"unsteady: {report.nodeid} ({report.when})")
