"""From a read to records: partitions, shares, cuts, time, refusals."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.intake import Intake
from ingest.packets import Arrivals, Extra, Properties
from ingest.plan import Plan
from ingest.roster import Roster
from ingest.taken import Taken
from ingest.topicmap import TopicMap
from vorab import topics
from vorab.clock import DAY, MINUTE, SECOND, Micros, iso
from vorab.errors import Reason
from vorab.frame import Frame, Quality, Reading, decode, unpack

NOW = 1_795_000_000 * SECOND


def intake(partitions: int = 4, recorded: int = 0, share: tuple[int, int] = (0, 1), frame_rows: int = 1000) -> Intake:
    """A fresh one."""
    plan = Plan(partitions=partitions, recorded_partitions=recorded, rejected_partitions=partitions, share=share, frame_rows=frame_rows)
    return Intake(plan, TopicMap([], partitions, recorded))


def arrivals(*messages: tuple[str | bytes, bytes], qos: int = 1) -> Arrivals:
    """These messages in one read."""
    made = Arrivals()
    for i, (topic, payload) in enumerate(messages):
        made.topics.append(topic if isinstance(topic, bytes) else topic.encode())
        made.payloads.append(payload)
        made.mids.append((i + 1).to_bytes(2, "big") if qos else b"")
    return made


def frames(passes: list[Taken]) -> list[tuple[int, Frame]]:
    """Partition and frame of everything written to readings."""
    return [(r.partition, decode(r.value or b"")) for taken in passes for r in taken.records if r.topic == topics.READINGS]


def rows(passes: list[Taken]) -> list[Reading]:
    """All rows, frame by frame."""
    return [row for _, frame in frames(passes) for row in unpack(frame)]


def bodies(passes: list[Taken], topic: str) -> list[dict[str, Any]]:
    """The JSON records of a topic, without ticks."""
    found = [json.loads(r.value or b"") for taken in passes for r in taken.records if r.topic == topic]
    return [body for body in found if not str(body["id"]).startswith("tick/")]


# ------------------------------------------------------------------------------------------------ frames


def test_one_read_becomes_one_frame_per_partition() -> None:
    """Messages of many devices share the frame of their partition, each device in its own, in the order of arrival."""
    sent = [(f"telemetry/pump-{i % 20}", b'{"n": %d}' % i) for i in range(100)]
    found = frames(intake().take(arrivals(*sent), NOW))
    assert len({partition for partition, _ in found}) == len(found) <= 4
    for partition, frame in found:
        read = unpack(frame)
        assert [row.values["n"] for row in read] == sorted(row.values["n"] for row in read)
        assert {topics.partition_of(row.device, 4) for row in read} == {partition}
    assert sum(frame.n for _, frame in found) == 100


messages = st.tuples(
    st.sampled_from(["telemetry/a", "telemetry/b", "vorab/v1/t/c/telemetry", "recorded/r/telemetry"]),
    st.sampled_from(
        [
            b'{"x": 1}',
            b'{"x": 1.5}',
            b'{"x": 1.5, "y": true}',
            b'[{"x": 1}, {"y": 2.5}]',
            b'{"ts": 1795000000000, "x": 2}',
            b'{"ts": 1300000000000, "x": 3}',
            b'[{"n": "x", "u": "Cel", "v": 4}]',
            b'{"s": "12:30"}',
            b"bad",
        ]
    ),
)


@given(st.lists(messages, max_size=30), st.lists(st.integers(0, 30), max_size=5), st.integers(1, 10))
def test_rows_do_not_depend_on_how_reads_and_frames_are_cut(sent: list[tuple[str, bytes]], cuts: list[int], frame_rows: int) -> None:
    """Fuzzed: whatever the reads and the size of frames, each partition gets the same rows in the same order."""

    def by_partition(passes: list[Taken]) -> dict[int, list[Reading]]:
        found: dict[int, list[Reading]] = {}
        for partition, frame in frames(passes):
            found.setdefault(partition, []).extend(unpack(frame))
        return found

    whole = by_partition(intake(6, 2).take(arrivals(*sent), NOW))
    one = intake(6, 2, frame_rows=frame_rows)
    edges = [0, *sorted(cut % (len(sent) + 1) for cut in cuts), len(sent)]
    passes = [taken for low, high in itertools.pairwise(edges) for taken in one.take(arrivals(*sent[low:high]), NOW)]
    assert by_partition(passes) == whole


def test_many_rows_out_of_few_messages_are_spread_over_frames() -> None:
    """Kafka takes a megabyte per record: a read that would become more is cut, and nothing is lost or written twice."""
    payload = json.dumps([{f"s{i}": i} for i in range(1000)]).encode()
    passes = intake(1).take(arrivals(*[("telemetry/a", payload)] * 8), NOW)
    written = [record.value or b"" for taken in passes for record in taken.records]
    assert len(written) > 1
    assert max(map(len, written)) < 1_000_000
    assert len(rows(passes)) == 8_000
    assert sum(taken.counts["telemetry"] for taken in passes) == 8


def test_the_now_of_a_partition_never_goes_back() -> None:
    """Also when the clock does, and in recorded partitions also when the data do."""
    one = intake(6, 2)
    seen: dict[int, list[Micros]] = {}
    for at, ts in [(NOW, 2_000), (NOW - MINUTE, 1_000), (NOW + SECOND, 3_000)]:
        for partition, frame in frames(
            one.take(arrivals(("telemetry/a", b'{"x":1}'), ("recorded/r/telemetry", b'{"ts":%d,"x":1}' % ts)), at)
        ):
            seen.setdefault(partition, []).append(frame.now)
    assert sorted(seen.values()) == [[2_000_000, 2_000_000, 3_000_000], [NOW, NOW, NOW + SECOND]]


# ------------------------------------------------------------------------------------------------ time


@pytest.mark.parametrize(
    ("off", "believed"),
    [
        (0, True),
        (-7 * DAY, True),
        (-7 * DAY - 1000, False),
        (5 * MINUTE, True),
        (5 * MINUTE + 1000, False),
        (-(10**18), False),
        (10**20, False),
    ],
)
def test_a_devices_time_is_believed_within_bounds(off: Micros, believed: bool) -> None:
    """A week of catching up and five minutes of drift; beyond, the arrival counts and the row says so."""
    for payload in (b'{"ts": %d, "x": 1}', b'[{"ts": %d, "x": 1}]'):  # the quick way and the decoders
        [row] = rows(intake().take(arrivals(("telemetry/a", payload % ((NOW + off) // 1000))), NOW))
        expected = (NOW + off, Quality.MEASURED) if believed else (NOW, Quality.CLAMPED)
        assert (row.measured_at, row.quality, row.received_at) == (*expected, NOW)


def test_recorded_time_is_taken_as_it_is() -> None:
    """A recording from 2014 keeps its time, arrives in it, and moves the time of replies along."""
    [taken] = intake(6, 2).take(arrivals(("recorded/r/telemetry", b'{"ts": 1391780000000, "x": 1}')), NOW)
    [(partition, frame)] = frames([taken])
    at = 1_391_780_000 * SECOND
    assert partition >= 4
    assert frame.now == at
    assert unpack(frame) == [Reading("recorded/r", at, at, Quality.RECORDED, {"x": 1})]
    tick = taken.records[-1]
    assert (tick.topic, tick.partition, dict(tick.headers)["ce_time"]) == (topics.REPLIES, partition, iso(at).encode())


@pytest.mark.parametrize(
    "payload", [b'{"x": 1}', b'{"ts": -1, "x": 1}', b'{"ts": 5000000000000, "x": 1}', b'[{"n": "x", "v": 1, "t": -5}]']
)
def test_recorded_data_without_a_time_of_its_own_is_refused(payload: bytes) -> None:
    """There is no clock that could stand in."""
    [taken] = intake(6, 2).take(arrivals(("recorded/r/telemetry", payload)), NOW)
    assert taken.reasons == {Reason.BAD_TIME: 1}


# ------------------------------------------------------------------------------------------------ shares


def test_workers_share_devices_and_refusals_without_gap_or_overlap() -> None:
    """Every message is taken by exactly one of three workers, also those that nobody can be the device of."""
    sent = [(f"telemetry/pump-{i}", b'{"x": 1}' if i % 3 else b"bad") for i in range(60)]
    sent += [(f"telemetry/b d{i}", b'{"x": 1}') for i in range(20)]
    sent += [(f"vorab/v1/main/pump-{i}/status", b"online") for i in range(20)]
    alone = intake(12).take(arrivals(*sent), NOW)
    workers = [intake(12, share=(i, 3)).take(arrivals(*sent), NOW) for i in range(3)]
    together = [taken for passes in workers for taken in passes]
    assert sorted(map(repr, rows(together))) == sorted(map(repr, rows(alone)))
    for topic in (topics.REJECTED, topics.PRESENCE):
        assert sorted(body["id"] for body in bodies(together, topic)) == sorted(body["id"] for body in bodies(alone, topic))
    assert all(frame_partition % 3 == i for i, passes in enumerate(workers) for frame_partition, _ in frames(passes))
    assert sum(taken.counts["skipped"] for taken in together) == 2 * len(sent)


# ------------------------------------------------------------------------------------------------ retained, properties


def test_stored_telemetry_is_no_news() -> None:
    """A retained reading or answer would come again with every subscriber: counted, not taken. A stored status is state."""
    made = arrivals(("telemetry/a", b'{"x": 1}'), ("vorab/v1/main/a/cmd/x/res", b"{}"), ("vorab/v1/main/a/status", b"online"))
    made.extra.update(dict.fromkeys(range(3), Extra(retain=True)))
    [taken] = intake().take(made, NOW)
    assert taken.counts["retained"] == 2
    assert [body["evidence"] for body in bodies([taken], topics.PRESENCE)] == ["retained"]
    assert not rows([taken])


def test_the_content_type_of_a_message_selects_the_decoder() -> None:
    """The same topic takes flat JSON and SenML, as MQTT 5 says which."""
    made = arrivals(("telemetry/a", b'[{"n": "x", "u": "Cel", "v": 1.5, "foo": 1}]'), ("telemetry/a", b'{"x": 2.5}'))
    made.extra[0] = Extra(properties=Properties("application/senml+json"))
    made.extra[1] = Extra(properties=Properties("application/json"))
    assert [(row.values, dict(row.units)) for row in rows(intake().take(made, NOW))] == [({"x": 1.5}, {"x": "Cel"}), ({"x": 2.5}, {})]


# ------------------------------------------------------------------------------------------------ refusals


def test_a_refusal_keeps_the_bytes_and_tells_the_device_once_a_second() -> None:
    """The record has reason, size and the first kilobyte; the device's error topic gets a word, not a flood."""
    one = intake()
    [taken] = one.take(arrivals(("telemetry/a", b"x" * 3000), ("telemetry/a", b"bad"), ("telemetry/b", b"bad")), NOW)
    first = bodies([taken], topics.REJECTED)[0]
    assert (first["reason"], first["size_bytes"], first["device"], first["source"]) == ("bad_json", 3000, "main/a", "telemetry/a")
    assert len(first["payload_base64"]) == 1368
    assert [note.topic for note in taken.notes] == ["vorab/v1/main/a/errors", "vorab/v1/main/b/errors"]
    assert json.loads(taken.notes[0].payload)["reason"] == "bad_json"
    [later] = one.take(arrivals(("telemetry/a", b"bad")), NOW + SECOND)
    assert len(later.notes) == 1


