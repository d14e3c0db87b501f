"""What the chaos tests share: the night, undisturbed, and the house it is told to."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.acceptance import night
from tests.parts.smtp import SmtpSink
from tests.system.embedded import Embedded
from tests.system.house import Broker, House, Plan
from tests.system.outcome import Outcome, read_readings
from vorab.clock import iso
from vorab.records import DeliveryState

STORY: Final = night.night()
INSIDE: Final = ("notifier.before_send:1", "notifier.after_send:1")
"""Crash points inside a send, before and after the mail server has said yes."""


def plan(folder: Path, broker: Broker, sink: SmtpSink) -> Plan:
    """The house of this night."""
    return Plan(folder, broker, sink, night.registry(STORY), night.RULES, night.REMEDIES, iso(STORY.ends))


class Night(NamedTuple):
    """What stands on the log after a night."""

    outcome: Outcome
    readings: list[tuple[Any, ...]]

    @property
    def lost(self) -> int:
        """Readings of the story that are not there: the metronomes' and everybody's."""
        told = sum(len(step.messages) for step in STORY.steps())
        return told - len(set(self.readings))

    @property
    def read_twice(self) -> int:
        """Readings that stand there more than once, as they may."""
        return len(self.readings) - len(set(self.readings))


def night_of(house: House) -> Night:
    """Read it."""
    return Night(house.outcome(), read_readings(house.log()))


def undisturbed(folder: Path, broker: Broker, sink: SmtpSink) -> Outcome:
    """What comes of the night when nobody is killed."""
    with Embedded(plan(folder, broker, sink)) as house:
        player = house.player(list(STORY.steps()))
        house.wait_for(lambda: player.ended, "the story being told")
        house.settle(STORY.ends)
        assert house.judge_deliveries([mail.message_id for mail in sink.accepted])[DeliveryState.UNKNOWN] == 0
        calm = night_of(house)
    sink.clear()
    night.check(calm.outcome)
    assert (calm.lost, calm.read_twice) == (0, 0)
    return calm.outcome
