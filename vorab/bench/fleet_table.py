"""The figures of the fleet bench for people: one line per kind of fault, with what it was taken for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final

from vorab.bench.fleet_match import NONE, Match, confusion
from vorab.clock import MINUTE

BAR: Final = 20
"""Characters of a bar that stands for all."""


def table(got: Mapping[str, Any], matches: Sequence[Match]) -> str:
    """A page for a terminal: the confusion matrix, recall and delay of each kind, false alerts by rule, and the sums."""
    rows = confusion(matches)
    kinds = list(rows)
    others = sorted({kind for row in rows.values() for kind in row} - {*kinds, NONE})
    columns = [*kinds, *others, NONE]
    found = [each for match in matches for each in match.found]
    lines = ["true kind, and what its first alert said; delay is the median from the onset to the first alert", ""]
    lines.append(f"{'':14}" + "".join(f"{_short(column):>6}" for column in columns) + f"{'found':>8}{'readings':>10}{'minutes':>9}")
    for kind, row in rows.items():
        cells = "".join(f"{row[column] or '·':>6}" for column in columns)
        total, hits = sum(row.values()), sum(row.values()) - row[NONE]
        delays = [each.delay(matches[0].period) for each in found if each.harm.kind == kind and each.alerts]
        delay = f"{median(delays):>10.0f}{median(delays) * matches[0].period / MINUTE:>9.0f}" if delays else " " * 19
        lines.append(f"{kind:14}{cells}{hits / total:>8.0%}{delay}  {'█' * round(BAR * hits / total)}")
    false = Counter(alert.rule for match in matches for alert in match.false)
    lines += ["", "false alerts by rule: " + (", ".join(f"{rule} {n}" for rule, n in false.most_common()) or "none")]
    for seed in got["seeds"]:
        lines.append(_sums(f"seed {seed['seed']}", seed) + "".join(f"\n    short: {each}" for each in seed["short"]))
    lines.append(_sums("all", got))
    lines.append("holds its bar" if got["ok"] else "falls short of its bar")
    return "\n".join(lines)


def _sums(title: str, got: Mapping[str, Any]) -> str:
    return (
        f"{title}: found {got['found']} of {got['faults']} ({got['recall']:.1%}), right kind {got['right_kind']:.1%}, "
        f"precision {got['precision']:.1%}, {got['alerts_per_device_year']} alerts and {got['false_per_device_year']} false ones "
        f"per device-year ({got['device_years']} device-years), {got['echoes']} echoes"
    )


def _short(kind: str) -> str:
    return {NONE: "none", "oscillation": "osc", "overheating": "heat", "clock_skew": "clock", "reboot_loop": "boot"}.get(kind, kind[:5])
