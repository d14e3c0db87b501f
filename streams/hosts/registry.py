"""The registry of devices and customers: two compacted topics read whole before anything starts, and followed from then on."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Self

from vorab import topics
from vorab.errors import Rejected, Unavailable
from vorab.groups import whole_groups
from vorab.log import Entry, EventLog, Position
from vorab.records import Customer, Device, from_wire
from vorab.service import crash, logger

LIMIT: Final = 2_000
WAIT_S: Final = 0.5
BACK_OFF_S: Final = 1.0

log = logger("registry")


class Tables:
    """Devices and customers in memory; implements `vorab.processor.Registry`, also without a log."""

    def __init__(self, devices: Iterable[Device] = (), customers: Iterable[Customer] = ()) -> None:
        self.devices: dict[str, Device] = {}
        self._groups: dict[tuple[str, str, str], dict[str, None]] = {}
        """(tenant, `parent` or `cohort`, its name) → keys of its devices."""
        self._sizes: Counter[str] = Counter()
        for device in devices:
            self._enter(device)
        self.customers: dict[str, Customer] = {customer.key: customer for customer in customers}

    def device(self, key: str) -> Device | None:
        """The registry's entry for `tenant/device`."""
        return self.devices.get(key)

    def customer(self, key: str) -> Customer | None:
        """The registry's entry for `tenant/customer`."""
        return self.customers.get(key)

    def related(self, key: str, how: str) -> list[Device]:
        """The parent, the siblings or the cohort of a device, by id."""
        device = self.device(key)
        if device is None:
            return []
        if how == "parent":
            parent = self.device(topics.key_of(device.tenant, device.parent)) if device.parent else None
            return [parent] if parent is not None else []
        group = ("parent", device.parent) if how == "sibling" else ("cohort", device.cohort)
        keys = self._groups.get((device.tenant, *group), {}) if group[1] else {}
        return sorted((self.devices[other] for other in list(keys) if other != key and other in self.devices), key=lambda each: each.device)

    def _enter(self, device: Device) -> None:
        # In one stroke: whoever asks meanwhile finds the old entry or the new one.
        before = self.devices.get(device.key)
        self.devices[device.key] = device
        self._regroup(before, device)

    def _leave(self, key: str) -> None:
        self._regroup(self.devices.pop(key, None), None)

    def _regroup(self, before: Device | None, after: Device | None) -> None:
        if before is not None:
            for group in _groups_of(before):
                self._groups[group].pop(before.key, None)
            self._sizes.subtract(whole_groups(before))
        if after is not None:
            for group in _groups_of(after):
                self._groups.setdefault(group, {})[after.key] = None
            self._sizes.update(whole_groups(after))

    def size(self, group: str) -> int:
        """How many devices are in `tenant/group`."""
        return self._sizes[group]

    def apply(self, entry: Entry) -> None:
        """Fold one record of a registry topic; one without value deletes, one that cannot be read is skipped and logged."""
        if entry.value is None:
            key = (entry.key or b"").decode(errors="replace")
            self._leave(key) if entry.topic == topics.DEVICES else self.customers.pop(key, None)
            return
        try:
            record = from_wire(entry.value, entry.headers)
        except Rejected as refusal:
            log.warning("registry entry skipped", topic=entry.topic, partition=entry.partition, offset=entry.offset, why=str(refusal))
            return
        if isinstance(record, Device):
            self._enter(record)
        elif isinstance(record, Customer):
            self.customers[record.key] = record


def _groups_of(device: Device) -> Iterable[tuple[str, str, str]]:
    return ((device.tenant, how, name) for how, name in (("parent", device.parent), ("cohort", device.cohort)) if name)


class Assumed(Tables):
    """`Tables` for what was recorded: devices they do not know are taken to be of one model, if one is named."""

    def __init__(self, devices: Iterable[Device] = (), customers: Iterable[Customer] = (), model: str = "") -> None:
        super().__init__(devices, customers)
        self._model = model
        self._made: dict[str, Device] = {}

    def device(self, key: str) -> Device | None:
        """The registry's entry for `tenant/device`, or one with nothing but the model."""
        found = self.devices.get(key)
        if found is None and self._model:
            found = self._made.get(key)
            if found is None:
                tenant, _, name = key.partition("/")
                found = self._made[key] = Device(id=key, tenant=tenant, device=name, model=self._model)
        return found


class TableLoader(Tables):
    """`Tables` kept up to date from the log by a thread of their own."""

    def __init__(self, events: EventLog, *, on_crash: Callable[[Any, str], None] = crash) -> None:
        super().__init__()
        self._log, self._on_crash = events, on_crash
        self._positions: dict[Position, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="registry", daemon=True)

    def start(self, timeout_s: float = 60.0) -> Self:
        """Read both topics to where they end now, then follow them.

        Raises:
            Unavailable: the end was not reached in time.
        """
        ends = {(topic, partition): end for topic in (topics.DEVICES, topics.CUSTOMERS) for partition, end in self._log.ends(topic).items()}
        self._positions = dict.fromkeys(ends, 0)
        rounds = max(1, round(timeout_s / WAIT_S))
        while self._behind(ends):
            if not self._follow():
                rounds -= 1
                if rounds <= 0:
                    raise Unavailable(f"the registry could not be read to its end: {self._positions} of {ends}")
        log.info("registry read", devices=len(self.devices), customers=len(self.customers))
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _behind(self, ends: Mapping[Position, int]) -> bool:
        # Compaction may leave the last offsets of a partition empty: what a read passed by counts as read.
        return any(self._positions[position] < end for position, end in ends.items())

    def _follow(self) -> int:
        entries = self._log.read(self._positions, limit=LIMIT, wait_s=WAIT_S)
        for entry in entries:
            self._positions[entry.topic, entry.partition] = entry.offset + 1
            self.apply(entry)
        return len(entries)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    self._follow()
                except Unavailable as error:
                    log.warning("registry cannot be read", why=str(error))
                    self._stop.wait(BACK_OFF_S)
        except Exception:
            self._on_crash(log, "follow the registry")
            raise
