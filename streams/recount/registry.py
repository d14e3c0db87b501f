"""The registry as it was: what its topics still hold of earlier entries, so that a decision is weighed by what was known then."""

from __future__ import annotations

from contextlib import suppress
from typing import Self

from streams.hosts.instance import Layout
from streams.hosts.registry import Tables
from streams.recount.story import read_all
from vorab import topics
from vorab.clock import Micros
from vorab.errors import Rejected
from vorab.log import Entry, EventLog
from vorab.records import Customer, Device, from_wire


class Versions(Tables):
    """`Tables` that remember what each entry said before, as far as the log does."""

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[str, list[Device | Customer]] = {}

    @classmethod
    def read(cls, log: EventLog, layout: Layout) -> Self:
        """All that stands in the two topics now."""
        tables = cls()
        for topic in (topics.DEVICES, topics.CUSTOMERS):
            name = layout.name(topic)
            for entry in read_all(log, name, range(layout.partitions(name))):
                tables.apply(entry._replace(topic=topic))
        return tables

    def apply(self, entry: Entry) -> None:
        """Fold one record, and keep the one before."""
        super().apply(entry)
        with suppress(Rejected):
            record = from_wire(entry.value, entry.headers) if entry.value is not None else None
            if isinstance(record, Device | Customer):
                self._written.setdefault(f"{entry.topic} {record.key}", []).append(record)

    def written(self, topic: str, key: str) -> list[Device | Customer]:
        """What was written about a device or customer, the oldest first."""
        return self._written.get(f"{topic} {key}", [])

    def about(self, device: str) -> list[Device | Customer]:
        """What was written about a device and those who had it."""
        found = self.written(topics.DEVICES, device)
        customers = {topics.key_of(each.tenant, each.customer) for each in found if each.customer}
        return [*found, *(entry for customer in sorted(customers) for entry in self.written(topics.CUSTOMERS, customer))]


class AsOf:
    """The registry at a moment, which moves."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self.now: Micros | None = None
        """None is now."""

    def device(self, key: str) -> Device | None:
        """The entry of `tenant/device` that was the last one then."""
        found = self._at(topics.DEVICES, key)
        return found if isinstance(found, Device) else None if self.now is not None else self._versions.device(key)

    def customer(self, key: str) -> Customer | None:
        """The entry of `tenant/customer` that was the last one then."""
        found = self._at(topics.CUSTOMERS, key)
        return found if isinstance(found, Customer) else None if self.now is not None else self._versions.customer(key)

    def about(self, device: str) -> list[Device | Customer]:
        """All that was written about a device and those who had it."""
        return self._versions.about(device)

    def _at(self, topic: str, key: str) -> Device | Customer | None:
        if self.now is None:
            return None
        written = self._versions.written(topic, key)
        return next((entry for entry in reversed(written) if entry.time <= self.now), None)
