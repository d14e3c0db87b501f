"""Incidents on the desk: one line each in the queue, a page with the cases, and both as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Security
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from desk import api_silences
from desk.api_contacts import BEARER
from desk.cases import WHO, away
from desk.context import Context
from desk.incident_queries import Child
from desk.pages import Pages
from desk.problems import RESPONSES, unknown
from desk.words import incident_sentence
from vorab.clock import iso
from vorab.errors import Unavailable
from vorab.records import Incident
from vorab.silences import IN_SETTINGS

MAX_PAGE: Final = 500
DONE: Final = {"end": "The silence is over. Cases that are not well are released, and their customers hear what there is to say."}


def incident_json(last: Incident) -> dict[str, Any]:
    """An incident as one object of a list."""
    return {
        "incident": last.incident,
        "group": last.group,
        "status": last.status.value,
        "sentence": incident_sentence(last),
        "cases": last.total,
        "open": last.open,
        "customers": last.customers,
        "devices": last.devices,
        "causes": list(last.causes),
        "root": last.root,
        "onset": iso(last.onset),
        "opened_at": iso(last.opened_at),
        "changed_at": iso(last.at),
        "until": iso(last.until) if last.until is not None else None,
    }


def child_json(child: Child) -> dict[str, Any]:
    """A case of an incident."""
    last = child.last
    return {"case": last.case, "device": last.key, "cause": last.cause, "status": last.status.value, "customer": last.customer}


def routes(context: Context, pages: Pages) -> APIRouter:
    """`/api/incidents`, `/api/incidents/{id}`, and the page `/incidents/{id}` with the button that ends a silence."""
    router = APIRouter()
    incidents = context.incidents
    api: dict[str, Any] = {"tags": ["desk"], "responses": RESPONSES, "dependencies": [Security(BEARER)]}

    @router.get("/api/incidents", **api)
    def listed(
        *,
        only_open: Annotated[bool, Query(alias="open")] = False,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
        offset: Annotated[int, Query(ge=0)] = 0,
    ) -> JSONResponse:
        """Incidents, those that are not closed first."""
        return JSONResponse([incident_json(last) for last in incidents.all(only_open=only_open, limit=limit, offset=offset)])

    @router.get("/api/incidents/{incident}", **api)
    def one(
        incident: str, limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = MAX_PAGE, offset: Annotated[int, Query(ge=0)] = 0
    ) -> JSONResponse:
        """An incident with its cases, `limit` at a time."""
        last = incidents.one(incident)
        if last is None:
            raise unknown("incident")
        found = incidents.children(incident, limit=limit, offset=offset)
        return JSONResponse({**incident_json(last), "children": [child_json(child) for child in found]})

    @router.api_route("/incidents/{incident}", methods=["GET", "HEAD"], include_in_schema=False)
    def page(incident: str, done: Annotated[str, Query(max_length=20)] = "") -> HTMLResponse:
        """What they have in common, and the cases; of a silence also who set it, and why."""
        last = incidents.one(incident)
        if last is None:
            return pages.html("nothing.html", 404, what="no such incident", hint="It may be older than what is kept.")
        silence = api_silences.find(context, incident) if last.until is not None else None
        return pages.html(
            "incident.html",
            last=last,
            sentence=incident_sentence(last),
            children=incidents.children(incident),
            silence=silence,
            over=silence is not None and silence.over(context.clock.now()),
            in_settings=IN_SETTINGS,
            done=DONE.get(done, ""),
        )

    @router.post("/incidents/{incident}/end", include_in_schema=False)
    def end(incident: str, who: Annotated[str, Form(pattern=WHO)] = "") -> Response:
        """A person ends a silence before its time."""
        silence = api_silences.find(context, incident)
        if silence is None or silence.said.by == IN_SETTINGS:
            return pages.html("nothing.html", 404, what="no such silence", hint="One of the settings ends there, or by itself.")
        if not who or silence.over(context.clock.now()):
            return RedirectResponse(f"/incidents/{incident}", 303)
        try:
            api_silences.end(context, silence, f"agent-{who}")
        except Unavailable:
            return away(pages)
        return RedirectResponse(f"/incidents/{incident}?done=end", 303)

    return router
