"""Calls by the customer page: a button for each free slot, a way out of what is booked, and a file for calendars. GET changes nothing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from desk import writing
from desk.api_bookings import calendar_file
from desk.bookings import About, Bookings, is_recorded
from desk.context import Context
from desk.customer import Door
from desk.customer_offers import WORDS, open_call
from desk.customer_words import FRAME, language_of
from desk.pages import Pages
from desk.queries import CaseFile
from vorab import ids
from vorab.clock import MINUTE, Micros
from vorab.errors import Unavailable
from vorab.records import Booking, Meeting, Slot, SlotKind
from vorab.words import Times


class Calls:
    """What the buttons do."""

    def __init__(self, context: Context, pages: Pages) -> None:
        self._context, self._pages = context, pages
        self.bookings, self.door = Bookings(context), Door(context, pages)

    def book(self, request: Request, token: str, start: Micros) -> HTMLResponse:
        """A slot was chosen: once per link and slot; what is said is what the diary said."""
        opened = self.door.opened(token)
        if opened is None or Meeting.PHONE not in self.bookings.ways or is_recorded(opened[1].last):
            return self.door.nothing(request)
        claims, file, customer = opened
        language, now = language_of(customer), self._context.clock.now()
        times = Times(language, self.door.zone(customer), now)
        found = open_call(self.bookings, file)
        if found is None:
            before = len(self.bookings.of_case(file.case))
            booking = ids.booking_id(claims.customer, claims.case, f"{claims.notification} {before}")
            asked = self.bookings.request(
                SlotKind.BOOK, booking, claims.customer, f"{start} {now // MINUTE}", "customer",
                About(claims.case, claims.device, start=start),
            )  # fmt: skip
            try:
                found = self._ask(asked)
            except Unavailable:
                return self._busy(token, file, language)
        if found is None:
            return self._thanks(token, file, language, "asked")
        if found.start is None:
            return self._thanks(token, file, language, "taken")
        return self._thanks(token, file, language, "thanks", times.when(found.start))

    def unbook(self, request: Request, token: str) -> HTMLResponse:
        """The call is not wished any more."""
        opened = self.door.opened(token)
        booked = open_call(self.bookings, opened[1]) if opened else None
        if opened is None or booked is None:
            return self.door.nothing(request)
        claims, file, customer = opened
        asked = self.bookings.request(
            SlotKind.CANCEL, booked.booking, claims.customer, "cancel", "customer", About(claims.case, claims.device)
        )  # fmt: skip
        try:
            found = self._ask(asked)
        except Unavailable:
            return self._busy(token, file, language_of(customer))
        return self._thanks(token, file, language_of(customer), "asked" if found is None else "cancelled")

    def _ask(self, asked: Slot) -> Booking | None:
        writing.append(self._context, asked)
        return self.bookings.answer(asked)

    def _busy(self, token: str, file: CaseFile, language: str) -> HTMLResponse:
        frame = FRAME[language]
        return self._page(token, file, language, 503, title=frame["busy_title"], text=frame["busy"])

    def _thanks(self, token: str, file: CaseFile, language: str, name: str, when: str = "") -> HTMLResponse:
        words = WORDS[language]
        return self._page(token, file, language, 200, title=words[name].replace("{when}", when), text=words[f"{name}_more"])

    def _page(self, token: str, file: CaseFile, language: str, status: int, **said: str) -> HTMLResponse:
        values = {"language": language, "frame": FRAME[language], "token": token, "case": file.case}
        return self._pages.html("customer_thanks.html", status, **said, **values)


def routes(context: Context, pages: Pages) -> APIRouter:
    """`POST /c/book`, `POST /c/unbook` and `GET /c/{token}/call.ics`."""
    router = APIRouter(prefix="/c", include_in_schema=False)
    calls = Calls(context, pages)

    @router.post("/book")
    def book(request: Request, token: Annotated[str, Form()], start: Annotated[int, Form(ge=0)]) -> HTMLResponse:
        """A slot was chosen."""
        return calls.book(request, token, start)

    @router.post("/unbook")
    def unbook(request: Request, token: Annotated[str, Form()]) -> HTMLResponse:
        """The call is not wished any more."""
        return calls.unbook(request, token)

    @router.api_route("/{token}/call.ics", methods=["GET", "HEAD"])
    def file(request: Request, token: str) -> Response:
        """The call for the customer's calendar."""
        opened = calls.door.opened(token)
        booked = open_call(calls.bookings, opened[1]) if opened else None
        if opened is None or booked is None:
            return calls.door.nothing(request)
        return calendar_file(context, booked, language_of(opened[2]))

    return router
