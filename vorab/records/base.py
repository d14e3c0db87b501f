"""What all records share: how they are keyed and timed, and how a moment is written."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from vorab import topics
from vorab.clock import Micros, iso, parse_iso

MAX_TEXT: Final = 2_000


def _micros(value: object) -> object:
    return parse_iso(value) if isinstance(value, str) else value


At = Annotated[int, BeforeValidator(_micros), PlainSerializer(iso, return_type=str, when_used="json")]
"""A moment: µs UTC in Python, ISO 8601 with `Z` in JSON."""

Name = Annotated[str, Field(min_length=1, max_length=255)]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Scalar = str | int | float | bool | None


class Record(BaseModel):
    """What all records share."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    TYPE: ClassVar[str]
    TOPIC: ClassVar[str]
    MOVES_TIME: ClassVar[bool] = True
    """Whether a processor's time has come as far as the record's own when it is read."""

    id: Name
    tenant: Name = topics.DEFAULT_TENANT

    @property
    def key(self) -> str:
        """The key on the log."""
        raise NotImplementedError

    @property
    def time(self) -> Micros:
        """The record's own time, data-derived: what `ce_time` says."""
        raise NotImplementedError


class DeviceRecord(Record):
    """A record keyed by device."""

    device: Name

    @property
    def key(self) -> str:
        """`tenant/device`."""
        return topics.key_of(self.tenant, self.device)


class CustomerRecord(Record):
    """A record keyed by customer."""

    customer: Name

    @property
    def key(self) -> str:
        """`tenant/customer`."""
        return topics.key_of(self.tenant, self.customer)


class Severity(StrEnum):
    """Effect on function, after X.733; `rank` orders them."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"
    WARNING = "warning"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return list(Severity).index(self)
