"""Symptoms found anew in the readings: what detect found agrees, also where ticks were forgotten, and what was tampered with is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest

from streams.recount import sieve
from streams.recount.compare import State
from streams.recount.story import read_all
from streams.recount.symptoms import Wanted
from tests.unit.streams.detecting import T0
from tests.unit.streams.recount import spoken
from tests.unit.streams.recount.spoken import PARTITIONS, RULES, create, find, live
from vorab import topics
from vorab.clock import HOUR, MINUTE, SECOND, Micros, SystemClock
from vorab.log import Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.records import Symptom, SymptomState

pytestmark = pytest.mark.slow

NAMES: Final = [f"d{number}" for number in range(10)]
MINUTES: Final = 64
Edit = Callable[[Symptom], Symptom | None]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of readings and of what was found in them."""
    path = tmp_path_factory.mktemp("lived") / "log.db"
    with SqliteLog(path, fsync=False) as log:
        live(log, NAMES, MINUTES, seed=11)
    return path


@pytest.fixture
def log(lived: Path, tmp_path: Path) -> Iterator[SqliteLog]:
    """The readings again, in a log of its own."""
    with SqliteLog(lived, read_only=True) as source, SqliteLog(tmp_path / "log.db", fsync=False) as other:
        create(other)
        entries = read_all(source, topics.READINGS, range(PARTITIONS))
        append_all(other, (Outgoing(*each[:2], each.key, each.value, each.headers) for each in entries))
        yield other


def symptoms(lived: Path) -> list[Symptom]:
    """All that was said of symptoms."""
    with SqliteLog(lived, read_only=True) as source:
        return spoken.symptoms(source)


def wanted(records: Iterable[Symptom], edit: Edit = lambda each: each) -> list[Wanted]:
    """The same, by symptom."""
    found: dict[str, list[Symptom]] = {}
    for each in records:
        if (changed := edit(each)) is not None:
            found.setdefault(each.confirms or each.id, []).append(changed)
    return [Wanted(name, some, T0 + MINUTES * MINUTE - 30 * SECOND) for name, some in found.items()]


def of(records: Iterable[Symptom], detector: str) -> Symptom:
    """A symptom that has cleared."""
    return next(each for each in records if each.detector == detector and each.state is SymptomState.CLEARED)


def test_every_symptom_agrees(lived: Path, log: SqliteLog) -> None:
    """Of every detector: raised, updated, cleared and confirmed, word for word; with ticks, and after they were forgotten."""
    said = symptoms(lived)
    assert {each.detector for each in said} == {"threshold", "silence", "rate"}
    assert {each.state for each in said} >= {SymptomState.RAISED, SymptomState.CLEARED, SymptomState.CONFIRMED}
    found = find(log, wanted(said))
    assert [(name, each) for name, each in found.items() if each.state is not State.AGREES] == []
    assert len(found) > 50
    log.forget_ticks(SystemClock().now() + HOUR, 0)
    assert {each.state for each in find(log, wanted(said)).values()} == {State.AGREES}


def test_one_device_alone_agrees(lived: Path, log: SqliteLog) -> None:
    """What is read of the others is only the time; known bad: an outage that nobody is told of makes a silence of it."""
    said = symptoms(lived)
    key = of(said, "silence").key
    mine = [each for each in said if each.key == key]
    assert {each.state for each in find(log, wanted(mine)).values()} == {State.AGREES}


