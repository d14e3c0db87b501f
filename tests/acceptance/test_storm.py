"""A storm of devices through the real processors; `vorab bench storm` tells the large one, with its figures."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from streams.incidents.processor import Incidents
from tests.unit.streams.incidents.test_processor import ByInterval
from vorab.bench import storm
from vorab.settings import Incidents as Options

DEVICES = 600
TALE = storm.storm(DEVICES)


def _told(options: Options | None = None) -> dict[str, Any]:
    return storm.figures(TALE, storm.tell(TALE, storm.kinds(options or Options())))


def test_a_storm_is_one_incident_with_every_device_in_it_and_one_message_per_customer() -> None:
    """All linked, none by mistake, commands within the limit, all well again within a minute, told once: that it is over."""
    found = storm.run(DEVICES, kills=20)
    sys.stdout.write(json.dumps(found) + "\n")
    assert storm.passed(found, DEVICES)
    assert found["same_after_kills"]


class Forgets(Incidents):
    """Known bad: starts anew with nothing."""

    def restore(self, blocks: Any) -> None:
        """Nothing is taken over."""


def test_a_storm_with_incidents_that_forget_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: after a kill in mid-storm the records are other ones."""
    good = storm.said(storm.tell(TALE, storm.kinds(Options())))
    monkeypatch.setattr("streams.incidents.processor.Incidents", Forgets)
    assert storm.said(storm.tell(TALE, storm.kinds(Options()), kills=20)) != good


def test_a_storm_without_the_hold_back_is_caught() -> None:
    """Known bad: who is told of each case at once is told of several."""
    found = _told(Options(at_once_priority=5))
    assert found["requests_per_customer"] > 1
    assert not storm.passed(found, DEVICES)


def test_a_storm_without_patience_is_caught() -> None:
    """Known bad: told of at once, each customer hears of it twice within a minute."""
    assert not storm.passed(_told(Options(patience_s=0)), DEVICES)


def test_a_storm_that_is_resolved_by_interval_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: the end is told at the next look, five minutes later at most."""
    monkeypatch.setattr("streams.incidents.processor.Fleet", ByInterval)
    assert not storm.passed(_told(), DEVICES)
