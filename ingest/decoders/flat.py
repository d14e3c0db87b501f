"""Flat JSON and the ThingsBoard value shapes.

    {"temperature": 21.5}      {"ts": 1795467600000, "boot": 3, "seq": 17, "temperature": 21.5}
    {"ts": …, "values": {"temperature": 21.5}}                a list of any of these

`ts` is in ms (a fraction keeps µs); `boot` and `seq` count restarts and messages, and `acked` beside them asks for end-to-end
acknowledgements; `device` or `device_id` may repeat what the topic says. A `null` is no value and is left out. An object or list inside
is refused: the path says where.
"""

from __future__ import annotations

from typing import Any, Final

from ingest.decoders.rows import (
    MAX_SIGNALS,
    U32_MAX,
    U64_MAX,
    Row,
    Sender,
    check_count,
    check_names,
    check_values,
    counter,
    micros,
    number,
)
from ingest.decoders.strict import parse
from vorab.clock import Micros
from vorab.errors import Reason, Rejected

MS: Final = 1000
RESERVED: Final = frozenset({"ts", "boot", "seq", "acked", "device", "device_id"})
_IDENTITY: Final = frozenset({"device", "device_id"})
_COUNTERS: Final = frozenset({"boot", "seq", "acked"})


def rows(parsed: object, sender: Sender, device: str = "") -> list[Row]:
    """The rows of a parsed payload, of a device behind the sender where it is named; raises Rejected."""
    known: set[str] = set()
    if isinstance(parsed, dict):
        return [_row(parsed, sender, known, device)]
    if isinstance(parsed, list):
        check_count(len(parsed))
        return [_row(_object(item, i), sender, known, device) for i, item in enumerate(parsed)]
    raise Rejected(Reason.BAD_SHAPE, f"{type(parsed).__name__} where an object or a list of objects should be")


def _object(item: object, i: int) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise Rejected(Reason.BAD_SHAPE, f"[{i}] is not an object")
    return item


def _row(found: dict[str, Any], sender: Sender, known: set[str], device: str) -> Row:
    if not _IDENTITY.isdisjoint(found):
        check_identity(found, sender)
    values = found.get("values")
    if isinstance(values, dict):
        if strange := [key for key in found if key not in RESERVED and key != "values"]:
            raise Rejected(Reason.BAD_SHAPE, f"{strange[0][:60]!r} beside values")
        if not RESERVED.isdisjoint(values):
            doubled = next(key for key in values if key in RESERVED)
            raise Rejected(Reason.BAD_SHAPE, f"values.{doubled}: a reserved name")
        kept = {name: value for name, value in values.items() if value is not None}
    else:
        kept = {name: value for name, value in found.items() if value is not None and name not in RESERVED}
    if len(kept) > MAX_SIGNALS:
        raise Rejected(Reason.TOO_MANY_SIGNALS, f"{len(kept)} signals, at most {MAX_SIGNALS}")
    if not known.issuperset(kept):
        check_names(kept, known)
    check_values(kept)
    boot, seq, acked = (None, None, None) if _COUNTERS.isdisjoint(found) else counters(found)
    ts = found.get("ts")
    return Row(None if ts is None else _time(ts), kept, boot=boot, seq=seq, device=device, acked=acked)


def counters(found: dict[str, Any]) -> tuple[int | None, int | None, int | None]:
    """`boot`, `seq` and `acked` of an object; raises Rejected."""
    boot, seq, acked = found.get("boot"), found.get("seq"), found.get("acked")
    boot = None if boot is None else counter("boot", boot, U32_MAX)
    seq = None if seq is None else counter("seq", seq, U64_MAX)
    if acked is None:
        return boot, seq, None
    acked = counter("acked", acked, U64_MAX)
    if boot is None or seq is None:
        raise Rejected(Reason.BAD_SHAPE, "acked without boot and seq")
    if not seq:
        # `acked: 0` is "nothing yet", so a number 0 could never be told from it.
        raise Rejected(Reason.BAD_VALUE, "seq counts from 1 where acked stands beside it")
    return boot, seq, acked


def promises(payload: bytes) -> list[tuple[int, int, int]]:
    """`boot`, `seq` and `acked` of what wants an acknowledgement in a payload that was refused, as far as it can be read."""
    if b'"acked"' not in payload:
        return []
    try:
        parsed = parse(payload)
        found = [counters(item) for item in (parsed if isinstance(parsed, list) else [parsed]) if isinstance(item, dict)]
    except Rejected:
        return []
    return [(boot, seq, acked) for boot, seq, acked in found if boot is not None and seq is not None and acked is not None]


def check_identity(found: dict[str, Any], sender: Sender) -> None:
    """The topic says who it is; a payload that says otherwise is refused."""
    for name in ("device", "device_id"):
        said = found.get(name)
        if said is not None and said not in (sender.device, sender.key):
            raise Rejected(Reason.IDENTITY_MISMATCH, f"{name} is not the device of the topic")


def _time(ts: object) -> Micros | None:
    if ts is None:
        return None
    try:
        return micros(number("ts", ts), MS)
    except Rejected as error:
        raise Rejected(Reason.BAD_TIME, error.detail) from None
