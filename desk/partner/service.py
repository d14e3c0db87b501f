"""All partners of a desk: which cases each one gets, and the threads that tell them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from desk.fold import CaseRow
from desk.partner.intake import Intake
from desk.partner.mirror import Mirror
from desk.partner.outbox import Outbox
from desk.partner.relay import Relay, Write
from desk.sealed import Seal
from desk.store import Store
from vorab.clock import Clock, iso
from vorab.errors import ConfigError
from vorab.outbound.addresses import allowed_host
from vorab.outbound.call import Caller
from vorab.partners import Partner
from vorab.records import CaseEvent, Status
from vorab.settings import Mode, Settings
from vorab.topics import RECORDED_TENANT


class Partners:
    """The partners a desk's settings name.

    Raises:
        ConfigError: two of the same name, or one at a host that is not allowed.
    """

    def __init__(self, store: Store, settings: Settings, clock: Clock, write: Write) -> None:
        self.settings: Mapping[str, Partner] = named(settings)
        self.clock = clock
        self.outbox = Outbox(store, Seal(settings.state_path))
        self.intake = Intake(self.settings, self.outbox, write, clock)
        self._relays: list[Relay] = []
        self._chosen, self._write = settings, write

    def start(self, ready: Callable[[], bool]) -> None:
        """Tell them, as soon as the tables hold all of the log."""
        shadow, hosts = self._chosen.mode is Mode.SHADOW, self._chosen.desk.partner_hosts
        for partner in self.settings.values():
            caller = Caller(hosts, partner.allow_private, partner.timeout_s)
            relay = Relay(partner, self.outbox, caller, self._write, self.clock, ready, shadow=shadow)
            self._relays.append(relay)
            relay.start()

    def stop(self) -> None:
        """End after the calls that are under way."""
        for relay in self._relays:
            relay.stop()

    def fits(self, row: CaseRow) -> list[tuple[str, str]]:
        """Which partners get a case as it is now, each with the case."""
        return [(name, row.last.case) for name, partner in self.settings.items() if fits(partner, row)]

    def adopt(self, db: sa.Connection, rows: Iterable[CaseRow]) -> None:
        """Cases that are open when a partner comes, or its filter changes, are mirrored as well."""
        found = list(rows)
        self.saw(db, (pair for row in found for pair in self.fits(row)), {row.last.case: row.last for row in found})

    def saw(self, db: sa.Connection, fits: Iterable[tuple[str, str]], cases: Mapping[str, CaseEvent]) -> None:
        """Cases changed; in the transaction that says so."""
        if self.settings:
            self.outbox.saw(db, fits, cases, self.clock.now())

    def of_case(self, case: str) -> list[Mirror]:
        """Where a case is mirrored."""
        return [mirror for mirror in self.outbox.of_case(case) if mirror.partner in self.settings]


def named(settings: Settings) -> dict[str, Partner]:
    """The partners by name; raises ConfigError as `Partners`."""
    found: dict[str, Partner] = {}
    for partner in settings.partners:
        if partner.name in found:
            raise ConfigError(f"two partners are called {partner.name}", key="partners.name", hint="give one of them another name")
        if not allowed_host(partner.host, settings.desk.partner_hosts):
            raise ConfigError(
                f"partner {partner.name} is at {partner.host}, which is not allowed",
                key="desk.partner_hosts",
                hint=f'[desk] partner_hosts = ["{partner.host}"] allows it',
            )
        found[partner.name] = partner
    return found


def fits(partner: Partner, row: CaseRow) -> bool:
    """Whether a case, as it is now, is for a partner. Recordings of the past are for nobody."""
    last = row.last
    wanted: tuple[tuple[list[Any], Any], ...] = (
        (partner.models, last.model),
        (partner.sites, last.site),
        (partner.severities, last.severity),
        (partner.statuses, last.status),
        (partner.queues, queue_of(row)),
    )
    return last.tenant != RECORDED_TENANT and all(not some or value in some for some, value in wanted)


def queue_of(row: CaseRow) -> str:
    """The part of the console's queue a case stands in."""
    status = row.last.status
    if not status.open:
        return "over"
    if row.needs_person:
        return "person" if status is Status.HELD else "hands"
    return "customer" if status is Status.PENDING else "vorab"


def mirror_json(mirror: Mirror) -> dict[str, Any]:
    """Where a case is mirrored, for the API."""
    times = {"sent_at": mirror.sent_at, "heard_at": mirror.heard_at}
    said = {"partner": mirror.partner, "ticket": mirror.ticket, "told": mirror.sent_seq, "says": says(mirror)}
    return said | {name: iso(at) if at else None for name, at in times.items()} | {"reason": mirror.reason}


def says(mirror: Mirror) -> str:
    """`mirrored as INC-123 at itsm`."""
    place = f"as {mirror.ticket} at {mirror.partner}" if mirror.ticket else f"at {mirror.partner}"
    if mirror.dead:
        return f"not in step {place}: {mirror.detail or mirror.reason}"
    if mirror.reason == "differs":
        return f"mirrored {place}, which stands at another state on its own account"
    if mirror.sent_seq < 0:
        return f"waits to be mirrored {place}" + (f": {mirror.detail or mirror.reason}" if mirror.reason else "")
    return f"mirrored {place}"
