"""Who may come in: the messages of one pass against the limits of their senders. Pure.

A sender is a device; where a dialect reads, or a gateway speaks for many devices, it is a topic, and may send more. Recordings are replayed
by people on purpose and have no limit. What is another worker's is neither counted nor limited.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from ingest.limits import Allowance, Drops, Flood, Quota
from ingest.packets import Arrivals
from ingest.quick import Plain
from ingest.roster import Roster
from ingest.topicmap import Route
from vorab.clock import Micros, iso
from vorab.errors import Reason

GATEWAY: Final = 20
"""A topic of a dialect or gateway may carry so many times what one device may send."""


class Stopped(NamedTuple):
    """Messages of one sender that are not taken."""

    places: list[int]
    """Among the arrivals, in order."""
    reason: Reason
    record: int
    """How many messages a record should speak of now; 0: none is due."""
    detail: str


class Gate:
    """The buckets of devices, and those of the topics of dialects."""

    def __init__(self, allowance: Allowance, speed: float, roster: Roster) -> None:
        """`speed` is seconds of the clock per second on the wall."""
        self._roster = roster
        self._devices = Quota(allowance, speed)
        self._topics = Quota(allowance._replace(rate=allowance.rate * GATEWAY, burst=allowance.burst * GATEWAY), speed)
        self._numbers: dict[bytes, int] = {}
        self._names: list[str] = []

    def away(self, absence: Micros, now: Micros) -> None:
        """Nothing was read for so long: what was kept meanwhile is no flood."""
        self._devices.away(absence, now)
        self._topics.away(absence, now)

    def forget(self) -> None:
        """The roster is about to give out numbers anew."""
        self._devices.renumbered(self._roster.keys)
        self._topics.renumbered(self._names)
        self._numbers, self._names = {}, []

    def plain(self, plain: Plain, arrivals: Arrivals, now: Micros, stopped: list[Stopped]) -> Plain:
        """Those of the quick messages that may pass."""
        drops = self._devices.admit(plain.numbers, now, self._roster.keys)
        if drops is None:
            return plain
        self._stop(self._devices, drops, plain.places, arrivals, now, stopped)
        pick, keep = itertools.compress, drops.keep.tolist()
        return Plain(list(pick(plain.places, keep)), list(pick(plain.numbers, keep)), list(pick(plain.payloads, keep)))

    def rest(self, rest: list[int], arrivals: Arrivals, now: Micros, stopped: list[Stopped]) -> list[int]:
        """Those of the other messages (places among the arrivals) that may pass."""
        free: list[int] = []
        of_device: tuple[list[int], list[int]] = [], []
        of_topic: tuple[list[int], list[int]] = [], []
        for i in rest:
            topic = arrivals.topics[i]
            route = self._roster.known(topic)
            if route is None or route.recorded or route.kind == "ignore":
                free.append(i)
                continue
            gateway = route.kind == "dialect" or route.children
            places, numbers = of_topic if gateway else of_device
            places.append(i)
            numbers.append(self._number(topic) if gateway else route.number)
        for quota, (places, numbers), names in ((self._devices, of_device, self._roster.keys), (self._topics, of_topic, self._names)):
            drops = quota.admit(numbers, now, names)
            if drops is not None:
                self._stop(quota, drops, places, arrivals, now, stopped)
                places = list(itertools.compress(places, drops.keep))  # noqa: PLW2901 - what is left of it
            free += places
        return free

    def bulk(self, places: Sequence[int], arrivals: Arrivals, now: Micros, stopped: list[Stopped]) -> Sequence[int]:
        """Those of the messages of a dialect (places among the arrivals) that may pass."""
        names = arrivals.topics if len(places) == len(arrivals) else [arrivals.topics[i] for i in places]
        numbers = list(map(self._numbers.get, names, itertools.repeat(-1)))
        if -1 in numbers:
            numbers = list(map(self._number, names))
        drops = self._topics.admit(numbers, now, self._names)
        if drops is None:
            return places
        self._stop(self._topics, drops, places, arrivals, now, stopped)
        return list(itertools.compress(places, drops.keep.tolist()))

    def due(self, now: Micros, route: Callable[[bytes], Route]) -> Iterator[tuple[bytes, Route, Stopped]]:
        """Messages dropped a minute ago and more that no record speaks of: topic, route, and what to say."""
        for quota in (self._devices, self._topics):
            for flood, count in list(quota.due(now)):
                reason = Reason.QUARANTINED if now < flood.until else Reason.RATE_LIMITED
                yield flood.topic, route(flood.topic), Stopped([], reason, count, _detail(quota, flood, count))

    def _number(self, topic: bytes) -> int:
        number = self._numbers.setdefault(topic, len(self._numbers))
        if number == len(self._names):
            self._names.append(topic.decode())
        return number

    def _stop(self, quota: Quota, drops: Drops, places: Sequence[int], arrivals: Arrivals, now: Micros, stopped: list[Stopped]) -> None:
        for dropped in drops.found:
            gone = [places[i] for i in dropped.places]
            flood, record = quota.blame(dropped, arrivals.topics[gone[0]], now)
            stopped.append(Stopped(gone, dropped.reason, record, _detail(quota, flood, record or len(gone))))


def _detail(quota: Quota, flood: Flood, count: int) -> str:
    quarantine = f"; nothing is taken until {iso(flood.until)}" if flood.until > flood.last else ""
    return f"{count} dropped: {quota.allowance.text}{quarantine}"
