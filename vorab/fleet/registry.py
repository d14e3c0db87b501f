"""Who owns the simulated machines: devices and customers for the registry, names and addresses for the store of people.

Deterministic and made up: three homes with a heat pump each, and organisations with the rest of the fleet.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from vorab.clock import Micros
from vorab.fleet.models import HEAT_PUMP, MODELS, PRINTER, PUMP
from vorab.records import Channel, Customer, Device, Purpose
from vorab.topics import DEFAULT_TENANT, key_of

SHARES: Final[dict[str, float]] = {PUMP: 0.45, PRINTER: 0.3, HEAT_PUMP: 0.25}


class Person(NamedTuple):
    """What only the store of people may know."""

    customer: str
    name: str
    email: str
    language: str


class Owner(NamedTuple):
    """A customer before it becomes a record."""

    name: str
    email: str
    site: str
    language: str = "de"
    time_zone: str = "Europe/Berlin"
    tell_healed: bool = False
    channel: Channel = Channel.MAIL
    complaints: int = 0


HOMES: Final = (
    Owner("Anna Weber", "anna.weber", "home-1"),
    Owner("Jonas Brandt", "jonas.brandt", "home-2"),
    Owner("Mia Schulz", "mia.schulz", "home-3", "en"),
)
"""The three homes asleep: heat-pump-001, -002 and -003."""

SINGAPORE: Final = Owner("Harbour Cold Storage", "plant", "singapore-harbour", "en", "Asia/Singapore")
_OWNERS: Final = (
    Owner("Stadtwerke Musterstadt", "betrieb", "waterworks-north", tell_healed=True),
    Owner("Wohnbau Lindenhof", "verwaltung", "lindenhof"),
    Owner("Hotel Seeblick", "technik", "seeblick", tell_healed=True),
    Owner("Klinik am Park", "haustechnik", "clinic-park", complaints=1),
    Owner("Kanzlei Berger", "office", "berger"),
    Owner("Schule am Ring", "hausmeister", "school-ring"),
    Owner("Brauerei Goldkrug", "anlagen", "brewery"),
    Owner("Northgate Offices", "facilities", "northgate", "en", "Europe/London"),
    Owner("Gewerbepark Süd", "leitstand", "park-south"),
    Owner("Bücherei Altstadt", "service", "library", channel=Channel.FILE),
    Owner("Druckhaus Falk", "werk", "falk", complaints=2),
    Owner("Molkerei Wiesental", "instandhaltung", "dairy"),
    SINGAPORE,
)

# The machines of the story whose owner or consent matters there; all others are dealt out by their number.
_OWNED: Final[dict[str, Owner]] = {
    "heat-pump-001": HOMES[0],
    "heat-pump-002": HOMES[1],
    "heat-pump-003": HOMES[2],
    "pump-063": SINGAPORE,
    "heat-pump-030": _OWNERS[1],  # in Berlin time, so that its message arrives before the story ends
}
_CONSENTS: Final[dict[str, bool | None]] = {"heat-pump-003": None, "pump-051": False}

_NAMES: Final[dict[str, dict[str, str]]] = {
    "de": {PUMP: "Pumpe {n}", PRINTER: "Drucker {n}. OG", HEAT_PUMP: "Wärmepumpe {n}"},
    "en": {PUMP: "Pump {n}", PRINTER: "Printer, floor {n}", HEAT_PUMP: "Heat pump {n}"},
}
_HOME_NAMES: Final = {"de": "Wärmepumpe", "en": "Heat pump"}


def machines(count: int = 200) -> dict[str, str]:
    """Device id → model, for a fleet of so many machines in the usual shares; sorted by model and number."""
    pumps, printers = round(count * SHARES[PUMP]), round(count * SHARES[PRINTER])
    counts = {PUMP: pumps, PRINTER: printers, HEAT_PUMP: count - pumps - printers}
    return {f"{model}-{n:03}": model for model, many in counts.items() for n in range(1, many + 1)}


def customer_id(owner: Owner) -> str:
    """Random to look at, the same each time, and without a trace of the name or address."""
    return "c-" + hashlib.blake2s(owner.site.encode(), key=b"vorab fleet", digest_size=6).hexdigest()


def owner_of(device: str) -> Owner:
    """Whose machine it is."""
    return _OWNED.get(device) or _OWNERS[(_number(device) * 7 + len(device)) % (len(_OWNERS) - 1)]


def remote_repair(device: str) -> bool | None:
    """The consent to remote repair: nearly all gave it; None was never asked."""
    if device in _CONSENTS:
        return _CONSENTS[device]
    return None if _number(device) % 19 == 0 else True


def devices(count: int = 200, *, at: Micros = 0, tenant: str = DEFAULT_TENANT) -> list[Device]:
    """The registry entries of a fleet, written at `at` (µs)."""
    found = []
    seen: dict[tuple[str, str], int] = {}
    for device, model in machines(count).items():
        owner = owner_of(device)
        n = seen[owner.site, model] = seen.get((owner.site, model), 0) + 1
        home = owner in HOMES
        found.append(
            Device(
                id=key_of(tenant, device),
                tenant=tenant,
                device=device,
                model=model,
                name=_HOME_NAMES[owner.language] if home else _NAMES[owner.language][model].format(n=n),
                firmware=MODELS[model].firmware,
                site=owner.site,
                cohort=f"{model}/{'home' if home else 'trade'}",
                customer=customer_id(owner),
                contract="home" if home else "trade",
                remote_repair=remote_repair(device),
                at=at,
            )
        )
    return found


def customers(*, at: Micros = 0, tenant: str = DEFAULT_TENANT) -> list[Customer]:
    """Every owner as a customer record: no name, no address."""
    return [
        Customer(
            id=key_of(tenant, customer_id(owner)),
            tenant=tenant,
            customer=customer_id(owner),
            language=owner.language,
            time_zone=owner.time_zone,
            channels=(owner.channel,),
            purposes={Purpose.SERVICE: True, Purpose.ADVERTISING: owner.site == "seeblick"},
            tell_healed=owner.tell_healed,
            complaints=owner.complaints,
            at=at,
        )
        for owner in (*HOMES, *_OWNERS)
    ]


def people() -> list[Person]:
    """Names and made-up addresses; nothing sent there ever arrives anywhere (RFC 2606)."""
    return [
        Person(customer_id(owner), owner.name, f"{owner.email}@{'home' if owner in HOMES else owner.site}.example.org", owner.language)
        for owner in (*HOMES, *_OWNERS)
    ]


def _number(device: str) -> int:
    return int(device.rpartition("-")[2])
