"""SenML (RFC 8428, RFC 9100): a pack of records, base fields resolved, one row per instant, oldest first.

A signal is the resolved name without the part that names the device: `urn:dev:ow:10e2073a01080063:temp` is `temp`, a bare URN is `value`.
A sum (`s`) becomes the signal `<name>.sum`, in the unit times seconds; data (`vd`) stays the base64url text it is in JSON.
`ut`, the time until the next record at the latest, becomes the heartbeat of the rows: the shortest of the pack.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final

from ingest.decoders.rows import MAX_SIGNALS, Row, Sender, check_name, check_value, micros, number
from ingest.units import over_time
from vorab.clock import SECOND, Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Value

RELATIVE_BELOW_S: Final = 2**28
"""RFC 8428 4.5.3: a smaller time is relative to now."""
UNDERSTOOD: Final = frozenset({10, 26})
"""10 is RFC 8428; 26 adds the secondary units of RFC 8798, which are kept as they are written."""

MOST_TEXT: Final = 255
BASE: Final = frozenset({"bn", "bt", "bu", "bv", "bs", "bver"})
VALUES: Final = frozenset({"v", "vs", "vb", "vd"})
LABELS: Final = BASE | {"n", "u", "s", "t", "ut", *VALUES}

_DEVICE_URN: Final = re.compile(r"urn:dev:[a-z0-9]+:[A-Za-z0-9.-]+(?:[:/_]|$)")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9:./_-]*")
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*={0,2}")


def looks_like(parsed: object) -> bool:
    """Whether this can only be a SenML pack: for firmware that cannot name a content type."""
    return (
        isinstance(parsed, list)
        and bool(parsed)
        and all(isinstance(item, dict) and item.keys() <= LABELS for item in parsed)
        and any(isinstance(item.get(name), str) for item in parsed for name in ("n", "bn"))
    )


def signal_of(name: str, device: str) -> str:
    """The signal a resolved name stands for; raises Rejected (BAD_NAME)."""
    if not _NAME.fullmatch(name):
        raise Rejected(Reason.BAD_NAME, f"resolved name {name[:60]!r}")
    rest = _DEVICE_URN.sub("", name, count=1) if name.startswith("urn:dev:") else name
    if rest.startswith(device) and rest[len(device) : len(device) + 1] in {"", ":", "/", "_", ".", "-"}:
        rest = rest[len(device) + 1 :]
    signal = rest or "value"
    check_name(signal)
    return signal


def rows(parsed: object, sender: Sender) -> list[Row]:
    """The rows of a parsed pack, oldest first; raises Rejected for the whole pack."""
    if not isinstance(parsed, list):
        raise Rejected(Reason.BAD_SHAPE, "a SenML pack is a list of records")
    if not parsed:
        raise Rejected(Reason.EMPTY, "an empty pack")
    pack = _Pack(sender)
    for i, record in enumerate(parsed):
        if not isinstance(record, dict):
            raise Rejected(Reason.BAD_SHAPE, f"record {i} is not an object")
        try:
            pack.add(record)
        except Rejected as error:
            raise Rejected(error.reason, f"record {i}: {error.detail}") from None
    return pack.rows()


class _Pack:
    """Base fields so far, and the rows found under them."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._base: dict[str, Any] = {}
        self._version: int | float | None = None
        self._first = True
        self._heartbeat_s: float | None = None
        self._rows: dict[tuple[Micros, bool, int], Row] = {}
        """By time, whether relative, and how often a name stood at this time before."""
        self._turns: Counter[tuple[Micros, bool, str]] = Counter()

    def add(self, record: dict[str, Any]) -> None:
        for label in record:
            if label not in LABELS and label.endswith("_"):
                raise Rejected(Reason.UNSUPPORTED, f"{label[:60]!r} must be understood and is not")
        self._take_base(record)
        given = sorted(VALUES & record.keys())
        if len(given) > 1:
            raise Rejected(Reason.BAD_SHAPE, f"{given[0]} and {given[1]} in one record")
        if "ut" in record:
            self._beat(number("ut", record["ut"]))
        # What is missing of a base value or sum and of the record's own counts as zero (4.5.4); a record that only sets bases is none.
        implied = "n" in record and ("bv" in self._base or "bs" in self._base)
        if not given and "s" not in record and not implied:
            if not BASE & record.keys():
                raise Rejected(Reason.BAD_SHAPE, "neither a value nor a base field")
            return
        self._resolve(record, given[0] if given else "")

    def _beat(self, seconds: float) -> None:
        if seconds < 0:
            raise Rejected(Reason.BAD_VALUE, "ut is negative")
        if seconds:
            self._heartbeat_s = float(min(seconds, self._heartbeat_s or seconds))

    def _take_base(self, record: dict[str, Any]) -> None:
        for label in ("bn", "bu"):
            if label in record:
                self._base[label] = _text(label, record[label])
        for label in ("bt", "bv", "bs"):
            if label in record:
                self._base[label] = number(label, record[label])
        version = record.get("bver")
        if version is None and "bver" in record:
            raise Rejected(Reason.BAD_VALUE, "bver is not a number")
        if version is not None:
            version = number("bver", version)
            if version <= 0 or version != int(version):
                raise Rejected(Reason.BAD_VALUE, "bver is not a positive whole number")
            if version > 10 and version not in UNDERSTOOD:
                raise Rejected(Reason.NEWER_VERSION, f"SenML version {version}")
            if not self._first and version != (10 if self._version is None else self._version):
                raise Rejected(Reason.BAD_VALUE, "bver changes within the pack")
            self._version = version
        self._first = False

    def _resolve(self, record: dict[str, Any], label: str) -> None:
        base = self._base
        name = base.get("bn", "") + (_text("n", record["n"]) if "n" in record else "")
        signal = signal_of(name, self._sender.device)
        unit = _text("u", record["u"]) if "u" in record else base.get("bu", "")
        at, relative = self._time(record)
        summed = "s" in record or "bs" in base
        if label or not summed:
            self._put(signal, self._value(record, label or "v"), unit if label in {"v", ""} else "", at, relative=relative)
        if summed:
            total = (number("s", record["s"]) if "s" in record else 0) + base.get("bs", 0)
            self._put(signal + ".sum", total, over_time(unit), at, relative=relative)

    def _value(self, record: dict[str, Any], label: str) -> Value:
        value = record.get(label, 0)
        if label == "v":
            return number("v", value) + self._base["bv"] if "bv" in self._base else number("v", value)
        if label == "vb":
            if not isinstance(value, bool):
                raise Rejected(Reason.BAD_VALUE, "vb is neither true nor false")
            return bool(value)
        text = _text(label, value)
        if label == "vd" and not _BASE64URL.fullmatch(text):
            raise Rejected(Reason.BAD_VALUE, "vd is not base64url")
        return text

    def _time(self, record: dict[str, Any]) -> tuple[Micros | None, bool]:
        try:
            base, own = self._base.get("bt", 0), number("t", record["t"]) if "t" in record else 0
        except Rejected as error:
            raise Rejected(Reason.BAD_TIME, error.detail) from None
        if base + own == 0:
            return None, False
        # Added as µs: a sum of seconds since 1970 and a fraction would lose the last µs.
        at = micros(base, SECOND) + micros(own, SECOND)
        if base + own < RELATIVE_BELOW_S:
            return self._sender.received_at + at, True
        return at, False

    def _put(self, signal: str, value: Value, unit: str, at: Micros | None, *, relative: bool) -> None:
        check_name(signal)
        check_value(signal, value)
        stamp = self._sender.received_at if at is None else at
        stands = (stamp, relative or at is None, signal)
        turn = self._turns[stands]
        self._turns[stands] += 1
        key = (stamp, relative or at is None, turn)
        row = self._rows.setdefault(key, Row(at, {}, {}, relative=relative))
        if len(row.values) >= MAX_SIGNALS:
            raise Rejected(Reason.TOO_MANY_SIGNALS, f"more than {MAX_SIGNALS} signals")
        row.values[signal] = value  # type: ignore[index]  # a dict, made above
        if unit:
            row.units[signal] = unit  # type: ignore[index]  # a dict, made above

    def rows(self) -> list[Row]:
        return [self._rows[key]._replace(heartbeat_s=self._heartbeat_s) for key in sorted(self._rows)]


def _text(label: str, value: object) -> str:
    if not isinstance(value, str):
        raise Rejected(Reason.BAD_VALUE, f"{label} is not a string")
    if len(value) > MOST_TEXT:
        raise Rejected(Reason.BAD_VALUE, f"{label}: {len(value)} characters, at most {MOST_TEXT}")
    return value
