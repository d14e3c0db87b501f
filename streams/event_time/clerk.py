"""One device whose rows do not simply follow each other, row by row: what is read again, what waits, what is late, what fills a hole."""

from __future__ import annotations

from bisect import bisect_right, insort
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.event_time.odd import Lane, Odd
from streams.event_time.pace import BUCKET, FIRST, HOLES, SLOWEST_MS, add_hole, rows_since, widest
from vorab.clock import SECOND, Micros
from vorab.frame import Quality

LAYOUT: Final[dict[str, str | tuple[str, int]]] = {
    "seen": "<i8",  # largest time that came
    "front": "<i8",  # largest time judged
    "grace": "<u4",  # ms
    "tally": "<u4",  # rows judged
    "mark": "<i8",  # time of the row at which the interval was last taken
    "pace": "<u4",  # ms, mean interval then
    "usual": "<u4",  # ms, the smaller of the last two
    "boot": "<u4",
    "seq": "<u8",  # largest number of this boot
    "said": "<i8",  # arrival of the row with this number
    "numbered": "|b1",
    "hole_from": ("<i8", HOLES),
    "hole_to": ("<i8", HOLES),  # 0: no hole
}
PAST_WAIT: Final[Micros] = 10 * SECOND
"""What fills a hole is put in order over so long: nobody waits for the past, and uploads come shuffled."""
QUIET: Final[Micros] = 60 * SECOND
"""A lane ends when nothing has come for it for so long; longer than `PAST_WAIT`."""
MOST_WAITING: Final = 4096
"""Rows of one device that wait; beyond, the older half goes on."""

STORED: Final = int(Quality.HISTORICAL)
ARRIVED: Final = int(Quality.ARRIVAL | Quality.CLAMPED)
LAST: Final = 2**63


class Verdict(IntEnum):
    """What becomes of a row."""

    NOW = 0
    WAITS = 1
    PAST = 2
    LATE = 3
    """Older than something its device was judged by; a signal that comes by itself may still say something new of itself."""
    GONE = 4
    """The same, but readings of this device wait for it long enough, or it is of a time before a hole: nobody judges it."""
    REPEATED = 5


class Row(NamedTuple):
    """A row as it comes."""

    received: Micros
    measured: Micros
    boot: int
    seq: int
    numbered: bool
    quality: int
    serial: int


class Waiting(NamedTuple):
    """A row that waits; compares by the order in which rows are judged."""

    measured: Micros
    boot: int
    seq: int
    serial: int
    due: Micros


class Closed(NamedTuple):
    """A lane has ended."""

    end: Micros
    """The first live reading after its hole."""


