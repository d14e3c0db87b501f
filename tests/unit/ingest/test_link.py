"""The connection to the broker: how long it waits before it tries again, and what it says when another client has its id."""

from __future__ import annotations

import socket
import threading

import pytest
import structlog
from paho.mqtt.enums import MQTTErrorCode
from structlog.testing import capture_logs

from ingest import link as module
from ingest.link import Link
from vorab.clock import SECOND, ManualClock
from vorab.settings import Mqtt


class Slices(threading.Event):
    """Counts how often it was waited for, without waiting."""

    waits = 0

    def wait(self, timeout: float | None = None) -> bool:
        """Not set."""
        assert timeout
        self.waits += 1
        return False


@pytest.fixture
def clock() -> ManualClock:
    """Moved by hand."""
    return ManualClock(1_000 * SECOND)


@pytest.fixture
def link(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Link:
    """A link whose client opens nothing."""
    monkeypatch.setattr(module, "LOG", structlog.get_logger())
    made = Link(Mqtt(), "vorab-ingest", [], lambda: None, clock)
    monkeypatch.setattr(made.client, "reconnect", lambda: None)
    return made


def wait_of(link: Link) -> int:
    """Slices waited before the next try."""
    stop = Slices()
    assert link.connect(stop, meanwhile=lambda: None)
    return stop.waits


def held(link: Link, clock: ManualClock, seconds: float, *, taken_over: bool = False) -> None:
    """A connection that was subscribed and lasted so long."""
    link._subscribed([])
    clock.advance(int(seconds * SECOND))
    link._disconnected("gone", taken_over)


def test_waits_grow_until_a_connection_lasts(link: Link, clock: ManualClock) -> None:
    """A subscription alone says nothing; ten seconds of it do."""
    waits = []
    for _ in range(4):
        waits.append(wait_of(link))
        held(link, clock, 9)
    assert waits[0] == 0
    assert waits == sorted(set(waits))
    wait_of(link)
    held(link, clock, 10)
    assert wait_of(link) == 0


@pytest.mark.parametrize(("rounds", "taken_over"), [(1, True), (3, False)])
def test_another_client_with_the_id_is_named_once(link: Link, clock: ManualClock, rounds: int, taken_over: bool) -> None:
    """A broker that says so is believed at once, three short connections are enough; one line, and readiness says it too."""
    said = "another client uses the id vorab-ingest; give this one another mqtt.client_id"
    with capture_logs() as lines:
        for i in range(rounds + 3):
            assert (link.why_not == said) is (i >= rounds)
            wait_of(link)
            held(link, clock, 1, taken_over=taken_over)
    assert [line["log_level"] for line in lines if line["event"] == said] == ["warning"]
    link._subscribed([])
    assert link.why_not == said
    clock.advance(10 * SECOND)
    assert link.why_not is None


def test_a_broker_that_restarts_is_no_rival(link: Link, clock: ManualClock) -> None:
    """Known bad: to take every drop for a fight; drops far apart name nobody, and waits stay short."""
    for _ in range(6):
        assert wait_of(link) == 0
        held(link, clock, 11)
        assert link.why_not == "disconnected from the MQTT broker: gone"


def test_a_takeover_does_not_shorten_the_wait(link: Link, clock: ManualClock) -> None:
    """Two that fight at the pace of the longest wait each hold for ten seconds; neither starts over with short waits."""
    for _ in range(8):
        last = wait_of(link)
        held(link, clock, 12, taken_over=True)
    assert last > 50


def test_the_way_out_is_named_once(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that is away is told each time, `vorab doctor` the first time."""

    def away() -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(link.client, "reconnect", away)
    with capture_logs() as lines:
        wait_of(link)
        wait_of(link)
    assert [(line["event"], line.get("hint")) for line in lines] == [
        ("cannot connect", "`vorab doctor` says what is missing"),
        ("cannot connect", None),
    ]


@pytest.mark.parametrize(("reason", "named"), [(b"\x8e", True), (b"\x8e\x00", True), (b"\x8b", False)])
def test_the_brokers_word_for_it_is_understood(link: Link, reason: bytes, named: bool) -> None:
    """A DISCONNECT packet with reason 0x8E is a takeover, one with 0x8B a broker that shuts down."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link.client._sock = ours
        link._subscribed([])
        link.client._verdict = MQTTErrorCode.MQTT_ERR_SUCCESS
        link.client._hand_over(0xE0, reason)
    assert not link.client.connection_is_open
    assert ("another client" in (link.why_not or "")) is named
