"""The physics: healthy machines are calm, each fault shows, and a restart heals exactly what it can."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Final

import pytest

from vorab.clock import DAY, HOUR, MINUTE, SECOND, parse_iso
from vorab.fleet.faults import FAULTS, ORDINARY, Answer, Fault, Shows
from vorab.fleet.machines import Machine, Reading
from vorab.fleet.models import HEAT_PUMP, MODELS, NORMAL, PUMP
from vorab.fleet.registry import machines
from vorab.fleet.story import NIGHT

pytestmark = pytest.mark.slow

START: Final = parse_iso("2026-11-23T22:00:00+01:00")
BROKEN_AT: Final = START + HOUR
CASES: Final = [(FAULTS[kind], model) for kind in ORDINARY for model in MODELS if FAULTS[kind].fits(model)]
NAMES: Final = [f"{fault.kind}-{model}" for fault, model in CASES]


def _machine(model: str, fault: Fault | None = None, name: str = "x", seed: int = 1) -> Machine:
    return Machine(name, MODELS[model], seed=seed, start=START, faults=[(BROKEN_AT, fault)] if fault else [])


def _until(machine: Machine, end: int) -> list[Reading]:
    found = []
    while machine.due < end:
        reading = machine.step(machine.due)
        if reading is not None:
            found.append(reading)
    return found


def _outside(model: str, reading: Reading) -> list[str]:
    return [name for name, (low, high) in NORMAL[model].items() if not low <= reading[name] <= high]


def _alarms(model: str, reading: Reading) -> list[str]:
    return [
        signal.name
        for signal in MODELS[model].signals
        if (signal.alarm_low is not None and reading[signal.name] < signal.alarm_low)
        or (signal.alarm_high is not None and reading[signal.name] > signal.alarm_high)
    ]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_healthy_machines_never_leave_the_normal_band(seed: int) -> None:
    """Two hundred machines through a whole night: not one reading outside, so every symptom there is has a cause."""
    wrong = [
        (name, reading)
        for name, model in machines(200).items()
        for reading in _until(_machine(model, name=name, seed=seed), START + NIGHT)
        if _outside(model, reading)
    ]
    assert wrong == []


def test_a_machine_is_calm_for_days() -> None:
    """Nothing creeps: after three days a healthy heat pump still is where it began."""
    assert not any(_outside(HEAT_PUMP, reading) for reading in _until(_machine(HEAT_PUMP), START + 3 * DAY))


@pytest.mark.parametrize(("fault", "model"), CASES, ids=NAMES)
def test_a_fault_shows_the_way_the_table_says(fault: Fault, model: str) -> None:
    """Before it begins all is normal; then a signal leaves its band, or everything stands still, or nobody speaks."""
    machine = _machine(model, fault)
    before = _until(machine, BROKEN_AT)
    after = _until(machine, BROKEN_AT + 150 * MINUTE)

    assert not any(_outside(model, reading) for reading in before)
    match fault.shows:
        case Shows.BAND if fault.signal:
            assert any(fault.signal in _outside(model, reading) for reading in after)
            assert any(fault.signal in _alarms(model, reading) for reading in after)
        case Shows.BAND:
            assert any(_outside(model, reading) for reading in after)
        case Shows.FLAT:
            values = [{name: reading[name] for name in NORMAL[model]} for reading in after]
            assert all(value == values[0] for value in values)
        case Shows.SILENCE:
            away = (BROKEN_AT + (fault.clears_after_us or DAY)) // 1000
            assert all(reading["ts"] >= away for reading in after)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("fault", "model"),
    [(FAULTS[kind], FAULTS[kind].model) for kind in ORDINARY if FAULTS[kind].signal],
    ids=lambda v: getattr(v, "kind", v),
)
def test_every_machine_crosses_the_alarm_limit(fault: Fault, model: str, seed: int) -> None:
    """A rule at the published limit finds the fault on whatever machine it falls."""
    machine = _machine(model, fault, name=f"{model}-{seed}", seed=seed)
    assert any(fault.signal in _alarms(model, reading) for reading in _until(machine, BROKEN_AT + 150 * MINUTE))


def _after_restart(machine: Machine, model: str) -> bool:
    """Break, restart an hour and a half later, and look whether it is normal an hour after that."""
    _until(machine, BROKEN_AT + 90 * MINUTE)
    machine.command("restart", {}, BROKEN_AT + 90 * MINUTE)
    _until(machine, BROKEN_AT + 130 * MINUTE)
    late = _until(machine, BROKEN_AT + 145 * MINUTE)
    values = [{name: reading[name] for name in NORMAL[model]} for reading in late]
    moving = any(value != values[0] for value in values)
    return moving and not any(_outside(model, reading) for reading in late)


LASTING: Final = [(f, m) for f, m in CASES if f.shows is not Shows.SILENCE]


@pytest.mark.parametrize(("fault", "model"), LASTING, ids=[f"{f.kind}-{m}" for f, m in LASTING])
def test_a_restart_heals_what_it_can_and_nothing_else(fault: Fault, model: str) -> None:
    """Half an hour after the restart the machine is normal exactly where the table says so."""
    assert _after_restart(_machine(model, fault), model) is fault.restart_heals


def test_a_table_that_lies_about_healing_is_caught() -> None:
    """Known bad: turn the flag of one row round, and the physics disagree with it."""
    lying = replace(FAULTS["bearing_wear"], restart_heals=True)
    assert _after_restart(_machine(PUMP, lying), PUMP) is not FAULTS["bearing_wear"].restart_heals


@pytest.mark.parametrize(("fault", "model"), CASES, ids=NAMES)
def test_a_machine_answers_as_the_table_says(fault: Fault, model: str) -> None:
    """Some say done and are not healed, one says failed, a dead link says nothing."""
    machine = _machine(model, fault)
    replies = machine.command("restart", {}, BROKEN_AT + 10 * MINUTE)

    if fault.answer is Answer.NONE:
        assert replies == []
    else:
        assert [reply.body["status"] for reply in replies] == ["accepted", "running", fault.answer.value]
        assert [reply.after for reply in replies] == sorted(reply.after for reply in replies)


def test_a_restart_takes_its_time_and_begins_a_new_boot() -> None:
    """While it restarts a machine says nothing; afterwards boot is one more and seq counts from 0."""
    machine = _machine(PUMP)
    _until(machine, START + HOUR)
    [_, _, done] = machine.command("restart", {"delay_s": 60}, START + HOUR)

    assert machine.step(START + HOUR + done.after - SECOND) is None
    reading = machine.step(START + HOUR + done.after)
    assert reading is not None
    assert (reading["boot"], reading["seq"]) == (2, 0)
    assert done.body["result"] == {"boot_count": 2}


def test_a_second_restart_at_once_is_refused() -> None:
    """A machine that is restarting is busy."""
    machine = _machine(PUMP)
    machine.command("restart", {}, START)
    [reply] = machine.command("restart", {}, START + SECOND)
    assert reply.body["error"]["code"] == "busy"


@pytest.mark.parametrize(
    ("name", "params", "code"),
    [
        ("explode", {}, "unsupported"),
        ("restart", {"delay_s": "soon"}, "bad_params"),
        ("restart", {"delay_s": -1}, "bad_params"),
        ("restart", {"delay_s": True}, "bad_params"),
    ],
)
def test_what_a_machine_does_not_understand_it_says(name: str, params: dict[str, object], code: str) -> None:
    """Unknown commands and wrong parameters fail with a code."""
    [reply] = _machine(PUMP).command(name, params, START)
    assert (reply.body["status"], reply.body["error"]["code"]) == ("failed", code)


def test_some_faults_go_away_by_themselves() -> None:
    """The ice melts: low pressure at three, normal at five, nobody touched it."""
    machine = _machine(HEAT_PUMP, FAULTS["coil_iced"])
    iced = _until(machine, BROKEN_AT + 150 * MINUTE)[-1]
    melted = _until(machine, BROKEN_AT + 200 * MINUTE)[-1]

    assert "pressure" in _alarms(HEAT_PUMP, iced)
    assert _outside(HEAT_PUMP, melted) == []
    assert [event.what for event in machine.events] == ["fault", "cleared"]


def test_a_link_that_was_away_leaves_a_hole_in_seq() -> None:
    """The machine kept measuring: the gap in its sequence numbers says how many readings nobody got."""
    machine = _machine(PUMP, FAULTS["network_flaky"])
    seqs = [reading["seq"] for reading in _until(machine, BROKEN_AT + 2 * HOUR)]
    gaps = [after - before - 1 for before, after in pairwise(seqs) if after != before + 1]
    assert gaps == [9]


def test_the_same_seed_gives_the_same_readings() -> None:
    """Two runs agree in every digit, another seed or another name does not."""
    runs = [
        _until(_machine(PUMP, FAULTS["air_lock"], name=name, seed=seed), START + 3 * HOUR)
        for name, seed in [("a", 1), ("a", 1), ("a", 2), ("b", 1)]
    ]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert runs[0] != runs[3]


def test_a_reading_is_flat_json_with_time_boot_and_seq() -> None:
    """What goes out: `ts` in ms, `boot`, `seq` and the signals of the model, nothing nested."""
    reading = _machine(HEAT_PUMP).step(START)
    assert reading is not None
    assert list(reading) == ["ts", "boot", "seq", "pressure", "supply_temperature", "return_temperature", "current", "defrost"]
    assert reading["ts"] == START // 1000
    assert type(reading["defrost"]) is bool


def test_microseconds_survive_in_ts() -> None:
    """A moment between two milliseconds is a fraction, not a rounding."""
    reading = _machine(PUMP).step(START + 123)
    assert reading is not None
    assert round(reading["ts"] * 1000) == START + 123


def test_a_late_start_skips_what_is_too_old_and_keeps_the_grid() -> None:
    """`skip_to` moves to the first moment of the grid that is not before."""
    machine = Machine("x", MODELS[PUMP], start=START, phase=7 * SECOND)
    machine.skip_to(START + 12 * MINUTE)
    assert machine.due == START + 15 * MINUTE + 7 * SECOND
    machine.skip_to(START)
    assert machine.due == START + 15 * MINUTE + 7 * SECOND
