"""What every integration test leaves behind: nobody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.house import send_home


@pytest.fixture(autouse=True)
def _nobody_stays() -> Iterator[None]:
    """Devices go when their test ends, whatever came of it."""
    yield
    send_home()
