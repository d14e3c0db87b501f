"""Event time per device: which rows are judged now, which wait for others, which belong to the past, and which were read before.

Stands between `rows_of` and `judge`. Rows of devices that simply go on, and nearly all do, cost one comparison and a few additions
for all of them together; those of the others go one by one through a `Clerk`. `docs/event-time.md` tells what it promises.

What becomes of a row depends on the rows of its device that arrived before it and on the times at which they arrived, never on how they
were cut into frames.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.detect.rows import Rows, origins
from streams.detect.tables import Devices
from streams.detectors.columns import Columns, Runs
from streams.event_time.clerk import LAYOUT, PAST_WAIT, QUIET, Clerk, Closed, Row, Verdict, Waiting
from streams.event_time.held import NAME as HELD
from streams.event_time.held import WAITING, Held
from streams.event_time.numbers import irregular, remember
from streams.event_time.odd import Odd
from streams.event_time.pace import SLOWEST_MS, judged
from vorab.clock import SECOND, Micros
from vorab.frame import Frame

Bools = NDArray[np.bool_]
Longs = NDArray[np.int64]

NAME: Final = "times"
BLOCK: Final = 1024
SKEW: Final[Micros] = SECOND
"""Rows of one device are received in order; those of different devices may stand in the log this much out of it."""
MOST_HELD: Final = 65_536
"""Rows of a partition that wait; beyond, the oldest go on."""
FAR: Final[Micros] = 2**62


def _nothing() -> Frame:
    return Frame(0)


@dataclass(slots=True)
class Part:
    """Rows that fill holes: to be judged apart, and lanes that end after them."""

    serials: list[int] = field(default_factory=list)
    frame: Frame = field(default_factory=_nothing)
    closed: list[tuple[str, Micros]] = field(default_factory=list)
    """Key of the device, and the first live reading after the hole."""


@dataclass(slots=True)
class Turn:
    """What is to be judged; devices of these frames are slots."""

    fresh: Bools
    """Which rows of the frame were not read before."""
    now: Bools
    """Which are judged at once."""
    released: Frame = field(default_factory=_nothing)
    """Rows that waited, in the order in which they are judged."""
    past: list[Part] = field(default_factory=list)


def is_own(block: str) -> bool:
    """Whether a block of state belongs to event time, not to the book of rules and devices."""
    return block.startswith((NAME + "/", HELD + "/", "past."))


_NOBODY: Final = np.zeros(0, bool)


class Timeline:
    """Event time of the devices of a partition."""

    def __init__(self, devices: Devices, grace: Micros = 0) -> None:
        """`grace` (µs) is for devices whose registry entry says nothing."""
        self._devices = devices
        self._grace = grace
        self._graced = False
        self.columns = Columns(NAME, LAYOUT, BLOCK)
        self.odd: dict[int, Odd] = {}
        self.held = Held()
        self._lanes: set[int] = set()
        self._up_to: Longs = np.zeros(0, np.int64)
        self._next: Micros = FAR
        self.counted: Counter[str] = Counter()
        """Since the last look: `late`, `past`, `repeated`, `forced`."""

    # -------------------------------------------------------------------------------------------------- rows

    def take(self, frame: Frame, rows: Rows) -> Turn:
        """Rows of a frame, whose devices are slots by now."""
        self._reach()
        of = self.columns.of
        runs = Runs(rows.device, apart=rows.apart)
        times = runs.sort(rows.measured)
        odd = times < runs.before(times, of["seen"][runs.slots])
        if rows.seq is not None:
            odd |= irregular(of, rows, runs, times)
        some_odd, whole = bool(np.count_nonzero(odd)), np.ones(len(rows), bool)
        if not some_odd and not self._graced:
            self._simply(rows, runs, times, None)
            return Turn(whole, whole)
        odd = runs.any(odd)
        waits = of["grace"][runs.slots] > 0
        order = runs.index if runs.order is None else runs.order
        turn, ready = Turn(whole, whole.copy()), list[int]()
        for mine, wait in ((np.flatnonzero(~odd & ~waits), False), (np.flatnonzero(~odd & waits), True)):
            if len(mine):
                some = Runs(runs.slots[mine], apart=rows.apart)
                self._simply(rows, some, times[mine], order[mine], wait=wait)
                if wait:
                    turn.now[order[mine]] = False
                    ready = self._wait(frame, rows, some, order[mine])
        if not some_odd:
            return self._finish(turn, {}, ready)
        mine = np.flatnonzero(odd)
        return self._one_by_one(frame, rows, runs.slots[mine], order[mine], turn, ready)

    def _wait(self, frame: Frame, rows: Rows, runs: Runs, at: NDArray[np.intp]) -> list[int]:
        """Let rows of devices wait whose rows follow each other; gives what waits no longer, in its order. For one it is `Clerk`."""
        of, tails = self.columns.of, runs.lasts
        self._hold(frame, rows, np.sort(at), None)
        held = self.held.rows
        self._up_to = self._up_to if len(self._up_to) >= self.columns.n else np.zeros(2 * self.columns.n, np.int64)
        up_to, received = self._up_to, rows.received[at]
        # The clock of arrivals first: what was due before the last row came, and what precedes it.
        up_to[runs.unique] = runs.running_max(received)[tails]
        here = np.zeros(len(held), bool)
        here[np.isin(held["device"], runs.unique)] = True
        mine = np.flatnonzero(here & ~held["past"])
        due = mine[held["due"][mine] <= up_to[held["device"][mine]]]
        up_to[runs.unique] = of["seen"][runs.unique] - of["grace"][runs.unique].astype(np.int64) * 1000
        np.maximum.at(up_to, held["device"][due], held["measured"][due])
        ready = held[mine[held["measured"][mine] <= up_to[held["device"][mine]]]]
        ready = ready[np.lexsort([ready[name] for name in ("serial", "seq", "boot", "measured", "device")])]
        if len(ready):
            judged(of, Runs(ready["device"].astype(np.intp)), ready["measured"])
        serials: list[int] = ready["serial"].tolist()
        return serials

    def _simply(self, rows: Rows, runs: Runs, times: Longs, at: NDArray[np.intp] | None, *, wait: bool = False) -> None:
        """Devices whose rows follow each other, and may have to wait; `at` are the rows in this order, None for the order of `runs`."""
        of, heads, tails = self.columns.of, runs.unique, runs.lasts
        if not wait:
            judged(of, runs, times)
        of["seen"][heads] = times[tails]
        self.columns.touch(heads)
        if rows.seq is not None:
            remember(of, rows, runs, at)

    # -------------------------------------------------------------------------------------------- one by one

    def _one_by_one(self, frame: Frame, rows: Rows, slots: NDArray[np.intp], at: NDArray[np.intp], turn: Turn, ready: list[int]) -> Turn:
        """Rows of odd devices, sorted by device: `at` are their places among all rows."""
        late = np.zeros(len(rows), bool)
        verdicts = np.zeros(len(rows), np.int8)
        numbered = rows.numbered[at] if rows.numbered is not None else np.full(len(at), rows.seq is not None)
        columns = (
            slots,
            at,
            rows.received[at],
            rows.measured[at],
            np.zeros(len(at), np.int64) if rows.boot is None else rows.boot[at],
            np.zeros(len(at), np.int64) if rows.seq is None else rows.seq[at],
            numbered,
            rows.quality[at],
            self.held.serial + at,
        )
        clerks: dict[int, Clerk] = {}
        waiting = self._waiting(slots)
        for slot, i, *row in zip(*(column.tolist() for column in columns), strict=True):
            clerk = clerks.get(slot)
            if clerk is None:
                clerk = clerks[slot] = self._clerk(slot, waiting.get(slot, ()))
            verdicts[i] = clerk.see(Row(*row))
        turn.fresh = verdicts != Verdict.REPEATED
        late = verdicts == Verdict.LATE
        if np.count_nonzero(late):
            rows.late = late
        turn.now &= (verdicts == Verdict.NOW) | late
        self.counted["late"] += int(np.count_nonzero(late | (verdicts == Verdict.GONE)))
        self.counted["repeated"] += int(np.count_nonzero(~turn.fresh))
        wait = np.flatnonzero((verdicts == Verdict.WAITS) | (verdicts == Verdict.PAST))
        if len(wait):
            self._hold(frame, rows, wait, verdicts[wait] == Verdict.PAST)
        return self._finish(turn, clerks, ready)

    def _hold(self, frame: Frame, rows: Rows, wait: NDArray[np.intp], past: Bools | None) -> None:
        """Keep rows, given in the order of arrival."""
        blocks, block, place = origins(frame)
        kept = np.zeros(len(wait), WAITING)
        kept["device"], kept["measured"], kept["past"] = rows.device[wait], rows.measured[wait], past is not None and past
        kept["boot"] = 0 if rows.boot is None else rows.boot[wait]
        kept["seq"] = 0 if rows.seq is None else rows.seq[wait]
        kept["serial"] = self.held.serial + wait
        graces = self.columns.of["grace"][rows.device[wait]].astype(np.int64) * 1000
        kept["due"] = rows.received[wait] + (graces if past is None else np.where(past, np.maximum(graces, PAST_WAIT), graces))
        self.held.add(blocks, block[wait], place[wait], kept)

    def _clerk(self, slot: int, waiting: Iterable[tuple[bool, Waiting]]) -> Clerk:
        clerk = Clerk(self.columns.of, slot, self.odd.get(slot))
        for past, each in waiting:
            (clerk.past if past else clerk.live).append(each)
        clerk.live.sort()
        clerk.past.sort()
        return clerk

    def _waiting(self, slots: NDArray[np.intp]) -> dict[int, list[tuple[bool, Waiting]]]:
        """Per device what waits."""
        out: dict[int, list[tuple[bool, Waiting]]] = {}
        rows = self.held.rows
        if len(rows):
            rows = rows[np.isin(rows["device"], slots)]
            names = ("device", "past", "measured", "boot", "seq", "serial", "due")
            for device, past, *rest in zip(*(rows[name].tolist() for name in names), strict=True):
                out.setdefault(device, []).append((past, Waiting(*rest)))
        return out

    def _finish(self, turn: Turn, clerks: Mapping[int, Clerk], ready: list[int]) -> Turn:
        """Write back what clerks know, and give the rows that wait no longer."""
        for slot, clerk in clerks.items():
            odd = clerk.save()
            if odd is None:
                self.odd.pop(slot, None)
            else:
                self.odd[slot] = odd
            (self._lanes.add if clerk.odd.lane is not None else self._lanes.discard)(slot)
            ready += clerk.ready
            self._fill(turn.past, slot, clerk)
            self.counted["late"] += len(clerk.let_go)
            self.held.drop(clerk.let_go)
        self.columns.touch(np.fromiter(clerks, np.intp, len(clerks)))
        if ready:
            turn.released = self.held.take(ready)
        for part in turn.past:
            if part.serials:
                self.counted["past"] += len(part.serials)
                part.frame = self.held.take(part.serials)
        self._next = self._deadline()
        return turn

    def _fill(self, parts: list[Part], slot: int, clerk: Clerk) -> None:
        at = 0
        for each in clerk.lane:
            if at == len(parts):
                parts.append(Part())
            if isinstance(each, Closed):
                parts[at].closed.append((self._devices.keys[slot], each.end))
                at += 1
            else:
                parts[at].serials.append(each)

    # -------------------------------------------------------------------------------------------------- time

    def due(self, now: Micros) -> Turn | None:
        """The partition's clock stands here: what has waited for long enough; None where nothing has."""
        now -= SKEW
        crowded = len(self.held) > MOST_HELD
        if now < self._next and not crowded:
            return None
        rows = self.held.rows
        slots = set(np.unique(rows["device"][rows["due"] <= now]).tolist()) | {
            slot for slot in self._lanes if (lane := self.odd[slot].lane) is not None and lane.heard + QUIET <= now
        }
        forced: dict[int, Micros] = {}
        if crowded:
            oldest = rows[: len(rows) - MOST_HELD * 3 // 4]
            self.counted["forced"] += len(oldest)
            for slot, due in zip(oldest["device"].tolist(), oldest["due"].tolist(), strict=True):
                forced[slot] = max(forced.get(slot, 0), due)
            slots |= set(forced)
        waiting = self._waiting(np.array(sorted(slots), np.intp))
        clerks = {slot: self._clerk(slot, waiting.get(slot, ())) for slot in sorted(slots)}
        for slot, clerk in clerks.items():
            clerk.expire(max(now, forced.get(slot, 0)))
        return self._finish(Turn(_NOBODY, _NOBODY), clerks, [])

    @property
    def waits(self) -> bool:
        """Whether any row waits, or a hole is being filled."""
        return self._next != FAR

    def _deadline(self) -> Micros:
        rows = self.held.rows
        first = int(rows["due"].min()) if len(rows) else FAR
        return min([first, *(lane.heard + QUIET for slot in self._lanes if (lane := self.odd[slot].lane) is not None)])

    # ---------------------------------------------------------------------------------------------- registry

    def look(self, slots: Iterable[int]) -> None:
        """What the registry says of these devices may be another now."""
        grace = self.columns.of["grace"]
        for slot in slots:
            entry = self._devices.entries[slot]
            if entry is not None or not grace[slot]:
                own = None if entry is None else entry.grace_s
                grace[slot] = min(round(own * 1000) if own is not None else self._grace // 1000, SLOWEST_MS)
                self._graced |= bool(grace[slot])

    def _reach(self) -> None:
        """There may be new devices."""
        have, want = self.columns.n, len(self._devices.keys)
        if want > have:
            self.columns.grow(want - have)
            self.look(range(have, want))

    # ------------------------------------------------------------------------------------------------- state

    def dirty(self) -> dict[str, bytes]:
        """The blocks that changed."""
        out = self.held.dirty(self._devices.keys)
        for name, first, last in self.columns.take_changed():
            odd = {slot - first: self.odd[slot] for slot in range(first, last) if slot in self.odd}
            out[name] = self.columns.pack(first, last, odd=msgspec.msgpack.encode(odd))
        return out

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over state, after that of the devices."""
        names = [name for name in blocks if name.startswith(NAME + "/")]
        for name in sorted(names, key=lambda name: int(name.rpartition("/")[2])):
            first, got = int(name.rpartition("/")[2]) * BLOCK, self.columns.unpack(name, blocks[name])
            for slot, odd in msgspec.msgpack.decode(got["odd"], type=dict[int, Odd]).items():
                self.odd[first + slot] = odd
        self._lanes = {slot for slot, odd in self.odd.items() if odd.lane is not None}
        self.look(range(self.columns.n))
        self._reach()
        self.held.restore(blocks, self._devices.slot.__getitem__)
        self._next = self._deadline()
