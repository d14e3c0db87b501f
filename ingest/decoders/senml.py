"""SenML (RFC 8428, RFC 9100): a pack of records, base fields resolved, one row per instant, oldest first.

A signal is the resolved name without the part that names the device: `urn:dev:ow:10e2073a01080063:temp` is `temp`, a bare URN is `value`.
A sum (`s`) becomes the signal `<name>.sum`, in the unit times seconds; data (`vd`) stays the base64url text it is in JSON.
`ut`, the time until the next record at the latest, becomes the heartbeat of the rows: the shortest of the pack.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ingest.decoders.rows import MAX_NAME, MAX_SIGNALS, SIGNAL, Row, Sender, check_name, check_value, micros, number
from ingest.units import over_time
from vorab.clock import SECOND, Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Value

RELATIVE_BELOW_S: Final = 2**28
"""RFC 8428 4.5.3: a smaller time is relative to now."""
UNDERSTOOD: Final = frozenset({10, 26})
"""10 is RFC 8428; 26 adds the secondary units of RFC 8798, which are kept as they are written."""

MOST_TEXT: Final = 255
MOST_RECORDS: Final = 1_024
MOST_LABELS: Final = 4_200
"""Of all records of a pack together."""
BASE: Final = frozenset({"bn", "bt", "bu", "bv", "bs", "bver"})
VALUES: Final = frozenset({"v", "vs", "vb", "vd"})
_VALUES: Final = tuple(sorted(VALUES))
_OTHERS: Final = VALUES - {"v"}
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
    urn = _DEVICE_URN.match(name) if name.startswith("urn:dev:") else None
    own = name[urn.end() :] if urn else name
    if not own.startswith((device, "_", "urn:")) and SIGNAL.fullmatch(own):
        return own  # mostly
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
    check_size(parsed)
    pack = _Pack(sender)
    i, add = 0, pack.add
    try:
        for i, record in enumerate(parsed):  # noqa: B007 - for what is said of a record that is refused
            add(record)
    except Rejected as error:
        raise Rejected(error.reason, f"record {i}: {error.detail}") from None
    return pack.rows()


def check_size(parsed: list[Any]) -> None:
    """Refuse a pack of too many records, or too many labels in them, before any of them is looked at."""
    if len(parsed) > MOST_RECORDS:
        raise Rejected(Reason.TOO_LARGE, f"{len(parsed)} records, at most {MOST_RECORDS}")
    if len(parsed) > MOST_LABELS // len(LABELS):
        labels = sum(len(record) for record in parsed if type(record) is dict)
        if labels > MOST_LABELS:
            raise Rejected(Reason.TOO_LARGE, f"{labels} labels in the records, at most {MOST_LABELS}")


class _Pack:
    """Base fields so far, and the rows found under them."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._base: dict[str, Any] = {}
        self._version: int | float | None = None
        self._first = True
        self._heartbeat_s: float | None = None
        self._rows: dict[tuple[Micros, bool], list[Row]] = {}
        """By time and whether it is relative; a name that stands there again is in the next row."""
        self._turns: dict[tuple[Micros, bool, str], int] = {}
        """How often a name stood at a time again."""
        self._over_time: dict[str, str] = {}
        """The unit of a sum, by the unit of its values."""
        self._signals: dict[str, str] = {}
        """By resolved name."""

    def add(self, record: Any) -> None:
        if type(record) is not dict:
            raise Rejected(Reason.BAD_SHAPE, "not an object")
        if not LABELS.issuperset(record):
            for label in record:
                if label not in LABELS and label.endswith("_"):
                    raise Rejected(Reason.UNSUPPORTED, f"{label[:60]!r} must be understood and is not")
        if not BASE.isdisjoint(record):
            self._take_base(record)
        self._first = False
        given = "v" if "v" in record else ""
        if not _OTHERS.isdisjoint(record):
            several = [label for label in _VALUES if label in record]
            if len(several) > 1:
                raise Rejected(Reason.BAD_SHAPE, f"{several[0]} and {several[1]} in one record")
            given = several[0]
        if "ut" in record:
            self._beat(number("ut", record["ut"]))
        # What is missing of a base value or sum and of the record's own counts as zero (4.5.4); a record that only sets bases is none.
        if not given and "s" not in record and not ("n" in record and ("bv" in self._base or "bs" in self._base)):
            if BASE.isdisjoint(record):
                raise Rejected(Reason.BAD_SHAPE, "neither a value nor a base field")
            return
        self._resolve(record, given)

    def _beat(self, seconds: float) -> None:
        if seconds < 0:
            raise Rejected(Reason.BAD_VALUE, "ut is negative")
        if seconds:
            self._heartbeat_s = float(min(seconds, self._heartbeat_s or seconds))

    def _take_base(self, record: dict[str, Any]) -> None:
        base = self._base
        for label in ("bn", "bu"):
            if label in record:
                base[label] = _text(label, record[label])
        for label in ("bt", "bv", "bs"):
            if label in record:
                base[label] = number(label, record[label])
        if "bver" in record:
            self._take_version(record["bver"])

    def _take_version(self, version: object) -> None:
        if version is None:
            raise Rejected(Reason.BAD_VALUE, "bver is not a number")
        version = number("bver", version)
        if version <= 0 or version != int(version):
            raise Rejected(Reason.BAD_VALUE, "bver is not a positive whole number")
        if version > 10 and version not in UNDERSTOOD:
            raise Rejected(Reason.NEWER_VERSION, f"SenML version {version}")
        if not self._first and version != (10 if self._version is None else self._version):
            raise Rejected(Reason.BAD_VALUE, "bver changes within the pack")
        self._version = version

    def _resolve(self, record: dict[str, Any], label: str) -> None:
        base = self._base
        name = _text("n", record["n"]) if "n" in record else ""
        if "bn" in base:
            name = base["bn"] + name
        signal = self._signals.get(name)
        if signal is None:
            signal = self._signals[name] = signal_of(name, self._sender.device)
        unit = _text("u", record["u"]) if "u" in record else base.get("bu", "")
        at, relative = self._time(record) if "t" in record or "bt" in base else (None, False)
        summed = "s" in record or "bs" in base
        if label or not summed:
            value = self._value(record, label or "v")
            check_value(signal, value)
            self._put(signal, value, unit if label in {"v", ""} else "", at, relative)
        if summed:
            total, signal = (number("s", record["s"]) if "s" in record else 0) + base.get("bs", 0), signal + ".sum"
            if len(signal) > MAX_NAME:
                check_name(signal)
            check_value(signal, total)
            if unit not in self._over_time:
                self._over_time[unit] = over_time(unit)
            self._put(signal, total, self._over_time[unit], at, relative)

    def _value(self, record: dict[str, Any], label: str) -> Value:
        value = record.get(label, 0)
        if label == "v":
            value = number("v", value)
            return value + self._base["bv"] if "bv" in self._base else value
        if label == "vb":
            if not isinstance(value, bool):
                raise Rejected(Reason.BAD_VALUE, "vb is neither true nor false")
            return bool(value)
        text = _text(label, value)
        if label == "vd" and not _BASE64URL.fullmatch(text):
            raise Rejected(Reason.BAD_VALUE, "vd is not base64url")
        return text

    def _time(self, record: dict[str, Any]) -> tuple[Micros | None, bool]:
        base, own = self._base.get("bt", 0), record.get("t", 0)
        if type(own) is not float and type(own) is not int:
            raise Rejected(Reason.BAD_TIME, "t is not a number")
        seconds = base + own
        if seconds == 0:
            return None, False
        # Added as µs: a sum of seconds since 1970 and a fraction would lose the last µs.
        at = micros(own, SECOND)
        if base:
            at += micros(base, SECOND)
        if seconds < RELATIVE_BELOW_S:
            return self._sender.received_at + at, True
        return at, False

    def _put(self, signal: str, value: Value, unit: str, at: Micros | None, relative: bool) -> None:  # noqa: FBT001 - called for each value
        stamp = (self._sender.received_at, True) if at is None else (at, relative)
        there = self._rows.get(stamp)
        if there is None:
            row = Row(at, {}, {}, None, None, relative)
            self._rows[stamp] = [row]
        else:
            row = there[0]
            if signal in row.values:
                row = self._again(stamp, signal, there)
            if len(row.values) >= MAX_SIGNALS:
                raise Rejected(Reason.TOO_MANY_SIGNALS, f"more than {MAX_SIGNALS} signals")
        row.values[signal] = value  # type: ignore[index]  # a dict, made above
        if unit:
            row.units[signal] = unit  # type: ignore[index]  # a dict, made above

    def _again(self, stamp: tuple[Micros, bool], signal: str, there: list[Row]) -> Row:
        """The next row of this instant, where a name stands there once more."""
        turn = self._turns.get((*stamp, signal), 0) + 1
        self._turns[*stamp, signal] = turn
        if turn == len(there):
            there.append(Row(there[0].at, {}, {}, None, None, there[0].relative))
        return there[turn]

    def rows(self) -> list[Row]:
        found = [row for stamp in sorted(self._rows) for row in self._rows[stamp]]
        return found if self._heartbeat_s is None else [row._replace(heartbeat_s=self._heartbeat_s) for row in found]


def _text(label: str, value: object) -> str:
    if not isinstance(value, str):
        raise Rejected(Reason.BAD_VALUE, f"{label} is not a string")
    if len(value) > MOST_TEXT:
        raise Rejected(Reason.BAD_VALUE, f"{label}: {len(value)} characters, at most {MOST_TEXT}")
    return value
