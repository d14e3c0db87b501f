"""Kill -9 of every stage on Kafka, over and over, while machines go on talking: nothing is lost, nothing is decided or said twice."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Final

import pytest

from tests.chaos.stage import INSIDE, STORY, night_of, plan, undisturbed
from tests.parts.fixtures import NewKafka, NewMosquitto
from tests.parts.smtp import SmtpSink
from tests.system.distributed import WORKERS, Distributed
from tests.system.figures import say
from tests.system.outcome import differences
from vorab.records import DeliveryState

FIRST_LIVES: Final = {
    "ingest-0": "ingest.before_ack:4",
    "ingest-1": "ingest.before_ack:7",
    "streams-0": "faust.manifest:6",
    "streams-1": "faust.acks:6",
    "notifier-0": INSIDE[0],
    "notifier-1": INSIDE[1],
}
"""The instants at which each worker dies first."""
KILLS: Final = {"ingest": 4, "streams": 3, "notifier": 4}
"""At any moment of a worker at work, besides."""
PACE_S: Final = 0.8


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_every_stage_killed_at_random_and_inside_sends(
    tmp_path: Path, new_mosquitto: NewMosquitto, new_kafka: NewKafka, smtp_sink: SmtpSink
) -> None:
    """Equal outcomes, one final delivery and at most one mail each, unknown where a send was cut off."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    say(f"\nseed {seed}")
    calm = undisturbed(tmp_path, new_mosquitto(), smtp_sink)

    address = new_kafka().log_address
    with Distributed(plan(tmp_path, new_mosquitto(profile="durable"), smtp_sink), address, FIRST_LIVES) as house:
        player = house.player(list(STORY.steps()), pace_s=PACE_S, seed=seed)
        house.wait_for(lambda: set(house.hits) == set(FIRST_LIVES), "everybody dying at their instant")
        say(f"died at their crash points until step {player.step}: {house.hits}")
        for stage in moments(chance):
            name = f"{stage}-{chance.randrange(WORKERS)}"
            house.wait_until_ready(name)
            time.sleep(chance.uniform(0.0, 2.0))  # the moment is meant to be any
            house.kill(name)
            say(f"{name} killed at step {player.step}, {len(house.cut_off)} sends cut off so far")
        house.wait_for(lambda: player.ended, "the story being told")
        house.settle(STORY.ends)
        stormy = night_of(house)
        states = house.judge_deliveries([mail.message_id for mail in smtp_sink.accepted])
    kills = {stage: count + WORKERS for stage, count in KILLS.items()}
    say(f"kills {kills}, {len(house.cut_off)} sends cut off, readings lost {stormy.lost}, read twice {stormy.read_twice}")
    assert min(kills.values()) >= 5
    say(f"crashes on purpose besides: {house.crashes}")
    say(f"{stormy.outcome.counts}, {stormy.outcome.duplicates} of them twice, deliveries {dict(states)}")
    assert stormy.lost == 0
    assert differences(calm, stormy.outcome) == []
    assert states[DeliveryState.UNKNOWN] == len(house.cut_off) >= len(INSIDE)


def moments(chance: random.Random) -> list[str]:
    """Whom to kill, in which order."""
    kills = [stage for stage, count in KILLS.items() for _ in range(count)]
    chance.shuffle(kills)
    return kills
