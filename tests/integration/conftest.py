"""What every integration test leaves behind: nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.integration.house import send_home


@pytest.fixture(autouse=True)
def _nobody_stays() -> Iterator[None]:
    """Devices go when their test ends, whatever came of it; a client of another kind that stays fails the test."""
    yield
    send_home()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("paho-mqtt-client")] == []
