"""CSV files: every way exports write readings, bad rows named and good ones kept, and the frames made of them."""

from __future__ import annotations

import gzip
import random
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.trials import csvfiles
from streams.trials.csvcells import parse_time, parse_value
from streams.trials.csvcolumns import Recording
from streams.trials.csvfiles import Words, read_csv
from streams.trials.csvframes import frames, ordered, passing
from vorab.clock import DAY, HOUR, MINUTE, SECOND, iso, parse_iso
from vorab.errors import ConfigError
from vorab.frame import Quality, decode, encode, unpack

LONG = """timestamp,device,signal,value
2026-01-05T00:00:00Z,pump-1,pressure,3.1
2026-01-05T00:00:00Z,pump-1,temperature,45
2026-01-05T00:01:00Z,pump-2,pressure,2.9
"""


def written(folder: Path, text: str, name: str = "week.csv") -> Path:
    """A CSV file."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def told(recording: Recording) -> list[tuple[str, str, str, float]]:
    """Its readings as (time, device, signal, value)."""
    return [
        (iso(int(at))[:19], recording.devices[device].removeprefix("main/"), recording.signals[signal], float(value))
        for at, device, signal, value in zip(recording.at, recording.device, recording.signal, recording.value, strict=True)
    ]


THREE = [
    ("2026-01-05T00:00:00", "pump-1", "pressure", 3.1),
    ("2026-01-05T00:00:00", "pump-1", "temperature", 45.0),
    ("2026-01-05T00:01:00", "pump-2", "pressure", 2.9),
]


@pytest.mark.parametrize(
    "text",
    [
        LONG,
        LONG.replace("Z,", ",").replace("T", " ").replace("Time", "time"),
        LONG.replace("2026-01-05T00:00:00Z", "1767571200").replace("2026-01-05T00:01:00Z", "1767571260000"),
        LONG.replace("2026-01-05T00:00:00Z", "2026-01-05T01:00:00+01:00"),
        LONG.replace(",", ";").replace("3.1", "3,1"),
        LONG.replace(",", "\t").replace("\n", "\r\n"),
        "\ufeff" + LONG.replace("timestamp,device", "Time,Device").replace("\n2026", "\n\n2026"),
        "device,timestamp,pressure,temperature\npump-1,2026-01-05,3.1,45\npump-2,2026-01-05T00:01Z,2.9,\n",
        'ts,device,pressure,"temperature"\n1767571200.0,main/pump-1,3.1,45\n1767571260,pump-2,2.9,nan\n',
    ],
)
def test_the_same_readings_in_every_dress(tmp_path: Path, text: str) -> None:
    """Long and wide, three ways of telling time, commas, semicolons and tabs, as spreadsheets and databases write them."""
    found = read_csv([written(tmp_path, text)])
    ordered(found)

    assert told(found) == THREE
    assert (found.bad, found.bad_rows) == ([], 0)


def test_several_files_plain_and_packed_are_one_recording(tmp_path: Path) -> None:
    """Each names its device by its own name where no column does."""
    first = written(tmp_path, "timestamp,value\n1767571200,3.1\n", "Pump 1.csv")
    second = tmp_path / "b.csv.gz"
    second.write_bytes(gzip.compress(b"timestamp,value\n1767571260,2.9\n"))
    progress: list[tuple[int, int]] = []

    found = read_csv([first, second], Words(signal="pressure"), lambda done, total: progress.append((done, total)))

    assert [row[1:] for row in told(found)] == [("Pump-1", "pressure", 3.1), ("b", "pressure", 2.9)]
    assert progress[-1][0] == progress[-1][1]


def test_bad_rows_are_named_and_never_stop_the_good(tmp_path: Path) -> None:
    """File, line, column and reason; what is missing is no mistake."""
    bad = (
        LONG
        + "tomorrow,pump-1,pressure,3\n"
        + "2026-01-05T00:02:00Z,pump 1,pressure,3\n"
        + "2026-01-05T00:02:00Z,pump-1,pressure\n"
        + "2026-01-05T00:02:00Z,pump-1,pressure,high\n"
        + "2026-01-05T00:02:00Z,pump-1,,3\n"
        + "2026-01-05T00:02:00Z,pump-1,pressure,inf\n"
        + "2026-01-05T00:02:00Z,pump-1,pressure,\n"
        + "1900-01-01T00:00:00Z,pump-1,pressure,3\n"
        + "2026-01-05T00:03:00Z,pump-1,pressure,2.5\n"
    )
    file = written(tmp_path, bad)

    found = read_csv([file])

    assert told(found) == [*THREE, ("2026-01-05T00:03:00", "pump-1", "pressure", 2.5)]
    assert [str(each).removeprefix(f"{file}:") for each in found.bad] == [
        "5 [timestamp] 'tomorrow' is no time: 2026-11-23T22:00:00Z, or seconds or ms since 1970",
        "6 [device] 'pump 1' is no device: letters, digits and . _ : ~ -",
        "7 3 cells where the first line has 4",
        "8 [value] 'high' is no number",
        "9 [signal] there is no name",
        "10 [value] 'inf' is not finite",
        "12 [timestamp] '1900-01-01T00:00:00Z' is no time between 1970 and 2200",
    ]
    assert found.bad_rows == 7


def test_bytes_that_are_no_text_spoil_their_row_only(tmp_path: Path) -> None:
    """Known bad: to refuse a year of readings for one broken name."""
    file = tmp_path / "week.csv"
    file.write_bytes(LONG.encode() + b"2026-01-05T00:02:00Z,pump-\xff,pressure,3\n2026-01-05T00:03:00Z,pump-1,pressure,2.5\n")

    found = read_csv([file])

    assert len(found) == 4
    assert [each.line for each in found.bad] == [5]


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["", "timestamp,device,signal,value\n", "ts;t\n", "time\tdevice\tt\tu\n"]),
    st.binary(max_size=200) | st.text("0123456789-:TZ,;\t\n\"'.eE+ abc", max_size=200).map(str.encode),
)
def test_any_bytes_are_readings_bad_rows_or_a_mistake(tmp_path: Path, head: str, rest: bytes) -> None:
    """Nothing else comes of a file, whatever is in it."""
    file = tmp_path / "any.csv"
    file.write_bytes(head.encode() + rest)
    try:
        found = read_csv([file])
    except ConfigError as error:
        assert str(error)
    else:
        ordered(found)
        assert sum(sum(map(len, frame.blocks)) for frame in frames(found)) <= len(found)


def test_lines_are_right_over_many_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where bad rows stand in every chunk."""
    monkeypatch.setattr(csvfiles, "CHUNK", 7)
    lines = ["1767571200,x" if i % 10 == 3 else f"{1767571200 + i},{i}" for i in range(100)]

    found = read_csv([written(tmp_path, "timestamp,t\n" + "\n".join(lines))])

    assert [each.line for each in found.bad] == [i + 2 for i in range(100) if i % 10 == 3]
    assert len(found) == 90


