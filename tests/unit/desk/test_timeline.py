"""The timeline of a customer: one order that depends on nothing but the records, and the same bytes however it is built."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from desk import store as tables
from desk.projector import Projector
from desk.queries import Queries
from desk.store import Store
from desk.timeline.anew import check, records_in
from desk.timeline.entry import Kind, Who, as_bytes
from desk.timeline.fold import timeline
from desk.timeline.source import Timelines
from desk.timeline.threads import ADOPTED
from desk.timeline.told import Around, told
from tests.unit.desk.house import MORNING, NIGHT, House, Story, customer, device, doubted
from tests.unit.desk.talking import WHO, heard, history
from vorab.clock import DAY, MINUTE
from vorab.records import CaseKind, Record, Stage
from vorab.topics import TOPICS


def shuffled(records: Sequence[Record], seed: int) -> list[Record]:
    """In any order, and some of them twice."""
    luck = random.Random(seed)
    found = [*records, *luck.sample(list(records), len(records) // 3)]
    luck.shuffle(found)
    return found


def interleaved(records: Sequence[Record], seed: int) -> list[Record]:
    """Topics mixed at random, as brokers do: within a topic the order stays."""
    luck = random.Random(seed)
    queues: dict[str, list[Record]] = {}
    for record in records:
        queues.setdefault(record.TOPIC, []).append(record)
    found = []
    while queues:
        topic = luck.choice(sorted(queues))
        found.append(queues[topic].pop(0))
        if not queues[topic]:
            del queues[topic]
    return found


def by_arrival(records: Iterable[Record]) -> bytes:
    """Known bad: the records as they came."""
    entries = {entry.id + entry.words: entry for record in records for entry in told(record, Around())}
    return as_bytes(entries.values())


def bytes_of(store: Store) -> bytes:
    """The timeline as the tables have it."""
    return as_bytes(Timelines(Queries(store)).of(WHO))


def test_the_order_depends_on_nothing_but_the_records() -> None:
    """Whatever comes first, and twice: the same bytes."""
    _, records = history()
    first = as_bytes(timeline(WHO, records))
    assert first.count(b"\n") > 25
    assert {as_bytes(timeline(WHO, shuffled(records, seed))) for seed in range(40)} == {first}


def test_an_order_by_arrival_is_caught() -> None:
    """Known bad: entries in the order in which they came are other bytes for another interleaving."""
    _, records = history()
    assert len({by_arrival(interleaved(records, seed)) for seed in range(5)}) > 1


@pytest.mark.parametrize("seed", range(4))
def test_it_is_built_again_byte_for_byte(tmp_path: Path, seed: int) -> None:
    """Topics interleaved at random, everything twice in places, a desk that starts anew in the middle, and a database that was deleted."""
    _, records = history()
    want = as_bytes(timeline(WHO, records))
    house = House(tmp_path)
    mixed, luck = interleaved(records, seed), random.Random(seed)
    cuts = [0, *sorted(luck.sample(range(1, len(mixed)), 3)), len(mixed)]
    for start, end in pairwise(cuts):
        house.write(mixed[start:end])
        house.write(luck.sample(mixed[:end], 3))
        fresh = Projector(house.log, house.store, house.clock)  # killed, and started again
        fresh.load()
        while fresh.step():
            pass
    assert bytes_of(house.store) == want
    again = Store(f"sqlite:///{tmp_path / 'again.db'}")
    fresh = Projector(house.log, again, house.clock)
    fresh.load()
    while fresh.step():
        pass
    assert bytes_of(again) == want
    assert as_bytes(timeline(WHO, records_in(house.log, WHO))) == want
    again.close()
    house.close()


@pytest.fixture
def lived(house: House) -> House:
    """A desk that knows all of the history."""
    house.write([customer(), device("heat-pump-001"), device("heat-pump-002"), *history()[1]])
    house.catch_up()
    return house


def test_the_log_and_the_tables_are_compared_byte_by_byte(lived: House) -> None:
    """The same; and when a row is lost, the first entry that differs."""
    timelines = Timelines(lived.queries)
    found = check(lived.log, timelines, WHO)
    assert (found.same, found.gone, found.behind, found.in_log) == (True, 0, 0, "")
    assert found.entries == len(timelines.of(WHO))
    with lived.store.write() as db:
        db.execute(tables.records.delete().where(tables.records.c.id == "r-2"))
    found = check(lived.log, timelines, WHO)
    assert not found.same
    assert '"id":"r-2"' in found.in_log
    assert '"id":"r-2"' not in found.in_tables


def test_a_row_that_says_something_else_is_caught(lived: House) -> None:
    """One letter changed in one body."""
    r = tables.records.c
    with lived.store.write() as db:
        body = db.scalar(sa.select(r.body).where(r.id == "r-1"))
        db.execute(tables.records.update().where(r.id == "r-1").values(body=str(body).replace('"status"', '"question"')))
    assert not check(lived.log, Timelines(lived.queries), WHO).same


def test_what_the_log_no_longer_keeps_is_left_out_and_counted(lived: House) -> None:
    """After a month the log forgets replies; the desk does not, and says how many were not compared."""
    lived.log.enforce(lived.clock.wall(lived.clock.now()) + 10_000 * DAY, TOPICS)  # type: ignore[attr-defined]
    found = check(lived.log, Timelines(lived.queries), WHO)
    assert found.same
    assert found.gone > 10


def test_what_the_desk_has_not_read_yet_is_counted(lived: House) -> None:
    """A desk that is behind has nothing wrong in it."""
    lived.write([heard("r-9", MORNING + DAY, "Hallo?")])
    found = check(lived.log, Timelines(lived.queries), WHO)
    assert (found.same, found.behind) == (True, 1)


def test_everything_that_happens_has_its_place(lived: House) -> None:
    """From fault and attempt to verdict and incident: every kind is there, in order of time."""
    entries = Timelines(lived.queries).of(WHO)
    assert {entry.kind for entry in entries} >= set(Kind) - {Kind.VISIT, Kind.DECISION}
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    assert {entry.who for entry in entries} == set(Who)
    assert all(entry.device for entry in entries if entry.case)


def test_what_comes_late_takes_its_place(lived: House) -> None:
    """A reply of the night that arrives in the morning stands in the night."""
    lived.write([heard("late", NIGHT + 20 * MINUTE, "es piept", "still_broken")])
    lived.catch_up()
    entries = Timelines(lived.queries).of(WHO)
    place = [entry.id for entry in entries].index("late")
    assert entries[place - 1].at <= NIGHT + 20 * MINUTE <= entries[place + 1].at


def test_nothing_is_told_twice(lived: House) -> None:
    """A call that was wished on the page is the wish and the booking, not a third entry about the case; a note is the note alone."""
    entries = Timelines(lived.queries).of(WHO)
    words = [entry.words for entry in entries]
    assert words.count("request.call_me") == 1
    assert "case.call_wished" not in words
    assert [entry.params["detail"] for entry in entries if entry.kind is Kind.NOTE] == ["spare valve is in the van"]
    assert [entry.words for entry in entries if entry.kind is Kind.VERDICT] == ["verdict.wrong"]


def test_what_belongs_to_others_is_not_told(lived: House) -> None:
    """Neither another customer's machines, nor the same name of another tenant, nor an incident without a case of theirs."""
    other = doubted("heat-pump-007", customer="c-2")
    stranger = heard("x-1", MORNING, "?").model_copy(update={"tenant": "elsewhere"})
    before = Timelines(lived.queries).of(WHO)
    lived.write([*other.records, stranger])
    lived.catch_up()
    assert Timelines(lived.queries).of(WHO) == before
    theirs = Timelines(lived.queries).of("main/c-2")
    assert {entry.case for entry in theirs} == {other.case}
    assert [entry.id for entry in Timelines(lived.queries).of("elsewhere/c-1")] == ["x-1"]


def test_a_database_of_an_earlier_version_is_taken_over(lived: House) -> None:
    """Its records get the rows by which a timeline finds them, once, and nothing is read anew."""
    want = bytes_of(lived.store)
    with lived.store.write() as db:
        db.execute(tables.threads.delete())
        db.execute(tables.meta.delete().where(tables.meta.c.name == ADOPTED))
    assert bytes_of(lived.store) != want
    Projector(lived.log, lived.store, lived.clock).load()
    assert bytes_of(lived.store) == want


def test_a_case_that_came_back_stands_in_the_order_of_its_own_history() -> None:
    """Facts of one moment stand as they followed from each other, not by their random ids."""
    story = Story("heat-pump-003").opened()
    at = story.onset + 6 * MINUTE
    for kind in (CaseKind.ACTION_REQUESTED, CaseKind.PROVING, CaseKind.DISPROVED, CaseKind.HANDED_OVER):
        story.event(kind, at)
    story.say(Stage.PERSON_NEEDED, at, story.case)
    words = [entry.words for entry in timeline(WHO, reversed(story.records)) if entry.at == at]
    assert words == ["case.action_requested", "case.proving", "case.disproved", "case.handed_over", "message"]
