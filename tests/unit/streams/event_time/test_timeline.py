"""Event time per device: what is late, what repeats, what fills a hole, and what a clock that was set back looks like."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.processor import Detect
from streams.detect.rows import rows_of
from streams.detect.tables import Devices
from streams.detectors.columns import Runs
from streams.event_time import clerk, timeline
from streams.event_time.clerk import Clerk
from streams.event_time.held import WAITING, Held
from streams.event_time.odd import MOST_MISSING, Odd
from streams.event_time.pace import judged
from streams.event_time.timeline import Timeline
from streams.rules.ruleset import RuleSet
from tests.histories import differing
from tests.unit.streams.detecting import T0, Host, Registered, reading, rule
from vorab.clock import HOUR, MINUTE, SECOND
from vorab.frame import Quality, Reading, pack
from vorab.records import Symptom

HOT = RuleSet([rule("threshold", "hot", above=90, **{"for": "30 min"})])
EVERY = 60
"""Seconds between readings of the devices below."""


def patient(grace_s: float) -> Registered:
    """A registry in which device d may take its time."""
    registry = Registered(d="m")
    registry.devices["main/d"] = registry.devices["main/d"].model_copy(update={"grace_s": grace_s})
    return registry


def live(host: Host, first_min: int, last_min: int, t: float, device: str = "d") -> None:
    """A reading a minute, each by itself."""
    for minute in range(first_min, last_min):
        host.frame([reading(device, minute * EVERY, t)])


def kept(first_min: int, last_min: int, t: float, arrives_min: float, **more: Any) -> list[Reading]:
    """Readings of these minutes that all arrive at once."""
    return [
        reading("d", minute * EVERY, t, late_s=(arrives_min - minute) * EVERY + i * 0.01, **more)
        for i, minute in enumerate(range(first_min, last_min))
    ]


def said(symptoms: Iterable[Symptom]) -> list[tuple[str, str, float, float, bool]]:
    """Rule, state, onset and time of each, in minutes, and whether it is history."""
    return [(s.rule, s.state.value, (s.onset - T0) / MINUTE, (s.time - T0) / MINUTE, s.historical) for s in symptoms]


# ------------------------------------------------------------------------------------------------ histories


@pytest.mark.slow
def test_out_of_order_telemetry_gives_the_symptoms_of_ordered_telemetry() -> None:
    """Shuffled within the grace, delayed, repeated, cut at random, with deaths between: ids and bodies are the same."""
    assert not differing(1, 200)


def no_numbers(self: Clerk, row: Any) -> tuple[bool, bool]:  # noqa: ARG001 - the known-bad variant
    """Takes every number for a new one."""
    return True, False


def no_grace(self: Timeline, slots: Iterable[int]) -> None:
    """Lets no reading wait."""


def forgetful(self: Held, blocks: Any, slot: Any) -> None:
    """Loses what waits when it is restored."""


def one_state(init: Callable[..., None]) -> Callable[..., None]:
    """Judges the past with the state of the present."""

    def begin(self: Detect, *given: Any, **more: Any) -> None:
        init(self, *given, **more)
        self.past._book = self.book

    return begin


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "name", "bad"),
    [
        (Clerk, "_take", no_numbers),
        (Timeline, "look", no_grace),
        (Held, "restore", forgetful),
        (Detect, "__init__", one_state(Detect.__init__)),
    ],
)
def test_a_timeline_that_is_wrong_is_caught(monkeypatch: pytest.MonkeyPatch, where: type, name: str, bad: Any) -> None:
    """The histories differ for one without numbers, without waiting, with a memory that dies, or with one state for past and present."""
    monkeypatch.setattr(where, name, bad)

    assert differing(2, 120)


# ------------------------------------------------------------------------------------------------- the past


def test_two_hours_that_arrive_in_a_second_are_no_two_hours_of_heat() -> None:
    """Buffered readings between live ones raise no duration that was not there, and nothing in the present."""
    host = Host(HOT)
    live(host, 0, 20, 70)
    live(host, 140, 141, 95)

    host.frame([*kept(20, 130, 70, 140.1), *kept(130, 140, 95, 140.2)])
    live(host, 141, 150, 95)
    live(host, 150, 160, 70)
    host.tick(200 * EVERY)

    assert not host.out


def test_what_was_hot_for_long_while_nobody_listened_is_told_as_history() -> None:
    """It is raised as it would have been then, marked, and ends with the first cool reading of then; the present says nothing."""
    host = Host(HOT)
    live(host, 0, 20, 70)
    live(host, 140, 143, 70)

    rows = [*kept(20, 50, 70, 143), *kept(50, 100, 95, 143.3), *kept(100, 140, 70, 143.6)]
    random.Random(1).shuffle(rows)
    host.frame(sorted(rows, key=lambda row: row.received_at))
    live(host, 144, 150, 70)

    assert said(host.out) == [("hot", "raised", 50, 80, True), ("hot", "cleared", 50, 100, True)]


def test_what_was_still_raised_when_the_device_came_back_ends_there() -> None:
    """The lane ends with the first live reading after the hole, without proof; what is hot from there on is counted from there on."""
    host = Host(HOT)
    live(host, 0, 20, 70)
    live(host, 140, 141, 95)
    host.frame(kept(20, 140, 95, 140.5))
    live(host, 141, 180, 95)

    assert said(host.out) == [("hot", "raised", 20, 50, True), ("hot", "cleared", 20, 140, True), ("hot", "raised", 140, 170, False)]
    assert [symptom.proven for symptom in host.out] == [True, False, True]


def test_a_lane_survives_a_crash() -> None:
    """Rows that wait and the state of the past are in the checkpoint, and gone from it when the lane has ended."""
    host = Host(HOT)
    live(host, 0, 20, 70)
    live(host, 140, 141, 70)
    host.frame(kept(20, 60, 95, 140.5))
    host.crash()
    host.tick(141 * EVERY)
    host.crash()
    assert any(name.startswith("past.") for name in host.blocks)
    host.tick(145 * EVERY)
    host.crash()

    assert said(host.out) == [("hot", "raised", 20, 50, True), ("hot", "cleared", 20, 140, True)]
    assert not [name for name in host.blocks if name.startswith(("past.", "held/"))]


def test_a_backlog_in_order_is_judged_in_place() -> None:
    """A device that hands in what it kept before it goes on is simply judged by its times; what it says of long ago is marked."""
    host = Host(HOT)
    live(host, 0, 20, 70)
    host.frame(kept(20, 60, 95, 140))
    live(host, 141, 143, 95)

    assert said(host.out) == [("hot", "raised", 20, 50, True)]


def test_a_reading_the_device_marks_as_stored_is_history() -> None:
    """Even when it is not old."""
    host = Host(RuleSet([rule("threshold", "hot", above=90)]))

    host.frame([reading("d", 0, 95)._replace(quality=int(Quality.HISTORICAL)), reading("e", 0, 95)])

    assert [(symptom.device, symptom.historical) for symptom in host.out] == [("d", True), ("e", False)]


# ----------------------------------------------------------------------------------------------- late, again


def test_late_rows_are_counted_and_not_judged() -> None:
    """Where nothing is known to be missing, an old reading changes nothing."""
    counted: dict[str, int] = {}
    host = Host(RuleSet([rule("threshold", "hot", above=90)]))
    host.detect = Detect(host.rules, host.registry, count=lambda what, n: counted.__setitem__(what, counted.get(what, 0) + n))
    live(host, 0, 30, 70)

    assert not host.frame([reading("d", 28.5 * EVERY, 95, late_s=120)])
    assert counted["late"] == 1


def test_a_signal_that_comes_by_itself_need_not_wait_for_the_others() -> None:
    """Two sensors of one device with times a little apart: each series is in order."""
    host = Host(RuleSet([rule("threshold", "hot", above=90, count=3), rule("threshold", "wet", signal="h", above=50, count=3)]))
    rows = []
    for second in range(0, 60, 10):
        rows += [reading("d", second, 95, late_s=1), reading("d", second - 3, 0, late_s=4.1)._replace(values={"h": 60.0})]

    host.frame(rows)

    assert sorted(symptom.rule for symptom in host.out) == ["hot", "wet"]


def test_a_device_that_goes_quiet_is_judged_when_its_grace_is_over() -> None:
    """Rows wait for others only so long."""
    host = Host(RuleSet([rule("threshold", "hot", above=90)]), patient(30))

    assert not host.frame([reading("d", 0, 95)])
    assert not host.tick(30)
    assert said(host.tick(32)) == [("hot", "raised", 0, 0, False)]


def test_a_grace_may_change_while_rows_wait() -> None:
    """The registry is looked at again; what waits keeps its time."""
    registry = patient(30)
    host = Host(RuleSet([rule("threshold", "hot", above=90)]), registry)
    host.frame([reading("d", 0, 95)])
    registry.devices["main/d"] = registry.devices["main/d"].model_copy(update={"grace_s": 0.0})
    host.tick(2)

    assert not host.frame([reading("d", 3, 70)]) or [symptom.state.value for symptom in host.out] == ["raised", "cleared"]
    host.tick(40)
    assert not [symptom for symptom in host.out if symptom.state == "raised" and symptom.onset > T0]


def test_no_more_rows_wait_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go on, counted, and none is lost."""
    monkeypatch.setattr(timeline, "MOST_HELD", 100)
    monkeypatch.setattr(clerk, "MOST_WAITING", 50)
    counted: dict[str, int] = {}
    registry = Registered(**{f"d{n}": "m" for n in range(20)})
    registry.devices = {key: device.model_copy(update={"grace_s": 600.0}) for key, device in registry.devices.items()}
    host = Host(RuleSet([rule("threshold", "hot", above=90, flap="off")]), registry)
    host.detect = Detect(host.rules, registry, count=lambda what, n: counted.__setitem__(what, counted.get(what, 0) + n))

    for second in range(60):
        host.frame([reading(f"d{n}", second, 95 if second % 2 else 70) for n in range(20)])
        host.detect.due(host.now)

    assert len(host.detect.timeline.held) <= 100 + 20
    assert counted["forced"]
    host.tick(2000)
    assert len(host.out) == 20 * 59


