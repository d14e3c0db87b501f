"""The care file as it is written: rules, queues, goodwill, advice and lists of words. `docs/care.md` explains every key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator, model_validator

from streams.care.conditions import When
from streams.cases.playbook import Part, schema_of, table_of
from streams.cases.policy import Patterns
from streams.rules.schedule import DAYS, Days, Hours
from streams.rules.words import Duration, Slug
from vorab.clock import DAY, HOUR, Micros, to_datetime, to_micros

MINUTES: Final = 24 * 60
DAYS_AHEAD: Final = 400
"""A promise longer than that is none."""
Version = Annotated[str, BeforeValidator(str, json_schema_input_type=str | int), Field(min_length=1, max_length=40)]
Money = Annotated[Decimal, Field(ge=0, le=100_000, decimal_places=2)]
Sentence = Annotated[str, Field(min_length=1, max_length=120)]


class Bot(StrEnum):
    """Whether vorab may act by itself."""

    MAY = "may"
    MUST_ASK = "must_ask"
    """One or two people approve first."""
    MUST_NOT = "must_not"
    """A person acts."""


def _written(duration: str) -> Any:
    """A default as a file would say it; pydantic reads it like one."""
    return duration


class Rule(Part):
    """One line: when it holds, and what vorab may then do."""

    line: Sentence = Field(description="The line in words an operator recognises; shown with every decision.")
    when: When = Field(default_factory=When, description="Conditions; all that are given must hold, none: always.")
    bot: Bot = Field(description="`may`, `must_ask` (people approve first) or `must_not` (a person acts).")
    approvals: Literal[1, 2] = Field(1, description="With `must_ask`: by how many different people.")
    skill: str = Field("", description="Who looks must have it: the case goes to a queue that does.")


class Queue(Part):
    """A queue: who works it, and when."""

    name: Slug = Field(description="What it is called on the desk.")
    who: str = Field("", description="Who works it, for people.")
    skills: tuple[str, ...] = Field((), description="What they can do; rules ask for it.")
    languages: Patterns = Field(("*",), description="Languages they speak.")
    tenant: Patterns = Field(("*",), description="Tenants whose cases they take.")
    model: Patterns = Field(("*",), description="Models they take.")
    cause: Patterns = Field(("*",), description="Causes they take.")
    site: Patterns = Field(("*",), description="Sites they take.")
    days: Days = Field(tuple(range(7)), description="Days they work: `mon-fri`.")
    hours: Hours = Field(((0, MINUTES),), description="Hours they work: `08:00-18:00`.")
    zone: str = Field("Europe/Berlin", description="Zone of these hours.")
    promise: Duration | None = Field(None, description="A case is taken within so many of these hours; later is a missed promise.")

    @field_validator("zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"there is no time zone {name!r}, write for example Europe/Berlin") from None
        return name

    def open_at(self, at: Micros) -> bool:
        """Whether somebody works it at a moment."""
        local = to_datetime(at).astimezone(ZoneInfo(self.zone))
        minute, day = local.hour * 60 + local.minute, local.weekday()
        today = day in self.days and any(first <= minute < last for first, last in self.hours)
        yesterday = (day - 1) % len(DAYS) in self.days and any(first <= minute + MINUTES < last for first, last in self.hours)
        return today or yesterday

    def due(self, at: Micros) -> Micros | None:
        """When a promise given at a moment is missed; only the hours in which somebody works the queue count. None: none is given."""
        left, zone = self.promise, ZoneInfo(self.zone)
        if left is None:
            return None
        today = datetime.combine(to_datetime(at).astimezone(zone).date(), time())
        for day in (today + timedelta(days=n) for n in range(-1, DAYS_AHEAD)):
            for first, last in self.hours if day.weekday() in self.days else ():
                start, end = (to_micros((day + timedelta(minutes=minute)).replace(tzinfo=zone)) for minute in (first, last))
                start = max(start, at)
                if end - start >= left:
                    return start + left
                left -= max(0, end - start)
        return None


class Apology(Part):
    """What is said to the customer."""

    en: str = Field(min_length=1, max_length=500, description="English.")
    de: str = Field(min_length=1, max_length=500, description="German.")


class Gesture(Part):
    """Something that may be given to a customer, and when it is proposed."""

    line: Sentence = Field(description="The line in words an operator recognises.")
    when: When = Field(description="Conditions; at least one.")
    gesture: str = Field(min_length=1, max_length=120, description="What is given: a voucher.")
    amount: Money = Field(description="What it costs.")
    approvals: Literal[1, 2] = Field(1, description="How many different people approve it.")
    apology: Apology = Field(description="What is said with it.")

    @model_validator(mode="after")
    def _not_to_everybody(self) -> Gesture:
        if self.when.empty:
            raise ValueError("`when` is empty: this would be given to everybody")
        return self


class Goodwill(Part):
    """What may be given, and how much of it."""

    currency: str = Field("EUR", pattern=r"^[A-Z]{3}$", description="Currency of all amounts.")
    per_year: Money = Field(Decimal(0), description="Most for one customer in any 365 days; 0: nothing.")
    gestures: tuple[Gesture, ...] = Field((), description="What may be given; the first that fits is proposed.")


class Advice(Part):
    """What a person who has the case does next."""

    line: Sentence = Field(description="Why: the reason shown beside it.")
    when: When = Field(default_factory=When, description="Conditions.")
    do: str = Field(min_length=1, max_length=200, description="What to do, as one sentence.")


class File(Part):
    """The care file."""

    version: Version = Field(description="Version of the whole file; named with every decision.")
    window: Duration = Field(_written("30 d"), description="How long a contact counts, and what was said in it.")
    approve_within: Duration = Field(_written("4 h"), description="An approval is waited for so long; then a person has the case.")
    rules: tuple[Rule, ...] = Field((), description="Who may act.")
    queues: tuple[Queue, ...] = Field((), description="Where cases for people wait.")
    goodwill: Goodwill = Field(default_factory=Goodwill, description="What may be given.")
    advice: tuple[Advice, ...] = Field((), description="What to do next; the first that fits.")
    words: dict[Slug, dict[str, tuple[str, ...]]] = Field(default_factory=dict, description="Topics: words by language.")
    negations: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="Words that take back what stands near them.")


@dataclass(frozen=True, slots=True)
class Care:
    """The care file in force; without one vorab may do what the remedies say."""

    version: str = ""
    window: Micros = 30 * DAY
    approve_within: Micros = 4 * HOUR
    rules: Sequence[Rule] = ()
    queues: Sequence[Queue] = ()
    goodwill: Goodwill = field(default_factory=Goodwill)
    advice: Sequence[Advice] = ()
    words: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    negations: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def listens(self) -> bool:
        """Whether what customers say matters to anything in it."""
        return bool(self.rules or self.goodwill.gestures or self.advice)


def json_schema() -> dict[str, Any]:
    """JSON Schema of a care file, for editors and for other tools."""
    return schema_of(File, "vorab care")


def keys(part: type[Part]) -> str:
    """The keys of a part of the care file as a Markdown table, for `docs/care.md`."""
    return table_of(part, {"severity": "all", "days": "every day", "hours": "`00:00-24:00`"})
