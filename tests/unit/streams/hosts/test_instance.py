"""An instance: reading records, refusing them, firing timers, passing time on, and its state."""

from __future__ import annotations

import base64

import pytest

from streams.hosts.instance import HOST_BLOCK, Instance, Layout, read_record
from streams.hosts.registry import Tables
from tests.contract.sample import POISON, TALLY, command, outgoing, reading, reply, symptom, tick
from vorab import topics
from vorab.clock import SECOND, Micros
from vorab.errors import ConfigError, Reason, Rejected
from vorab.frame import Frame, encode, pack
from vorab.log import Outgoing
from vorab.processor import Kind
from vorab.records import CaseEvent, Rejection, Tick, from_wire

LAYOUT = Layout(lambda _: 4)


def instance(blocks: dict[str, bytes] | None = None, kind: Kind = TALLY, layout: Layout = LAYOUT) -> Instance:
    """The sample processor on partition 1."""
    return Instance(kind, 1, Tables(), layout, blocks or {})


def feed(one: Instance, *records: Outgoing, start: int = 0) -> list[Outgoing]:
    """Take records (offsets counted per topic from `start`), work, and return what came of it."""
    offsets: dict[str, int] = {}
    for record in records:
        offset = offsets.get(record.topic, start)
        offsets[record.topic] = offset + 1
        one.take(record.topic, offset, record.value, record.headers)
    return one.work().outputs


