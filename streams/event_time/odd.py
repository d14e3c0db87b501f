"""What is to be known of a device whose rows do not simply follow each other: numbers that were left out, boots before this one, late rows.

Pure; a few dozen numbers per device at most. Devices whose rows come in order have none of this.
"""

from __future__ import annotations

from typing import Final

import msgspec

from vorab.clock import SECOND, Micros

MOST_MISSING: Final = 64
"""Ranges of numbers kept per device; the narrowest is let go."""
MOST_BOOTS: Final = 16
"""Boots before this one that are remembered."""
CONVINCED: Final = 4
"""So many rows in a row that only make sense if the device's clock was set back, or its numbers began anew."""
CONVINCING: Final[Micros] = 60 * SECOND
"""For a clock that was set back, they take so long at least."""
STEADY: Final[Micros] = SECOND
"""They are equally late when their lag differs by no more than this."""


class Run(msgspec.Struct, array_like=True):
    """Rows of one kind that follow each other, each later than the one before."""

    measured: Micros
    """Of the last."""
    received: Micros
    """Of the first."""
    lag: Micros
    """Of the first: how much later it arrived than it was measured."""
    seq: int
    count: int
    tally: int
    """How many rows the device had been judged by."""


class Odd(msgspec.Struct, array_like=True):
    """The odd things about one device."""

    missing: list[tuple[int, int, int]] = []
    """(boot, first, last) of numbers that have not come."""
    before: list[tuple[int, int]] = []
    """(boot, last number) of boots before this one, the latest at the end."""
    filled: tuple[int, int, Micros, Micros] = (-1, -1, 0, 0)
    """Boot, number, arrival and time of the last row that came late: one message may make several rows."""
    late: Run | None = None
    refused: Run | None = None
    lane: Lane | None = None

    def leave_out(self, boot: int, first: int, last: int) -> None:
        """Numbers did not come."""
        self.missing.append((boot, first, last))
        if len(self.missing) > MOST_MISSING:
            self.missing.remove(min(self.missing, key=lambda each: each[2] - each[1]))

    def fill(self, boot: int, seq: int, measured: Micros, received: Micros) -> bool:
        """Whether this number had not come yet; it has now."""
        if self.filled[:3] == (boot, seq, received) and measured > self.filled[3]:
            self.filled = (boot, seq, received, measured)
            return True
        for i, (its, first, last) in enumerate(self.missing):
            if its == boot and first <= seq <= last:
                del self.missing[i]
                if first < seq:
                    self.leave_out(boot, first, seq - 1)
                if seq < last:
                    self.leave_out(boot, seq + 1, last)
                self.filled = (boot, seq, received, measured)
                return True
        return False

    def of_other_boot(self, boot: int, seq: int, measured: Micros, received: Micros) -> bool | None:
        """Whether a number of a boot before this one had not come yet; None where that boot is not known."""
        for i, (its, last) in enumerate(self.before):
            if its == boot:
                if seq <= last:
                    return self.fill(boot, seq, measured, received)
                if seq > last + 1:
                    self.leave_out(boot, last + 1, seq - 1)
                self.before[i] = (boot, seq)
                return True
        return None

    def end_boot(self, boot: int, last: int) -> None:
        """Another boot speaks now."""
        self.before.append((boot, last))
        if len(self.before) > MOST_BOOTS:
            gone = self.before.pop(0)[0]
            self.missing = [each for each in self.missing if each[0] != gone]

    def set_back(self, measured: Micros, received: Micros, tally: int) -> bool:
        """Whether late rows, this one included, show that the device's clock was set back.

        They do when no row that is not late came between them and all are equally late, for a while. What a device kept and hands in
        comes faster than it was measured, and what is repeated comes whenever.
        """
        run, lag = self.late, received - measured
        if run is None or run.tally != tally or measured < run.measured or abs(lag - run.lag) > STEADY:
            self.late = Run(measured, received, lag, 0, 1, tally)
            return False
        run.count += measured > run.measured
        run.measured = measured
        return run.count >= CONVINCED and received - run.received >= CONVINCING

    def begins_anew(self, measured: Micros, received: Micros, seq: int, tally: int) -> bool:
        """Whether rows with numbers that have come, but with times that have not, show that the device counts anew."""
        run = self.refused
        if run is None or run.tally != tally or measured <= run.measured or seq <= run.seq:
            self.refused = Run(measured, received, 0, seq, 1, tally)
            return False
        run.measured, run.seq, run.count = measured, seq, run.count + 1
        return run.count >= CONVINCED

    @property
    def plain(self) -> bool:
        """Whether nothing is odd any more."""
        return not (self.missing or self.before or self.late or self.refused or self.lane)


class Lane(msgspec.Struct, array_like=True):
    """What a device kept and hands in beside what it measures now: the hole it fills."""

    front: Micros
    """The last reading that was judged."""
    end: Micros
    """The first reading after it."""
    heard: Micros
    """When the last row for it arrived."""
