"""Fixtures of the notifier's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.notifier.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A notifier in the night, with a fake mail channel."""
    made = House(tmp_path)
    try:
        yield made
    finally:
        made.close()
