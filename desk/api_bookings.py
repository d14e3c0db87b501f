"""`/api/slots` and `/api/bookings`: free slots, calls and visits by REST. GET changes nothing; all else goes to the diary by the log."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Body, Path, Query, Request, Response, Security
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import JSONResponse

from desk import writing
from desk.api_contacts import BEARER, IdempotencyKey, holder_of
from desk.bookings import About, Bookings, booking_json, is_recorded, slots_json
from desk.contacts import Id
from desk.context import Context
from desk.idempotency import Answer, Answers
from desk.problems import MEDIA, RESPONSES, Problem, unknown
from desk.queries import CaseFile
from vorab import ids
from vorab.callbacks.ical import MEDIA_TYPE, calendar, method
from vorab.clock import Micros, iso, parse_iso
from vorab.records import At, Booking, BookingKind, BookingStatus, Meeting, Slot, SlotKind
from vorab.topics import DEFAULT_TENANT, ID, key_of

MOST: Final = 50
Who = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:~-]{0,63}$")]
Key = Annotated[str, Query(pattern=rf"^{ID.pattern}$")]
Name = Annotated[str, Path(pattern=rf"^{ID.pattern}$")]


class Wanted(BaseModel):
    """A call or a visit that is wished."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    customer: Id
    tenant: Id = DEFAULT_TENANT
    case: str = Field("", max_length=255, description="The case it is about; none: the call is about nothing vorab knows of.")
    how: Meeting = Meeting.PHONE
    start: At | None = Field(None, description="Beginning of a free slot; left out: as soon as possible.")
    first: At | None = Field(None, description="As soon as possible, and not before.")
    until: At | None = Field(None, description="And over by then.")
    by: Who | None = Field(None, description="Role or pseudonymous id of who asks; never a name.")


