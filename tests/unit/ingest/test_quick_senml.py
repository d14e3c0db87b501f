"""SenML packs in bulk and one by one: two ways to the same rows; a pack never notices which one it took."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import outline
from ingest import quick_senml as module
from ingest.columns import ROWS_PER_MESSAGE, Columns, Placed, of_rows
from ingest.decoders import Sender, decode
from ingest.decoders.cbor import LABELS
from ingest.framer import Framer
from ingest.outline import Differs, JsonOutline, cut
from ingest.quick import Plain
from ingest.quick_senml import Packs
from ingest.timing import settle
from ingest.units import named
from vorab.clock import DAY, MINUTE, SECOND
from vorab.errors import Rejected
from vorab.frame import Reading, unpack

NOW = 1_795_000_000 * SECOND
NUMBERS = {label: number for number, label in LABELS.items()}
NAMES = [(f"pump-{i}", f"main/pump-{i}") for i in range(4)]
LARGEST = 65_536

Batch = list[tuple[int, bytes]]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups as small as a test can hold are read in bulk."""
    monkeypatch.setattr(module, "_FEW", 1)


def slowly(number: int, payload: bytes, place: int) -> list[Placed] | None:
    """The rows the decoders find."""
    name, key = NAMES[number]
    found = []
    try:
        for i, row in enumerate(decode(payload, Sender(name, key, NOW))):
            at, received, quality = settle(row, NOW, recorded=False)
            reading = Reading(key, at, received, quality, row.values, named(row.units), row.boot, row.seq)
            found.append(Placed(place * ROWS_PER_MESSAGE + i, number, reading))
    except Rejected:
        return None
    return found


