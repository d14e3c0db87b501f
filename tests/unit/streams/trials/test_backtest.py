"""Backtests over recordings: the symptoms a live run would have raised, the cases they make, and who would have been told."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.cases.policy import Line, Policy
from streams.hosts.registry import Assumed, Tables
from streams.rules.ruleset import RuleSet
from streams.trials import backtest as module
from streams.trials.backtest import Episode, Play, episodes, play, silence_limits
from streams.trials.csvcolumns import Recording
from streams.trials.csvframes import frames, ordered
from streams.trials.sums import only_in, outcome
from streams.trials.told import Case, House, cases, is_night
from tests.unit.streams.detecting import T0, Host, Registered, rule
from vorab import ids
from vorab.clock import HOUR, MINUTE, SECOND, Micros, parse_iso
from vorab.frame import unpack
from vorab.records import Customer, Device, Purpose, Severity, Symptom, SymptomState

RULES = RuleSet(
    [
        rule("threshold", "high", above=0.8, clear=0.5, count=2),
        rule("threshold", "long", below=0.3, **{"for": "3 min"}),
        rule("silence", "gone", after="5 min"),
        rule("silence", "long-gone", after="30 min"),
    ]
)


def recorded(seed: int, devices: int = 3, minutes: int = 300) -> Recording:
    """Devices that report every minute or so, and sleep now and then, together or alone."""
    dice = random.Random(seed)
    rows: list[tuple[int, int, float]] = []
    for device in range(devices):
        at = T0 + dice.randrange(60) * SECOND
        while at < T0 + minutes * MINUTE:
            rows.append((at, device, round(dice.random(), 2)))
            at += dice.choice([55, 60, 65]) * SECOND if dice.random() > 0.03 else dice.randrange(2, 90) * MINUTE
    found = Recording([f"main/d{i}" for i in range(devices)], ["t"])
    found.at, found.device, found.value = (np.array(column) for column in zip(*rows, strict=True))
    found.device, found.signal = found.device.astype(np.int32), np.zeros(len(rows), np.int32)
    ordered(found)
    return found


def live(found: Recording, rules: RuleSet) -> list[str]:
    """The same, a reading at a time with a tick a second, as a partition would have read it."""
    host = Host(rules, Registered())
    last = T0
    for frame in frames(found, most=1):
        for at in range(last + SECOND, frame.now, SECOND):
            host.tick((at - T0) / SECOND)
        host.frame(unpack(frame))
        last = frame.now
    return host.told


def backtested(found: Recording, rules: RuleSet) -> list[str]:
    """What a backtest finds, as bodies in any order."""
    player = Play(rules, Registered())
    play(found, [player])
    return sorted(each.model_dump_json() for each in player.symptoms)


@pytest.mark.parametrize("seed", range(4))
def test_a_recording_is_judged_as_if_it_had_come_live(seed: int) -> None:
    """Identical ids and bodies, also where one device, or all of them, say nothing for a while."""
    found = recorded(seed)

    assert backtested(found, RULES) == live(found, RULES)


def no_time(*_: Any) -> list[Micros]:
    """Known bad: nothing happens between readings."""
    return []


@pytest.mark.parametrize(("name", "bad"), [("passing", no_time), ("silence_limits", no_time)])
def test_a_backtest_in_which_no_time_passes_is_caught(monkeypatch: pytest.MonkeyPatch, name: str, bad: Any) -> None:
    """Known bad: frames over holes, and no ticks between them, find no silence where all are silent."""
    found = recorded(1, devices=1)
    expected = live(found, RULES)
    monkeypatch.setattr(module, name, bad)

    assert backtested(found, RULES) != expected


@given(st.integers(1, 400))
def test_how_a_recording_is_cut_changes_nothing(most: int) -> None:
    """Frames of any size."""
    found = recorded(2, minutes=60)
    player = Play(RULES, Registered())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "frames", lambda recording, limits, bucket: frames(recording, limits, most, bucket))
        play(found, [player])

    assert sorted(each.model_dump_json() for each in player.symptoms) == backtested(found, RULES)


def test_the_limits_of_silence_are_those_of_all_rules() -> None:
    """Each once, the shortest first."""
    assert silence_limits(RULES, RuleSet([rule("silence", "x", after="1 min"), rule("silence", "y", after="5 min")])) == [
        MINUTE,
        5 * MINUTE,
        30 * MINUTE,
    ]


# ------------------------------------------------------------------------------------------- cases

NIGHT = parse_iso("2026-01-05T23:00:00+01:00")
HAND_OVER = Line(line="a person looks", do="hand_over")
WATCH = Line.model_validate({"line": "watch", "detector": "learned", "do": "observe", "observe": "2 h"})
POLICY = Policy({}, [WATCH, HAND_OVER])


def symptom(
    device: str, at: Micros, until: Micros | None = None, *, cause: str = "c", name: str = "r", detector: str = "threshold"
) -> list[Symptom]:
    """A symptom raised, and cleared if it was."""
    raised = Symptom(
        id=ids.symptom_id(f"main/{device}", name, at),
        tenant="main",
        device=device,
        state=SymptomState.RAISED,
        rule=name,
        rule_version="1",
        detector=detector,
        cause=cause,
        severity=Severity.MINOR,
        onset=at,
        detected_at=at,
    )
    if until is None:
        return [raised]
    return [raised, raised.model_copy(update={"state": SymptomState.CLEARED, "cleared_at": until})]


def zone(name: str) -> tzinfo:
    """The zone of a customer."""
    return ZoneInfo(name or "UTC")


def house(*, everyone: bool = False, **customers: str) -> House:
    """Devices d-… of customers, given by device: the customer and where they live."""
    devices = [Device(id=f"main/{name}", tenant="main", device=name, model="pump", customer=f"c-{name}") for name in customers]
    people = [Customer(id=f"main/c-{name}", tenant="main", customer=f"c-{name}", time_zone=where) for name, where in customers.items()]
    return House(POLICY, Tables(devices, people), zone, everyone)


def made(symptoms: Sequence[Symptom], at: House, end: Micros = NIGHT + 48 * HOUR) -> list[Case]:
    """The cases of these symptoms."""
    return cases(episodes(symptoms), at, end)


def test_a_symptom_is_one_from_its_beginning_to_its_end() -> None:
    """Raised, updated and cleared share an id; the gravest severity counts."""
    first, last = symptom("a", NIGHT, NIGHT + HOUR)
    worse = first.model_copy(update={"state": SymptomState.UPDATED, "severity": Severity.CRITICAL})

    [found] = episodes([first, worse, last])

    assert found == Episode(first, last, Severity.CRITICAL)
    assert found.until == NIGHT + HOUR


def test_symptoms_of_one_cause_are_one_case_until_it_has_stayed_clear() -> None:
    """Two rules at once, a relapse within the clear window: one case. Another cause, another device, or later: another one."""
    together = [*symptom("a", NIGHT, NIGHT + HOUR), *symptom("a", NIGHT + 10 * MINUTE, NIGHT + 20 * MINUTE, name="s")]
    relapse = symptom("a", NIGHT + HOUR + 59 * MINUTE, NIGHT + 2 * HOUR)
    later = symptom("a", NIGHT + 3 * HOUR + MINUTE)
    other = [*symptom("a", NIGHT, cause="d", name="x"), *symptom("b", NIGHT)]

    found = made([*together, *relapse, *later, *other], house())

    assert [(case.device, case.cause, case.opened - NIGHT, len(case.symptoms)) for case in found] == [
        ("main/a", "c", 0, 3),
        ("main/a", "d", 0, 1),
        ("main/b", "c", 0, 1),
        ("main/a", "c", 3 * HOUR + MINUTE, 1),
    ]


def test_customers_are_told_of_their_devices_only_and_where_it_is_night_for_them() -> None:
    """23:00 in Berlin is the afternoon in Los Angeles; a device without a customer tells nobody."""
    at = house(berlin="Europe/Berlin", west="America/Los_Angeles")

    found = made([*symptom("berlin", NIGHT), *symptom("west", NIGHT), *symptom("nobody", NIGHT)], at)

    assert {(case.device, case.customer, case.at_night) for case in found if case.told_at is not None} == {
        ("main/berlin", "main/c-berlin", True),
        ("main/west", "main/c-west", False),
    }
    assert [case.customer for case in made(symptom("nobody", NIGHT), house(everyone=True))] == ["main/nobody"]


def test_who_does_not_agree_is_not_told() -> None:
    """Service messages need a yes."""
    at = house(a="Europe/Berlin")
    customer = at.registry.customer("main/c-a")
    assert customer is not None
    refused = customer.model_copy(update={"purposes": {Purpose.SERVICE: False}})
    entry = at.registry.device("main/a")
    assert entry is not None

    [case] = made(symptom("a", NIGHT), House(POLICY, Tables([entry], [refused]), zone))

    assert case.told_at is None


def test_what_is_watched_is_told_when_it_does_not_pass() -> None:
    """By the policy: two hours, and not at all where it has passed, or where the recording ends before."""
    at = house(a="Europe/Berlin")

    def told(until: Micros | None, end: Micros = NIGHT + 48 * HOUR) -> Micros | None:
        [case] = made(symptom("a", NIGHT, until, detector="learned"), at, end)
        return case.told_at

    assert told(None) == NIGHT + 2 * HOUR
    assert told(NIGHT + HOUR) is None
    assert told(None, end=NIGHT + HOUR) is None


@pytest.mark.parametrize(
    ("local", "night"), [("21:59", False), ("22:00", True), ("00:00", True), ("06:59", True), ("07:00", False), ("12:00", False)]
)
def test_night_is_from_ten_to_seven(local: str, night: bool) -> None:
    """By the clock on the wall, in summer as in winter."""
    for day in ("2026-01-05", "2026-07-05"):
        assert is_night(parse_iso(f"{day}T{local}:00+0{1 if day < '2026-03' else 2}:00"), ZoneInfo("Europe/Berlin")) is night


def test_figures_and_what_only_one_set_finds() -> None:
    """The same symptom a little earlier is the same; one that the other does not know is only here."""
    at, end = house(a="Europe/Berlin", b="Europe/Berlin"), NIGHT + 48 * HOUR
    mine = outcome(RULES, [*symptom("a", NIGHT, NIGHT + HOUR), *symptom("b", NIGHT + 12 * HOUR, NIGHT + 13 * HOUR)], at, end)
    theirs = outcome(RULES, [*symptom("a", NIGHT + MINUTE, NIGHT + HOUR), *symptom("a", NIGHT + 20 * HOUR)], at, end)

    assert (mine.sum.symptoms, mine.sum.cases, mine.sum.messages, mine.sum.customers, mine.sum.at_night) == (2, 2, 2, 2, 1)
    assert [each.raised.device for each in only_in(mine, theirs).symptoms] == ["b"]
    assert [each.opened for each in only_in(theirs, mine).cases] == [NIGHT + 20 * HOUR]
    assert only_in(mine, mine).sum.symptoms == only_in(mine, mine).sum.cases == 0
    late = mine.within(NIGHT + HOUR, None)
    assert (late.sum.symptoms, late.sum.cases) == (1, 1)


def test_devices_nobody_knows_may_be_taken_for_a_model() -> None:
    """What the registry knows stays as it is, and asking twice gives the same entry."""
    known = Device(id="main/a", tenant="main", device="a", model="fan")
    some = Assumed([known], model="pump")

    assert some.device("main/a") is known
    made_up = some.device("main/b")
    assert made_up is not None
    assert (made_up.model, made_up.device) == ("pump", "b")
    assert some.device("main/b") is made_up
    assert Assumed([known]).device("main/b") is None
