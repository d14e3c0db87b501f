"""After a symptom has cleared, the readings that follow confirm it: how many, and how many of them said something else."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest

from streams.detect.confirm import LONGEST, MOST, Watch
from streams.rules.ruleset import RuleSet
from tests.unit.streams.detecting import T0, Host, cuts, reading, rule
from vorab.clock import MINUTE, SECOND
from vorab.frame import Reading
from vorab.records import Symptom, SymptomState

RULES = RuleSet([rule("threshold", above=10.0)])


def after(values: Sequence[float], every_s: float = 30.0) -> list[Reading]:
    """Too hot at once, well at the second reading, and then these."""
    rows = [reading("p-1", 0, 20.0), reading("p-1", every_s, 5.5)]
    return [*rows, *(reading("p-1", (i + 2) * every_s, value) for i, value in enumerate(values))]


def confirmed(rows: Sequence[Reading], *, crash: bool = False, cut: random.Random | None = None) -> list[Symptom]:
    """What is confirmed when the rows come one by one, or as they are cut."""
    host = Host(RULES)
    for frame in cuts(rows, cut) if cut is not None else [[row] for row in rows]:
        host.frame(frame)
        if crash:
            host.crash()
    return host.confirmed


def test_a_minute_of_readings_is_told_first_and_then_longer_ones() -> None:
    """One minute, two, four, eight, then every ten; each word begins where the last one ended."""
    found = confirmed(after([5 + i % 30 / 8 for i in range(72)]))
    assert [(each.confirmed_at - each.since) / MINUTE for each in found if each.confirmed_at and each.since] == [1, 2, 4, 8, 10, 10]
    assert [each.since for each in found][1:] == [each.confirmed_at for each in found][:-1]
    assert [(each.readings, each.changes) for each in found] == [(2, 2), (4, 4), (8, 8), (16, 16), (20, 20), (20, 20)]
    assert {each.state for each in found} == {SymptomState.CONFIRMED}
    assert len({each.confirms for each in found}) == 1
    assert len({each.id for each in found}) == len(found)


def test_a_value_that_stands_still_has_not_changed() -> None:
    """A frozen sensor sends readings, and none of them is other than the one before."""
    found = confirmed(after([5.5] * 20))
    assert sum(each.readings for each in found) > 10
    assert sum(each.changes for each in found) == 0
    assert "none of them other" in found[0].explanation


def test_one_reading_in_five_minutes_is_told_one_by_one() -> None:
    """A slow device is no reason to wait for an hour."""
    found = confirmed(after([5.1, 5.2, 5.3, 5.4, 5.5], every_s=300))
    assert [(each.readings, each.changes) for each in found] == [(1, 1), (1, 1), (1, 1), (2, 2)]


def test_it_ends_when_the_symptom_is_back() -> None:
    """What is raised again is not confirmed any more."""
    found = confirmed(after([5.1, 5.2, 5.3, 20.0, 20.1, 20.2, 20.3, 20.4]))
    assert [each.confirmed_at for each in found] == [T0 + 90 * SECOND]


def test_it_is_told_a_limited_number_of_times() -> None:
    """Nobody waits for days; the log is not filled for nobody."""
    found = confirmed(after([5 + i % 7 / 8 for i in range(MOST + 20)], every_s=600))
    assert len(found) == MOST


@pytest.mark.parametrize("seed", range(5))
def test_cuts_and_crashes_change_nothing(seed: int) -> None:
    """The same words however the readings stand in frames, and across restarts."""
    chance = random.Random(seed)
    rows = after([chance.choice([5.0, 5.25, 5.5, 20.0]) for _ in range(120)])
    whole = confirmed(rows)
    assert whole
    assert confirmed(rows, cut=random.Random(seed)) == whole
    assert confirmed(rows, crash=True) == whole


def test_a_clearing_that_was_long_on_its_way_is_followed_as_well() -> None:
    """After an outage of a quarter of an hour the clearing comes late, and what it says is no better for that."""
    rows = after([5 + i % 7 / 8 for i in range(8)])
    late = [row._replace(received_at=row.measured_at + (15 * MINUTE if number else 0)) for number, row in enumerate(rows)]
    host = Host(RULES)
    for row in late:
        host.frame([row])
    ended = [each for each in host.out if each.state is SymptomState.CLEARED]
    assert [(each.historical, each.followed) for each in ended] == [(True, True)]
    assert [each.readings for each in host.confirmed] == [2, 4]


def watch(**last: float) -> Watch:
    """A symptom of signal t that has just cleared."""
    return Watch("r", "t", "", None, 0, 0, 0, 0, 0, last=last)


def see(of: Watch, at: int, values: Mapping[str, float]) -> None:
    """A reading of the device."""
    of.see(at, values.get("t"), lambda: values)


@pytest.mark.parametrize("seed", range(40))
def test_what_else_is_looked_at_only_where_it_matters_changes_no_count(seed: int) -> None:
    """As many changes as by comparing everything with the reading before, whole numbers and others mixed."""
    chance = random.Random(seed)
    rows = [
        {name: chance.choice([0.0, 0.0, 1.0, 0.5]) for name in ("t", "fuser", "level") if name == "t" or chance.random() < 0.7}
        for _ in range(200)
    ]
    of, known = watch(**rows[0]), dict(rows[0])
    expected = 0
    for at, row in enumerate(rows[1:], 1):
        others = [name for name in row if name != "t"]
        still = row["t"].is_integer() and (not others or any(row[name] != known.get(name, row[name]) for name in others))
        expected += row["t"] != known["t"] or still
        if row["t"].is_integer() or row["t"] != known["t"]:
            known.update(row if row["t"].is_integer() else {"t": row["t"]})
        see(of, at, row)
    assert of.changes == expected > 0


def test_a_whole_number_may_stand_still_where_the_device_goes_on() -> None:
    """An empty queue stays empty; that the fuser's temperature moves shows that the printer lives."""
    queue = watch(t=0.0, fuser=180.1)
    see(queue, 1, {"t": 0.0, "fuser": 180.2})
    see(queue, 2, {"t": 0.0, "fuser": 180.2})
    assert (queue.readings, queue.changes) == (2, 1)


def test_a_reading_without_the_signal_is_none_of_it() -> None:
    """Other messages of the device do not confirm what they do not speak of; one seen before counts once."""
    pressure = watch(t=1.5)
    see(pressure, 1, {"fuser": 180.2})
    see(pressure, 2, {"t": 1.6})
    see(pressure, 2, {"t": 1.7})
    assert (pressure.readings, pressure.changes) == (1, 1)


def test_where_there_is_nothing_else_to_look_at_a_reading_counts() -> None:
    """A device with a single flag cannot show more than that it is well."""
    flag = watch(t=0.0)
    see(flag, LONGEST, {"t": 0.0})
    assert (flag.readings, flag.changes) == (1, 1)


def test_a_build_that_takes_a_frozen_value_for_change_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting every reading as a change would prove anything."""
    monkeypatch.setattr(Watch, "_changed", lambda *_: True)
    with pytest.raises(AssertionError):
        test_a_value_that_stands_still_has_not_changed()
