"""Records as bytes and back, and the two that are about the log itself: rejections and ticks."""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field, ValidationError

from vorab import topics
from vorab.clock import Micros
from vorab.cloudevents import Attributes, Headers, attributes, headers
from vorab.errors import Reason, Rejected
from vorab.records.base import At, Name, Record, Text
from vorab.records.bookings import Booking, Slot
from vorab.records.cases import Action, CaseEvent, Errand, Permit, Recall, Reply, Switch
from vorab.records.consents import Consent
from vorab.records.dialogue import Answered, Corrected, Heard
from vorab.records.incidents import Incident
from vorab.records.lead_times import LeadTime
from vorab.records.messages import Command, ContactState, Delivery, Notification, Offer, Request
from vorab.records.registry import Contract, Customer, Device, Presence, Site
from vorab.records.reports import Alarm, Cohort, Facts, FirmwareUse, Gap
from vorab.records.silences import Silence
from vorab.records.symptoms import Symptom


class Rejection(Record):
    """Refused input: its bytes (capped), why, and where it came from."""

    TYPE = "io.vorab.rejection.v1"
    TOPIC = topics.REJECTED

    source: Name
    """Who sent it: an MQTT topic, or `topic/partition` of the log."""
    reason: Reason
    detail: Text = ""
    device: str = ""
    """Key of the device, where it is known."""
    at: At
    messages: int = Field(1, ge=1)
    """How many messages it stands for: a device that floods gets one record a minute."""
    size_bytes: int = 0
    payload_base64: str = ""
    """At most the first 1024 bytes."""
    origin_topic: str = ""
    origin_partition: int | None = None
    origin_offset: int | None = None

    @property
    def key(self) -> str:
        """The source."""
        return topics.key_of(self.tenant, self.source)

    @property
    def time(self) -> Micros:
        """When it was received."""
        return self.at


class Tick(Record):
    """`Everything before this time has been written here`: moves time on where nothing happens."""

    TYPE = "io.vorab.tick.v1"
    TOPIC = ""

    at: At

    @property
    def key(self) -> str:
        """Ticks belong to a partition, not to a key."""
        return ""

    @property
    def time(self) -> Micros:
        """The time it announces."""
        return self.at


KINDS: Final[tuple[type[Record], ...]] = (
    Device, Customer, Site, Contract, Presence, Symptom, CaseEvent, Action, Reply, Permit, Notification, Delivery, Command, Request,
    Rejection, Tick, Facts, Alarm, Gap, Cohort, FirmwareUse, LeadTime, Recall, Errand, Switch, ContactState, Offer,
    Incident, Silence, Slot, Booking, Heard, Answered, Corrected, Consent,
)  # fmt: skip

_BY_FAMILY: Final[dict[str, type[Record]]] = {kind.TYPE.split(".")[2]: kind for kind in KINDS if kind is not Presence}


def type_of(record: Record) -> str:
    """The CloudEvents type: `io.vorab.symptom.raised.v1`."""
    of, said = record.TYPE, record.__dict__
    for name in ("state", "kind"):
        if f"{{{name}}}" in of:
            return of.replace(f"{{{name}}}", said[name])
    return of


def family_of(ce_type: str) -> type[Record]:
    """The record class of a CloudEvents type.

    Raises:
        Rejected: a type nobody knows, or a newer major version.
    """
    parts = ce_type.split(".")
    if parts[:2] != ["io", "vorab"] or len(parts) < 4:
        raise Rejected(Reason.BAD_RECORD, f"type {ce_type!r}")
    if parts[-1] != "v1":
        raise Rejected(Reason.NEWER_VERSION, ce_type)
    kind = Presence if parts[2:4] == ["device", "presence"] else _BY_FAMILY.get(parts[2])
    if kind is None:
        raise Rejected(Reason.BAD_RECORD, f"type {ce_type!r}")
    return kind


def to_wire(record: Record, source: str) -> tuple[bytes, bytes, Headers]:
    """Key, value and CloudEvents headers of a record; `source` is a URI such as `urn:vorab:detect`."""
    key, value = record.key, record.model_dump_json(exclude_none=True).encode()
    return key.encode(), value, headers(id=record.id, type=type_of(record), source=source, time=record.time, subject=key)


def from_wire(value: bytes | None, found: Headers) -> Record:
    """The record back.

    Raises:
        Rejected: unknown type, newer version, or a body that is not valid.
    """
    return parse(attributes(found), value)


def parse(context: Attributes, value: bytes | None) -> Record:
    """The record of already parsed attributes; raises as `from_wire`."""
    kind = family_of(context.type)
    try:
        return kind.model_validate_json(value or b"")
    except ValidationError as error:
        first: Any = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise Rejected(Reason.BAD_RECORD, f"{kind.__name__} {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
