"""Takes out each line of the worked policy and each guard of the case core, one after another, and asks whether a test notices.

    .venv/bin/python -m tests.mutations
    .venv/bin/python -m tests.mutations --only consent --list

Guards are found in the syntax tree, by what their condition speaks of, not by file or line: a condition, or a part of one, is made
constant, and a deadline is put off by years. First the tests run once as they are, to see which of them come past which guard: those
that do, the quickest first, are asked before all others. All of it happens in a copy of the tree. A guard that no condition speaks of
any more fails the run as a survivor does: it was renamed or is gone. Prints a line per survivor, then the figures; ends with 1 where
anything survived.
"""

from __future__ import annotations

import argparse
import ast
import os
import pickle
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest
import yaml

from tests.system.figures import say

ROOT: Final = Path(__file__).resolve().parents[1]
COPIED: Final = (
    "vorab",
    "streams",
    "ingest",
    "notifier",
    "desk",
    "tests",
    "remedies",
    "rules",
    "knowledge",
    "care",
    "docs",
    "pyproject.toml",
)
CORE: Final = ("streams/cases/*.py", "streams/permits.py")
POLICY: Final = "remedies/*.yaml"
LONG: Final = "tests/unit/streams/cases/test_machine.py"
STAGES: Final = (
    ("tests/unit/streams/cases", "tests/unit/streams/test_permits.py", f"--ignore={LONG}"),
    (LONG, "-k", "rules_hold"),
)
"""The tests that should notice, the quick ones first."""
TIMEOUT_S: Final = 900
CPU_S: Final = 120
"""So much time of a core is for the tests that are asked before the last ones."""
NEAREST: Final = 30
"""Tests that come past a guard and are asked first."""

GUARDS: Final[Mapping[str, str]] = {
    "consent": r"consent",
    "limit per device": r"too_often|per_device",
    "limits of the fleet": r"limits\.(out|per_hour)",
    "permit": r"PermitState\.GRANTED|granted|state\.asked",
    "busy device": r"\bbusy\b|\bflight\b",
    "attempts": r"\.attempts",
    "silence is no proof": r"silent\(",
    "proof by readings": r"proven",
    "clear before well": r"clear_at",
    "state table": r"after\(|TRANSITIONS",
    "one open case": r"\.cause ==|\.seen\(",
    "done once": r"\.commands|\.replies",
    "nobody knows the case": r"case is None",
    "models": r"fits\(remedy\.models",
    "hours": r"opens :=|self\.opens\(",
    "dry run": r"dry_run",
    "kill switch": r"stop is not None",
    "readings that change": r"enough\(|line\.readings",
    "approval": r"allowed\(",
    "circles": r"MOST_STEPS",
    "an errand told twice": r"jobs_known",
}
"""What a guard is called, and what its condition speaks of."""

DEADLINES: Final[Mapping[str, str]] = {"expiry of an action": r"not_after", "expiry of a permit": r"expires_at"}
"""Values that are put off by years, by the name they are handed over under."""

NOT_CORE: Final = frozenset({"words.py", "remedies.py", "edition.py", "__init__.py"})
"""Files that hold words and mistakes, and decide nothing."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change."""

    guard: str
    file: str
    line: int
    was: str
    now: str
    text: str
    """The whole file as it would be."""
    last: int = 0
    """Last line of what was changed."""

    def __str__(self) -> str:
        """`consent: streams/cases/decisions.py:70: not remedy.consent → False`."""
        return f"{self.guard}: {self.file}:{self.line}: {self.was} → {self.now}"


def policy_mutants() -> Iterator[Mutant]:
    """Each line of the worked policy taken out."""
    for file in sorted(ROOT.glob(POLICY)):
        text = file.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        for key, value in getattr(node, "value", []):
            if key.value != "policy" or not isinstance(value, yaml.SequenceNode):
                continue
            written = yaml.safe_load(text)
            for place, entry in enumerate(value.value):
                less = {**written, "policy": [each for at, each in enumerate(written["policy"]) if at != place]}
                said = str(written["policy"][place].get("line", place))
                name = file.relative_to(ROOT).as_posix()
                yield Mutant("policy", name, entry.start_mark.line + 1, said, "gone", yaml.safe_dump(less, sort_keys=False))


