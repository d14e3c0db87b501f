"""A customer with a history: a fault, a restart that did not help, messages, replies, calls, a verdict, an incident, and what is sold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from tests.unit.desk.house import MORNING, NIGHT, Story, doubted, healed
from vorab import ids
from vorab.clock import DAY, HOUR, MINUTE, Micros
from vorab.records import (
    Answered,
    Booking,
    BookingKind,
    BookingStatus,
    CaseKind,
    Command,
    CommandKind,
    Contact,
    ContactState,
    Corrected,
    HandedTo,
    Heard,
    Incident,
    IncidentKind,
    Offer,
    OfferKind,
    Record,
    Request,
    RequestKind,
    Stage,
)
from vorab.sealing import new_key, opened, seal

KEY = new_key()
WHO = "main/c-1"


class Keys:
    """A port to people that has the key of one customer, as a notifier would."""

    def opened(self, customer: str, sealed: Sequence[str]) -> Sequence[str | None]:
        """The words, where they are this customer's."""
        return [opened(KEY if customer == WHO else None, customer, each) for each in sealed]


def heard(name: str, at: Micros, words: str, intent: str = "", *, case: str = "", person: bool = False, **changes: object) -> Heard:
    """The customer has said something."""
    made = {
        "id": name, "customer": "c-1", "case": case, "channel": "mail", "said": seal(KEY, WHO, words), "intent": intent,
        "handed_to": HandedTo.PERSON if person else HandedTo.VORAB, "at": at,
    }  # fmt: skip
    return Heard.model_validate({**made, **changes})


def answered(name: str, to: str, at: Micros, words: str, answer: str = "state_of_device", **changes: object) -> Answered:
    """And was answered."""
    made = {"id": name, "customer": "c-1", "heard": to, "channel": "mail", "answer": answer, "said": seal(KEY, WHO, words), "at": at}
    return Answered.model_validate({**made, **changes})


def corrected(name: str, of: str, at: Micros, intent: str, before: str = "") -> Corrected:
    """A person says what was meant."""
    return Corrected(id=name, customer="c-1", heard=of, intent=intent, before=before, by="agent", at=at)


def booking(kind: BookingKind, at: Micros, case: str, because: str, **changes: object) -> Booking:
    """Something became of a call."""
    made = {
        "id": ids.booking_event_id("call-1", kind, because), "customer": "c-1", "booking": "call-1", "kind": kind,
        "status": BookingStatus.OPEN,
        "case": case, "device": "heat-pump-002", "start": MORNING + 9 * HOUR, "end": MORNING + 9 * HOUR + 30 * MINUTE, "at": at,
        "because": because,
    }  # fmt: skip
    return Booking.model_validate({**made, **changes})


def contact(state: Contact, at: Micros, **changes: object) -> ContactState:
    """Whether others may write now."""
    made = {"id": ids.contact_state_id(WHO, state, at), "customer": "c-1", "state": state, "at": at}
    return ContactState.model_validate({**made, **changes})


def command(story: Story, kind: CommandKind, at: Micros, detail: str = "", **changes: object) -> Command:
    """Somebody asks for something about a case."""
    made = {
        "id": ids.command_id(story.key, kind, f"{at}"), "device": story.device, "kind": kind, "case": story.case, "at": at, "by": "agent",
        "detail": detail,
    }  # fmt: skip
    return Command.model_validate({**made, **changes})


def history() -> tuple[Story, list[Record]]:
    """All of it, and the case that is open."""
    old = healed("heat-pump-001", onset=NIGHT - 3 * DAY)
    story = doubted("heat-pump-002")
    case, told = story.case, story.note(Stage.PERSON_NEEDED)
    call = Request(
        id=ids.request_id(WHO, RequestKind.CALL_ME, told), customer="c-1", kind=RequestKind.CALL_ME, case=case, device=story.device,
        at=MORNING + 22 * MINUTE, notification=told,
    )  # fmt: skip
    wish = command(story, CommandKind.CALL, call.at, by="customer", because=call.id)
    note = command(story, CommandKind.NOTE, MORNING + 30 * MINUTE, "spare valve is in the van")
    verdict = command(story, CommandKind.WRONG, MORNING + 50 * MINUTE, "“Restart”: did not help", about="remedy:restart")
    story.event(CaseKind.CALL_WISHED, wish.at, because=wish.id, detail="customer:")
    story.event(CaseKind.NOTED, note.at, because=note.id, detail="agent: spare valve is in the van")
    story.event(CaseKind.NOTED, verdict.at, because=verdict.id, detail="agent: “Restart”: did not help")
    talk: list[Record] = [
        contact(Contact.FAULT_OPEN, NIGHT + 5 * MINUTE, open=1),
        heard("r-1", MORNING + 5 * MINUTE, "Guten Morgen, was ist denn mit meiner Wärmepumpe?", "status", case=case, answers=told),
        answered("a-1", "r-1", MORNING + 6 * MINUTE, "Sie hat zu wenig Druck. Ein Mensch kümmert sich heute darum.",
                 source=f"case:{case[:8]}"),
        heard("r-2", MORNING + 12 * MINUTE, "ham se des scho wieder, mir langts, des is des dritte Mal!", "", case=case, person=True,
              doubts=("anger", "repeated")),
        call,
        wish,
        booking(BookingKind.BOOKED, MORNING + 23 * MINUTE, case, call.id, by="customer"),
        note,
        verdict,
        corrected("k-1", "r-2", MORNING + 32 * MINUTE, "still_broken"),
        heard("r-3", MORNING + 60 * MINUTE, "ja passt, bis nachher 👍", "thanks", case=case, channel="telegram"),
        Offer(
            id="o-1", customer="c-1", kind=OfferKind.PART, what="PV-4711", case=case, device=story.device, article="pump-valve",
            at=MORNING + 31 * MINUTE, because="x",
        ),
        Offer(
            id="o-2", customer="c-1", kind=OfferKind.CONTRACT, what="k-17", ends=date(2027, 1, 31), case=case, device=story.device,
            mention=True,
            at=MORNING + 31 * MINUTE, because="x",
        ),
        Incident(
            id="i-1", incident="storm-1", kind=IncidentKind.OPENED, group="site/ahornweg|low_pressure", at=NIGHT + 8 * MINUTE,
            opened_at=NIGHT + 8 * MINUTE, onset=NIGHT, children=(case, "another"), total=14,
        ),
    ]  # fmt: skip
    return story, [*old.records, *story.records, *talk]
