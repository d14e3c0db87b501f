"""How much one device may send: a bucket of tokens per device, and quarantine for one that does not stop. Pure, over whole passes.

The buckets are one column of times (the generic cell rate algorithm, ITU-T I.371): per device the moment up to which what it sent is
paid for, every message worth `1 / rate` seconds. A pass costs a gather, a maximum, a scatter and a sum; only where a device is over its
limit is anything looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vorab.clock import MINUTE, SECOND, Micros
from vorab.errors import Reason

PATIENCE: Final = 10 * SECOND
"""Over its limit for so long without a break, a device is not hurrying, it is broken: quarantine."""
LULL: Final = 2 * SECOND
"""So long without anything refused is a break."""
TOLD_EVERY: Final = MINUTE
"""One rejection record per device so often, whatever it sends: no second flood."""
CATCH_UP: Final = MINUTE
"""After an absence, so much longer than the absence itself may what was kept meanwhile arrive faster than devices may send."""
_REMEMBERED: Final = 10_000
_ROOM: Final = 1024


class Allowance(NamedTuple):
    """What one sender may send, in seconds on the wall."""

    rate: float = 50.0
    """Messages a second for ever; 0: no limit."""
    burst: int = 5000
    """Messages at once: a device that was offline hands in what it kept."""
    quarantine_s: float = 60.0
    """How long nothing is taken of one that does not stop; 0: never."""

    @property
    def text(self) -> str:
        """For people."""
        return f"at most {self.rate:g} messages a second, {self.burst} at once"


@dataclass(slots=True)
class Flood:
    """One device that sends too much."""

    topic: bytes
    since: Micros
    last: Micros
    until: Micros = 0
    """End of the quarantine."""
    told: Micros | None = None
    """When the last record was written."""
    untold: int = 0
    """Messages dropped that no record speaks of yet."""


@dataclass(slots=True)
class Drops:
    """What of a pass is not taken."""

    keep: NDArray[np.bool_]
    """By place in the pass."""
    found: list[Dropped] = field(default_factory=list)


class Dropped(NamedTuple):
    """Messages of one device, dropped for one reason."""

    name: str
    reason: Reason
    places: list[int]
    """In the pass."""


class Quota:
    """The buckets of one kind of sender, by number."""

    def __init__(self, allowance: Allowance, speed: float) -> None:
        """`speed` is seconds of the clock per second on the wall: a limit is a matter of the wall."""
        self.allowance = allowance
        self._speed = speed
        self._cost = max(1, round(SECOND * speed / allowance.rate)) if allowance.rate else 0
        self._room = self._cost * allowance.burst
        self._paid = np.zeros(_ROOM, np.int64)
        """Up to when each device has used what it may send, µs."""
        self._known = 0
        """Numbers below have been given their bucket."""
        self._carried: dict[str, Micros] = {}
        """Buckets of devices that had a number and have it no more."""
        self._credit: Micros = 0
        self._credit_ends: Micros = 0
        self.floods: dict[str, Flood] = {}

    # ----------------------------------------------------------------------------------------------- events

    def away(self, absence: Micros, now: Micros) -> None:
        """Nothing was read for so long (µs of the clock): what devices sent meanwhile arrives at once, and is theirs to send."""
        if absence >= self._credit or now >= self._credit_ends:
            self._credit = absence
        self._credit_ends = max(self._credit_ends, now + absence + round(CATCH_UP * self._speed))

    def renumbered(self, names: Sequence[str]) -> None:
        """Numbers are given out anew from here on; `names` were those up to now. Who has sent much does not get a fresh bucket by it."""
        if self._known:
            busy = np.argsort(self._paid[: self._known])[::-1][:_REMEMBERED].tolist()
            self._carried = {names[number]: int(self._paid[number]) for number in busy}
        self._paid, self._known = np.zeros(_ROOM, np.int64), 0

    def admit(self, numbers: Sequence[int], now: Micros, names: Sequence[str]) -> Drops | None:
        """Charge one message each; None: all of them may pass. `names` go by number; the order of the messages decides which ones pass."""
        if not self._cost or not numbers:
            return None
        of = np.array(numbers, np.int64)
        if len(names) > self._known:
            self._learn(names)
        paid = self._paid
        before = np.maximum(paid.take(of), now - (self._credit if now < self._credit_ends else 0))
        paid[of] = before
        np.add.at(paid, of, self._cost)
        limit = now + self._room
        after = paid.take(of)
        if after.max() <= limit:
            return None
        return self._drop(of, before, np.flatnonzero(after > limit), limit, now, names)

    def blame(self, dropped: Dropped, topic: bytes, now: Micros) -> tuple[Flood, int]:
        """Note what was dropped on this topic; with the flood, how many messages a record should speak of now (0: none is due)."""
        flood = self.floods.get(dropped.name)
        if flood is None:
            self._forget(now)
            flood = self.floods[dropped.name] = Flood(topic, now, now)
        flood.untold += len(dropped.places)
        return flood, self._due(flood, now)

    def due(self, now: Micros) -> Iterator[tuple[Flood, int]]:
        """Floods of which messages were dropped that no record speaks of, a minute after the last record: how many."""
        for flood in self.floods.values():
            if flood.untold and (count := self._due(flood, now)):
                yield flood, count

    # ----------------------------------------------------------------------------------------------- inside

    def _learn(self, names: Sequence[str]) -> None:
        n = len(names)
        if n > len(self._paid):
            self._paid = np.concatenate([self._paid, np.zeros(max(n, 2 * len(self._paid)) - len(self._paid), np.int64)])
        if self._carried:
            for number in range(self._known, n):
                self._paid[number] = self._carried.pop(names[number], 0)
        self._known = n

    def _drop(
        self, of: NDArray[np.int64], before: NDArray[np.int64], flagged: NDArray[np.intp], limit: Micros, now: Micros, names: Sequence[str]
    ) -> Drops:
        """Who is over the limit gets what its bucket still holds, first come first served; the rest is not charged."""
        flagged = flagged[np.argsort(of[flagged], kind="stable")]
        who = of[flagged]
        starts = np.flatnonzero(np.r_[True, who[1:] != who[:-1]])
        sizes = np.diff(np.r_[starts, len(who)])
        room = np.clip((limit - before[flagged[starts]]) // self._cost, 0, sizes)
        self._paid[who[starts]] = before[flagged[starts]] + room * self._cost
        passes = np.arange(len(who)) - np.repeat(starts, sizes) < np.repeat(room, sizes)
        drops = Drops(np.ones(len(of), bool))
        drops.keep[flagged[~passes]] = False
        for start, size, taken in zip(starts.tolist(), sizes.tolist(), room.tolist(), strict=True):
            number = int(who[start])
            reason = self._judge(names[number], number, now)
            drops.found.append(Dropped(names[number], reason, flagged[start + taken : start + size].tolist()))
        return drops

    def _judge(self, name: str, number: int, now: Micros) -> Reason:
        """Over the limit only, or in quarantine; and whether quarantine begins."""
        flood = self.floods.get(name)
        if flood is None:
            return Reason.RATE_LIMITED
        if now < flood.until:
            flood.last = now
            return Reason.QUARANTINED
        if now - flood.last > LULL * self._speed or flood.until > flood.since:
            flood.since = now  # a break, or back from quarantine: it gets the whole patience again
            flood.until = 0
        flood.last = now
        quarantine = self.allowance.quarantine_s
        if quarantine and now - flood.since >= PATIENCE * self._speed:
            flood.until = now + round(quarantine * SECOND * self._speed)
            # Comes back with an empty bucket, which fills at the usual rate.
            self._paid[number] = flood.until + self._room
        return Reason.RATE_LIMITED

    def _due(self, flood: Flood, now: Micros) -> int:
        if flood.told is not None and 0 <= now - flood.told < TOLD_EVERY * self._speed:
            return 0
        flood.told, count, flood.untold = now, flood.untold, 0
        return count

    def _forget(self, now: Micros) -> None:
        """Those who have stopped long ago, when there are many."""
        if len(self.floods) >= _REMEMBERED:
            calm = [name for name, flood in self.floods.items() if not flood.untold and now > flood.until]
            for name in calm[: _REMEMBERED // 10] or list(self.floods)[:1]:
                del self.floods[name]
