"""Actions become commands on the devices' topics: which ones, in what words, and which are too late. Pure.

Nothing is kept on disk: after a start the actions of the last hour are read again, and those that were answered finally or have expired
are left alone. A command that was under way at a crash may go out a second time with the same id; devices answer such a one from memory.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from typing import Final, NamedTuple

from ingest.topicmap import PREFIX
from vorab import ids
from vorab.clock import HOUR, SECOND, Micros, iso
from vorab.records import Action, Reply, ReplyStatus
from vorab.topics import ID

LOOK_BACK: Final[Micros] = HOUR
"""Actions live for minutes; one that was decided longer ago than this has been given up by its case."""
_REMEMBERED: Final = 100_000


class Command(NamedTuple):
    """What to publish for an action."""

    topic: str
    response_topic: str
    payload: bytes
    correlation: bytes
    expires_in_s: int


class Downlink:
    """Decides what becomes of each action; told of replies, so that nothing is asked twice."""

    def __init__(self, *, speed: float, shadow: bool) -> None:
        """`speed` is the clock's; in shadow nothing leaves the house."""
        self._speed, self._shadow = speed, shadow
        self._done: OrderedDict[str, None] = OrderedDict()

    def answered(self, answer: Reply) -> None:
        """A device, or vorab in its place, has spoken."""
        if answer.status.final:
            self._settle(answer.action)

    def decide(self, action: Action, now: Micros, *, earlier: bool = False) -> Command | Reply | str:
        """The command to publish, the reply to write in the device's place, or why nothing is to do: `answered`, `shadow` or `past`.

        Of an `earlier` one, from before the start, nobody here knows whether it was handed over; where it is too late now, nothing
        is said: its case gives it up by itself, at the time at which it would have without a restart.
        """
        if action.id in self._done:
            return "answered"
        if earlier and now > action.not_after:
            self._settle(action.id)
            return "past"
        if now > action.not_after:
            return self._in_its_place(action, ReplyStatus.EXPIRED, now, "it could not be handed over in time")
        if not all(map(ID.fullmatch, (action.tenant, action.device, action.name))):
            return self._in_its_place(action, ReplyStatus.REJECTED, now, "its tenant, device or name cannot be a level of an MQTT topic")
        if self._shadow:
            self._settle(action.id)
            return "shadow"
        return self._command(action, now)

    def _in_its_place(self, action: Action, status: ReplyStatus, now: Micros, detail: str) -> Reply:
        self._settle(action.id)
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

    def _settle(self, action: str) -> None:
        self._done[action] = None
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)

    def _command(self, action: Action, now: Micros) -> Command:
        topic = f"{PREFIX}/{action.tenant}/{action.device}/cmd/{action.name}"
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
        left_s = (action.not_after - now) / SECOND / self._speed
        return Command(topic, f"{topic}/res", json.dumps(body).encode(), action.id.encode(), max(1, math.ceil(left_s)))
