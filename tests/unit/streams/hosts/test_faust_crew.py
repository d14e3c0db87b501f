"""The crew under Faust, without Faust: what is taken, in which order things are written, and what happens around rebalances."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest
from faust.types import TP

from streams.hosts.faust_crew import MOST_TOGETHER, SET_BACK_EVERY, Crew
from streams.hosts.faust_watch import Progress
from streams.hosts.instance import Layout
from streams.hosts.registry import Tables
from tests.contract.sample import TALLY, command, outgoing, reply, symptom, tick
from vorab import topics
from vorab.clock import SECOND, ManualClock
from vorab.log import Outgoing
from vorab.processor import Input

PARTITION = 2


@dataclass
class Message:
    """A message as Faust hands it over."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    headers: list[tuple[str, bytes]]
    generation_id: int


@dataclass
class Event:
    """An event of a stream, which notes its acknowledgement in a journal."""

    message: Message
    journal: list[str]

    def ack(self) -> None:
        """Acknowledge."""
        self.journal.append(f"ack {self.message.topic.removeprefix('vorab.')}:{self.message.offset}")


@dataclass
class Fake:
    """Faust, its consumer, its table and the producer, in one."""

    journal: list[str] = field(default_factory=list)
    data: dict[bytes, bytes] = field(default_factory=dict)
    sent: list[tuple[str, bytes | None, bytes | None]] = field(default_factory=list)
    begins: dict[str, int] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    seeks: list[tuple[str, int]] = field(default_factory=list)
    consumer_generation_id: int = 1
    changelog_topic_name: str = "changelog"
    failing: bool = False

    @property
    def consumer(self) -> Fake:
        """The consumer."""
        return self

    def assignment(self) -> set[TP]:
        """All inputs of one partition."""
        return {TP(each.topic, PARTITION) for each in TALLY.inputs}

    async def earliest_offsets(self, *tps: TP) -> dict[TP, int]:
        """Where partitions begin."""
        return {tp: self.begins.get(tp.topic, 0) for tp in tps}

    async def seek(self, tp: TP, offset: int) -> None:
        """Set reading back."""
        self.seeks.append((tp.topic, offset))

    def highwater(self, tp: TP) -> int | None:
        """Where a partition ends."""
        return self.ends.get(tp.topic)

    async def commit(self) -> None:
        """Commit."""
        self.journal.append("commit")

    async def send(self, topic: str, *, value: bytes | None, key: bytes | None, partition: int, headers: Any) -> asyncio.Future[None]:
        """Send a record, confirmed a little later."""
        assert partition == PARTITION or topic != "changelog"
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sent.append((topic, key, value))
        what = "tick" if key is None else topic
        if key is not None and topic == "changelog":
            what = "delete" if value is None else "manifest" if b"/" not in key else "block"

        def confirm() -> None:
            if self.failing:
                done.set_exception(OSError("no broker"))
            else:
                self.journal.append(f"{what} confirmed")
                done.set_result(None)

        asyncio.get_running_loop().call_soon(confirm)
        assert isinstance(headers, list)
        return done

    def create_batch(self) -> Batch:
        """Records that are sent together."""
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[Any]:
        """Send them, one after the other."""
        return asyncio.gather(*[await self.send(topic, partition=partition, **record) for record in batch.records])


@dataclass
class Batch:
    """What is sent together; two records fill it."""

    records: list[dict[str, Any]] = field(default_factory=list)

    def append(self, *, key: bytes | None, value: bytes | None, timestamp: float | None, headers: Any) -> object:
        """Take a record; None where it is full."""
        assert timestamp is None
        if len(self.records) == 2:
            return None
        self.records.append({"key": key, "value": value, "headers": headers})
        return self


def crew_on(fake: Fake) -> Crew:
    """A crew of the sample on the fake."""
    crew = Crew(TALLY, Tables(), Layout(lambda _: 4), ManualClock(), "run")
    crew.app = crew.table = crew.producer = fake
    return crew


def event(fake: Fake, record: Outgoing, offset: int, generation: int = 1) -> Event:
    """A record as an event."""
    return Event(Message(record.topic, record.partition, offset, record.value, list(record.headers), generation), fake.journal)


def run(story: Coroutine[Any, Any, None]) -> None:
    """Run a story with an event loop."""
    asyncio.run(story)


S, R = topics.SYMPTOMS, topics.REPLIES


def test_outputs_then_blocks_then_manifest_then_acknowledgements_then_deletions() -> None:
    """Nothing is written or acknowledged before what it relies on is confirmed."""

    async def story() -> None:
        fake = Fake()
        crew = crew_on(fake)
        await crew.ready()
        for round_ in range(2):
            fake.journal.clear()
            await crew.take(event(fake, outgoing(symptom("d", round_, 10 * SECOND), PARTITION), 2 * round_))
            await crew.take(event(fake, tick(S, PARTITION, 20 * SECOND), 2 * round_ + 1))
            await crew.take(event(fake, tick(R, PARTITION, 20 * SECOND), round_))
            await crew.checkpoint()
        first = ["vorab.cases confirmed", "block", "manifest", "ack", "delete"]
        order = [next(name for name in [*first, "tick confirmed"] if line.startswith(name)) for line in fake.journal]
        places = {name: [i for i, each in enumerate(order) if each == name] for name in first}
        for before, after in pairwise(first):
            assert max(places[before]) < min(places[after]), fake.journal
        assert [line for line in fake.journal if line.startswith("ack")] == ["ack symptoms:2", "ack symptoms:3", "ack replies:1"]

    run(story())


