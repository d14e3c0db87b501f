"""Which numbers are missing: exactly those that were lost, however they came, were repeated, or were cut into frames."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.gap_book import MOST_RANGES, REORDER
from streams.gaps import Gaps, kind
from vorab.clock import SECOND, Micros
from vorab.frame import Reading, decode, encode, pack
from vorab.processor import Out
from vorab.records import Gap
from vorab.topics import READINGS

T0 = 1_795_000_000 * SECOND


def reading(seq: int | None, at_s: float, device: str = "a", boot: int | None = 1) -> Reading:
    """A row with this number, received so many seconds after T0."""
    at = T0 + round(at_s * SECOND)
    return Reading(f"main/{device}", at, at, 0, {"t": 1.0}, {}, boot if seq is not None else None, seq)


class Host:
    """Steps frames as hosts do, from bytes, and keeps the state as hosts do."""

    def __init__(self) -> None:
        self.gaps = Gaps()
        self.blocks: dict[str, bytes] = {}
        self.out: list[Gap] = []
        self.now: Micros = T0

    def frame(self, rows: Iterable[Reading]) -> list[Gap]:
        """One frame, then its time."""
        taken = list(rows)
        self.now = max([self.now, *(row.received_at for row in taken)])
        frame = decode(encode(pack(taken, self.now)))
        return self._keep([*self.gaps.step(READINGS, 0, frame, frame.now), *self.gaps.due(self.now)])

    def tick(self, at_s: float) -> list[Gap]:
        """Time goes on to so many seconds after T0."""
        self.now = max(self.now, T0 + round(at_s * SECOND))
        return self._keep(self.gaps.due(self.now))

    def crash(self) -> None:
        """Write what changed, die, and come back with that."""
        self.blocks.update(self.gaps.dirty())
        self.blocks = {name: block for name, block in self.blocks.items() if block}
        self.gaps = Gaps()
        self.gaps.restore(self.blocks)

    def _keep(self, outs: Iterable[Out]) -> list[Gap]:
        found = [out.record for out in outs if isinstance(out.record, Gap)]
        self.out += found
        return found

    @property
    def told(self) -> list[str]:
        """Everything that was said, in an order that does not depend on when it was said."""
        return sorted(gap.model_dump_json() for gap in self.out)


def told(gaps: Iterable[Gap]) -> list[tuple[int, int, bool, float]]:
    """First, last, whether filled, and seconds after T0."""
    return [(gap.first, gap.last, gap.filled, (gap.at - T0) / SECOND) for gap in gaps]


def missing(gaps: Iterable[Gap]) -> set[tuple[str, int, int]]:
    """Device, boot and number of what is open after these reports."""
    open_: set[tuple[str, int, int]] = set()
    for gap in sorted(gaps, key=lambda gap: gap.filled):
        numbers = {(gap.device, gap.boot, seq) for seq in range(gap.first, gap.last + 1)}
        open_ = open_ - numbers if gap.filled else open_ | numbers
    return open_


# ------------------------------------------------------------------------------------------------ stories


def test_a_lost_number_is_told_ten_seconds_later() -> None:
    """Not before, because another order is no loss; at its deadline, whichever tick notices."""
    host = Host()
    host.frame([reading(1, 0), reading(2, 1), reading(5, 2)])
    assert told(host.tick(12)) == []
    assert told(host.tick(30)) == [(3, 4, False, 12)]
    assert told(host.tick(90)) == []


def test_another_order_is_no_gap() -> None:
    """What comes within ten seconds was not lost, and repetitions say nothing."""
    host = Host()
    host.frame([reading(1, 0), reading(4, 1), reading(2, 2), reading(3, 10.5), reading(3, 10.6), reading(1, 11)])
    assert told(host.tick(100)) == []


def test_a_gap_is_closed_when_it_is_filled() -> None:
    """The device hands in what it kept: one report for what comes together, the rest stays open."""
    host = Host()
    host.frame([reading(1, 0), reading(10, 1)])
    host.tick(20)
    host.frame([reading(4, 30), reading(5, 31), reading(2, 32)])
    host.tick(40)
    host.frame([reading(seq, 50) for seq in (3, 6, 7, 8, 9)])
    host.tick(60)
    assert told(host.out) == [(2, 9, False, 11), (4, 5, True, 35), (2, 2, True, 37), (3, 3, True, 55), (6, 9, True, 55)]
    assert missing(host.out) == set()


def test_a_new_boot_starts_anew_and_the_old_one_is_not_forgotten() -> None:
    """Numbers begin again; what was lost before the restart is told all the same, and may still come."""
    host = Host()
    host.frame([reading(1, 0), reading(3, 1), reading(1, 2, boot=2), reading(2, 3, boot=2)])
    assert [(gap.boot, gap.first, gap.last) for gap in host.tick(20)] == [(1, 2, 2)]
    host.frame([reading(2, 30, boot=1), reading(3, 31, boot=2)])
    host.tick(60)
    assert [(gap.boot, gap.first, gap.filled) for gap in host.out] == [(1, 2, False), (1, 2, True)]


def test_numbers_without_a_boot_are_watched_too() -> None:
    """They are of one boot for ever; smaller ones are repetitions."""
    host = Host()
    host.frame([reading(1, 0, boot=None), reading(3, 1, boot=None), reading(None, 2), reading(1, 30, boot=None)])
    assert told(host.out) == [(2, 2, False, 11)]


def test_who_counts_by_twos_does_not_fill_the_memory() -> None:
    """The state of a device stays bounded; everything is told."""
    host = Host()
    for i in range(3 * MOST_RANGES):
        host.frame([reading(2 * i, i)])
    host.tick(10 * MOST_RANGES)
    assert len(missing(host.out)) == 3 * MOST_RANGES - 1
    assert max(map(len, host.gaps.dirty().values())) < 64_000


def test_the_usual_way_leaves_nothing_behind() -> None:
    """Numbers that come as expected keep no book, and frames without numbers cost nothing."""
    host = Host()
    for i in range(50):
        host.frame([reading(i * 20 + j, i, device=f"d{d}") for d in range(10) for j in range(20)])
        host.frame([reading(None, i)])
    host.crash()
    assert set(host.blocks) == {"devices/0"}
    assert host.out == []


def test_hosts_find_it() -> None:
    """It reads readings, gates on them and writes gaps."""
    found = kind()
    assert (found.name, [(one.topic, one.gating) for one in found.inputs]) == ("gaps", [("vorab.readings", True)])
    assert found.outputs == ("vorab.gaps",)


# ------------------------------------------------------------------------------------------------ whatever happens


class Sent(NamedTuple):
    """One message of a device."""

    device: str
    boot: int
    seq: int


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Reading], set[tuple[str, int, int]], int]:
    """Rows as they are received, what was lost of them, and a seed for cuts and crashes."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    rows: list[tuple[float, int, Sent]] = []
    lost: set[tuple[str, int, int]] = set()
    for device in ("a", "b", "c"):
        at = 0.0
        for boot in range(1, draw(st.integers(1, 3)) + 1):
            count = draw(st.integers(1, 40))
            first = draw(st.integers(0, 3))
            seqs = range(first, first + count)
            inner = set(seqs[1:-1])
            gone = {seq for seq in inner if chance.random() < 0.15}
            for seq in seqs:
                at += chance.choice([0.0, 0.1, 1.0, 4.0])
                if seq in gone:
                    if chance.random() < 0.7:
                        lost.add((device, boot, seq))
                    else:  # comes very late: a gap that is closed
                        rows.append((at + 15 + chance.random() * 30, len(rows), Sent(device, boot, seq)))
                    continue
                rows.append((at + chance.random() * 4.9, len(rows), Sent(device, boot, seq)))
                while chance.random() < 0.2:
                    rows.append((at + chance.random() * 60, len(rows), Sent(device, boot, seq)))
    rows.sort()
    received = [reading(sent.seq, at, sent.device, sent.boot) for at, _, sent in rows]
    return received, lost, chance.randrange(2**32)


