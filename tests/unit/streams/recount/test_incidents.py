"""Incidents decided anew: what the processor decided agrees, also where ticks were forgotten, and what was tampered with is named."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from streams.recount import guess
from streams.recount.compare import State
from streams.recount.incidents import Gathered
from tests.unit.streams.recount import stormy
from tests.unit.streams.recount.stormy import OPTIONS, T0, devices, facts, forget, gather, live, outgoing
from vorab.clock import HOUR, MINUTE, SECOND
from vorab.log import append_all
from vorab.log.sqlite import SqliteLog
from vorab.records import CaseEvent, CaseKind, Incident, IncidentKind, Record

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with storms of some hours, and what was decided."""
    path = tmp_path_factory.mktemp("lived") / "log.db"
    live(path, stormy.happens(5))
    return path


def states(gathered: Gathered) -> Counter[State]:
    """How many incidents came to what."""
    return Counter(verdict.state for verdict in gathered.verdicts.values())


def tampered(lived: Path, folder: Path, edit: stormy.Edit, *, forgotten: bool = False) -> Gathered:
    """What is said about the log as `edit` would have it."""
    stormy.copy(lived, folder / "log.db", edit)
    if forgotten:
        forget(folder / "log.db")
    return gather(folder / "log.db")


def test_every_incident_agrees(lived: Path) -> None:
    """Storms, gateways that are down, cases that come back or stay behind: each is decided again as it was."""
    gathered = gather(lived)
    assert set(states(gathered)) == {State.AGREES}
    assert len(gathered.verdicts) > 5
    assert gathered.beside == []
    kinds = {fact.kind for fact in facts(lived)}
    assert kinds >= {IncidentKind.OPENED, IncidentKind.JOINED, IncidentKind.RESOLVED, IncidentKind.RELAPSED, IncidentKind.CLOSED}


