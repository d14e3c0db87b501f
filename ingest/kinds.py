"""Kinds of SenML packs: what an outline means is read off one pack by the decoder, and what its devices call their signals. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

import orjson

from ingest.decoders import cbor, senml
from ingest.decoders.rows import Sender
from ingest.decoders.strict import parse
from ingest.outline import Cut, Found, JsonOutline, cut
from ingest.outline_cbor import CborOutline, cut_cbor
from ingest.quick import Odd
from ingest.units import unit
from vorab.errors import Rejected
from vorab.frame import Value

_SPOTS: Final = frozenset({"bn", "bt", "t", "v", "vb"})
_TYPES: Final = {"v": frozenset({int, float}), "vb": frozenset({bool})}
_TAKEN: Final = frozenset({"bn", "bt", "bu", "bver", "n", "u", "v", "vb", "vs", "vd", "t", "ut"})


class Outline(Protocol):
    """Reads many packs that differ in their spots only."""

    def read(self, payloads: Sequence[bytes], expected: Sequence[bytes | None]) -> Found:
        """What stands in the spots; raises Differs."""


class Item(NamedTuple):
    """One value of the pack."""

    name: str
    """As the record has it, without the base name."""
    spot: int | None
    """Which of the numbers is its value; None: it is always the same."""
    always: Value | None
    unit: str
    types: frozenset[type]
    """What its value may be, where it differs."""


class Meaning(NamedTuple):
    """What the spots of an outline stand for."""

    base: bool
    """Whether there is a base name among them."""
    base_time: int | None
    times: tuple[int, ...]
    items: tuple[Item, ...]
    beats: bool
    """Whether it says when the device will be heard again, which the decoder has to hear once of each device."""


class Kind:
    """An outline, its meaning, and the devices that send it."""

    def __init__(self, outline: Outline, meaning: Meaning) -> None:
        self.outline, self.meaning = outline, meaning
        self.bases: dict[int, bytes] = {}
        """The base name by device number."""
        self.signals: dict[int, tuple[str, ...]] = {}
        """What the items are called, by device number."""
        self.heard: set[int] = set()
        """The devices, by number, of which the decoder has heard."""
        self.called: list[tuple[str, ...]] = []
        """All the ways in which they are called; mostly one."""

    def learn(self, number: int, base: bytes, device: str) -> None:
        """What the items are called under this base name; raises Odd where the decoder has to say why that will not do."""
        try:
            signals = tuple(senml.signal_of(base.decode() + item.name, device) for item in self.meaning.items)
        except (Rejected, UnicodeDecodeError):
            raise Odd from None
        if len(set(signals)) != len(signals) or len(base) > senml.MOST_TEXT:
            raise Odd
        self.bases[number], self.signals[number] = base, signals
        if signals not in self.called:
            self.called.append(signals)


def pieces(payload: bytes) -> Cut | None:
    """A pack in pieces, in JSON or CBOR; None for what is none of the usual ones."""
    return cut(payload) if payload[:1] == b"[" else cut_cbor(payload)


def kind_of(payload: bytes, made: Cut, device: tuple[str, str]) -> Kind | None:
    """What the decoder makes of one such pack; None where packs like this one are not read in bulk."""
    try:
        in_cbor = payload[:1] != b"["
        pack: Any = cbor.labelled(cbor.parse(payload)) if in_cbor else orjson.loads(payload)
        if not _common(pack):
            return None
        found = senml.rows(pack if in_cbor else parse(payload), Sender(*device, 0))
    except (Rejected, orjson.JSONDecodeError):
        return None
    meaning = _meaning(pack, made, len(found[0].values)) if len(found) == 1 else None
    return meaning and Kind(CborOutline(made, payload) if in_cbor else JsonOutline(made), meaning)


def _meaning(pack: list[dict[str, Any]], made: Cut, values: int) -> Meaning | None:
    spots = [(i, label) for i, record in enumerate(pack) for label in record if label in _SPOTS]
    if tuple(label for _, label in spots) != made.labels:
        return None
    place = {spot: i for i, spot in enumerate(spot for spot in spots if spot[1] != "bn")}
    items, times, base_unit = [], [], ""
    for i, record in enumerate(pack):
        base_unit = record.get("bu", base_unit)
        for label in senml.VALUES & record.keys():
            said = unit(record.get("u", base_unit)) if label == "v" else ""
            items.append(Item(record.get("n", ""), place.get((i, label)), record[label], said, _TYPES.get(label, frozenset())))
            times.append(place.get((i, "t")))
    if len(items) != values:
        return None
    return Meaning(
        (0, "bn") in spots,
        place.get((0, "bt")),
        tuple(at for at in times if at is not None),
        tuple(items),
        any("ut" in record for record in pack),
    )


def _common(pack: Any) -> bool:
    """One instant, one set of base fields at the head, and values as they are."""
    if not senml.looks_like(pack) or not all(record.keys() <= _TAKEN for record in pack):
        return False
    valued = [record for record in pack if senml.VALUES & record.keys()]
    at_once = len({"t" in record for record in valued}) == 1 and all(record.get("t") == valued[0].get("t") for record in valued)
    return at_once and not any({"bn", "bt"} & record.keys() for record in pack[1:])
