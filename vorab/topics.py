"""Every topic, its key, how long it is kept, and the one partition function, in one table."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DEFAULT_TENANT: Final = "main"
RECORDED_TENANT: Final = "recorded"
"""Devices that live in recorded time; they have partitions of their own, because a partition has one `now`."""


# No `/`, `+`, `#`, `$` or space: an id can never widen a subscription, an access rule or a file name.
ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}")
"""What a device, tenant, customer or action may be called."""


class Keyed(StrEnum):
    """What the key of a topic names; topics keyed by the same thing have the same number of partitions."""

    DEVICE = "device"
    CUSTOMER = "customer"
    SITE = "site"
    CONTRACT = "contract"
    GROUP = "group"
    TEAM = "team"
    REMEDY = "remedy"
    CONSENT = "consent"
    COHORT = "cohort"
    MODEL = "model"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the log."""

    name: str
    keyed: Keyed
    kept_days: int | None
    """None is compacted: the last value per key is kept for ever."""
    about: str

    @property
    def compacted(self) -> bool:
        """Whether only the last value per key is kept."""
        return self.kept_days is None


READINGS: Final = "vorab.readings"
PRESENCE: Final = "vorab.presence"
FACTS: Final = "vorab.facts"
DEVICES: Final = "vorab.devices"
CUSTOMERS: Final = "vorab.customers"
SITES: Final = "vorab.sites"
CONTRACTS: Final = "vorab.contracts"
ALARMS: Final = "vorab.alarms"
GAPS: Final = "vorab.gaps"
SYMPTOMS: Final = "vorab.symptoms"
CASES: Final = "vorab.cases"
CASES_BY_GROUP: Final = "vorab.cases-by-group"
CASES_BY_CUSTOMER: Final = "vorab.cases-by-customer"
CASE_SNAPSHOTS: Final = "vorab.case-snapshots"
ACTIONS: Final = "vorab.actions"
REPLIES: Final = "vorab.replies"
PERMITS: Final = "vorab.permits"
ERRANDS: Final = "vorab.errands"
COHORTS: Final = "vorab.cohorts"
FIRMWARES: Final = "vorab.firmwares"
INCIDENTS: Final = "vorab.incidents"
NOTIFICATIONS: Final = "vorab.notifications"
DELIVERIES: Final = "vorab.deliveries"
COMMANDS: Final = "vorab.commands"
REQUESTS: Final = "vorab.requests"
SLOTS: Final = "vorab.slots"
BOOKINGS: Final = "vorab.bookings"
LEAD_TIMES: Final = "vorab.lead-times"
DIALOGUE: Final = "vorab.dialogue"
CONSENTS: Final = "vorab.consents"
CONTACT_STATE: Final = "vorab.contact-state"
OFFERS: Final = "vorab.offers"
REJECTED: Final = "vorab.rejected"

