"""Actions become commands on the devices' topics: which ones, in what words, when again, and which are too late. Pure.

A device has one command under way at a time; the next waits until the first is answered for good or has expired. A command that nobody
answers goes out again, with the same id, to devices that know an id again; *delivered* is what the device says, never what a broker says.

Nothing is kept on disk: after a start the actions of the last hour are read again, and those that were answered finally or have expired
are left alone. A command that was under way at a crash may go out a second time with the same id; devices answer such a one from memory.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ingest.dialects.words import Answer, Order
from ingest.topicmap import PREFIX
from vorab import ids
from vorab.clock import HOUR, SECOND, Micros, iso
from vorab.codes import PLACE
from vorab.errors import Rejected
from vorab.records import Action, Recall, Reply, ReplyStatus, Scalar
from vorab.topics import ID, RECORDED_TENANT

LOOK_BACK: Final[Micros] = HOUR
"""Actions live for minutes; one that was decided longer ago than this has been given up by its case."""
AGAIN_S: Final = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds on the wall until an unanswered command goes out again; the last one repeats."""
_REMEMBERED: Final = 100_000
_WAITING: Final = 32
"""Commands that may wait behind the one under way; a device that answers nothing must not fill the memory."""


class Command(NamedTuple):
    """What to publish for an action."""

    topic: str
    response_topic: str
    """Empty: the dialect has a way of its own to answer."""
    payload: bytes
    correlation: bytes
    expires_in_s: int
    qos: int = 1
    again: bool = False
    """Whether it went out before."""


Outcome = Command | Reply | str
"""The command to publish, the reply to write in the device's place, or why nothing is to do: `answered`, `waiting`, `shadow` or `past`."""

Translate = Callable[[Action, Micros], Order | None]
"""The action in the words of the device's dialect; None for the neutral contract. Raises Rejected where the dialect has none."""


@dataclass(slots=True)
class _UnderWay:
    action: Action
    order: Order | None
    """Its words in a dialect; None in the neutral contract."""
    sent_at: Micros
    tries: int = 1
    delivered: bool = False


@dataclass(slots=True)
class _Line:
    """The commands of one device."""

    now: _UnderWay | None = None
    waiting: deque[tuple[Action, bool]] = field(default_factory=deque)


