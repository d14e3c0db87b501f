"""Alerts against labels: what was found, as what, how late, and what was found where nothing was wrong.

An alert is a symptom being raised. It belongs to a fault of its device when it is raised after the onset, and not later than
`MARGIN` after the end. In the day after that it is an echo: a machine cools down, a detector gets used to the old normal; echoes are
counted by themselves and count neither for nor against. Any other alert is false.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final, NamedTuple

from vorab.clock import DAY, HOUR, MINUTE, Micros
from vorab.fleet.physics.course import YEAR_DAYS
from vorab.fleet.physics.harm import Harm

MARGIN: Final[Micros] = HOUR
ECHO: Final[Micros] = DAY
NONE: Final = "not found"


class Alert(NamedTuple):
    """A symptom that was raised."""

    device: str
    rule: str
    cause: str
    at: Micros
    """When we knew, by the time of arrival."""


@dataclass(frozen=True, slots=True)
class Found:
    """A fault, and the alerts that belong to it, the first one first."""

    harm: Harm
    alerts: tuple[Alert, ...]

    @property
    def kind(self) -> str:
        """As what it was found: the cause of the first alert."""
        return self.alerts[0].cause if self.alerts else NONE

    @property
    def right(self) -> bool:
        """Whether it was found as what it is."""
        return self.kind == self.harm.kind

    def delay(self, period: Micros) -> float:
        """From the onset to the first alert, in readings."""
        return (self.alerts[0].at - self.harm.onset) / period


@dataclass(frozen=True, slots=True)
class Match:
    """All faults and all alerts of a run."""

    found: tuple[Found, ...]
    echoes: tuple[Alert, ...]
    false: tuple[Alert, ...]
    healthy_years: float
    """Device-years outside faults and echoes: where an alert would be false."""
    years: float
    """Device-years in all."""
    period: Micros

    @property
    def alerts(self) -> int:
        """How many in all."""
        return sum(len(each.alerts) for each in self.found) + len(self.echoes) + len(self.false)


def match(harms: Iterable[Harm], alerts: Iterable[Alert], *, devices: int, start: Micros, end: Micros, period: Micros) -> Match:
    """Tell which alert belongs to which fault."""
    by_device: dict[str, list[Harm]] = defaultdict(list)
    for harm in harms:
        by_device[harm.device].append(harm)
    mine: dict[Harm, list[Alert]] = {harm: [] for each in by_device.values() for harm in each}
    echoes: list[Alert] = []
    false: list[Alert] = []
    for alert in sorted(alerts, key=lambda each: (each.at, each.device, each.rule)):
        faults = by_device.get(alert.device, [])
        of = next((harm for harm in faults if harm.onset <= alert.at < harm.end + MARGIN), None)
        if of is not None:
            mine[of].append(alert)
        elif any(harm.end <= alert.at < harm.end + MARGIN + ECHO for harm in faults):
            echoes.append(alert)
        else:
            false.append(alert)
    sick = sum(min(harm.end + MARGIN + ECHO, end) - harm.onset for harm in mine)
    span = devices * (end - start)
    years = YEAR_DAYS * DAY
    return Match(
        tuple(Found(harm, tuple(each)) for harm, each in mine.items()),
        tuple(echoes),
        tuple(false),
        (span - sick) / years,
        span / years,
        period,
    )


def figures(matches: Sequence[Match]) -> dict[str, Any]:
    """The figures of one run or several together."""
    found = [each for match in matches for each in match.found]
    hits = [each for each in found if each.alerts]
    false = sum(len(match.false) for match in matches)
    good = sum(len(each.alerts) for each in found)
    alerts = sum(match.alerts for match in matches)
    period = matches[0].period
    delays: dict[str, list[float]] = defaultdict(list)
    for each in hits:
        delays[each.harm.kind].append(each.delay(period))
    return {
        "faults": len(found),
        "found": len(hits),
        "recall": round(len(hits) / max(1, len(found)), 4),
        "right_kind": round(sum(each.right for each in hits) / max(1, len(hits)), 4),
        "precision": round(good / max(1, good + false), 4),
        "alerts_per_device_year": round(alerts / sum(match.years for match in matches), 2),
        "false_per_device_year": round(false / sum(match.healthy_years for match in matches), 2),
        "false_alerts": false,
        "echoes": sum(len(match.echoes) for match in matches),
        "device_years": round(sum(match.years for match in matches), 1),
        "delay_readings": {kind: round(median(each), 1) for kind, each in sorted(delays.items())},
        "delay_minutes": {kind: round(median(each) * period / MINUTE) for kind, each in sorted(delays.items())},
    }


LEAST: Final[Mapping[str, float]] = {"recall": 0.97, "right_kind": 0.95}
MOST: Final[Mapping[str, float]] = {"false_per_device_year": 1.0}
MOST_DELAY: Final[Mapping[str, float]] = {"stuck": 30, "offline": 30, "dropout": 30, "noise": 50, "oscillation": 50, "drift": 300}


def shortcomings(got: Mapping[str, Any]) -> list[str]:
    """Where figures fall short of the bar, one sentence each."""
    short = [f"{key} {got[key]} is below {least}" for key, least in LEAST.items() if got[key] < least]
    short += [f"{key} {got[key]} is above {most}" for key, most in MOST.items() if got[key] > most]
    delays = got["delay_readings"]
    short += [f"{kind} takes {delays[kind]} readings, not {most}" for kind, most in MOST_DELAY.items() if delays.get(kind, 0) > most]
    return short


def confusion(matches: Sequence[Match]) -> dict[str, Counter[str]]:
    """True kind → found as → how many."""
    out: dict[str, Counter[str]] = defaultdict(Counter)
    for match in matches:
        for each in match.found:
            out[each.harm.kind][each.kind] += 1
    return dict(sorted(out.items()))