def played(rows: Sequence[Reading], seed: int, *, whole: bool = False, crashes: bool = False) -> Host:
    """The rows in frames of some size, then time for everything to be told."""
    host, chance, left = Host(), random.Random(seed), list(rows)
    while left:
        size = 1 if whole else chance.choice([1, 2, 5, 30, 1000])
        host.frame(left[:size])
        left = left[size:]
        if crashes and chance.random() < 0.3:
            host.crash()
        if not whole and left and chance.random() < 0.3:
            host.tick((left[0].received_at - T0) / SECOND)
    host.tick(10_000)
    return host


@given(worlds())
def test_what_is_missing_is_exactly_what_was_lost(world: tuple[list[Reading], set[tuple[str, int, int]], int]) -> None:
    """Fuzzed: whatever the order within the reorder time, repetitions, restarts and late arrivals, the open gaps are the lost messages."""
    rows, lost, seed = world
    host = played(rows, seed)
    assert missing(host.out) == lost


@given(worlds())
def test_neither_cuts_nor_crashes_change_what_is_said(world: tuple[list[Reading], set[tuple[str, int, int]], int]) -> None:
    """Fuzzed: row by row, in large frames, or restored from its blocks again and again: the same reports with the same times."""
    rows, _, seed = world
    assert played(rows, seed).told == played(rows, seed, whole=True).told == played(rows, seed, crashes=True).told


