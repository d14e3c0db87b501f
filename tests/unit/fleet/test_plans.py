"""Who breaks when: the story of the demo and seeded plans."""

from __future__ import annotations

from collections import Counter

from vorab.clock import HOUR, MINUTE, parse_iso
from vorab.fleet.faults import FAULTS, Planned, Shows, plan, schedules
from vorab.fleet.registry import machines, remote_repair
from vorab.fleet.story import HOMES, NIGHT, story

START = parse_iso("2026-11-23T22:00:00+01:00")
FLEET = machines(200)


def test_the_story_has_a_calm_half_hour_and_is_told_by_seven() -> None:
    """Nothing happens before 22:30, and what begins begins early enough to be seen before the morning."""
    rows = story(START, FLEET)
    assert rows[0].at >= START + 30 * MINUTE
    assert rows[-1].at <= START + 8 * HOUR
    assert [row.at for row in rows] == sorted(row.at for row in rows)
    assert parse_iso("2026-11-24T07:30:00+01:00") == START + NIGHT


def test_the_story_has_every_kind_of_actor() -> None:
    """Healed ones, liars, silent ones, one that clears by itself, one that was never asked and one that said no."""
    rows = story(START, FLEET)
    faults = [FAULTS[row.kind] for row in rows]

    assert 12 <= len(rows) == len({row.machine for row in rows}) <= 20
    assert sum(fault.restart_heals for fault in faults) >= 6
    assert sum(not fault.restart_heals and fault.answer == "succeeded" for fault in faults) >= 3
    assert 1 <= sum(fault.shows is Shows.SILENCE for fault in faults) <= 2
    assert any(fault.clears_after_us and fault.shows is Shows.BAND for fault in faults)
    assert len({fault.kind for fault in faults}) >= 6
    assert Counter(remote_repair(row.machine) for row in rows) == {True: 14, None: 1, False: 1}


def test_the_three_homes_have_each_their_own_ending() -> None:
    """Healed at ten past two, melted before morning, and a question that waits."""
    by_machine = {row.machine: row for row in story(START, FLEET)}
    assert [by_machine[home].kind for home in HOMES] == ["valve_stuck", "coil_iced", "valve_stuck"]
    assert [remote_repair(home) for home in HOMES] == [True, True, None]
    assert by_machine[HOMES[0]].at == parse_iso("2026-11-24T02:00:00+01:00")


def test_the_faults_of_the_story_fit_their_machines() -> None:
    """No pump has a paper jam."""
    assert all(FAULTS[row.kind].fits(FLEET[row.machine]) for row in story(START))


def test_a_small_fleet_has_only_its_own_part_of_the_story() -> None:
    """Ten machines: rows about machines that are not there are left out."""
    small = machines(10)
    assert {row.machine for row in story(START, small)} <= set(small)


def test_a_seeded_plan_repeats_itself() -> None:
    """Same seed, same plan; another seed, another plan; always fitting, calm first, sorted."""
    first, again, other = (plan(seed, START, START + NIGHT, FLEET) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == 16
    assert all(FAULTS[row.kind].fits(FLEET[row.machine]) for row in first)
    assert all(START + 30 * MINUTE <= row.at < START + NIGHT - 2 * HOUR for row in first)
    assert first == sorted(first, key=lambda row: row.at)


def test_schedules_are_by_machine_and_in_order() -> None:
    """A machine may have several faults, one after the other."""
    rows = [Planned("a", "air_lock", 20), Planned("b", "air_lock", 15), Planned("a", "controller_hang", 10)]
    assert {device: [(at, fault.kind) for at, fault in faults] for device, faults in schedules(rows).items()} == {
        "a": [(10, "controller_hang"), (20, "air_lock")],
        "b": [(15, "air_lock")],
    }
