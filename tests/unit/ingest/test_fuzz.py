"""The fuzz run, in small: every reader of strangers' messages is in it, and each kind of broken promise is found."""

from __future__ import annotations

import pytest

from ingest.decoders import DECODERS
from ingest.dialects import DIALECTS
from tests.fuzz import GROWTH_MB, SLOWEST_MS, Target, run, targets
from vorab.errors import Reason, Rejected

pytestmark = pytest.mark.slow

TARGETS = {target.name: target for target in targets()}
SAMPLES = [("telemetry/device-1", b'{"a": 1}')]


def test_every_decoder_and_every_dialect_is_a_target() -> None:
    """What is new is fuzzed from its first day."""
    assert {"auto", *DECODERS, "mapped", "packed", "text", *(f"dialect {name}" for name in DIALECTS)} <= TARGETS.keys()


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_damaged_messages_give_rows_or_rejected(name: str) -> None:
    """Some hundred of the ten million; some are refused and some are read, else nothing would be tried."""
    found = run(TARGETS[name], 400)
    assert found.broken == ""
    assert 0 < found.refused < found.inputs


def test_an_exception_is_found() -> None:
    """Known bad: a reader that believes what it is told."""

    def take(_: str, payload: bytes) -> None:
        if payload[:1] != b"{":
            raise KeyError("a")

    found = run(Target("bad", SAMPLES, lambda: take), 400)
    assert not found.good
    assert "KeyError" in found.broken


def test_a_slow_message_is_found() -> None:
    """Known bad: a reader that takes long for one kind of message; by the CPU, so a busy machine changes nothing."""

    def take(_: str, payload: bytes) -> None:
        if payload[:1] != b"{":
            sum(range(3_000_000))
            raise Rejected(Reason.BAD_JSON)

    found = run(Target("slow", SAMPLES, lambda: take), 60)
    assert not found.good
    assert found.slowest_ms > SLOWEST_MS


def test_growing_memory_is_found() -> None:
    """Known bad: a reader that forgets nothing."""
    kept: list[bytes] = []
    found = run(Target("grows", SAMPLES, lambda: lambda _, payload: kept.append(payload + b"x" * 20_000)), 12_000)
    assert not found.good
    assert found.grown_mb > GROWTH_MB