class Clerk:
    """Reads the columns of a device, sees its rows, writes the columns back."""

    def __init__(self, of: dict[str, NDArray[Any]], slot: int, odd: Odd | None) -> None:
        self._of, self._slot = of, slot
        self.odd = odd or Odd()
        self.seen, self.front = int(of["seen"][slot]), int(of["front"][slot])
        self.grace = int(of["grace"][slot]) * 1000
        self.tally, self.mark = int(of["tally"][slot]), int(of["mark"][slot])
        self.pace, self.usual = int(of["pace"][slot]), int(of["usual"][slot])
        self.boot, self.seq, self.numbered = int(of["boot"][slot]), int(of["seq"][slot]), bool(of["numbered"][slot])
        self.said = int(of["said"][slot])
        self.live: list[Waiting] = []
        self.past: list[Waiting] = []
        """What waits, in order."""
        self.ready: list[int] = []
        """Serial numbers of rows that wait no longer, in the order in which they are to be judged."""
        self.lane: list[int | Closed] = []
        """The same for rows that fill a hole, and ends of lanes between them."""
        self.let_go: list[int] = []
        """Rows that need not wait any longer because somebody else filled their place."""

    def save(self) -> Odd | None:
        """Write the columns; gives what is odd about the device."""
        of, slot = self._of, self._slot
        of["seen"][slot], of["front"][slot], of["tally"][slot], of["mark"][slot] = self.seen, self.front, self.tally, self.mark
        of["pace"][slot], of["usual"][slot] = self.pace, self.usual
        of["boot"][slot], of["seq"][slot], of["said"][slot], of["numbered"][slot] = self.boot, self.seq, self.said, self.numbered
        odd = self.odd
        if odd.late is not None and odd.late.tally != self.tally:
            odd.late = None
        if odd.refused is not None and odd.refused.tally != self.tally:
            odd.refused = None
        return None if odd.plain else odd

    # -------------------------------------------------------------------------------------------------- rows

    def see(self, row: Row) -> Verdict:
        """A row, in the order of arrival."""
        self.expire(row.received)
        measured, fresh, skipped = row.measured, True, False
        if row.numbered:
            fresh, skipped = self._take(row)
        if measured >= self.front:
            if not fresh and not self._begins_anew(row):
                return Verdict.REPEATED
            return self._on_time(row, skipped=skipped)
        if not fresh:
            return Verdict.REPEATED
        if not row.quality & STORED and self.odd.set_back(measured, row.received, self.tally):
            self._go_back(measured)
            return self._on_time(row, skipped=False)
        if self._hole(measured) >= 0:
            return self._fill(row)
        return Verdict.GONE if self.grace or measured < int(self._of["hole_to"][self._slot].max()) else Verdict.LATE

    def _on_time(self, row: Row, *, skipped: bool) -> Verdict:
        self.seen = max(self.seen, row.measured)
        if not self.grace:
            self.advance(row.measured, skipped=skipped)
            return Verdict.NOW
        insort(self.live, Waiting(row.measured, row.boot, row.seq, row.serial, row.received + self.grace))
        self._release(self.seen - self.grace)
        if len(self.live) > MOST_WAITING:
            self._release(self.live[MOST_WAITING // 2].measured)
        return Verdict.WAITS

    def _fill(self, row: Row) -> Verdict:
        lane = self.odd.lane
        if lane is not None:
            lane.heard = row.received
        insort(self.past, Waiting(row.measured, row.boot, row.seq, row.serial, row.received + max(PAST_WAIT, self.grace)))
        if len(self.past) > MOST_WAITING:
            self._let_past(self.past[MOST_WAITING // 2].measured)
        return Verdict.PAST

    # ----------------------------------------------------------------------------------------------- numbers

    def _take(self, row: Row) -> tuple[bool, bool]:
        """Whether a row had not come yet by its number, and whether numbers were left out before it."""
        odd, boot, seq = self.odd, row.boot, row.seq
        if not self.numbered:
            self.numbered, self.boot, self.seq, self.said = True, boot, seq, row.received
            if self.grace and seq:
                odd.leave_out(boot, 0, seq - 1)
            return True, False
        if boot == self.boot:
            if seq == self.seq:  # one message may make several rows; they arrive together
                return row.received == self.said and row.measured > self.seen, False
            if seq < self.seq:
                return odd.fill(boot, seq, row.measured, row.received), False
            skipped = seq > self.seq + 1
            if skipped:
                odd.leave_out(boot, self.seq + 1, seq - 1)
            self.seq, self.said = seq, row.received
            return True, skipped
        known = odd.of_other_boot(boot, seq, row.measured, row.received)
        if known is not None:
            return known, False
        odd.end_boot(self.boot, self.seq)
        self.boot, self.seq, self.said = boot, seq, row.received
        if seq:
            odd.leave_out(boot, 0, seq - 1)
        return True, False

    def _begins_anew(self, row: Row) -> bool:
        """Whether a number that has come already is the first of another count: times of the device's own go on."""
        if row.quality & ARRIVED or row.measured <= self.seen or not self.odd.begins_anew(row.measured, row.received, row.seq, self.tally):
            return False
        self.boot, self.seq, self.said = row.boot, row.seq, row.received
        self.odd.missing, self.odd.before, self.odd.refused = [], [], None
        return True

    def _go_back(self, measured: Micros) -> None:
        """The device's clock was set back: all goes on from here."""
        self._release(LAST)
        self._let_past(LAST)
        self.front = self.seen = self.mark = measured
        self._of["hole_to"][self._slot] = 0
        self.odd.late = None

    # -------------------------------------------------------------------------------------------------- time

    def expire(self, now: Micros) -> None:
        """The clock of arrivals stands here: what has waited for long enough goes on, and what precedes it."""
        self._release(max((each.measured for each in self.live if each.due <= now), default=0))
        self._let_past(max((each.measured for each in self.past if each.due <= now), default=0))
        lane = self.odd.lane
        if lane is not None and not self.past and now >= lane.heard + QUIET:
            self._close(lane)

    def _release(self, up_to: Micros) -> None:
        some = bisect_right(self.live, (up_to, LAST))
        for each in self.live[:some]:
            self.advance(each.measured, skipped=False)
            self.ready.append(each.serial)
        del self.live[:some]

    def advance(self, measured: Micros, *, skipped: bool) -> None:
        """The device was judged by a row; the same for many devices is `judged`."""
        before = self.front
        if before and measured > before and (skipped or measured - before > widest(self.usual)):
            add_hole(self._of, self._slot, before, measured)
        self.tally = (self.tally + 1) & SLOWEST_MS
        if self.tally % BUCKET == 1 or self.tally == FIRST:
            if self.mark:
                mean = min(max((measured - self.mark) // (rows_since(self.tally) * 1000), 1), SLOWEST_MS)
                self.usual = min(mean, self.pace) if self.pace else mean
                self.pace = mean
            self.mark = measured
        self.front = measured

    # --------------------------------------------------------------------------------------------- the past

    def _hole(self, measured: Micros) -> int:
        """Which hole a time lies in; -1 for none."""
        starts, ends = self._of["hole_from"][self._slot].tolist(), self._of["hole_to"][self._slot].tolist()
        return next((i for i in range(HOLES) if starts[i] < measured < ends[i]), -1)

    def _let_past(self, up_to: Micros) -> None:
        some = bisect_right(self.past, (up_to, LAST))
        last: Waiting | None = None
        for each in self.past[:some]:
            hole = self._hole(each.measured)
            if hole < 0 or (last is not None and each.seq and each[:3] == last[:3]):
                self.let_go.append(each.serial)
                continue
            last = each
            end = int(self._of["hole_to"][self._slot, hole])
            lane = self.odd.lane
            if lane is not None and lane.end != end:
                self._close(lane)
                lane = None
            if lane is None:
                lane = self.odd.lane = Lane(each.measured, end, 0)
            lane.front = each.measured
            lane.heard = max(lane.heard, each.due - max(PAST_WAIT, self.grace))
            # One µs less, so that another row of the same instant finds its place; what repeats is known by its series.
            self._of["hole_from"][self._slot, hole] = each.measured - 1
            self.lane.append(each.serial)
        del self.past[:some]

    def _close(self, lane: Lane) -> None:
        self.lane.append(Closed(lane.end))
        of, slot = self._of, self._slot
        for i in np.flatnonzero(of["hole_to"][slot] == lane.end).tolist():
            of["hole_from"][slot, i] = max(int(of["hole_from"][slot, i]), lane.front)
        self.odd.lane = None
