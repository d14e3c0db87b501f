"""Who is looked at by which rule, and where the state of that stands: devices, names by number, and one table per detector."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from streams.detect_series import Devices, Table
from streams.detectors import evidence, silence, threshold
from streams.detectors.learned import Learned, LearnedConfig
from streams.rules import AnyRule, Bound, RuleSet, SilenceRule, ThresholdRule, looks_at, parse_rule
from vorab.processor import Registry

NO_SIGNAL: Final = 0
"""Number of the signal name "": silence looks at none."""
MOST_NAMES: Final = 4096
"""Signals a partition learns about; devices that make up a name per message shall not eat its memory. Names in rules always count."""
THRESHOLD_BLOCK: Final = 1024
LEARNED_BLOCK: Final = 512
SILENCE_BLOCK: Final = 4096
"""Slots per block of state: none is larger than 512 KiB."""


class Book:
    """What detect knows about rules and devices, apart from readings."""

    def __init__(self, rules: RuleSet, registry: Registry) -> None:
        self.rules = rules
        self.devices = Devices(registry)
        self._rings = evidence.layout(max((rule.evidence for rule in rules if not isinstance(rule, SilenceRule)), default=1))
        self.thresholds = Table("threshold", {**threshold.LAYOUT, **self._rings}, THRESHOLD_BLOCK, self)
        self.silences = Table("silence", silence.LAYOUT, SILENCE_BLOCK, self)
        self.learned: dict[str, tuple[Table, Learned]] = {}
        """By the name of the table: one per set of settings."""
        self.orphans: list[tuple[Table, int]] = []
        """Slots whose rule does not look any more: what it raised is to be ended."""
        self.gone: list[str] = []
        """Blocks of state that are to be deleted."""
        self._table_of = {rule.id: self._table_for(rule) for rule in rules}
        self._take_names([""], {})
        self._told = 0

    # ------------------------------------------------------------------------------------------------- names

    def signal(self, name: str) -> int | None:
        """The number of a signal; None where nobody looks at it, or there are too many."""
        number = self._number.get(name)
        if number is None and len(self.names) < MOST_NAMES and self.rules.watches(name):
            number = self._enter(name)
        return number

    def rule_of(self, table: Table, slot: int) -> AnyRule:
        """The rule whose state stands in a slot."""
        return self._rule[int(table.columns.of["rule"][slot])]

    def device_of(self, table: Table, slot: int) -> str:
        """The key of the device whose state stands in a slot."""
        return self.devices.keys[int(table.columns.of["device"][slot]) - 1]

    def signal_of(self, table: Table, slot: int) -> str:
        """The name of the signal whose state stands in a slot."""
        return self.names[int(table.columns.of["signal"][slot])]

    def _take_names(self, names: Sequence[str], withdrawn: Mapping[str, str]) -> None:
        """Number names as they were numbered before; `withdrawn` are rules that may be gone, as JSON."""
        self.names: list[str] = []
        self._number: dict[str, int] = {}
        for name in names:
            self._enter(name)
        self._rule = {self._enter(rule): parse_rule(text) for rule, text in withdrawn.items() if rule not in self.rules.by_id}
        self._rule.update((self._enter(rule.id), rule) for rule in self.rules)
        for rule in self.rules:
            if isinstance(rule, ThresholdRule):
                self._enter(rule.signal)

    def _enter(self, name: str) -> int:
        number = self._number.setdefault(name, len(self.names))
        if number == len(self.names):
            self.names.append(name)
        return number

    # ------------------------------------------------------------------------------- what tables want to know

    def choose(self, table: Table, device: int, signal: int) -> Sequence[int]:
        """The rules of a table that look at a series."""
        tenant, name = self.devices.parts(device)
        entry = self.devices.entries[device]
        return [
            self._number[rule.id]
            for rule in self.rules.of_device(tenant, name, self.devices.models[device])
            if self._table_of[rule.id] is table
            and (signal == NO_SIGNAL or looks_at(rule, self.names[signal]))
            and not (isinstance(rule, ThresholdRule) and entry is not None and _bound(rule.limit, entry.limits) is None)
        ]

    def prepare(self, table: Table, slot: int, rule: int, device: int, *, fresh: bool) -> None:
        """Write a rule's settings into a slot."""
        found, of = self._rule[rule], table.columns.of
        if isinstance(found, SilenceRule):
            of["after"][slot] = found.after
        elif isinstance(found, ThresholdRule):
            entry = self.devices.entries[device]
            limits = entry.limits if entry is not None else {}
            limit, clear = _bound(found.limit, limits), None if found.clear is None else _bound(found.clear, limits)
            if limit is None:  # of a device the registry does not know (any more): what it said stays, else nothing is beyond
                limit = found.sign * (np.inf if fresh else float(of["edge"][slot]))
            threshold.prepare(table.columns, slot, found.sign, limit, clear)
            of["hold"][slot], of["need"][slot] = found.hold, found.count
        elif fresh:
            learned = self.learned[table.columns.name][1]
            learned.grow(table.columns.n)
            learned.clear(np.array([slot]))
        table.columns.touch(np.array([slot]))

    def move(self, table: Table, source: int, target: int) -> None:
        """Move a series of the learned detector."""
        if table.columns.name in self.learned:
            learned = self.learned[table.columns.name][1]
            learned.grow(table.columns.n)
            learned.restore(np.array([target]), learned.snapshot(np.array([source])))

    def settle(self, devices: Sequence[int]) -> None:
        """The registry, or the rules, say something else about these devices."""
        if not devices:
            return
        for table in self.tables:
            self.orphans += [(table, slot) for slot in table.settle(devices)]

    @property
    def tables(self) -> list[Table]:
        """All of them."""
        return [self.thresholds, self.silences, *(table for table, _ in self.learned.values())]

    def _table_for(self, rule: AnyRule) -> Table:
        if isinstance(rule, ThresholdRule):
            return self.thresholds
        if isinstance(rule, SilenceRule):
            return self.silences
        config: LearnedConfig = rule.config
        name = f"learned-{zlib.crc32(repr(config).encode()):08x}"
        if name not in self.learned:
            self.learned[name] = (self._learned_table(name), Learned(config))
        return self.learned[name][0]

    def _learned_table(self, name: str) -> Table:
        return Table(name, {"active": "|b1", "onset": "<i8", "detected": "<i8", **self._rings}, LEARNED_BLOCK, self)

    # ------------------------------------------------------------------------------------------------- state

    def dirty(self) -> dict[str, bytes]:
        """The blocks that changed, of tables, devices and names."""
        out: dict[str, bytes] = dict.fromkeys(self.gone, b"")
        self.gone.clear()
        devices = self.devices
        for name, first, last in devices.columns.take_changed():
            out[name] = devices.columns.pack(first, last, keys=devices.keys[first:last], models=devices.models[first:last])
        for table in self.tables:
            learned = self.learned.get(table.columns.name)
            for name, first, last in table.columns.take_changed():
                more = {} if learned is None else {"learned": learned[1].snapshot(np.arange(first, last))}
                out[name] = table.columns.pack(first, last, **more)
        if len(self.names) != self._told:
            self._told = len(self.names)
            rules = {self.names[number]: rule.model_dump_json(by_alias=True) for number, rule in self._rule.items()}
            out["names"] = msgspec.msgpack.encode({"names": self.names, "rules": rules})
        return out

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over state; rules and registry may have changed since."""
        kept: dict[str, Any] = msgspec.msgpack.decode(blocks["names"])
        self._take_names(kept["names"], kept["rules"])
        numbered = [(name, *name.rpartition("/")[::2]) for name in blocks if "/" in name]
        order = sorted(numbered, key=lambda each: (each[1], int(each[2])))
        for name, kind, _ in order:
            if kind == "devices":
                self.devices.restore(name, blocks[name])
        tables = {table.columns.name: table for table in self.tables}
        old: dict[str, Table] = {}
        for name, kind, _ in order:
            if kind.startswith("learned-") and kind not in tables:  # no rule has these settings any more
                tables[kind] = old[kind] = self._learned_table(kind)
            if kind in old:
                self.gone.append(name)
            if kind in tables:
                self._restore_table(tables[kind], name, blocks[name])
        self.orphans += [(table, slot) for table in old.values() for slot in range(table.columns.n)]
        self.settle(range(len(self.devices.keys)))

    def _restore_table(self, table: Table, name: str, block: bytes) -> None:
        first, count, beside = table.restore(name, block)
        evidence.resize(table.columns, first, beside["resized"])
        if "learned" in beside and table.columns.name in self.learned:
            learned = self.learned[table.columns.name][1]
            learned.grow(table.columns.n)
            learned.restore(np.arange(first, first + count), beside["learned"])


def _bound(bound: Bound, limits: Mapping[str, float]) -> float | None:
    """The number of a limit for a device; None where it has none."""
    if isinstance(bound, float):
        return bound
    return limits.get(bound.limit, bound.default)
