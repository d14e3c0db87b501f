"""The four kinds of entries, each with its topic, its fields and its check, in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vorab import topics
from vorab.clock import Micros
from vorab.records import Contract, Customer, Device, Record, Site
from vorab.registry import checks
from vorab.registry.checks import Wrong

Entry = Customer | Device | Site | Contract

HIDDEN: Final = frozenset({"id", "at", "marked", "own"})
"""What the registry keeps for itself: no column of a file."""
MARKS: Final = ("returns", "wrong_bills", "complaints")
"""What a customer has been through; it happened, whatever the next file says, so what a file leaves out stays."""
PERSONAL: Final = ("name", "mail", "email", "phone")
"""What of a customer is kept in the store of people, and never in the log."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of entry."""

    name: str
    """`device`; also the field that holds the id."""
    topic: str
    record: type[Record]
    fields: tuple[str, ...]
    """What people may write, the id first."""
    make: Callable[[Mapping[str, Any], Micros], tuple[Any, list[Wrong]]]

    @property
    def plural(self) -> str:
        """`devices`."""
        return f"{self.name}s"


def _kind(record: type[Record], make: Callable[[Mapping[str, Any], Micros], tuple[Any, list[Wrong]]]) -> Kind:
    name = record.__name__.lower()
    others = (field for field in record.model_fields if field not in {*HIDDEN, name, "tenant"})
    return Kind(name, record.TOPIC, record, (name, "tenant", *others), make)


DEVICES: Final = _kind(Device, checks.device)
CUSTOMERS: Final = _kind(Customer, checks.customer)
SITES: Final = _kind(Site, checks.site)
CONTRACTS: Final = _kind(Contract, checks.contract)
KINDS: Final[Mapping[str, Kind]] = {kind.topic: kind for kind in (DEVICES, CUSTOMERS, SITES, CONTRACTS)}
"""By topic."""


def plain(entry: Record) -> dict[str, Any]:
    """An entry as a row that can be read back; of customers everything they have said, of others what is set."""
    kind = KINDS[entry.TOPIC]
    values = entry.model_dump(mode="json", exclude=set(HIDDEN))
    if isinstance(entry, Customer):
        unsaid = set(checks.SAID) - set(checks.SAID if entry.own is None else entry.own)
        empty = {name for name in ("quiet_days", "region", "budget") if not values[name] and values[name] != []}
        kept = {name: value for name, value in values.items() if name not in unsaid | empty}
    else:
        kept = {name: value for name, value in values.items() if value not in ("", None, {}, [])}
    return {kind.name: kept.pop(kind.name), **kept}


def same(one: Record, other: Record) -> bool:
    """Whether two entries say the same, whenever they were written."""
    return one.model_dump(exclude={"at"}) == other.model_dump(exclude={"at"})


def kept_marks(entry: Record, known: Record | None, named: Mapping[str, Any]) -> Record:
    """A customer with the marks of the entry it replaces, as far as they are not named anew."""
    if not isinstance(entry, Customer) or not isinstance(known, Customer):
        return entry
    marks = {name: getattr(known, name) for name in MARKS if name not in named}
    return entry.model_copy(update={**marks, "marked": known.marked})


def full_key(name: str) -> str:
    """`tenant/name`; a bare name belongs to the default tenant."""
    return name if "/" in name else topics.key_of(topics.DEFAULT_TENANT, name)
