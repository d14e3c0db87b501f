"""Replies at work: what waits is found, understood, decided and answered, each in one transaction; the log hears of it under fixed ids.

It runs in the notifier's thread, after the log has been read to its end, so that an answer tells how things stand at that moment. Giving
the answer is `answering`'s: a provider that hangs holds up no message.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Final, Protocol

from notifier.cases import CaseView
from notifier.inbound.accounts import token_in, token_of
from notifier.inbound.deciding import Decision, Effect, Limits, Says, Situation, decide
from notifier.inbound.finding import Found, Proof, codes_in, find, named
from notifier.inbound.said import ACCOUNTS, MAIL, Said
from notifier.inbound.store import Inbox, Lately, Waiting
from notifier.preferences import Layer, Preferences
from notifier.render import Renderer, language_of
from notifier.store_known import Known, Merged
from vorab import ids
from vorab.callbacks.wishes import wishes_of
from vorab.clock import DAY, MINUTE, Micros, iso
from vorab.codes import Codes
from vorab.consents import changed, withdrawn
from vorab.errors import Rejected
from vorab.knowledge import Article, Library
from vorab.metrics import metric
from vorab.people import Person
from vorab.records import (
    Answered,
    Command,
    CommandKind,
    ConsentBy,
    Customer,
    HandedTo,
    Heard,
    Meeting,
    Purpose,
    Record,
    Rejection,
    Request,
    RequestKind,
    Slot,
    SlotKind,
)
from vorab.records.dialogue import MAX_SEALED
from vorab.sealing import seal
from vorab.service import logger
from vorab.topics import DEFAULT_TENANT, key_of
from vorab.understanding import Intent, Recogniser, Route, Understood

BATCH: Final = 50
UNASSIGNED: Final = "unassigned"
"""Whose words nobody can tell; a person finds them there."""
PERSON_KEEPS: Final = 7 * DAY
"""So long after it was handed over a conversation is a person's, where nobody answers."""
BY: Final = "customer"

REQUESTS: Final[Mapping[Effect, RequestKind]] = {
    Effect.CALL: RequestKind.CALL_ME,
    Effect.CONSENT: RequestKind.CONSENT,
    Effect.NO_CONSENT: RequestKind.NO_CONSENT,
    Effect.WAS_WRONG: RequestKind.WAS_WRONG,
    Effect.TOO_LATE: RequestKind.TOO_LATE,
}
NOTES: Final[Mapping[Effect, str]] = {
    Effect.WORKS_AGAIN: "the customer says that it works again",
    Effect.STILL_BROKEN: "the customer says that it is still broken",
}


class PeopleKeys(Protocol):
    """What this needs of the people store: a person, and the key of their words."""

    def get(self, customer: str) -> Person | None:
        """The person of a key, or None."""

    def key(self, customer: str) -> bytes:
        """The key that seals their words."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How replies are dealt with here."""

    limits: Limits = field(default_factory=Limits)
    sender: str = ""
    """What our mails come from."""
    layers: Sequence[Layer] = ()
    shadow: bool = False
    slots: bool = False
    """Whether calls can be booked,"""
    slot_us: Micros = 30 * MINUTE
    """and how long one takes."""
    answerable: frozenset[str] = frozenset()
    """Channels on which an answer can be given."""
    codes: Codes = field(default_factory=Codes)


@dataclass(frozen=True, slots=True)
class Looked:
    """A reply with all that is known of it."""

    heard: str
    said: Said
    found: Found
    understood: Understood
    case: CaseView | None
    article: Article | None
    customer: Customer | None
    preferences: Preferences
    lately: Lately


