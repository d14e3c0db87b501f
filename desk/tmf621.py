"""TMF621 Trouble Ticket v4, read side: cases as any service desk already knows them.

Source: TM Forum TMF621 Trouble Ticket Management API REST Specification 4.0.0.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from desk.queries import CaseFile, CaseRow, Queries
from vorab.clock import iso
from vorab.records import CaseEvent, CaseKind, Severity, Status

BASE: Final = "/tmf-api/troubleTicket/v4"
MAX_PAGE: Final = 200

PRIORITIES: Final = {1: "Critical", 2: "High", 3: "Medium", 4: "Low", 5: "Low"}
SEVERITIES: Final = {Severity.CRITICAL: "Critical", Severity.MAJOR: "Major", Severity.MINOR: "Minor", Severity.WARNING: "Warning"}


def ticket(event: CaseEvent, history: list[CaseEvent] | None = None) -> dict[str, Any]:
    """The trouble ticket of a case; with its history where that is at hand."""
    href = f"{BASE}/troubleTicket/{event.case}"
    found: dict[str, Any] = {
        "id": event.case,
        "href": href,
        "name": f"{event.name or event.device}: {event.cause.replace('_', ' ')}",
        "description": event.detail or f"{event.cause.replace('_', ' ')} on {event.device}",
        "severity": SEVERITIES[event.severity],
        "priority": PRIORITIES[event.priority],
        "ticketType": "proactiveIncident",
        "status": event.status.value,
        "statusChangeDate": iso(event.at),
        "creationDate": iso(event.opened_at),
        "lastUpdate": iso(event.at),
        "channel": {"id": "vorab", "name": "proactive", "@type": "ChannelRef"},
        "relatedEntity": [{"id": event.key, "role": "affectedDevice", "@referredType": "Resource", "@type": "RelatedEntity"}],
        "relatedParty": [],
        "externalId": event.id,
        "@type": "TroubleTicket",
        "@baseType": "TroubleTicket",
    }
    if event.customer:
        found["relatedParty"] = [{"id": event.customer, "role": "customer", "@referredType": "Customer", "@type": "RelatedParty"}]
    if not event.status.open:
        found["resolutionDate"] = iso(event.at)
    if history:
        _add_history(found, history)
    return found


def _add_history(found: dict[str, Any], history: list[CaseEvent]) -> None:
    changes, status = [], None
    for event in history:
        if event.status is not status:
            status = event.status
            changes.append({"status": status.value, "changeDate": iso(event.at), "changeReason": event.kind.value, "@type": "StatusChange"})
    found["statusChange"] = changes
    found["statusChangeReason"] = changes[-1]["changeReason"]
    found["note"] = [
        {"id": event.id, "date": iso(event.at), "author": "vorab", "text": event.detail, "@type": "Note"}
        for event in history
        if event.detail and event.kind in {CaseKind.NOTED, CaseKind.HANDED_OVER, CaseKind.DISPROVED, CaseKind.FALSE_ALARM}
    ]


def _selected(found: dict[str, Any], fields: str | None) -> dict[str, Any]:
    if not fields:
        return found
    wanted = {"id", "href", "@type", *(name.strip() for name in fields.split(","))}
    return {name: value for name, value in found.items() if name in wanted}


def error(status: int, code: str, reason: str, message: str) -> JSONResponse:
    """An error as TMF630 wants it."""
    return JSONResponse({"code": code, "reason": reason, "message": message, "status": str(status), "@type": "Error"}, status)


def _of_row(row: CaseRow) -> dict[str, Any]:
    return ticket(row.last)


def _of_file(file: CaseFile) -> dict[str, Any]:
    return ticket(file.last, file.events)


def routes(queries: Queries) -> APIRouter:
    """`GET /troubleTicket` and `GET /troubleTicket/{id}`."""
    router = APIRouter(prefix=BASE, tags=["TMF621"])

    @router.get("/troubleTicket")
    def list_tickets(
        request: Request,
        fields: str | None = None,
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    ) -> JSONResponse:
        """Trouble tickets; any top-level attribute filters by equality (`?status=held`)."""
        wanted = {name: value for name, value in request.query_params.items() if name not in {"fields", "offset", "limit"}}
        if "status" in wanted and wanted["status"] not in {status.value for status in Status}:
            return error(400, "22", "unknown status", f"status is one of {', '.join(status.value for status in Status)}")
        tickets = [_of_row(row) for row in queries.cases(limit=100_000)]
        matching = [found for found in tickets if all(str(found.get(name)) == value for name, value in wanted.items())]
        page = [_selected(found, fields) for found in matching[offset : offset + limit]]
        counted = {"X-Total-Count": str(len(matching)), "X-Result-Count": str(len(page))}
        return JSONResponse(page, headers=counted)

    @router.get("/troubleTicket/{ticket_id}")
    def one_ticket(ticket_id: str, fields: str | None = None) -> JSONResponse:
        """One trouble ticket with its history."""
        file = queries.case(ticket_id)
        if file is None:
            return error(404, "60", "not found", "there is no trouble ticket with this id")
        return JSONResponse(_selected(_of_file(file), fields))

    return router