def test_words_are_values_of_signals_that_are_never_numbers(tmp_path: Path) -> None:
    """Fault codes are; a slip in a column of numbers is not."""
    found = read_csv([written(tmp_path, "timestamp,code,t\n1767571200,E17,1\n1767571260,ok,2\n1767571320,,warm\n")])
    ordered(found)

    [frame] = frames(found)
    assert [dict(row.values) for row in unpack(frame)] == [{"code": "E17", "t": 1.0}, {"code": "ok", "t": 2.0}]
    assert [each.reason for each in found.bad] == ["'warm' is no number"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no column is called timestamp"),
        ("when,t\n1,2\n", "no column is called timestamp or time or ts; the first line says when, t"),
        ("timestamp\n1\n", "there is no column with values"),
        ("timestamp,t,t\n1,2,3\n", "two columns are called t"),
    ],
)
def test_a_first_line_that_names_no_columns_is_refused(tmp_path: Path, text: str, what: str) -> None:
    """Nothing after it could be understood."""
    with pytest.raises(ConfigError, match=what):
        read_csv([written(tmp_path, text)])
    with pytest.raises(ConfigError, match="no such file"):
        read_csv([tmp_path / "nowhere.csv"])


def test_times_without_a_zone_have_the_zone_they_are_given() -> None:
    """Summer and winter."""
    berlin = ZoneInfo("Europe/Berlin")

    assert parse_time("2026-07-01 12:00", berlin) == parse_iso("2026-07-01T10:00:00Z")
    assert parse_time("2026-01-01 12:00", berlin) == parse_iso("2026-01-01T11:00:00Z")
    assert parse_time("2026-01-01T12:00:00Z", berlin) == parse_iso("2026-01-01T12:00:00Z")


