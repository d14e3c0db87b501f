"""Faults of the simulated fleet: labelled, seeded, at their time and nowhere else."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from vorab.clock import DAY, HOUR, MINUTE
from vorab.fleet.physics.course import Floats, workday
from vorab.fleet.physics.harm import CALM_DAYS, HEAT_PUMP, KINDS, PRINTER, PUMP, Harm, Longs, cells, name, plan
from vorab.fleet.physics.link import Batch
from vorab.fleet.physics.simulation import PERIOD, START, Simulation, physical
from vorab.frame import Quality

pytestmark = pytest.mark.slow

FLEET = {PUMP: 60, PRINTER: 40, HEAT_PUMP: 50}


def harm(kind: str, size: float, *, model: str = PUMP, signal: str = "", extra: float = 0.0, ramp: int = 0) -> Harm:
    """A fault of the first device, from 12:00 to 18:00 of the second day."""
    onset = START + DAY + 12 * HOUR
    return Harm(name(model, 0), model, 0, kind, signal, onset, onset + 6 * HOUR, size, ramp, extra, 5)


def rows(*harms: Harm, model: str = PUMP, seed: int = 3, days: int = 3) -> Batch:
    """All rows of the first device of a model in a fleet with these faults only."""
    simulation = Simulation(seed, 8, days, harms=harms)
    every = [batch for day in simulation.batches() for batch in day if batch.model == model]
    whole = every[0]
    for batch in every[1:]:
        whole = whole.then(batch)
    return whole.take(whole.device == 0)


def split(batch: Batch, of: Harm) -> tuple[Batch, Batch]:
    """Rows during a fault, and the others."""
    during = (batch.received_at >= of.onset + PERIOD) & (batch.received_at < of.end)
    return batch.take(during), batch.take(~during)


def test_there_are_more_than_ten_kinds_and_each_is_planned() -> None:
    """Every kind on every signal it fits is dealt out, labelled with device, signal, kind, onset and end."""
    assert len(KINDS) >= 12
    planned = plan(7, START, 28, FLEET)
    assert {(each.model, each.kind, each.signal) for each in planned} == {
        (model, cell.kind.name, cell.size.signal) for model in FLEET for cell in cells(model)
    }
    for each in planned:
        assert START + CALM_DAYS * DAY <= each.onset < each.end <= START + 28 * DAY
        low, high = KINDS[each.kind].lasts_h
        assert low * HOUR <= each.end - each.onset <= high * HOUR
        assert workday(each.onset) or each.kind != "jam"


def test_faults_of_one_device_keep_apart() -> None:
    """A day and more lies between two, so that an alert can only mean one of them."""
    by_device: dict[str, list[Harm]] = {}
    for each in plan(8, START, 60, FLEET):
        by_device.setdefault(each.device, []).append(each)
    assert max(map(len, by_device.values())) > 1
    for mine in by_device.values():
        assert all(then.onset - now.end >= DAY for now, then in pairwise(mine))


def test_the_same_seed_gives_the_same_plan_and_the_same_data() -> None:
    """Twice the same to the last digit; another seed gives another fleet."""
    assert list(map(repr, plan(5, START, 28, FLEET))) == list(map(repr, plan(5, START, 28, FLEET)))
    assert repr(plan(6, START, 28, FLEET)) != repr(plan(5, START, 28, FLEET))
    first, again, other = (next(Simulation(seed, 9, 2).batches()) for seed in (1, 1, 2))
    for a, b, c in zip(first, again, other, strict=True):
        assert np.array_equal(a.measured_at, b.measured_at)
        assert all(np.array_equal(a.signals[key], b.signals[key]) for key in a.signals)
        assert not all(len(a) == len(c) and np.array_equal(a.signals[key], c.signals[key]) for key in a.signals)


@pytest.mark.parametrize("size", [0.3, -0.3])
def test_a_drift_grows_in_a_straight_line_and_ends(size: float) -> None:
    """So much per day, and nothing before and after."""
    of = harm("drift", size, signal="pressure", ramp=2 * DAY)
    with_it, without = rows(of), rows()
    off = with_it.signals["pressure"] - without.signals["pressure"]
    during = of.during(without.measured_at // PERIOD * PERIOD)
    assert np.allclose(off[~during], 0.0)
    assert off[during][-1] == pytest.approx(size / 4, abs=0.02)
    assert np.abs(off[during]).max() < 0.1


def test_a_stuck_sensor_repeats_its_last_number() -> None:
    """During the fault one number, that of the reading before; other signals go on."""
    of = harm("stuck", 1.0, signal="temperature")
    during, _ = split(rows(of), of)
    assert len(set(during.signals["temperature"].tolist())) == 1
    assert len(set(during.signals["pressure"].tolist())) > 10


def test_noise_spikes_and_hunting_have_their_sizes() -> None:
    """Noise is so many times as large; spikes come alone and at their size; a loop hunts with its amplitude."""

    def off(of: Harm) -> Floats:
        a, b = rows(of), rows()
        column: Floats = a.signals["pressure"] - b.signals["pressure"]
        return column[(b.measured_at >= of.onset + MINUTE) & (b.measured_at < of.end)]

    assert off(harm("noise", 6.0, signal="pressure")).std() == pytest.approx(0.02 * 5, rel=0.35)
    spikes = off(harm("spike", 1.0, signal="pressure", extra=0.25))
    hit = np.abs(spikes) > 0.1
    assert 0.05 < hit.mean() < 0.4
    assert not (hit[1:] & hit[:-1]).any()
    assert 0.75 < np.abs(spikes[hit]).min() <= np.abs(spikes[hit]).max() < 1.25
    assert off(harm("oscillation", 0.12, signal="pressure", extra=8.0)).std() == pytest.approx(0.12 / np.sqrt(2), rel=0.15)


def test_links_lose_fall_silent_and_restart() -> None:
    """A bad link loses its share, offline all; a reboot loop counts boots up and numbers anew."""
    whole = 6 * HOUR // PERIOD
    lost = harm("dropout", 0.6)
    assert len(split(rows(lost), lost)[0]) == pytest.approx(0.4 * whole, abs=12)
    gone = harm("offline", 1.0)
    assert len(split(rows(gone), gone)[0]) <= 1
    loop = harm("reboot_loop", 1.0, extra=4.0)
    during, _ = split(rows(loop), loop)
    boots = np.diff(during.boot)
    assert set(boots.tolist()) == {0, 1}
    assert 10 <= boots.sum() <= 36
    assert (during.seq[1:][boots == 1] == 0).all()


def test_a_wrong_clock_is_believed_only_in_the_past() -> None:
    """An hour behind shows in the times; an hour ahead is not believed by ingest, and the row says so."""
    behind = harm("clock_skew", -60.0)
    during, rest = split(rows(behind), behind)
    assert (during.received_at - during.measured_at > 59 * MINUTE).all()
    assert np.median(rest.received_at - rest.measured_at) < MINUTE
    ahead = harm("clock_skew", 60.0)
    during, _ = split(rows(ahead), ahead)
    assert (during.measured_at == during.received_at).all()
    assert (during.quality & int(Quality.CLAMPED) > 0).all()


def test_numbers_have_holes_where_messages_were_lost_and_nowhere_else() -> None:
    """Within a boot numbers rise by one for every reading measured."""
    every = [batch for day in Simulation(3, 8, 3, harms=()).batches() for batch in day if batch.model == PUMP]
    whole = every[0].then(every[1]).then(every[2])
    for device in range(3):
        mine = whole.take(whole.device == device)
        mine = mine.take(np.argsort(mine.measured_at, kind="stable"))
        steps, times = np.diff(mine.seq), np.diff(mine.measured_at) // PERIOD
        same = np.diff(mine.boot) == 0
        assert np.array_equal(steps[same], times[same])


def test_scale_changes_sizes_and_nothing_else() -> None:
    """Half as large: same devices, same times; half the drift, half the excess of noise; what is there or not stays so."""
    whole, half = plan(9, START, 28, FLEET), plan(9, START, 28, FLEET, 0.5)
    for a, b in zip(whole, half, strict=True):
        assert (a.device, a.kind, a.signal, a.onset, a.end, a.ramp, a.extra) == (
            b.device,
            b.kind,
            b.signal,
            b.onset,
            b.end,
            b.ramp,
            b.extra,
        )
        if a.kind in {"stuck", "dropout", "offline", "reboot_loop", "clock_skew"}:
            assert a.size == b.size
        else:
            assert b.size == pytest.approx(1 + (a.size - 1) / 2 if a.kind == "noise" else a.size / 2)


def test_a_healthy_sensor_glitches_about_once_a_week() -> None:
    """Single readings far off belong to a healthy machine: nobody may alert."""
    batches = [batch for day in Simulation(3, 60, 7, harms=()).batches() for batch in day if batch.model == PUMP]
    pressure = np.concatenate([batch.signals["pressure"] for batch in batches])
    share = float((np.abs(pressure - 3.0) > 0.5).mean())
    assert share == pytest.approx(1 / 2000, rel=0.4)


def test_what_is_not_physical_leaves_the_machine_alone() -> None:
    """A drifting sensor changes its own signal only; a leak changes what physics ties to it."""
    drift = harm("drift", 0.3, signal="pressure", ramp=2 * DAY)
    leak = harm("leak", 4.0, signal="flow")
    assert not physical(drift)
    assert physical(leak)
    healthy = rows()
    for of, changed in ((drift, {"pressure"}), (leak, {"flow", "speed", "current", "temperature", "vibration"})):
        sick = rows(of)
        differs: set[str] = set()
        for key, column in healthy.signals.items():
            scale: Floats = np.abs(sick.signals[key] - column)
            if float(scale.max()) > 1e-9 and key != "pressure":
                differs.add(key)
            if key == "pressure" and float(scale.max()) > 0.03:
                differs.add(key)
        assert differs == changed


def test_a_day_is_arranged_by_arrival_and_holds_back_what_comes_later() -> None:
    """Rows of a day stand in the order of arrival and arrive on that day; what a link kept comes the next day."""
    simulation = Simulation(11, 200, 4, harms=())
    late = 0
    for number, day in enumerate(simulation.batches()):
        for batch in day:
            received: Longs = batch.received_at
            assert (np.diff(received) >= 0).all()
            if number < 3:
                assert received.max() < START + (number + 1) * DAY
            kept = batch.quality & int(Quality.HISTORICAL) > 0
            late += int(kept.sum())
            assert (received - batch.measured_at)[kept].max(initial=0) <= 45 * MINUTE
    assert late > 20