class Replies:
    """Deals with what waits."""

    def __init__(
        self,
        inbox: Inbox,
        people: PeopleKeys,
        renderer: Renderer,
        recogniser: Callable[[], Recogniser],
        library: Library | None,
        ways: Ways,
    ) -> None:
        self.inbox, self._people, self._renderer, self._recogniser = inbox, people, renderer, recogniser
        self._library, self._ways, self._merged = library, ways, Merged(ways.layers)
        self._domain = parseaddr(ways.sender)[1].rpartition("@")[2]
        self._logger = logger("replies")

    def receive(self, said: Said) -> bool:
        """Take a message in; from any thread. On disk when this returns; False where it was there before."""
        new = self.inbox.receive(said)
        if not new:
            metric("vorab_replies_total").labels(said.channel, "repeated").inc()
        return new

    def refuse(self, channel: str, name: str, error: Rejected, size: int, at: Micros) -> None:
        """Keep that something could not be read, and why; not what it held, which may be anybody's words."""
        source = f"replies/{channel}"
        self.inbox.tell(
            Rejection(
                id=ids.rejection_id(source, 0, at, name),
                source=source,
                reason=error.reason,
                detail=error.detail[:500],
                at=at,
                size_bytes=size,
            )
        )
        metric("vorab_replies_total").labels(channel, "rejected").inc()

    def waits(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self.inbox.waiting(1))

    def step(self, now: Micros) -> int:
        """Look at what waits; returns how many there were."""
        waiting = self.inbox.waiting(BATCH)
        for each in waiting:
            with self.inbox.database.begin():
                result = self._take(each, now)
            metric("vorab_replies_total").labels(each.said.channel, result).inc()
        if waiting:
            metric("vorab_replies_waiting").set(self.inbox.open())
        return len(waiting)

    # -------------------------------------------------------------------------------------------- one reply

    def _take(self, waiting: Waiting, now: Micros) -> str:
        said = waiting.said
        if said.automatic:
            self.inbox.looked_at(waiting.heard, "", ignored=True)
            self._logger.info("heard", heard=waiting.heard, channel=said.channel, ignored=said.automatic)
            return "automatic"
        linked = self._link(said)
        looked = self._look(waiting, now)
        decision = decide(self._situation(looked, linked=linked))
        customer = looked.found.customer or key_of(DEFAULT_TENANT, UNASSIGNED)
        self.inbox.tell(self._heard(looked, decision, customer), *self._effects(looked, decision, now))
        self.inbox.looked_at(waiting.heard, customer, handed=decision.handed_to is HandedTo.PERSON)
        self._answer(looked, decision, customer, now)
        self._logger.info(
            "heard", heard=waiting.heard, channel=said.channel, case=looked.found.case, intent=looked.understood.intent.value,
            handed_to=decision.handed_to.value, answer=decision.says.value, doubts=list(decision.doubts),
        )  # fmt: skip
        return decision.handed_to.value

    def _look(self, waiting: Waiting, now: Micros) -> Looked:
        said = waiting.said
        found = self._find(said)
        known = Known(self.inbox.database, now, self._merged)
        known.about(found.customer, found.case)
        customer = known.customer(found.customer) if found.customer else None
        preferences = known.preferences(found.customer, found.customer.partition("/")[0] or DEFAULT_TENANT)
        case = known.case(found.case) if found.case else None
        if case is not None and case.customer != found.customer:
            case = None
        understood = self._understand(said, preferences)
        article = self._article(said, case) if understood.intent is Intent.QUESTION else None
        lately = self.inbox.lately(found.customer, now - DAY, now - PERSON_KEEPS) if found.customer else Lately()
        return Looked(waiting.heard, said, found, understood, case, article, customer, preferences, lately)

    def _understand(self, said: Said, preferences: Preferences) -> Understood:
        if not said.text.strip():
            return Understood(Intent.OTHER, 1.0, (), Route.HUMAN, None, ("no words",))
        return self._recogniser().understand(said.text, language_of(preferences), said.at, preferences.time_zone)

    def _find(self, said: Said) -> Found:
        notifications, about = named(said.refers, self._domain)
        senders = [] if said.public else self.inbox.senders(said)
        answered = self.inbox.sent(notifications, about)
        if said.vouched and not self.inbox.knows(said.vouched):
            return Found(Proof.NOBODY)
        candidates = {each.customer for each in answered} | set(senders) | ({said.vouched} if said.vouched else set())
        codes = codes_in(f"{said.subject} {said.text}")
        open_cases = self.inbox.open_cases(candidates or None) if candidates or codes else {}
        coded = {each.case for some in open_cases.values() for each in some if codes and self._ways.codes.of(each.case) in codes}
        return find(said, answered, senders, open_cases, coded)

    def _article(self, said: Said, case: CaseView | None) -> Article | None:
        """The article about such a case that fits a question; none where more than one would do as well."""
        if self._library is None or case is None:
            return None
        about = [found.article for found in self._library.search(said.text, model=case.model, cause=case.cause, limit=2)]
        return about[0] if len(about) == 1 else None

    def _link(self, said: Said) -> bool:
        """Take an account for a customer's where it shows their token, in private."""
        if said.channel not in ACCOUNTS or said.public or not (token := token_in(said.text)):
            return False
        customer = next(
            (each for each in self.inbox.everybody() if hmac.compare_digest(token, token_of(self._ways.codes.secret, each))), ""
        )
        if customer:
            self.inbox.link(said.channel, said.sender, customer)
        return bool(customer)

    def _situation(self, of: Looked, *, linked: bool = False) -> Situation:
        return Situation(
            understood=of.understood,
            proof=of.found.proof,
            case=of.case,
            public=of.said.public,
            linked=linked,
            edited=bool(of.said.edit),
            article=of.article is not None,
            vulnerable=of.customer is not None and of.customer.vulnerable,
            registered=of.customer is not None,
            with_person=of.lately.with_person,
            replies=of.lately.replies,
            answers=of.lately.answers,
            limits=self._ways.limits,
        )

    # -------------------------------------------------------------------------------------------- what comes of it

    def _heard(self, of: Looked, decision: Decision, customer: str) -> Heard:
        tenant, _, name = customer.partition("/")
        subject = f"{of.said.subject}\n\n" if of.said.subject and of.found.proof in {Proof.NOBODY, Proof.STRANGER} else ""
        by = f"{of.said.sender}\n\n" if decision.handed_to is HandedTo.PERSON and of.found.proof in {Proof.NOBODY, Proof.STRANGER} else ""
        return Heard(
            id=of.heard, tenant=tenant, customer=name, case=of.found.case, device=of.found.device or (of.case.device if of.case else ""),
            channel=of.said.channel, said=self._sealed(customer, f"{by}{subject}{of.said.text}"), answers=of.found.notification,
            intent="" if "not understood" in decision.doubts else of.understood.intent.value, handed_to=decision.handed_to,
            doubts=decision.doubts, public=of.said.public, edited=bool(of.said.edit), at=of.said.at,
        )  # fmt: skip

    def _effects(self, of: Looked, decision: Decision, now: Micros) -> Sequence[Record]:
        case = of.case
        if decision.effect is Effect.STOP and of.customer is not None:
            after = withdrawn(of.customer, Purpose, now)
            return [*changed(of.customer, after, ConsentBy.MAIL), after]
        if case is None or not case.device:
            return []
        if decision.handed_to is HandedTo.PERSON:
            # The case must not end without a person; what was written stays sealed.
            proven = of.found.proof in {Proof.REPLY, Proof.VOUCHED}
            return [self._request(of, case, RequestKind.CALL_ME, f"a person answers: {', '.join(decision.doubts)}")] if proven else []
        if decision.effect in NOTES:
            return [self._note(of, case, NOTES[decision.effect])]
        if decision.effect not in REQUESTS:
            return []
        wished = of.understood.wished
        text = f"from {iso(wished.start)} to {iso(wished.end)}" if wished is not None and decision.effect is Effect.CALL else ""
        asked = self._request(of, case, REQUESTS[decision.effect], text)
        return [asked, self._slot(of, case, now)] if decision.effect is Effect.CALL and self._ways.slots else [asked]

    def _request(self, of: Looked, case: CaseView, kind: RequestKind, text: str) -> Request:
        tenant, _, customer = of.found.customer.partition("/")
        return Request(
            id=ids.request_id(of.found.customer, kind, of.heard), tenant=tenant, customer=customer, kind=kind, case=case.case,
            device=case.device, at=of.said.at, notification=of.found.notification, text=text,
        )  # fmt: skip

    def _note(self, of: Looked, case: CaseView, detail: str) -> Command:
        tenant = of.found.customer.partition("/")[0]
        return Command(
            id=ids.command_id(key_of(tenant, case.device), CommandKind.NOTE, of.heard), tenant=tenant, device=case.device,
            kind=CommandKind.NOTE, case=case.case, at=of.said.at, by=BY, because=of.heard, detail=detail,
        )  # fmt: skip

    def _slot(self, of: Looked, case: CaseView, now: Micros) -> Slot:
        tenant, _, customer = of.found.customer.partition("/")
        wished = of.understood.wished
        first = wished.start if wished else None
        until = max(wished.end, wished.start + self._ways.slot_us) if wished else None
        booking = ids.booking_id(of.found.customer, case.case, of.heard)
        return Slot(
            id=ids.slot_id(booking, SlotKind.BOOK, of.heard), tenant=tenant, kind=SlotKind.BOOK, booking=booking, customer=customer,
            case=case.case, device=case.device, how=Meeting.PHONE, wishes=wishes_of(of.customer, first, until), at=now, by=BY,
        )  # fmt: skip

    def _answer(self, of: Looked, decision: Decision, customer: str, now: Micros) -> None:
        if decision.says is Says.NOTHING or of.said.channel not in self._ways.answerable:
            return
        person = self._people.get(customer) or Person(customer)
        told = {"article": told_of(of.article, language_of(of.preferences))} if of.article else {}
        # A subject is only given back where it is certain who wrote it: else anybody could have us write theirs to others.
        subject = of.said.subject if of.found.proof is Proof.REPLY else ""
        private = decision.says is not Says.PRIVATELY
        words = self._renderer.answer(
            decision.says.value, of.case if private else None, of.preferences, now=now, name=person.name if private else "",
            subject=subject, wished=of.understood.wished.start if of.understood.wished else "", **told,
        )  # fmt: skip
        tenant, _, name = customer.partition("/")
        source = (
            f"article:{of.article.id}" if decision.says is Says.ARTICLE and of.article else f"case:{of.found.case}" if of.found.case else ""
        )
        record = Answered(
            id=ids.answered_id(of.heard), tenant=tenant, customer=name, heard=of.heard, case=of.found.case, channel=of.said.channel,
            answer=decision.says.value, source=source, said=self._sealed(customer, words.text), at=now,
        )  # fmt: skip
        out = {
            "subject": words.subject, "text": words.text, "html": words.html, "language": words.language, "glance": " ".join(words.body),
            "thread": of.said.thread, "to": of.said.sender if of.said.channel != MAIL else "",
        }  # fmt: skip
        self.inbox.queue(record, seal(self._people.key(customer), customer, json.dumps(out)), shadow=self._ways.shadow)

    def _sealed(self, customer: str, text: str) -> str:
        """The words as they travel, cut to what a record holds."""
        key = self._people.key(customer)
        sealed = seal(key, customer, text)
        while len(sealed) > MAX_SEALED:
            text = text[: len(text) * 3 // 4]
            sealed = seal(key, customer, text)
        return sealed


def told_of(article: Article, language: str) -> dict[str, str]:
    """What a customer is told of an article, and where it stands."""
    of = (article.customer.de, article.title.de) if language == "de" else (article.customer.en, article.title.en)
    return {"id": article.id, "text": of[0], "title": of[1]}
