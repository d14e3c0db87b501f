"""Customers: whether anybody must be told of a case, and what; and what customers ask for, as commands to the case.

Everything that could be said is decided here and handed to the notifier, which has the last word when it sends: so "not sent: already
fixed" is a fact that can be counted, not an absence.

A case that was just opened waits for the word of `incidents`: that it stands for itself, or that it is one of many. Of an incident a
customer is told once, in place of what each case in it has to say, and once that it is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar, Final

import msgspec

from streams.care.account import Account, money
from streams.care.policy import Care
from streams.cases.policy import Policy
from streams.contact_state import BLOCK as CONTACT
from streams.contact_state import ContactBook
from streams.customers_told import SAYS, WANTS, Folded, Told, stage_of
from streams.offers import Parts, no_parts, offers
from vorab import ids, topics
from vorab.clock import DAY, HOUR, SECOND, Micros, iso
from vorab.errors import Reason, Rejected
from vorab.frame import Frame
from vorab.processor import Input, Kind, Out, Registry, kind_of
from vorab.records import (
    CaseEvent,
    CaseKind,
    Command,
    CommandKind,
    Incident,
    IncidentKind,
    Notification,
    Offer,
    Record,
    Request,
    RequestKind,
    Scalar,
    Stage,
)
from vorab.sealing import marked
from vorab.settings import Incidents

EXPIRES: Final[Mapping[Stage, Micros]] = {
    Stage.CONSENT: 12 * HOUR,  # as long as an answer is waited for by default
    Stage.PERSON_NEEDED: 2 * DAY,
    Stage.INCIDENT: 2 * DAY,
    Stage.HEALED: DAY,  # older news of something that is over is no news
    Stage.RESOLVED: 2 * DAY,
}

ASKED: Final[Mapping[RequestKind, CommandKind]] = {
    RequestKind.WAS_WRONG: CommandKind.FALSE_ALARM,
    RequestKind.TOO_LATE: CommandKind.TOO_LATE,
    RequestKind.CALL_ME: CommandKind.CALL,
    RequestKind.CONSENT: CommandKind.CONSENT,
    RequestKind.NO_CONSENT: CommandKind.NO_CONSENT,
}

REMEMBERED: Final = 2_000
"""Cases of a partition that are remembered after they are over, so that repeated events change nothing; and none for longer than a day."""


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Told).decode
_decode_folded: Final = msgspec.msgpack.Decoder(Folded).decode

FOLDED: Final = "incident/"
"""How the names of blocks begin that are about incidents."""

_decode_account: Final = msgspec.msgpack.Decoder(Account).decode

ACCOUNT: Final = "account:"
"""Begins the names of blocks that are accounts of goodwill; the customer's key follows. Ids of cases hold no colon."""