def said(outputs: list[Outgoing]) -> list[tuple[str, int]]:
    """Outputs as (kind, time in seconds)."""
    found = []
    for output in outputs:
        record = from_wire(output.value, output.headers)
        found.append((record.kind.value if isinstance(record, CaseEvent) else type(record).__name__.lower(), record.time // SECOND))
    return found


def both(at: Micros) -> tuple[Outgoing, Outgoing]:
    """Ticks on both gating inputs."""
    return tick(topics.SYMPTOMS, 1, at), tick(topics.REPLIES, 1, at)


def test_timers_carry_their_deadline_and_ticks_stand_where_time_crossed() -> None:
    """A timer says its deadline whatever fired it, and stands before later records; ticks with nothing between them are one."""
    found = feed(
        instance(),
        outgoing(symptom("a", 1, 10 * SECOND), 1),
        outgoing(symptom("a", 2, 100 * SECOND), 1),
        *both(130 * SECOND),
    )
    assert said(found) == [
        ("tick", 10), ("noted", 10), ("resolved", 15), ("tick", 100), ("noted", 100), ("resolved", 105), ("tick", 130),
    ]  # fmt: skip


def test_where_ticks_stand_does_not_depend_on_batches() -> None:
    """Fed at once or one by one: leaving out ticks with nothing after them, the same outputs in the same order."""

    def without_idle_ticks(found: list[Outgoing]) -> list[Outgoing]:
        return [each for i, each in enumerate(found) if each.key is not None or (found[i + 1 :] and found[i + 1].key is not None)]

    records = [outgoing(symptom("a", i, i * 700_000), 1) for i in range(20)] + [outgoing(reply("a", 1, 50 * SECOND), 1)]
    ticks = [tick(topics.REPLIES, 1, i * SECOND) for i in range(40)]
    at_once = feed(instance(), *records, *ticks, *both(90 * SECOND))
    one = instance()
    one_by_one = []
    offsets: dict[str, int] = {}
    for record in [*ticks, *records, *both(90 * SECOND)]:
        one.take(record.topic, offsets.setdefault(record.topic, 0), record.value, record.headers)
        offsets[record.topic] += 1
        one_by_one += one.work().outputs
    assert without_idle_ticks(at_once) == without_idle_ticks(one_by_one)
    marks = [from_wire(each.value, each.headers).time for each in one_by_one if each.key is None]
    assert marks == sorted(set(marks))


def test_a_refused_record_is_kept_with_its_origin_and_the_rest_goes_on() -> None:
    """What the processor refuses, and what cannot be read, becomes a rejection in its place."""
    bad = outgoing(symptom("a", 1, 10 * SECOND), 1)
    found = feed(
        instance(),
        outgoing(symptom("a", 1, 10 * SECOND).model_copy(update={"id": POISON}), 1),
        bad._replace(value=b"{" * 5_000),
        bad._replace(headers=()),
        bad,
        *both(10 * SECOND),
    )
    records = [from_wire(each.value, each.headers) for each in found]
    rejections = [each for each in records if isinstance(each, Rejection)]
    assert [each.reason for each in rejections] == [Reason.BAD_VALUE, Reason.BAD_RECORD, Reason.BAD_RECORD]
    assert [(each.origin_topic, each.origin_partition, each.origin_offset) for each in rejections] == [
        (topics.SYMPTOMS, 1, i) for i in range(3)
    ]
    assert rejections[1].size_bytes == 5_000
    assert base64.b64decode(rejections[1].payload_base64) == b"{" * 1_024
    assert len({each.id for each in rejections}) == 3
    assert [each.id for each in records if isinstance(each, CaseEvent)] != []
    assert all(0 <= each.partition < 4 for each in found)


def test_state_goes_on_where_it_was() -> None:
    """A restored instance continues the numbers, the timers, the offsets and merged time, and tells no tick twice."""
    first = instance()
    feed(first, outgoing(symptom("a", 1, 10 * SECOND), 1), *both(12 * SECOND))
    second = instance(first.blocks())
    assert (second.offsets, second.now) == ({topics.SYMPTOMS: 2, topics.REPLIES: 1}, 12 * SECOND)
    found = feed(second, outgoing(symptom("a", 2, 12 * SECOND), 1), *both(20 * SECOND), start=5)
    assert said(found) == [("noted", 12), ("resolved", 15), ("resolved", 17), ("tick", 20)]
    assert from_wire(found[0].value, found[0].headers).model_dump()["seq"] == 2


def test_the_state_of_a_newer_processor_is_refused() -> None:
    """A downgrade says what to do instead of misreading the state."""
    newer = Kind(TALLY.name, TALLY.inputs, TALLY.outputs, TALLY.ticks, 2, TALLY.build)
    with pytest.raises(ConfigError, match="newer vorab"):
        instance({HOST_BLOCK: instance(kind=newer).blocks()[HOST_BLOCK]})


def test_an_answer_that_came_early_says_so() -> None:
    """Hosts save at once what a replay might order otherwise."""
    one = instance()
    feed(one, *both(10 * SECOND))
    record = outgoing(command("a", 1, 11 * SECOND), 1)
    one.take(topics.COMMANDS, 0, record.value, record.headers)
    worked = one.work()
    assert worked.by_arrival
    assert said(worked.outputs) == [("noted", 11)]


def test_frames_are_decoded_once_and_empty_ones_are_ticks() -> None:
    """A frame's time is its `now`; without rows it only moves time on; broken bytes are refused in their place."""
    rows = pack([reading("a", 7, 1.0)], 9)
    time, taken = read_record(topics.READINGS, encode(rows), ())
    assert time == 9
    assert taken is not None
    assert isinstance(taken.record, Frame)
    assert read_record(topics.READINGS, encode(Frame(11)), ()) == (11, None)
    time, taken = read_record(topics.READINGS, b"nonsense", ())
    assert time is None
    assert taken is not None
    assert isinstance(taken.record, Rejected)


def test_renamed_topics_and_partitions_of_recorded_time() -> None:
    """Outputs go to the names on the log, and keys of recorded devices to the partitions at the end."""
    layout = Layout(lambda name: {"my-cases": 6}[name], recorded_partitions=2, renames={topics.CASES: "my-cases"})
    found = feed(
        instance(layout=layout),
        outgoing(symptom("a", 1, 10 * SECOND).model_copy(update={"tenant": "recorded"}), 1),
        outgoing(symptom("b", 1, 10 * SECOND), 1),
        *both(11 * SECOND),
    )
    assert {each.topic for each in found} == {"my-cases"}
    assert layout.partition_of(topics.CASES, "recorded/a") >= 4 > layout.partition_of(topics.CASES, "main/b")
    assert [from_wire(each.value, each.headers) for each in found if each.key is None] == [
        Tick(id="tally/1/10000000", at=10 * SECOND),
        Tick(id="tally/1/11000000", at=11 * SECOND),
    ]
