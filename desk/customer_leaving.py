"""Leaving: the address in the header `List-Unsubscribe` of each mail (RFC 8058). Looking changes nothing; one POST is enough."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse

from desk import customer_words as words
from desk.context import Context
from desk.customer import Door
from desk.pages import Pages
from desk.writing_registry import RegistryWriter
from vorab.errors import Unavailable
from vorab.links import Claims, LinkFor, LinkRefused, verify
from vorab.records import Purpose

ONE_CLICK = "One-Click"
"""What a mail program sends, and the button of the page as well: whoever posts anything else did not mean it."""


def routes(context: Context, pages: Pages, writer: RegistryWriter) -> APIRouter:
    """`GET` and `POST /c/leave/{token}`."""
    router = APIRouter(prefix="/c/leave", include_in_schema=False)
    door = Door(context, pages)
    secret = context.settings.link_secret.get_secret_value()

    def opened(token: str) -> Claims | None:
        try:
            return verify(secret, token, context.clock.now(), LinkFor.UNSUBSCRIBE)
        except (LinkRefused, ValueError):
            return None

    def shown(claims: Claims, state: str, status: int = 200) -> HTMLResponse:
        language = words.language_of(context.queries.customer(claims.customer))
        advertising = _purposes(context, claims) == (Purpose.ADVERTISING,)
        return pages.html("customer_leave.html", status, language=language, state=state, advertising=advertising, one_click=ONE_CLICK)

    @router.api_route("/{token}", methods=["GET", "HEAD"])
    def page(request: Request, token: str) -> HTMLResponse:
        """Asks whether it is meant."""
        claims = opened(token)
        return shown(claims, "ask") if claims else door.nothing(request)

    @router.post("/{token}")
    def leave(request: Request, token: str, meant: Annotated[str, Form(alias="List-Unsubscribe")] = "") -> HTMLResponse:
        """Withdraws consent for what the mail was sent for; said twice it is said once."""
        claims = opened(token)
        if claims is None:
            return door.nothing(request)
        if meant != ONE_CLICK:
            return shown(claims, "ask", 400)
        try:
            writer.withdraw(claims.customer, _purposes(context, claims))
        except Unavailable:
            return shown(claims, "busy", 503)
        return shown(claims, "left")

    return router


def _purposes(context: Context, claims: Claims) -> tuple[Purpose, ...]:
    """What the mail was sent for; where nobody remembers the mail any more, everything."""
    file = context.queries.case(claims.case)
    found = [note.purpose for note in file.notifications if note.id == claims.notification] if file else []
    return tuple(found[:1]) or tuple(Purpose)
