"""The corpus of hostile payloads against everything of ingest that decides."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from ingest.intake import Intake
from ingest.packets import Arrivals, Extra, Properties
from ingest.plan import Plan
from ingest.topicmap import TopicMap
from tests.hostile import COUNT, Hostile, corpus
from vorab import topics
from vorab.clock import SECOND
from vorab.errors import Reason
from vorab.frame import decode, unpack

NOW = 1_795_000_000 * SECOND
DEVICES = [f"pump-{i}" for i in range(10)]
CORPUS = corpus(DEVICES)


def intake() -> Intake:
    """A fresh one with recorded partitions."""
    return Intake(Plan(partitions=6, recorded_partitions=2, rejected_partitions=6), TopicMap([], 6, 2))


def arrivals(messages: list[tuple[str, bytes]]) -> Arrivals:
    """These messages in one read, at QoS 1."""
    made = Arrivals()
    for i, (topic, payload) in enumerate(messages):
        made.topics.append(topic.encode())
        made.payloads.append(payload)
        made.mids.append((i + 1).to_bytes(2, "big"))
    return made


def test_the_corpus_is_what_it_says() -> None:
    """Two hundred messages, half of them on topics of real devices, all different, and a broad choice of reasons."""
    own = [one for one in CORPUS if any(f"/main/{device}/" in one.topic for device in DEVICES)]
    assert (len(CORPUS), len(own)) == (COUNT, COUNT // 2)
    assert len({(one.topic, one.payload) for one in CORPUS}) == COUNT
    assert len({one.reason for one in CORPUS}) >= 12
    assert max(len(one.payload) for one in CORPUS) <= 65_536


@pytest.mark.parametrize("one", CORPUS, ids=[f"{i}-{one.reason}" for i, one in enumerate(CORPUS)])
def test_each_is_refused_with_its_reason(one: Hostile) -> None:
    """Each hostile message becomes exactly one rejection with the reason that fits, and nothing else."""
    [taken] = intake().take(arrivals([(one.topic, one.payload)]), NOW)

    [record] = taken.records
    body = json.loads(record.value or b"")
    assert (record.topic, body["reason"]) == (topics.REJECTED, one.reason), body.get("detail")
    assert body["size_bytes"] == len(one.payload)


def test_good_messages_between_them_are_untouched() -> None:
    """All hostile messages in one read among good ones: two hundred rejections, and the good rows as if alone."""
    good = [(f"vorab/v1/main/{DEVICES[i % 10]}/telemetry", b'{"temperature": %d.5, "seq": %d}' % (20 + i % 50, i)) for i in range(COUNT)]
    mixed = [message for pair in zip(good, [(one.topic, one.payload) for one in CORPUS], strict=True) for message in pair]

    def rows(messages: list[tuple[str, bytes]]) -> tuple[list[tuple[object, ...]], Counter[str]]:
        found: list[tuple[object, ...]] = []
        kinds: Counter[str] = Counter()
        for taken in intake().take(arrivals(messages), NOW):
            for record in taken.records:
                kinds[record.topic] += 1
                if record.topic == topics.READINGS:
                    found += unpack(decode(record.value or b""))
        return sorted(found, key=repr), kinds

    alone, _ = rows(good)
    among, kinds = rows(mixed)
    assert len(alone) == COUNT
    assert among == alone
    assert kinds[topics.REJECTED] == COUNT


def test_content_types_nobody_reads_are_refused() -> None:
    """A content type that names another format is refused, not guessed at."""
    wrong = {"application/msgpack": Reason.UNSUPPORTED, "application/cbor": Reason.BAD_CBOR, "application/senml+json": Reason.BAD_SHAPE}
    for named, reason in wrong.items():
        made = arrivals([("telemetry/pump-1", b'{"temperature": 21.5}')])
        made.extra[0] = Extra(properties=Properties(named))
        [taken] = intake().take(made, NOW)
        assert taken.reasons == {reason: 1}
