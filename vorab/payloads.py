"""Payloads read without code: JSON by paths, and plain text. Tables of an entry of the topic map; `vorab.layouts` has those for binary.

[[ingest.topic_map]]
filter = "plant/{device}/up"
map.time = { path = "meta.at", unit = "iso", zone = "Europe/Berlin" }
map.signals.temperature = { path = "data.temp", scale = 0.1, unit = "Cel" }
"""

from __future__ import annotations

import math
import re
from enum import Enum
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

SIGNAL: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}")
"""What a signal may be called."""


class Mark(Enum):
    """Steps of a path that are neither key nor index."""

    EACH = "*"
    NAME = "~"


Step = str | int | Mark
Steps = tuple[Step, ...]

_STEP: Final = re.compile(
    r"""(?P<each> \.\*(?P<name1>~)? | \[\*\](?P<name2>~)?)
      | \[(?P<index>-?\d{1,6})\]
      | \["(?P<quoted>[^"]+)"\]
      | \.(?P<key>[^.\[\]"*~]+)""",
    re.VERBOSE,
)


def steps(path: str) -> Steps:
    """The steps of a path: `a.b`, `a[0]`, `a["b.c"]`, `a[*].b` (or `a.*.b`) for each of a list or object, `a[*]~` for its key; `$` is all.

    Raises:
        ValueError: not a path; the text says what one looks like.
    """
    rest = path.removeprefix("$") if path == "$" or path[:2] in {"$.", "$["} else path if path[:1] == "[" else f".{path}"
    found: list[Step] = []
    at = 0
    while at < len(rest):
        step = _STEP.match(rest, at)
        if step is None:
            raise ValueError(f'{path!r} is no path; write for example data.temp, data[0].temp, data[*].temp or data["a.b"]')
        at = step.end()
        if step["each"]:
            found.append(Mark.EACH)
            if step["name1"] or step["name2"]:
                found.append(Mark.NAME)
                if at < len(rest):
                    raise ValueError(f"{path!r}: nothing can follow `~`, the name of an element")
        elif step["index"]:
            found.append(int(step["index"]))
        else:
            found.append(step["quoted"] or step["key"])
    return tuple(found)


def lists_of(path: Steps) -> tuple[Steps, ...]:
    """What leads to each `*` of a path."""
    return parts_of(path)[:-1]


def parts_of(path: Steps) -> tuple[Steps, ...]:
    """A path cut at each `*`; the last part leads on from the innermost element."""
    parts: list[list[Step]] = [[]]
    for step in path:
        if step is Mark.EACH:
            parts.append([])
        else:
            parts[-1].append(step)
    return tuple(map(tuple, parts))


def _path(value: object) -> object:
    if isinstance(value, str):
        steps(value)
    return value


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("must be a number")
    return value


