"""Who is looked at by which rule, and where the state of that stands: devices, names by number, and one table per detector."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np

from streams.detect.tables import Devices, Table
from streams.detectors import evidence, hours, silence
from streams.detectors.code import Codes
from streams.detectors.columns import Columns, Slots
from streams.detectors.shape import EPISODE, Detector, DeviceDetector, Floats
from streams.detectors.silence import SilenceRule
from streams.rules.derive import COMPUTED, Formula
from streams.rules.rule import Flap, Rule, resolve
from streams.rules.ruleset import DETECTORS, RuleSet, parse_rule
from streams.rules.schedule import Calendar
from streams.words import number_of
from vorab.processor import Registry

NO_SIGNAL: Final = 0
"""Number of the signal name "": silence looks at none, and the readings of a series are nobody's rule."""
MOST_NAMES: Final = 4096
"""Signals a partition learns about; devices that make up a name per message shall not eat its memory. Names in rules always count."""
MOST_WORDS: Final = 4096
"""Different words a partition can say again."""
SERIES_BLOCK: Final = 1024
SILENCE_BLOCK: Final = 4096
"""Slots per block of state: none is larger than 512 KiB."""
DEVICES: Final = "devices"
SERIES: Final = "series"
SILENCE: Final = "silence"


class Book:
    """What detect knows about rules and devices, apart from readings."""

    def __init__(self, rules: RuleSet, registry: Registry) -> None:
        self.rules = rules
        self.devices = Devices(registry)
        depth = max((rule.evidence for rule in rules if not isinstance(rule, SilenceRule)), default=1)
        self.series = Table(SERIES, evidence.layout(depth), SERIES_BLOCK, self)
        """The last readings of every series that any rule looks at."""
        self.silences = Table(SILENCE, silence.LAYOUT, SILENCE_BLOCK, self)
        self.detectors: dict[str, tuple[Table, Detector]] = {}
        """By the name of the table: one per detector, or per set of settings that its series share."""
        self.together: dict[str, tuple[Table, DeviceDetector]] = {}
        """Those of several signals of a device together."""
        self.derived: dict[str, tuple[Table, Formula]] = {}
        """Signals that are computed, by name."""
        self.calendar = Calendar()
        self._computed: dict[str, str] = {}
        """Table → the signal that is computed from what stands in it."""
        self._nobodys = {SERIES}
        """Tables that hold no rule's state."""
        self.words: dict[float, str] = {}
        """Words that devices said, by number; those beyond `MOST_WORDS` are not known here."""
        self._table_of = {rule.id: self._table_for(rule) for rule in rules}
        self._take_formulas()
        self._chosen: dict[tuple[str, int, str, str], tuple[int, ...]] = {}
        self._looking: dict[int, list[tuple[Table, Detector]]] = {}
        self.orphans: list[tuple[Table, int]] = []
        """Slots whose rule does not look any more: what it raised is to be ended."""
        self.gone: list[str] = []
        """Blocks of state that are to be deleted."""
        self._take_names([""], {})
        self._told = (0, 0, False)

    # ------------------------------------------------------------------------------------------------- names

    def signal(self, name: str) -> int | None:
        """The number of a signal; None where nobody looks at it, or there are too many."""
        number = self._number.get(name)
        if number is None and len(self.names) < MOST_NAMES and self.rules.watches(name):
            number = self._enter(name)
        return number

    def read_words(self, name: str, words: Sequence[str]) -> Floats:
        """Numbers for the words of a signal, for rules that judge words; NaN where none does."""
        if not self.rules.reads_words(name):
            return np.full(len(words), np.nan)
        return np.array([self._number_of(word) for word in words], float)

    def _number_of(self, word: str) -> float:
        number = number_of(word)
        if number not in self.words and len(self.words) < MOST_WORDS:
            self.words[number] = word
        return number

    def looking_at(self, signal: int) -> list[tuple[Table, Detector]]:
        """The tables that have a rule for a signal on any device."""
        found = self._looking.get(signal)
        if found is None:
            wanted = {self._table_of[rule.id].columns.name for rule in self.rules if rule.looks_at(self.names[signal])}
            found = self._looking[signal] = [pair for name, pair in self.detectors.items() if name in wanted and name not in self.together]
        return found

    def rule_of(self, table: Table, slot: int) -> Rule:
        """The rule whose state stands in a slot."""
        return self._rule[int(table.columns.of["rule"][slot])]

    def rules_of(self, table: Table, slots: Slots) -> list[Rule]:
        """The rules whose state stands in these slots."""
        return [self._rule[number] for number in table.columns.of["rule"][slots].tolist()]

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
            for name in rule.signal_names:
                self._enter(name)

    def _enter(self, name: str) -> int:
        number = self._number.setdefault(name, len(self.names))
        if number == len(self.names):
            self.names.append(name)
        return number

    # ------------------------------------------------------------------------------- what tables want to know

    def choose(self, table: Table, device: int, signal: int) -> tuple[int, ...]:
        """The rules of a table that look at a series."""
        tenant, name = self.devices.parts(device)
        alike = (table.columns.name, signal, tenant, self.devices.models[device])
        found = self._chosen.get(alike)
        if found is not None:
            return found
        limits = self._limits(device)
        of_device = self.rules.of_device(tenant, name, self.devices.models[device])
        looking = [rule for rule in of_device if self._looks(table, rule, signal)]
        rules = [rule for rule in looking if limits is None or all(resolve(bound, limits) is not None for bound in rule.needs)]
        if table.columns.name in self._nobodys:
            found = (NO_SIGNAL,) if rules else ()
        else:
            found = tuple(self._number[rule.id] for rule in rules if self._table_of[rule.id] is table)
        if not self.rules.names_devices and all(_same_for_all(rule) for rule in looking):
            self._chosen[alike] = found
        return found

    def _looks(self, table: Table, rule: Rule, signal: int) -> bool:
        if signal != NO_SIGNAL:
            return rule.looks_at(self.names[signal])
        computed = self._computed.get(table.columns.name)
        return self._table_of[rule.id] is table if computed is None else rule.looks_at(computed)

    def flap_of(self, table: Table, slot: int) -> Flap | None:
        """When what a slot raises and clears again and again is held."""
        return self.rule_of(table, slot).flap

    def prepare(self, table: Table, slots: Slots, rule: int, devices: Slots, *, fresh: bool) -> None:
        """Write a rule's settings into slots."""
        if table.columns.name in self._nobodys:
            return
        found, columns = self._rule[rule], table.columns
        columns.touch(slots)
        if isinstance(found, SilenceRule):
            columns.of["after"][slots] = found.after
            return
        detector = self.detectors[columns.name][1]
        detector.grow(columns.n)
        groups = [(slots, devices[0])] if _same_for_all(found) else list(zip(np.split(slots, len(slots)), devices.tolist(), strict=True))
        for mine, device in groups:
            limits = self._limits(int(device)) or {}
            if table.timed:
                columns.of["when"][mine] = self._hours_of(found, int(device))
            detector.prepare(columns, mine, found, partial(resolve, limits=limits), fresh=fresh)

    def _hours_of(self, rule: Rule, device: int) -> int:
        entry = self.devices.entries[device]
        return self.calendar.number(rule.when, entry.time_zone if entry is not None else "")

    def move(self, table: Table, source: int, target: int) -> None:
        """Move what a detector keeps beside the columns."""
        pair = self.detectors.get(table.columns.name)
        if pair is not None:
            pair[1].grow(table.columns.n)
            pair[1].move(source, target)

    def settle(self, devices: Sequence[int]) -> None:
        """The registry, or the rules, say something else about these devices."""
        if not devices:
            return
        for table in self.tables:
            gone = table.settle(devices)
            if table.columns.name in self._nobodys:
                for slot in gone:
                    table.free(slot)
            else:
                self.orphans += [(table, slot) for slot in gone]

    @property
    def tables(self) -> list[Table]:
        """All of them."""
        owned = [table for table, _ in (*self.detectors.values(), *self.derived.values())]
        return [self.series, self.silences, *owned]

    def _limits(self, device: int) -> Mapping[str, float] | None:
        entry = self.devices.entries[device]
        return None if entry is None else entry.limits

    def _table_for(self, rule: Rule) -> Table:
        if isinstance(rule, SilenceRule):
            return self.silences
        detector = DETECTORS[type(rule)]
        assert detector is not None  # noqa: S101 - silence stands in a table of its own
        shared, timed = detector.shared(rule), rule.when is not None
        name = detector.name if shared == () else f"{detector.name}-{_hash(shared)}"
        name += "-hours" if timed else ""
        if name not in self.detectors:
            made = detector(rule)
            if isinstance(made, Codes):
                made.words = self.words
            table = Table(name, {**made.layout, **hours.HOURS} if timed else made.layout, made.block, self, timed=timed)
            self.detectors[name] = table, made
            if isinstance(made, DeviceDetector):
                self.together[name] = table, made
        table = self.detectors[name][0]
        table.damped = table.damped or rule.flap is not None
        return table

    def _take_formulas(self) -> None:
        for name in sorted({name for rule in self.rules for name in rule.signal_names if name.startswith(COMPUTED)}):
            formula = Formula(name.removeprefix(COMPUTED))
            table = Table(f"derived-{_hash(name)}", formula.layout, SERIES_BLOCK, self)
            self.derived[name] = table, formula
            self._computed[table.columns.name] = name
        self._nobodys = {SERIES, *self._computed}

    # ------------------------------------------------------------------------------------------------- state

    def dirty(self) -> dict[str, bytes]:
        """The blocks that changed, of tables, devices and names."""
        out: dict[str, bytes] = dict.fromkeys(self.gone, b"")
        self.gone.clear()
        devices = self.devices
        for name, first, last in devices.columns.take_changed():
            out[name] = devices.columns.pack(first, last, keys=devices.keys[first:last], models=devices.models[first:last])
        for table in self.tables:
            pair = self.detectors.get(table.columns.name)
            for name, first, last in table.columns.take_changed():
                more = {"beside": b"" if pair is None else pair[1].beside(first, last), "flaps": table.damping.beside(first, last)}
                out[name] = table.columns.pack(first, last, **{what: state for what, state in more.items() if state})
        told = (len(self.names), len(self.words), bool(self.orphans))
        if told != self._told:
            self._told = told
            rules = {self.names[number]: rule.model_dump_json(by_alias=True) for number, rule in self._rule.items()}
            about = {"names": self.names, "rules": rules, "words": list(self.words.values()), "versions": self._versions()}
            out["names"] = msgspec.msgpack.encode(about)
        return out

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over state; rules and registry may have changed since."""
        kept: dict[str, Any] = msgspec.msgpack.decode(blocks["names"])
        self._take_names(kept["names"], kept["rules"])
        self.words.update({number_of(word): word for word in kept.get("words", [])})
        numbered = [(name, *name.rpartition("/")[::2]) for name in blocks if "/" in name]
        order = sorted(numbered, key=lambda each: (each[1], int(each[2])))
        changed = [slot for name, kind, _ in order if kind == DEVICES for slot in self.devices.restore(name, blocks[name])]
        tables = {table.columns.name: table for table in self.tables}
        old: dict[str, Table] = {}
        for name, kind, _ in order:
            if kind == DEVICES:
                continue
            if kind not in tables:  # no rule has this detector, or these settings of it, any more: only what it raised is of interest
                tables[kind] = old[kind] = Table(kind, EPISODE, block_of(blocks[name]), self)
            if kind in old:
                self.gone.append(name)
            self._restore_table(tables[kind], name, blocks[name])
        self.orphans += [(table, slot) for table in old.values() for slot in range(table.columns.n)]
        for table in self.tables:
            table.find(len(self.devices.keys))
            if table.timed:  # the calendar's numbers hold for a process only
                of = table.columns.of
                for slot in np.flatnonzero(of["device"][: table.columns.n]).tolist():
                    of["when"][slot] = self._hours_of(self.rule_of(table, slot), int(of["device"][slot]) - 1)
        same = not self.orphans and kept.get("versions") == self._versions()
        self.settle(changed if same else range(len(self.devices.keys)))

    def _versions(self) -> dict[str, str]:
        """What the slots were settled by; nothing as long as some are not."""
        return {} if self.orphans else {rule.id: rule.version for rule in self.rules}

    def _restore_table(self, table: Table, name: str, block: bytes) -> None:
        first, count, got = table.restore(name, block)
        if table is self.series:
            evidence.resize(table.columns, first, got["resized"])
        pair = self.detectors.get(table.columns.name)
        if pair is not None and "beside" in got:
            pair[1].grow(table.columns.n)
            pair[1].take_beside(first, count, got["beside"])
        if "flaps" in got:
            table.damping.take_beside(first, got["flaps"])
            table.damped = True  # what is held is let go, even if no rule is damped any more


def _same_for_all(rule: Rule) -> bool:
    """Whether devices of one model all have the same limits, and the same hours, by it."""
    return rule.when is None and all(isinstance(bound, float) for bound in rule.bounds)


def _hash(settings: object) -> str:
    return f"{zlib.crc32(repr(settings).encode()):08x}"


def block_of(block: bytes) -> int:
    """How many slots the blocks of a table have, as one of them says."""
    return Columns.slots_per_block(block)
