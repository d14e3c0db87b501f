"""Customers: whether anybody must be told of a case, and what; and what customers ask for, as commands to the case.

Everything that could be said is decided here and handed to the notifier, which has the last word when it sends: so "not sent: already
fixed" is a fact that can be counted, not an absence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Final

import msgspec

from streams.care.account import Account, money
from streams.care.policy import Care
from streams.cases.policy import Policy
from vorab import ids, topics
from vorab.clock import DAY, HOUR, SECOND, Micros, iso
from vorab.errors import Reason, Rejected
from vorab.frame import Frame
from vorab.processor import Input, Kind, Out, kind_of
from vorab.records import (
    CaseEvent,
    CaseKind,
    Command,
    CommandKind,
    Notification,
    Record,
    Request,
    RequestKind,
    Scalar,
    Stage,
    Status,
)

EXPIRES: Final[Mapping[Stage, Micros]] = {
    Stage.CONSENT: 12 * HOUR,  # as long as an answer is waited for by default
    Stage.PERSON_NEEDED: 2 * DAY,
    Stage.HEALED: DAY,  # older news of something that is over is no news
    Stage.RESOLVED: 2 * DAY,
}

ASKED: Final[Mapping[RequestKind, CommandKind]] = {
    RequestKind.WAS_WRONG: CommandKind.FALSE_ALARM,
    RequestKind.CALL_ME: CommandKind.CALL,
    RequestKind.CONSENT: CommandKind.CONSENT,
    RequestKind.NO_CONSENT: CommandKind.NO_CONSENT,
}

REMEMBERED: Final = 2_000
"""Cases of a partition that are remembered after they are over, so that repeated events change nothing; and none for longer than a day."""


class Told(msgspec.Struct):
    """What is known of a case, for the messages about it."""

    case: str
    device: str
    """Key of the device."""
    seq: int = -1
    over_at: Micros | None = None
    onset: Micros | None = None
    acted_at: Micros | None = None
    clear_at: Micros | None = None
    remedy: str = ""
    stages: list[str] = []


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Told).decode
_decode_account: Final = msgspec.msgpack.Decoder(Account).decode

ACCOUNT: Final = "account:"
"""Begins the names of blocks that are accounts of goodwill; the customer's key follows. Ids of cases hold no colon."""


class Customers:
    """Decides what there is to say."""

    name: ClassVar[str] = "customers"
    inputs: ClassVar[tuple[Input, ...]] = (Input(topics.CASES_BY_CUSTOMER, gating=False), Input(topics.REQUESTS, gating=False))
    outputs: ClassVar[tuple[str, ...]] = (topics.NOTIFICATIONS, topics.COMMANDS)
    ticks: ClassVar[tuple[str, ...]] = ()
    schema: ClassVar[int] = 2

    def __init__(self, policy: Policy, care: Care | None = None) -> None:
        self._policy, self._care = policy, care or Care()
        self._cases: dict[str, Told] = {}
        self._over: dict[str, Micros] = {}
        """Cases that are over, by when, the earliest first."""
        self._accounts: dict[str, Account] = {}
        """Goodwill by customer, whose single writer this is."""
        self._changed: set[str] = set()

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the shape
        """Fold a case event, or pass a request on; raises Rejected for a request about somebody else's device."""
        if isinstance(record, CaseEvent) and topic == topics.CASES_BY_CUSTOMER:
            return list(self._hear(record))
        if isinstance(record, Request) and topic == topics.REQUESTS:
            return [self._pass_on(record)]
        raise Rejected(Reason.BAD_RECORD, f"a {type(record).__name__} on {topic}")

    def due(self, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the shape
        """Nothing is ever due."""
        return ()

    def dirty(self) -> Mapping[str, bytes]:
        """One block per case and account that changed."""
        found = {name: self._accounts.get(name) or self._cases.get(name) for name in sorted(self._changed)}
        blocks = {name: _encode(block) if block else b"" for name, block in found.items()}
        self._changed.clear()
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over the cases and accounts."""
        self._cases = {case: _decode(block) for case, block in blocks.items() if block and not case.startswith(ACCOUNT)}
        self._accounts = {name: _decode_account(block) for name, block in blocks.items() if block and name.startswith(ACCOUNT)}
        over = sorted((told.over_at, case) for case, told in self._cases.items() if told.over_at is not None)
        self._over = {case: at for at, case in over}

    def _hear(self, event: CaseEvent) -> Iterator[Out]:
        told = self._cases.setdefault(event.case, Told(event.case, event.key))
        if event.seq <= told.seq:
            return  # it came twice
        told.seq = event.seq
        self._changed.add(event.case)
        _fold(told, event)
        if event.kind is CaseKind.GOODWILL_ASKED:
            yield self._count(event)
        stage = _stage(told, event)
        if stage is not None and stage not in told.stages:
            told.stages.append(stage)
            yield Out(topics.NOTIFICATIONS, self._notification(stage, told, event))
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

    def _forget(self, now: Micros) -> None:
        while self._over:
            case, at = next(iter(self._over.items()))
            if len(self._over) <= REMEMBERED and at > now - DAY:
                return
            del self._over[case], self._cases[case]
            self._changed.add(case)

    def _notification(self, stage: Stage, told: Told, event: CaseEvent) -> Notification:
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
        }
        remedy = self._policy.remedies.get(event.remedy)
        if stage is Stage.CONSENT and remedy is not None:
            params["duration_s"] = round(remedy.stands_still / SECOND)
        return Notification(
            id=ids.notification_id(topics.key_of(event.tenant, event.customer), event.case, stage),
            tenant=event.tenant,
            customer=event.customer,
            case=event.case,
            device=event.device,
            stage=stage,
            at=event.at,
            expires_at=event.at + EXPIRES[stage],
            because=event.id,
            params={name: value for name, value in params.items() if value is not None},
        )

    def _pass_on(self, request: Request) -> Out:
        device = topics.key_of(request.tenant, request.device)
        told = self._cases.get(request.case)
        if told is not None and told.device != device:
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
                detail=request.text,
            ),
        )


def _fold(told: Told, event: CaseEvent) -> None:
    if told.over_at is None and event.status in {Status.CLOSED, Status.CANCELLED, Status.REJECTED}:
        told.over_at = event.at
    if told.onset is None:
        told.onset = event.onset
    match event.kind:
        case CaseKind.ACTION_REQUESTED:
            told.acted_at, told.remedy = event.at, event.remedy
        case CaseKind.SYMPTOM_CLEARED:
            told.clear_at = event.at
        case CaseKind.SYMPTOM_ADDED | CaseKind.RELAPSED:
            told.clear_at = None


def _stage(told: Told, event: CaseEvent) -> Stage | None:
    """What an event gives to say: the end of a fault is news of another kind for those who knew of it."""
    match event.kind:
        case CaseKind.CONSENT_ASKED:
            return Stage.CONSENT
        case CaseKind.HANDED_OVER:
            return Stage.PERSON_NEEDED
        case CaseKind.RESOLVED:
            return Stage.HEALED if event.healed or not told.stages else Stage.RESOLVED
    return None


def _iso(at: Micros | None) -> str | None:
    return None if at is None else iso(at)


def kind(policy: Policy, care: Care | None = None) -> Kind:
    """What hosts need to run it."""
    return kind_of(Customers, lambda _partition, _registry: Customers(policy, care))
