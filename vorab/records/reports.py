"""What is reported beside readings: facts about devices, alarms of others, numbers that are missing, what cohorts usually do."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from vorab import topics
from vorab.clock import Micros
from vorab.records.base import At, DeviceRecord, Name, Record, Severity, Text


class Facts(DeviceRecord):
    """What a device says about itself; the id is its key. The registry, which people keep, goes before it."""

    TYPE = "io.vorab.facts.v1"
    TOPIC = topics.FACTS

    name: str = ""
    model: str = ""
    firmware: str = ""
    dialect: str = ""
    """How it speaks: the dialect its commands are put into."""
    address: str = ""
    """Where it hears, in words of the dialect: mostly the beginning of its topics."""
    units: dict[str, str] = Field(default_factory=dict)
    """Unit by signal, for devices that do not send it with the value."""
    heartbeat_s: float | None = Field(None, gt=0)
    """How often it means to speak."""
    at: At = 0

    @property
    def time(self) -> Micros:
        """When it was received."""
        return self.at


class Alarm(DeviceRecord):
    """A finding somebody else made: the device itself, Alertmanager, ThingsBoard. Repeats mean nothing new."""

    TYPE = "io.vorab.alarm.v1"
    TOPIC = topics.ALARMS

    name: Name
    """What is wrong, in the words of its source; with device and source it says which alarm this is."""
    source: Name
    """Who found it: `alertmanager`, `thingsboard`, or the dialect of the device."""
    active: bool
    """False: it is over."""
    severity: Severity = Severity.MAJOR
    text: Text = ""
    since: At | None = None
    """When it began, where the source says so."""
    at: At

    @property
    def time(self) -> Micros:
        """When it was received."""
        return self.at


class Gap(DeviceRecord):
    """Sequence numbers of one boot that have not come (or have come since): `first` to `last`, both included."""

    TYPE = "io.vorab.gap.v1"
    TOPIC = topics.GAPS

    boot: int = Field(ge=0)
    first: int = Field(ge=0)
    last: int = Field(ge=0)
    filled: bool = False
    at: At
    """Partition time at which it was noticed or filled."""

    @property
    def time(self) -> Micros:
        """When it was noticed or filled."""
        return self.at


class FirmwareLine(BaseModel):
    """One firmware in an hour, on the devices of one partition."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    firmware: Name
    devices: int = Field(ge=0)
    """How many ran it at the end."""
    ran: int = Field(ge=0)
    """How long, all of them together (µs)."""
    affected: int = Field(ge=0)
    """Devices that had their first symptom of the day under it."""
    moved_from: dict[str, int] = Field(default_factory=dict)
    """Firmware → devices that came from it."""


class FirmwareUse(Record):
    """What the devices of a model ran in an hour, as one partition knows them."""

    TYPE = "io.vorab.firmware-use.v1"
    TOPIC = topics.FIRMWARES

    model: str = Field("", max_length=255)
    partition: int = Field(ge=0)
    """Of the devices."""
    start: At
    end: At
    """The hour: from start, up to but not at end."""
    lines: tuple[FirmwareLine, ...] = Field(max_length=256)
    at: At
    """When the hour was closed."""

    @property
    def key(self) -> str:
        """`tenant/model`."""
        return topics.key_of(self.tenant, self.model)

    @property
    def time(self) -> Micros:
        """When the hour was closed."""
        return self.at


class CohortKind(StrEnum):
    """Which way it goes."""

    SUMMARY = "summary"
    """A partition tells about its devices."""
    BASELINE = "baseline"
    """What is usual in the whole cohort."""


class Cohort(Record):
    """Devices of one kind, by the averages of a signal over a bucket of time, as a rule compares them."""

    TYPE = "io.vorab.cohort.{kind}.v1"
    TOPIC = topics.COHORTS

    cohort: Name
    """`rule:what they have in common`."""
    kind: CohortKind
    rule: Name
    start: At
    end: At
    """The bucket: from start, up to but not at end."""
    partition: int = Field(ge=0)
    """Of the devices: who told, and who is answered."""
    devices: int = Field(ge=0)
    ranks: tuple[int, ...] = Field((), max_length=1024)
    """Summary: hashes of the keys of some devices, the smallest of all."""
    values: tuple[float, ...] = Field((), max_length=1024)
    """Summary: the averages of the same devices."""
    level: float | None = None
    """Baseline: the median."""
    spread: float | None = None
    """Baseline: the standard deviation, as far as most devices tell."""
    at: At
    """When the bucket was closed."""

    @property
    def key(self) -> str:
        """`tenant/cohort`."""
        return topics.key_of(self.tenant, self.cohort)

    @property
    def time(self) -> Micros:
        """When the bucket was closed."""
        return self.at