class Changed(BaseModel):
    """What becomes of a booking: another time, or how it went."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: At | None = Field(None, description="Beginning of another free slot.")
    outcome: Literal["reached", "not_reached"] | None = Field(None, description="How the call or visit went.")
    by: Who | None = None

    @model_validator(mode="after")
    def _one(self) -> Changed:
        if (self.start is None) == (self.outcome is None):
            raise ValueError("either start or outcome")
        return self


def told(asked: Slot, found: Booking | None, *, new: bool = False) -> Answer:
    """What became of a request, as an answer."""
    if found is None:
        return Answer(202, {"booking": asked.booking, "status": "asked"})
    if found.kind is BookingKind.REFUSED:
        body = {
            "type": "urn:vorab:problem:refused", "title": "Conflict", "status": 409, "detail": found.reason.value,
            "booking": found.detail or found.booking, "free": [iso(start) for start in found.free],
        }  # fmt: skip
        return Answer(409, body)
    return Answer(201 if new else 200, booking_json(found))


def calendar_file(context: Context, booking: Booking, language: str = "en") -> Response:
    """A booking as a file for calendars."""
    sender = context.settings.notifier.sender
    address = sender.rpartition("<")[2].rstrip(">")
    body = calendar(booking, f"mailto:{address}", language=language)
    name = f"attachment; filename=vorab-{booking.booking[:8]}.ics"
    return Response(body, media_type=MEDIA_TYPE.format(method=method(booking)), headers={"Content-Disposition": name})


class Desk:
    """What the routes do."""

    def __init__(self, context: Context) -> None:
        self.context, self.bookings = context, Bookings(context)

    def found(self, booking: str) -> Booking:
        """A booking; raises Problem where nobody knows it."""
        one = self.bookings.one(booking)
        if one is None:
            raise unknown("booking")
        return one

    def ask(self, asked: Slot, *, new: bool = False) -> Answer:
        """Ask the diary, and wait a moment for its word."""
        writing.append(self.context, asked)
        return told(asked, self.bookings.answer(asked), new=new)

    def case_of(self, wanted: Wanted) -> CaseFile | None:
        """The case a booking is about; raises Problem where it cannot be booked."""
        case = self.context.queries.case(wanted.case) if wanted.case else None
        if wanted.case and (case is None or is_recorded(case.last)):
            raise unknown("case")
        if case is not None and case.last.customer != wanted.customer:
            raise Problem(422, "not-theirs", "the case is not one of this customer's")
        if wanted.how not in self.bookings.ways:
            raise Problem(422, "not-booked-here", f"no {wanted.how} can be booked: `streams.callbacks` says that nobody makes any")
        return case

    def book(self, wanted: Wanted, who: str, nonce: str) -> Answer:
        """Book, once per nonce."""
        case, key = self.case_of(wanted), key_of(wanted.tenant, wanted.customer)
        booking = ids.booking_id(key, wanted.case, nonce)
        about = About(wanted.case, case.last.key if case else "", wanted.how, wanted.start, wanted.first, wanted.until)
        return self.ask(self.bookings.request(SlotKind.BOOK, booking, key, nonce, wanted.by or who, about), new=True)

    def change(self, last: Booking, wanted: Changed, who: str) -> Answer:
        """Move it, or note how it went; the same twice, before anything else has become of it, is one."""
        kind = SlotKind.MOVE if wanted.outcome is None else SlotKind(wanted.outcome)
        nonce = f"{last.sequence} {last.attempts} {wanted.start or ''}"
        about = About(last.case, key_of(last.tenant, last.device), last.how, wanted.start)
        return self.ask(self.bookings.request(kind, last.booking, last.key, nonce, wanted.by or who, about))

    def cancel(self, last: Booking, who: str) -> Answer:
        """Cancel it, unless it is."""
        if last.status is BookingStatus.CANCELLED:
            return Answer(200, booking_json(last))
        about = About(last.case, key_of(last.tenant, last.device), last.how)
        return self.ask(self.bookings.request(SlotKind.CANCEL, last.booking, last.key, "cancel", who, about))


def routes(context: Context, answers: Answers) -> APIRouter:
    """All of them, and the file for calendars beside the case page."""
    router = APIRouter()
    api: dict[str, Any] = {"tags": ["bookings"], "responses": RESPONSES, "dependencies": [Security(BEARER)]}
    desk = Desk(context)

    @router.get("/api/slots", **api)
    def slots(
        customer: Key,
        tenant: Key = DEFAULT_TENANT,
        how: Meeting = Meeting.PHONE,
        first: Annotated[str, Query(max_length=40)] = "",
        until: Annotated[str, Query(max_length=40)] = "",
        most: Annotated[int, Query(ge=1, le=MOST)] = 3,
    ) -> JSONResponse:
        """The next free slots that suit a customer; `first` and `until` are ISO 8601 with zone."""
        begins, ends = _moment(first), _moment(until)
        return JSONResponse({"slots": slots_json(desk.bookings.free(key_of(tenant, customer), how, begins, ends, most))})

    @router.get("/api/bookings/{name}", **api)
    def one(name: Name) -> JSONResponse:
        """A booking as it stands."""
        return JSONResponse(booking_json(desk.found(name)))

    @router.get("/api/bookings/{name}/calendar.ics", **api)
    @router.get("/bookings/{name}.ics", include_in_schema=False)
    def file(name: Name) -> Response:
        """The same as iCalendar."""
        return calendar_file(context, desk.found(name))

    @router.post("/api/bookings", status_code=201, **api)
    def book(request: Request, wanted: Annotated[Wanted, Body()], idempotency_key: IdempotencyKey = "") -> Response:
        """Book a call or a visit; without `start` as soon as possible. 409 says why not, and what is free."""
        who = holder_of(request)

        def do() -> Answer:
            return desk.book(wanted, who, f"{who} {idempotency_key}" if idempotency_key else secrets.token_hex(16))

        return _said(answers.once(who, "/api/bookings", idempotency_key, wanted.model_dump_json(), do))

    @router.patch("/api/bookings/{name}", **api)
    def change(request: Request, name: Name, wanted: Annotated[Changed, Body()]) -> Response:
        """Move it, or say how it went. After the last attempt that nobody answers it is closed in writing."""
        return _said(desk.change(desk.found(name), wanted, holder_of(request)))

    @router.delete("/api/bookings/{name}", **api)
    def cancel(request: Request, name: Name) -> Response:
        """Cancel it."""
        return _said(desk.cancel(desk.found(name), holder_of(request)))

    return router


def _moment(text: str) -> Micros | None:
    try:
        return parse_iso(text) if text else None
    except ValueError:
        raise Problem(422, "invalid", "first and until are ISO 8601 with a zone: 2026-11-24T09:00:00+01:00") from None


def _said(answer: Answer) -> Response:
    return JSONResponse(answer.body, answer.status, media_type=MEDIA if answer.status == 409 else "application/json")
