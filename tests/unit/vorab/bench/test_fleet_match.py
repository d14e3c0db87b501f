"""Alerts against labels: what counts as found, as right, as late and as false."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from vorab.bench.fleet_match import ECHO, MARGIN, NONE, Alert, Match, confusion, figures, match, shortcomings
from vorab.bench.fleet_table import table
from vorab.clock import DAY, HOUR, MINUTE, Micros
from vorab.fleet.physics.course import YEAR_DAYS
from vorab.fleet.physics.harm import Harm

START: Micros = 20_000 * DAY
END = START + 30 * DAY
ONSET = START + 10 * DAY
PERIOD = 5 * MINUTE


def harm(device: str = "pump-1", kind: str = "drift", onset: Micros = ONSET, lasts: Micros = 6 * HOUR) -> Harm:
    """A fault."""
    return Harm(device, "pump", 0, kind, "pressure", onset, onset + lasts, 1.0)


def alert(after: Micros, device: str = "pump-1", cause: str = "drift") -> Alert:
    """An alert so long after the usual onset."""
    return Alert(device, f"rule-{cause}", cause, ONSET + after)


def matched(harms: Sequence[Harm], alerts: Sequence[Alert], devices: int = 10) -> Match:
    """A match in a fleet of ten devices over thirty days."""
    return match(harms, alerts, devices=devices, start=START, end=END, period=PERIOD)


def test_an_alert_before_the_onset_finds_nothing() -> None:
    """It is a false alert, however little too early; and a matcher that let it count would say 100 %."""
    one = matched([harm()], [alert(-1)])
    assert [each.kind for each in one.found] == [NONE]
    assert len(one.false) == 1
    assert figures([one])["recall"] == 0.0

    def careless(harms: Sequence[Harm], alerts: Sequence[Alert]) -> float:
        return sum(any(a.device == h.device and a.at < h.end for a in alerts) for h in harms) / len(harms)

    assert careless([harm()], [alert(-1)]) == 1.0


@pytest.mark.parametrize(
    ("after", "where"),
    [
        (0, "found"),
        (6 * HOUR, "found"),
        (6 * HOUR + MARGIN - 1, "found"),
        (6 * HOUR + MARGIN, "echo"),
        (6 * HOUR + MARGIN + ECHO - 1, "echo"),
        (6 * HOUR + MARGIN + ECHO, "false"),
    ],
)
def test_an_alert_is_found_an_echo_or_false_by_its_time(after: Micros, where: str) -> None:
    """From the onset to an hour after the end it is the fault's, for a day more an echo, then false."""
    one = matched([harm()], [alert(after)])
    assert (len(one.found[0].alerts), len(one.echoes), len(one.false)) == {"found": (1, 0, 0), "echo": (0, 1, 0), "false": (0, 0, 1)}[where]


def test_the_first_alert_says_the_kind_and_the_delay() -> None:
    """What comes later corrects nothing."""
    one = matched([harm()], [alert(HOUR), alert(30 * MINUTE, cause="leak")])
    assert (one.found[0].kind, one.found[0].right, one.found[0].delay(PERIOD)) == ("leak", False, 6.0)
    assert confusion([one]) == {"drift": {"leak": 1}}
    assert figures([one])["right_kind"] == 0.0


def test_an_alert_on_another_device_is_false() -> None:
    """Somebody else's fault is no excuse."""
    one = matched([harm()], [alert(HOUR, device="pump-2")])
    assert (len(one.false), one.found[0].kind) == (1, NONE)


def test_false_alerts_are_counted_by_the_years_in_which_they_would_be_false() -> None:
    """Ten devices for thirty days, less one fault of six hours with its margin and its day of echoes."""
    one = matched([harm()], [alert(-HOUR), alert(-2 * HOUR, device="pump-3")])
    years = (10 * 30 - (6 + 1 + 24) / 24) / YEAR_DAYS
    assert one.healthy_years == pytest.approx(years)
    assert figures([one])["false_per_device_year"] == pytest.approx(2 / years, abs=0.01)


def test_figures_add_up_over_runs_and_name_every_shortcoming() -> None:
    """Two runs: one found rightly, one not at all; each figure below its bar is said."""
    good, bad = matched([harm(kind="stuck")], [alert(4 * HOUR, cause="stuck")]), matched([harm(kind="noise")], [alert(-HOUR)] * 3)
    got = figures([good, bad])
    assert (got["faults"], got["found"], got["recall"], got["right_kind"], got["precision"]) == (2, 1, 0.5, 1.0, 0.25)
    assert got["delay_readings"] == {"stuck": 48.0}
    assert got["delay_minutes"] == {"stuck": 240}
    assert len(shortcomings(got)) == 3
    assert shortcomings(figures([matched([harm()], [alert(HOUR)])])) == []


def test_the_table_shows_every_kind_and_every_false_rule() -> None:
    """One line per kind, with its delay; rules that cried wolf by name."""
    one = matched([harm(), harm("pump-4", "stuck")], [alert(HOUR), alert(-HOUR, cause="leak")])
    got = {**figures([one]), "seeds": [{"seed": 7, **figures([one]), "short": ["recall is low"]}], "ok": False}
    text = table(got, [one])
    assert "drift" in text
    assert "rule-leak 1" in text
    assert "short: recall is low" in text
    assert text.endswith("falls short of its bar")
