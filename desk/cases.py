"""The case page: one sentence, the picture, the conversation, the chain; and what an agent can do about it."""

from __future__ import annotations

import secrets
from typing import Annotated, Final

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from desk import writing
from desk.advice import apology, next_best, waits_for_approval
from desk.bookings import Bookings
from desk.context import Context
from desk.evidence import evidence
from desk.pages import Pages
from desk.partner.service import says
from desk.patience import awaited
from desk.plot import svg
from desk.proposals import OF_A_RULE, VERDICTS, help_of
from desk.queries import CaseFile
from desk.sla import promises, sla_clock
from desk.story import conversation
from desk.why import links
from desk.words import promise_words, sentence, sla_words
from vorab.errors import Unavailable
from vorab.knowledge import Library
from vorab.records import CaseKind, CommandKind, Delivery, Notification, Status

ACTIONS: Final = {
    "take": CommandKind.TAKE,
    "note": CommandKind.NOTE,
    "resolve": CommandKind.RESOLVE,
    "approve": CommandKind.APPROVE,
    "decline": CommandKind.DECLINE,
    "goodwill": CommandKind.APPROVE_GOODWILL,
    "no-goodwill": CommandKind.DECLINE_GOODWILL,
}
SIGNED: Final = frozenset({"approve", "decline", "goodwill", "no-goodwill"})
"""Decisions that name the person who takes them, by a short id: two people are told apart by it."""
WHO: Final = r"^[A-Za-z0-9._-]{0,32}$"
MAX_NOTE: Final = 500
MAX_ASKED: Final = 200
SHOWN: Final = 5
"""Articles a search shows."""

DONE: Final = {
    "take": "You have it. vorab leaves this case to you.",
    "note": "Noted.",
    "resolve": "Resolved. vorab goes on watching the machine.",
    "verdict": "Thank you. That counts for the next case like this one.",
    "approve": "Your approval is noted. Who has approved so far stands below, or in the story.",
    "decline": "Declined. A person has to look now.",
    "goodwill": "Your approval is noted. With the last one that is needed, the customer's account counts it.",
    "no-goodwill": "Declined. Nothing is given.",
}


def first_words(file: CaseFile) -> str:
    """What to say first when a person has to call: written when the case was handed over."""
    if file.last.status is not Status.HELD:
        return ""
    return next((event.detail for event in reversed(file.events) if event.kind is CaseKind.HANDED_OVER), "")


def approval(file: CaseFile) -> str:
    """What people are asked to approve; empty where nothing waits for them."""
    if not waits_for_approval(file.events):
        return ""
    return next((event.detail for event in reversed(file.events) if event.kind is CaseKind.APPROVAL_ASKED), "")


def messages(file: CaseFile) -> list[tuple[Notification, list[Delivery]]]:
    """Each message with what became of it."""
    return [(note, [row for row in file.deliveries if row.notification == note.id]) for note in file.notifications]


def away(pages: Pages, what: str = "the log cannot be reached") -> HTMLResponse:
    """What somebody sees who pressed a button while the log is away, or whoever seals their words."""
    return pages.html("nothing.html", 503, what=what, hint="Nothing was changed. Try again in a minute.")


def settle(context: Context, case: str, command: str) -> None:
    """Wait a moment, so that the page that follows shows a command already; if not, it will soon."""

    def shown() -> CaseFile | None:
        fresh = context.queries.case(case)
        return fresh if fresh is not None and any(event.because == command for event in fresh.events) else None

    awaited(context.clock, shown)


def routes(context: Context, pages: Pages, library: Library) -> APIRouter:
    """`/cases/{id}`, its evidence as JSON, and its buttons; those about what helped are in `desk.verdicts`."""
    router = APIRouter(prefix="/cases", include_in_schema=False)
    queries = context.queries

    def nothing() -> HTMLResponse:
        return pages.html("nothing.html", 404, what="no such case", hint="It may be of another installation, or older than what is kept.")

    @router.api_route("/{case}", methods=["GET", "HEAD"])
    def page(
        case: str, done: Annotated[str, Query(max_length=20)] = "", ask: Annotated[str, Query(max_length=MAX_ASKED)] = ""
    ) -> HTMLResponse:
        """The whole story of a case."""
        file = queries.case(case)
        if file is None:
            return nothing()
        shown = evidence(queries, file, context.clock.now())
        return pages.html(
            "case.html",
            file=file,
            last=file.last,
            incident=context.incidents.of(case),
            sentence=sentence(file),
            sla=sla_words(sla_clock(file.events, context.clock.now())),
            promises=[(promise_words(each), each.left < 0) for each in promises(file.events, file.contract, context.clock.now())],
            shown=shown,
            plot=svg(shown, pages.zone) if shown else None,
            lines=conversation(file, pages.zone),
            chain=links(file),
            messages=messages(file),
            first_words=first_words(file),
            next_step=following.said if (following := next_best(file)) else "",
            approval=approval(file),
            apology=apology(file.events),
            helping=help_of(queries, library, file, context.clock.now()),
            verdicts=VERDICTS,
            of_a_rule=OF_A_RULE,
            ask=ask,
            found=[found.article for found in library.search(ask, limit=SHOWN)],
            actions=file.last.status not in {Status.CLOSED, Status.CANCELLED, Status.REJECTED},
            nonce=secrets.token_hex(8),
            done=DONE.get(done, ""),
            held=Status.HELD,
            bookings=Bookings(context).of_case(case),
            mirrors=[(says(mirror), mirror.sent_at) for mirror in context.partners.of_case(case)] if context.partners else [],
        )

    @router.get("/{case}/evidence.json")
    def picture(case: str) -> Response:
        """The numbers of the plot."""
        file = queries.case(case)
        shown = evidence(queries, file, context.clock.now()) if file else None
        return JSONResponse(shown.json()) if shown else JSONResponse({"error": "no evidence"}, 404)

    @router.post("/{case}/{action}")
    def act(
        case: str,
        action: str,
        nonce: Annotated[str, Form(min_length=8, max_length=64)],
        text: Annotated[str, Form(max_length=MAX_NOTE)] = "",
        who: Annotated[str, Form(pattern=WHO)] = "",
    ) -> Response:
        """Take it, note something, or resolve it: a command on the log."""
        file, kind = queries.case(case), ACTIONS.get(action)
        if file is None or kind is None:
            return nothing()
        if kind is CommandKind.NOTE and not text.strip():
            return RedirectResponse(f"/cases/{case}#note", 303)
        if action in SIGNED and not who:
            return RedirectResponse(f"/cases/{case}", 303)
        try:
            made = writing.command(context, file.last, kind, nonce, text.strip(), by=f"agent-{who}" if action in SIGNED else "agent")
        except Unavailable as error:
            return away(pages, str(error))
        settle(context, case, made.id)
        return RedirectResponse(f"/cases/{case}?done={action}", 303)

    return router