@given(worlds())
def test_each_gap_is_told_in_time(world: tuple[list[Reading], set[tuple[str, int, int]], int]) -> None:
    """Fuzzed: a number that stays away is told at the latest ten seconds after a smaller and a larger one have come."""
    rows, lost, seed = world
    host = played(rows, seed)
    for device, boot, seq in lost:
        mine = [row for row in rows if row.device == f"main/{device}" and row.boot == boot]
        smaller = min(row.received_at for row in mine if (row.seq or 0) < seq)
        larger = min(row.received_at for row in mine if (row.seq or 0) > seq)
        told_of = [gap for gap in host.out if not gap.filled and (gap.device, gap.boot) == (device, boot) and gap.first <= seq <= gap.last]
        assert min(gap.at for gap in told_of) <= max(smaller, larger) + REORDER


@given(worlds())
def test_a_variant_that_does_not_wait_cries_wolf(world: tuple[list[Reading], set[tuple[str, int, int]], int]) -> None:
    """The check catches who tells at once: its reports hold numbers that only came in another order."""
    rows, lost, _ = world
    eager: set[tuple[str, int, int]] = set()
    highest: dict[tuple[str, int], int] = {}
    wolf = False
    for row in rows:
        place = (row.device.removeprefix("main/"), row.boot or 0)
        last = highest.setdefault(place, row.seq or 0)
        eager |= {(*place, seq) for seq in range(last + 1, row.seq or 0)}
        highest[place] = max(last, row.seq or 0)
        wolf = wolf or (*place, row.seq or 0) in eager
    assert wolf or eager >= {one for one in lost if one[2] < highest[one[0], one[1]]}


def test_a_frame_costs_columns_and_not_rows() -> None:
    """In a frame of a thousand expected rows nobody is looked at one by one."""
    host = Host()
    devices = [f"d{i}" for i in range(100)]
    host.frame([reading(0, 0, device) for device in devices])
    looked: list[int] = []
    see = host.gaps._see

    def counted(slot: int, boot: int, seq: int, at: Micros) -> list[Out]:
        looked.append(slot)
        return see(slot, boot, seq, at)

    host.gaps._see = counted  # type: ignore[method-assign] # it is what is counted
    host.frame([reading(seq, 1, device) for seq in range(1, 11) for device in devices])
    host.frame([reading(seq, 2, device) for device in devices for seq in ((11, 12) if device != "d7" else (12, 13))])
    assert looked == [7, 7]
    assert np.array_equal(host.gaps._columns.of["last"][:100], [13 if i == 7 else 12 for i in range(100)])