def test_a_clock_that_was_set_back_is_believed_after_a_while() -> None:
    """Readings of an hour ago that keep coming at their own pace are the present; a few repeated ones are not."""
    host = Host(RuleSet([rule("threshold", "hot", above=90)]))
    live(host, 0, 100, 70)
    for minute in range(100, 110):
        host.frame([reading("d", (minute - 60) * EVERY, 95, late_s=3600)])

    assert [(s.state.value, (s.onset - T0) / MINUTE) for s in host.out] == [("raised", 43)]


def test_numbers_that_begin_anew_are_believed_after_a_few() -> None:
    """A device without boot numbers restarts its count; times of its own go on."""
    host = Host(RuleSet([rule("threshold", "hot", above=90)]))
    for second in range(50):
        host.frame([reading("d", second, 70, seq=second + 100)])
    for second in range(50, 60):
        host.frame([reading("d", second, 95, seq=second - 50)])

    assert [(s.state.value, (s.onset - T0) // SECOND) for s in host.out] == [("raised", 53)]


def test_a_number_left_out_is_new_when_it_comes_and_then_never_again() -> None:
    """Without a clock of its own a device is judged as its rows come; a repetition arrives later and is known by its number."""
    host = Host(RuleSet([rule("threshold", "hot", above=90, count=3)]))
    untimed = [reading("d", at, 95, boot=1, seq=seq)._replace(quality=int(Quality.ARRIVAL)) for at, seq in enumerate([5, 7, 5, 7, 6])]

    assert not host.frame(untimed[:4])
    assert host.frame(untimed[4:])


def test_what_is_missing_is_bounded() -> None:
    """A device that counts by twos; the widest ranges stay."""
    odd = Odd()
    odd.leave_out(1, 0, 1000)
    for seq in range(2000, 4000, 2):
        odd.leave_out(1, seq, seq)

    assert len(odd.missing) == MOST_MISSING
    assert odd.fill(1, 500, 0, 0)
    assert not odd.fill(1, 500, 0, 0)


def test_a_time_that_cannot_be_believed_is_that_of_the_arrival() -> None:
    """Whatever the row says."""
    host = Host(RuleSet([rule("threshold", "hot", above=90)]))

    [found] = host.frame([reading("d", 9e6, 95, late_s=-9e6 + 5)._replace(quality=int(Quality.CLAMPED))])

    assert found.onset == T0 + 5 * SECOND


# ---------------------------------------------------------------------------------------------------- state


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 200)), min_size=1, max_size=60), st.integers(0, 10**6))
def test_many_devices_are_judged_as_one_is(steps: list[tuple[int, int]], seed: int) -> None:
    """Intervals and holes come out the same, all rows at once or row by row."""
    devices = Devices(Registered())
    devices.slots(["main/a", "main/b", "main/c"])
    whole, single = Timeline(devices), Timeline(devices)
    at, chance = [T0, T0, T0], random.Random(seed)
    rows: list[tuple[int, int]] = []
    for device, step in steps:
        at[device] += step * chance.choice([1, 1, 1, 60]) * SECOND
        rows.append((device, at[device]))
    for each in (whole, single):
        each.look([])
        each.columns.grow(3)
    cut = chance.randrange(len(rows) + 1)
    for some in (rows[:cut], rows[cut:]):
        if some:
            runs = Runs(np.array([device for device, _ in some], np.intp))
            judged(whole.columns.of, runs, runs.sort(np.array([time for _, time in some], np.int64)))
    for device in range(3):
        clerk = Clerk(single.columns.of, device, None)
        for mine, time in rows:
            if mine == device:
                clerk.advance(time, skipped=False)
        clerk.save()

    for name in ("front", "tally", "mark", "pace", "usual", "hole_from", "hole_to"):
        assert (whole.columns.of[name][:3] == single.columns.of[name][:3]).all(), name


