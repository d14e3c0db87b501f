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
from tests.system.house import sends_under_way
from tests.system.outcome import differences
from vorab.records import DeliveryState
from vorab.testing import CRASH_EXIT

KILLS: Final = {"ingest": 5, "streams": 5, "notifier": 5}
"""At any moment of a worker at work."""
PACE_S: Final = 0.8


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_every_stage_killed_at_random_and_inside_sends(
    tmp_path: Path, new_mosquitto: NewMosquitto, new_kafka: NewKafka, smtp_sink: SmtpSink
) -> None:
    """Equal outcomes, one final delivery and at most one mail each, unknown where a send was cut off."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    say(f"\nseed {seed}")
    calm = undisturbed(tmp_path, new_mosquitto(), smtp_sink)

    with Distributed(plan(tmp_path, new_mosquitto(profile="durable"), smtp_sink), new_kafka().log_address) as house:
        player = house.player(list(STORY.steps()), pace_s=PACE_S, seed=seed)
        # Each worker of the notifier dies inside a send first, because only what is left to say can be cut off.
        inside: set[str] = set()
        for i, point in enumerate(INSIDE):
            house.kill(f"notifier-{i}")
            house.launch(f"notifier-{i}", {"VORAB_CRASH": point})
        for i, point in enumerate(INSIDE):
            house.wait_for_end(f"notifier-{i}", CRASH_EXIT)
            inside |= sends_under_way(house)
            say(f"notifier-{i} killed {point} at step {player.step}, {len(inside)} sends cut off so far")
            house.launch(f"notifier-{i}")
        for stage in moments(chance):
            name = f"{stage}-{chance.randrange(WORKERS)}"
            house.wait_until_ready(name)
            time.sleep(chance.uniform(0.0, 2.0))  # the moment is meant to be any
            house.kill(name)
            if stage == "notifier":
                inside |= sends_under_way(house)
            say(f"{name} killed at step {player.step}, {len(inside)} sends cut off so far")
            house.launch(name)
        house.wait_for(lambda: player.ended, "the story being told", timeout_s=150)
        house.settle(STORY.ends, timeout_s=90)
        stormy = night_of(house)
        states = house.judge_deliveries([mail.message_id for mail in smtp_sink.accepted])
    kills = KILLS | {"notifier": KILLS["notifier"] + 2 * len(INSIDE)}
    say(f"kills {kills}, {len(inside)} sends cut off, readings lost {stormy.lost}, read twice {stormy.read_twice}")
    say(f"crashes on purpose besides: {house.crashes}")
    say(f"{stormy.outcome.counts}, {stormy.outcome.duplicates} of them twice, deliveries {dict(states)}")
    assert stormy.lost == 0
    assert differences(calm, stormy.outcome) == []
    assert states[DeliveryState.UNKNOWN] == len(inside) >= len(INSIDE)


def moments(chance: random.Random) -> list[str]:
    """Whom to kill, in which order."""
    kills = [stage for stage, count in KILLS.items() for _ in range(count)]
    chance.shuffle(kills)
    return kills
