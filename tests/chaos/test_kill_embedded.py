"""Kill -9 of the embedded system, over and over, while machines go on talking: nothing is lost, nothing is decided or said twice."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Final

import pytest

from tests.chaos.stage import INSIDE, STORY, plan, undisturbed
from tests.parts.base import wait_until
from tests.parts.fixtures import NewMosquitto
from tests.parts.smtp import SmtpSink
from tests.system.embedded import Embedded
from tests.system.figures import say
from tests.system.house import sends_under_way
from tests.system.outcome import differences
from vorab.records import DeliveryState
from vorab.testing import CRASH_EXIT

KILLS: Final = 12
"""At any moment."""
PACE_S: Final = 0.4


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_killed_at_random_and_inside_sends(tmp_path: Path, new_mosquitto: NewMosquitto, smtp_sink: SmtpSink) -> None:
    """Equal outcomes without a duplicate, one final delivery and at most one mail each, unknown where a send was cut off."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    say(f"\nseed {seed}")
    calm = undisturbed(tmp_path, new_mosquitto(), smtp_sink)

    inside: set[str] = set()
    with Embedded(plan(tmp_path, new_mosquitto(profile="durable"), smtp_sink)) as house:
        player = house.player(list(STORY.steps()), pace_s=PACE_S)
        for point in moments(chance):
            if point:
                house.up.kill()
                inside |= sends_under_way(house)
                house.launch({"VORAB_CRASH": point})
                wait_until(lambda: house.up.exit_code == CRASH_EXIT, f"a crash at {point}", timeout_s=60)
            else:
                time.sleep(chance.uniform(0.3, 4.5))  # the moment is meant to be any, also one within the start
                house.up.kill()
            cut = sends_under_way(house) - inside
            inside |= cut
            say(f"killed {point or 'at random'} at step {player.step}, inside {len(cut)} sends")
            house.launch()
        house.wait_until_ready()
        house.wait_for(lambda: player.ended, "the story being told", timeout_s=90)
        house.settle(STORY.ends)
        stormy = house.outcome()
        states = house.judge_deliveries([mail.message_id for mail in smtp_sink.accepted])
    kills = KILLS + 2 * len(INSIDE)
    say(f"{kills} kills, {len(inside)} sends cut off, {stormy.duplicates} raw duplicates, {stormy.counts}, {dict(states)}")
    assert differences(calm, stormy) == []
    assert stormy.duplicates == 0, "the embedded host writes each output once"
    assert states[DeliveryState.UNKNOWN] == len(inside) >= len(INSIDE)


def moments(chance: random.Random) -> list[str]:
    """When to kill: empty is any moment, else a crash point, while there is still much to say."""
    kills = [""] * KILLS
    for point in INSIDE:
        kills.insert(chance.randint(1, 4), point)
    return kills
