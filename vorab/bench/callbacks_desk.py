"""A desk with one faulty machine and a full diary, that is asked while somebody is on the line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from vorab import ids, topics
from vorab.callbacks.hours import Hours
from vorab.clock import DAY, ManualClock, parse_iso
from vorab.log import Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.records import (
    Booking,
    BookingKind,
    BookingStatus,
    CaseEvent,
    CaseKind,
    Customer,
    Device,
    Meeting,
    Record,
    Severity,
    Status,
    to_wire,
)
from vorab.settings import Settings

NOW: Final = parse_iso("2026-11-23T08:00:00+01:00")
PARTITIONS: Final = 3
BOOKED: Final = 1_000


def records(settings: Settings) -> Iterator[Record]:
    """A customer, a machine, its case, and calls for a week."""
    yield Customer(id="main/c-1", customer="c-1")
    yield Device(id="main/d-1", device="d-1", customer="c-1", model="heat-pump")
    yield CaseEvent(
        id="e-1", device="d-1", case="case-1", kind=CaseKind.HANDED_OVER, status=Status.HELD, at=NOW, because="s", cause="low_pressure",
        severity=Severity.MAJOR, customer="c-1", model="heat-pump", opened_at=NOW, detail="I am calling about your heat pump.",
    )  # fmt: skip
    slots = list(Hours(settings.streams.callbacks, Meeting.PHONE).slots(NOW, NOW + 14 * DAY))
    for n in range(BOOKED):
        slot, name = slots[n % len(slots)], f"b-{n}"
        yield Booking(
            id=ids.booking_event_id(name, BookingKind.BOOKED, "s"), customer=f"k-{n}", booking=name, kind=BookingKind.BOOKED,
            status=BookingStatus.OPEN, start=slot.start, end=slot.end, at=NOW, because="s",
        )  # fmt: skip


@contextmanager
def furnished(folder: Path) -> Iterator[Callable[[int], None]]:
    """The application over a log of its own; what it gives is asked with a number."""
    import asyncio  # noqa: PLC0415
    import json  # noqa: PLC0415

    from desk.app import create_app  # noqa: PLC0415 - a benchmark of a stage loads it when it runs
    from desk.context import Context  # noqa: PLC0415
    from desk.projector import Projector  # noqa: PLC0415
    from desk.queries import Queries  # noqa: PLC0415
    from desk.store import Store  # noqa: PLC0415

    settings = Settings.model_validate(
        {"state_dir": str(folder), "topics": {"partitions": PARTITIONS}, "streams": {"callbacks": {"team": 10, "slot_min": 30}}}
    )
    clock, store = ManualClock(NOW), Store(f"sqlite:///{folder / 'desk.db'}")
    with SqliteLog(folder / "log.db", fsync=False) as log:
        log.create(dict.fromkeys(topics.TOPICS, PARTITIONS))
        wires = [(record, to_wire(record, "urn:vorab:bench")) for record in records(settings)]
        append_all(log, [Outgoing(r.TOPIC, topics.partition_of(r.key, PARTITIONS), *wire) for r, wire in wires])
        projector = Projector(log, store, clock)
        projector.load()
        while projector.step():
            pass
        app = create_app(Context(log, Queries(store), projector, settings, clock))

        def ask(number: int) -> None:
            body = json.dumps({"customer": "c-1", "channel": "call", "waiting": True, "by": f"agent-{number}"}).encode()
            status, answer = asyncio.run(_post(app, "/api/contacts", body))
            told = json.loads(answer)["waiting"]
            if status != 202 or not told["case"]["first_sentence"] or len(told["slots"]["phone"]) != 3:
                raise AssertionError(answer)

        yield ask
        store.close()


async def _post(app: object, path: str, body: bytes) -> tuple[int, bytes]:
    """One request without a socket, from this machine."""
    told: list[dict[str, object]] = []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": path, "raw_path": path.encode(),
        "query_string": b"", "root_path": "", "scheme": "http", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        "headers": [
            (b"host", b"127.0.0.1"), (b"content-type", b"application/json"), (b"sec-fetch-site", b"same-origin"),
            (b"content-length", str(len(body)).encode()),
        ],
    }  # fmt: skip

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, object]) -> None:
        told.append(message)

    await app(scope, receive, send)  # type: ignore[operator]
    status = next(message["status"] for message in told if message["type"] == "http.response.start")
    return int(str(status)), b"".join(bytes(message.get("body", b"")) for message in told if message["type"] == "http.response.body")  # type: ignore[call-overload]
