"""What partners send us: who may, what it says, and what becomes of it.

An event of a ticket system is a hint to look at the ticket. A webhook is a wish: signed, not older than five minutes, taken once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from desk.partner import facts
from desk.partner.mirror import Mirror, State, Story, Wish, kinds_for
from desk.partner.outbox import Outbox
from desk.partner.relay import Write, command_of
from desk.partner.tickets import Note
from desk.partner.tmf621 import external_ids, notes_of, state_of
from vorab.clock import Clock
from vorab.errors import ConfigError, Unavailable, VorabError
from vorab.metrics import metric
from vorab.outbound import credentials, signatures
from vorab.partners import Partner
from vorab.records import CommandKind

WISH: Final = "io.vorab.wish.v1"
"""The CloudEvents type of what a partner asks for by webhook."""


class Refused(VorabError):
    """A message that is not taken, with its HTTP status and the words of the answer."""

    def __init__(self, status: int, result: str, why: str) -> None:
        self.status, self.result, self.why = status, result, why
        super().__init__(f"{status} {why}")


class WishData(BaseModel):
    """`data` of a wish."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    case: Annotated[str, Field(min_length=1, max_length=255)]
    seq: Annotated[int, Field(ge=-1)]
    """The newest fact of the case that the partner had read when it asked."""
    status: Literal["", "inProgress", "resolved", "closed", "cancelled"] = ""
    note: Annotated[str, Field(max_length=1_000)] = ""
    ticket: Annotated[str, Field(max_length=128, pattern=r"^[\w./:#-]*$")] = ""


class Intake:
    """Takes what one desk is sent by its partners."""

    def __init__(self, partners: Mapping[str, Partner], outbox: Outbox, write: Write, clock: Clock) -> None:
        self._partners, self._outbox, self._write, self._clock = partners, outbox, write, clock

    def take(self, name: str, headers: Mapping[str, str], body: bytes) -> str:
        """Take a message; returns what became of it: `taken`, `repeated` or `echo`.

        Raises:
            Refused: it is not taken.
        """
        partner = self._partners.get(name)
        if partner is None:
            self._count("", "unknown")
            raise Refused(404, "unknown", "there is no such partner")
        try:
            result = self._wish(partner, headers, body) if partner.kind == "webhook" else self._event(partner, headers, body)
        except Refused as refusal:
            self._count(name, refusal.result)
            raise
        except ConfigError:
            self._count(name, "config")
            raise Refused(503, "config", "this desk cannot read its credentials") from None
        except Unavailable:
            self._count(name, "away")
            raise Refused(503, "away", "the log is away, or whoever seals words; send it again") from None
        self._count(name, result)
        return result

    # ------------------------------------------------------------------------------------------------ ticket systems

    def _event(self, partner: Partner, headers: Mapping[str, str], body: bytes) -> str:
        if not credentials.lets_in(partner, headers.get("authorization", "")):
            raise Refused(401, "credentials", "a bearer token is wanted, and known here")
        event = _json(body)
        inner = event.get("event")
        ticket = inner.get("troubleTicket") if isinstance(inner, dict) else None
        if not isinstance(ticket, dict):
            raise Refused(400, "unreadable", "there is no event.troubleTicket")
        message = str(event.get("eventId") or "") or hashlib.sha256(body).hexdigest()
        if self._outbox.has_heard(partner.name, message[:255]):
            return "repeated"
        mirror = self._outbox.of(partner.name, ticket=str(ticket.get("id") or ""))
        mirror = mirror or next((found for name in external_ids(ticket) if (found := self._outbox.of(partner.name, case=name))), None)
        if mirror is None:
            return "foreign"  # a hub tells of all tickets, also of those that are none of our business
        now = self._clock.now()
        echo = is_echo(mirror, self._outbox.story(mirror), ticket)
        if not echo:
            self._outbox.want(mirror, now)
        self._outbox.hear(partner.name, message[:255], now)
        return "echo" if echo else "taken"

    # ------------------------------------------------------------------------------------------------------ webhooks

    def _wish(self, partner: Partner, headers: Mapping[str, str], body: bytes) -> str:
        now = self._clock.now()
        try:
            message = signatures.verify(credentials.secrets(partner), headers, self._clock.wall(now), body)
        except signatures.SignatureRefused as error:
            raise Refused(401, "signature", str(error)) from None
        if self._outbox.has_heard(partner.name, message):
            return "repeated"
        envelope = _json(body)
        if envelope.get("specversion") != "1.0" or envelope.get("type") != WISH:
            raise Refused(400, "unreadable", f"a CloudEvent 1.0 of type {WISH} is wanted")
        try:
            wish = WishData.model_validate(envelope.get("data"))
        except ValidationError as error:
            first: Any = error.errors(include_url=False, include_context=False, include_input=False)[0]
            raise Refused(400, "unreadable", f"data.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        mirror = self._outbox.of(partner.name, case=wish.case)
        if mirror is None:
            raise Refused(404, "foreign", "this case is not mirrored to you")
        if wish.seq > mirror.last_seq:
            raise Refused(409, "unreadable", f"the case has no fact {wish.seq} yet")
        story = self._outbox.story(mirror)
        for each in wishes_of(partner.name, message, wish, story):
            self._write(self._outbox.sealed(command_of(partner.name, mirror, each, now), story))
            metric("vorab_partner_wishes_total").labels(partner.name, each.kind.value).inc()
        self._outbox.named(mirror, wish.ticket, now)
        self._outbox.hear(partner.name, message, now)
        return "taken"

    def _count(self, partner: str, result: str) -> None:
        metric("vorab_partner_heard_total").labels(partner, result).inc()


def wishes_of(partner: str, message: str, wish: WishData, story: Story) -> list[Wish]:
    """The commands a wish becomes; the note first, so that it stands before what it explains."""
    because, nonce = facts.because_of(message, wish.seq), f"{partner}:{message}"
    found = [Wish(CommandKind.NOTE, nonce, wish.note.strip(), because)] if wish.note.strip() else []
    kinds = kinds_for(story.last.status, wish.status) if wish.status else ()
    return found + [Wish(kind, nonce, f"{partner} set it to {wish.status}", because) for kind in kinds]


def is_echo(mirror: Mirror, story: Story, ticket: Mapping[str, Any]) -> bool:
    """Whether an event only says what we know, or are about to say ourselves."""
    state = state_of(ticket)
    if not state.status:
        return False
    want, known = State.of(story.last), mirror.known
    states = {(each.status, each.priority if state.priority else "") for each in (want, known) if each}
    ours = {event.id for event in story.events} | {event.detail for event in story.notes()}
    return (state.status, state.priority) in states and all(_known(note, mirror, story, ours) for note in notes_of(ticket))


def _known(note: Note, mirror: Mirror, story: Story, ours: set[str]) -> bool:
    if {note.id, note.text} & ours:
        return True
    nonce = f"{mirror.partner}:{mirror.ticket}:note:{note.key}"
    return Wish(CommandKind.NOTE, nonce).command(mirror.device) in story.asked


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refused(400, "unreadable", "that is no JSON object")
    return found
