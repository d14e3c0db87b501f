"""The registry: devices, customers, sites and contracts, read whole from their compacted topics before anything starts, then followed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Self

from streams.hosts.kin import Kin
from streams.hosts.places import Places
from vorab import topics
from vorab.errors import Rejected, Unavailable
from vorab.log import Entry, EventLog, Position
from vorab.records import Contract, Customer, Device, Site, from_wire
from vorab.service import crash, logger

LIMIT: Final = 2_000
WAIT_S: Final = 0.5
BACK_OFF_S: Final = 1.0

log = logger("registry")


class Tables:
    """The registry in memory; implements `vorab.processor.Registry`, also without a log."""

    def __init__(
        self,
        devices: Iterable[Device] = (),
        customers: Iterable[Customer] = (),
        sites: Iterable[Site] = (),
        contracts: Iterable[Contract] = (),
    ) -> None:
        self._places, self._kin = Places(), Kin()
        self.devices: dict[str, Device] = {}
        self.customers: dict[str, Customer] = {}
        self.contracts: dict[str, Contract] = {}
        for entry in (*sites, *contracts, *customers, *devices):
            self.put(entry)

    @property
    def sites(self) -> Mapping[str, Site]:
        """The registry's sites by key."""
        return self._places.sites

    def device(self, key: str) -> Device | None:
        """The registry's entry for `tenant/device`; a time zone it has not is that of its site."""
        return self.devices.get(key)

    def customer(self, key: str) -> Customer | None:
        """The registry's entry for `tenant/customer`."""
        return self.customers.get(key)

    def related(self, key: str, how: str) -> list[Device]:
        """The parent, the siblings or the cohort of a device, by id."""
        device = self.device(key)
        return self._kin.related(self.devices, device, how) if device is not None else []

    def size(self, group: str) -> int:
        """How many devices are in `tenant/group`."""
        return self._kin.size(group)

    def contract(self, key: str) -> Contract | None:
        """The registry's entry for `tenant/contract`."""
        return self.contracts.get(key)

    def put(self, entry: object) -> None:
        """Take an entry up; what is none is passed over."""
        match entry:
            case Device():
                placed = self._places.place(entry)
                before = self.devices.get(entry.key)
                self.devices[entry.key] = placed
                self._kin.replace(before, placed)
            case Customer():
                self.customers[entry.key] = entry
            case Contract():
                self.contracts[entry.key] = entry
            case Site():
                self.devices.update((device.key, device) for device in self._places.settle(entry.key, entry))

    def take_out(self, topic: str, key: str) -> None:
        """Forget the entry of a key on one of the registry's topics."""
        match topic:
            case topics.DEVICES:
                self._places.leave(key)
                self._kin.replace(self.devices.pop(key, None), None)
            case topics.CUSTOMERS:
                self.customers.pop(key, None)
            case topics.CONTRACTS:
                self.contracts.pop(key, None)
            case topics.SITES:
                self.devices.update((device.key, device) for device in self._places.settle(key, None))

    def apply(self, entry: Entry) -> None:
        """Fold one record of a registry topic; one without value deletes, one that cannot be read is skipped and logged."""
        if entry.value is None:
            self.take_out(entry.topic, (entry.key or b"").decode(errors="replace"))
            return
        try:
            record = from_wire(entry.value, entry.headers)
        except Rejected as refusal:
            log.warning("registry entry skipped", topic=entry.topic, partition=entry.partition, offset=entry.offset, why=str(refusal))
            return
        self.put(record)


class Assumed(Tables):
    """`Tables` for what was recorded: devices they do not know are taken to be of one model, if one is named."""

    def __init__(
        self, devices: Iterable[Device] = (), customers: Iterable[Customer] = (), model: str = "", sites: Iterable[Site] = ()
    ) -> None:
        super().__init__(devices, customers, sites)
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
        """Read the topics to where they end now, then follow them.

        Raises:
            Unavailable: the end was not reached in time.
        """
        ends = {(topic, partition): end for topic in topics.REGISTRY for partition, end in self._log.ends(topic).items()}
        self._positions = dict.fromkeys(ends, 0)
        rounds = max(1, round(timeout_s / WAIT_S))
        while self._behind(ends):
            if not self._follow():
                rounds -= 1
                if rounds <= 0:
                    raise Unavailable(f"the registry could not be read to its end: {self._positions} of {ends}")
        log.info(
            "registry read",
            devices=len(self.devices),
            customers=len(self.customers),
            sites=len(self.sites),
            contracts=len(self.contracts),
        )
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