def by_message(made: list[Columns]) -> dict[int, Any]:
    """Through a frame, as a consumer would see it, with the types of the values: 1 and True are equal to Python only."""
    ranks = sorted(rank for some in made for rank in some.rank.tolist())
    if not ranks:
        return {}
    [(_, frame)] = Framer(99).frames(made, np.zeros(8, np.int64), [key for _, key in NAMES], NOW)
    found: dict[int, list[Any]] = {}
    for rank, row in zip(ranks, unpack(frame), strict=True):
        values = {name: (type(value), value) for name, value in row.values.items()}
        found.setdefault(rank // ROWS_PER_MESSAGE, []).append((*row._replace(values={}), values))
    return found


def both_ways(packs: Packs, batch: Batch) -> tuple[dict[int, Any], dict[int, Any], list[int]]:
    """Rows by message, in bulk first and by the decoders alone; and what was left to the decoders."""
    plain = Plain(range(len(batch)), [number for number, _ in batch], [payload for _, payload in batch])
    made, left = packs.quick(plain, NOW, NAMES, LARGEST, {})
    rows = {i: found for i in range(len(batch)) if (found := slowly(*batch[i], i)) is not None}
    fast = by_message(made + of_rows([row for i in sorted(left) for row in rows.get(i, [])]))
    return fast, by_message(of_rows([row for found in rows.values() for row in found])), left


def same(packs: Packs, *batches: Batch) -> list[int]:
    """What the last batch left to the decoders, after both ways agreed on all of them."""
    left: list[int] = []
    for batch in batches:
        fast, slow, left = both_ways(packs, batch)
        assert fast == slow
    return left


# ------------------------------------------------------------------------------------------------ the same rows

values = (
    st.sampled_from([0, -0.0, 21, 21.5, 1e5, True, False, 2**63 - 1, 2**63, 2**64, 1.7e308, -5, 0.1])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**65), 2**65)
)
times = (
    st.sampled_from([0, -5, 5, -0.5, NOW / SECOND, NOW // SECOND, NOW / SECOND - 3600.123, 2**28, 2**28 - 1, 1e12, 1e300])
    | st.floats((NOW - 8 * DAY) / SECOND, (NOW + 10 * MINUTE) / SECOND)
    | st.floats(-1e6, 1e6)
)
names = st.sampled_from(["temp", "batt", "x", "", "pump-1", "a b", "ä"])
bases = st.sampled_from(["urn:dev:ow:10e2073a01080063:", "urn:dev:mac:0024befffe804ff1_", "pump-1/", "m:", "", "x" * 250, "a b", "ö"])
units = st.sampled_from(["Cel", "°C", "kWh", "", "widgets"])
record = st.fixed_dictionaries(
    {"n": names},
    optional={
        "u": units, "bu": units, "v": values, "vb": st.booleans(), "vs": st.sampled_from(["ok", '"v":5', "ü"]),
        "t": times, "ut": st.just(60),
        "bver": st.just(10), "s": values, "bv": st.just(1), "color": st.just("red"), "must_": st.just(1),
    },
)  # fmt: skip
head = st.fixed_dictionaries({}, optional={"bn": bases, "bt": times, "n": names, "v": values, "u": units})


def written(pack: list[dict[str, Any]], how: str) -> bytes:
    """A pack in one of the ways in which libraries write it; `short` is CBOR with floats of any length."""
    if how in {"cbor", "short"}:
        return cbor2.dumps([{NUMBERS.get(label, label): value for label, value in one.items()} for one in pack], canonical=how == "short")
    return json.dumps(pack, ensure_ascii=how == "ascii", separators=None if how == "spaced" else (",", ":")).encode()


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Packs of few outlines with many values, some from devices that send several, and some that are no packs."""
    outlines = draw(st.lists(st.tuples(head, st.lists(record, max_size=3)), min_size=1, max_size=3))
    batch: Batch = []
    for _ in range(draw(st.integers(1, 14))):
        first, others = draw(st.sampled_from(outlines))
        pack = [{**one} for one in ([first] if first else []) + others]
        for one in pack:
            for label, some in (("v", values), ("t", times), ("bt", times), ("bn", bases)):
                if label in one and draw(st.booleans()):
                    one[label] = draw(some)
        batch.append((draw(st.integers(0, 3)), written(pack, draw(st.sampled_from(["json", "spaced", "ascii", "cbor", "short"])))))
    for _ in range(draw(st.integers(0, 2))):
        odd = draw(st.sampled_from([b'{"a":1}', b"[]", b"[1]", b'[{"n":"a","v":1}', b"", b'[{"a":1}]', b"nonsense"]))
        batch.insert(draw(st.integers(0, len(batch))), (draw(st.integers(0, 3)), odd))
    return batch


@given(st.lists(batches(), min_size=1, max_size=3))
def test_both_ways_give_the_same_rows(found: list[Batch]) -> None:
    """Fuzzed: names, values, types, times, quality, units and order are the same, and refused is refused, also with a memory."""
    same(Packs(), *found)


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=4), st.booleans())
def test_one_wrong_byte_changes_nothing_for_the_neighbours(wrong: list[tuple[int, int, int]], in_cbor: bool) -> None:
    """Fuzzed: good packs of which some have a byte replaced, cut off or doubled."""
    batch = [(i % 4, PACK % (b"%d" % i, b"21.5", b"3.25")) for i in range(8)]
    if in_cbor:
        batch = [(number, written(json.loads(payload), "cbor")) for number, payload in batch]
    packs = Packs()
    same(packs, batch)
    for which, place, byte in wrong:
        number, payload = batch[which]
        place %= len(payload)  # noqa: PLW2901
        batch[which] = number, payload[:place] + bytes([byte]) * (byte % 3) + payload[place + 1 :]
    same(packs, batch)


PACK = b'[{"bn":"urn:dev:ow:10e2073a0108006%s:","bt":1795000000.25,"n":"temp","u":"Cel","v":%s},{"n":"pressure","u":"hPa","v":%s}]'


def fleet(n: int, *odd: tuple[int, bytes]) -> Batch:
    """Packs of one kind, and some that are not."""
    batch = [(i % 4, PACK % (b"%d" % (i % 4), b"%.2f" % (i / 7), b"%d.5" % i)) for i in range(n)]
    for place, payload in odd:
        batch[place] = batch[place][0], payload
    return batch


# ------------------------------------------------------------------------------------------------ what it is for


def test_the_common_case_is_taken_in_bulk() -> None:
    """One kind of device leaves nothing to the decoders; otherwise the figures of the benchmark mean nothing."""
    assert same(Packs(), fleet(50), fleet(200)) == []


@pytest.mark.parametrize("how", ["spaced", "cbor", "short"])
def test_every_way_to_write_a_pack_is_taken_in_bulk(how: str) -> None:
    """Also with blanks, and in CBOR with small numbers, booleans, floats of any length and bytes."""
    pack = [
        {"bn": "urn:dev:ow:10e2073a01080063:", "bt": 1_795_000_000, "n": "a", "u": "K", "v": 0.1},
        {"n": "b", "v": 5},
        {"n": "c", "vb": True},
    ]
    batch = []
    for i in range(24):
        pack[0]["v"], pack[1]["v"], pack[2]["vb"] = i + 0.1, i % 24, i % 2 == 0
        batch.append((i % 4, written(pack, how)))
    assert same(Packs(), batch, batch) == []


@pytest.mark.parametrize("how", ["json", "cbor"])
def test_a_promise_to_be_heard_goes_to_the_decoder_once_per_device(how: str) -> None:
    """The decoder tells what `ut` promises; afterwards the device is read in bulk, until it promises something else."""
    packs = Packs()
    usual, other = (written([{"n": "a", "v": 1.5, "ut": seconds}], how) for seconds in (60, 3600))
    assert len(same(packs, [(i, usual) for i in range(4)])) == 4
    assert same(packs, [(i % 4, usual) for i in range(12)]) == []
    assert len(same(packs, [(i % 4, other if i == 3 else usual) for i in range(12)])) == 1


def test_several_kinds_in_one_read_are_taken_in_bulk() -> None:
    """Flat JSON, packs with a space, with times per record, and without any time, side by side and in turn of one device."""
    kinds = [
        b'{"temperature":%d.5}',
        b'[{"n": "a", "v": %d.5}, {"n": "b", "vb": true}]',
        b'[{"bn":"pump-1/","n":"a","t":-5,"v":%d},{"n":"b","t":-5,"v":1.5}]',
        b'[{"bn":"x:","bt":1795000000,"bu":"W"},{"n":"a","v":%d},{"n":"fw","vs":"1.2.3"}]',
    ]
    of_one_each = [(i % 4, kinds[i % 4] % i) for i in range(40)]
    in_turn = [(i % 4, kinds[i // 4 % 4] % i) for i in range(64)]
    packs = Packs()
    assert same(packs, of_one_each, of_one_each) == []
    assert len(same(packs, in_turn, in_turn)) <= 16, "flat ones from devices that sent packs before"


def test_one_odd_pack_does_not_slow_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that does not fit, or a broken pack, sends at most a handful of messages to the decoders."""
    monkeypatch.setattr(module, "_FEW", 8)
    for odd in (PACK % (b"1", b"18446744073709551616", b"1.5"), PACK % (b"1", b"1e999", b"1.5"), b"[", PACK % (b"1", b"1.5,2", b"1.5")):
        packs = Packs()
        assert len(same(packs, fleet(400), fleet(400, (123, odd)))) <= 16
        assert same(packs, fleet(400)) == []


def test_one_bad_pack_does_not_spoil_the_outline_for_others() -> None:
    """What the first pack of an outline says wrong is its own affair."""
    assert same(Packs(), [(0, PACK % (b"1", b"1e999", b"1.5"))], fleet(50)) == []


def test_a_device_that_changes_its_name_or_outline_is_learned_anew() -> None:
    """New firmware: the next read knows it."""
    packs = Packs()
    same(packs, fleet(16))
    other = [(i % 4, b'[{"bn":"urn:dev:ow:ffff:","bt":1795000001,"n":"speed","v":%d.5}]' % i) for i in range(16)]
    assert same(packs, other, other) == []
    renamed = [(i % 4, PACK % (b"9", b"1.5", b"2.5")) for i in range(16)]
    assert same(packs, renamed, renamed) == []


@pytest.mark.parametrize("odd", [b"true", b"null", b'"5"', b"[]", b"01", b"+1", b"1.", b"NaN", b"-", b"1 2", b"0x1", b"1_0", b"\xc2\xb2"])
def test_what_is_no_number_is_refused_either_way(odd: bytes) -> None:
    """In a value and in a time, among neighbours that are fine."""
    packs = Packs()
    for pack in (b'[{"n":"a","t":-1,"v":%s}]', b'[{"n":"a","t":%s,"v":1.5}]'):
        good, bad = (0, pack % b"1"), (1, pack % odd)
        assert len(same(packs, [good] * 4, [good, bad, good], [good, good, bad])) <= 3


def test_a_topic_that_allows_one_decoder_only_gets_no_other() -> None:
    """Where the map says `json`, `n` and `v` are names of signals; where it says SenML, an object is refused."""
    pack, flat = b'[{"n":"a","v":1.5}]', b'{"a":1.5}'
    payloads = [pack, pack, flat, flat, written(json.loads(pack), "cbor")]
    packs, plain = Packs(), Plain(range(5), [0, 1, 0, 1, 1], payloads)
    for _ in range(2):
        made, left = packs.quick(plain, NOW, NAMES, LARGEST, {0: "json", 1: "senml+json"})
        assert sorted(left) == [0, 3, 4]
        assert sorted(rank // ROWS_PER_MESSAGE for some in made for rank in some.rank.tolist()) == [1, 2]


def test_outlines_are_forgotten_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of made-up names costs time, not memory."""
    monkeypatch.setattr(module, "_MOST", 10)
    packs = Packs()
    for i in range(25):
        same(packs, [(0, b'[{"n":"a%d","v":1.5}]' % i)] * 3)
        assert len(packs._kinds) <= 10
    packs.forget()
    assert same(packs, fleet(16)) == []


# ------------------------------------------------------------------------------------------------ known bad


@pytest.mark.parametrize(
    "hostile",
    [
        [b'[{"n":"a","v":1,22}]', b'[{"n":"a","v": }]', b'[{"n":"a","v":3}]'],
        [b'[{"n":"a","v":[1}]', b'[{"n":"a","v":2]}]', b'[{"n":"a","v":3}]'],
        [b'[{"n":"a","v":"1}]', b'[{"n":"a","v":2"}]', b'[{"n":"a","v":3}]'],
        [b'[{"n":"a","v":1}]', b'[{"n":"a","v":}]', b'[{"n":"a","v":3}]'],
    ],
)
def test_numbers_that_shift_are_caught(hostile: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: joined and parsed without counting, packs that hold too much and too little would give their rows to each other."""
    packs, good = Packs(), b'[{"n":"a","v":7}]'
    same(packs, [(i, good) for i in range(4)])
    assert 1 in same(packs, [*enumerate(hostile), (3, good)])
    with pytest.raises(Differs):
        outline_of(good).read(hostile, [None] * 3)

    def trusting(texts: Any, sizes: Any, spots: int) -> list[Any]:
        found = json.loads(b"[" + b",".join(bytes(text[:size]) for text, size in zip(texts, sizes, strict=True)) + b"]")
        return [found[i * 3 : (i + 1) * 3] for i in range(spots)]

    monkeypatch.setattr(outline, "_parsed", trusting)
    with contextlib.suppress(Differs, json.JSONDecodeError):
        found = outline_of(good).read([b'[{"n":"a","v":1,22}]', b'[{"n":"a","v":[3}]', b'[{"n":"a","v":4]}]'], [None] * 3)
        assert found.numbers == [[1, 22, [3, 4]]], "the second pack has the first one's number"


def test_an_outline_that_is_not_compared_is_caught() -> None:
    """Known bad: records in another order have the same length and quotes; compared byte by byte they are another outline."""
    usual, swapped = b'[{"n":"a","v":1.5},{"n":"b","v":2.5}]', b'[{"n":"b","v":2.5},{"n":"a","v":1.5}]'
    packs = Packs()
    assert same(packs, [(0, usual)] * 8, [(0, usual), (0, swapped)] * 8) == []
    with pytest.raises(Differs):
        outline_of(usual).read([usual, swapped], [None] * 2)


def outline_of(payload: bytes) -> JsonOutline:
    """The outline of one pack."""
    made = cut(payload)
    assert made is not None
    return JsonOutline(made)
