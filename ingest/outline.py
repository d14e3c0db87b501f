"""What is alike in all packs one kind of device sends: everything but the base name, the times and the values.

A pack is cut at those; the pieces between them are the outline. Packs with the same pieces are read together: they are compared byte by
byte with the outline, all at once, and only what lies between is turned into columns. Pure.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from ingest.decoders.senml import MOST_TEXT

TEXT: Final = "bn"
_BLANK, _COMMA = np.uint8(ord(" ")), np.uint8(ord(","))
_WIDEST: Final = 32
"""No float needs more letters than 24, and no whole number of 64 bits."""
_SPOT: Final = re.compile(rb'"(?:bn"\s*:\s*"([^"]*)"|(v|vb|t|bt)"\s*:\s*([^\s",:\[\]{}]+))')


class Differs(Exception):
    """Some packs do not have the outline they were thought to have."""

    def __init__(self, fits: NDArray[np.bool_] | None = None, *, wide: bool = False) -> None:
        """`fits` says which still may; None where that cannot be said. `wide`: a number may be longer than was looked."""
        super().__init__()
        self.fits, self.wide = fits, wide


class Cut(NamedTuple):
    """A pack in pieces."""

    pieces: tuple[bytes, ...]
    """What stands before, between and after the spots."""
    labels: tuple[str, ...]
    """Of the spots: `bn`, `bt`, `t`, `v` or `vb`."""


class Found(NamedTuple):
    """What stood in the spots of some packs."""

    names: list[bytes] | None
    """The base names; None where they are as expected, or the outline has none."""
    numbers: list[Any]
    """A list or array per spot that is no base name, in order."""


def cut(payload: bytes) -> Cut | None:
    """The pieces of a SenML pack in JSON; None where it cannot be cut safely."""
    if payload[:1] != b"[" or b"\\" in payload:
        return None  # a quote that is escaped ends no text
    pieces, labels, at = [], [], 0
    for spot in _SPOT.finditer(payload):
        group = 1 if spot[2] is None else 3
        labels.append(TEXT if group == 1 else spot[2].decode())
        pieces.append(payload[at : spot.start(group)])
        at = spot.end(group)
    return Cut((*pieces, payload[at:]), tuple(labels)) if labels.count(TEXT) <= 1 and len(labels) > labels.count(TEXT) else None


class JsonOutline:
    """Reads many JSON packs that differ in their spots only."""

    def __init__(self, made: Cut) -> None:
        self._pieces = made.pieces
        self._labels = made.labels
        self._longest = sum(map(len, made.pieces)) + len(made.labels) * _WIDEST + 2 * MOST_TEXT
        self._width = 16
        """How many bytes of a number are looked at; wider when a wider one was seen."""

    def read(self, payloads: Sequence[bytes], expected: Sequence[bytes | None]) -> Found:
        """What stands in the spots; `expected` are the base names the devices used before.

        Raises:
            Differs: at least one pack has another outline, or something that is no plain number in a spot.
        """
        try:
            return self._read(payloads, expected)
        except Differs as why:
            if self._width == _WIDEST or not why.wide:
                raise
            found = self._read(payloads, expected, _WIDEST)
            self._width = _WIDEST
            return found

    def _read(self, payloads: Sequence[bytes], expected: Sequence[bytes | None], width: int = 0) -> Found:
        width = width or self._width
        # Whatever the packs hold, no look goes further beyond their end than an outline is long.
        together = b"".join([*payloads, bytes(self._longest)])
        ends = np.cumsum(np.fromiter(map(len, payloads), np.int64, len(payloads)))
        at = np.zeros_like(ends)
        at[1:] = ends[:-1]
        names: list[bytes] | None = None
        texts, sizes = [], []
        for i, piece in enumerate(self._pieces):
            stands = at_places(together, at, len(piece))
            if stands.tobytes() != piece * len(ends):
                raise Differs(stands == np.frombuffer(piece, stands.dtype)[0])
            at = at + len(piece)
            if i == len(self._labels):
                break
            if self._labels[i] == TEXT:
                at, names = _name(together, at, expected)
                continue
            text = at_places(together, at, width).view(np.uint8).reshape(len(ends), width)
            size = (text == self._pieces[i + 1][0]).argmax(axis=1)
            if not size.all():
                raise Differs(size > 0, wide=True)
            texts.append(text)
            sizes.append(size)
            at = at + size
        if (at != ends).any():
            raise Differs(at == ends)
        return Found(names, _parsed(np.concatenate(texts), np.concatenate(sizes), len(texts)))


def at_places(together: bytes, at: NDArray[np.int64], length: int) -> NDArray[Any]:
    """So many bytes from each of these places."""
    return np.ndarray((len(together) - length + 1,), f"V{length}", together, strides=(1,))[at]


def _name(together: bytes, at: NDArray[np.int64], expected: Sequence[bytes | None]) -> tuple[NDArray[np.int64], list[bytes] | None]:
    """Where the base names end, and which they are if they are not those expected; the quote behind them is the next piece's."""
    known = [name for name in expected if name is not None]
    if len(known) == len(expected):
        sizes = np.fromiter(map(len, known), np.int64, len(known))
        longest = int(sizes.max())
        texts = at_places(together, at, longest + 1).view(np.uint8).reshape(len(known), longest + 1) & _masks(longest + 1)[0][sizes]
        if texts.tobytes() == np.array(known, f"S{longest + 1}").tobytes():
            return at + sizes, None
    ends = np.fromiter((together.find(b'"', start, start + MOST_TEXT + 1) for start in at.tolist()), np.int64, len(at))
    if (ends < 0).any():
        raise Differs(ends >= 0)
    return ends, [together[start:end] for start, end in zip(at.tolist(), ends.tolist(), strict=True)]


@functools.lru_cache(maxsize=16)
def _masks(width: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """By the size of a number: which letters stay, and what stands in place of the others: a comma and blanks."""
    columns, sizes = np.arange(width), np.arange(width)[:, None]
    keep = np.where(columns < sizes, 0xFF, 0).astype(np.uint8)
    return keep, np.where(columns == sizes, ord(","), np.where(columns > sizes, ord(" "), 0)).astype(np.uint8)


def _parsed(texts: NDArray[np.uint8], sizes: NDArray[np.int64], spots: int) -> list[Any]:
    """The spots, parsed as one list: each is one element, because no comma is in it but the one put behind it."""
    keep, fill = _masks(texts.shape[1])
    texts = texts & keep[sizes] | fill[sizes]
    texts[-1, sizes[-1]] = _BLANK
    if np.count_nonzero(texts == _COMMA) != len(sizes) - 1:
        raise Differs
    joined = texts.tobytes()
    try:
        found = orjson.loads(b"[" + joined + b"]")
    except orjson.JSONDecodeError:
        raise Differs from None
    n = len(sizes) // spots
    if len(found) != len(sizes):
        raise Differs
    return [found[i * n : (i + 1) * n] for i in range(spots)]
