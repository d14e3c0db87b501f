"""Sparkplug payloads: from bytes to metrics and back, and from what travels to the value it stands for. Pure.

Signed whole numbers travel as two's complement in unsigned fields, some clients extend the sign and some do not; so the datatype of the
birth decides, not the field. A metric has no value here where it is null, where its `Quality` says bad or stale, where a float is NaN
or infinite (a PLC's way to say null), and where its kind is none a signal can hold: DataSet, Template, PropertySet, Bytes, File, and texts
and arrays of more than 255 characters. Short arrays become the text of a JSON list.
"""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
import orjson
from google.protobuf.message import DecodeError

from ingest.decoders.rows import I64_MAX, MAX_TEXT
from ingest.dialects.sparkplug import sparkplug_pb2
from vorab.errors import Reason, Rejected
from vorab.frame import Value

COMPRESSED: Final = "SPBV1.0_COMPRESSED"
MAX_BODY: Final = 1 << 18
"""What a compressed payload may unfold to."""
MAX_RATIO: Final = 50
"""... and to how many times its size, above a small one: births fold to a tenth, bombs to a thousandth."""
_SMALL_BODY: Final = 4096
MAX_METRICS: Final = 1_024
"""Of one message; of a larger one than 64 KiB, where the operator allows it, in proportion."""
_BYTES_EACH: Final = 64
_MOST_PROPERTIES: Final = 16_384
"""Of all metrics together."""

INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, FLOAT, DOUBLE, BOOLEAN, STRING, DATETIME, TEXT, UUID = range(1, 16)
BITS: Final = {INT8: 8, INT16: 16, INT32: 32, INT64: 64, UINT8: 8, UINT16: 16, UINT32: 32, UINT64: 64, DATETIME: 64}
SIGNED: Final = frozenset({INT8, INT16, INT32, INT64, DATETIME})
TEXTS: Final = frozenset({STRING, TEXT, UUID})
LAST_TYPE: Final = 34
BOOLEANS, STRINGS = 32, 33
ARRAYS: Final = {
    22: "<i1", 23: "<i2", 24: "<i4", 25: "<i8", 26: "<u1", 27: "<u2", 28: "<u4", 29: "<u8", 30: "<f4", 31: "<f8", 34: "<i8"
}  # fmt: skip
"""By datatype: what an array is packed of."""
_NO_GOOD: Final = frozenset({0, 500})
"""Values of the property `Quality`: bad, stale."""
_INFERRED: Final = {
    "int_value": UINT32, "long_value": UINT64, "float_value": FLOAT, "double_value": DOUBLE, "boolean_value": BOOLEAN,
    "string_value": STRING,
}  # fmt: skip

Raw = int | float | bool | str | bytes | None
"""As it travelled; None: no value."""


class Metric(NamedTuple):
    """One metric as it travelled."""

    name: str
    alias: int | None
    timestamp: int | None
    """ms since 1970."""
    datatype: int
    """0 where it is not said."""
    historical: bool
    raw: Raw
    unit: str = ""
    """The property `engUnit`."""
    field: str = ""
    """The field its value stood in."""


class Payload(NamedTuple):
    """One payload."""

    timestamp: int | None
    """ms since 1970."""
    seq: int | None
    metrics: list[Metric]


