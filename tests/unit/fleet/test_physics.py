"""The physics of the simulated fleet: what holds in nature holds there."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vorab.clock import DAY, HOUR, Micros
from vorab.fleet.physics.course import Floats, Wander, climate, household, office, toward, workday
from vorab.fleet.physics.heat_pump import HYSTERESIS, HeatPumps, saturation
from vorab.fleet.physics.printer import Printers
from vorab.fleet.physics.pump import CURVE, FASTEST, TAU_S, Pumps
from vorab.fleet.physics.simulation import START

N = 40


def pumps() -> Pumps:
    """Forty pumps."""
    return Pumps(np.random.default_rng(1), N, START)


def course(machines: Pumps | Printers | HeatPumps, hours: int, step_s: int, **harm: float) -> dict[str, Floats]:
    """The true values of all signals over some hours, shape (steps, devices)."""
    forces = {kind: np.full(N, size) for kind, size in harm.items()}
    rows = [machines.step(START + i * step_s * 1_000_000, step_s, forces) for i in range(1, hours * 3600 // step_s + 1)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def test_a_week_has_five_workdays_and_the_year_is_coldest_in_january() -> None:
    """The start is a Monday; nobody is in the office at night and on Sunday; July is warmer than January."""
    assert [workday(START + day * DAY) for day in range(7)] == [True] * 5 + [False] * 2
    assert float(office(START + 10 * HOUR)) > 0.8
    assert float(office(START + 3 * HOUR)) < 0.01
    assert float(office(START + 6 * DAY + 10 * HOUR)) == 0.0
    assert float(household(START + 7 * HOUR)) > 4 * float(household(START + 3 * HOUR))
    assert climate(START + 182 * DAY) > climate(START + 14 * DAY) + 15
    assert climate(START + 17 * HOUR) > climate(START + 5 * HOUR)


def test_first_order_is_exact_at_any_step() -> None:
    """One step of an hour is sixty of a minute; after one time constant 63 % of the way is gone."""
    now: Floats = np.array([20.0])
    for _ in range(60):
        now = toward(now, 80.0, 60.0, 2700.0)
    assert now == pytest.approx(toward(np.array([20.0]), 80.0, 3600.0, 2700.0))
    assert toward(np.array([0.0]), 1.0, 2700.0, 2700.0)[0] == pytest.approx(1 - math.exp(-1))


def test_what_wanders_keeps_its_spread() -> None:
    """The standard deviation after many steps is the one asked for, whatever the step."""
    rng = np.random.default_rng(3)
    for dt in (60.0, 3600.0):
        wander = Wander(rng, 4000, 2.0, 1800.0)
        for _ in range(20):
            wander.step(rng.standard_normal(4000), dt)
        assert float(wander.now.std()) == pytest.approx(2.0, rel=0.06)


def test_a_pump_stands_on_its_curve() -> None:
    """Pressure and flow lie on the pump's curve at its speed (affinity laws), and power grows with flow."""
    machine = pumps()
    day = course(machine, 24, 300)
    n2 = (day["speed"] / 100) ** 2
    # The network pulls the point by what it wanders; the inner resistance is the curve's.
    assert np.abs(n2 * machine.head - CURVE * day["flow"] ** 2 - day["pressure"]).max() < 0.02
    assert day["speed"].max() <= 100 * FASTEST
    assert np.corrcoef(day["flow"].ravel(), day["current"].ravel())[0, 1] > 0.9


def test_a_clogged_pump_turns_faster_and_a_leaking_one_gives_more() -> None:
    """Clogged: more speed for the same flow, less pressure by day. Leaking: more flow at night at the same pressure."""
    healthy, clogged, leaking = course(pumps(), 24, 300), course(pumps(), 24, 300, jam=12.0), course(pumps(), 24, 300, leak=3.0)
    night = slice(24, 48)  # 02:00 to 04:00
    assert (clogged["speed"][night] > healthy["speed"][night] + 1).all()
    assert clogged["pressure"].min() < 0.8 * healthy["pressure"].min()
    assert np.allclose(leaking["flow"][night] - healthy["flow"][night], 3.0, atol=0.3)
    assert np.allclose(leaking["pressure"][night], healthy["pressure"][night], atol=0.05)


