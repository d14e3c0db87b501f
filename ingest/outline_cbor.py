"""Outlines of SenML packs in CBOR: numbers have a fixed length there, so packs of one outline stand below each other like a table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ingest.decoders.cbor import LABELS
from ingest.outline import TEXT, Cut, Differs, Found, at_places

_KEYS: Final = {(number if number >= 0 else 0x1F - number): label for number, label in LABELS.items()}
"""Labels by the byte that stands for them."""
_SPOTS: Final = frozenset({"bn", "bt", "t", "v", "vb"})
_STEADY: Final = frozenset({"n", "u", "bu", "bver", "vs", "vd", "ut"})
_SIZES: Final = {0x18: 1, 0x19: 2, 0x1A: 4, 0x1B: 8, 0x38: 1, 0x39: 2, 0x3A: 4, 0x3B: 8, 0xF9: 2, 0xFA: 4, 0xFB: 8}
"""Bytes behind the first one of a number."""
_I64: Final = 2**63


def cut_cbor(payload: bytes) -> Cut | None:
    """The pieces of a SenML pack in CBOR; None where it is not the plainest kind."""
    try:
        return _cut(payload)
    except (IndexError, KeyError):
        return None


def _cut(payload: bytes) -> Cut | None:
    pieces, labels, low = [], [], 0
    at, records = _head(payload, 0, 0x80)
    for _ in range(records):
        at, entries = _head(payload, at, 0xA0)
        for _ in range(entries):
            label, at = _KEYS[payload[at]], at + 1
            if label in _SPOTS:
                at, end = _spot(payload, at, label)
                pieces.append(payload[low:at])
                labels.append(label)
                low = end
            elif label in _STEADY:
                end = _behind(payload, at)
            else:
                return None
            at = end
    made = Cut((*pieces, payload[low:]), tuple(labels))
    usual = at == len(payload) and labels.count(TEXT) <= 1 and len(labels) > labels.count(TEXT)
    return made if usual else None


def _head(payload: bytes, at: int, kind: int) -> tuple[int, int]:
    """Where the elements of an array or map begin, and how many there are; raises KeyError for other things and for long ones."""
    count = payload[at] - kind
    if not 0 <= count <= 0x17:
        raise KeyError(at)
    return at + 1, count


def _spot(payload: bytes, at: int, label: str) -> tuple[int, int]:
    """Begin and end of what differs from pack to pack; raises KeyError for what is no such thing."""
    first = payload[at]
    if label == TEXT:
        end = _behind(payload, at)
        return (at + 1 if first < 0x78 else at + 2), end
    if first < 0x18 or 0x20 <= first < 0x38 or (label == "vb" and first in {0xF4, 0xF5}):
        return at, at + 1
    return at + 1, at + 1 + _SIZES[first]


def _behind(payload: bytes, at: int) -> int:
    """Where a short text, byte string or number ends; raises KeyError for anything else."""
    first = payload[at]
    if first < 0x18:
        return at + 1
    if 0x40 <= first < 0x58 or 0x60 <= first < 0x78:
        return at + 1 + (first & 0x1F)
    if first in {0x58, 0x78}:
        return at + 2 + payload[at + 1]
    return at + 1 + _SIZES[first]


class CborOutline:
    """Reads many packs in CBOR that differ in their spots only."""

    def __init__(self, made: Cut, sample: bytes) -> None:
        """`sample` is a pack of this outline: its spots are as long as all others."""
        self._length = len(sample)
        self._pieces: list[tuple[int, bytes]] = []
        self._spots: list[tuple[int, int, str]] = []
        at = 0
        for piece, label in zip(made.pieces, (*made.labels, ""), strict=True):
            self._pieces.append((at, piece))
            at += len(piece)
            if label:
                size = _size(piece, label)
                self._spots.append((at, at + size, _form(piece, label)))
                at += size

    def read(self, payloads: Sequence[bytes], expected: Sequence[bytes | None]) -> Found:
        """What stands in the spots; `expected` are the base names the devices used before.

        Raises:
            Differs: at least one pack has another outline, or a number in it that no column holds.
        """
        sizes = np.fromiter(map(len, payloads), np.int64, len(payloads))
        if (sizes != self._length).any():
            raise Differs(sizes == self._length)
        together = b"".join(payloads)
        starts = np.arange(len(payloads)) * self._length
        for at, piece in self._pieces:
            if piece:
                stands = at_places(together, starts + at, len(piece))
                if stands.tobytes() != piece * len(payloads):
                    raise Differs(stands == np.frombuffer(piece, stands.dtype)[0])
        names: list[bytes] | None = None
        numbers = []
        for low, high, form in self._spots:
            if form == TEXT:
                names = [payload[low:high] for payload in payloads]
                names = None if names == expected else names
            else:
                numbers.append(_column(at_places(together, starts + low, high - low), form).tolist())
        return Found(names, numbers)


def _size(piece: bytes, label: str) -> int:
    if label == TEXT:
        return piece[-1] if len(piece) > 1 and piece[-2] == 0x78 else piece[-1] & 0x1F
    return _SIZES.get(piece[-1], 1)


def _form(piece: bytes, label: str) -> str:
    """How the bytes of a spot are read."""
    if label in {TEXT, "vb"}:
        return label
    first, size = piece[-1], _SIZES.get(piece[-1], 0)
    return "tiny" if not size else f"{'f' if first >= 0xF9 else '+' if first < 0x20 else '-'}{size}"


def _column(found: NDArray[Any], form: str) -> NDArray[Any]:
    if form in {"tiny", "vb"}:
        letters = found.view(np.uint8)
        fits = (letters & 0xDF) < 0x18 if form == "tiny" else (letters & 0xFE) == 0xF4
        if not fits.all():
            raise Differs(fits)
        return letters == 0xF5 if form == "vb" else np.where(letters < 0x18, letters, 0x1F - letters.astype(np.int64))
    if form[0] == "f":
        values: NDArray[Any] = found.view(f">f{form[1]}").astype(np.float64)
        fits = np.isfinite(values)
    else:
        whole = found.view(f">u{form[1]}").astype(np.uint64)
        fits = whole < _I64
        values = whole.astype(np.int64) if form[0] == "+" else -1 - whole.astype(np.int64)
    if not fits.all():
        raise Differs(fits)
    return values