def test_rows_that_wait_stand_in_blocks_that_the_log_takes() -> None:
    """However many signals a row has; they come back as they were."""
    held, keys = Held(), ["main/d"]
    rows = [Reading("main/d", T0 + i, T0 + i, 0, {f"s{n}": float(i) for n in range(200)} | {"word": "w" * 250}) for i in range(1500)]
    frame = pack(rows, T0)
    index = np.zeros(len(rows), WAITING)
    index["measured"], index["serial"] = [row.measured_at for row in rows], np.arange(len(rows))
    held.add(frame.blocks, np.zeros(len(rows), np.intp), np.arange(len(rows)), index)
    blocks = held.dirty(keys)

    assert max(map(len, blocks.values())) <= 512 * 1024
    other = Held()
    other.restore(blocks, {"main/d": 0}.__getitem__)
    back = other.take([7, 3, 1499])
    assert rows_of(back, bool).signals["s5"].tolist() == [7.0, 3.0, 1499.0]
    assert [word for block in back.blocks for word in block.text["word"]] == ["w" * 250] * 3
    assert len(other) == len(rows) - 3
    assert not held.dirty(keys)
    held.take(list(range(1500)))
    assert set(held.dirty(keys).values()) == {b""}


def test_many_small_blocks_become_one() -> None:
    """What waits does not cost a block per frame for ever."""
    host = Host(RuleSet([rule("threshold", "hot", above=90)]), patient(3600))
    for second in range(700):
        host.frame([reading("d", second, 95 if second == 600 else 70)])
    host.frame([reading("e", 700, 70)])

    assert said(host.tick(2 * HOUR // SECOND)) == [("hot", "raised", 10, 10, False), ("hot", "cleared", 10, 601 / 60, False)]


def test_lanes_that_follow_each_other_leave_nothing_behind() -> None:
    """One that ends and another that begins between two checkpoints do not mix in the log."""
    registry = Registered()
    host = Host(RuleSet([rule("threshold", "hot", above=90)]), registry)
    names = [f"d{n}" for n in range(1100)]
    for minute in (0, 1, 140):
        host.frame([reading(name, minute * EVERY, 70) for name in names])
    host.frame([reading(name, 70 * EVERY, 95, late_s=70.1 * EVERY) for name in names])
    host.tick(141 * EVERY)
    host.crash()
    host.tick(143 * EVERY)
    host.frame([reading("d7", 80 * EVERY, 95, late_s=64 * EVERY)])
    host.tick(145 * EVERY)
    host.crash()
    host.tick(150 * EVERY)

    assert len(host.out) == 2 * len(names) + 2
