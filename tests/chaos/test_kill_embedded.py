"""Kill -9 of the embedded system, over and over, while machines go on talking: nothing is lost, nothing is decided or said twice."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.acceptance import night
from tests.parts.base import wait_until
from tests.parts.fixtures import NewMosquitto
from tests.parts.smtp import SmtpSink
from tests.system.embedded import Embedded
from tests.system.figures import say
from tests.system.house import Plan, sends_under_way
from tests.system.outcome import Outcome, differences
from vorab.clock import iso
from vorab.records import DeliveryState
from vorab.testing import CRASH_EXIT

KILLS = 12
"""At random moments."""
INSIDE = ("notifier.before_send:1", "notifier.after_send:2")
"""Kills inside a send, besides."""
PACE_S = 0.4
STORY = night.night()


def plan(folder: Path, broker: object, sink: SmtpSink) -> Plan:
    """The house of this night."""
    return Plan(folder, broker, sink, night.registry(STORY), night.RULES, night.REMEDIES, iso(STORY.ends))  # type: ignore[arg-type]


def undisturbed(folder: Path, broker: object, sink: SmtpSink) -> Outcome:
    """What comes of the night when nobody is killed."""
    with Embedded(plan(folder, broker, sink)) as house:
        player = house.player(list(STORY.steps()))
        house.wait_for(lambda: player.ended, "the story being told", timeout_s=90)
        house.settle(STORY.ends)
        assert house.judge_deliveries([mail.message_id for mail in sink.accepted])[DeliveryState.UNKNOWN] == 0
        outcome = house.outcome()
    sink.clear()
    night.check(outcome)
    return outcome


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_killed_at_random_and_inside_sends(tmp_path: Path, new_mosquitto: NewMosquitto, smtp_sink: SmtpSink) -> None:
    """Twelve kills at random moments and two inside a send: equal outcomes, one final delivery and at most one mail each."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    say(f"\nseed {seed}")
    calm = undisturbed(tmp_path, new_mosquitto(), smtp_sink)

    inside: set[str] = set()
    with Embedded(plan(tmp_path, new_mosquitto(profile="durable"), smtp_sink)) as house:
        player = house.player(list(STORY.steps()), pace_s=PACE_S)
        for kill in moments(chance):
            if kill:
                house.up.kill()
                inside |= sends_under_way(house)
                house.launch({"VORAB_CRASH": kill})
                wait_until(lambda: house.up.exit_code == CRASH_EXIT, f"a crash at {kill}", timeout_s=60)
            else:
                time.sleep(chance.uniform(0.3, 4.5))  # the moment is meant to be any, also one within the start
                house.up.kill()
            cut = sends_under_way(house) - inside
            inside |= cut
            say(f"killed at step {player.step} {kill}, inside {len(cut)} sends")
            house.launch()
        house.wait_until_ready()
        house.wait_for(lambda: player.ended, "the story being told", timeout_s=90)
        house.settle(STORY.ends)
        stormy = house.outcome()
        states = house.judge_deliveries([mail.message_id for mail in smtp_sink.accepted])
    say(
        f"{KILLS + 2 * len(INSIDE)} kills, {len(inside)} sends cut off, {stormy.duplicates} raw duplicates, {stormy.counts}, {dict(states)}"
    )
    assert differences(calm, stormy) == []
    assert stormy.duplicates == 0, "the embedded host writes each output once"
    assert states[DeliveryState.UNKNOWN] == len(inside) >= len(INSIDE)


def moments(chance: random.Random) -> list[str]:
    """When to kill: empty is any moment, else a crash point, while there is still much to say."""
    kills = [""] * KILLS
    for point in INSIDE:
        kills.insert(chance.randint(1, 4), point)
    return kills