def test_a_motor_warms_with_its_time_constant() -> None:
    """Cooling blocked at a steady load: after 45 minutes 63 % of the rise is there, as the book says."""
    healthy, hot = pumps(), pumps()
    at = START + 3 * HOUR
    blocked = {"overheating": np.full(N, 1.0)}
    rise = np.array([hot.step(at, 60.0, blocked)["temperature"] - healthy.step(at, 60.0, {})["temperature"] for _ in range(360)])
    share = rise[int(TAU_S / 60)].mean() / rise[-1].mean()
    assert share == pytest.approx(1 - math.exp(-1), abs=0.06)


def test_pages_cost_toner_and_a_jam_fills_the_queue() -> None:
    """The counter never falls, toner falls by what is printed, nobody prints at night; with a jam the queue grows and pages stand."""
    day = course(Printers(np.random.default_rng(2), N, START), 24, 300)
    printed = np.diff(day["pages"], axis=0)
    assert (printed >= 0).all()
    assert printed.sum() > 1000
    assert printed[:60].sum() == 0
    assert (np.diff(day["toner"], axis=0)[printed > 0] != 0).all()
    jammed = course(Printers(np.random.default_rng(2), N, START), 24, 300, jam=1.0)
    assert (np.diff(jammed["pages"], axis=0) == 0).all()
    assert jammed["queue"][-1].min() > 10 > day["queue"].max()


def test_a_compressor_switches_between_its_limits_and_obeys_carnot() -> None:
    """On and off by hysteresis, with rests; the coefficient of performance is below Carnot's and plausible."""
    machine = HeatPumps(np.random.default_rng(4), N, START)
    day = course(machine, 48, 60)
    on = day["compressor"] > 0
    swing = day["buffer_temperature"].max(axis=0) - day["buffer_temperature"].min(axis=0)
    assert (swing > 2 * HYSTERESIS - 0.5).all()
    starts = (np.diff(on.astype(int), axis=0) > 0).sum(axis=0)
    assert 10 <= starts.min() <= starts.max() <= 120
    assert day["power"][on].min() > 1.5
    assert day["power"][~on].max() < 0.1
    assert day["low_pressure"][on].mean() < day["low_pressure"][~on].mean() - 0.4
    # What the house takes over two days is what the machine gave: between two and six times the electricity.
    heat = (machine.loss * np.maximum(20 - day["outdoor_temperature"], 0.5)).sum(axis=0)
    assert (heat / day["power"].sum(axis=0) > 2).all()
    assert (heat / day["power"].sum(axis=0) < 6).all()


def test_propane_boils_where_the_tables_say() -> None:
    """Saturation pressures at -20, 0 and 10 °C: 2.44, 4.74 and 6.37 bar, within 5 %."""
    assert saturation(np.array([-20.0, 0.0, 10.0])) == pytest.approx([2.44, 4.74, 6.37], rel=0.05)


@pytest.mark.parametrize(
    ("kind", "signal", "least"), [("leak", "low_pressure", -0.5), ("wear", "power", 0.3), ("overheating", "discharge_temperature", 10)]
)
def test_a_sick_heat_pump_shows_it_while_it_runs(kind: str, signal: str, least: float) -> None:
    """Refrigerant lost: suction pressure falls. A worn compressor: more power. Hot gas: a hotter pipe."""
    size = {"leak": 0.4, "wear": 0.3, "overheating": 30.0}[kind]
    means: list[Micros | float] = []
    for harm in ({}, {kind: size}):
        day = course(HeatPumps(np.random.default_rng(4), N, START), 24, 60, **harm)
        means.append(float(day[signal][day["compressor"] > 0].mean()))
    change = float(means[1] - means[0])
    assert change < least if least < 0 else change > least
