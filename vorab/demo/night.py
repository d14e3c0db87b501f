"""What happened in the night, folded from the log: every figure and every beat of the demo comes from records, none from the script.

Pure: it is told records and asked for beats.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from vorab import records, topics
from vorab.clock import Clock, Micros
from vorab.frame import Frame
from vorab.log import Entry
from vorab.records import CaseEvent, CaseKind, Delivery, DeliveryReason, DeliveryState, Notification, Record, Stage, Symptom, SymptomState

RECORDED: Final = topics.RECORDED_TENANT + "/"


@dataclass(slots=True)
class CaseStory:
    """One case as its events tell it."""

    events: list[CaseEvent] = field(default_factory=list)

    @property
    def last(self) -> CaseEvent:
        """The state now."""
        return self.events[-1]

    @property
    def kinds(self) -> list[CaseKind]:
        """What happened, in order."""
        return [event.kind for event in self.events]

    def has(self, *kinds: CaseKind) -> bool:
        """Whether these things happened in this order, others in between."""
        rest = iter(self.kinds)
        return all(kind in rest for kind in kinds)

    @property
    def healed(self) -> bool:
        """A remedy was tried, and telemetry proved it."""
        return any(event.kind is CaseKind.RESOLVED and event.healed for event in self.events) and CaseKind.ACTION_REQUESTED in self.kinds


class Latency(NamedTuple):
    """How long a reading took to become a symptom."""

    published_at: Micros
    """Wall time."""
    took_s: float


@dataclass(slots=True)
class Night:
    """The fold."""

    clock: Clock
    end: Micros | None = None
    """When the story ends. The machines are stopped after it, so what vorab notices then is no part of the story."""
    readings: int = 0
    recorded_readings: int = 0
    doubled_readings: int = 0
    doubled_records: int = 0
    devices: set[str] = field(default_factory=set)
    seen: dict[tuple[str, int], set[int]] = field(default_factory=lambda: defaultdict(set))
    raised: dict[str, Symptom] = field(default_factory=dict)
    cleared: set[str] = field(default_factory=set)
    cases: dict[str, CaseStory] = field(default_factory=lambda: defaultdict(CaseStory))
    actions: dict[str, records.Action] = field(default_factory=dict)
    replies: dict[str, list[records.Reply]] = field(default_factory=lambda: defaultdict(list))
    notifications: dict[str, Notification] = field(default_factory=dict)
    deliveries: dict[str, list[Delivery]] = field(default_factory=lambda: defaultdict(list))
    rejections: Counter[str] = field(default_factory=Counter)
    latencies: list[Latency] = field(default_factory=list)
    late_cases: set[str] = field(default_factory=set)
    """Opened after the end."""
    first_symptom_at: Micros | None = None
    """Wall time of the first symptom's append."""
    _ids: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def frame(self, frame: Frame) -> None:
        """Count a frame's rows and look for rows that stand twice."""
        for block in frame.blocks:
            names = [frame.devices[i] for i in block.device.tolist()]
            live = [name for name in names if not name.startswith(RECORDED)]
            self.recorded_readings += len(names) - len(live)
            self.readings += len(live)
            self.devices.update(live)
            if block.seq is None:
                continue
            boots = block.boot.tolist() if block.boot is not None else [0] * len(names)
            for name, boot, seq in zip(names, boots, block.seq.tolist(), strict=True):
                have = self.seen[name, boot]
                self.doubled_readings += seq in have
                have.add(seq)

    def record(self, entry: Entry, record: Record) -> None:
        """Fold one record; a record that stands twice (same id) is counted once."""
        known = self._ids[entry.topic]
        mark = f"{records.type_of(record)} {record.id}"
        if mark in known:
            # A device may answer twice; vorab may not say, decide or send anything twice.
            self.doubled_records += not isinstance(record, records.Reply | records.Rejection)
            return
        known.add(mark)
        match record:
            case Symptom():
                self._symptom(entry, record)
            case CaseEvent():
                if self._is_late(record.opened_at):
                    self.late_cases.add(record.case)
                else:
                    self.cases[record.case].events.append(record)
            case records.Action():
                self.actions[record.id] = record
            case records.Reply():
                self.replies[record.action].append(record)
            case Notification():
                self.notifications[record.id] = record
            case Delivery():
                self.deliveries[record.notification].append(record)
            case records.Rejection():
                self.rejections[record.reason] += 1

    def _is_late(self, at: Micros) -> bool:
        return self.end is not None and at > self.end

    def _symptom(self, entry: Entry, symptom: Symptom) -> None:
        if self._is_late(symptom.detected_at):
            return
        if symptom.state is SymptomState.CLEARED:
            self.cleared.add(symptom.id)
        if symptom.state is not SymptomState.RAISED:
            return
        self.raised[symptom.id] = symptom
        if self.first_symptom_at is None:
            self.first_symptom_at = entry.appended_at
        if not symptom.key.startswith(RECORDED) and symptom.detector != "silence":
            published_at = self.clock.wall(symptom.detected_at)
            self.latencies.append(Latency(published_at, (entry.appended_at - published_at) / 1e6))

    # -------------------------------------------------------------------------------------------- questions

    @property
    def unique_readings(self) -> int:
        """Live readings in the log, each counted once."""
        return sum(map(len, self.seen.values()))

    @property
    def live_symptoms(self) -> list[Symptom]:
        """Raised on simulated machines, by time of detection."""
        return sorted((s for s in self.raised.values() if not s.key.startswith(RECORDED)), key=lambda s: s.detected_at)

    def recorded_symptoms(self, device: str) -> list[Symptom]:
        """Raised on one recorded series."""
        return sorted((s for s in self.raised.values() if s.key == RECORDED + device), key=lambda s: s.detected_at)

    @property
    def live_cases(self) -> list[CaseStory]:
        """Cases of simulated machines, by opening."""
        found = [story for story in self.cases.values() if not story.last.key.startswith(RECORDED)]
        return sorted(found, key=lambda story: story.events[0].at)

    @property
    def healed(self) -> list[CaseStory]:
        """Cases a machine healed by itself, proven."""
        return [story for story in self.live_cases if story.healed]

    @property
    def doubted(self) -> list[CaseStory]:
        """Cases where the machine said done and telemetry said no."""
        return [story for story in self.live_cases if story.has(CaseKind.PROVING, CaseKind.DISPROVED, CaseKind.HANDED_OVER)]

    @property
    def for_people(self) -> list[CaseStory]:
        """Cases a person has to look at."""
        return [story for story in self.live_cases if CaseKind.HANDED_OVER in story.kinds]

    @property
    def told(self) -> dict[str, Notification]:
        """Notifications of the story, by id."""
        return {name: found for name, found in self.notifications.items() if found.case not in self.late_cases}

    @property
    def delivered(self) -> dict[str, list[Delivery]]:
        """Deliveries of the story, by notification."""
        late = self.notifications.keys() - self.told.keys()
        return {name: found for name, found in self.deliveries.items() if name not in late}

    def final(self, notification: str) -> list[Delivery]:
        """The terminal deliveries of a notification."""
        return [delivery for delivery in self.deliveries.get(notification, ()) if delivery.state.final]

    @property
    def sent(self) -> list[Delivery]:
        """What reached somebody."""
        return [d for found in self.delivered.values() for d in found if d.state is DeliveryState.SENT]

    @property
    def not_sent(self) -> Counter[str]:
        """What was not sent, by reason."""
        return Counter(d.reason.value for found in self.delivered.values() for d in found if d.state is DeliveryState.SUPPRESSED)

    @property
    def deferred(self) -> list[str]:
        """Notifications that waited for the morning."""
        return [name for name, found in self.delivered.items() if any(d.state is DeliveryState.DEFERRED for d in found)]

    @property
    def silent_heals(self) -> list[CaseStory]:
        """Proven heals whose customer was not told, because it was already fixed."""
        quiet = {
            self.notifications[d.notification].case
            for found in self.delivered.values()
            for d in found
            if d.state is DeliveryState.SUPPRESSED and d.reason is DeliveryReason.ALREADY_FIXED and d.notification in self.notifications
            and self.notifications[d.notification].stage is Stage.HEALED
        }  # fmt: skip
        return [story for story in self.healed if story.last.case in quiet]

    @property
    def dropped_as_fixed(self) -> list[str]:
        """Notifications that waited and were dropped because the fault was gone by then."""
        waited = set(self.deferred)
        return [
            name
            for name, found in self.delivered.items()
            if name in waited and any(d.state is DeliveryState.SUPPRESSED and d.reason is DeliveryReason.ALREADY_FIXED for d in found)
        ]

    def quantile_ms(self, q: float, *, without: tuple[Micros, Micros] | None = None) -> float | None:
        """A quantile of the time from publish to symptom, wall milliseconds; `without` what was published in this span of wall time."""
        first, last = without or (1, 0)
        ordered = sorted(found.took_s for found in self.latencies if not first <= found.published_at <= last)
        if not ordered:
            return None
        return round(ordered[min(len(ordered) - 1, int(q * len(ordered)))] * 1e3, 1)