def test_a_message_delivered_again_is_the_same_rejection() -> None:
    """After a reconnect the broker repeats it with its packet id: same id on the log. Two equal messages are two."""
    one = intake()
    again = [bodies(one.take(arrivals(("telemetry/a", b"bad")), NOW + i), topics.REJECTED)[0]["id"] for i in range(2)]
    assert again[0] == again[1]
    twice = bodies(one.take(arrivals(("telemetry/a", b"bad"), ("telemetry/a", b"bad")), NOW), topics.REJECTED)
    assert twice[0]["id"] != twice[1]["id"]


def test_an_endless_topic_fits_into_a_record() -> None:
    """60 kB of topic are cut in the record and stay distinguishable."""
    made = arrivals(("telemetry/" + "x" * 60_000, b"1"), ("telemetry/" + "x" * 60_000 + "y", b"1"), (b"telemetry/\xff\xfe", b"1"))
    found = bodies(intake().take(made, NOW), topics.REJECTED)
    assert len({body["source"] for body in found}) == 3
    assert all(len(body["source"]) < 256 for body in found)
    assert [body["reason"] for body in found] == ["bad_name", "bad_name", "bad_utf8"]


def test_a_flood_of_made_up_devices_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the roster forgets and learns again; rows keep going to the right devices."""
    monkeypatch.setattr("ingest.roster.MOST", 50)
    one = intake()
    for turn in range(10):
        sent = [(f"telemetry/made-up-{turn}-{i}", b'{"x": %d}' % i) for i in range(30)]
        found = rows(one.take(arrivals(*sent), NOW))
        assert {row.device: row.values["x"] for row in found} == {f"main/made-up-{turn}-{i}": i for i in range(30)}
    roster: Roster = one._roster
    assert len(roster.keys) <= 90


def test_the_update_time_of_a_pack_becomes_a_fact_once() -> None:
    """A device that promises to be heard within a minute is on record with it; said again, it is no news."""
    some = intake()
    pack = b'[{"n":"a","v":1.5,"ut":60},{"n":"b","v":2,"ut":300}]'
    first, again = (some.take(arrivals(("telemetry/pump-7", pack)), NOW + i) for i in range(2))
    assert [(body["device"], body["heartbeat_s"]) for body in bodies(first, topics.FACTS)] == [("pump-7", 60.0)]
    assert bodies(again, topics.FACTS) == []
    assert [len(rows(some)) for some in (first, again)] == [1, 1]


def test_a_content_type_may_take_the_quick_way_if_it_says_what_the_look_says() -> None:
    """SenML in JSON and in CBOR, with and without a content type, flat JSON that calls itself SenML, and the other way round."""
    pack = b'[{"bn":"urn:dev:ow:01:","n":"a","u":"\xc2\xb0C","v":%d.5}]'
    read = arrivals(*[(f"telemetry/{i % 4}", pack % i) for i in range(40)], *[("telemetry/x", b'{"a":1.5}')], *[("telemetry/y", pack % 1)])
    read.extra.update({i: Extra(properties=Properties("application/senml+json")) for i in (*range(0, 40, 2), 40)})
    read.extra[41] = Extra(properties=Properties("application/cbor"))
    found = intake().take(read, NOW)
    assert sorted(row.values["a"] for row in rows(found)) == [i + 0.5 for i in range(40)]
    assert {tuple(row.units.items()) for row in rows(found)} == {(("a", "Cel"),)}
    assert found[0].reasons == {Reason.BAD_SHAPE: 1, Reason.BAD_CBOR: 1}
