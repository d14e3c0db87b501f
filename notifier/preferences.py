"""What counts for a person: vorab's defaults, the operator's, those of their contract, and their own word, merged field by field. Pure.

The nearest to the person who says anything about a field decides it, and the result tells for each field who that was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vorab.records import Channel, Contract, Customer, Limit, Purpose, QuietDay
from vorab.settings import Notifier

VORAB: Final = "vorab"
OPERATOR: Final = "operator"
CONTRACT: Final = "contract"
PERSON: Final = "person"

DEFAULT_CONTRACT: Final = "default"
"""Id of the contract that speaks for everybody of a tenant who has none; it names no customer."""

_PLAIN: Final = ("language", "time_zone", "channels", "tell_healed")
_QUIET: Final = ("quiet_from", "quiet_until")


@dataclass(frozen=True, slots=True)
class Layer:
    """What one party says; what is not in `says` it leaves to those further from the person."""

    name: str
    says: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Preferences:
    """What counts for one person."""

    language: str = "en"
    time_zone: str = "Europe/Berlin"
    region: str = ""
    """Whose public holidays count, after ISO 3166; empty: none are known."""
    channels: tuple[Channel, ...] = (Channel.MAIL,)
    purposes: Mapping[Purpose, bool] = field(default_factory=lambda: {Purpose.SERVICE: True})
    quiet_from: str = "22:00"
    quiet_until: str = "07:00"
    quiet_days: tuple[QuietDay, ...] = (QuietDay.HOLIDAY,)
    tell_healed: bool = False
    budget: Mapping[Limit, int] = field(default_factory=dict)
    """Limits above 0."""
    trace: Mapping[str, str] = field(default_factory=dict)
    """Field to who decided it and what: `person: 22:00-07:00`."""


NOBODY: Final = Preferences()
"""Where nobody says anything; no budget is kept."""


def merge(layers: Iterable[Layer]) -> Preferences:
    """The layers from vorab to the person as one, each field by the last that says it."""
    values: dict[str, Any] = {}
    said: dict[str, str] = {}
    for layer in layers:
        for name, value in layer.says.items():
            values[name], said[name] = value, layer.name
    trace = {name: f"{said[name]}: {_shown(value)}" for name, value in values.items()}
    budget = {limit: values.pop(limit) for limit in Limit if limit in values}
    start, end = values.pop("quiet_hours", (NOBODY.quiet_from, NOBODY.quiet_until))
    kept = {limit: most for limit, most in budget.items() if most}
    return Preferences(**values, quiet_from=start, quiet_until=end, budget=kept, trace=trace)


def from_settings(found: Notifier) -> tuple[Layer, ...]:
    """Vorab's layer and the operator's: what the settings file, the environment or the command line say."""
    defaults = {**{name: getattr(NOBODY, name) for name in (*_PLAIN, "region", "quiet_days", "purposes")}, "quiet_hours": _hours(NOBODY)}
    limits: dict[str, int] = {limit: getattr(found.budget, limit.value) for limit in Limit}
    written = {limit: most for limit, most in limits.items() if limit in found.budget.model_fields_set}
    said = found.preferences
    says: dict[str, Any] = {name: value for name in (*_PLAIN, "region") if (value := getattr(said, name)) not in ("", None, ())}
    if said.quiet_days is not None:
        says["quiet_days"] = said.quiet_days
    if said.quiet_from or said.quiet_until:
        says["quiet_hours"] = _hours(said)
    return Layer(VORAB, {**defaults, **limits}), Layer(OPERATOR, {**says, **written})


def from_contract(contract: Contract) -> Layer:
    """What was agreed. Agreement to advertising is never taken from a contract."""
    says: dict[str, Any] = {name: value for name in (*_PLAIN, "region") if (value := getattr(contract, name)) not in ("", None, ())}
    if contract.purposes:
        says["purposes"] = {purpose: yes for purpose, yes in contract.purposes.items() if purpose is not Purpose.ADVERTISING}
    return Layer(f"{CONTRACT} {contract.contract}", {**says, **_rest(contract)})


def from_person(customer: Customer) -> Layer:
    """The person's own word."""
    own = customer.own
    says: dict[str, Any] = {name: getattr(customer, name) for name in (*_PLAIN, "purposes") if own is None or name in own}
    if customer.region:
        says["region"] = customer.region
    if own is None or any(name in own for name in _QUIET):
        says["quiet_hours"] = _hours(customer)
    if customer.quiet_days is not None:
        says["quiet_days"] = customer.quiet_days
    return Layer(PERSON, {**says, **{limit.value: most for limit, most in customer.budget.items()}})


def _rest(contract: Contract) -> dict[str, Any]:
    found: dict[str, Any] = {limit.value: most for limit, most in contract.budget.items()}
    if contract.quiet_days is not None:
        found["quiet_days"] = contract.quiet_days
    if contract.quiet_from or contract.quiet_until:
        found["quiet_hours"] = _hours(contract)
    return found


def _hours(of: Any) -> tuple[str, str]:
    return of.quiet_from or NOBODY.quiet_from, of.quiet_until or NOBODY.quiet_until


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={'yes' if yes else 'no'}" for name, yes in value.items()) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ("-" if len(value) == 2 and ":" in str(value[0]) else " ").join(str(each) for each in value) or "none"
    return str(value) or "unknown"
