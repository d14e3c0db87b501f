"""Whether this is a time to offer a customer anything: not while something of theirs is broken, nor for a while after. Pure.

The word for marketing tools is the last one per customer on `vorab.contact-state`. It changes with the case that opens or ends, so a tool
knows as soon as the log does. After the last fault it says until when to wait; that the wait is over is told with the next thing that
happens to any customer of the partition, so a tool goes by the time. Who has not agreed to advertising is not to be contacted at all.
A customer nobody ever told of has had no fault.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

from vorab import ids
from vorab.clock import Micros
from vorab.records import CaseEvent, Contact, ContactState, Customer, Purpose
from vorab.topics import RECORDED_TENANT, key_of

BLOCK: Final = "contact:"
"""Begins the names of its blocks; the customer's key follows."""


class Standing(msgspec.Struct):
    """How things stand with a customer."""

    tenant: str
    customer: str
    said: str = Contact.OK
    """What was told last."""
    open: list[str] = []
    """Cases."""
    until: Micros = 0
    """End of the wait after the last fault."""
    because: str = ""
    """The case event that changed it last."""


class ContactBook:
    """The customers of a partition who have, or lately had, a fault."""

    def __init__(self, customer: Callable[[str], Customer | None], cool_down: Micros) -> None:
        """`customer` looks up a key in the registry; `cool_down` is how long after the last fault nothing is offered, µs."""
        self._customer, self._cool_down = customer, cool_down
        self._standings: dict[str, Standing] = {}
        self._due: list[tuple[Micros, str]] = []
        self._changed: set[str] = set()

    def hear(self, event: CaseEvent) -> Iterator[ContactState]:
        """Fold an event of a case that was not heard before."""
        if not event.customer or event.tenant == RECORDED_TENANT:
            return
        key = key_of(event.tenant, event.customer)
        standing = self._standings.setdefault(key, Standing(event.tenant, event.customer))
        is_open = event.case in standing.open
        if event.status.open and not is_open:
            standing.open.append(event.case)
        elif not event.status.open and is_open:
            standing.open.remove(event.case)
            standing.until = max(standing.until, event.at + self._cool_down)
        else:
            return
        standing.because = event.id
        yield from self._settle(key, standing, event.at)

    def due(self, now: Micros) -> Iterator[ContactState]:
        """Who has waited for long enough by then."""
        while self._due and self._due[0][0] <= now:
            at, key = heapq.heappop(self._due)
            standing = self._standings.get(key)
            if standing is not None and not standing.open and standing.until == at:
                yield from self._settle(key, standing, at)

    def _settle(self, key: str, standing: Standing, at: Micros) -> Iterator[ContactState]:
        self._changed.add(key)
        if standing.open:
            wanted = Contact.FAULT_OPEN
        elif at < standing.until:
            wanted = Contact.RECOVERING
            heapq.heappush(self._due, (standing.until, key))
        else:
            wanted = Contact.OK
            del self._standings[key]
        known = self._customer(key)
        if known is not None and not known.purposes.get(Purpose.ADVERTISING, False):
            wanted = Contact.DO_NOT_CONTACT
        if wanted == standing.said:
            return
        standing.said = wanted
        yield ContactState(
            id=ids.contact_state_id(key, wanted, at),
            tenant=standing.tenant,
            customer=standing.customer,
            state=wanted,
            at=at,
            until=standing.until if wanted is Contact.RECOVERING else None,
            open=len(standing.open),
            because=standing.because,
        )

    def dirty(self) -> dict[str, bytes]:
        """A block per customer that changed; empty where nothing is left to remember."""
        changed, self._changed = self._changed, set()
        return {BLOCK + key: msgspec.msgpack.encode(self._standings[key]) if key in self._standings else b"" for key in sorted(changed)}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over those blocks that are its own."""
        for name, block in blocks.items():
            if block and name.startswith(BLOCK):
                standing = self._standings[name.removeprefix(BLOCK)] = msgspec.msgpack.decode(block, type=Standing)
                if not standing.open:
                    self._due.append((standing.until, name.removeprefix(BLOCK)))
        heapq.heapify(self._due)
