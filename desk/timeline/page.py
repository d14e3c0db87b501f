"""A customer's page: one dialogue, and one click that says what a reply meant."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from desk.bookings import Bookings
from desk.context import Context
from desk.pages import Pages
from desk.patience import awaited
from desk.timeline.entry import Entry, Kind
from desk.timeline.labels import label, shell, span
from desk.timeline.opening import words_of
from desk.timeline.sayings import MEETINGS
from desk.timeline.show import days, meanings, unanswered
from desk.timeline.source import Timelines
from desk.timeline.speech import Speech, language_of
from desk.writing import append
from vorab import ids
from vorab.errors import Unavailable
from vorab.people import PeopleClient
from vorab.records import Corrected, Customer
from vorab.topics import DEFAULT_TENANT, ID, key_of
from vorab.understanding.kinds import Intent
from vorab.words import Words

SHOWN: Final = 200
"""Entries on one page."""
MACHINES: Final = 12
"""Machines that are named one by one."""
Name = Annotated[str, Path(pattern=rf"^{ID.pattern}$")]
Tenant = Annotated[str, Query(pattern=rf"^{ID.pattern}$")]
Language = Annotated[str, Query(max_length=2)]


def routes(context: Context, pages: Pages, vocabulary: Words) -> APIRouter:
    """`/customers/{name}`, and its one button."""
    router = APIRouter(prefix="/customers", include_in_schema=False)
    timelines = Timelines(context.queries)

    def nothing(what: str, language: str, status: int) -> HTMLResponse:
        said = {"what": label(what, language), "hint": label(f"{what}_hint", language)}
        return pages.html("nothing.html", status, shell=shell(language), language=language, **said)

    @router.api_route("/{name}", methods=["GET", "HEAD"])
    def page(
        request: Request,
        name: Name,
        tenant: Tenant = DEFAULT_TENANT,
        lang: Language = "",
        done: Annotated[str, Query(max_length=20)] = "",
        until: Annotated[int, Query(ge=0)] = 0,
    ) -> HTMLResponse:
        """The whole dialogue, the latest at its end."""
        key, language = key_of(tenant, name), language_of(lang, request.headers.get("accept-language", ""))
        whole, known = timelines.of(key), context.queries.customer(key)
        if not whole and known is None:
            return nothing("nothing", language, 404)
        last = min(until, len(whole)) or len(whole)
        first = max(0, last - SHOWN)
        some = whole[first:last]
        speech = Speech(language, pages.zone, vocabulary)
        words = words_of(PeopleClient.announced(context.settings.state_path), key, some)
        about = _about(context, key, whole, known, speech)
        return pages.html(
            "dialogue.html", shell=shell(language), language=language, say=lambda what, **values: label(what, language, **values),
            name=name, elsewhere="" if tenant == DEFAULT_TENANT else tenant, other="en" if language == "de" else "de",
            days=days(some, whole, speech, words, about["names"]), speech=speech, intents=list(Intent), nonce=secrets.token_hex(8),
            done=label("done", language) if done == "corrected" else "", earlier=first, later=last < len(whole), last=last,
            page_size=SHOWN, **about,
        )  # fmt: skip

    @router.post("/{name}/corrected")
    def corrected(
        request: Request,
        name: Name,
        heard: Annotated[str, Form(max_length=255)],
        intent: Annotated[Intent, Form()],
        nonce: Annotated[str, Form(min_length=8, max_length=64)],
        tenant: Tenant = DEFAULT_TENANT,
        lang: Language = "",
    ) -> Response:
        """Say what a reply meant: a record on the log, from which vorab learns."""
        key, language = key_of(tenant, name), language_of(lang, request.headers.get("accept-language", ""))
        try:
            made = correct(context, timelines.of(key), key, heard, intent, nonce)
        except Unavailable:
            return nothing("away", language, 503)
        if made is None:
            return nothing("nothing", language, 404)
        awaited(context.clock, lambda: context.queries.find(made.id))
        more = f"&tenant={tenant}" if tenant != DEFAULT_TENANT else ""
        return RedirectResponse(f"/customers/{name}?lang={language}{more}&done=corrected#{heard}", 303)

    return router


def correct(context: Context, entries: Sequence[Entry], customer: str, heard: str, intent: Intent, nonce: str) -> Corrected | None:
    """Write that a reply meant this; None where there is no such reply.

    Raises:
        Unavailable: the log cannot take it now.
    """
    reply = next((entry for entry in entries if entry.id == heard and entry.words == "heard"), None)
    if reply is None:
        return None
    tenant, _, name = customer.partition("/")
    before = meanings(entries).get(heard, str(reply.params.get("intent", "")))
    made = Corrected(
        id=ids.corrected_id(customer, heard, nonce), tenant=tenant, customer=name, heard=heard, intent=intent.value, before=before,
        by="agent", at=context.clock.now(),
    )  # fmt: skip
    append(context, made)
    return made


def _about(context: Context, key: str, entries: Sequence[Entry], known: Customer | None, speech: Speech) -> dict[str, Any]:
    """What is known of a customer now, and the sentence somebody who opens the page came for."""
    registry, now, language = context.queries.registry, context.clock.now(), speech.language
    devices = registry.devices_of(key, 10_000)
    names = {device.key: device.name or device.device for device in devices}
    names = {entry.device: str(entry.params["name"]) for entry in entries if entry.device and "name" in entry.params} | names
    cases = [(case, names.get(device, device.partition("/")[2]), needs) for case, device, needs in Timelines(context.queries).open(key)]
    contact = next((entry for entry in reversed(entries) if entry.kind is Kind.CONTACT), None)
    waits, who = unanswered(entries), key.partition("/")[2]
    if waits is not None:
        answer = label("answer.waits", language, name=who, since=span(now - waits.at, language))
        more = label("more.waits", language, moment=speech.moment(waits.at), channel=speech.channel(waits.channel))
    else:
        person = next((machine for _, machine, needs in cases if needs), "")
        what = "person" if person else "open" if cases else "well" if entries else "nothing"
        answer = label(f"answer.{what}", language, name=who, machine=person or (cases[0][1] if cases else ""))
        more = label("more.last", language, n=len(entries), first=speech.day(entries[0].at)) if entries else ""
    booked = [each for each in Bookings(context).of_customer(key) if each.status.value == "open" and each.start is not None]
    return {
        "answer": answer, "more": more, "jump": waits.id if waits is not None else entries[-1].id if entries else "", "names": names,
        "waiting": waits is not None, "cases": cases,
        "machines": [names[device.key] for device in devices[:MACHINES]], "more_machines": max(0, len(devices) - MACHINES),
        "contact": contact.words if contact is not None else "contact.",
        "booked": [
            (each.booking, f"{speech.of(MEETINGS, 'call' if each.how.value == 'phone' else 'visit')}, {speech.moment(each.start or 0)}")
            for each in booked
        ],
        "language_of_customer": known.language if known is not None else "",
    }  # fmt: skip
