"""Two hundred hostile messages among the good ones, through a real broker: two hundred rejections, and nothing else changes."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from ingest.refusals import source_of
from tests.acceptance import night
from tests.hostile import COUNT, corpus
from tests.parts.fixtures import NewMosquitto
from tests.parts.smtp import SmtpSink
from tests.system.embedded import Embedded
from tests.system.figures import say
from tests.system.house import Plan
from tests.system.outcome import Row, read_readings
from tests.system.story import Message, Step
from vorab import topics
from vorab.clock import iso
from vorab.records import CaseKind, Channel, Customer, Device, Tick

STORY: Final = night.night()
PUMPS: Final = [f"pump-{i}" for i in range(1, 11)]
DRY: Final = PUMPS[:4]
"""They run dry for a while."""
BYTE_EQUAL: Final = sorted(set(topics.TOPICS) - {topics.READINGS, topics.REJECTED, topics.DELIVERIES})
"""Readings are compared by row; what became of a message depends on the hour it is looked at, so deliveries by notification."""


def pumps() -> list[Device | Customer]:
    """Machines in live time, on whose topics the hostile messages come, and their customer."""
    rows: list[Device | Customer] = [
        Device(id=f"main/{name}", device=name, model="pump", name=name, site="site-1", customer="works", at=STORY.began) for name in PUMPS
    ]
    customer = Customer(
        id="main/works", customer="works", channels=(Channel.MAIL,), quiet_from="00:00", quiet_until="00:00", at=STORY.began
    )
    return [*rows, customer]


def steps(hostile: Sequence[Message]) -> list[Step]:
    """The night with pumps, and these messages mixed in."""
    found = list(STORY.steps())
    chance = random.Random(1)
    for number, step in enumerate(found):
        extra = list(hostile[number * len(hostile) // len(found) : (number + 1) * len(hostile) // len(found)])
        for i, name in enumerate(PUMPS):
            dry = name in DRY and 10 + i <= number < 20 + i
            body = {"ts": step.at // 1000, "pressure": 0.4 if dry else 2.0, "boot": 1, "seq": number}
            extra.append(Message(f"vorab/v1/main/{name}/telemetry", json.dumps(body)))
        messages = [*step.messages, *extra]
        chance.shuffle(messages)
        found[number] = Step(step.at, step.answers, tuple(messages))
    return found


def compared(row: Row) -> bool:
    """Ticks, and the word that a case stands for itself, come by the clock of the live machines; the very end need not be told yet."""
    return row.type != Tick.TYPE and not row.type.startswith("io.vorab.incident.") and row.time < STORY.ends


def tell(folder: Path, broker: Any, sink: SmtpSink, hostile: Sequence[Message]) -> dict[str, Any]:
    """Tell it; what stands on each topic afterwards."""
    registry = [*night.registry(STORY), *pumps()]
    with Embedded(Plan(folder, broker, sink, registry, night.RULES, night.REMEDIES, iso(STORY.ends))) as house:
        player = house.player(steps(hostile))
        house.wait_for(lambda: player.ended, "the story being told")
        house.wait_for(lambda: len(house.read(topics.REJECTED)) >= len(hostile), "the rejections")

        def closed() -> bool:
            kinds = [row.body.get("kind") for row in house.read(topics.CASES) if row.body.get("device") in PUMPS]
            return kinds.count(CaseKind.CLOSED) == len(DRY)

        house.wait_for(closed, "the cases of the pumps being closed")
        house.settle(STORY.ends)
        found: dict[str, Any] = {
            topic: sorted((row.key, row.type, row.id, row.value) for row in house.read(topic) if compared(row)) for topic in BYTE_EQUAL
        }
        found[topics.READINGS] = read_readings(house.log())
        found[topics.DELIVERIES] = sorted(row.body["notification"] for row in house.deliveries())
        found[topics.REJECTED] = [row.body for row in house.read(topics.REJECTED)]
        night.check(house.outcome(), others=PUMPS)
    return found


def _differences(clean: Mapping[str, Any], mixed: Mapping[str, Any]) -> list[str]:
    """What one has and the other has not, as topic and body."""
    return [
        f"{topic}: {body}" for topic in clean for body in (*clean[topic], *mixed[topic]) if (body in clean[topic]) != (body in mixed[topic])
    ]


@pytest.mark.slow
def test_two_hundred_rejections_and_nothing_else(tmp_path: Path, new_mosquitto: NewMosquitto, smtp_sink: SmtpSink) -> None:
    """Half of them on topics of real devices: each is refused with its reason, and all other topics are as without them."""
    # Bytes in the clothes of latin-1: the plan of the player is JSON.
    hostile = [Message(one.topic, one.payload.decode("latin-1"), one.content_type) for one in corpus(PUMPS)]
    assert sum(any(f"/main/{name}/" in message.topic for name in PUMPS) for message in hostile) == COUNT // 2
    clean = tell(tmp_path, new_mosquitto(), smtp_sink, [])
    mixed = tell(tmp_path, new_mosquitto(), smtp_sink, hostile)

    rejected = mixed.pop(topics.REJECTED)
    assert clean.pop(topics.REJECTED) == []
    assert len(rejected) == len({body["id"] for body in rejected}) == COUNT
    found = Counter((body["source"], body["reason"]) for body in rejected)
    assert found == Counter((source_of(one.topic.encode()), one.reason.value) for one in corpus(PUMPS))
    assert _differences(clean, mixed) == []
    records = {topic.removeprefix("vorab."): len(rows) for topic, rows in mixed.items() if rows}
    say(f"{len(rejected)} rejections for {len(Counter(body['reason'] for body in rejected))} reasons; equal: {records}")
