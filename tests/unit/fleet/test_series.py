"""Recordings: what is read from CSV files and how they are paced."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from vorab.clock import HOUR, MINUTE, parse_iso
from vorab.errors import ConfigError
from vorab.fleet.replay import paced, payload_of
from vorab.fleet.series import Reading, Series

NINE = parse_iso("2014-02-07T21:00:00Z")


def _file(folder: Path, text: str, name: str = "Pump 7.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_series_of_one_value_takes_its_names_from_outside(tmp_path: Path) -> None:
    """`timestamp,value` with a device and signal; without a zone the time is UTC."""
    path = _file(tmp_path, "timestamp,value\n2014-02-07 21:00:00,73.5\n2014-02-07T22:05:00+01:00,74\n")
    assert list(Series(path, "press-1", "temperature").readings()) == [
        Reading(NINE, "press-1", {"temperature": 73.5}),
        Reading(NINE + 5 * MINUTE, "press-1", {"temperature": 74.0}),
    ]
    assert [(r.device, list(r.values)) for r in Series(path).readings()] == [("pump-7", ["value"])] * 2


def test_a_gzip_file_is_read_as_it_is(tmp_path: Path) -> None:
    """`.csv.gz` needs no unpacking."""
    path = tmp_path / "a_b.csv.gz"
    path.write_bytes(gzip.compress(b"timestamp,value\r\n2014-02-07 21:00:00,1\r\n"))
    assert list(Series(path).readings()) == [Reading(NINE, "a-b", {"value": 1.0})]


def test_a_long_file_names_device_and_signal(tmp_path: Path) -> None:
    """Rows of one device and instant become one reading; a repeated signal begins a new one."""
    path = _file(
        tmp_path,
        "timestamp,device,signal,value\n1391806800,a,t,1\n1391806800,a,p,2\n1391806800,b,t,3\n1391806800000,a,t,4\n1391806800000,a,t,5\n",
    )
    assert list(Series(path).readings()) == [
        Reading(NINE, "a", {"t": 1.0, "p": 2.0}),
        Reading(NINE, "b", {"t": 3.0}),
        Reading(NINE, "a", {"t": 4.0}),
        Reading(NINE, "a", {"t": 5.0}),
    ]


def test_a_wide_file_has_a_column_per_signal(tmp_path: Path) -> None:
    """Empty cells are missing values; a row with none left is no reading."""
    path = _file(tmp_path, "time,device,t,p\n2014-02-07 21:00:00,a,1,\n2014-02-07 21:01:00,,NaN,2\n2014-02-07 21:02:00,a,,\n")
    assert list(Series(path, "d").readings()) == [Reading(NINE, "a", {"t": 1.0}), Reading(NINE + MINUTE, "d", {"p": 2.0})]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("value,timestamp\n", 1),
        ("timestamp,value\nyesterday,1\n", 2),
        ("timestamp,value\n2014-02-07 21:00:00,1\n2014-02-07 21:00:00,high\n", 3),
        ("timestamp,value\n2014-02-07 21:00:00,1,2\n", 2),
        ("timestamp,value\ninf,1\n", 2),
    ],
)
def test_what_cannot_be_read_is_named_with_file_and_line(tmp_path: Path, text: str, line: int) -> None:
    """The person with the file learns where to look."""
    path = _file(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        list(Series(path).readings())
    assert (caught.value.file, caught.value.line) == (str(path), line)


def test_a_missing_or_empty_file_is_an_error(tmp_path: Path) -> None:
    """Neither is silently nothing."""
    with pytest.raises(ConfigError, match="no such file"):
        Series(tmp_path / "none.csv").span()
    with pytest.raises(ConfigError, match="no reading"):
        Series(_file(tmp_path, "timestamp,value\n")).span()


def test_series_run_side_by_side_and_end_together(tmp_path: Path) -> None:
    """An hour and a year both take ten seconds; the rows come in the order of the wall."""
    short = _file(tmp_path, "timestamp,value\n2014-02-07 21:00:00,1\n2014-02-07 21:30:00,2\n2014-02-07 22:00:00,3\n", "short.csv")
    long = _file(tmp_path, "timestamp,value\n2013-01-01,1\n2014-01-01,2\n", "long.csv")
    rows, count, days = paced([Series(short), Series(long)], 10.0)

    assert [(row.after_s, row.readings[0].device) for row in rows] == [
        (0.0, "short"),
        (0.0, "long"),
        (5.0, "short"),
        (10.0, "short"),
        (10.0, "long"),
    ]
    assert (count, days) == (5, 365.0)


def test_time_that_goes_back_is_published_in_the_order_of_the_file(tmp_path: Path) -> None:
    """The hour in which the clocks change stays as recorded."""
    path = _file(tmp_path, "timestamp,value\n2014-02-07 21:00:00,1\n2014-02-07 23:00:00,2\n2014-02-07 22:00:00,3\n")
    rows, _, _ = paced([Series(path)], 2.0)
    assert [(row.after_s, row.readings[0].at - NINE) for row in rows] == [(0.0, 0), (2.0, 2 * HOUR), (2.0, HOUR)]


def test_the_payload_is_flat_json() -> None:
    """`ts` in ms, with a fraction only where the recording has one."""
    assert payload_of([Reading(NINE, "a", {"temperature": 73.5})]) == b'{"ts":1391806800000,"temperature":73.5}'
    assert json.loads(payload_of([Reading(NINE + 1, "a", {})]))["ts"] * 1000 == NINE + 1


def test_readings_in_a_row_of_one_device_can_travel_together(tmp_path: Path) -> None:
    """Fewer messages for a broker that is slow, and nothing of a reading is lost."""
    path = tmp_path / "wide.csv"
    path.write_text(
        "timestamp,device,signal,value\n2014-02-07T21:00:00,a,t,1\n2014-02-07T22:00:00,a,t,2\n2014-02-07T23:00:00,b,t,3\n", "utf-8"
    )

    rows = list(paced([Series(path)], 2.0, batch=2)[0])

    assert [[reading.device for reading in row.readings] for row in rows] == [["a", "a"], ["b"]]
    assert [body["values"] for body in json.loads(payload_of(rows[0].readings))] == [{"t": 1.0}, {"t": 2.0}]