def test_what_waits_in_the_merge_is_not_acknowledged() -> None:
    """A record that waits for another input is acknowledged only when it was stepped and saved."""

    async def story() -> None:
        fake = Fake()
        crew = crew_on(fake)
        await crew.ready()
        await crew.take(event(fake, outgoing(symptom("d", 1, 10 * SECOND), PARTITION), 0))
        await crew.checkpoint()
        assert not any(line.startswith("ack") for line in fake.journal)
        await crew.take(event(fake, outgoing(reply("d", 1, 30 * SECOND), PARTITION), 0))
        await crew.checkpoint()
        assert [line for line in fake.journal if line.startswith("ack")] == ["ack symptoms:0"]

    run(story())


def test_a_partition_that_is_behind_takes_what_is_there_before_it_steps() -> None:
    """What the broker has already is stepped together, up to a number; the last of it, and a beat, wait for nothing."""

    async def story() -> None:
        fake = Fake(ends={topics.SYMPTOMS: MOST_TOGETHER + 3})
        crew = crew_on(fake)
        await crew.ready()
        await crew.take(event(fake, tick(topics.REPLIES, PARTITION, 1_000 * SECOND), 0))
        stepped = []
        for offset in range(MOST_TOGETHER + 3):
            await crew.take(event(fake, outgoing(symptom("d", offset, (10 + offset) * SECOND), PARTITION), offset))
            stepped.append(sum(topic == topics.CASES and key is not None for topic, key, _ in fake.sent) > 0)
            fake.sent.clear()
        assert [offset for offset, any_of in enumerate(stepped) if any_of] == [MOST_TOGETHER - 1, MOST_TOGETHER + 2]
        fake.ends[topics.SYMPTOMS] = 100
        await crew.take(event(fake, outgoing(symptom("d", 50, 100 * SECOND), PARTITION), MOST_TOGETHER + 3))
        assert not fake.sent
        await crew.nudge()
        assert fake.sent

    run(story())


def test_an_output_that_fails_stops_everything_behind_it() -> None:
    """Known bad input to the rule: when an output is not confirmed, no state is written and nothing acknowledged."""

    async def story() -> None:
        fake = Fake()
        crew = crew_on(fake)
        await crew.ready()
        await crew.take(event(fake, outgoing(symptom("d", 1, 10 * SECOND), PARTITION), 0))
        fake.failing = True
        await crew.take(event(fake, tick(R, PARTITION, 20 * SECOND), 0))
        with pytest.raises(OSError, match="no broker"):
            await crew.checkpoint()
        assert not any(line.startswith("ack") or "manifest" in line or "block" in line for line in fake.journal)

    run(story())


def test_after_a_restart_known_records_are_acknowledged_and_skipped() -> None:
    """Faust's committed offset may lag behind the state: what the state knows is not stepped again."""

    async def story() -> None:
        fake = Fake()
        first = crew_on(fake)
        await first.ready()
        records = [outgoing(symptom("d", 1, 10 * SECOND), PARTITION), tick(S, PARTITION, 20 * SECOND)]
        for offset, record in enumerate(records):
            await first.take(event(fake, record, offset))
        await first.take(event(fake, tick(R, PARTITION, 20 * SECOND), 0))
        await first.checkpoint()
        fake.journal.clear()
        fake.sent.clear()
        second = crew_on(fake)
        await second.ready()
        assert second.taken[S, PARTITION] == 2
        for offset, record in enumerate(records):
            await second.take(event(fake, record, offset))
        assert fake.journal == ["ack symptoms:0", "ack symptoms:1"]
        assert fake.sent == []

    run(story())


def test_missing_records_are_read_again_and_deleted_ones_are_reported() -> None:
    """Where the next record is not the expected one, reading is set back; only what the broker no longer has is passed over."""

    async def story() -> None:
        fake = Fake()
        crew = crew_on(fake)
        await crew.ready()
        await crew.take(event(fake, tick(R, PARTITION, 90 * SECOND), 0))
        await crew.take(event(fake, outgoing(symptom("d", 5, 10 * SECOND), PARTITION), 5))
        assert fake.seeks == [(S, 0)]
        await crew.take(event(fake, outgoing(symptom("d", 6, 10 * SECOND), PARTITION), 6))
        assert fake.seeks == [(S, 0)]
        assert fake.sent == []
        for offset in range(3):
            await crew.take(event(fake, outgoing(symptom("d", offset, 10 * SECOND), PARTITION), offset))
        assert [key for topic, key, _ in fake.sent if topic == topics.CASES and key] == [b"main/d"] * 3
        fake.begins[S] = 7
        await crew.take(event(fake, outgoing(symptom("d", 7, 10 * SECOND), PARTITION), 7))
        assert fake.seeks == [(S, 0)]
        assert crew.taken[S, PARTITION] == 8

    run(story())


