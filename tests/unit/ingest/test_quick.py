"""The quick way and the decoders are two ways to the same rows; a message never notices which one it took."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import quick as module
from ingest.columns import ROWS_PER_MESSAGE, Columns, Placed, of_rows
from ingest.decoders import Sender, decode
from ingest.framer import Framer
from ingest.quick import Plain, quick
from ingest.timing import settle
from vorab.clock import DAY, MINUTE, SECOND
from vorab.errors import Rejected
from vorab.frame import Reading, encode, unpack

NOW = 1_795_000_000 * SECOND
NAMES = [(f"pump-{i}", f"main/pump-{i}") for i in range(4)]

numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**64) - 1, 2**64 + 1) | st.integers(-5, 5) | st.just(0.5)
fields: dict[str, st.SearchStrategy[Any]] = {
    "ts": st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers((NOW - 8 * DAY) // 1000, (NOW + 10 * MINUTE) // 1000)
    | st.just(NOW / 1000 + 0.25)
    | st.none(),
    "boot": st.integers(-1, 2**32) | st.none() | st.just(1.5),
    "seq": st.integers(-1, 2**64) | st.booleans(),
    "acked": st.integers(-1, 2**64) | st.none(),
    "device": st.sampled_from(["pump-0", "main/pump-1", "pump-2", None, 3]),
    "temperature": numbers | st.booleans() | st.none() | st.text(max_size=5),
    "state": st.sampled_from(["ok", "12:30", "x" * 255, "x" * 256, 'a":1', ""]),
    "values": st.just({"a": 1}) | st.integers(0, 3),
    "a b": st.just(1),
}
objects = st.fixed_dictionaries({}, optional=fields)
payloads = (
    objects.map(lambda value: json.dumps(value).encode())
    | st.sampled_from(
        [b'{"a":1,"a":2}', b'{"a":1e999}', b"[]", b"", b"[1]", b'[{"a":1},{"b":2.5}]', b'{"a":NaN}', b'{"a" : 1 }', b'{"\\u0061":1}']
    )
    | st.binary(max_size=10)
)


def both_ways(batch: list[tuple[int, bytes]]) -> tuple[dict[int, list[Reading]], dict[int, list[Reading]]]:
    """Rows by message: with the quick way first, and by the decoders alone."""
    plain = Plain(list(range(len(batch))), [number for number, _ in batch], [payload for _, payload in batch])
    made, left = quick(plain, NOW, NAMES, 65_536)
    rows = {i: found for i in range(len(batch)) if (found := slowly(*batch[i], i)) is not None}
    made += of_rows([row for i in left for row in rows.get(i, [])])
    return by_message(made), {i: [row.reading for row in found] for i, found in rows.items()}


def slowly(number: int, payload: bytes, place: int) -> list[Placed] | None:
    """The rows the decoders find."""
    name, key = NAMES[number]
    found = []
    try:
        for i, row in enumerate(decode(payload, Sender(name, key, NOW))):
            at, received, quality = settle(row, NOW, recorded=False)
            reading = Reading(key, at, received, quality, row.values, row.units, row.boot, row.seq)
            found.append(Placed(place * ROWS_PER_MESSAGE + i, number, reading))
    except Rejected:
        return None
    return found


def by_message(made: list[Columns]) -> dict[int, list[Reading]]:
    """Unpacks columns through a frame, as a consumer would see them."""
    ranks = sorted(rank for some in made for rank in some.rank.tolist())
    if not ranks:
        return {}
    [(_, frame)] = Framer(99).frames(made, np.zeros(8, np.int64), [key for _, key in NAMES], NOW)
    found: dict[int, list[Reading]] = {}
    for rank, reading in zip(ranks, unpack(frame), strict=True):
        found.setdefault(rank // ROWS_PER_MESSAGE, []).append(reading)
    return found


def comparable(found: dict[int, list[Reading]]) -> dict[int, list[tuple[Any, ...]]]:
    """With the types of the values: 1, 1.0 and True are equal to Python and not to a detector."""
    return {
        i: [(*row._replace(values={}, units={}), {name: (type(value), value) for name, value in row.values.items()}) for row in rows]
        for i, rows in found.items()
    }


@given(st.lists(st.tuples(st.integers(0, 3), payloads), min_size=1, max_size=24))
def test_both_ways_give_the_same_rows(batch: list[tuple[int, bytes]]) -> None:
    """Fuzzed: values, types, times, quality, counters and order are the same, and refused is refused."""
    fast, slow = both_ways(batch)
    assert comparable(fast) == comparable(slow)


ALIKE = [
    b'{"a":1.5,"b":2}',
    b'{"b":3,"a":2.5}',
    b' {"a":1.5,"b":2} ',
    b'{"a":1.5,"b":2}{"a":9.5,"b":9}',
    b'{"a":1.5,"b":2}\n{"a":9.5,"b":9}',
    b'{"a":1.5,"b":',
    b'7}{"a":9.5,"b":9}',
    b'{"a":1.5,"b":2',
    b"}",
    b"{}",
    b"",
    b"\n",
    b'{"a":1.5,"a":2.5,"b":1}',
    b'{"a":1.5,"b":{"c":1}}',
    b'{"a":1.5,"b":{}',
    b'{"a":"}',
    b'{":":1.5}',
    b'{"a":1e999,"b":2}',
    b'{"a":1.5,"b":-0}',
    b'{"a":1.5,"b":01}',
    b'{"\\u0061":1.5,"b":2}',
    b'{"a":1.5,"b":9223372036854775808}',
    b'{"a":1.5,"b":' + b"[" * 5_000 + b"}",
    b'\xef\xbb\xbf{"a":1.5,"b":2}',
]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(ALIKE[:2]) | st.sampled_from(ALIKE)), min_size=1, max_size=12))
def test_lines_never_flow_into_each_other(batch: list[tuple[int, bytes]]) -> None:
    """Objects left open, closed twice, or two in one payload, among good ones of the same keys: each gives what it gives alone."""
    fast, slow = both_ways(batch)
    assert comparable(fast) == comparable(slow)


def test_lines_that_are_not_checked_would_shift(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: counting objects alone; two in one payload and none in another of the same sender move all rows between them."""
    names, batch = [0, 1, 2], [b'{"a":9}{"a":9}', b'{"a":1}', b" "]
    _, left = quick(Plain(range(3), names, batch), NOW, NAMES, 65_536)
    assert sorted(left) == [0, 2]
    monkeypatch.setattr(module, "_parsed", lambda _payload: {"a": 9})
    monkeypatch.setattr(module, "_lines_are_whole", lambda *_: True)
    [made], _ = quick(Plain(range(3), names, batch), NOW, NAMES, 65_536)
    assert made.signals["a"].tolist() == [9, 9, 1], "the neighbour got the hostile row"


