"""Messages on the customer's own device: asked for and left by one tap on their page, and answered by one tap on a notification.

Nothing here is needed to read the page; without a script it is as it was. GET changes nothing.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Form
from fastapi.responses import JSONResponse, Response

from desk import writing
from desk.bookings import About, Bookings, is_recorded
from desk.context import Context
from desk.customer import Door
from desk.customer_devices import notifiers_of
from desk.customer_offers import WORDS as CALLS
from desk.customer_offers import open_call
from desk.customer_words import FRAME, THANKS, language_of
from desk.pages import STATIC, Pages
from desk.queries import CaseFile
from vorab import ids
from vorab.errors import Unavailable
from vorab.links import Claims, LinkFor
from vorab.outbound.addresses import allowed_host
from vorab.records import Booking, BookingStatus, Customer, Meeting, RequestKind, SlotKind
from vorab.subscriptions import MAX_ENDPOINT, subscription_of
from vorab.words import Times

KEY_CHARS: Final = 200
"""Longest key a browser may send; the longest real one has 87 characters."""
WORKER: Final = STATIC / "sw.js"


class Devices:
    """What the buttons do."""

    def __init__(self, context: Context, pages: Pages) -> None:
        self._context = context
        self._door, self._bookings = Door(context, pages), Bookings(context)

    def come(self, token: str, values: dict[str, str]) -> Response:
        """This browser shows messages from now on."""
        opened = self._door.opened(token)
        if opened is None or is_recorded(opened[1].last):
            return _said(404)
        try:
            device = subscription_of(values)
        except ValueError:
            return _said(422)
        if not allowed_host(device.host, self._context.settings.notifier.web_push.hosts):
            return _said(422)
        client = notifiers_of(self._context)
        try:
            if client is None or not client.push_key:
                return _said(503)
            client.subscribe(opened[0].customer, device)
        except Unavailable:
            return _said(503)
        return _said(200)

    def leave(self, token: str, endpoint: str) -> Response:
        """It shows none any more; the same twice is the same."""
        opened = self._door.opened(token)
        if opened is None:
            return _said(404)
        client = notifiers_of(self._context)
        try:
            if client is None:
                return _said(503)
            client.unsubscribe(opened[0].customer, endpoint)
        except Unavailable:
            return _said(503)
        return _said(200)

    def press(self, token: str) -> Response:
        """*Yes, call me* on a notification: once, however often it is pressed or sent again."""
        opened = self._door.opened(token, LinkFor.CALL)
        if opened is None:
            return _said(404)
        language = language_of(opened[2])
        try:
            title, text = self._call(*opened, language)
        except Unavailable:
            return _said(503, title=FRAME[language]["busy_title"], text=FRAME[language]["busy"])
        return _said(200, title=title, text=text)

    def _call(self, claims: Claims, file: CaseFile, customer: Customer | None, language: str) -> tuple[str, str]:
        """The first slot that suits them where calls are booked, else the wish for a call; what is said to it."""
        asked = any(row.kind is RequestKind.CALL_ME and row.notification == claims.notification for row in file.requests)
        if not asked and Meeting.PHONE in self._bookings.ways and not is_recorded(file.last):
            name = ids.booking_id(claims.customer, claims.case, f"{claims.notification} press")
            booked = open_call(self._bookings, file) or self._bookings.one(name) or self._book(name, claims)
            if booked is None:
                return CALLS[language]["asked"], CALLS[language]["asked_more"]
            if booked.status is BookingStatus.CANCELLED:
                return CALLS[language]["cancelled"], CALLS[language]["cancelled_more"]
            if booked.status is BookingStatus.OPEN and booked.start is not None:
                when = Times(language, self._door.zone(customer), self._context.clock.now()).when(booked.start)
                return CALLS[language]["thanks"].replace("{when}", when), CALLS[language]["thanks_more"]
        if not asked:
            writing.request(self._context, claims, RequestKind.CALL_ME)
        return THANKS[language][RequestKind.CALL_ME]

    def _book(self, name: str, claims: Claims) -> Booking | None:
        about = About(claims.case, claims.device)
        slot = self._bookings.request(SlotKind.BOOK, name, claims.customer, "press", "customer", about)
        writing.append(self._context, slot)
        return self._bookings.answer(slot)


def routes(context: Context, pages: Pages) -> APIRouter:
    """`GET /c/sw.js`, `POST /c/device`, `POST /c/device/leave` and `POST /c/press`."""
    router = APIRouter(prefix="/c", include_in_schema=False)
    devices = Devices(context, pages)

    @router.api_route("/sw.js", methods=["GET", "HEAD"])
    def worker() -> Response:
        """The script that shows notifications; it lies here because it may act for what is below its own path, and no more."""
        return Response(WORKER.read_bytes(), media_type="text/javascript")

    @router.post("/device")
    def come(
        token: Annotated[str, Form()],
        endpoint: Annotated[str, Form(max_length=MAX_ENDPOINT)],
        p256dh: Annotated[str, Form(max_length=KEY_CHARS)],
        auth: Annotated[str, Form(max_length=KEY_CHARS)],
    ) -> Response:
        """This browser shows messages from now on."""
        return devices.come(token, {"endpoint": endpoint, "p256dh": p256dh, "auth": auth})

    @router.post("/device/leave")
    def leave(token: Annotated[str, Form()], endpoint: Annotated[str, Form(max_length=MAX_ENDPOINT)]) -> Response:
        """It shows none any more."""
        return devices.leave(token, endpoint)

    @router.post("/press")
    def press(token: Annotated[str, Form()]) -> Response:
        """A button of a notification was pressed."""
        return devices.press(token)

    return router


def _said(status: int, **words: str) -> Response:
    return JSONResponse(words, status)
