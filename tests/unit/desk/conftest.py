"""Fixtures of the desk's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.desk.house import House, Story, furnish


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A desk in the morning, with an empty log."""
    made = House(tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def homes(house: House) -> dict[str, Story]:
    """Three homes in it: `healed`, `doubted` and `asked`."""
    return furnish(house)
