"""Fixtures of the tests about replies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.notifier.inbound.parlour import Parlour


@pytest.fixture
def parlour(tmp_path: Path) -> Iterator[Parlour]:
    """A notifier at noon that hears replies."""
    made = Parlour(tmp_path)
    try:
        yield made
    finally:
        made.close()
