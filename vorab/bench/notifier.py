"""What a decided message costs: taken from the log, judged by all stages, claimed or put off, with the trace of the decision on disk.

On a database in a file, as in an installation. Seconds are of CPU, because machines have other work; waiting for the disk is none.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from notifier.buttons import Buttons
from notifier.database import Database, deliveries, outbox
from notifier.deciding import Decider
from notifier.preferences import from_settings
from notifier.render import Renderer
from notifier.store import Store
from notifier.store_intake import Batch
from notifier.words import load_words
from vorab.bench.budget import Everybody, Nameless
from vorab.clock import DAY, HOUR, Micros, parse_iso
from vorab.records import CaseEvent, CaseKind, Channel, Customer, Delivery, Notification, Scalar, Severity, Stage, Status
from vorab.settings import Notifier

NOON: Final = parse_iso("2026-11-24T12:00:00Z")
ZONES: Final = ("Europe/Berlin", "Asia/Singapore", "Pacific/Auckland", "Europe/London")
AT_LEAST: Final = 1_000.0
"""Decided messages a second of one core."""
HANDS: Final = 64
EACH: Final = 10
"""Messages to a customer."""


def tale(notes: int) -> Batch:
    """Messages to a tenth as many customers: half of whom sleep, one case in five is over, most have been told enough after the first."""
    batch = Batch()
    for n in range(max(1, notes // EACH)):
        name = f"c-{n}"
        batch.customers.append((f"main/{name}", Customer(id=f"main/{name}", customer=name, time_zone=ZONES[n % len(ZONES)])))
    for n in range(notes):
        name, case = f"c-{n // EACH}", f"case-{n}"
        params: dict[str, Scalar] = {"name": f"Pump {n % 9}", "model": "pump", "cause": "low_pressure", "onset": "2026-11-24T10:10:00Z"}
        note = Notification(
            id=f"n-{n}", customer=name, case=case, device=f"d-{n}", stage=Stage.PERSON_NEEDED, at=NOON - HOUR, because="e", params=params,
            expires_at=NOON + 2 * DAY,
        )  # fmt: skip
        batch.notes.append((0, n, note))
        over = n % 5 == 1
        kind, status = (CaseKind.CLOSED, Status.CLOSED) if over else (CaseKind.HANDED_OVER, Status.HELD)
        event = CaseEvent(
            id=f"e-{n}", device=note.device, case=case, kind=kind, status=status, seq=1, cause="low_pressure", severity=Severity.MAJOR,
            opened_at=NOON - HOUR, onset=NOON - HOUR, customer=name, at=NOON - HOUR, because="s",
        )  # fmt: skip
        batch.events.append((f"main/{name}", event))
    return batch


def run(notes: int = 20_000) -> dict[str, Any]:
    """Decide so many messages until nothing is due."""
    with tempfile.TemporaryDirectory() as folder:
        return judge(Path(folder), notes)


def judge(folder: Path, notes: int, now: Micros = NOON) -> dict[str, Any]:
    """The same in a folder."""
    store = Store(Database(f"sqlite:///{folder / 'notifier.db'}"))
    people: Any = Nameless()
    decider = Decider(
        store,
        people,
        {Channel.MAIL: Everybody()},
        Renderer(load_words()),
        Buttons("a secret of a benchmark"),
        layers=from_settings(Notifier()),
    )
    story = tale(notes)
    began = time.process_time()
    for first in range(0, notes, 500):
        store.take(Batch(notes=story.notes[first : first + 500], events=story.events[first : first + 500], customers=story.customers))
        story.customers = []
    taken = time.process_time()
    said = 0
    while True:
        jobs, put_down = decider.decide(now, HANDS, (), "https://desk.example.org")
        with store.database.begin():
            for job in jobs:
                store.sent(job.notice.note, job.channel, now)
        said += len(jobs)
        if not jobs and not put_down:
            break
    cpu_s = time.process_time() - began
    with store.database.begin() as connection:
        found = [Delivery.model_validate_json(row.body) for row in connection.execute(deliveries.select())]
        kept = sum(row.trace not in ("", "{}") for row in connection.execute(outbox.select()))
    store.database.close()
    rate = notes / cpu_s
    traced = sum(bool(each.decided_by and each.preferences) for each in found)
    return {
        "bench": "notifier",
        "messages": notes,
        "became": dict(Counter(f"{each.state.value} {each.reason.value}" for each in found)),
        "with_trace": traced,
        "cpu_s": round(cpu_s, 2),
        "of_it_taking_over_s": round(taken - began, 2),
        "decided_per_cpu_s": round(rate),
        "at_least": AT_LEAST,
        "ok": rate >= AT_LEAST and traced == len(found) == notes and kept == said > 0,
    }
