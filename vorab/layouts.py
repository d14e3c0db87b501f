"""Binary payloads read without code: where each field of a layout lies. Tables of an entry of the topic map.

[[ingest.topic_map]]
filter = "meters/{device}/up"
packed.signals.temperature = { at = 0, type = "i16", scale = 0.1, unit = "Cel" }
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from vorab.payloads import Mark, Measured, Number, Path, Table, signal_names, steps

WIDTHS: Final = {
    "u8": 1, "i8": 1, "u16": 2, "i16": 2, "u24": 3, "i24": 3, "u32": 4, "i32": 4, "u64": 8, "i64": 8, "f32": 4, "f64": 8, "bool": 1,
}  # fmt: skip
"""Bytes of the types that have a width of their own; the others are given by `size` (bytes) or `bits`."""
SIZED: Final = frozenset({"bcd", "text", "hex"})

Kind = Literal["u8", "i8", "u16", "i16", "u24", "i24", "u32", "i32", "u64", "i64", "f32", "f64", "bcd", "bool", "bits", "text", "hex"]


class Place(Table):
    """A field of a binary payload."""

    at: int = Field(ge=0, le=65535, description="Offset in bytes, from the beginning of the record.")
    of: Literal["record", "payload"] = Field("record", description="payload: the offset counts from the beginning of the payload.")
    type: Kind = Field(description="How the bytes are read; bcd: two decimal digits in a byte; hex: the bytes as text.")
    order: Literal["", "big", "little"] = Field("", description="Byte order of this field; empty: as the payload.")
    size: int = Field(0, ge=0, le=255, description="Bytes of bcd (at most 8), text and hex.")
    bit: int | None = Field(None, ge=0, le=63, description="First bit, counted from the least significant; for bits and bool.")
    bits: int = Field(0, ge=0, le=64, description="Number of bits; for type bits.")
    signed: bool = Field(default=False, description="Whether bits are in two's complement.")

    @property
    def width(self) -> int:
        """Bytes from `at` on that belong to the field."""
        if self.type == "bits":
            return ((self.bit or 0) + self.bits + 7) // 8
        if self.type == "bool":
            return (self.bit or 0) // 8 + 1
        return WIDTHS.get(self.type, self.size)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.type in SIZED) != bool(self.size):
            raise ValueError("size (in bytes) is for bcd, text and hex, and they need it")
        if self.type == "bcd" and self.size > 8:
            raise ValueError("bcd holds at most 8 bytes: 16 digits")
        if (self.type == "bits") != bool(self.bits):
            raise ValueError('bits = N is for type = "bits", which needs it')
        if self.bit is not None and self.type not in {"bits", "bool"}:
            raise ValueError(f'bit is for type = "bits" or "bool", and type is {self.type}')
        if self.type == "bits" and (self.bit or 0) + self.bits > 64:
            raise ValueError("bit and bits together reach past 64 bits: begin at a later byte")
        if self.signed and self.type != "bits":
            raise ValueError(
                f'signed is for type = "bits"; write i{self.type[1:]}' if self.type[0] == "u" else 'signed is for type = "bits"'
            )
        return self


class PackedSignal(Place, Measured):
    """One signal out of binary."""

    @model_validator(mode="after")
    def _countable(self) -> Self:
        if self.type in {"bool", "text", "hex"} and self.counts:
            raise ValueError(f"scale, offset, min and max are for numbers, and type is {self.type}")
        return self


class PackedTime(Place):
    """The time of a record."""

    unit: Literal["s", "ms", "us"] = Field("s", description="What it counts.")
    since: dt.datetime = Field(dt.datetime(1970, 1, 1, tzinfo=dt.UTC), description="What it counts from; without a zone, UTC.")
    ago: bool = Field(default=False, description="It is an age: so long before the arrival.")
    every_s: Number = Field(0, description="Added for each further record: where only the first has a time.")

    @field_validator("since")
    @classmethod
    def _with_zone(cls, at: dt.datetime) -> dt.datetime:
        return at if at.tzinfo else at.replace(tzinfo=dt.UTC)

    @model_validator(mode="after")
    def _number(self) -> Self:
        if self.type in {"bool", "text", "hex"}:
            raise ValueError(f"a time is a number, and type is {self.type}")
        return self


class Tag(Place):
    """What a payload must hold for a layout to be meant."""

    equals: int | str = Field(description="The value; text for text and hex.")


class Packed(Table):
    """A binary layout. Of several, the first whose `when` holds reads the payload."""

    when: Tag | None = Field(None, description="Read only payloads that hold this value; without it, every payload.")
    path: Path | None = Field(None, description="Where in a JSON payload the bytes stand as text (encoding hex or base64).")
    encoding: Literal["raw", "hex", "base64"] = Field("raw", description="How the bytes are written.")
    order: Literal["big", "little"] = Field("big", description="Byte order: big is network order.")
    length: int | None = Field(
        None, ge=1, le=65535, description="Exact number of bytes; others are refused. Without it, more bytes are let be."
    )
    header: int = Field(0, ge=0, le=65535, description="Bytes before the first record.")
    stride: int = Field(0, ge=0, le=65535, description="Bytes of a record that repeats to the end; 0: there is one.")
    trailer: int = Field(0, ge=0, le=65535, description="Bytes after the last record, for example a checksum.")
    time: PackedTime | None = Field(None, description="The time of a record; without it, the time of arrival.")
    boot: Place | None = Field(None, description="A counter that rises at each start of the device.")
    seq: Place | None = Field(None, description="A counter that rises with each message of a boot.")
    device: Place | None = Field(None, description="The name of a device behind the sender; its id is SENDER:NAME.")
    signals: Annotated[
        dict[str, PackedSignal], BeforeValidator(lambda found: signal_names(found) if isinstance(found, dict) else found)
    ] = Field(min_length=1, description="The signals, each by its place.")

    def fields(self) -> dict[str, Place]:
        """Every field, by what it is for."""
        others = {"when": self.when, "time": self.time, "boot": self.boot, "seq": self.seq, "device": self.device}
        return {name: place for name, place in others.items() if place} | {f"signals.{name}": place for name, place in self.signals.items()}

    @property
    def reach(self) -> int:
        """Bytes that a payload with one record has at least."""
        ends = [place.at + place.width + (self.header if place.of == "record" else 0) for place in self.fields().values()]
        return max(*ends, self.header + self.stride, 1) + self.trailer

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.path and self.encoding == "raw":
            raise ValueError('bytes inside JSON are text: say encoding = "hex" or "base64"')
        if self.path and Mark.EACH in steps(self.path):
            raise ValueError(f"{self.path} leads to several payloads; a layout reads one payload")
        if self.when is not None and self.when.of == "record" and self.header:
            raise ValueError('when is looked at before there are records: write of = "payload"')
        for name, place in self.fields().items():
            room = self.stride if place.of == "record" else self.header
            if self.stride and place.at + place.width > room:
                raise ValueError(
                    f"{name} ends at byte {place.at + place.width} of a {'record' if place.of == 'record' else 'header'} of {room}"
                )
        for name, counter in (("boot", self.boot), ("seq", self.seq)):
            if counter and counter.type not in {"u8", "u16", "u24", "u32", "u64", "bits", "bcd"}:
                raise ValueError(f"{name} is a counter: read it as u8, u16, u24, u32, u64, bits or bcd")
        if self.time and self.time.every_s and not self.stride:
            raise ValueError("every_s is for records that repeat: give the stride")
        if self.length is not None and self.length < self.reach:
            raise ValueError(f"the fields reach to byte {self.reach} of a length of {self.length}")
        if self.length is not None and self.stride and (self.length - self.header - self.trailer) % self.stride:
            raise ValueError("length is not header, whole records and trailer")
        return self