def test_time_is_told_often_enough(lived: Path, log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: to leave the times out in which nobody that is asked for spoke."""
    key = of(symptoms(lived), "silence").key
    silent = wanted(each for each in symptoms(lived) if each.detector == "silence" and each.key == key)
    assert {each.state for each in find(log, silent).values()} == {State.AGREES}
    monkeypatch.setattr(sieve.Sieve, "frames", lambda self, begin, end: (frame for frame in FRAMES(self, begin, end) if frame.n))
    assert {each.state for each in find(log, silent).values()} != {State.AGREES}


FRAMES: Final = sieve.Sieve.frames


@pytest.mark.parametrize("field", ["value", "limit", "onset", "detected_at"])
@pytest.mark.parametrize("detector", ["threshold", "rate"])
def test_a_tampered_symptom_is_found(lived: Path, log: SqliteLog, field: str, detector: str) -> None:
    """Known bad: what stands on the log says something else than the readings do."""
    target = next(each for each in symptoms(lived) if each.detector == detector and each.state is SymptomState.RAISED)
    one: Micros | float = SECOND if field in {"onset", "detected_at"} else 0.5

    def edit(each: Symptom) -> Symptom:
        mine = each.id == target.id and each.state is SymptomState.RAISED
        return each.model_copy(update={field: (getattr(each, field) or 0) + one}) if mine else each

    said = [each for each in symptoms(lived) if each.key == target.key]
    found = find(log, wanted(said, edit))
    assert {name for name, each in found.items() if each.state is not State.AGREES} == {target.id}
    assert found[target.id].state is State.DIFFERS
    difference = found[target.id].difference
    assert difference is not None
    assert (difference.id, f"says {field} " in difference.text) == (target.id, True)


@pytest.mark.parametrize("state", [SymptomState.RAISED, SymptomState.CLEARED])
def test_what_is_missing_is_found(lived: Path, log: SqliteLog, state: SymptomState) -> None:
    """Known bad: that it was raised, or that it cleared, was taken from the log."""
    target = of(symptoms(lived), "threshold")
    some = wanted(symptoms(lived), lambda each: None if (each.id, each.state) == (target.id, state) else each)
    found = find(log, [each for each in some if each.id == target.id])[target.id]
    assert (found.state, found.difference is not None and "does not stand on the log" in found.difference.text) == (State.DIFFERS, True)


def test_a_symptom_nobody_found_is_found(lived: Path, log: SqliteLog) -> None:
    """Known bad: somebody wrote a symptom that the readings do not lead to."""
    forged = of(symptoms(lived), "threshold").model_copy(update={"id": "forged"})
    found = find(log, wanted([forged]))["forged"]
    assert (found.state, found.difference is not None and "readings do not lead to it" in found.difference.text) == (State.DIFFERS, True)


def test_what_cannot_be_compared_says_why(lived: Path, log: SqliteLog) -> None:
    """A rule that is another one now or gone, one that compares peers, and what others reported."""
    some = of(symptoms(lived), "threshold")
    cases = {
        "changed": some.model_copy(update={"id": "1", "rule_version": "old"}),
        "not in force": some.model_copy(update={"id": "2", "rule": "never-heard-of"}),
        "compares peers": some.model_copy(update={"id": "3", "rule": "unlike", "rule_version": RULES.by_id["unlike"].version}),
        "not found in readings": some.model_copy(update={"id": "4", "detector": "reported", "rule": "alarm:grafana"}),
    }
    found = find(log, wanted(cases.values()))
    assert [each.state for each in found.values()] == [State.CHANGED, State.CHANGED, State.BEYOND, State.BEYOND]
    assert [words for words, each in zip(cases, found.values(), strict=True) if words not in each.note] == []


def test_readings_that_are_gone_are_no_difference(lived: Path, log: SqliteLog) -> None:
    """Symptoms outlive the readings they were found in: what was before cannot be compared, and what remembers for long neither."""
    for partition in range(PARTITIONS):
        log.trim(topics.READINGS, partition, log.end(topics.READINGS, partition) // 2)
    said = symptoms(lived)
    found = find(log, wanted(said))
    onset = {each.confirms or each.id: each.onset for each in said}
    begins = {each.note for each in found.values() if each.state is State.GONE}
    assert all("no longer kept" in note for note in begins)
    assert {each.state for each in found.values()} == {State.AGREES, State.GONE}
    assert {found[name].state for name, at in onset.items() if at < T0 + 25 * MINUTE} == {State.GONE}
    late = next(
        each for each in said if each.detector == "threshold" and each.onset > T0 + 50 * MINUTE and each.state is SymptomState.RAISED
    )
    tampered = Wanted(late.id, [late.model_copy(update={"value": 7.0})], 0)
    assert find(log, [tampered])[late.id].state is State.DIFFERS


def test_only_what_is_wanted_is_kept(lived: Path, log: SqliteLog) -> None:
    """Of a day of readings, those of the devices that are asked for are decoded, and a time now and then."""
    key = of(symptoms(lived), "silence").key
    place = topics.READINGS, topics.partition_of(key, PARTITIONS)
    end = log.end(*place)
    kept = list(sieve.Sieve(log, place, {key}, [4 * MINUTE], 5 * SECOND).frames(0, end))
    times = [frame for frame in kept if not frame.n]
    assert {name for frame in kept[1:] for name in frame.devices} >= {key}
    assert sum(frame.n for frame in kept) < MINUTES * 6
    assert len(times) < MINUTES * 3
    assert len(kept) < end
