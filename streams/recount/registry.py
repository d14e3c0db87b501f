"""The registry as it was: what its topics still hold of earlier entries, so that a decision is weighed by what was known then."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from streams.hosts.instance import Layout
from streams.hosts.registry import Tables
from streams.recount.story import read_all
from vorab import topics
from vorab.clock import Micros
from vorab.errors import Rejected
from vorab.log import Entry, EventLog
from vorab.records import Contract, Customer, Device, Site, from_wire

EntryOf = Device | Customer | Contract | Site


class Versions(Tables):
    """`Tables` that remember what each entry said before, as far as the log does."""

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[str, list[EntryOf]] = {}

    @classmethod
    def read(cls, log: EventLog, layout: Layout) -> Self:
        """All that stands in the topics of the registry now."""
        tables = cls()
        for topic in topics.REGISTRY:
            name = layout.name(topic)
            for entry in read_all(log, name, range(layout.partitions(name))):
                tables.apply(entry._replace(topic=topic))
        return tables

    def apply(self, entry: Entry) -> None:
        """Fold one record, and keep the one before."""
        super().apply(entry)
        with suppress(Rejected):
            record = from_wire(entry.value, entry.headers) if entry.value is not None else None
            if isinstance(record, EntryOf):
                self._written.setdefault(f"{entry.topic} {record.key}", []).append(record)

    def written(self, topic: str, key: str) -> list[EntryOf]:
        """What was written under a key of a topic of the registry, the oldest first."""
        return self._written.get(f"{topic} {key}", [])

    def history(self) -> list[EntryOf]:
        """All that was written, in the order of time."""
        return sorted((entry for entries in self._written.values() for entry in entries), key=lambda entry: entry.time)

    def about(self, device: str) -> list[EntryOf]:
        """What was written about a device and those who had it."""
        found = self.written(topics.DEVICES, device)
        customers = {topics.key_of(each.tenant, each.customer) for each in found if isinstance(each, Device) and each.customer}
        return [*found, *(entry for customer in sorted(customers) for entry in self.written(topics.CUSTOMERS, customer))]


class AsOf:
    """The registry at a moment, which moves."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self.now: Micros | None = None
        """None is now."""

    def device(self, key: str) -> Device | None:
        """The entry of `tenant/device` that was the last one then."""
        found, now = self._at(topics.DEVICES, key), self._versions.device(key)
        if not isinstance(found, Device):
            return None if self.now is not None else now
        # A zone it has from its site is taken from where it stands now.
        placed = now is not None and now.site == found.site and not found.time_zone
        return found.model_copy(update={"time_zone": now.time_zone}) if now is not None and placed else found

    def customer(self, key: str) -> Customer | None:
        """The entry of `tenant/customer` that was the last one then."""
        found = self._at(topics.CUSTOMERS, key)
        return found if isinstance(found, Customer) else None if self.now is not None else self._versions.customer(key)

    def contract(self, key: str) -> Contract | None:
        """The entry of `tenant/contract` that was the last one then."""
        found = self._at(topics.CONTRACTS, key)
        return found if isinstance(found, Contract) else None if self.now is not None else self._versions.contract(key)

    def related(self, key: str, how: str) -> Sequence[Device]:
        """As it is now: who belonged together is not kept."""
        return self._versions.related(key, how)

    def size(self, group: str) -> int:
        """As it is now."""
        return self._versions.size(group)

    def about(self, device: str) -> list[EntryOf]:
        """All that was written about a device and those who had it."""
        return self._versions.about(device)

    def _at(self, topic: str, key: str) -> EntryOf | None:
        if self.now is None:
            return None
        written = self._versions.written(topic, key)
        return next((entry for entry in reversed(written) if entry.time <= self.now), None)


class Then(Tables):
    """The whole registry as it was, also who belongs together and how many they are: `reach` moves it on. What was deleted stays in it."""

    def __init__(self, versions: Versions) -> None:
        super().__init__()
        self._coming = deque(versions.history())

    def reach(self, now: Micros) -> None:
        """Take up what was written until then."""
        while self._coming and self._coming[0].time <= now:
            self.put(self._coming.popleft())
