"""The records that travel on the log: facts and wishes, frozen, validated at the edge and trusted inside.

Times are aware UTC datetimes on the wire (ISO 8601, µs) and `Micros` in the core: `record.at_us` and friends convert.
No record holds a name, an address or any other personal data; ids of customers are random.
Consumers ignore keys they do not know; a record of a newer major version (`….v2`) is refused.
"""

from __future__ import annotations

from vorab.records.base import MAX_TEXT, At, CustomerRecord, DeviceRecord, Name, Record, Scalar, Severity, Text
from vorab.records.cases import (
    Action,
    CaseEvent,
    CaseKind,
    Errand,
    ErrandState,
    Permit,
    PermitState,
    Proof,
    Recall,
    Reply,
    ReplyStatus,
    Status,
    Switch,
    SwitchState,
)
from vorab.records.incidents import MOST_CHILDREN, Incident, IncidentKind, IncidentStatus
from vorab.records.lead_times import LeadTime, Verdict
from vorab.records.messages import (
    Command,
    CommandKind,
    Delivery,
    DeliveryReason,
    DeliveryState,
    Notification,
    Request,
    RequestKind,
    Stage,
    Urgency,
)
from vorab.records.registry import Channel, Contract, Customer, Device, Presence, Purpose, Site
from vorab.records.reports import Alarm, Cohort, CohortKind, Facts, FirmwareLine, FirmwareUse, Gap
from vorab.records.symptoms import Point, Symptom, SymptomState
from vorab.records.wire import KINDS, Rejection, Tick, family_of, from_wire, parse, to_wire, type_of

__all__ = [
    "KINDS",
    "MAX_TEXT",
    "MOST_CHILDREN",
    "Action",
    "Alarm",
    "At",
    "CaseEvent",
    "CaseKind",
    "Channel",
    "Cohort",
    "CohortKind",
    "Command",
    "CommandKind",
    "Contract",
    "Customer",
    "CustomerRecord",
    "Delivery",
    "DeliveryReason",
    "DeliveryState",
    "Device",
    "DeviceRecord",
    "Errand",
    "ErrandState",
    "Facts",
    "FirmwareLine",
    "FirmwareUse",
    "Gap",
    "Incident",
    "IncidentKind",
    "IncidentStatus",
    "LeadTime",
    "Name",
    "Notification",
    "Permit",
    "PermitState",
    "Point",
    "Presence",
    "Proof",
    "Purpose",
    "Recall",
    "Record",
    "Rejection",
    "Reply",
    "ReplyStatus",
    "Request",
    "RequestKind",
    "Scalar",
    "Severity",
    "Site",
    "Stage",
    "Status",
    "Switch",
    "SwitchState",
    "Symptom",
    "SymptomState",
    "Text",
    "Tick",
    "Urgency",
    "Verdict",
    "family_of",
    "from_wire",
    "parse",
    "to_wire",
    "type_of",
]
