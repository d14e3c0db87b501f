"""Kill -9 of the embedded system, over and over, while machines go on talking: nothing is lost, nothing is decided or said twice."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Final

import pytest

from tests.chaos.stage import INSIDE, STORY, night_of, plan, undisturbed
from tests.parts.base import wait_until
from tests.parts.fixtures import NewMosquitto
from tests.parts.smtp import SmtpSink
from tests.system.embedded import Embedded
from tests.system.figures import say
from tests.system.house import sends_under_way
from tests.system.outcome import differences, read_readings
from tests.system.story import STEP
from vorab.records import DeliveryState
from vorab.testing import CRASH_EXIT

AT_WORK: Final = 9
"""Kills at any moment of a process at work."""
AT_ANY_TIME: Final = 3
"""Kills at any moment after the start, also within it."""
UNACKNOWLEDGED: Final = "ingest.before_ack:2"
"""A crash point at which the log has messages that the broker will bring again."""
PACE_S: Final = 0.4


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_killed_at_random_and_inside_sends(tmp_path: Path, new_mosquitto: NewMosquitto, smtp_sink: SmtpSink) -> None:
    """Equal outcomes without a duplicate, one final delivery and at most one mail each, unknown where a send was cut off."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    say(f"\nseed {seed}")
    calm = undisturbed(tmp_path, new_mosquitto(), smtp_sink)

    inside: set[str] = set()
    with Embedded(plan(tmp_path, new_mosquitto(profile="durable"), smtp_sink)) as house:
        player = house.player(list(STORY.steps()), pace_s=PACE_S)
        for moment in moments(chance):
            if moment == "at work":
                house.wait_until_ready()
            if moment.startswith("at "):
                time.sleep(chance.uniform(0.0, 2.0))  # the moment is meant to be any
                house.up.kill()
            else:
                house.up.kill()
                inside |= sends_under_way(house.folder / "state")
                house.launch({"VORAB_CRASH": moment})
                wait_until(lambda: house.up.exit_code == CRASH_EXIT, f"a crash at {moment}")
            cut = sends_under_way(house.folder / "state") - inside
            inside |= cut
            say(f"killed {moment} at step {player.step}, inside {len(cut)} sends")
            house.launch()
        house.wait_until_ready()
        house.wait_for(lambda: player.ended, "the story being told")
        house.settle(STORY.ends)
        stormy = night_of(house)
        states = house.judge_deliveries([mail.message_id for mail in smtp_sink.accepted])
    kills = AT_WORK + AT_ANY_TIME + 2 * len((*INSIDE, UNACKNOWLEDGED))
    say(f"{kills} kills, {len(inside)} sends cut off, readings lost {stormy.lost}, read twice {stormy.read_twice}")
    say(f"{stormy.outcome.counts}, {stormy.outcome.duplicates} of them twice, deliveries {dict(states)}")
    assert stormy.lost == 0
    assert stormy.read_twice > 0, "else nobody has seen that repeated readings change nothing"
    assert differences(calm, stormy.outcome) == []
    assert stormy.outcome.duplicates == 0, "the embedded host writes each output once"
    assert states[DeliveryState.UNKNOWN] == len(inside) >= len(INSIDE)


ACK_FIRST: Final = """
import os
import time
from ingest.loop import Loop
from ingest.packets import pubacks
take = Loop._take
def acknowledge_first(self, arrivals, now):
    # Known-bad: the broker may forget a message before the log has it.
    self._client.acknowledge(pubacks(arrivals.mids))
    if "VORAB_CRASH" in os.environ:
        time.sleep(2)  # the broker hears of it before the process dies, whose last words may be lost with its socket
    take(self, arrivals, now)
Loop._take = acknowledge_first
"""


@pytest.mark.slow
def test_an_ingest_that_acknowledges_first_loses_readings(tmp_path: Path, new_mosquitto: NewMosquitto, smtp_sink: SmtpSink) -> None:
    """The known-bad variant, killed once between its acknowledgement and the log: the same count shows what is gone."""
    steps = list(STORY.steps())[:10]
    with Embedded(plan(tmp_path, new_mosquitto(profile="durable"), smtp_sink), program=ACK_FIRST) as house:
        house.up.kill()
        house.launch({"VORAB_CRASH": "ingest.before_append:1"})
        first = house.player(steps[:5])
        wait_until(lambda: house.up.exit_code == CRASH_EXIT, "a crash")
        house.launch()
        house.wait_until_ready()
        # All of the first half may be gone. Time goes on with the second.
        house.wait_for(lambda: first.ended, "the first half being told")
        second = house.player(steps[5:])
        house.wait_for(lambda: second.ended, "the second half being told")
        house.wait_for(lambda: house.told_until() >= STORY.began + 9 * STEP, "the cases being decided to the end")
        told, read = sum(len(step.messages) for step in steps), set(read_readings(house.log()))
    say(f"{told - len(read)} of {told} readings lost")
    assert len(read) < told


def moments(chance: random.Random) -> list[str]:
    """When to kill; crash points while there is still much to say."""
    kills = AT_WORK * ["at work"] + AT_ANY_TIME * ["at any time"]
    chance.shuffle(kills)
    for point in (*INSIDE, UNACKNOWLEDGED):
        kills.insert(chance.randint(1, 4), point)
    return kills
