"""Permits: every action asks here first, and one place per remedy counts; so a wrong rule cannot restart a whole fleet.

A question comes under the key of the remedy; its answer goes, under the key of the device, to the partition of the device. A question
that is asked again (its asker was restarted) gets the same answer again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Final

import msgspec

from streams.case_policy import Limits, Policy
from vorab import topics
from vorab.clock import DAY, HOUR, Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Frame
from vorab.processor import Input, Kind, Out, kind_of
from vorab.records import Permit, PermitState, Record

REMEMBERED: Final = 2_000
"""Answers kept per remedy, at most; those that still count against a limit are always kept."""


class Given(msgspec.Struct):
    """One answer."""

    action: str
    case: str
    at: Micros
    expires_at: Micros
    state: PermitState
    reason: str


class Ledger(msgspec.Struct):
    """The answers about one remedy, in order of the questions' arrival."""

    now: Micros = 0
    """The latest time of a question."""
    given: list[Given] = []


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Ledger).decode


class Permits:
    """Counts and answers."""

    name: ClassVar[str] = "permits"
    inputs: ClassVar[tuple[Input, ...]] = (Input(topics.PERMITS, gating=False),)
    outputs: ClassVar[tuple[str, ...]] = (topics.PERMITS,)
    ticks: ClassVar[tuple[str, ...]] = ()
    schema: ClassVar[int] = 1

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._ledgers: dict[str, Ledger] = {}
        self._changed: set[str] = set()

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the shape
        """Answer a question, at the time it was asked; answers of its own are passed over."""
        if not isinstance(record, Permit):
            raise Rejected(Reason.BAD_RECORD, f"a {type(record).__name__} on {topic}")
        if record.state is not PermitState.ASKED:
            return
        ledger = self._ledgers.setdefault(record.key, Ledger())
        given = next((given for given in ledger.given if given.action == record.action), None)
        if given is None:
            given = self._decide(ledger, record)
            self._changed.add(record.key)
        yield Out(
            topics.PERMITS,
            record.model_copy(update={"state": given.state, "at": given.at, "expires_at": given.expires_at, "reason": given.reason}),
        )

    def due(self, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the shape
        """Nothing is ever due: what counts is decided by the times of the questions."""
        return ()

    def dirty(self) -> Mapping[str, bytes]:
        """One block per remedy that was asked for."""
        blocks = {key: _encode(self._ledgers[key]) for key in sorted(self._changed)}
        self._changed.clear()
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over the ledgers."""
        self._ledgers = {key: _decode(block) for key, block in blocks.items() if block}

    def _decide(self, ledger: Ledger, asked: Permit) -> Given:
        remedy = self._policy.remedies.get(asked.remedy)
        reason = f"nobody has written a remedy called {asked.remedy}" if remedy is None else _over(ledger, remedy.limits, asked)
        state = PermitState.REFUSED if reason else PermitState.GRANTED
        given = Given(asked.action, asked.case, asked.at, asked.expires_at, state, reason)
        ledger.given.append(given)
        ledger.now = max(ledger.now, asked.at)
        _forget(ledger)
        return given


def _over(ledger: Ledger, limits: Limits, asked: Permit) -> str:
    """Which limit stands against it; empty where none does. Counts by the times of the questions, not by when they came."""
    granted = [given for given in ledger.given if given.state is PermitState.GRANTED]
    # An earlier attempt of the same case is over, or this one would not be asked for.
    out = sum(given.at <= asked.expires_at and given.expires_at > asked.at and given.case != asked.case for given in granted)
    if out >= limits.out:
        return f"{out} machines are at it already, {limits.out} may be"
    hour = sum(abs(given.at - asked.at) < HOUR for given in granted)
    if hour >= limits.per_hour:
        return f"{hour} within an hour already, {limits.per_hour} may be"
    return ""


def _forget(ledger: Ledger) -> None:
    """Keep what still counts against a limit, and of the rest the latest of a day: enough to repeat an answer."""
    counts = max((given.expires_at - given.at for given in ledger.given), default=0) + HOUR
    surplus = len(ledger.given) - REMEMBERED
    ledger.given = [
        given
        for place, given in enumerate(ledger.given)
        if (given.state is PermitState.GRANTED and given.at > ledger.now - counts) or (place >= surplus and given.at > ledger.now - DAY)
    ]


def kind(policy: Policy) -> Kind:
    """What hosts need to run it."""
    return kind_of(Permits, lambda _partition, _registry: Permits(policy))
