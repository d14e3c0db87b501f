"""One name per unit: SenML's where there is one, UCUM's where not, and never a guess."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.units import NAMES, OTHERS, SECONDARY, SENML, UNITS, named, unit

PRIMARY = (
    "m kg g s A K cd mol Hz rad sr N Pa J W C F V Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 l m/s m/s2 m3/s l/s W/m2 cd/m2 bit bit/s"
    " lat lon pH dB dBW Bspl count / % %RH %EL EL 1/s 1/min beat/min beats S/m B VA VAs var vars J/m kg/m3 deg NTU"
)
"""The registry of SenML units: RFC 8428 with RFC 8798 and what was registered since."""
SCALED = (
    "ms min h MHz kW kVA kvar Ah Wh kWh varh kvarh kVAh Wh/km KiB GB Mbit/s B/s MB/s mV mA dBm ug/m3 mm/h m/h ppm /100 /1000 hPa mm cm"
    " km km/h ppb ppt VAh mg/l ug/l g/l"
)
"""The registry of secondary units."""


@pytest.mark.parametrize("name", [*PRIMARY.split(), *SCALED.split()])
def test_every_name_of_the_registries_is_its_own(name: str) -> None:
    """A device that follows the standard is repeated to the letter."""
    assert unit(name) == name


def test_the_tables_are_the_registries() -> None:
    """Nothing is missing and nothing invented."""
    assert {one.name for one in SENML} == set(PRIMARY.split())
    assert {one.name for one in SECONDARY} == set(SCALED.split())


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("°C", "Cel"), ("℃", "Cel"), ("degC", "Cel"), (" °C ", "Cel"), ("°F", "[degF]"), ("%", "%"), ("W", "W"), ("kWh", "kWh"),
        ("hPa", "hPa"),
        ("mbar", "hPa"), ("µg/m³", "ug/m3"), ("μg/m³", "ug/m3"), ("m³", "m3"), ("m³/h", "m3/h"), ("L", "l"), ("L/min", "l/min"),
        ("rpm", "1/min"),
        ("Ω", "Ohm"), ("kΩ", "kOhm"), ("°", "deg"), ("W/m²", "W/m2"), ("lx", "lx"), ("µS/cm", "uS/cm"), ("VA", "VA"), ("V.A", "VA"),
        ("[pH]", "pH"), ("1", "/"), ("kW.h", "kWh"), ("Deg C", "Cel"), ("PSI", "[psi]"), ("Amps", "A"), ("m/s²", "m/s2"), ("Nm", "N.m"),
    ],
)  # fmt: skip
def test_what_others_write_gets_its_name(spelling: str, name: str) -> None:
    """UCUM, Home Assistant, Homie and engUnit spellings."""
    assert unit(spelling) == name


@pytest.mark.parametrize("text", ["", "widgets", "mw", "KBIT", "c", "k"])
def test_what_nobody_knows_stays_as_it_was(text: str) -> None:
    """Case is meaning: `mw` is neither milliwatt nor megawatt."""
    assert unit(text) == text


def test_no_spelling_is_claimed_twice() -> None:
    """A spelling that two units could mean stands in neither line; the only ones that say it again are a unit's own names."""
    claims = Counter(spelling for one in UNITS for spelling in {one.name, one.ucum, *one.spellings} if spelling)
    assert [spelling for spelling, count in claims.items() if count > 1] == []


@given(st.sampled_from(sorted(NAMES)) | st.text(max_size=8))
def test_a_name_stays_a_name(text: str) -> None:
    """Naming twice changes nothing, and units of units without SenML name are UCUM's."""
    assert unit(unit(text)) == unit(text)


def test_units_of_a_row_are_named_and_values_are_not_touched() -> None:
    """Only the names change; a unit with another scale keeps a name of its own."""
    assert named({"temp": "°C", "outside": "°F"}) == {"temp": "Cel", "outside": "[degF]"}
    assert named({}) == {}
    assert all(one.ucum for one in OTHERS if one.name not in {"kBy", "MBy", "KBy/s"})
