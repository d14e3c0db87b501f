"""Deterministic ids: UUIDv5 over what makes a thing unique, never over the order in which things arrived."""

from __future__ import annotations

import hashlib
import uuid
from typing import Final

from vorab.clock import Micros

# Any fixed namespace will do; this one is UUIDv5(DNS, "vorab.io"), frozen because changing it would change every id.
NAMESPACE: Final = uuid.UUID("be360721-033e-55db-91e4-0238c0c55b30")


_NAMESPACE: Final = NAMESPACE.bytes
_VARIANT: Final = str.maketrans("0123456789abcdef", "89ab" * 4)


def _id(kind: str, *parts: object) -> str:
    """What `str(uuid.uuid5(…))` says, in a third of the time: every record has one."""
    # The unit separator cannot occur in keys, so ("a", "bc") and ("ab", "c") never meet.
    name = "\x1f".join((kind, *map(str, parts)))
    h = hashlib.sha1(_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest()
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{h[16].translate(_VARIANT)}{h[17:20]}-{h[20:32]}"


def symptom_id(device_key: str, rule: str, onset: Micros) -> str:
    """One rule firing on one device since one onset (µs)."""
    return _id("symptom", device_key, rule, onset)


def confirmed_id(symptom: str, since: Micros) -> str:
    """One word about the readings after a symptom had cleared, by when they begin (µs)."""
    return _id("confirmed", symptom, since)


def case_id(device_key: str, cause: str, onset: Micros) -> str:
    """One cause on one device since the onset (µs) of its first symptom."""
    return _id("case", device_key, cause, onset)


def case_event_id(case: str, kind: str, because: str) -> str:
    """One fact about a case, brought about by one thing (the id of a symptom, reply, permit, command, or a deadline)."""
    return _id("case-event", case, kind, because)


def incident_id(group_key: str, at: Micros) -> str:
    """One storm in one group (`tenant/group`), by when it was seen to be one (µs): its first case may be in the next one again."""
    return _id("incident", group_key, at)


def incident_event_id(incident: str, kind: str, mark: object, customer: str = "") -> str:
    """One fact about an incident, by its place in its history; and what of it is told to a customer."""
    return _id("incident-event", incident, kind, mark, customer)


def silence_id(group_key: str, nonce: str) -> str:
    """One silence of a group (`tenant/group`), once per nonce."""
    return _id("silence", group_key, nonce)


def configured_silence_id(group_key: str, since: Micros) -> str:
    """The silence of a group (`tenant/group`) that the settings name, by when it begins (µs)."""
    return incident_id(f"silence/{group_key}", since)


def switch_id(remedy_key: str, state: str, nonce: str) -> str:
    """A remedy (`tenant/remedy`) is stopped or released, once per nonce."""
    return _id("switch", remedy_key, state, nonce)


def action_id(case: str, remedy: str, step: int, attempt: int) -> str:
    """One attempt at one step of a remedy for a case."""
    return _id("action", case, remedy, step, attempt)


def recall_id(action: str) -> str:
    """An action is taken back once."""
    return _id("recall", action)


def errand_id(action: str, state: str) -> str:
    """One word about an errand: it is asked, answered and taken back once."""
    return _id("errand", action, state)


def permit_id(action: str) -> str:
    """The permit one action asks for."""
    return _id("permit", action)


def presence_id(device_key: str, at: Micros, *, online: bool) -> str:
    """One word about whether a device is there, received at (µs)."""
    return _id("presence", device_key, at, online)


def alarm_id(device_key: str, source: str, name: str, at: Micros, *, active: bool) -> str:
    """One word about an alarm of a device, as its source tells it; `at` (µs) is when it began or ended, else when it was received."""
    return _id("alarm", device_key, source, name, at, active)


def gap_id(device_key: str, boot: int, first: int, last: int, *, filled: bool) -> str:
    """One report about missing numbers of one boot of a device."""
    return _id("gap", device_key, boot, first, last, filled)


def cohort_id(cohort_key: str, kind: str, start: int, partition: int) -> str:
    """What one partition told or was told about a cohort and a bucket of time."""
    return _id("cohort", cohort_key, kind, start, partition)


def firmware_use_id(model_key: str, start: int, partition: int) -> str:
    """What one partition told of the firmwares of a model in an hour."""
    return _id("firmware-use", model_key, start, partition)


def reply_id(action: str, status: str) -> str:
    """One answer of a device to an action; a repeated answer has the same id."""
    return _id("reply", action, status)


def notification_id(customer_key: str, case: str, stage: str) -> str:
    """One thing to say to one customer about one case."""
    return _id("notification", customer_key, case, stage)


def delivery_id(notification: str, channel: str, state: str, attempt: int = 0) -> str:
    """What became of a notification on one channel."""
    return _id("delivery", notification, channel, state, attempt)


def command_id(device_key: str, kind: str, nonce: str) -> str:
    """What a person or partner asks for, once per nonce (an idempotency key)."""
    return _id("command", device_key, kind, nonce)


def contact_state_id(customer_key: str, state: str, at: Micros) -> str:
    """How things stand with a customer since a moment."""
    return _id("contact-state", customer_key, state, at)


def offer_id(customer_key: str, kind: str, what: str, about: object) -> str:
    """A hint, by what is suggested and what it is about."""
    return _id("offer", customer_key, kind, what, about)


def lead_time_id(case: str, *times: Micros | None) -> str:
    """One state of a case's line in the ledger of lead times, by all its times (µs)."""
    return _id("lead-time", case, *times)


def mark_id(customer_key: str, nonce: str) -> str:
    """What a customer has been through once more, once per nonce."""
    return _id("mark", customer_key, nonce)


def request_id(customer_key: str, kind: str, nonce: str) -> str:
    """What a customer asks for, once per nonce."""
    return _id("request", customer_key, kind, nonce)


def consent_id(customer_key: str, purpose: str, nonce: str) -> str:
    """That somebody agreed to something, or took it back."""
    return _id("consent", customer_key, purpose, nonce)


def booking_id(customer_key: str, case: str, nonce: str) -> str:
    """A call or visit for a customer about a case, once per nonce."""
    return _id("booking", customer_key, case, nonce)


def slot_id(booking: str, kind: str, nonce: str) -> str:
    """What is asked of the diary about a booking, once per nonce."""
    return _id("slot", booking, kind, nonce)


def booking_event_id(booking: str, kind: str, because: str) -> str:
    """One fact about a booking, brought about by one thing."""
    return _id("booking-event", booking, kind, because)


def corrected_id(customer_key: str, heard: str, nonce: str) -> str:
    """What a person says was meant by something that was heard, once per nonce."""
    return _id("corrected", customer_key, heard, nonce)


def heard_id(channel: str, message: str, edit: str = "") -> str:
    """What a customer said, by the channel's own id of the message; `edit` tells what replaces it from what was there before."""
    return _id("heard", channel, message, edit)


def answered_id(heard: str) -> str:
    """The one answer to what was heard."""
    return _id("answered", heard)


def rejection_id(topic: str, partition: int, offset: int, source: str) -> str:
    """One refused piece of input, by where it stood."""
    return _id("rejection", topic, partition, offset, source)
