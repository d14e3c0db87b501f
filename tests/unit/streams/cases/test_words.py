"""The sentences of a case."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams.cases.words import clock_time, number, span
from tests.unit.streams.cases.ward import HEAT_PUMP, REFUSES, Ward, clock, written
from vorab.clock import HOUR, MINUTE, SECOND


@pytest.mark.parametrize(
    ("length", "said"), [(90 * SECOND, "90 seconds"), (30 * MINUTE, "30 minutes"), (119 * MINUTE, "119 minutes"), (12 * HOUR, "12 hours")]
)
def test_durations_are_said_as_people_say_them(length: int, said: str) -> None:
    """No `PT30M`."""
    assert span(length) == said


@pytest.mark.parametrize(
    ("value", "unit", "said"), [(0.8231, "bar", "0.823 bar"), (236.04, "Cel", "236 °C"), (1234.0, "", "1234"), (0.5, "1", "0.5")]
)
def test_numbers_have_their_unit_and_no_more_digits_than_mean_something(value: float, unit: str, said: str) -> None:
    """UCUM on the wire, signs for people."""
    assert number(value, unit) == said


def test_times_are_the_customers() -> None:
    """The hour of the kitchen clock; with the day where it is another day; UTC, and said so, where nobody knows."""
    assert clock_time(clock("02:10"), "Europe/Berlin", clock("07:00")) == "02:10"
    assert clock_time(clock("02:10"), "Europe/Berlin", clock("1+07:00")) == "02:10 on 24 Nov 2026"
    assert clock_time(clock("02:10"), "", clock("02:30")) == "01:10 UTC"
    assert clock_time(clock("02:10"), "Nowhere/Else", clock("1+07:00")) == "01:10 UTC on 24 Nov 2026"


def test_the_first_sentence_speaks_with_the_operators_words() -> None:
    """What the machine says is what the customer's message says."""
    ward = Ward()
    ward.policy = written("policy: [{line: somebody, do: hand_over}]")
    ward.policy = replace(ward.policy, says={"toner_feed": "has reported since {when} that toner is stuck"})
    ward.processors["cases"] = ward._build("cases")
    ward.raised("02:10", "toner_feed", device=REFUSES)
    assert ward.last.detail.startswith("I am calling about the heat pump Heat pump 14: it has reported since 02:10 that toner is stuck (")


def test_a_machine_without_a_name_is_called_by_its_id() -> None:
    """Somebody has to find it."""
    bare = HEAT_PUMP.model_copy(update={"name": "", "model": "", "customer": "", "remote_repair": False})
    ward = Ward(devices=[bare])
    ward.raised("02:10")
    assert ward.last.detail.startswith("I am calling about the device hp-12: it has reported low pressure since 01:10 UTC (")
