"""Devices behind a sender: each worker writes its own, together they write all, and a refusal is told once."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from ingest.intake import Intake
from ingest.packets import Arrivals
from ingest.plan import Plan
from ingest.topicmap import TopicMap
from vorab import topics
from vorab.clock import SECOND
from vorab.frame import Reading, decode, unpack
from vorab.settings import TopicMapEntry

NOW = 1_795_000_000 * SECOND
PARTITIONS = 6
ENTRY = TopicMapEntry.model_validate(
    {
        "filter": "gateways/{device}/up",
        "map": {"device": "nodes.*~", "signals": {"t": {"path": "nodes.*.t", "type": "number"}, "load": {"path": "load"}}},
    }
)


def written(share: tuple[int, int], messages: list[tuple[str, bytes]]) -> tuple[list[tuple[int, Reading]], int]:
    """The rows a worker writes, with their partitions, and how many refusals."""
    plan = Plan(partitions=PARTITIONS, rejected_partitions=PARTITIONS, share=share)
    passes = Intake(plan, TopicMap([ENTRY], PARTITIONS, 0)).take(
        Arrivals([topic.encode() for topic, _ in messages], [payload for _, payload in messages], [b"\0\1"] * len(messages)), NOW
    )
    records = [record for taken in passes for record in taken.records]
    rows = [(r.partition, row) for r in records if r.topic == topics.READINGS for row in unpack(decode(r.value or b""))]
    return rows, sum(record.topic == topics.REJECTED for record in records)


PAYLOADS = st.fixed_dictionaries(
    {
        "nodes": st.dictionaries(
            st.sampled_from(["n1", "n2", "n 3", "n4"]), st.fixed_dictionaries({"t": st.integers(0, 9) | st.just("warm")})
        )
    },
    optional={"load": st.integers(0, 9)},
)


@given(st.lists(st.tuples(st.sampled_from(["g1", "g2", "g3"]), PAYLOADS), min_size=1, max_size=6))
def test_two_workers_write_what_one_would(messages: list[tuple[str, object]]) -> None:
    """Every row once and in its partition, each device in order; a message is refused by all of them or by none."""
    sent = [(f"gateways/{device}/up", json.dumps(payload).encode()) for device, payload in messages]
    alone, refusals = written((0, 1), sent)
    halves = [written((i, 2), sent) for i in range(2)]
    assert all(partition % 2 == i for i, (rows, _) in enumerate(halves) for partition, _ in rows)
    assert all(partition == topics.partition_of(row.device, PARTITIONS) for partition, row in alone)
    together = [pair for rows, _ in halves for pair in rows]
    for device in {row.device for _, row in alone}:
        assert [row for _, row in alone if row.device == device] == [row for _, row in together if row.device == device]
    assert len(together) == len(alone)
    assert sum(refused for _, refused in halves) == refusals