def core_mutants() -> Iterator[Mutant]:
    """Each guard of the core made constant, each deadline put off."""
    for file in sorted(file for pattern in CORE for file in ROOT.glob(pattern)):
        if file.name in NOT_CORE:
            continue
        text = file.read_text(encoding="utf-8")
        name = file.relative_to(ROOT).as_posix()
        seen: set[tuple[int, int, str]] = set()
        for guard, node, now in _changes(ast.parse(text)):
            was = ast.get_source_segment(text, node) or ""
            mark = node.lineno, node.col_offset, now
            if was and mark not in seen:
                seen.add(mark)
                changed = _replaced(text, node, now.replace("…", was))
                yield Mutant(guard, name, node.lineno, " ".join(was.split()), now, changed, node.end_lineno or node.lineno)


def _changes(tree: ast.AST) -> Iterator[tuple[str, ast.expr, str]]:
    """Guard, where it stands, and what stands there instead."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.IfExp | ast.While):
            yield from _constant(node.test, both=not isinstance(node, ast.While))
        elif isinstance(node, ast.comprehension):
            for test in node.ifs:
                yield from _constant(test, both=False)
        elif isinstance(node, ast.match_case) and node.guard is not None:
            yield from _constant(node.guard, both=False)
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.BoolOp | ast.Compare):
            yield from _constant(node.value, both=True)
        elif isinstance(node, ast.keyword) and node.arg is not None:
            for guard, pattern in DEADLINES.items():
                if re.search(pattern, node.arg):
                    yield guard, node.value, "(…) + 10**15"


def _constant(test: ast.expr, *, both: bool) -> Iterator[tuple[str, ast.expr, str]]:
    """A condition made constant: each of several parts left out, a single one the one way and the other."""
    guard = next((name for name, pattern in GUARDS.items() if re.search(pattern, ast.unparse(test))), None)
    if isinstance(test, ast.BoolOp):
        neutral = "True" if isinstance(test.op, ast.And) else "False"
        for part in test.values:
            name = next((name for name, pattern in GUARDS.items() if re.search(pattern, ast.unparse(part))), None)
            if name is not None:
                yield name, part, neutral
    elif guard is not None:
        yield guard, test, "False"
        if both:
            yield guard, test, "True"


def _replaced(text: str, node: ast.expr, now: str) -> str:
    """The text with something else in place of an expression."""
    lines = text.splitlines(keepends=True)
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    first, last = lines[node.lineno - 1].encode(), lines[node.end_lineno - 1].encode()
    middle = f"({now})" if now.startswith("(") else now
    changed = first[: node.col_offset] + middle.encode() + last[node.end_col_offset :]
    return "".join([*lines[: node.lineno - 1], changed.decode(), *lines[node.end_lineno :]])


def copied(folder: Path) -> Path:
    """A tree to change."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        elif source.exists():
            shutil.copy(source, folder / name)
    return folder


class Past:
    """A plugin that notes which of some lines each test comes past, and how long it takes."""

    def __init__(self, tree: Path, lines: Mapping[str, Collection[int]]) -> None:
        self._lines = {str(tree / file): (file, frozenset(numbers)) for file, numbers in lines.items()}
        self.seen: dict[str, set[tuple[str, int]]] = {}
        self.took: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[Any]:
        """Around each test."""
        seen = self.seen[item.nodeid] = set()
        known = self._lines.get

        def step(frame: FrameType, event: str, _: object) -> Any:
            found = known(frame.f_code.co_filename)
            if found is None:
                return None
            if event == "line" and frame.f_lineno in found[1]:
                seen.add((found[0], frame.f_lineno))
            return step

        began = time.monotonic()
        sys.settrace(step)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            self.took[item.nodeid] = time.monotonic() - began

    def near(self, mutant: Mutant) -> list[str]:
        """The quickest tests that come past a change."""
        there = {(mutant.file, line) for line in range(mutant.line, mutant.last + 1)}
        return sorted((test for test, lines in self.seen.items() if lines & there), key=lambda test: self.took[test])[:NEAREST]


class Trial:
    """A mutant in a tree of its own, and the child that runs the tests there."""

    def __init__(self, mutant: Mutant, tree: Path, stages: Sequence[Sequence[str]]) -> None:
        """The first of the stages is run; what follows is the caller's."""
        self.mutant, self.tree, self.stages = mutant, tree, stages
        self._file = tree / mutant.file
        self._before = self._file.read_text(encoding="utf-8")
        self._file.write_text(mutant.text, encoding="utf-8")
        self._ends = time.monotonic() + TIMEOUT_S
        self._child = os.fork()
        if not self._child:
            # A change that never ends is ended by the kernel, whatever else the machine has to do.
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S) if len(stages) > 1 else (TIMEOUT_S, TIMEOUT_S))
            os._exit(_test(tree, stages[0], ["-x"]))

    def ended(self) -> bool | None:
        """Whether a test failed; None while they run. One that never ends counts as noticed."""
        pid, status = os.waitpid(self._child, os.WNOHANG)
        if not pid and time.monotonic() < self._ends:
            return None
        if not pid:
            os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)
        self._file.write_text(self._before, encoding="utf-8")
        return not pid or status != 0


