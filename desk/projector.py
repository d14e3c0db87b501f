"""Builds the desk's tables from the log: one thread, one writer, position and rows in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Final

import sqlalchemy as sa

from desk import store as tables
from desk.bookings import booking_row
from desk.entries import Entries, Heard
from desk.fold import AFTER, BEFORE, CaseRow, Curves, Points, case_of, counted, device_of, fold_case, spent
from desk.incident_queries import OPEN_INCIDENTS, incident_row
from desk.learning import load_book, save_book
from desk.partner.service import Partners
from desk.store import Store
from desk.timeline.threads import adopt, threads_of
from desk.upsert import insert, upsert
from vorab import cloudevents, frame, topics
from vorab.clock import Clock, Micros
from vorab.errors import Rejected, Unavailable
from vorab.log import Entry, EventLog, Position
from vorab.metrics import metric
from vorab.ranking import Book
from vorab.records import (
    Booking,
    BookingKind,
    CaseEvent,
    Command,
    Incident,
    IncidentKind,
    Record,
    Rejection,
    Silence,
    Status,
    Symptom,
    SymptomState,
    Tick,
    parse,
)
from vorab.service import crash, logger

READ: Final = (
    *topics.REGISTRY,
    topics.READINGS,
    topics.SYMPTOMS,
    topics.CASES,
    topics.CASES_BY_GROUP,
    topics.INCIDENTS,
    topics.ACTIONS,
    topics.REPLIES,
    topics.PERMITS,
    topics.NOTIFICATIONS,
    topics.DELIVERIES,
    topics.COMMANDS,
    topics.REQUESTS,
    topics.BOOKINGS,
    topics.CONSENTS,
    topics.DIALOGUE,
    topics.CONTACT_STATE,
    topics.OFFERS,
    topics.REJECTED,
)
SILENCES: Final = Silence.TYPE.partition("{")[0].encode()
"""What is read of the cases of a whole tenant; all else there stands on their own topic as well."""
OVER: Final = frozenset({Status.CLOSED.value, Status.CANCELLED.value, Status.REJECTED.value})
"""Cases of these states need no memory: hardly anything happens to them any more."""
LIMIT: Final = 2_000
WAIT_S: Final = 0.25
REST_S: Final = 0.05
"""Between two steps: what comes meanwhile shares a transaction."""
FACTS_S: Final = 1.0
"""Longest wait for records that are known to be there."""
BACK_OFF_S: Final = 1.0

log = logger("desk")


class Projector:
    """Follows the log from where the tables stand.

    Args:
        events: The log.
        store: The tables; one projector per database.
        clock: Tells how fresh the tables are.
        names: Topics renamed in this installation, by canonical name.
        partners: Whom cases are handed over to; their outbox moves with the tables.
    """

    def __init__(
        self, events: EventLog, store: Store, clock: Clock, names: Mapping[str, str] | None = None, partners: Partners | None = None
    ) -> None:
        self._log, self._store, self._clock, self._partners = events, store, clock, partners
        self._canonical = {(names or {}).get(topic, topic): topic for topic in READ}
        self.curves = Curves()
        self.now: Micros = 0
        """The largest time seen in the log, µs."""
        self.refreshed_at: Micros = 0
        """When the tables were last known to hold all of the log."""
        self._cases: dict[str, CaseRow] = {}
        """Those that are not over."""
        self._counts: dict[str, int] = {}
        self._book = Book()
        self._heard = Heard()
        self._positions: dict[Position, int] = {}
        self._behind: dict[Position, int] = {}
        """Facts before readings: whoever catches up then knows already which readings are worth keeping. Up to these offsets."""
        self._wanted: set[str] = set()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lag = metric("vorab_desk_projection_lag_records")
        self._incidents = metric("vorab_incidents_open")

    def watch(self, device: str) -> None:
        """Keep the readings of this device from now on, and what is still known of them; from any thread."""
        self._wanted.add(device)

    def load(self) -> None:
        """Take up where the tables stand; raises Unavailable while the log is away."""
        known = self._store.positions()
        self._positions = {
            (topic, partition): known.get((topic, partition), 0)
            for topic in self._canonical
            for partition in range(self._log.partitions(topic))
        }
        ends = {topic: self._log.ends(topic) for topic, name in self._canonical.items() if name != topics.READINGS}
        self._behind = {place: ends[place[0]][place[1]] for place in self._positions if place[0] in ends}
        self._behind = {place: end for place, end in self._behind.items() if self._positions[place] < end}
        for row in self._store.rows(sa.select(tables.cases)):
            found = _row_of(row)
            self.curves.watch(found.last.key, (found.last.onset or found.last.opened_at) - BEFORE)
            if row["status"] in OVER:
                self.curves.forget(found.last.key, found.changed_at + AFTER)
            else:
                self._cases[found.last.case] = found
        self._incidents.set(self._store.rows(OPEN_INCIDENTS)[0]["n"])
        self._heard.known = {row["device"] for row in self._store.rows(sa.select(tables.heard.c.device))}
        self._counts = {row["name"]: row["value"] for row in self._store.rows(sa.select(tables.counts))}
        self._book = load_book(self._store)
        adopt(self._store)
        if self._partners is not None:
            with self._store.write() as db:
                self._partners.adopt(db, self._cases.values())

    @property
    def caught_up(self) -> bool:
        """Whether the tables have held all of the log once since the start."""
        return self.refreshed_at > 0 and not self._behind

    def step(self, wait_s: float = 0.0) -> int:
        """Fold what is new; returns how many records."""
        entries = self._read(wait_s)
        if entries:
            self._fold(entries)
        if len(entries) < LIMIT:
            self.refreshed_at = self._clock.now()
        self._lag.set(len(entries))
        return len(entries)

    def _read(self, wait_s: float) -> Sequence[Entry]:
        if self._behind:
            facts = {place: offset for place, offset in self._positions.items() if self._canonical[place[0]] != topics.READINGS}
            entries = self._log.read(facts, limit=LIMIT, wait_s=FACTS_S)
            self._behind = {place: end for place, end in self._behind.items() if self._positions[place] + _count(entries, place) < end}
            if entries:
                return entries
            self._behind = {}
        return self._log.read(self._positions, limit=LIMIT, wait_s=wait_s)

    def _fold(self, entries: Sequence[Entry]) -> None:
        batch = _Batch()
        for device in set(self._wanted):
            batch.points += self.curves.watch(device, 0)
        for entry in entries:
            self._positions[entry.topic, entry.partition] = entry.offset + 1
            try:
                self._take(entry, batch)
            except Rejected as refusal:
                log.warning("record skipped", topic=entry.topic, partition=entry.partition, offset=entry.offset, why=str(refusal))
        moved = {(entry.topic, entry.partition) for entry in entries}
        with self._store.write() as db:
            self._write_records(db, batch)
            batch.entries.write(db)
            self._write_points(db, batch.points)
            save_book(db, self._book)
            if self._partners is not None and batch.cases:
                self._partners.saw(db, batch.mirrored, {case: row.last for case, row in batch.cases.items()})
            self._heard.write(db)
            upsert(db, tables.counts, [{"name": name, "value": self._counts[name]} for name in batch.counted])
            upsert(db, tables.positions, [{"topic": topic, "partition": p, "next": self._positions[topic, p]} for topic, p in moved])

    def _take(self, entry: Entry, batch: _Batch) -> None:
        topic = self._canonical[entry.topic]
        if topic == topics.READINGS:
            found = frame.decode(entry.value or b"")
            self.now = max(self.now, found.now) if not _recorded_only(found) else self.now
            batch.points += self.curves.take(found)
            self._heard.take(found.devices, found.now)
            self._add("readings", batch, found.n)
            return
        if entry.value is None:
            batch.entries.take_out(topic, (entry.key or b"").decode(errors="replace"))
            return
        if topic == topics.CASES_BY_GROUP and not dict(entry.headers).get("ce_type", b"").startswith(SILENCES):
            return
        context = cloudevents.attributes(entry.headers)
        if context.type == Tick.TYPE:
            return
        record = parse(context, entry.value)
        if topic in topics.REGISTRY:
            batch.entries.take(topic, record)
        else:
            batch.records.append((entry, context.type, record))

    def _write_records(self, db: sa.Connection, batch: _Batch) -> None:
        marks = [f"{kind} {record.id}" for _, kind, record in batch.records]
        known: set[str] = set()
        for start in range(0, len(marks), 500):
            query = sa.select(tables.records.c.mark).where(tables.records.c.mark.in_(marks[start : start + 500]))
            known.update(db.scalars(query))
        fresh: list[dict[str, object]] = []
        for mark, (entry, kind, record) in zip(marks, batch.records, strict=True):
            if mark not in known:
                known.add(mark)
                fresh.append(self._row(mark, entry, kind, record))
                self._take_in(db, record, batch)
                batch.threads += [{"thread": thread, "mark": mark} for thread in threads_of(record)]
        if fresh:
            db.execute(tables.records.insert(), fresh)
        if batch.threads:
            db.execute(insert(db, tables.threads).on_conflict_do_nothing(), batch.threads)
        upsert(db, tables.cases, [_row_for(row) for row in batch.cases.values()])
        upsert(db, tables.incidents, [incident_row(last) for last in batch.incidents.values()])
        if batch.incidents:
            self._incidents.set(db.scalar(OPEN_INCIDENTS) or 0)
        upsert(db, tables.bookings, [booking_row(last) for last in batch.bookings.values()])
        upsert(db, tables.children, [{"case": case, "incident": incident} for case, incident in batch.children.items()])

    def _row(self, mark: str, entry: Entry, kind: str, record: Record) -> dict[str, object]:
        return {
            "mark": mark,
            "kind": kind,
            "id": record.id,
            "case": case_of(record),
            "device": device_of(record),
            "at": record.time,
            # Refused bytes may hold anything, and are let go with their topic after days: these tables stay.
            "body": record.model_dump_json(exclude_none=True, exclude={"payload_base64"} if isinstance(record, Rejection) else None),
            "topic": self._canonical[entry.topic],
            "partition": entry.partition,
            "offset": entry.offset,
        }

    def _add(self, name: str, batch: _Batch, more: int = 1) -> None:
        self._counts[name] = self._counts.get(name, 0) + more
        batch.counted.add(name)

    def _take_in(self, db: sa.Connection, record: Record, batch: _Batch) -> None:
        """What a record changes beyond being there."""
        for name in counted(record):
            self._add(name, batch)
        if isinstance(record, CaseEvent | Command):
            self._book.take(record)
        for name, cents in spent(record).items():
            self._add(name, batch, cents)
        if isinstance(record, CaseEvent):
            row = batch.cases[record.case] = self._fold_case(db, record, batch)
            batch.mirrored += self._partners.fits(row) if self._partners is not None else []
            batch.points += self.curves.watch(record.key, (record.onset or record.opened_at) - BEFORE)
            if record.status.value in OVER and not any(row.last.key == record.key for row in self._cases.values()):
                self.curves.forget(record.key, record.at + AFTER)
        if isinstance(record, Incident):
            batch.incidents[record.incident] = record
            batch.children |= dict.fromkeys(record.children, "" if record.kind is IncidentKind.RELEASED else record.incident)
        if isinstance(record, Booking) and record.kind is not BookingKind.REFUSED:
            batch.bookings[record.booking] = record
        if isinstance(record, Symptom) and record.state is SymptomState.RAISED:
            batch.points += self.curves.watch(record.key, record.onset - BEFORE)
            batch.points += [(record.key, record.signal, point.at, point.value) for point in record.evidence if record.signal]

    def _fold_case(self, db: sa.Connection, event: CaseEvent, batch: _Batch) -> CaseRow:
        before = self._cases.get(event.case) or batch.cases.get(event.case)
        if before is None and event.seq > 0:  # it was over, and somebody had one more word
            kept = db.execute(sa.select(tables.cases).where(tables.cases.c.case == event.case)).mappings().first()
            before = _row_of(kept) if kept is not None else None
        row = fold_case(before, event)
        if event.status.value in OVER:
            self._cases.pop(event.case, None)
        else:
            self._cases[event.case] = row
        return row

    def _write_points(self, db: sa.Connection, points: Points) -> None:
        fresh = {(device, signal, at): value for device, signal, at, value in points}
        if not fresh:
            return
        rows = [{"device": d, "signal": s, "at": at, "value": value} for (d, s, at), value in fresh.items()]
        db.execute(insert(db, tables.points).on_conflict_do_nothing(), rows)

    # ------------------------------------------------------------------------------------------------ thread

    def start(self) -> None:
        """Follow in a thread."""
        self._thread = threading.Thread(target=self._run, name="desk-projector", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        loaded = False
        while not self._stop.is_set():
            try:
                if not loaded:
                    self.load()
                    loaded = True
                if self.step(WAIT_S) < LIMIT:
                    self._stop.wait(REST_S)
            except Unavailable as error:
                log.warning("log away", why=str(error))
                self._stop.wait(BACK_OFF_S)
            except Exception:  # noqa: BLE001 - the supervisor starts us again
                crash(log, "projecting")

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)


class _Batch:
    def __init__(self) -> None:
        self.records: list[tuple[Entry, str, Record]] = []
        self.points: Points = []
        self.counted: set[str] = set()
        """The counts that moved."""
        self.cases: dict[str, CaseRow] = {}
        """The cases that changed, as they are after it."""
        self.mirrored: list[tuple[str, str]] = []
        """Partners and cases that they get from now on."""
        self.incidents: dict[str, Incident] = {}
        """The last that was said of each incident."""
        self.children: dict[str, str] = {}
        """Case → its incident, empty for one that stands for itself again."""
        self.bookings: dict[str, Booking] = {}
        """The last that became of each booking."""
        self.entries = Entries()
        self.threads: list[dict[str, object]] = []


def _count(entries: Sequence[Entry], place: Position) -> int:
    return sum((entry.topic, entry.partition) == place for entry in entries)


def _row_for(row: CaseRow) -> dict[str, object]:
    return {
        "case": row.last.case,
        "device": row.last.key,
        "customer": row.last.customer,
        "status": row.last.status.value,
        "priority": row.last.priority,
        "opened_at": row.last.opened_at,
        "changed_at": row.changed_at,
        "needs_person": row.needs_person,
        "healed": row.healed,
        "body": row.last.model_dump_json(exclude_none=True),
    }


def _row_of(row: sa.RowMapping) -> CaseRow:
    return CaseRow(CaseEvent.model_validate_json(row["body"]), row["changed_at"], row["needs_person"], row["healed"])


def _recorded_only(found: frame.Frame) -> bool:
    return bool(found.devices) and all(name.startswith(topics.RECORDED_TENANT + "/") for name in found.devices)