class Downlink:
    """Decides what becomes of each action; told of replies, so that nothing is asked twice."""

    def __init__(self, *, speed: float, shadow: bool, code: Callable[[str], str] = lambda _case: "") -> None:
        """`speed` is the clock's; in shadow nothing leaves the house; `code` knows the digits of a case, or has none (empty)."""
        self._speed, self._shadow, self._code = speed, shadow, code
        self.translate: Translate = lambda _action, _now: None
        """Who knows how each device speaks; without, all keep to the neutral contract."""
        self._done: OrderedDict[str, None] = OrderedDict()
        self._lines: dict[str, _Line] = {}

    # ----------------------------------------------------------------------------------------------- answers

    def answered(self, answer: Reply) -> None:
        """A device, or vorab in its place, has spoken."""
        asked = self._under_way(answer.key, answer.action)
        if asked is not None:
            asked.delivered = True
        if answer.status.final:
            self._settle(answer.action, answer.key)

    def resolve(self, key: str, answer: Answer, now: Micros) -> Reply | None:
        """The reply an answer in the words of a dialect amounts to; None where it belongs to nothing that is under way."""
        line = self._lines.get(key)
        asked = line.now if line is not None else None
        if asked is None or asked.order is None or answer.correlation not in ("", asked.order.correlation):
            return None
        action = asked.action
        reply = Reply(
            id=ids.reply_id(action.id, answer.status),
            tenant=action.tenant,
            device=action.device,
            action=action.id,
            status=answer.status,
            at=now,
            code=answer.code,
            detail=answer.detail,
            result=dict(answer.result),
        )
        self.answered(reply)
        return reply

    # ----------------------------------------------------------------------------------------------- actions

    def decide(self, action: Action, now: Micros, *, earlier: bool = False) -> Outcome:
        """What becomes of an action.

        Of an `earlier` one, from before the start, nobody here knows whether it was handed over; where it is too late now, nothing
        is said: its case gives it up by itself, at the time at which it would have without a restart.
        """
        if action.id in self._done:
            return "answered"
        if earlier and now > action.not_after:
            self._settle(action.id, action.key)
            return "past"
        if now > action.not_after:
            return self._in_its_place(action, ReplyStatus.EXPIRED, now, "it could not be handed over in time")
        if self._shadow:
            self._settle(action.id, action.key)
            return "shadow"
        return self._line_up(action, now, earlier=earlier)

    def recall(self, recall: Recall, now: Micros) -> Outcome:
        """Take an action back: one that waits, or that the device has not answered, never goes out (again); else it is at it already."""
        asked, line = self._under_way(recall.key, recall.action), self._lines.get(recall.key)
        if asked is not None and asked.delivered:
            return "answered"
        action = None if asked is None else asked.action
        if line is not None and action is None:
            action = next((one for one, _ in line.waiting if one.id == recall.action), None)
            line.waiting = deque(one for one in line.waiting if one[0].id != recall.action)
        if action is None:
            self._settle(recall.action, recall.key)  # it is yet to come, or another run has handed it over
            return "past"
        return self._in_its_place(action, ReplyStatus.CANCELLED, now, "it was taken back before the device answered")

    def due(self, now_of: Callable[[Action], Micros]) -> list[Outcome]:
        """What time brings: a command again, the end of one that has expired, and the next of each device that is free.

        `now_of` tells the time of an action's partition (µs).
        """
        outcomes: list[Outcome] = []
        for key in list(self._lines):
            line = self._lines[key]
            asked = line.now
            if asked is not None:
                now = now_of(asked.action)
                if now > asked.action.not_after:
                    self._settle(asked.action.id, key)
                elif self._is_due_again(asked, now):
                    asked.tries += 1
                    asked.sent_at = now
                    outcomes.append(self._put(asked, now, again=True))
            while line.now is None and line.waiting:
                action, earlier = line.waiting.popleft()
                outcomes.append(self.decide(action, now_of(action), earlier=earlier))
            if line.now is None and not line.waiting:
                self._lines.pop(key, None)
        return outcomes

    # ----------------------------------------------------------------------------------------------- inside

    def _line_up(self, action: Action, now: Micros, *, earlier: bool) -> Outcome:
        line = self._lines.setdefault(action.key, _Line())
        if line.now is not None:
            if line.now.action.id == action.id or any(action.id == other.id for other, _ in line.waiting):
                return "waiting"
            if len(line.waiting) >= _WAITING:
                return self._in_its_place(action, ReplyStatus.REJECTED, now, "too many commands wait for this device")
            line.waiting.append((action, earlier))
            return "waiting"
        return self._begin(line, action, now)

    def _begin(self, line: _Line, action: Action, now: Micros) -> Outcome:
        if not all(map(ID.fullmatch, (action.tenant, action.device, action.name))):
            return self._in_its_place(action, ReplyStatus.REJECTED, now, "its tenant, device or name cannot be a level of an MQTT topic")
        if any(PLACE in value for value in action.params.values() if isinstance(value, str)):
            code = self._code(action.case)
            if not code:
                return self._in_its_place(action, ReplyStatus.REJECTED, now, "its code is not known here: ingest needs the link_secret")
            action = action.model_copy(update={"params": {name: _filled(value, code) for name, value in action.params.items()}})
        try:
            order = self.translate(action, now)
        except Rejected as why:
            return self._in_its_place(action, ReplyStatus.REJECTED, now, why.detail)
        line.now = _UnderWay(action, order, now)
        return self._put(line.now, now)

    def _put(self, asked: _UnderWay, now: Micros, *, again: bool = False) -> Command:
        action, order = asked.action, asked.order
        left_s = max(1, math.ceil((action.not_after - now) / SECOND / self._speed))
        if order is not None:
            return Command(order.topic, "", order.payload, action.id.encode(), left_s, order.qos, again)
        topic = f"{PREFIX}/{action.tenant}/{action.device}/cmd/{action.name}"
        return Command(topic, f"{topic}/res", _neutral(action), action.id.encode(), left_s, again=again)

    def _is_due_again(self, asked: _UnderWay, now: Micros) -> bool:
        if asked.delivered or asked.action.tenant == RECORDED_TENANT or (asked.order is not None and not asked.order.repeatable):
            return False
        wait_s = AGAIN_S[min(asked.tries, len(AGAIN_S)) - 1]
        return now - asked.sent_at >= wait_s * SECOND * self._speed

    def _in_its_place(self, action: Action, status: ReplyStatus, now: Micros, detail: str) -> Reply:
        self._settle(action.id, action.key)
        return Reply(
            id=ids.reply_id(action.id, status),
            tenant=action.tenant,
            device=action.device,
            action=action.id,
            status=status,
            at=now,
            code=str(status),
            detail=detail,
        )

    def _settle(self, action: str, key: str) -> None:
        self._done[action] = None
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)
        if self._under_way(key, action) is not None:
            self._lines[key].now = None

    def _under_way(self, key: str, action: str) -> _UnderWay | None:
        """The action of this id, if it is what the device is asked now."""
        line = self._lines.get(key)
        return line.now if line is not None and line.now is not None and line.now.action.id == action else None


def _filled(value: Scalar, code: str) -> Scalar:
    return value.replace(PLACE, code) if isinstance(value, str) else value


def _neutral(action: Action) -> bytes:
    body = {
        "id": action.id,
        "name": action.name,
        "params": action.params,
        "not_before": iso(action.not_before),
        "not_after": iso(action.not_after),
        "attempt": action.attempt,
        "counter": action.counter,
        "key_id": action.key_id,
        "signature": action.signature,
    }
    return json.dumps(body).encode()
