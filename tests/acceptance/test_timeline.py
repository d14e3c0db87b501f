"""One night, told over MQTT: whoever runs it, however it is cut and in whatever order machines speak, the same comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance import night
from tests.parts.mosquitto import Mosquitto
from tests.parts.smtp import SmtpSink
from tests.system.embedded import Embedded
from tests.system.figures import say
from tests.system.house import House, Plan
from tests.system.outcome import Outcome, differences
from vorab.clock import iso

STORY = night.night()


def plan(folder: Path, mosquitto: Mosquitto, sink: SmtpSink, **settings: dict[str, object]) -> Plan:
    """The house of this night."""
    return Plan(folder, mosquitto, sink, night.registry(STORY), night.RULES, night.REMEDIES, iso(STORY.ends), settings)


def tell(house: House, *, seed: int | None) -> Outcome:
    """Tell the night and see what came of it."""
    player = house.player(list(STORY.steps()), seed=seed)
    house.wait_for(lambda: player.ended, "the story being told", timeout_s=90)
    house.settle(STORY.ends)
    return house.outcome()


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