def test_reading_that_was_set_back_in_vain_is_set_back_again() -> None:
    """Faust may drop what the first seek brings; it is repeated until the record that comes next is there, and not longer."""

    async def story() -> None:
        fake = Fake()
        crew = crew_on(fake)
        await crew.ready()
        await crew.take(event(fake, outgoing(symptom("d", 2, 10 * SECOND), PARTITION), 2))
        for _ in range(SET_BACK_EVERY):
            await crew.nudge()
        assert fake.seeks == [(S, 0)] * 2
        await crew.take(event(fake, outgoing(symptom("d", 0, 10 * SECOND), PARTITION), 0))
        for _ in range(SET_BACK_EVERY):
            await crew.nudge()
        assert fake.seeks == [(S, 0)] * 2

    run(story())


def test_events_from_before_a_rebalance_are_dropped() -> None:
    """Between revocation and the end of recovery nothing is stepped, and events of an older generation never are."""

    async def story() -> None:
        fake = Fake()
        crew = crew_on(fake)
        record = outgoing(symptom("d", 1, 10 * SECOND), PARTITION)
        await crew.take(event(fake, record, 0))
        await crew.ready()
        assert crew.assigned
        await crew.take(event(fake, tick(R, PARTITION, 20 * SECOND), 0))
        await crew.take(event(fake, record, 0))
        await crew.revoked()
        assert fake.journal[-1] == "commit"
        assert any(line == "manifest confirmed" for line in fake.journal)
        assert not crew.assigned
        assert crew.taken == {}
        fake.sent.clear()
        await crew.take(event(fake, outgoing(symptom("d", 2, 11 * SECOND), PARTITION), 1))
        fake.consumer_generation_id = 2
        await crew.ready()
        await crew.take(event(fake, outgoing(symptom("d", 2, 11 * SECOND), PARTITION), 1, generation=1))
        assert fake.sent == []
        await crew.take(event(fake, outgoing(symptom("d", 2, 11 * SECOND), PARTITION), 1, generation=2))
        assert [topic for topic, key, _ in fake.sent if key] == [topics.CASES]

    run(story())


def test_a_command_is_saved_at_once_and_waits_while_there_is_more_to_read() -> None:
    """What came ahead of its time is checkpointed with its outputs; during a catch-up it waits."""

    async def story() -> None:
        fake = Fake(ends={S: 3, R: 0})
        crew = crew_on(fake)
        await crew.ready()
        await crew.take(event(fake, outgoing(command("d", 1, 50 * SECOND), PARTITION), 0))
        assert fake.sent == []
        fake.ends = {S: 0, R: 0}
        await crew.nudge()
        assert fake.sent[0][0] == topics.CASES
        assert fake.journal[-1] == "ack commands:0"
        await crew.take(event(fake, outgoing(command("d", 2, 51 * SECOND), PARTITION), 1))
        assert "ack commands:1" in fake.journal

    run(story())


def test_only_an_input_with_something_to_take_can_be_stuck() -> None:
    """The watchdog: idle is fine, moving is fine, revoked is forgotten; standing before waiting input is not."""
    progress = Progress(patience=30)
    position = ("t", 0)
    assert progress.stuck({position: 5}, {position: 9}, 0) == []
    assert progress.stuck({position: 5}, {position: 9}, 29) == []
    assert progress.stuck({position: 6}, {position: 9}, 31) == []
    assert progress.stuck({position: 6}, {position: 9}, 60) == []
    assert progress.stuck({position: 6}, {position: 9}, 61) == [position]
    assert progress.stuck({position: 9}, {position: 9}, 62) == []
    assert progress.stuck({position: 9}, {position: 9}, 1_000) == []
    assert progress.stuck({position: 9}, {position: 10}, 1_001) == []
    assert progress.stuck({}, {}, 1_002) == []
    assert progress.stuck({position: 9}, {position: 10}, 9_999) == []


def test_what_compaction_took_is_not_waited_for() -> None:
    """Offsets that are missing in a compacted topic are passed over when the broker says that nothing is there; in others never."""

    async def story(topic: str, first: int) -> tuple[list[tuple[str, int]], int]:
        fake = Fake()
        kind = replace(TALLY, inputs=(*TALLY.inputs, Input(topics.FACTS, gating=False)))
        crew = Crew(kind, Tables(), Layout(lambda _: 4), ManualClock(), "run", lambda _topic, _partition, _offset: first)
        crew.app = crew.table = crew.producer = fake
        await crew.ready()
        await crew.take(event(fake, outgoing(symptom("a", 1, 5 * SECOND), PARTITION)._replace(topic=topic), 7))
        return fake.seeks, crew.taken.get((topic, PARTITION), 0)

    assert asyncio.run(story(topics.FACTS, 7)) == ([], 8)
    assert asyncio.run(story(topics.FACTS, 3)) == ([(topics.FACTS, 0)], 0)
    assert asyncio.run(story(S, 7)) == ([(S, 0)], 0)
