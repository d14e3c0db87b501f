"""Contacts by way of the desk: the API, and the signed calls of a telephone system."""

from __future__ import annotations

from desk.contacts import MOST_DEVICES, Contact, commands, name_of, wrong_time
from desk.context import Context
from desk.idempotency import Answer
from desk.problems import Problem, unknown
from desk.writing import append_each
from vorab.people import PeopleClient
from vorab.registry.kinds import CUSTOMERS, DEVICES
from vorab.topics import key_of


def take(context: Context, contact: Contact, key: str, by: str) -> Answer:
    """Write the commands of a contact; `key` is what it was sent with, `by` who told it.

    Raises:
        Problem: nobody knows whom it is about, or it is out of time.
        Unavailable: the log cannot take it now.
    """
    now = context.clock.now()
    at = now if contact.at is None else contact.at
    if wrong := wrong_time(at, now):
        raise Problem(422, "wrong-time", "the time of the contact cannot be", errors=[{"pointer": "#/at", "detail": wrong}])
    devices = _devices(context, contact)
    cases = context.queries.registry.open_cases(devices)
    if not cases and len(devices) > MOST_DEVICES:
        raise Problem(422, "too-many-devices", f"no case is open on more than {MOST_DEVICES} devices of this customer: name the device")
    made = list(commands(contact, name_of(contact, at, key), at, contact.by or by, devices, cases))
    append_each(context, made)
    told = [{"command": each.id, "device": each.key, **({"case": each.case} if each.case else {})} for each in made]
    return Answer(202, {"contacts": told, "detail_kept": False})


def _devices(context: Context, contact: Contact) -> list[str]:
    registry = context.queries.registry
    if contact.device is not None:
        key = key_of(contact.tenant, contact.device)
        if registry.get(DEVICES, key) is None and registry.heard_at(key) is None:
            raise unknown("device")
        return [key]
    key = key_of(contact.tenant, contact.customer or "")
    found = [device.key for device in registry.devices_of(key, 10_000)]
    if not found and registry.get(CUSTOMERS, key) is None:
        raise unknown("customer")
    if not found:
        raise Problem(422, "no-device", "no device of this customer is registered, so there is nothing it could be about")
    return found


def customer_who_calls(context: Context, phone: str) -> str:
    """The customer (by key) with a telephone number; empty where nobody has it, or two have. The number is kept nowhere.

    Raises:
        Unavailable: no notifier runs here that knows people.
    """
    people = PeopleClient.announced(context.settings.state_path)
    wanted = _digits(phone)
    if people is None or len(wanted) < 6:
        return ""
    found = [person.customer for person in people.all() if _digits(person.phone) == wanted]
    return found[0] if len(found) == 1 else ""


def _digits(phone: str) -> str:
    """A number without what people write between its digits; 00 before the country is +."""
    digits = "".join(character for character in phone if character.isdigit())
    return digits.removeprefix("00")
