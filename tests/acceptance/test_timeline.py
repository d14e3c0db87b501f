"""One night, told over MQTT: whoever runs it, however it is cut and in whatever order machines speak, the same comes of it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.acceptance import night
from tests.parts.fixtures import NewKafka
from tests.parts.mosquitto import Mosquitto
from tests.parts.smtp import SmtpSink
from tests.system.distributed import Distributed
from tests.system.embedded import Embedded
from tests.system.figures import say
from tests.system.house import House, Plan
from tests.system.outcome import Outcome, differences
from vorab import topics
from vorab.clock import iso

STORY = night.night()


KAFKA_SEEDS = 2
"""How often it is told to Kafka."""


def plan(folder: Path, mosquitto: Mosquitto, sink: SmtpSink, **settings: Mapping[str, object]) -> Plan:
    """The house of this night."""
    return Plan(folder, mosquitto, sink, night.registry(STORY), night.RULES, night.REMEDIES, iso(STORY.ends), settings)


def tell(house: House, *, seed: int | None) -> Outcome:
    """Tell the night and see what came of it."""
    player = house.player(list(STORY.steps()), seed=seed)
    house.wait_for(lambda: player.ended, "the story being told")
    house.settle(STORY.ends)
    return house.outcome(before=STORY.ends)


@pytest.mark.slow
def test_embedded_any_order_and_any_cut_make_the_same(tmp_path: Path, mosquitto: Mosquitto, smtp_sink: SmtpSink) -> None:
    """As it stands in big frames, and shuffled in single rows: identical symptoms, case events and notifications."""
    with Embedded(plan(tmp_path, mosquitto, smtp_sink)) as house:
        first = tell(house, seed=None)
    night.check(first)
    say(f"\nas it stands: {first.counts}")
    for seed, rows in ((1, 1), (2, 3)):
        with Embedded(plan(tmp_path, mosquitto, smtp_sink, ingest={"frame_rows": rows, "linger_ms": seed - 1})) as house:
            other = tell(house, seed=seed)
        assert differences(first, other) == []
        say(f"seed {seed}, {rows} rows in a frame: {other.counts}")


CUT_SHOWS = """
from streams.detect.processor import Detect
step = Detect.step
def told(self, topic, offset, record, now):
    # Known-bad: a symptom says how many readings came in its frame.
    for out in step(self, topic, offset, record, now):
        yield out._replace(record=out.record.model_copy(update={"explanation": f"{record.n} readings at once"}))
Detect.step = told
"""
ARRIVAL_SHOWS = """
import time
from streams.cases.facts import Teller
tell = Teller.tell
def told(self, case, kind, why, detail=""):
    # Known-bad: a case event says when it was received.
    tell(self, case, kind, why, f"{detail} received_at {time.time()}")
Teller.tell = told
"""


@pytest.mark.slow
@pytest.mark.parametrize(("program", "topic"), [(CUT_SHOWS, topics.SYMPTOMS), (ARRIVAL_SHOWS, topics.CASES)], ids=["cut", "arrival"])
def test_what_depends_on_cuts_or_arrival_is_caught(
    tmp_path: Path, mosquitto: Mosquitto, smtp_sink: SmtpSink, program: str, topic: str
) -> None:
    """Known-bad variants of the system: the same comparison shows every body that is not the same."""
    found = []
    for rows in (1000, 1):
        with Embedded(plan(tmp_path, mosquitto, smtp_sink, ingest={"frame_rows": rows}), program=program) as house:
            found.append(tell(house, seed=None))
    wrong = differences(found[0], found[1])
    assert any(line.startswith(f"different: {topic}") for line in wrong)
    say(f"{len(wrong)} differences, the first: {wrong[0]}")


@pytest.mark.slow
def test_kafka_and_faust_make_the_same_as_the_embedded_system(
    tmp_path: Path, mosquitto: Mosquitto, smtp_sink: SmtpSink, new_kafka: NewKafka
) -> None:
    """Two workers per stage, twelve partitions, shuffled and cut at random: identical ids and bodies."""
    with Embedded(plan(tmp_path, mosquitto, smtp_sink)) as house:
        embedded = tell(house, seed=None)
    night.check(embedded)
    for _ in range(KAFKA_SEEDS):
        seed = random.randrange(1 << 32)
        cut = {"frame_rows": random.Random(seed).randint(1, 20), "linger_ms": random.Random(seed).uniform(0, 20)}
        smtp_sink.clear()
        with Distributed(plan(tmp_path, mosquitto, smtp_sink, ingest=cut), new_kafka().log_address) as kafka:
            other = tell(kafka, seed=seed)
            states = kafka.judge_deliveries([mail.message_id for mail in smtp_sink.accepted])
        say(f"seed {seed}, {cut}: {other.counts}, {other.duplicates} raw duplicates, deliveries {dict(states)}")
        assert kafka.crashes == []
        assert differences(embedded, other) == []
