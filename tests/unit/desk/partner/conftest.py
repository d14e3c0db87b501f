"""Fixtures of the tests of hand-over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.desk.house import House, doubted
from tests.unit.desk.partner.office import Office


@pytest.fixture
def office(house: House, tmp_path: Path) -> Iterator[Office]:
    """A desk with one case that needs a person."""
    made = Office(house, tmp_path)
    house.write(doubted().records)
    made.catch_up()
    yield made
    made.client.close()
