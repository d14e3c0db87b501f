"""What decoders hand on, and the limits and checks they share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, Final, NamedTuple

from vorab.clock import SECOND, Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Value

MAX_TEXT: Final = 255
MAX_SIGNALS: Final = 256
MAX_NAME: Final = 128
MAX_ROWS: Final = 1_024
"""Of one message."""
I64_MIN, I64_MAX = -(2**63), 2**63 - 1
U32_MAX, U64_MAX = 2**32 - 1, 2**64 - 1

# The characters SenML allows in names (RFC 8428), with an underscore in front as well, for what PLCs export.
SIGNAL: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}")

FAR: Final[Micros] = 2**62
"""Stands for a time so far off that µs in 64 bits cannot say it."""
END_OF_RECORDINGS: Final[Micros] = 4_102_444_800 * SECOND
"""2100-01-01: recorded time from 1970 up to here is believed."""


class Limits(NamedTuple):
    """What one message may hold; depth, text and signal limits are fixed."""

    payload_bytes: int = 65_536
    rows: int = MAX_ROWS


class Sender(NamedTuple):
    """Whose message it is, known from the topic, and when it was received (µs)."""

    device: str
    key: str
    received_at: Micros


class Row(NamedTuple):
    """One instant of the device."""

    at: Micros | None
    """The device's time; None where it gave none."""
    values: Mapping[str, Value]
    units: Mapping[str, str] = {}
    boot: int | None = None
    seq: int | None = None
    relative: bool = False
    """`at` was given relative to the arrival."""
    device: str = ""
    """A device behind the sender, by its id; empty: the sender itself."""
    quality: int = 0
    """Bits of `vorab.frame.Quality` that only the decoder can know."""
    acked: int | None = None
    """The last number of this boot that the device knows to be in the log; given, it wants to be told more (`ingest.acks`)."""
    heartbeat_s: float | None = None
    """The device's promise to be heard again within so many seconds."""


def check_name(name: str) -> None:
    """Refuse a name that is no signal name."""
    if not SIGNAL.fullmatch(name):
        raise Rejected(Reason.BAD_NAME, f"signal name {name[:60]!r}")


def check_names(names: Iterable[str], known: set[str]) -> None:
    """Refuse names one of which is no signal name; `known` are those that were looked at before, and these then are among them."""
    for name in names:
        if name not in known:
            check_name(name)
            known.add(name)


def check_values(values: Mapping[str, Any]) -> None:
    """Refuse values one of which no column can hold."""
    for name, value in values.items():
        kind = type(value)
        if kind is float:
            good = isfinite(value)
        elif kind is int:
            good = I64_MIN <= value <= I64_MAX
        else:
            good = kind is bool or (kind is str and len(value) <= MAX_TEXT)
        if not good:
            check_value(name, value)


def check_count(rows: int) -> None:
    """Refuse a message of too many rows, before any of them is made."""
    if rows > MAX_ROWS:
        raise Rejected(Reason.TOO_LARGE, f"{rows} rows, at most {MAX_ROWS}")


def check_value(name: str, value: object) -> None:
    """Refuse a value that no column can hold."""
    if (type(value) is int and I64_MIN <= value <= I64_MAX) or (type(value) is float and isfinite(value)):
        return
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise Rejected(Reason.BAD_VALUE, f"{name}: {len(value)} characters, at most {MAX_TEXT}")
    elif isinstance(value, bool):
        return
    elif isinstance(value, int):
        if not I64_MIN <= value <= I64_MAX:
            raise Rejected(Reason.BAD_VALUE, f"{name}: the number does not fit 64 bits")
    elif isinstance(value, float):
        if not isfinite(value):
            raise Rejected(Reason.NOT_FINITE, f"{name}: not a finite number")
    else:
        raise Rejected(Reason.BAD_SHAPE, f"{name}: {'an object' if isinstance(value, dict) else 'a list'} is not a value")


def number(name: str, value: object) -> int | float:
    """A JSON number that is no boolean."""
    if type(value) is not float and type(value) is not int:
        raise Rejected(Reason.BAD_VALUE, f"{name} is not a number")
    return value


def micros(value: float, per: int) -> Micros:
    """A time of the device as µs, `per` µs to its unit; what lies beyond all calendars is `FAR`."""
    if abs(value) * per >= FAR:
        return FAR if value > 0 else -FAR
    return value * per if isinstance(value, int) else round(value * per)


def counter(name: str, value: object, largest: int) -> int:
    """A counter of the device (boot, seq)."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
        raise Rejected(Reason.BAD_VALUE, f"{name} is not a whole number from 0 to {largest}")
    return value
