"""Peers across partitions: what this partition tells about its devices, and what comes back about whole cohorts.

When a bucket of time is over and late readings had their time to come, the averages of the devices that have one are told as samples, one
per rule and cohort. `streams.cohorts` answers each with a baseline, and the devices are held against it. What a baseline finds does not
depend on when it comes back: the averages it is held against were closed before it was asked for. One that takes longer than `RING`
buckets, after an outage, finds nothing: the averages are gone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.detect.book import Book
from streams.detect.tables import Table
from streams.detect.words import Finding, symptom
from streams.detectors import flap
from streams.detectors.columns import Runs, Slots
from streams.detectors.peer import RING, Peer, PeerRule
from streams.detectors.shape import Change, Episodes, Floats, Told
from streams.peers import SAMPLE, Baseline, rank_of
from streams.rules.rule import Flap
from vorab import ids
from vorab.clock import Micros
from vorab.processor import Out
from vorab.records import Cohort, CohortKind
from vorab.topics import COHORTS, SYMPTOMS

GRACE: Final = 4
"""Readings may be late by the length of a bucket over this."""
LONGEST_NAME: Final = 200
"""Of a cohort, cut beyond."""
NOBODY: Final = -1


class Members:
    """The cohort of each device, for rules that put the same devices together."""

    def __init__(self, book: Book, same: Sequence[str]) -> None:
        self._book, self._same = book, same
        self.names: list[tuple[str, str]] = []
        """Tenant and cohort by number."""
        self._number: dict[tuple[str, str], int] = {}
        self._of = np.zeros(0, np.int32)

    def of(self, devices: Slots) -> NDArray[np.int32]:
        """Per device the number of its cohort, NOBODY where the registry does not say."""
        have, want = len(self._of), len(self._book.devices.keys)
        if have < want:
            self._of = np.concatenate([self._of, np.array([self._find(device) for device in range(have, want)], np.int32)])
        return self._of[devices]

    def number(self, tenant: str, name: str) -> int:
        """The number of a cohort, NOBODY where nobody is in it."""
        return self._number.get((tenant, name), NOBODY)

    def look(self, devices: Sequence[int]) -> None:
        """The registry says something else about these."""
        for device in devices:
            if device < len(self._of):
                self._of[device] = self._find(device)

    def _find(self, device: int) -> int:
        entry = self._book.devices.entries[device]
        parts = [] if entry is None else [str(getattr(entry, name)) for name in self._same]
        if not all(parts) or not parts:
            return NOBODY
        key = (self._book.devices.parts(device)[0], "/".join(parts)[:LONGEST_NAME])
        if key not in self._number:
            self._number[key] = len(self.names)
            self.names.append(key)
        return self._number[key]


class Peers:
    """What a partition has to do with cohorts."""

    def __init__(self, book: Book, partition: int) -> None:
        self._book, self._partition = book, partition
        self._tables = [(table, detector) for table, detector in book.detectors.values() if isinstance(detector, Peer)]
        self._members = {rule.same: Members(book, rule.same) for rule in book.rules if isinstance(rule, PeerRule)}
        self._ranks = np.zeros(0, np.int64)
        self._closed: dict[str, int] = {}

    def look(self, devices: Sequence[int]) -> None:
        """The registry says something else about these."""
        for members in self._members.values():
            members.look(devices)

    def close(self, now: Micros) -> Iterator[Out]:
        """Tell about the buckets that are over by now."""
        for table, detector in self._tables:
            last, name, n = _over(detector, now), table.columns.name, table.columns.n
            if not n or self._closed.get(name, -1) >= last:
                continue
            before = self._closed.get(name, int(table.columns.of["closed"][:n].max()) - 1)
            self._closed[name] = max(before, last)
            for bucket in range(max(before + 1, last - RING + 1), last + 1):
                slots, means = detector.close(table.columns, bucket)
                table.columns.touch(np.arange(n))
                yield from self._summaries(table, detector, bucket, slots, means)

    def quiet(self, now: Micros) -> bool:
        """Whether no bucket ends until `now`."""
        return all(
            not table.columns.n or self._closed.get(table.columns.name, -1) >= _over(detector, now) for table, detector in self._tables
        )

    def _summaries(self, table: Table, detector: Peer, bucket: int, slots: Slots, means: Floats) -> Iterator[Out]:
        of = table.columns.of
        there = of["device"][slots] > 0
        slots, means = slots[there], means[there]
        for rule, mine in self._by_rule(table, slots):
            members = self._members[rule.same]
            devices = of["device"][slots[mine]].astype(np.intp) - 1
            cohorts, ranks, values = members.of(devices), self._rank(devices), means[mine]
            order = np.lexsort((ranks, cohorts))
            edges = np.flatnonzero(np.diff(cohorts[order], prepend=NOBODY - 1)).tolist()
            for first, end in zip(edges, [*edges[1:], len(order)], strict=True):
                cohort = int(cohorts[order[first]])
                if cohort == NOBODY:
                    continue
                tenant, name = members.names[cohort]
                sample = order[first:end][:SAMPLE]
                start = bucket * detector.long
                key = f"{rule.id}:{name}"
                record = Cohort(
                    id=ids.cohort_id(f"{tenant}/{key}", CohortKind.SUMMARY, start, self._partition),
                    tenant=tenant,
                    cohort=key,
                    kind=CohortKind.SUMMARY,
                    rule=rule.id,
                    start=start,
                    end=start + detector.long,
                    partition=self._partition,
                    devices=end - first,
                    ranks=tuple(ranks[sample].tolist()),
                    values=tuple(values[sample].tolist()),
                    at=start + detector.long + detector.long // GRACE,
                )
                yield Out(COHORTS, record)

    def judge(self, record: Cohort) -> list[Out]:
        """Hold the devices of a cohort against its baseline."""
        rule = self._book.rules.by_id.get(record.rule)
        if record.kind is not CohortKind.BASELINE or not isinstance(rule, PeerRule) or record.level is None or record.spread is None:
            return []
        for table, detector in self._tables:
            every = np.flatnonzero(table.columns.of["device"][: table.columns.n] > 0)
            for found, mine in self._by_rule(table, every):
                if found.id == rule.id and record.end - record.start == detector.long:
                    baseline = Baseline(record.level, record.spread, record.devices)
                    return self._judge(table, detector, rule, every[mine], record, baseline)
        return []

    def _judge(self, table: Table, detector: Peer, rule: PeerRule, slots: Slots, record: Cohort, baseline: Baseline) -> list[Out]:
        members, of = self._members[rule.same], table.columns.of
        cohort = members.of(of["device"][slots].astype(np.intp) - 1)
        number = members.number(record.tenant, record.cohort.removeprefix(f"{rule.id}:"))
        slots = slots[(cohort == number) & (cohort != NOBODY)]
        if not len(slots):
            return []
        table.columns.touch(slots)
        episodes = detector.judge(table.columns, slots, record.start // detector.long, baseline)
        if table.damped:
            episodes = table.damping.filter(Runs(slots, apart=True), np.full(len(slots), record.end), episodes)
        if episodes is None:
            return []
        return [
            Out(SYMPTOMS, symptom(self._finding(table, detector, rule, slots, episodes, i, record.end))) for i in range(len(episodes.rows))
        ]

    def _finding(self, table: Table, detector: Peer, rule: PeerRule, slots: Slots, episodes: Episodes, i: int, at: Micros) -> Finding:
        slot, change = int(slots[episodes.rows[i]]), Change(int(episodes.change[i]))
        numbers = {name: float(column[i]) for name, column in episodes.numbers.items()}
        onset, detected = int(episodes.onset[i]), int(episodes.detected[i])
        told = Told(rule.signal, rule.unit, numbers.get("value", math.nan), at, onset, detected, numbers)
        damped = rule.flap or Flap() if math.isfinite(numbers.get(flap.FLAPS, math.nan)) else None
        text = "" if damped is not None and change is not Change.RAISED else detector.say(rule, change, told)
        times, values = detector.recall(table.columns, slot)
        return Finding(
            rule,
            self._book.device_of(table, slot),
            onset,
            detected,
            None if change is Change.RAISED else at,
            signal=rule.signal,
            unit=rule.unit,
            value=_finite(told.value),
            low=_finite(numbers.get("low", math.nan)),
            high=_finite(numbers.get("high", math.nan)),
            explanation=text if damped is None else flap.say(change, told, damped, text),
            times=times,
            values=values,
            proven=change is not Change.ADAPTED,
        )

    def _by_rule(self, table: Table, slots: Slots) -> Iterator[tuple[PeerRule, NDArray[np.intp]]]:
        numbers = table.columns.of["rule"][slots]
        for number in np.unique(numbers).tolist():
            mine = np.flatnonzero(numbers == number)
            rule = self._book.rule_of(table, int(slots[mine[0]]))
            if isinstance(rule, PeerRule) and rule.same in self._members:
                yield rule, mine

    def _rank(self, devices: Slots) -> NDArray[np.int64]:
        keys = self._book.devices.keys
        if len(self._ranks) < len(keys):
            self._ranks = np.concatenate([self._ranks, np.array([rank_of(key) for key in keys[len(self._ranks) :]], np.int64)])
        return self._ranks[devices]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _over(detector: Peer, now: Micros) -> int:
    """The last bucket that is over."""
    return (now - detector.long // GRACE) // detector.long - 1