def test_the_common_case_is_taken_quickly() -> None:
    """Flat telemetry of many devices leaves nothing for the decoders; otherwise the figures of the benchmark mean nothing."""
    payload = b'{"ts":%d,"temperature":21.50,"vibration":0.123,"pressure":3.01}' % (NOW // 1000)
    made, left = quick(Plain(list(range(50)), [i % 4 for i in range(50)], [payload] * 50), NOW, NAMES, 65_536)
    assert (len(made), left) == (1, [])


def test_one_odd_payload_does_not_slow_its_neighbours() -> None:
    """A number that does not fit sends at most a handful of messages the long way, not the whole read."""
    payloads = [b'{"a": 1.5}'] * 500
    payloads[250] = b'{"a": 18446744073709551616}'
    _, left = quick(Plain(list(range(500)), [0] * 500, payloads), NOW, NAMES, 65_536)
    assert 0 < len(left) <= 8


def test_a_parser_that_lets_duplicates_through_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: without counting colons the last of two equal keys would win."""
    bad = b'{"seq":7,"a":1,"seq":8}'
    assert quick(Plain([0], [0], [bad]), NOW, NAMES, 65_536) == ([], [0])
    layout = module.layout_of(("seq", "a"))
    assert layout is not None
    monkeypatch.setattr(module, "layout_of", lambda _keys: layout._replace(size=3))
    [made], _ = quick(Plain([0], [0], [bad]), NOW, NAMES, 65_536)
    assert made.seq is not None
    assert made.seq.tolist() == [8]


def test_joined_payloads_would_shift(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: parsing a read as one list lets a hostile payload give its rows to its neighbour; one by one it cannot."""
    hostile, neighbour = b'{"a":1},{"a":99}', b'{"a":2}'
    _, left = quick(Plain([0, 1], [0, 1], [hostile, neighbour]), NOW, NAMES, 65_536)
    assert left == [0]

    def joined(payloads: list[bytes], _most: int) -> list[Any]:
        found: list[Any] = json.loads(b"[" + b",".join(payloads) + b"]")
        return found[: len(payloads)]

    monkeypatch.setattr(module, "_parse", joined)
    [made], _ = quick(Plain([0, 1], [0, 1], [hostile, neighbour]), NOW, NAMES, 65_536)
    assert (made.number.tolist(), made.signals["a"].tolist()) == ([1], [99]), "the neighbour got the hostile row"


def test_equal_rows_are_equal_bytes_whatever_the_order_of_keys() -> None:
    """Columns stand in the order of their names, so that two runs can be compared byte by byte."""
    frames = []
    for payload in (b'{"b":1,"a":2.5}', b'{"a":2.5,"b":1}'):
        made, _ = quick(Plain([0], [0], [payload]), NOW, NAMES, 65_536)
        [(_, frame)] = Framer(99).frames(made, np.zeros(8, np.int64), [key for _, key in NAMES], NOW)
        frames.append(encode(frame))
    assert frames[0] == frames[1]
