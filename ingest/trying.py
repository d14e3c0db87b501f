"""How one message would be read, without a broker or a log: what would go to the log, or why nothing would. Pure.

It is the intake itself that is asked, so what is shown is what would happen.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.decoders import Limits
from ingest.dialects import DIALECTS, entries
from ingest.dialects.words import Say
from ingest.intake import Intake
from ingest.packets import Arrivals, Extra, Properties
from ingest.plan import Plan
from ingest.topicmap import DEFAULTS, TopicMap
from vorab.clock import Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Quality, Reading, decode, unpack
from vorab.records import Record, Rejection, Tick, from_wire
from vorab.settings import Settings, TopicMapEntry


@dataclass(slots=True)
class Trial:
    """What became of one message."""

    topic: str
    filter: str = ""
    """Of the entry of the topic map that decided; empty where none did."""
    kind: str = ""
    decoder: str = ""
    """How the entry has payloads read; the name of the dialect, where one reads them."""
    device: str = ""
    """Key of the device the topic names; empty where the dialect says who it is."""
    rows: list[Reading] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    """Presence, replies, facts, alarms."""
    says: list[Say] = field(default_factory=list)
    """What would be published."""
    refusal: Rejection | None = None
    note: str = ""
    """Why nothing is written although nothing is wrong, or who could read what nobody does."""


def attempt(settings: Settings, topic: str, payload: bytes, now: Micros, *, content_type: str = "", retained: bool = False) -> Trial:
    """What the topic map of these settings makes of a message that arrives at `now` (µs); raises ConfigError for a map that cannot be."""
    recorded = settings.topics.recorded_partitions
    partitions = settings.topics.partitions + recorded
    topic_map = TopicMap((*settings.ingest.topic_map, *DEFAULTS, *entries(settings.ingest.dialects)), partitions, recorded)
    plan = Plan(
        partitions=partitions,
        recorded_partitions=recorded,
        rejected_partitions=partitions,
        limits=Limits(payload_bytes=settings.ingest.max_payload_bytes),
    )
    trial = Trial(topic)
    _route(trial, topic_map)
    arrivals = Arrivals([topic.encode()], [payload], [b"\0\1"])
    arrivals.extra[0] = Extra(retained, Properties(content_type))
    for taken in Intake(plan, topic_map).take(arrivals, now):
        for record in taken.records:
            if record.topic == plan.readings:
                trial.rows += unpack(decode(record.value or b""))
            else:
                _sort(trial, from_wire(record.value, record.headers))
        trial.says += taken.says
        if taken.counts["retained"]:
            trial.note = "telemetry that the broker kept is no news, and is not read"
    if not (trial.note or trial.rows or trial.records or trial.says or trial.refusal):
        trial.note = "this topic is listened to, and a message like this one says nothing new"
        if trial.kind == "ignore":
            trial.note = "the topic map says: ignore"
    return trial


def _route(trial: Trial, topic_map: TopicMap) -> None:
    try:
        entry = topic_map.entry_of(trial.topic.encode())
        trial.filter, trial.kind, trial.decoder = entry.filter, "dialect" if entry.dialect else entry.kind, named(entry)
        trial.device = topic_map.resolve(trial.topic.encode()).key
    except Rejected as why:  # the intake says it
        if why.reason is Reason.UNKNOWN_TOPIC:
            knowing = [name for name in DIALECTS if _knows(name, trial.topic)]
            trial.note = f"{' and '.join(knowing)} could read it: add it to ingest.dialects" if knowing else ""


def _knows(name: str, topic: str) -> bool:
    try:
        TopicMap(entries([name]), 1, 0).entry_of(topic.encode())
    except Rejected:
        return False
    return True


def named(entry: TopicMapEntry) -> str:
    """The name of what reads the payloads of an entry; empty where it is not a decoder."""
    if entry.dialect or entry.kind != "telemetry":
        return entry.dialect
    tables = (("mapped", entry.map), ("packed", entry.packed), ("text", entry.text))
    return next((name for name, table in tables if table), entry.decoder)


def _sort(trial: Trial, record: Record) -> None:
    if isinstance(record, Rejection):
        trial.refusal = record
    elif not isinstance(record, Tick):
        trial.records.append(record)


def quality(bits: int) -> str:
    """The words for how far a time can be trusted."""
    return " ".join(bit.name.lower().replace("_", " ") for bit in Quality if bit and bits & bit and bit.name) or "measured"