def _several(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _zone(name: object) -> object:
    if name:
        try:
            ZoneInfo(str(name))
        except (KeyError, ValueError, OSError):
            raise ValueError(f"there is no time zone {name!r}, write for example Europe/Berlin") from None
    return name


def signal_names(found: dict[str, Any]) -> dict[str, Any]:
    """The same table; raises ValueError where a key is no name for a signal, or where there are too many."""
    for name in found:
        if not SIGNAL.fullmatch(name):
            raise ValueError(f"{name[:60]!r} is no name for a signal: letters, digits and _ . : / -, at most 128")
    if len(found) > 256:
        raise ValueError(f"{len(found)} signals, at most 256")
    return found


Path = Annotated[str, Field(min_length=1), BeforeValidator(_path)]
Number = Annotated[int | float, BeforeValidator(_number)]
Nothing = Annotated[list[int | float | str], BeforeValidator(_several)]
Words = Annotated[list[str], BeforeValidator(_several)]
Zone = Annotated[str, BeforeValidator(_zone)]


class Table(BaseModel):
    """A table of the settings file; wrong keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Measured(Table):
    """What is done with a value that was found: `value * scale + offset`."""

    scale: Number = Field(1, description="Factor; 0.1 and its like divide, so that 3 becomes 0.3 and not 0.30000000000000004.")
    offset: Number = Field(0, description="Added after scaling.")
    unit: str = Field("", max_length=64, description="Unit, as SenML writes it: Cel, %RH, W, kWh.")
    none: Nothing = Field(default_factory=list, description="Raw values that mean that nothing was measured, for example -32768.")
    min: Number | None = Field(None, description="A smaller value, after scaling, refuses the message.")
    max: Number | None = Field(None, description="A larger value, after scaling, refuses the message.")

    @property
    def counts(self) -> bool:
        """Whether something was said that only a number can answer."""
        return self.scale != 1 or self.offset != 0 or self.min is not None or self.max is not None

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if self.scale == 0:
            raise ValueError("scale 0 would make every value the same; leave it out")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self


class Said(Measured):
    """A value that came as JSON or text."""

    type: Literal["auto", "number", "bool", "text"] = Field(
        "auto", description="auto: as it is; number: text with a number in it counts too; bool: by the words in true and false."
    )
    true: Words = Field(["true", "on", "yes", "1"], description="Words for true, in any case; only with type bool.")
    false: Words = Field(["false", "off", "no", "0"], description="Words for false; any other word refuses the message.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.type in {"bool", "text"} and self.counts:
            raise ValueError(
                f'scale, offset, min and max are for numbers, and type is {self.type}: leave them out, or write type = "number"'
            )
        if self.type != "bool" and self.model_fields_set & {"true", "false"}:
            raise ValueError('the words in true and false are for type = "bool"')
        if both := {word.lower() for word in self.true} & {word.lower() for word in self.false}:
            raise ValueError(f"{both.pop()!r} cannot mean both true and false")
        return self


class Pick(Said):
    """One signal out of JSON."""

    path: Path = Field(description='Where it stands: data.temp, data[0].temp, data[*].temp, data["a.b"].')
    name: Path | None = Field(None, description="Path of the signal's name, where the payload names it; the key is then only a label.")

    @model_validator(mode="after")
    def _same_list(self) -> Self:
        if self.name and not _leads(lists_of(steps(self.name)), lists_of(steps(self.path))):
            raise ValueError(f"{self.name} goes through a list that {self.path} does not go through")
        return self


class At(Table):
    """Where the time stands."""

    path: Path = Field(description="Where the time stands.")
    unit: Literal["s", "ms", "us", "iso"] = Field(description="Seconds, milliseconds or microseconds since 1970, or text as ISO 8601.")
    zone: Zone = Field("", description="IANA zone of ISO times that name none; empty: UTC is assumed, and the reading says so.")

    @model_validator(mode="after")
    def _needed(self) -> Self:
        if self.zone and self.unit != "iso":
            raise ValueError('a zone is for unit = "iso"; numbers count from 1970 UTC')
        return self


class JsonMap(Table):
    """JSON by paths. What lies in a list is one row per element, what does not is one row; values of one instant share a row."""

    signals: Annotated[dict[str, Pick], BeforeValidator(lambda found: signal_names(found) if isinstance(found, dict) else found)] = Field(
        default_factory=dict, description="The signals, each by its path."
    )
    values: Path | None = Field(
        None, description="Path of an object whose values all become signals, nested ones by dotted names; a signal above goes before."
    )
    time: At | None = Field(None, description="The time of a row; without it, or where there is none, the time of arrival.")
    boot: Path | None = Field(None, description="Path of a counter that rises at each start of the device.")
    seq: Path | None = Field(None, description="Path of a counter that rises with each message of a boot.")
    device: Path | None = Field(None, description="Path of the name of a device behind the sender; its id is SENDER:NAME.")
    sender: Path | None = Field(None, description="Path of the sender's own id: a message that says another than its topic is refused.")

    @model_validator(mode="after")
    def _together(self) -> Self:
        if not self.signals and not self.values:
            raise ValueError("there is nothing to read: give signals or values")
        groups = {lists_of(steps(pick.path)) for pick in self.signals.values()}
        if self.values:
            groups.add(lists_of(steps(self.values)))
        others = {"time": self.time and self.time.path, "boot": self.boot, "seq": self.seq, "device": self.device, "sender": self.sender}
        for what, path in others.items():
            if path and not any(_leads(lists_of(steps(path)), group) for group in groups):
                raise ValueError(f"{what} {path} lies in a list in which no signal lies")
        return self


def _leads(outer: tuple[Steps, ...], inner: tuple[Steps, ...]) -> bool:
    return inner[: len(outer)] == outer


class PlainText(Said):
    """A payload that is one value, as text: `21.4`, `ON`."""

    type: Literal["auto", "number", "bool", "text"] = Field("number", description="What the text is; auto: a number if it looks like one.")
    signal: str = Field("", description="Name of the signal; empty: what {name} in the filter matches, else `value`.")

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.signal:
            signal_names({self.signal: None})
        return self
