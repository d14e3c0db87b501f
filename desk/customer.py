"""The customer page: behind a signed link, without login and without JavaScript. Looking never changes anything; buttons do."""

from __future__ import annotations

from typing import Annotated, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse

from desk import customer_words as words
from desk import writing
from desk.context import Context
from desk.customer_devices import device_of
from desk.customer_offers import offered
from desk.pages import Pages
from desk.proposals import about_of
from desk.queries import CaseFile
from vorab.errors import Unavailable
from vorab.links import Claims, LinkFor, LinkRefused, verify
from vorab.records import Customer, RequestKind
from vorab.words import Times, Words

MAX_SAID: Final = 500
"""Letters a customer may write with a wish."""


class Door:
    """Opens links, or says kindly that they open nothing."""

    def __init__(self, context: Context, pages: Pages) -> None:
        self._context, self._pages = context, pages
        self._secret = context.settings.link_secret.get_secret_value()

    def opened(self, token: str, purpose: LinkFor = LinkFor.PAGE) -> tuple[Claims, CaseFile, Customer | None] | None:
        """What a link opens; None for every link that opens nothing, whatever the reason."""
        try:
            claims = verify(self._secret, token, self._context.clock.now(), purpose)
        except (LinkRefused, ValueError):
            return None
        file = self._context.queries.case(claims.case)
        if file is None or file.last.key != claims.device:
            return None
        return claims, file, self._context.queries.customer(claims.customer)

    def zone(self, customer: Customer | None) -> ZoneInfo:
        """Where the customer's clocks stand."""
        try:
            return ZoneInfo(customer.time_zone) if customer else self._pages.zone
        except (KeyError, ValueError):
            return self._pages.zone

    def nothing(self, request: Request) -> HTMLResponse:
        """The same answer for every bad link."""
        german = request.headers.get("accept-language", "").strip().lower().startswith("de")
        return self._pages.html("customer_nothing.html", 404, german=german)


def routes(context: Context, pages: Pages, vocabulary: Words) -> APIRouter:
    """`GET /c/{token}` and `POST /c/answer`."""
    router = APIRouter(prefix="/c", include_in_schema=False)
    door = Door(context, pages)

    @router.post("/answer")
    def answer(
        request: Request,
        token: Annotated[str, Form()],
        kind: Annotated[RequestKind, Form()],
        text: Annotated[str, Form(max_length=MAX_SAID)] = "",
    ) -> HTMLResponse:
        """A button was pressed: a request on the log, once per link and wish."""
        found = door.opened(token)
        if found is None:
            return door.nothing(request)
        claims, file, customer = found
        if kind not in words.allowed(claims.stage):
            return door.nothing(request)
        language = words.language_of(customer)
        frame = words.FRAME[language]
        try:
            writing.request(context, claims, kind, text.strip(), about_of(file) if kind in words.VERDICTS else "", language)
        except Unavailable:
            title, text, status = frame["busy_title"], frame["busy"], 503
        else:
            (title, text), status = words.THANKS[language][kind], 200
        return pages.html(
            "customer_thanks.html", status, language=language, frame=frame, title=title, text=text, token=token, case=file.case
        )

    @router.api_route("/{token}", methods=["GET", "HEAD"])
    def page(request: Request, token: str) -> HTMLResponse:
        """What happened, what was done, and what can be answered."""
        found = door.opened(token)
        if found is None:
            return door.nothing(request)
        claims, file, customer = found
        said = words.say(file, claims.stage, customer, vocabulary, context.clock.now(), door.zone(customer))
        times = Times(said.language, door.zone(customer), context.clock.now())
        given = {row.kind for row in file.requests if row.notification == claims.notification}
        return pages.html(
            "customer.html",
            language=said.language,
            said=said,
            frame=words.FRAME[said.language],
            buttons=words.BUTTONS[said.language],
            hints=words.HINTS[said.language],
            thanks=[words.THANKS[said.language][kind][0] for kind in RequestKind if kind in given],
            choices=[kind for kind in said.choices if kind not in given and kind in words.allowed(claims.stage)],
            offered=offered(context, file, claims, customer, times),
            device=device_of(context, claims, file, said.language),
            token=token,
            case=file.case,
        )

    return router
