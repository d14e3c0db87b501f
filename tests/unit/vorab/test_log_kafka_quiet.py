"""kafka-python says nothing while a broker is looked for, and speaks again afterwards."""

from __future__ import annotations

import logging

import pytest

from vorab.log.kafka_quiet import NOISY, bootstrapping


def _fail(noisy: logging.Logger) -> None:
    with bootstrapping():
        noisy.error("two")
        raise OSError("away")


def test_quiet_only_while_somebody_looks(caplog: pytest.LogCaptureFixture) -> None:
    """Also when two look at once and one of them fails."""
    noisy = logging.getLogger(NOISY[0])
    with bootstrapping():
        noisy.error("one")
        with pytest.raises(OSError, match="away"):
            _fail(noisy)
        noisy.error("three")
    noisy.error("four")
    assert caplog.messages == ["four"]
