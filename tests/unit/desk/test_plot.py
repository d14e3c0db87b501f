"""The picture of the evidence: complete, labelled, within its frame, and well-formed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from zoneinfo import ZoneInfo

import pytest

from desk.evidence import Evidence, evidence, thin
from desk.plot import moments, svg, ticks
from tests.unit.desk.house import MORNING, NIGHT, House, Story
from vorab.clock import DAY, HOUR, MINUTE

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(("low", "high"), [(0.4, 1.6), (0, 30), (180, 240), (0.01, 0.02), (-3, 3), (10, 11_000), (5, 5.5)])
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    """Two to six values between the ends."""
    found = ticks(low, high)
    assert 2 <= len(found) <= 6
    assert all(low <= value <= high for value in found)


@pytest.mark.parametrize("span", [HOUR, 5 * HOUR, DAY, 40 * DAY])
def test_moments_are_round_in_the_local_zone(span: int) -> None:
    """Hours and days where the reader is, not in UTC."""
    found = list(moments(NIGHT, NIGHT + span, BERLIN))
    assert 1 <= len(found) <= 10
    assert all(NIGHT <= at <= NIGHT + span for at, _ in found)
    assert all(text.endswith(("0", "5")) or " " in text for _, text in found)


def test_the_plot_is_well_formed_and_keeps_within_its_frame(house: House, homes: dict[str, Story]) -> None:
    """XML without errors, no inline style, and the whole curve inside the view box."""
    file = house.queries.case(homes["healed"].case)
    assert file is not None
    shown = evidence(house.queries, file, MORNING)
    assert shown is not None
    root = ET.fromstring(str(svg(shown, BERLIN)))  # noqa: S314 - our own text
    assert root.attrib["aria-label"].startswith("Pressure between 0.59 and 1.63 bar, limit 1 bar.")
    assert shown.proving == (NIGHT + 14 * MINUTE, NIGHT + 39 * MINUTE)
    curve = next(element for element in root.iter() if element.attrib.get("class") == "curve")
    for pair in curve.attrib["points"].split():
        x, y = map(float, pair.split(","))
        assert 0 <= x <= 1040
        assert 0 <= y <= 360
    assert not any("style" in element.attrib for element in root.iter())


def test_a_plot_without_readings_says_so() -> None:
    """The curve may be older than what is kept."""
    shown = Evidence("pressure", "bar", [], NIGHT, NIGHT + HOUR, limit=1.0)
    assert "no readings kept" in str(svg(shown, BERLIN))


def test_thinning_keeps_every_peak() -> None:
    """Fewer points, the same extremes."""
    points = [(at, 0.0) for at in range(10_000)]
    points[4_321] = (4_321, 9.0)
    points[7_000] = (7_000, -9.0)
    kept = thin(points, 200)
    assert len(kept) <= 202
    assert {9.0, -9.0} <= {value for _, value in kept}
