"""SenML packs in bulk: the packs of one kind of device become columns together, without an object per record.

Like `quick`, this takes the common case (one instant per pack, values and times as plain numbers) and leaves everything else to the
decoders; a message gives the same rows either way, and a test holds that. What an outline means is read off one pack by the decoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ingest.columns import ROWS_PER_MESSAGE, Columns
from ingest.decoders import senml
from ingest.kinds import Kind, kind_of, pieces
from ingest.outline import Cut, Differs, Found
from ingest.quick import Odd, Plain, indices_of, numbers_of, quick
from ingest.timing import ARRIVAL, CLAMPED, MEASURED, NEWEST, OLDEST
from vorab.clock import SECOND, Micros
from vorab.frame import I8, U1

_Some = TypeVar("_Some")

_FEW: Final = 8
"""So few packs of an outline are cheaper one by one."""
_ISOLATE: Final = 8
"""A group this small that will not become columns goes to the decoders one by one."""
_MOST: Final = 1024
"""Outlines remembered; a flood of made-up ones must not fill the memory, so beyond it all are forgotten and learned again."""
_OPENERS: Final = frozenset({b"[", *(bytes([first]) for first in range(0x81, 0x98))})
"""What a pack in JSON begins with, and a short one in CBOR."""
_ALLOWED: Final = {"": _OPENERS, "senml+json": frozenset({b"["})}
"""The same, by the decoder a topic allows."""
_FAR_S: Final = 2.0**33
"""Times beyond this, in seconds, are left to the decoder, which knows what lies beyond all calendars."""


class Packs:
    """Remembers which device sends which outline."""

    def __init__(self) -> None:
        self._kinds: dict[Cut, Kind] = {}
        self._of: dict[int, Kind] = {}

    def forget(self) -> None:
        """Device numbers are given out anew."""
        self._kinds.clear()
        self._of.clear()

    def quick(
        self, plain: Plain, received_at: Micros, devices: Sequence[tuple[str, str]], most_bytes: int, only: Mapping[int, str]
    ) -> tuple[list[Columns], list[int]]:
        """Columns of flat objects and of packs, and the positions (in `plain`) of the messages that need the decoders.

        `only` names the decoder of devices (by number) whose topic allows no other.
        """
        flats, packs, unread = list(range(len(plain.payloads))), list[int](), list[int]()
        if self._of:
            known = list(map(self._of.get, plain.numbers))
            packs = flats if None not in known else [i for i in flats if known[i] is not None]
            flats = [i for i in flats if known[i] is None] if packs is not flats else []
        if only:
            flats, others = _apart(flats, [only.get(plain.numbers[i], "json") == "json" for i in flats])
            likely, unread = _apart(others, [plain.payloads[i][:1] in _OPENERS for i in others])
            packs = sorted([*packs, *likely])
        made, left = quick(_picked(plain, flats), received_at, devices, most_bytes)
        more, odd = _apart([flats[i] for i in left], [plain.payloads[flats[i]][:1] in _OPENERS for i in left])
        packs, unread = sorted(packs + more) if more else packs, unread + odd
        if only:
            packs, odd = _apart(packs, [plain.payloads[i][:1] in _ALLOWED.get(only.get(plain.numbers[i], ""), ()) for i in packs])
            unread += odd
        if packs:
            columns, left = self.take(_picked(plain, packs), received_at, devices, most_bytes)
            made += columns
            unread += [packs[i] for i in left]
        return made, unread

    def take(
        self, plain: Plain, received_at: Micros, devices: Sequence[tuple[str, str]], most_bytes: int
    ) -> tuple[list[Columns], list[int]]:
        """Columns of the packs that need no second look, and the positions (in `plain`) of those that do."""
        made: list[Columns] = []
        large: list[int] = []
        if max(map(len, plain.payloads)) > most_bytes:
            large = [i for i, payload in enumerate(plain.payloads) if len(payload) > most_bytes]
        left, groups = large.copy(), self._groups(plain, devices, set(large))
        left += groups.pop(None, [])
        differs: list[int] = []
        for kind, group in groups.items():
            if kind is not None:
                differs += _Run(plain, received_at, devices, kind).add(group, made, left)
        # Some device sends another outline than it did: each of these is looked at by itself.
        again: dict[Kind | None, list[int]] = {}
        for i in sorted(differs):
            again.setdefault(self._kind(plain, i, devices), []).append(i)
        for kind, group in again.items():
            left += group if kind is None else _Run(plain, received_at, devices, kind).add(group, made, left)
        return made, left

    def _groups(self, plain: Plain, devices: Sequence[tuple[str, str]], large: set[int]) -> dict[Kind | None, list[int]]:
        """By the outline their device sent last; a device that has sent none yet is looked at."""
        known = list(map(self._of.get, plain.numbers))
        if not large and known[0] is not None and known.count(known[0]) == len(known):
            return {known[0]: list(range(len(known)))}
        groups: dict[Kind | None, list[int]] = {}
        for i, kind in enumerate(known):
            if i not in large:
                groups.setdefault(kind or self._kind(plain, i, devices), []).append(i)
        return groups

    def _kind(self, plain: Plain, i: int, devices: Sequence[tuple[str, str]]) -> Kind | None:
        number, made = plain.numbers[i], pieces(plain.payloads[i])
        kind = None if made is None else self._kinds.get(made)
        if kind is None and made is not None and (new := kind_of(plain.payloads[i], made, devices[number])) is not None:
            # Only what could be read is remembered: one bad pack must not spoil the outline for all others.
            if len(self._kinds) >= _MOST:
                self.forget()
            kind = self._kinds[made] = new
        if kind is not None:
            self._of[number] = kind
        else:
            self._of.pop(number, None)
        return kind


def _some(column: Sequence[_Some], group: list[int]) -> Sequence[_Some]:
    return column if len(group) == len(column) else [column[i] for i in group]


def _apart(positions: list[int], good: list[bool]) -> tuple[list[int], list[int]]:
    """Those that are good, and the others."""
    if all(good):
        return positions, []
    return [i for i, one in zip(positions, good, strict=True) if one], [i for i, one in zip(positions, good, strict=True) if not one]


def _picked(plain: Plain, positions: list[int]) -> Plain:
    if len(positions) == len(plain.payloads):
        return plain
    return Plain([plain.places[i] for i in positions], [plain.numbers[i] for i in positions], [plain.payloads[i] for i in positions])


class _Run(NamedTuple):
    """Packs of one outline in one pass."""

    plain: Plain
    received_at: Micros
    devices: Sequence[tuple[str, str]]
    kind: Kind

    def add(self, group: list[int], made: list[Columns], left: list[int]) -> list[int]:
        """Turn these packs into columns, or leave them to the decoders; those that have another outline come back."""
        if self.kind.meaning.beats:
            group, new = _apart(group, [self.plain.numbers[i] in self.kind.heard for i in group])
            self.kind.heard.update(self.plain.numbers[i] for i in new)
            left += new
        if len(group) < _FEW:
            left += group
            return []
        numbers = _some(self.plain.numbers, group)
        try:
            found = self.kind.outline.read(_some(self.plain.payloads, group), list(map(self.kind.bases.get, numbers)))
        except Differs as why:
            if why.fits is not None:
                good, others = _apart(group, why.fits.tolist())
                return others + self.add(good, made, left)
            if len(group) <= _ISOLATE:
                left += group
                return []
            half = len(group) // 2
            return self.add(group[:half], made, left) + self.add(group[half:], made, left)
        self._halve(group, found, made, left)
        return []

    def _halve(self, group: list[int], found: Found, made: list[Columns], left: list[int]) -> None:
        """Something in here may need a closer look: find it by halves, so that one odd pack does not slow its neighbours."""
        try:
            made += self._split(group, found)
        except (Odd, OverflowError):
            if len(group) <= _ISOLATE:
                left += group
                return
            half = len(group) // 2
            for low, high in ((0, half), (half, len(group))):
                names = found.names and found.names[low:high]
                self._halve(group[low:high], Found(names, [column[low:high] for column in found.numbers]), made, left)

    def _split(self, group: list[int], found: Found) -> list[Columns]:
        """Packs whose rows have the same names and types go together: a row decides its type, never its neighbours in the same read."""
        numbers = _some(self.plain.numbers, group)
        signals = self._signals(numbers, found.names)
        moving = [item for item in self.kind.meaning.items if item.spot is not None]
        values = [found.numbers[item.spot] for item in moving if item.spot is not None]
        kinds = [set(map(type, column)) for column in values]
        if not all(kind <= item.types for item, kind in zip(moving, kinds, strict=True)):
            raise Odd
        if all(len(kind) == 1 for kind in kinds) and signals.count(signals[0]) == len(signals):
            return [self._build(group, numbers, signals[0], found)]
        shapes = zip(signals, *(map(type, column) for column in values), strict=True)
        same: dict[Any, list[int]] = {}
        for i, shape in enumerate(shapes):
            same.setdefault(shape, []).append(i)
        return [
            self._build(
                [group[i] for i in some],
                [numbers[i] for i in some],
                signals[some[0]],
                Found(None, [[column[i] for i in some] for column in found.numbers]),
            )
            for some in same.values()
        ]

    def _signals(self, numbers: Sequence[int], names: list[bytes] | None) -> list[tuple[str, ...]]:
        """What the items of each pack are called; devices keep their base names, so mostly there is nothing to find out."""
        kind = self.kind
        if names is None and (kind.meaning.base or None not in map(kind.bases.get, numbers)):
            names = []
        for number, base in zip(numbers, names if names is not None else [b""] * len(numbers), strict=False):
            if kind.bases.get(number) != base:
                kind.learn(number, base, self.devices[number][0])
        if names and list(map(kind.bases.get, numbers)) != names:
            raise Odd  # one device under two names in one read
        return kind.called[:1] * len(numbers) if len(kind.called) == 1 else [kind.signals[number] for number in numbers]

    def _build(self, group: list[int], numbers: Sequence[int], signals: tuple[str, ...], found: Found) -> Columns:
        plain, n = self.plain, len(group)
        measured_at, quality = self._times(found.numbers, n)
        made = Columns(
            rank=indices_of(_some(plain.places, group)) * ROWS_PER_MESSAGE,
            number=np.array(numbers, I8),
            measured_at=measured_at,
            received_at=np.full(n, self.received_at, I8),
            quality=quality,
        )
        for name, item in sorted(zip(signals, self.kind.meaning.items, strict=True)):
            if item.spot is not None:
                column = found.numbers[item.spot]
                made.signals[name] = numbers_of(tuple(column), type(column[0]))
            else:
                made.text[name] = [str(item.always)] * n
            if item.unit:
                made.units[name] = item.unit
        return made

    def _times(self, columns: list[Any], n: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """As the decoder and `settle` do it: base time and time are added as µs, and small sums are relative to the arrival."""
        meaning, received_at = self.kind.meaning, self.received_at
        spots = [spot for spot in (meaning.base_time, *meaning.times[:1]) if spot is not None]
        if any(columns[spot] != columns[meaning.times[0]] for spot in meaning.times[1:]):
            raise Odd
        if not spots:
            return np.full(n, received_at, I8), np.full(n, ARRIVAL, U1)
        seconds, at = np.zeros(n), np.zeros(n, I8)
        for spot in spots:
            if not set(map(type, columns[spot])) <= {int, float}:
                raise Odd
            said = np.array(columns[spot], float)
            if not (np.abs(said) < _FAR_S).all():
                raise Odd
            seconds += said
            at += np.rint(said * SECOND).astype(I8)
        relative = seconds < senml.RELATIVE_BELOW_S
        at = np.where(relative, received_at + at, at)
        good = (at >= received_at - OLDEST) & (at <= received_at + NEWEST)
        quality = np.where(good, np.where(relative, ARRIVAL, MEASURED), CLAMPED)
        return np.where(good, at, received_at), quality.astype(U1)
