"""TMF621 Trouble Ticket as a client: what we want of a ticket as HTTP, and what came back as a `Ticket`.

Source: TM Forum TMF621 Trouble Ticket Management API REST Specification 4.0.0 and 5.0.1, TMF630 REST API Design Guidelines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from desk.partner.mirror import AUTHOR, State, Story
from desk.partner.tickets import Change, Create, Find, Note, Read, Ticket
from desk.tmf621 import ticket as ticket_body
from vorab.clock import iso
from vorab.outbound.call import Answer, CallFailed, Trouble
from vorab.partners import Partner
from vorab.records import CaseEvent, Status

Call = Callable[[str, str, Mapping[str, str], bytes | None], Answer]
"""Method, address, headers and body."""

SERVERS: Final = (
    "id",
    "href",
    "externalId",
    "creationDate",
    "lastUpdate",
    "statusChangeDate",
    "statusChange",
    "resolutionDate",
    "@baseType",
)
"""What only the server of a ticket writes."""
MOST_FOUND: Final = 20
STATUSES: Final = {status.value.casefold(): status.value for status in Status}


class TicketSystem:
    """A partner's tickets.

    Args:
        partner: What the settings say about it.
        call: Makes the call.
        authorization: The header that shows who we are.
    """

    def __init__(self, partner: Partner, call: Call, authorization: Callable[[], Mapping[str, str]]) -> None:
        self._partner, self._call, self._authorization = partner, call, authorization
        self._tickets = f"{partner.base_url.rstrip('/')}/troubleTicket"

    def do(self, step: Find | Create | Read | Change) -> Ticket | None:
        """Do it; raises CallFailed."""
        match step:
            case Find():
                return self._find(step)
            case Create():
                return self._create(step.story)
            case Read():
                return ticket_of(self._json("GET", self._address(step.ticket)))
            case Change():
                return self._change(step)

    def register(self, callback: str) -> None:
        """Tell its hub where to send events; raises CallFailed."""
        try:
            self._json("POST", f"{self._partner.base_url.rstrip('/')}/hub", {"callback": callback, "query": ""})
        except CallFailed as error:
            if "409" not in error.detail:  # it knows that address already
                raise

    def _find(self, step: Find) -> Ticket | None:
        name = "externalId" if self._partner.version == "v4" else "externalIdentifier.id"
        found = self._json("GET", f"{self._tickets}?{urlencode({name: step.case, 'limit': MOST_FOUND})}").json()
        rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
        ours = [row for row in rows if step.case in external_ids(row)]
        if ours:
            return ticket_of(self._json("GET", self._address(str(min(ours, key=lambda row: str(row.get("creationDate", "")))["id"]))))
        if rows and step.again:
            raise CallFailed(Trouble.UNKNOWN, f"a ticket may be there already, and tickets cannot be found by {name}")
        return None

    def _create(self, story: Story) -> Ticket:
        event, want = story.last, State.of(story.last)
        answer = self._json("POST", self._tickets, self._body(story))
        body = answer.json()
        name = str(body.get("id", "")) if isinstance(body, dict) else ""
        name = name or answer.headers.get("location", "").rstrip("/").rpartition("/")[2]
        if not name:
            raise CallFailed(Trouble.UNREADABLE, "the ticket was opened, and its id was not said")
        ours = [Note(note.id, AUTHOR, note.detail) for note in story.notes()]
        return ticket_of(answer, name, want, ours) if isinstance(body, dict) and "status" in body else Ticket(name, State.of(event), ours)

    def _change(self, step: Change) -> Ticket:
        changes: dict[str, Any] = {}
        if step.ticket.state.status != step.want.status:
            changes |= {"status": step.want.status, "statusChangeReason": step.reason}
        if step.ticket.state.priority != step.want.priority:
            changes["priority"] = step.want.priority
        fresh = [note_body(event) for event in step.notes]
        if fresh:
            changes["note"] = fresh if self._partner.notes == "append" else [*(note.raw for note in step.ticket.notes), *fresh]
        match = {"If-Match": step.ticket.etag} if step.ticket.etag else {}
        media = "application/json" if self._partner.version == "v4" else "application/merge-patch+json"
        answer = self._json("PATCH", self._address(step.ticket.id), changes, {"Content-Type": media, **match})
        return ticket_of(answer, step.ticket.id, step.want, step.ticket.notes)

    def _body(self, story: Story) -> dict[str, Any]:
        event = story.last
        body = {name: value for name, value in ticket_body(event).items() if name not in SERVERS}
        if self._partner.notes != "none" and (notes := story.notes()):
            body["note"] = [note_body(note) for note in notes]
        if self._partner.version == "v4":
            return body | {"externalId": event.case}
        body["relatedEntity"] = [_referred(row, "entity", "EntityRef") for row in body["relatedEntity"]]
        body["relatedParty"] = [_referred(row, "partyOrPartyRole", "PartyRef") for row in body["relatedParty"]]
        known = {"id": event.case, "owner": "vorab", "externalIdentifierType": "case", "@type": "ExternalIdentifier"}
        return body | {"externalIdentifier": [known]}

    def _address(self, name: str) -> str:
        return f"{self._tickets}/{quote(name, safe='')}"

    def _json(self, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        kind = {"Content-Type": "application/json"} if data else {}
        return self._call(method, url, {**kind, **self._authorization(), **(headers or {})}, data)


def ticket_of(answer: Answer, name: str = "", want: State | None = None, notes: Sequence[Note] = ()) -> Ticket:
    """The ticket an answer holds; where it holds none (202, 204), what it must be now."""
    body = answer.json()
    if not isinstance(body, dict):
        if want is None:
            raise CallFailed(Trouble.UNREADABLE, "that is no ticket")
        return Ticket(name, want, notes)
    return Ticket(str(body.get("id") or name), state_of(body), notes_of(body) or notes, answer.headers.get("etag", ""))


def state_of(body: Mapping[str, Any]) -> State:
    """What a ticket says it stands at; empty where it says nothing."""
    status, priority = str(body.get("status") or ""), str(body.get("priority") or "")
    return State(STATUSES.get(status.casefold(), status), priority.strip().capitalize())


def notes_of(body: Mapping[str, Any]) -> list[Note]:
    """The notes of a ticket."""
    found = body.get("note")
    rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    return [Note(str(row.get("id") or ""), str(row.get("author") or ""), str(row.get("text") or ""), row) for row in rows]


def note_body(event: CaseEvent) -> dict[str, Any]:
    """A fact with words as a note."""
    return {"id": event.id, "date": iso(event.at), "author": AUTHOR, "text": event.detail, "@type": "Note"}


def external_ids(body: Mapping[str, Any]) -> set[str]:
    """The names others have for a ticket."""
    found = body.get("externalIdentifier")
    rows = found if isinstance(found, list) else []
    return {str(row.get("id")) for row in rows if isinstance(row, dict)} | ({str(body["externalId"])} if body.get("externalId") else set())


def _referred(row: Mapping[str, Any], inner: str, kind: str) -> dict[str, Any]:
    """A reference in the form of v5, from that of v4."""
    return {"role": row["role"], "@type": row["@type"], inner: {"id": row["id"], "@type": kind, "@referredType": row["@referredType"]}}
