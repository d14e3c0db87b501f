"""Permits: every action asks here first, and one place per remedy counts; so a wrong rule cannot restart a whole fleet.

A question comes under the key of the remedy; its answer goes, under the key of the device, to the partition of the device. A question
that is asked again (its asker was restarted) gets the same answer again. A remedy that somebody has stopped (`Switch`) gets no permit
until it is released.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import ClassVar, Final

import msgspec

from streams.cases.policy import Limits, Policy
from vorab import topics
from vorab.clock import DAY, HOUR, Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Frame
from vorab.processor import Input, Kind, Out, kind_of
from vorab.records import Permit, PermitState, Record, Switch, SwitchState

REMEMBERED: Final = 2_000
"""Answers kept per remedy, at most; those that still count against a limit are always kept."""


class Given(msgspec.Struct):
    """One answer."""

    remedy: str
    """Key of the remedy: limits are counted per tenant."""
    number: int
    """Place among the answers about the remedy."""
    action: str
    case: str
    at: Micros
    expires_at: Micros
    state: PermitState
    reason: str

    @property
    def granted(self) -> bool:
        """Whether it counts against the limits."""
        return self.state is PermitState.GRANTED


class Ledger:
    """The answers about one remedy."""

    def __init__(self) -> None:
        self.now: Micros = 0
        """The latest time of a question."""
        self.last = 0
        self.given: dict[str, Given] = {}
        """Action → answer, in the order they were given."""
        self.counting: dict[str, Given] = {}
        """Those that may still stand against a question."""

    def add(self, given: Given) -> None:
        """Write an answer down."""
        self.given[given.action] = given
        if given.granted:
            self.counting[given.action] = given
        self.now, self.last = max(self.now, given.at), given.number

    def forget(self) -> list[str]:
        """Drop what no longer counts, and of the rest all but the latest of a day; returns the actions that are forgotten."""
        # A day, because questions of other partitions may come late, after an outage for example.
        for action in [action for action, given in self.counting.items() if max(given.at, given.expires_at) < self.now - DAY]:
            del self.counting[action]
        dropped = []
        for action, given in list(itertools.islice(self.given.items(), FORGET_AT_ONCE)):
            old = len(self.given) > REMEMBERED or given.at < self.now - DAY
            if not old:
                break
            if action in self.counting:
                self.given[action] = self.given.pop(action)  # it is looked at again later
                continue
            del self.given[action]
            dropped.append(action)
        return dropped


FORGET_AT_ONCE: Final = 16
"""More than one, so that forgetting keeps up; bounded, so that no question pays for all."""

SWITCH: Final = "switch:"
"""Begins the names of blocks about stopped remedies."""

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Given).decode


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
        self._changed: dict[str, Given | None] = {}
        self._stops: dict[str, Switch] = {}
        """Key of a remedy → what stopped it."""
        self._switched: set[str] = set()

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the shape
        """Answer a question, at the time it was asked; answers of its own are passed over."""
        if isinstance(record, Switch):
            self._switch(record)
            return
        if not isinstance(record, Permit):
            raise Rejected(Reason.BAD_RECORD, f"a {type(record).__name__} on {topic}")
        if record.state is not PermitState.ASKED:
            return
        ledger = self._ledgers.setdefault(record.key, Ledger())
        given = ledger.given.get(record.action)
        if given is None:
            given = self._decide(ledger, record)
            ledger.add(given)
            self._changed[given.action] = given
            self._changed.update(dict.fromkeys(ledger.forget()))
        yield Out(
            topics.PERMITS,
            record.model_copy(update={"state": given.state, "at": given.at, "expires_at": given.expires_at, "reason": given.reason}),
        )

    def due(self, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the shape
        """Nothing is ever due: what counts is decided by the times of the questions."""
        return ()

    def dirty(self) -> Mapping[str, bytes]:
        """One block per answer."""
        blocks = {action: _encode(given) if given else b"" for action, given in self._changed.items()}
        self._changed = {}
        for key in self._switched:
            stop = self._stops.get(key)
            blocks[f"{SWITCH}{key}"] = stop.model_dump_json().encode() if stop is not None else b""
        self._switched = set()
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over the ledgers."""
        answers = (_decode(block) for name, block in blocks.items() if block and not name.startswith(SWITCH))
        for given in sorted(answers, key=lambda given: given.number):
            self._ledgers.setdefault(given.remedy, Ledger()).add(given)
        stops = (Switch.model_validate_json(block) for name, block in blocks.items() if block and name.startswith(SWITCH))
        self._stops = {stop.key: stop for stop in stops}

    def _switch(self, switch: Switch) -> None:
        self._switched.add(switch.key)
        if switch.state is SwitchState.STOPPED:
            self._stops[switch.key] = switch
        else:
            self._stops.pop(switch.key, None)

    def _decide(self, ledger: Ledger, asked: Permit) -> Given:
        remedy = self._policy.remedies.get(asked.remedy)
        stop = self._stops.get(asked.key)
        if remedy is None:
            reason = f"nobody has written a remedy called {asked.remedy}"
        elif stop is not None:
            reason = "; ".join(part for part in (f"stopped by {stop.by or 'operations'}", stop.detail) if part)
        else:
            reason = _over(ledger, remedy.limits, asked)
        state = PermitState.REFUSED if reason else PermitState.GRANTED
        return Given(asked.key, ledger.last + 1, asked.action, asked.case, asked.at, asked.expires_at, state, reason)


def _over(ledger: Ledger, limits: Limits, asked: Permit) -> str:
    """Which limit stands against it; empty where none does. Counts by the times of the questions, not by when they came."""
    granted = ledger.counting.values()
    # An earlier attempt of the same case is over, or this one would not be asked for.
    out = sum(given.at <= asked.expires_at and given.expires_at > asked.at and given.case != asked.case for given in granted)
    if out >= limits.out:
        return f"{out} {'machine is' if out == 1 else 'machines are'} at it already, {limits.out} may be"
    hour = sum(abs(given.at - asked.at) < HOUR for given in granted)
    if hour >= limits.per_hour:
        return f"{hour} within an hour already, {limits.per_hour} may be"
    return ""


def kind(policy: Policy) -> Kind:
    """What hosts need to run it."""
    return kind_of(Permits, lambda _partition, _registry: Permits(policy))