def read(data: bytes) -> Payload:
    """The payload of a message, unfolded where it is compressed.

    Raises:
        Rejected: not a Sparkplug payload, more than 1,024 metrics, one without name and alias, or a compressed one that unfolds to more
            than 256 KiB or 50 times its size.
    """
    outer = _parsed(data)
    found = outer
    if outer.uuid == COMPRESSED:
        found = _parsed(_unfolded(outer.body))
        if found.uuid == COMPRESSED:
            raise Rejected(Reason.TOO_DEEP, "compressed twice")
    most = max(MAX_METRICS, len(data) // _BYTES_EACH)
    if len(found.metrics) > most:
        raise Rejected(Reason.TOO_LARGE, f"{len(found.metrics)} metrics, at most {most}")
    stamped = found if found.HasField("timestamp") else outer
    numbered = found if found.HasField("seq") else outer
    return Payload(
        stamped.timestamp if stamped.HasField("timestamp") else None,
        numbered.seq if numbered.HasField("seq") else None,
        _metrics(found.metrics),
    )


def _parsed(data: bytes) -> Any:
    try:
        return sparkplug_pb2.Payload.FromString(data)
    except DecodeError:
        raise Rejected(Reason.BAD_SHAPE, "not a Sparkplug payload") from None


def _unfolded(body: bytes) -> bytes:
    """Either of the two algorithms, told by its header, with an end that is in sight before anything grows."""
    inflater = zlib.decompressobj(wbits=47)
    most = min(MAX_BODY, max(_SMALL_BODY, MAX_RATIO * len(body)))
    try:
        data = inflater.decompress(body, most)
    except zlib.error:
        raise Rejected(Reason.BAD_SHAPE, "the compressed body is neither DEFLATE nor GZIP") from None
    if inflater.unconsumed_tail:
        raise Rejected(Reason.TOO_LARGE, f"more than {most} bytes in a compressed body of {len(body)}")
    if not inflater.eof:
        raise Rejected(Reason.BAD_SHAPE, "the compressed body ends too soon")
    return data


def _metrics(found: Iterable[Any]) -> list[Metric]:
    made, properties = [], 0
    for metric in found:
        name, has = metric.name, metric.HasField
        alias = metric.alias if has("alias") else None
        if not name and alias is None:
            raise Rejected(Reason.BAD_SHAPE, "a metric without name and alias")
        field = metric.WhichOneof("value") or ""
        raw = None if not field or metric.is_null else getattr(metric, field)
        unit = ""
        if has("properties"):
            properties += len(metric.properties.keys)
            if properties > _MOST_PROPERTIES:
                raise Rejected(Reason.TOO_LARGE, f"more than {_MOST_PROPERTIES} properties")
            good, unit = _properties(metric.properties)
            raw = raw if good else None
        timestamp = metric.timestamp if has("timestamp") else None
        made.append(Metric(name, alias, timestamp, metric.datatype, metric.is_historical, raw, unit, field))
    return made


def _properties(found: Any) -> tuple[bool, str]:
    """Whether the quality is any good, and the unit."""
    good, unit = True, ""
    values = found.values
    for i, key in enumerate(list(found.keys)[: len(values)]):
        if key == "Quality":
            given = values[i]
            if given.WhichOneof("value") in {"int_value", "long_value"} and (given.int_value or given.long_value) in _NO_GOOD:
                good = False
        elif key == "engUnit":
            unit = values[i].string_value
    return good, unit


def datatype_of(metric: Metric) -> int:
    """The datatype of a metric in a birth; where it says none, what its field can hold."""
    return metric.datatype if 0 < metric.datatype <= LAST_TYPE else _INFERRED.get(metric.field, 0)


def value(name: str, raw: Raw, datatype: int) -> Value | None:  # noqa: PLR0911 - one per kind
    """What a raw value stands for; None where there is no value a signal can hold.

    Raises:
        Rejected: the value is of another kind than its datatype says.
    """
    if raw is None:
        return None
    if datatype in BITS:
        return _whole(name, raw, datatype)
    if datatype in {FLOAT, DOUBLE}:
        if isinstance(raw, str | bytes):
            raise _mismatch(name, "a number")
        return float(raw) if math.isfinite(raw) else None
    if datatype == BOOLEAN:
        if not isinstance(raw, bool | int):
            raise _mismatch(name, "a boolean")
        return bool(raw)
    if datatype in TEXTS:
        if not isinstance(raw, str):
            raise _mismatch(name, "a text")
        return raw if len(raw) <= MAX_TEXT else None
    if datatype in ARRAYS or datatype in {BOOLEANS, STRINGS}:
        if not isinstance(raw, bytes):
            raise _mismatch(name, "an array")
        return _listed(name, raw, datatype)
    return None


def _whole(name: str, raw: Raw, datatype: int) -> int | None:
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    if not isinstance(raw, int):
        raise _mismatch(name, "a whole number")
    bits = BITS[datatype]
    whole = raw & ((1 << bits) - 1)
    if datatype in SIGNED and whole >> (bits - 1):
        whole -= 1 << bits
    return whole if whole <= I64_MAX else None


def _listed(name: str, raw: bytes, datatype: int) -> str | None:
    if len(raw) > 8 * MAX_TEXT:
        return None
    items: list[Any]
    least = 0
    try:
        if datatype == BOOLEANS:
            (least,) = struct.unpack_from("<I", raw)
            items = np.unpackbits(np.frombuffer(raw[4:], "u1"))[:least].astype(bool).tolist()
        elif datatype == STRINGS:
            items = raw.decode().split("\0")[:-1] if raw.endswith(b"\0") else raw.decode().split("\0")
        else:
            items = np.frombuffer(raw, ARRAYS[datatype]).tolist()
    except (struct.error, ValueError):
        raise _mismatch(name, "an array of its datatype") from None
    if len(items) < least:
        raise _mismatch(name, "an array of its datatype")
    text = orjson.dumps(items).decode()
    return text if len(text) <= MAX_TEXT else None


def _mismatch(name: str, wanted: str) -> Rejected:
    return Rejected(Reason.BAD_VALUE, f"{name[:60]}: not {wanted}, as its datatype says")


# --------------------------------------------------------------------------------------------------- writing


class Written(NamedTuple):
    """A metric to write."""

    name: str
    datatype: int
    value: Value


def write(metrics: Iterable[Written], timestamp: int) -> bytes:
    """The payload of a command; `timestamp` is in ms.

    Raises:
        Rejected: a value that its datatype cannot hold.
    """
    made = sparkplug_pb2.Payload(timestamp=timestamp)
    for name, datatype, given in metrics:
        metric = made.metrics.add(name=name, timestamp=timestamp, datatype=datatype)
        number = isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)
        if datatype in BITS and number and given == int(given):
            bits = BITS[datatype]
            low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if datatype in SIGNED else (0, (1 << bits) - 1)
            if not low <= given <= high:
                raise Rejected(Reason.BAD_VALUE, f"{name}: {given} does not fit its datatype")
            if bits == 64:
                metric.long_value = int(given) & ((1 << 64) - 1)
            else:
                metric.int_value = int(given) & ((1 << 32) - 1)
        elif datatype == FLOAT and number:
            metric.float_value = given
        elif datatype == DOUBLE and number:
            metric.double_value = given
        elif datatype == BOOLEAN and isinstance(given, bool):
            metric.boolean_value = given
        elif datatype in TEXTS and isinstance(given, str):
            metric.string_value = given
        else:
            raise Rejected(Reason.BAD_VALUE, f"{name}: {str(given)[:60]!r} does not fit its datatype")
    data: bytes = made.SerializeToString()
    return data


def same(left: Value | None, right: Value | None) -> bool:
    """Whether a value that was seen is the one that was asked for; a float may have lost its last digits on the way."""
    if isinstance(left, float) and isinstance(right, int | float):
        return math.isclose(left, right, rel_tol=1e-6, abs_tol=1e-9)
    return type(left) is type(right) and left == right


def first_of(metrics: Iterable[Metric], name: str) -> Metric | None:
    """The metric of this name."""
    return next(itertools.islice((metric for metric in metrics if metric.name == name), 1), None)