def test_forgotten_ticks_are_found_again(lived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When events were heard shows in what was written; known bad: without looking there, fewer can be compared."""
    gathered = tampered(lived, tmp_path, lambda record: record, forgotten=True)
    assert set(states(gathered)) == {State.AGREES}
    monkeypatch.setattr(guess, "MOST_FOLDS", 1)
    without = states(gather(tmp_path / "log.db"))
    assert without[State.AGREES] < len(gathered.verdicts)


@pytest.mark.parametrize("forgotten", [False, True], ids=["ticks", "ticks forgotten"])
def test_a_wrong_child_is_found(lived: Path, tmp_path: Path, forgotten: bool) -> None:
    """Known bad: an incident says that a case belongs to it that does not; no time explains that."""
    target = next(fact for fact in facts(lived) if fact.kind is IncidentKind.OPENED)

    def edit(record: Record) -> Record:
        mine = isinstance(record, Incident) and record.id == target.id
        return record.model_copy(update={"children": (*target.children[:-1], "forged")}) if mine else record

    gathered = tampered(lived, tmp_path, edit, forgotten=forgotten)
    verdict = gathered.verdicts[target.incident]
    assert verdict.state is State.DIFFERS
    assert verdict.difference is not None
    assert verdict.difference.id == target.id
    assert "forged" in verdict.difference.text
    others = {name: each.state for name, each in gathered.verdicts.items() if name != target.incident}
    assert set(others.values()) == {State.AGREES}


@pytest.mark.parametrize("kind", [IncidentKind.OPENED, IncidentKind.JOINED, IncidentKind.RESOLVED])
def test_a_removed_fact_is_found(lived: Path, tmp_path: Path, kind: IncidentKind) -> None:
    """Known bad: a fact about an incident is missing from the log."""
    target = next(fact for fact in facts(lived) if fact.kind is kind)
    gathered = tampered(lived, tmp_path, lambda record: None if isinstance(record, Incident) and record.id == target.id else record)
    verdict = gathered.verdicts[target.incident]
    assert verdict.state is State.DIFFERS
    assert verdict.difference is not None
    assert (verdict.difference.id, "does not stand on the log" in verdict.difference.text) == (target.id, True)


def test_an_incident_that_no_cases_lead_to_is_found(lived: Path, tmp_path: Path) -> None:
    """Known bad: somebody wrote an incident by hand."""
    some = facts(lived)[0]
    forged = some.model_copy(
        update={"id": "forged-fact", "incident": "forged", "group": "site/nowhere", "kind": IncidentKind.OPENED, "seq": 0}
    )
    stormy.copy(lived, tmp_path / "log.db", lambda record: record)
    with SqliteLog(tmp_path / "log.db", fsync=False) as log:
        append_all(log, [outgoing(forged)])
    verdict = gather(tmp_path / "log.db").verdicts["forged"]
    assert verdict.state is State.DIFFERS
    assert verdict.difference is not None
    assert "no cases lead to it" in verdict.difference.text


def test_a_case_that_was_never_heard_of_is_missed(lived: Path, tmp_path: Path) -> None:
    """Known bad: a case that belongs to an incident is gone from what was heard."""
    target = next(fact for fact in facts(lived) if fact.kind is IncidentKind.OPENED)
    gathered = tampered(lived, tmp_path, lambda each: None if isinstance(each, CaseEvent) and each.case == target.children[0] else each)
    assert gathered.verdicts[target.incident].state is State.DIFFERS


def test_what_is_no_longer_kept_is_no_difference(lived: Path, tmp_path: Path) -> None:
    """Incidents outlive the events they were made of: those from before cannot be compared, which is said, and the others agree."""
    stormy.copy(lived, tmp_path / "log.db", lambda record: record)
    with SqliteLog(tmp_path / "log.db", fsync=False) as log:
        half = log.end("vorab.cases-by-group", stormy.PLACE) // 2
        log.trim("vorab.cases-by-group", stormy.PLACE, half)
    gathered = gather(tmp_path / "log.db")
    found = states(gathered)
    assert set(found) == {State.AGREES, State.GONE}
    assert all("no longer kept" in each.note for each in gathered.verdicts.values() if each.state is State.GONE)


def test_other_settings_do_not_agree(lived: Path) -> None:
    """Known bad: with another bar other things are incidents, and that is seen."""
    assert states(gather(lived, OPTIONS.model_copy(update={"devices": 9})))[State.DIFFERS] > 0


def test_the_registry_counts_as_it_was(lived: Path, tmp_path: Path) -> None:
    """Machines that came to a site later do not change how many there were; where the old entry is gone, it is said that it is."""
    stormy.copy(lived, tmp_path / "log.db", lambda record: record)
    later = [
        device.model_copy(update={"id": f"main/new-{n}", "device": f"new-{n}", "at": T0 + 9 * HOUR}) for n, device in enumerate(devices())
    ]
    with SqliteLog(tmp_path / "log.db", fsync=False) as log:
        append_all(log, [outgoing(device) for device in later])
    assert set(states(gather(tmp_path / "log.db"))) == {State.AGREES}

    (tmp_path / "other").mkdir()
    gathered = tampered(
        lived, tmp_path / "other",
        lambda each: each.model_copy(update={"at": T0 + 9 * HOUR, "site": "away"}) if each.TYPE.startswith("io.vorab.device.") else each,
    )  # fmt: skip
    assert states(gathered)[State.DIFFERS] == 0
    assert states(gathered)[State.CHANGED] > 0


def test_how_well_a_group_fits_is_told(tmp_path: Path) -> None:
    """Six of the twelve machines of a site and one of another: six of thirteen."""
    town = stormy.Town(random.Random(0), [])
    for second, device in enumerate([*devices()[36:42], devices()[60]]):
        town.case(
            device,
            T0 + 10 * SECOND + second * SECOND,
            "low_pressure" if second < 6 else "worn",
            (CaseKind.RESOLVED, T0 + 9 * MINUTE),
        )
    live(tmp_path / "log.db", sorted(town.events, key=lambda event: event.at))
    gathered = gather(tmp_path / "log.db")
    [measure] = gathered.measures.values()
    assert (measure.devices, measure.of, measure.elsewhere, measure.root) == (6, 12, 1, "")
    assert round(measure.fit, 3) == round(6 / 13, 3)
