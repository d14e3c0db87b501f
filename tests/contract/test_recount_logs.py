"""Decisions are decided anew from whatever log holds them."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from streams.cases import processor as cases
from streams.cases.remedies import load_policy
from streams.recount.check import Checked, Recounter, choose
from streams.recount.compare import State
from tests import decided
from tests.parts.kafka import Kafka
from vorab.clock import HOUR
from vorab.log import EventLog
from vorab.log.kafka import KafkaLog
from vorab.log.sqlite import SqliteLog
from vorab.records import Action, Record


def checked(log: EventLog, prefix: str = "") -> Checked:
    """All that can be."""
    recounter = Recounter(log, cases.kind(load_policy(), decided.CARE), decided.layout(log, prefix))
    return choose([each for _, _, some in recounter.all() for each in some], 100_000, 0)


@pytest.mark.kafka
def test_kafka_leads_to_the_same(kafka: Kafka, tmp_path: Path) -> None:
    """A log that was copied to Kafka agrees as it did before; with an action taken out it does not."""
    good, bad = (f"recount-{uuid.uuid4().hex[:8]}." for _ in range(2))

    def without_actions(record: Record) -> Record | None:
        return None if isinstance(record, Action) else record

    with SqliteLog(tmp_path / "log.db", fsync=False) as log, KafkaLog(kafka.bootstrap) as other:
        decided.play(log, load_policy(), devices=20, length=3 * HOUR, seed=3)
        decided.copy(log, other, prefix=good)
        decided.copy(log, other, prefix=bad, edit=without_actions)
        here, there = checked(log), checked(other, good)
        assert (there.states, there.kinds) == (here.states, here.kinds)
        assert there.states[State.AGREES] == there.ids > 20
        assert checked(other, bad).states[State.DIFFERS] > 0