def _test(tree: Path, tests: Sequence[str], options: Sequence[str] = (), plugins: Sequence[object] = ()) -> int:
    """In a child: run tests on a tree. Only what is never changed was loaded before."""
    os.chdir(tree)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.environ |= {"HYPOTHESIS_PROFILE": "quick"}
    sys.dont_write_bytecode = True
    for name in [name for name in sys.modules if name.partition(".")[0] in {"tests", "streams"}]:
        del sys.modules[name]
    sys.path.insert(0, str(tree))
    try:
        return int(pytest.main([*options, "-q", "-n0", "-p", "no:cacheprovider", f"--rootdir={tree}", *tests], list(plugins)))
    except BaseException:  # noqa: BLE001 - whatever it is, the tests did not pass
        return 1


def as_it_is(tree: Path, mutants: Sequence[Mutant], tests: Sequence[str]) -> Past | None:
    """Run the tests as they are, in a child; what they came past, or None where one fails."""
    lines: dict[str, set[int]] = {}
    for mutant in mutants:
        if mutant.last:
            lines.setdefault(mutant.file, set()).update(range(mutant.line, mutant.last + 1))
    past, told = Past(tree, lines), tree / "past.pickle"
    child = os.fork()
    if not child:
        code = _test(tree, tests, plugins=[past])
        told.write_bytes(pickle.dumps((past.seen, past.took)))
        os._exit(code)
    _, status = os.waitpid(child, 0)
    if status:
        return None
    past.seen, past.took = pickle.loads(told.read_bytes())  # noqa: S301 - written by our own child
    return past


def run(mutants: Sequence[tuple[Mutant, Sequence[Sequence[str]]]], trees: Sequence[Path]) -> Iterator[tuple[Mutant, bool]]:
    """Each mutant and whether it was noticed, as they end; the first tests first, the next for what those do not notice."""
    waiting = list(mutants)
    free, running = list(trees), list[Trial]()
    while waiting or running:
        while waiting and free:
            running.append(Trial(waiting[0][0], free.pop(), waiting.pop(0)[1]))
        for trial in list(running):
            failed = trial.ended()
            if failed is None:
                continue
            running.remove(trial)
            free.append(trial.tree)
            if failed or len(trial.stages) == 1:
                yield trial.mutant, failed
            else:
                waiting.append((trial.mutant, trial.stages[1:]))
        time.sleep(0.02)


def main() -> int:
    """Try them all."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--only", default="", help="guards whose name holds this")
    arguments.add_argument("--list", action="store_true", help="only say what would be tried")
    arguments.add_argument("--jobs", type=int, default=2)
    arguments.add_argument("--quick", action="store_true", help="leave the long tests out, which may notice more")
    arguments.add_argument("--verbose", action="store_true", help="say each that is noticed as well")
    asked = arguments.parse_args()
    stages = STAGES[:1] if asked.quick else STAGES
    everything = [*policy_mutants(), *core_mutants()]
    gone = [name for name in ("policy", *GUARDS, *DEADLINES) if not any(each.guard == name for each in everything)]
    chosen = [each for each in everything if asked.only in each.guard]
    if asked.list:
        for each in chosen:
            say(str(each))
        return 0
    noticed = 0
    with tempfile.TemporaryDirectory() as folder:
        trees = [copied(Path(folder) / str(job)) for job in range(asked.jobs)]
        past, *rest = [as_it_is(trees[0], () if number else chosen, tests) for number, tests in enumerate(stages)]
        if past is None or None in rest:
            say("the tests fail as they are")
            return 1
        planned = [(mutant, [near, *stages] if (near := past.near(mutant)) else stages) for mutant in chosen]
        for done, (mutant, killed) in enumerate(run(planned, trees), 1):
            noticed += killed
            if not killed or asked.verbose:
                say(f"{'noticed' if killed else 'survived'}: {mutant}")
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{done} of {len(chosen)} ")
    for name in gone:
        say(f"no condition speaks of this guard any more: {name}")
    lines = sum(each.guard == "policy" for each in chosen)
    left = len(chosen) - noticed
    say(f"{lines} lines of policy and {len(chosen) - lines} guards taken out: {noticed} noticed, {left} survived")
    return int(bool(gone) or left > 0)


if __name__ == "__main__":
    sys.exit(main())