class Customers:
    """Decides what there is to say."""

    name: ClassVar[str] = "customers"
    inputs: ClassVar[tuple[Input, ...]] = (Input(topics.CASES_BY_CUSTOMER, gating=False), Input(topics.REQUESTS, gating=False))
    outputs: ClassVar[tuple[str, ...]] = (topics.NOTIFICATIONS, topics.COMMANDS, topics.CONTACT_STATE, topics.OFFERS)
    ticks: ClassVar[tuple[str, ...]] = ()
    schema: ClassVar[int] = 3

    def __init__(
        self,
        policy: Policy,
        options: Incidents | None = None,
        care: Care | None = None,
        contact: ContactBook | None = None,
        hints: Callable[[CaseEvent], Iterable[Offer]] = lambda _: (),
    ) -> None:
        """Without `options`, or where they say so, no case waits for the word of `incidents`; `hints` is what a case suggests to sell."""
        self._contact, self._hints = contact or ContactBook(lambda _: None, 0), hints
        self._policy, self._care = policy, care or Care()
        self._waits = options is not None and options.on
        self._at_once = options.at_once_priority if options is not None else 0
        self._cases: dict[str, Told] = {}
        self._folded: dict[str, Folded] = {}
        """By incident and customer."""
        self._over: dict[str, Micros] = {}
        """Cases that are over, by when, the earliest first."""
        self._accounts: dict[str, Account] = {}
        """Goodwill by customer, whose single writer this is."""
        self._changed: set[str] = set()

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the shape
        """Fold a case event or an incident, or pass a request on; raises Rejected for a request about somebody else's device."""
        if isinstance(record, CaseEvent) and topic == topics.CASES_BY_CUSTOMER:
            return list(self._hear(record))
        if isinstance(record, Incident) and topic == topics.CASES_BY_CUSTOMER:
            return list(self._gather(record))
        if isinstance(record, Request) and topic == topics.REQUESTS:
            return [self._pass_on(record)]
        raise Rejected(Reason.BAD_RECORD, f"a {type(record).__name__} on {topic}")

    def due(self, now: Micros) -> Iterable[Out]:
        """Whoever has not had a fault for long enough may be written to again."""
        return [Out(topics.CONTACT_STATE, state) for state in self._contact.due(now)]

    def dirty(self) -> Mapping[str, bytes]:
        """One block per case that changed, per customer in an incident, and per account."""
        blocks: dict[str, bytes] = {}
        for name in sorted(self._changed):
            thing = self._folded.get(name) or self._accounts.get(name) or self._cases.get(name)
            blocks[name] = _encode(thing) if thing is not None else b""
        self._changed.clear()
        return blocks | self._contact.dirty()

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over the cases, who is in which incident, and the accounts."""
        kept = {name: block for name, block in blocks.items() if block}
        self._folded = {name: _decode_folded(block) for name, block in kept.items() if name.startswith(FOLDED)}
        self._accounts = {name: _decode_account(block) for name, block in kept.items() if name.startswith(ACCOUNT)}
        self._cases = {name: _decode(block) for name, block in kept.items() if not name.startswith((FOLDED, ACCOUNT, CONTACT))}
        self._contact.restore(kept)
        over = sorted((told.over_at, case) for case, told in self._cases.items() if told.over_at is not None)
        self._over = {case: at for at, case in over}

    def _hear(self, event: CaseEvent) -> Iterator[Out]:
        told = self._cases.setdefault(event.case, Told(event.case, event.key))
        if event.seq <= told.seq:
            return  # it came twice
        told.take(event)
        self._changed.add(event.case)
        yield from (Out(topics.CONTACT_STATE, state) for state in self._contact.hear(event))
        yield from (Out(topics.OFFERS, offer) for offer in self._hints(event))
        if event.kind is CaseKind.GOODWILL_ASKED:
            yield self._count(event)
        if told.over_at is None:
            self._over.pop(event.case, None)
        folded = self._folded.get(told.incident)
        if event.kind is CaseKind.OPENED and folded is None and not told.alone:
            told.waits = self._waits and event.priority > self._at_once and event.tenant != topics.RECORDED_TENANT
        if folded is not None:
            yield from self._within(told.incident, folded, told, event)
        elif told.waits:
            if event.kind in SAYS:
                told.hold(event)
            told.pending += [out.record.model_dump_json().encode() for out in self._speak(told, event)]
        else:
            yield from self._speak(told, event)
        if told.over_at is not None:
            self._over.setdefault(event.case, told.over_at)
            self._forget(event.at)

    def _count(self, event: CaseEvent) -> Out:
        """Whether the customer's account allows it; the case hears of it by a command."""
        name, cap = ACCOUNT + topics.key_of(event.tenant, event.customer), round(self._care.goodwill.per_year * 100)
        account = self._accounts.setdefault(name, Account())
        granted = account.ask(event.id, event.at, event.amount_cents, cap)
        self._changed.add(name)
        kind = CommandKind.GOODWILL_COUNTED if granted else CommandKind.GOODWILL_OVER
        of = f"{money(account.given(event.at), event.currency)} of {money(cap, event.currency)} in a year"
        detail = f"{event.gesture}, {money(event.amount_cents, event.currency)}; {of}"
        return Out(
            topics.COMMANDS,
            Command(
                id=ids.command_id(event.key, kind, event.id), tenant=event.tenant, device=event.device, kind=kind, case=event.case,
                at=event.at, by="account", because=event.id, detail=detail if granted else f"not within the yearly cap: {of}",
            ),
        )  # fmt: skip

    def _speak(self, told: Told, event: CaseEvent) -> Iterator[Out]:
        """Say what a case has to say for itself, once."""
        stage = stage_of(told, event)
        if stage is not None and stage not in told.stages:
            told.stages.append(stage)
            yield Out(topics.NOTIFICATIONS, self._notification(stage, told, event))

    # -------------------------------------------------------------------------------------------- incidents

    def _gather(self, incident: Incident) -> Iterator[Out]:
        """Take the word of `incidents` about cases of a customer."""
        name = f"{FOLDED}{incident.incident}/{topics.key_of(incident.tenant, incident.customer)}"
        cases = [self._cases.setdefault(case, Told(case, "")) for case in incident.children]
        self._changed.update(incident.children)
        self._over.update((told.case, incident.at) for told in cases if told.seq < 0)  # if nobody ever tells of it
        match incident.kind:
            case IncidentKind.ALONE:
                for told in cases:
                    pending, told.pending = told.pending, []
                    told.alone, told.waits = True, False
                    yield from (Out(topics.NOTIFICATIONS, Notification.model_validate_json(body)) for body in pending)
                    told.held = told.held if told.incident else []
            case IncidentKind.RELEASED:
                yield from self._release(name, cases)
            case _ if cases:
                folded = self._folded.setdefault(name, Folded(incident.incident, quiet=incident.until is not None))
                fresh = [told for told in cases if told.incident != name]
                for told in fresh:
                    told.unsay()
                    told.incident = name
                    folded.join(told)
                for told in fresh:
                    last = told.last()
                    if last is not None and last.kind in WANTS and told.open:
                        yield from self._tell(folded, told, last)
                yield from self._end(name, folded)

    def _release(self, name: str, cases: Iterable[Told]) -> Iterator[Out]:
        """These cases speak for themselves again; the others may all be well."""
        folded = self._folded.get(name)
        if folded is None:
            return
        for told in cases:
            if told.incident == name:
                told.incident = ""
                folded.leave(told.case)
                if folded.told:
                    told.stages.append(Stage.INCIDENT)
                last, told.held = told.last(), []
                if last is not None:  # it speaks for itself again, first of where it stands now
                    yield from self._speak(told, last)
        yield from self._end(name, folded)
        self._drop(name)

    def _within(self, name: str, folded: Folded, told: Told, event: CaseEvent) -> Iterator[Out]:
        """An event of a case in an incident: what it has to say is kept for when it stands for itself again."""
        folded.note(told)
        self._changed.add(name)
        if event.kind in SAYS:
            told.hold(event)
        if event.kind in WANTS:
            yield from self._tell(folded, told, event)
        yield from self._end(name, folded)

    def _tell(self, folded: Folded, told: Told, event: CaseEvent) -> Iterator[Out]:
        if folded.wants():
            folded.told = told.case
            yield Out(topics.NOTIFICATIONS, self._notification(Stage.INCIDENT, told, event, folded))

    def _end(self, name: str, folded: Folded) -> Iterator[Out]:
        """As soon as all of a customer's cases are well, the customer hears so once, whoever else is still waited for."""
        self._changed.add(name)
        if folded.open or folded.over:
            return
        folded.over = True
        ends = [event for case in (folded.told, *folded.cases) if (event := self._end_of(name, case)) is not None]
        if ends and not folded.quiet:
            stage = Stage.RESOLVED if folded.told else Stage.HEALED
            yield Out(topics.NOTIFICATIONS, self._notification(stage, self._cases[ends[0].case], ends[0], folded))

    def _end_of(self, name: str, case: str) -> CaseEvent | None:
        told = self._cases.get(case)
        last = told.last() if told is not None and told.incident == name else None
        return last if last is not None and last.kind is CaseKind.RESOLVED else None

    def _drop(self, name: str) -> None:
        if name in self._folded and not self._folded[name].cases:
            del self._folded[name]
            self._changed.add(name)

    # --------------------------------------------------------------------------------------------- messages

    def _forget(self, now: Micros) -> None:
        while self._over:
            case, at = next(iter(self._over.items()))
            if len(self._over) <= REMEMBERED and at > now - DAY:
                return
            told = self._cases.pop(case)
            del self._over[case]
            self._changed.add(case)
            if told.incident in self._folded:
                self._folded[told.incident].leave(case)
                self._changed.add(told.incident)
                self._drop(told.incident)

    def _notification(self, stage: Stage, told: Told, event: CaseEvent, folded: Folded | None = None) -> Notification:
        params: dict[str, Scalar] = {
            "name": event.name or event.device,
            "model": event.model,
            "cause": event.cause,
            "signal": event.signal or None,
            "value": event.value,
            "unit": event.unit or None,
            "limit": event.limit,
            "onset": _iso(told.onset),
            "acted_at": _iso(told.acted_at),
            "healed_at": _iso(told.clear_at) if stage in {Stage.HEALED, Stage.RESOLVED} else None,
            "remedy": told.remedy or None,
            "others": (folded.joined - 1 or None) if folded else None,
        }
        remedy = self._policy.remedies.get(event.remedy)
        if stage is Stage.CONSENT and remedy is not None:
            params["duration_s"] = round(remedy.stands_still / SECOND)
        return Notification(
            id=ids.notification_id(topics.key_of(event.tenant, event.customer), folded.name if folded else event.case, stage),
            tenant=event.tenant,
            customer=event.customer,
            case=event.case,
            device=event.device,
            incident=folded.incident if folded else "",
            stage=stage,
            at=event.at,
            expires_at=event.at + EXPIRES[stage],
            because=event.id,
            params={name: value for name, value in params.items() if value is not None},
        )

    def _pass_on(self, request: Request) -> Out:
        device = topics.key_of(request.tenant, request.device)
        told = self._cases.get(request.case)
        if told is not None and told.device and told.device != device:
            raise Rejected(Reason.IDENTITY_MISMATCH, f"the case {request.case} is not about {request.device}")
        kind = ASKED[request.kind]
        return Out(
            topics.COMMANDS,
            Command(
                id=ids.command_id(device, kind, request.id),
                tenant=request.tenant,
                device=request.device,
                kind=kind,
                case=request.case,
                at=request.at,
                by="customer",
                because=request.id,
                detail="this came too late" if kind is CommandKind.TOO_LATE else marked(request.said) or request.text,
                doubts=request.doubts,
                about=request.about,
            ),
        )


def _iso(at: Micros | None) -> str | None:
    return None if at is None else iso(at)


def kind(
    policy: Policy, options: Incidents | None = None, care: Care | None = None, cool_down: Micros = 3 * DAY, parts: Parts = no_parts
) -> Kind:
    """What hosts need to run it; `cool_down` (µs) is how long after a fault nothing is offered, `parts` what knowledge articles name."""

    def build(_partition: int, registry: Registry) -> Customers:
        contact = ContactBook(registry.customer, cool_down)
        return Customers(policy, options, care, contact, lambda event: offers(event, registry, parts))

    return kind_of(Customers, build)
