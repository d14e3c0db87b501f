"""The tables say what the log says: built once, built again, or built in pieces."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from desk import store as tables
from desk.projector import Projector
from desk.store import Store
from tests.unit.desk.house import NIGHT, House, Story, furnish, healed, night
from vorab.clock import MINUTE
from vorab.records import CaseKind, Status


def contents(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, without the order in which records were read."""
    found = {}
    with store.engine.connect() as db:
        for table in tables.metadata.sorted_tables:
            columns = [column for column in table.c if column.name != "n"]
            found[table.name] = sorted(map(tuple, db.execute(sa.select(*columns)).all()), key=repr)
    return found


def test_a_case_is_one_row_with_what_follows_from_its_events(house: House, homes: dict[str, Story]) -> None:
    """Healed, waiting for a person, waiting for its owner."""
    rows = {row.last.case: row for row in house.queries.cases()}
    assert rows[homes["healed"].case].healed
    assert rows[homes["doubted"].case].needs_person
    assert rows[homes["asked"].case].last.status is Status.PENDING


def test_records_that_stand_twice_count_once(house: House, homes: dict[str, Story]) -> None:
    """The log is at-least-once; the tables are not."""
    before = contents(house.store)
    house.write(homes["healed"].records)
    house.catch_up()
    after = contents(house.store)
    before.pop("positions")
    after.pop("positions")
    assert after == before


def test_tables_built_anew_are_the_same(house: House, homes: dict[str, Story], tmp_path: Path) -> None:
    """Delete the database, and lose nothing: also curves are found again, although facts are read before readings."""
    again = Store(f"sqlite:///{tmp_path / 'again.db'}")
    projector = Projector(house.log, again, house.clock)
    projector.load()
    while projector.step():
        pass
    assert contents(again) == contents(house.store)
    assert len(house.queries.curve(homes["healed"].key, "pressure", 0, NIGHT * 2)) == len(night())
    again.close()


def test_a_desk_that_was_killed_goes_on_where_its_tables_stand(house: House) -> None:
    """Rows and position are one transaction, so a new process takes up exactly there."""
    story = healed()
    house.write(story.records[:5])
    house.catch_up()
    successor = Projector(house.log, house.store, house.clock)
    successor.load()
    house.write(story.records[5:])
    while successor.step():
        pass
    file = house.queries.case(story.case)
    assert file is not None
    assert [event.seq for event in file.events] == list(range(len(file.events)))
    assert file.last.kind is CaseKind.CLOSED
    assert house.queries.cases()[0].healed


def test_readings_of_machines_without_a_case_are_not_kept(house: House) -> None:
    """The desk is no second store of readings."""
    furnish(house)
    house.readings("main/quiet", night())
    house.catch_up()
    assert house.queries.curve("main/quiet", "pressure", 0, NIGHT * 2) == []


def test_readings_long_after_a_case_are_not_kept(house: House, homes: dict[str, Story]) -> None:
    """A machine that once had a case does not fill the disk for ever."""
    late = NIGHT + 600 * MINUTE
    house.readings(homes["healed"].key, {late: 1.6})
    house.readings(homes["doubted"].key, {late: 0.6})
    house.catch_up()
    assert house.queries.curve(homes["healed"].key, "pressure", late, late) == []
    assert house.queries.curve(homes["doubted"].key, "pressure", late, late) == [(late, 0.6)]


def test_a_case_a_person_had_to_resolve_is_not_healed_whatever_was_proven_before(house: House) -> None:
    """Proven, handed over because a call was wished, and resolved by hand: nobody slept through that."""
    story = Story("heat-pump-004").opened().restarted()
    story.event(CaseKind.HANDED_OVER, story.onset + 39 * MINUTE, status=Status.HELD, healed=True)
    story.event(CaseKind.RESOLVED, story.onset + 60 * MINUTE, status=Status.RESOLVED)
    house.write(story.records)
    house.catch_up()
    [row] = house.queries.cases()
    assert (row.healed, row.needs_person) == (False, False)


def test_many_facts_of_a_case_in_one_round_are_one_row(house: House) -> None:
    """Rows are written together; the last fact counts, also for a case that ended and had a word more in the same round."""
    story = healed()
    story.event(CaseKind.NOTED, story.onset + 90 * MINUTE, status=Status.CLOSED, healed=True, detail="thank you")
    house.write(story.records)
    house.projector.load()
    assert house.projector.step() >= len(story.records)
    [row] = house.queries.cases()
    assert (row.last.kind, row.healed) == (CaseKind.NOTED, True)
    assert house.queries.counts()["io.vorab.case.closed.v1"] == 1
