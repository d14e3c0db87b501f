"""detect: readings in, symptoms out. Vectorised over all series of a frame; owns no clock.

Nothing depends on how readings were cut into frames or in which order devices stand in them: each series is judged by its own
readings in their order, silence by when readings arrived. `streams.detectors` decides, `streams.detect_series` knows where the
state of a series stands, `streams.detect_words` tells it; this module leads rows there and findings back.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams import detect_words as words
from streams.detect_rows import Rows, fresh_rows, rows_of
from streams.detect_series import Devices, Table
from streams.detect_words import Finding
from streams.detectors import evidence, silence, threshold
from streams.detectors.columns import Runs, Slots
from streams.detectors.learned import Change, Learned, LearnedConfig
from streams.rules import AnyRule, Bound, RuleSet, SilenceRule, ThresholdRule, looks_at, parse_rule
from vorab.clock import Micros
from vorab.frame import Frame
from vorab.processor import Input, Kind, Out, Registry, kind_of
from vorab.records import Record
from vorab.topics import READINGS, SYMPTOMS

_SILENCE: Final = 0
"""Number of the signal name "": silence looks at none."""


class Detect:
    """The processor of one partition."""

    name: ClassVar[str] = "detect"
    inputs: ClassVar[tuple[Input, ...]] = (Input(READINGS),)
    outputs: ClassVar[tuple[str, ...]] = (SYMPTOMS,)
    ticks: ClassVar[tuple[str, ...]] = (SYMPTOMS,)
    schema: ClassVar[int] = 1

    def __init__(self, rules: RuleSet, registry: Registry) -> None:
        self.rules = rules
        self.devices = Devices(registry)
        self._names: list[str] = [""]
        """Signals and rules by number, as blocks of state write them."""
        self._number: dict[str, int] = {"": _SILENCE}
        self._rule: dict[int, AnyRule] = {}
        self._thresholds = Table("threshold", {**threshold.LAYOUT, **evidence.LAYOUT}, 1024, self)
        self._silences = Table("silence", silence.LAYOUT, 4096, self)
        self._listening = silence.Listening()
        self._deadline: Micros = 0
        self._learned: dict[str, tuple[Table, Learned]] = {}
        self._table_of: dict[str, Table] = {}
        for rule in rules:
            self._rule[self._name(rule.id)] = rule
            self._table_of[rule.id] = self._table_for(rule)
        self._orphans: list[tuple[Table, int]] = []
        self._gone: list[str] = []
        """Blocks of state that are to be deleted."""
        self._told = 0
        self._time = b""

    # ------------------------------------------------------------------------------------------ the processor

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:  # noqa: ARG002
        """Fold a frame."""
        if not isinstance(record, Frame) or not record.n:
            return []
        rows = rows_of(record, self.rules.watches)
        rows.device = self.devices.slots(record.devices)[rows.device]
        found: list[tuple[int, int, str, Finding]] = []
        fresh = fresh_rows(rows, self.devices.columns, rows.device)
        self._hear(rows, fresh, found)
        for signal, values in rows.signals.items():
            self._judge(rows, fresh, signal, values, found)
        if not found:
            return []
        found.sort(key=lambda each: each[:3])
        return [Out(SYMPTOMS, words.symptom(each[3])) for each in found]

    def due(self, now: Micros) -> Iterable[Out]:
        """Devices that have been silent for too long, and symptoms whose rule is gone."""
        changed = self.devices.look_up()
        if changed:
            self._settle(changed)
        outs = [Out(SYMPTOMS, words.symptom(found)) for found in self._end_orphans(now)]
        if self._listening.reach(now):
            self._deadline = 0
        if now > self._deadline and self._silences.columns.n:
            outs += self._fall_silent(now)
            self._deadline = silence.next_deadline(self._silences.columns, self._listening)
        return outs

    def dirty(self) -> Mapping[str, bytes]:
        """The blocks that changed."""
        out: dict[str, bytes] = {}
        devices = self.devices
        for name, first, last in devices.columns.take_changed():
            out[name] = devices.columns.pack(first, last, keys=devices.keys[first:last], models=devices.models[first:last])
        for table in (self._thresholds, self._silences):
            for name, first, last in table.columns.take_changed():
                out[name] = table.columns.pack(first, last)
        for table, learned in self._learned.values():
            for name, first, last in table.columns.take_changed():
                out[name] = table.columns.pack(first, last, learned=learned.snapshot(np.arange(first, last)))
        out.update(dict.fromkeys(self._gone, b""))
        self._gone.clear()
        if len(self._names) != self._told:
            self._told = len(self._names)
            kept = {
                name: rule.model_dump_json(by_alias=True)
                for name, rule in zip(self._names, map(self._rule.get, range(self._told)), strict=True)
                if rule
            }
            out["names"] = msgspec.msgpack.encode({"schema": self.schema, "names": self._names, "rules": kept})
        time = msgspec.msgpack.encode({"now": self._listening.now, "resumed": self._listening.resumed})
        if time != self._time:
            self._time = out["time"] = time
        return out

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over state; rules and registry may have changed since."""
        if "names" not in blocks:
            return
        kept = msgspec.msgpack.decode(blocks["names"])
        self._names, self._number, self._rule = [], {}, {}
        for name in kept["names"]:  # blocks speak of names by these numbers
            self._name(name)
        for rule, text in kept["rules"].items():
            if rule not in self.rules.by_id:
                self._rule[self._name(rule)] = parse_rule(text)
        self._rule.update((self._name(rule.id), rule) for rule in self.rules)
        time = msgspec.msgpack.decode(blocks["time"], strict=False)
        self._listening.now = time["now"]
        for limit in self._listening.resumed:
            self._listening.resumed[limit] = time["resumed"].get(limit, time["resumed"].get(str(limit), 0))
        order = sorted((name for name in blocks if "/" in name), key=lambda name: (name.rpartition("/")[0], int(name.rpartition("/")[2])))
        for name in order:
            if name.startswith("devices/"):
                self.devices.restore(name, blocks[name])
        tables = {table.columns.name: table for table in self._tables()}
        old: dict[str, Table] = {}
        for name in order:
            kind = name.rpartition("/")[0]
            if kind.startswith("learned-") and kind not in tables:  # no rule has these settings any more
                tables[kind] = old[kind] = self._learned_table(kind)
            if kind in old:
                self._gone.append(name)
            if kind in tables:
                self._restore_table(tables[kind], name, blocks[name])
        self._orphans += [(table, slot) for table in old.values() for slot in range(table.columns.n)]
        self._settle(range(len(self.devices.keys)))

    # ------------------------------------------------------------------------------------------------ judging

    def _hear(self, rows: Rows, fresh: NDArray[np.bool_], found: list[tuple[int, int, str, Finding]]) -> None:
        resumed = self._listening.move(rows.received)
        if not self._listening.resumed:
            return
        firsts = self._silences.firsts(_SILENCE, rows.device, len(self.devices.keys))
        firsts = np.where(fresh, firsts, -1)
        at, slots = self._silences.expand(firsts)
        if not len(at):
            return
        columns = self._silences.columns
        runs = Runs(slots)
        at = runs.sort(at)
        since: NDArray[np.int64] = np.zeros(len(at), np.int64)
        after = columns.of["after"][runs.slots]
        for limit, last in self._listening.resumed.items():
            since = np.where(after == limit, resumed[limit][at] if limit in resumed else last, since)
        received = rows.received[at]
        gaps = silence.hear(columns, runs, rows.measured[at], received, since)
        columns.touch(runs.slots)
        if gaps is None:
            return
        for i, row in enumerate(gaps.rows.tolist()):
            slot = int(runs.slots[row])
            rule = self._rule[int(columns.of["rule"][slot])]
            onset, detected = int(gaps.onset[i]), int(gaps.detected[i])
            known = Finding(rule, self.devices.keys[int(columns.of["device"][slot]) - 1], onset, detected)
            assert isinstance(rule, SilenceRule)  # noqa: S101 - what stands in this table
            if gaps.fresh[i]:
                found.append((int(at[row]), 0, rule.id, replace(known, explanation=words.silence_raised(rule))))
            back = max(int(received[row]), detected)
            text = words.silence_cleared(back - (detected - rule.after))
            found.append((int(at[row]), 1, rule.id, replace(known, cleared=back, explanation=text)))

    def _fall_silent(self, now: Micros) -> list[Out]:
        columns = self._silences.columns
        slots = silence.fall_silent(columns, self._listening, now)
        if not len(slots):
            return []
        columns.touch(slots)
        found: list[Finding] = []
        for slot in slots.tolist():
            rule = self._rule[int(columns.of["rule"][slot])]
            assert isinstance(rule, SilenceRule)  # noqa: S101 - what stands in this table
            found.append(
                Finding(
                    rule,
                    self.devices.keys[int(columns.of["device"][slot]) - 1],
                    int(columns.of["onset"][slot]),
                    int(columns.of["detected"][slot]),
                    explanation=words.silence_raised(rule),
                )
            )
        found.sort(key=lambda each: (each.detected, each.device, each.rule.id))
        return [Out(SYMPTOMS, words.symptom(each)) for each in found]

    def _judge(
        self, rows: Rows, fresh: NDArray[np.bool_], signal: str, values: NDArray[np.float64], found: list[tuple[int, int, str, Finding]]
    ) -> None:
        usable = fresh & np.isfinite(values)
        number = self._name(signal)
        unit = rows.units.get(signal, "")
        for table in self._tables_of(signal):
            firsts = table.firsts(number, rows.device, len(self.devices.keys))
            if not usable.all():
                firsts = np.where(usable, firsts, -1)
            at, slots = table.expand(firsts)
            if not len(at):
                continue
            at, runs = self._without_repeats(table, rows, at, slots)
            if not len(at):
                continue
            table.columns.touch(runs.slots)
            times, numbers = rows.measured[at], values[at]
            if table is self._thresholds:
                self._thresholds_of(runs, at, times, numbers, unit, found)
            else:
                self._learned_of(table, runs, at, times, numbers, (signal, unit), found)
            evidence.remember(table.columns, runs, times, numbers)

    @staticmethod
    def _without_repeats(table: Table, rows: Rows, at: Slots, slots: Slots) -> tuple[Slots, Runs]:
        """Rows sorted by slot, less those that carry no number and the time of the slot's row before."""
        runs = Runs(slots)
        at = runs.sort(at)
        if rows.seq is not None and rows.numbered is None:
            return at, runs
        of = table.columns.of
        times = rows.measured[at]
        repeats = times == runs.before(times, of["last_at"][runs.slots])
        if repeats.any():
            repeats &= (of["written"][runs.slots] > 0) | ~runs.new
        if rows.numbered is not None:
            repeats &= ~rows.numbered[at]
        if not repeats.any():
            return at, runs
        return at[~repeats], Runs(runs.slots[~repeats])

    def _thresholds_of(
        self,
        runs: Runs,
        at: Slots,
        times: NDArray[np.int64],
        values: NDArray[np.float64],
        unit: str,
        found: list[tuple[int, int, str, Finding]],
    ) -> None:
        columns = self._thresholds.columns
        episodes = threshold.update(columns, runs, times, values)
        if episodes is None:
            return
        of = columns.of
        for i, row in enumerate(episodes.rows.tolist()):
            slot = int(runs.slots[row])
            rule = self._rule[int(of["rule"][slot])]
            assert isinstance(rule, ThresholdRule)  # noqa: S101 - what stands in this table
            value, limit, time = float(values[row]), float(of["edge"][slot]) * rule.sign, int(times[row])
            onset, raised, shown = int(episodes.onset[i]), bool(episodes.raised[i]), rule.unit or unit
            if raised:
                text = words.threshold_raised(rule, value, limit, shown, int(episodes.count[i]), time - onset)
            else:
                clear = None if rule.clear is None else float(of["inner"][slot]) * rule.sign
                text = words.threshold_cleared(rule, value, clear, limit, shown)
            seen, numbers = evidence.recall(columns, runs, times, values, row, rule.evidence)
            finding = Finding(
                rule, self.devices.keys[int(of["device"][slot]) - 1], onset, int(episodes.detected[i]), None if raised else time,
                rule.signal, unit, value, None, None, limit, text, seen, numbers,
            )  # fmt: skip
            found.append((int(at[row]), 2, rule.id, finding))

    def _learned_of(
        self,
        table: Table,
        runs: Runs,
        at: Slots,
        times: NDArray[np.int64],
        values: NDArray[np.float64],
        signal: tuple[str, str],
        found: list[tuple[int, int, str, Finding]],
    ) -> None:
        learned = self._learned[table.columns.name][1]
        learned.grow(table.columns.n)
        of = table.columns.of
        nth = runs.index - runs.start
        for turn in range(int(nth.max()) + 1):
            mine = np.flatnonzero(nth == turn) if len(runs.firsts) < len(nth) else runs.index
            slots = runs.slots[mine]
            verdicts = learned.update(slots, times[mine], values[mine])
            for i in np.flatnonzero(verdicts.change).tolist():
                row, slot, change = int(mine[i]), int(slots[i]), int(verdicts.change[i])
                rule = self._rule[int(of["rule"][slot])]
                value, time, unit = float(values[row]), int(times[row]), rule.unit or signal[1]
                of["active"][slot] = change == Change.RAISED
                if change == Change.RAISED:
                    of["onset"][slot], of["detected"][slot] = verdicts.onset[i], time
                    bounds = (float(verdicts.level[i]), float(verdicts.level_low[i]), float(verdicts.level_high[i]))
                    speeds = learned.config.speeds
                    text = words.learned_raised(signal[0], value, unit, int(verdicts.memory[i]), bounds, speeds)
                else:
                    text = words.learned_cleared(signal[0], value, unit, change)
                seen, numbers = evidence.recall(table.columns, runs, times, values, row, rule.evidence)
                low, high = float(verdicts.low[i]), float(verdicts.high[i])
                finding = Finding(
                    rule, self.devices.keys[int(of["device"][slot]) - 1], int(verdicts.onset[i]), int(of["detected"][slot]),
                    None if change == Change.RAISED else time, signal[0], signal[1], value,
                    low if low == low else None, high if high == high else None, None, text, seen, numbers,  # noqa: PLR0124 - NaN
                    change != Change.ADAPTED,
                )  # fmt: skip
                found.append((int(at[row]), 3, rule.id, finding))

    # -------------------------------------------------------------------------------------------------- rules

    def choose(self, table: Table, device: int, signal: int) -> Sequence[int]:
        """The rules of a table that look at a series."""
        tenant, name = self.devices.parts(device)
        entry, out = self.devices.entries[device], []
        for rule in self.rules.of_device(tenant, name, self.devices.models[device]):
            if self._table_of[rule.id] is not table:
                continue
            if signal != _SILENCE and not looks_at(rule, self._names[signal]):
                continue
            if isinstance(rule, ThresholdRule) and entry is not None and _bound(rule.limit, entry.limits) is None:
                continue
            out.append(self._number[rule.id])
        return out

    def prepare(self, table: Table, slot: int, rule: int, device: int, *, fresh: bool) -> None:
        """Write a rule's settings into a slot."""
        found, of = self._rule[rule], table.columns.of
        if isinstance(found, SilenceRule):
            of["after"][slot] = found.after
            self._deadline = 0
        elif isinstance(found, ThresholdRule):
            entry = self.devices.entries[device]
            limits = entry.limits if entry is not None else {}
            limit, clear = _bound(found.limit, limits), None if found.clear is None else _bound(found.clear, limits)
            if limit is None:  # of a device the registry does not know (any more): what it said stays, else nothing is beyond
                limit = float(of["edge"][slot]) * found.sign if not fresh else found.sign * np.inf
            threshold.prepare(table.columns, slot, found.sign, limit, clear)
            of["hold"][slot], of["need"][slot] = found.hold, found.count
        elif fresh:
            learned = self._learned[table.columns.name][1]
            learned.grow(table.columns.n)
            learned.clear(np.array([slot]))
        table.columns.touch(np.array([slot]))

    def move(self, table: Table, source: int, target: int) -> None:
        """Move a series of the learned detector."""
        if table.columns.name in self._learned:
            learned = self._learned[table.columns.name][1]
            learned.grow(table.columns.n)
            learned.restore(np.array([target]), learned.snapshot(np.array([source])))

    def _table_for(self, rule: AnyRule) -> Table:
        if isinstance(rule, ThresholdRule):
            return self._thresholds
        if isinstance(rule, SilenceRule):
            self._listening.watch(rule.after)
            return self._silences
        config: LearnedConfig = rule.config
        name = f"learned-{zlib.crc32(repr(config).encode()):08x}"
        if name not in self._learned:
            self._learned[name] = (self._learned_table(name), Learned(config))
        return self._learned[name][0]

    def _learned_table(self, name: str) -> Table:
        return Table(name, {"active": "|b1", "onset": "<i8", "detected": "<i8", **evidence.LAYOUT}, 512, self)

    def _tables(self) -> list[Table]:
        return [self._thresholds, self._silences, *(table for table, _ in self._learned.values())]

    def _tables_of(self, signal: str) -> list[Table]:
        return [self._thresholds, *(table for table, _ in self._learned.values())] if self.rules.watches(signal) else []

    def _name(self, name: str) -> int:
        number = self._number.get(name)
        if number is None:
            number = self._number[name] = len(self._names)
            self._names.append(name)
        return number

    # ------------------------------------------------------------------------------------------ state and time

    def _restore_table(self, table: Table, name: str, data: bytes) -> None:
        columns = table.columns
        first = int(name.rpartition("/")[2]) * columns.block
        got = columns.unpack(name, data)
        if "learned" in got and columns.name in self._learned:
            learned = self._learned[columns.name][1]
            learned.grow(columns.n)
            learned.restore(np.arange(first, first + got["n"]), got["learned"])

    def _settle(self, devices: Sequence[int]) -> None:
        for table in self._tables():
            self._orphans += [(table, slot) for slot in table.settle(list(devices))]

    def _end_orphans(self, now: Micros) -> list[Finding]:
        """What was raised by rules that do not look any more ends; nobody else would ever clear it."""
        found: list[Finding] = []
        for table, slot in self._orphans:
            of = table.columns.of
            rule = self._rule.get(int(of["rule"][slot]))
            if of["device"][slot] and of["active"][slot] and rule is not None:
                device, signal = self.devices.keys[int(of["device"][slot]) - 1], self._names[int(of["signal"][slot])]
                onset, detected = int(of["onset"][slot]), int(of["detected"][slot])
                found.append(Finding(rule, device, onset, detected, max(now, detected), signal, explanation=words.WITHDRAWN, proven=False))
            table.free(slot)
        self._orphans.clear()
        return sorted(found, key=lambda each: (each.device, each.rule.id))


def _bound(bound: Bound, limits: Mapping[str, float]) -> float | None:
    """The number of a limit for a device; None where it has none."""
    if isinstance(bound, float):
        return bound
    return limits.get(bound.limit, bound.default)


def detect_kind(rules: RuleSet) -> Kind:
    """What hosts need to run detect with these rules."""

    def build(partition: int, registry: Registry) -> Any:  # noqa: ARG001 - all partitions are alike
        return Detect(rules, registry)

    return kind_of(Detect, build)
