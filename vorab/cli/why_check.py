"""`vorab why --check N`: whether random commands, actions, cases and incidents, and the symptoms behind them, would be decided so again."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import typer

from vorab.errors import EXIT_OK, EXIT_PROBLEMS, ConfigError

if TYPE_CHECKING:
    from streams.recount.check import Checked
    from vorab.settings import Settings

SHOWN: Final = 20
"""Differences that are told one by one."""


def run(settings: Settings, count: int, seed: int, *, as_json: bool) -> int:
    """Check, and say the figures; the exit code."""
    from streams.recount.check import choose
    from streams.recount.symptoms import Wanted
    from vorab.cli.why_again import opened

    with opened(settings) as log, _bar(quiet=as_json) as tell:
        if log is None:
            raise ConfigError("the log cannot be read from here", key="log", hint="--log names it")
        recounts = []
        for done, total, some in log.recounter.all():
            recounts += some
            tell(done, total)
        checked = choose([*recounts, *log.gatherer.all()], count, seed)
        whose = {recount.key: recount for recount in recounts}
        behind: dict[str, Wanted] = {}
        for case, key in checked.cases.items():
            if key in whose:
                for name, records in whose[key].symptoms(case).items():
                    behind[name] = Wanted(name, records, whose[key].story.until)
        checked.symptoms = {name: (behind[name].first, found) for name, found in log.finder.find(behind.values(), tell).items()}
    if as_json:
        typer.echo(json.dumps(figures(checked, count, seed), ensure_ascii=False))
    else:
        for text in words(checked, count):
            typer.echo(text)
    return EXIT_PROBLEMS if checked.differ else EXIT_OK


def figures(checked: Checked, wanted: int, seed: int) -> dict[str, Any]:
    """For `--json`."""
    return {
        "checked": checked.ids,
        "wanted": wanted,
        "seed": seed,
        "devices": checked.devices,
        "kinds": dict(sorted(checked.kinds.items())),
        "states": {state.value: number for state, number in sorted(checked.states.items())},
        "differences": [
            {
                "id": line.asked.id,
                "kind": line.asked.kind,
                "device": line.device,
                "state": line.state.value,
                "difference": line.difference.json() if line.difference else None,
                "note": line.note,
            }
            for line in checked.lines
        ],
        "beside": [each.json() for each in checked.beside],
        "symptoms": {
            "found": len(checked.symptoms),
            "states": {state.value: number for state, number in sorted(checked.symptom_states.items())},
            "differences": [
                {"id": symptom.id, "device": symptom.key, "rule": symptom.rule, **found.json()}
                for symptom, found in checked.symptoms.values()
                if found.state.value != "agrees"
            ],
        },
    }


def words(checked: Checked, wanted: int) -> Iterator[str]:
    """For people."""
    kinds = ", ".join(f"{number:,} {name}{'s' if number > 1 else ''}" for name, number in sorted(checked.kinds.items()))
    states = ", ".join(f"{number:,} {_STATES[state.value]}" for state, number in sorted(checked.states.items()))
    yield f"{checked.ids:,} checked on {checked.devices:,} devices ({kinds or 'nothing there'}): {states or 'nothing to compare'}"
    if checked.ids < wanted:
        yield f"  the log holds no more than that of the {wanted:,} that were asked for"
    if checked.symptoms:
        states = ", ".join(f"{number:,} {_STATES[state.value]}" for state, number in sorted(checked.symptom_states.items()))
        yield f"{len(checked.symptoms):,} symptoms behind them found anew in their readings: {states}"
    for line in checked.lines[:SHOWN]:
        text = line.difference.text if line.difference else ""
        note = f" ({line.note})" if line.note else ""
        yield f"  {_STATES[line.state.value]}: {line.asked.kind} {line.asked.id} on {line.device}: {text}{note}"
    for each in checked.beside[:SHOWN]:
        yield f"  differs beside: case {each.case}: {each.text}"
    for symptom, found in [each for each in checked.symptoms.values() if each[1].state.value == "differs"][:SHOWN]:
        yield f"  differs: symptom {symptom.id} on {symptom.key}: {found.difference.text if found.difference else ''}"
    left = len(checked.lines) + len(checked.beside) - min(len(checked.lines), SHOWN) - min(len(checked.beside), SHOWN)
    if left:
        yield f"  and {left:,} more; --json tells all"


_STATES: Final = {
    "agrees": "agree",
    "differs": "differ",
    "changed": "cannot be compared (changed since)",
    "gone": "cannot be compared (no longer kept)",
    "beyond": "cannot be compared (not by the device's own readings)",
}


@contextmanager
def _bar(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """On a terminal: a bar over the partitions."""
    if quiet or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("deciding anew"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("")
        yield lambda done, total: bars.update(task, completed=done, total=total)