TOPICS: Final[dict[str, Topic]] = {
    topic.name: topic
    for topic in (
        Topic(READINGS, Keyed.DEVICE, 7, "frames: many messages of many devices of one partition, in columns"),
        Topic(PRESENCE, Keyed.DEVICE, None, "online or offline, and by what evidence"),
        Topic(FACTS, Keyed.DEVICE, None, "what devices say about themselves: model, firmware, units, how they speak"),
        Topic(DEVICES, Keyed.DEVICE, None, "the registry of devices"),
        Topic(CUSTOMERS, Keyed.CUSTOMER, None, "language, time zone, preferences, consents; no names, no addresses"),
        Topic(SITES, Keyed.SITE, None, "where devices stand: time zone, region of public holidays, the site it belongs to; no address"),
        Topic(CONTRACTS, Keyed.CONTRACT, None, "what was agreed with a customer: from when to when, service level, remote repair"),
        Topic(ALARMS, Keyed.DEVICE, 28, "findings of others: the device itself, Alertmanager, ThingsBoard"),
        Topic(GAPS, Keyed.DEVICE, 28, "sequence numbers that are missing, and that they have come"),
        Topic(SYMPTOMS, Keyed.DEVICE, 28, "raised, updated and cleared, with evidence and rule version"),
        Topic(CASES, Keyed.DEVICE, 400, "case events: facts, in order"),
        Topic(CASES_BY_GROUP, Keyed.GROUP, 28, "what opens and ends cases, and silences, of a whole tenant, where incidents are found"),
        Topic(CASES_BY_CUSTOMER, Keyed.CUSTOMER, 28, "the same events once per customer, and which of the cases belong to an incident"),
        Topic(CASE_SNAPSHOTS, Keyed.DEVICE, None, "the last state of each case, in the partition of its device"),
        Topic(ACTIONS, Keyed.DEVICE, 28, "what a device is asked to do"),
        Topic(REPLIES, Keyed.DEVICE, 28, "what the device answered"),
        Topic(PERMITS, Keyed.REMEDY, 28, "asked and granted, counted fleet-wide in one place; remedies that are stopped"),
        Topic(ERRANDS, Keyed.DEVICE, 28, "what the case of one machine asks of another one, and the answer"),
        Topic(COHORTS, Keyed.COHORT, None, "summaries out, baselines back"),
        Topic(FIRMWARES, Keyed.MODEL, 28, "per model and hour how long each firmware ran, and how many devices had symptoms under it"),
        Topic(INCIDENTS, Keyed.GROUP, 400, "many cases with one cause"),
        Topic(NOTIFICATIONS, Keyed.CUSTOMER, 400, "what should be said and why"),
        Topic(DELIVERIES, Keyed.CUSTOMER, 400, "what became of it"),
        Topic(COMMANDS, Keyed.DEVICE, 400, "what a person or partner asks for; may be refused"),
        Topic(LEAD_TIMES, Keyed.DEVICE, 400, "the ledger: who noticed a fault first, and when what was done about it"),
        Topic(REQUESTS, Keyed.CUSTOMER, 400, "what a customer asks for; may be refused"),
        Topic(SLOTS, Keyed.TEAM, 28, "what is asked of the diary of calls and visits: one place per tenant books; may be refused"),
        Topic(BOOKINGS, Keyed.CUSTOMER, 400, "calls and visits that are booked, and what became of them"),
        Topic(DIALOGUE, Keyed.CUSTOMER, 28, "what customers said and were answered; words sealed with a key of each customer's own"),
        Topic(CONSENTS, Keyed.CONSENT, None, "who agreed to what, to which words, when and by which way; each under a key of its own"),
        Topic(CONTACT_STATE, Keyed.CUSTOMER, None, "ok, fault_open, recovering or do_not_contact, for any marketing tool"),
        Topic(OFFERS, Keyed.CUSTOMER, 28, "a hint tied to a fault, for the CRM"),
        Topic(REJECTED, Keyed.SOURCE, 7, "refused bytes (capped), reason and origin"),
    )
}

REGISTRY: Final = (DEVICES, CUSTOMERS, SITES, CONTRACTS)
"""The compacted topics of the registry. One each: a site and a device may have the same name, and compaction keeps one record of a key."""

TEAM: Final = "team"
"""Who calls and visits, in keys: one team for a tenant."""

DEFAULT_PARTITIONS: Final = 12


def key_of(tenant: str, name: str) -> str:
    """The key of a device, customer, remedy, … of a tenant."""
    return f"{tenant}/{name}"


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit MurmurHash2 (seed 0x9747b28c), so that any Kafka client finds the partition."""
    mask, mixer, length = 0xFFFFFFFF, 0x5BD1E995, len(data)
    h = 0x9747B28C ^ length
    for k in struct.unpack_from(f"<{length >> 2}I", data):
        k = k * mixer & mask  # noqa: PLW2901 - the reference writes it so, and every device ever heard passes here
        h = (h * mixer & mask) ^ ((k ^ (k >> 24)) * mixer & mask)
    if length & 3:
        h = (h ^ int.from_bytes(data[length & ~3 :], "little")) * mixer & mask
    h = (h ^ (h >> 13)) * mixer & mask
    return h ^ (h >> 15)


def partition_of(key: str, partitions: int, recorded_partitions: int = 0) -> int:
    """The partition of a key: `murmur2(key) & 0x7fffffff % n`.

    The last `recorded_partitions` of a topic belong to the tenant `recorded`; all other keys share the rest.
    """
    live = partitions - recorded_partitions
    h = murmur2(key.encode()) & 0x7FFFFFFF
    if recorded_partitions and key.startswith(RECORDED_TENANT + "/"):
        return live + h % recorded_partitions
    return h % live
