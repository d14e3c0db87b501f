"""The devices heard so far, numbered, so that a topic costs one look-up and a partition one index. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np

from ingest.plan import Plan
from ingest.topicmap import Route, TopicMap

MOST: Final = 200_000
"""Topics remembered; a flood of made-up devices must not fill the memory, so beyond it everything is forgotten and learned again."""

FOREIGN: Final = -2
BULK: Final = -3
"""And below, one number for each dialect that hears in bulk."""


class Roster:
    """Routes by topic, and id, key and partition by device number."""

    def __init__(self, topic_map: TopicMap, plan: Plan) -> None:
        self._map, self._plan = topic_map, plan
        self.bulk: tuple[str, ...] = ()
        """Dialects that hear in bulk."""
        self.epoch = 0
        """Rises whenever numbers are void."""
        self.forget()

    def forget(self) -> None:
        """Start anew; numbers given out before are void."""
        self.epoch += 1
        self._map.numbers.clear()
        self._routes: dict[bytes, Route] = {}
        self.plain: dict[bytes, int] = {}
        """Device number by topic, for telemetry that may take the quick way; `FOREIGN` for devices of another worker, and `BULK`."""
        self.only: dict[int, str] = {}
        """The decoder of devices (by number) that have a topic which names one, and `none` where they have two."""
        self.names: list[tuple[str, str]] = []
        """Id and key by number."""
        self.keys: list[str] = []
        """Key by number."""
        self.places = np.zeros(1024, np.int64)
        """Partition by number."""

    @property
    def full(self) -> bool:
        """Whether it is time to forget."""
        return len(self._routes) > MOST or len(self.keys) > MOST

    def known(self, topic: bytes) -> Route | None:
        """The route of a topic that has been looked up; None where there is none."""
        return self._routes.get(topic)

    def route(self, topic: bytes) -> Route:
        """The route of a topic; raises Rejected where there is none."""
        known = self._routes.get(topic)
        if known is not None:
            return known
        route = self._map.resolve(topic)
        self._routes[topic] = route
        if route.kind == "dialect":
            if route.dialect in self.bulk:
                self.plain[topic] = BULK - self.bulk.index(route.dialect)
            return route
        self._enter(route.number, route.device, route.key, route.partition)
        if not self._plan.owns(route.partition) and not route.children and route.kind != "ignore":
            self.plain[topic] = FOREIGN
        elif route.plain:
            self.plain[topic] = route.number
            if isinstance(route.decoder, str) and route.decoder != "auto":
                self.only[route.number] = route.decoder if self.only.get(route.number, route.decoder) == route.decoder else "none"
        return route

    def number(self, device: str, key: str, partition: int) -> int:
        """The number of a device that a dialect speaks of."""
        number = self._map.numbers.setdefault(key, len(self._map.numbers))
        self._enter(number, device, key, partition)
        return number

    def _enter(self, number: int, device: str, key: str, partition: int) -> None:
        if number == len(self.keys):
            self.names.append((device, key))
            self.keys.append(key)
            if number == len(self.places):
                self.places = np.concatenate([self.places, np.zeros_like(self.places)])
            self.places[number] = partition