@given(st.integers(1, 7_000_000_000), st.sampled_from([(1, "{}"), (1_000, "{}"), (1_000_000, "{}"), (1_000_000_000, "{}"), (1, "{}.000")]))
def test_numbers_are_times_in_seconds_ms_us_or_ns(seconds: int, unit: tuple[int, str]) -> None:
    """By their size, exactly; of seconds before March 1973, ms and finer would be taken for coarser ones."""
    factor, form = unit
    at = max(seconds, 101_000_000)

    assert parse_time(form.format(at * factor), UTC) == at * SECOND


@given(st.text(max_size=12))
def test_any_cell_is_a_time_a_value_or_a_mistake(text: str) -> None:
    """Nothing else comes of it."""
    for read in (parse_time, parse_value):
        try:
            read(text)
        except ValueError as error:
            assert str(error)


# ------------------------------------------------------------------------------------------- frames


def recording(rows: int, seed: int = 3) -> Recording:
    """Readings of five devices and four signals, in no order, some twice."""
    dice = random.Random(seed)
    at = [T0 + dice.randrange(rows) * SECOND for _ in range(rows)]
    return Recording(
        [f"main/d{i}" for i in range(5)],
        ["a", "b", "c", "word"],
        ["x", "y"],
        {3},
        np.array(at),
        np.array([dice.randrange(5) for _ in range(rows)], np.int32),
        signal := np.array([dice.randrange(4) for _ in range(rows)], np.int32),
        np.where(signal == 3, 1.0, np.array([dice.random() for _ in range(rows)])),
    )


T0 = parse_iso("2026-01-05T00:00:00Z")


@pytest.mark.parametrize("most", [1, 3, 50, 10_000])
def test_frames_hold_every_reading_once_in_order(most: int) -> None:
    """Whatever their size; they are what the log could hold, and a row is never cut in two."""
    found = recording(500)
    before = {(int(at), int(device), int(signal)) for at, device, signal in zip(found.at, found.device, found.signal, strict=True)}
    repeats = ordered(found)
    assert len(found) + repeats == 500
    assert len(before) == len(found)

    rows = [row for frame in frames(found, most=most) for row in unpack(decode(encode(frame)))]

    assert [row.measured_at for row in rows] == sorted(row.measured_at for row in rows)
    assert len({(row.device, row.measured_at) for row in rows}) == len(rows)
    assert sum(len(row.values) for row in rows) == len(found)
    assert all((row.received_at, row.quality) == (row.measured_at, Quality.RECORDED) for row in rows)
    assert {type(row.values[name]) for row in rows for name in row.values if name == "word"} == {str}


def test_a_frame_ends_before_a_hole() -> None:
    """Half of the shortest limit of silence is one: time must pass in it."""
    found = Recording(["main/d"], ["t"])
    found.at = np.array([T0, T0 + MINUTE, T0 + 4 * MINUTE, T0 + 5 * MINUTE])
    found.device = found.signal = np.zeros(4, np.int32)
    found.value = np.ones(4)

    assert [frame.n for frame in frames(found)] == [4]
    assert [frame.n for frame in frames(found, [HOUR, 5 * MINUTE])] == [2, 2]


@given(st.lists(st.integers(4 * SECOND, 3 * DAY), min_size=1, max_size=3), st.integers(1, 400 * DAY))
def test_time_passes_often_enough_and_not_too_often(limits: list[int], length: int) -> None:
    """No step looks like an outage to a limit that is not over yet, and even a year is few of them."""
    steps = list(passing(T0, T0 + length, limits))

    assert steps == sorted(set(steps))
    assert len(steps) <= 6 * len(limits) + 6 * sum(max(limits) // limit > 4 for limit in limits) + max(limits) // min(limits) + 6
    assert all(T0 < at <= T0 + length for at in steps)
    for before, after in zip([T0, *steps], [*steps, T0 + length], strict=True):
        assert all(after - before < limit / 2 for limit in limits if before <= T0 + limit and before < T0 + length)
    assert steps[-1] == T0 + length or steps[-1] > T0 + max(limits)
