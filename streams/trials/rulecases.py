"""Test cases of rules, as people write them beside their rules: readings of devices, and the symptoms that must come of them.

    # yaml-language-server: $schema=tests.schema.json
    cases:
      - name: a worn bearing shakes
        device: {model: pump}
        every: 5 min
        readings: {vibration: 2x6 5.1x3 2x3}
        expect:
          - {rule: pump-vibration-high, onset: 30 min, raised: 35 min, cleared: 45 min}

Read strictly: every mistake is told with file, line and reason. `streams.trials.rulecases_run` runs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, PlainSerializer, ValidationError, WithJsonSchema, model_validator

from streams.rules.files import is_test
from streams.rules.words import Duration, Slug, Strict, parse_duration, say_duration
from streams.rules.yamlfiles import Problem, compose, doubles, keys_of, line_at, line_of, meant, models_in, value_of
from streams.trials.csvcells import parse_time
from streams.trials.series import EXAMPLE, parse_series
from vorab.clock import MINUTE, Micros, parse_iso
from vorab.errors import ConfigError
from vorab.records import Severity

START: Final[Micros] = parse_iso("2026-01-05T00:00:00Z")
"""A Monday."""
_SPAN: Final = ".."
_WHEN: Final = "a time after the start (25 min), a time of day (2026-01-05T00:25:00Z), or from .. to of either"


class When(NamedTuple):
    """When something must happen: at one time, or between two. µs, after the start or since 1970."""

    first: Micros
    last: Micros
    relative: bool

    def fits(self, at: Micros, start: Micros) -> bool:
        """Whether a time (µs) is meant."""
        shift = start if self.relative else 0
        return self.first + shift <= at <= self.last + shift

    def say(self, start: Micros) -> str:
        """As it is told: after the start."""
        shift = 0 if self.relative else -start
        ends = [say_after(end + shift) for end in (self.first, self.last)]
        return ends[0] if self.first == self.last else f"{ends[0]} {_SPAN} {ends[1]}"


def say_after(us: Micros) -> str:
    """A time after the start; before it, with a minus."""
    return f"-{say_duration(-us)}" if us < 0 else say_duration(us)


def parse_when(value: object) -> object:
    """`25 min`, `2026-01-05T00:25:00Z`, `25 min .. 40 min`."""
    if isinstance(value, When):
        return value
    parts = [part.strip() for part in str(value).split(_SPAN)]
    ends = [_moment(part) for part in parts]
    if len(ends) > 2 or len({relative for _, relative in ends}) > 1 or ends[0][0] > ends[-1][0]:
        raise ValueError(f"{value!r} is not {_WHEN}")
    return When(ends[0][0], ends[-1][0], ends[0][1])


def _moment(text: str) -> tuple[Micros, bool]:
    if text in {"0", "start"}:
        return 0, True
    try:
        found = parse_duration(text)
        return int(str(found)), True
    except ValueError:
        pass
    if len(text) >= len("2026-01-05"):
        try:
            return parse_time(text), False
        except ValueError:
            pass
    raise ValueError(f"{text!r} is not {_WHEN}")


_TEXT: Final = WithJsonSchema({"type": ["string", "integer"], "examples": ["25 min", "25 min .. 40 min", "2026-01-05T00:25:00Z"]})
Moment = Annotated[When, BeforeValidator(parse_when), PlainSerializer(lambda when: when.say(0), return_type=str), _TEXT]
NEVER: Final = "never"


def _or_never(value: object) -> object:
    return value if value == NEVER else parse_when(value)


def _series(value: object) -> object:
    if isinstance(value, list):
        return " ".join(map(_token, value))
    return str(value) if isinstance(value, int | float) else value


def _token(part: object) -> str:
    """One reading of a list; a word needs no quotes there."""
    try:
        parse_series(str(part))
    except ValueError:
        return f"'{part}'"
    return str(part)


def _known(text: str) -> str:
    parse_series(text)
    return text


Series = Annotated[
    str,
    BeforeValidator(_series),
    AfterValidator(_known),
    WithJsonSchema(
        {
            "type": ["string", "number", "array"],
            "examples": [EXAMPLE, "20~0.3x100", "'E17'"],
            "description": "One reading after the other: 20x5 is five of 20, 22+1x10 is 22 to 31, 20~0.3x100 has noise, _ did not come.",
        }
    ),
]
Start = Annotated[
    int,
    BeforeValidator(lambda value: value if isinstance(value, int) else parse_time(str(value))),
    WithJsonSchema({"type": "string", "examples": ["2026-01-05T00:00:00Z"]}),
]


class Given(Strict):
    """A device as the registry knows it, and what it sends."""

    model: str = Field("", description="Model, as rules choose devices by it.")
    tenant: str = Field("main", description="Tenant.")
    firmware: str = Field("", description="Firmware.")
    site: str = Field("", description="Site.")
    cohort: str = Field("", description="Devices it is compared with.")
    time_zone: str = Field("", description="Where it stands (Europe/Berlin), for rules that look at certain hours.")
    limits: dict[str, float] = Field(default_factory=dict, description="Limits of this one device that rules refer to.")
    every: Duration | None = Field(None, gt=0, description="Time between its readings; none: the case's.")
    readings: dict[str, Series] = Field(default_factory=dict, description="Signal → its readings.")


class Expect(Strict):
    """A symptom that must be raised."""

    rule: Slug = Field(description="The rule that finds it.")
    device: str = Field("", description="The device; needed only where there are several.")
    signal: str = Field("", description="The signal, for rules about several.")
    onset: Moment | None = Field(None, description="First sign; left out, any time will do.")
    raised: Moment | None = Field(None, description="When it is raised.")
    cleared: Annotated[Any, BeforeValidator(_or_never), _TEXT] = Field(
        None, description="When it is cleared, or `never`: still there at the end."
    )
    severity: Severity | None = Field(None, description="The gravest it gets.")


class Case(Strict):
    """One test case."""

    name: str = Field(min_length=1, description="What it is about, in a sentence.")
    only: tuple[Slug, ...] = Field((), description="Ids of rules; the others do not look. None: all do.")
    start: Start = Field(START, description="Time of the first reading; a Monday, 2026-01-05T00:00:00Z, where none is said.")
    every: Duration = Field(MINUTE, gt=0, description="Time between readings: 1 min, where none is said.")
    until: Duration | None = Field(None, description="How long time goes on after the start; none: up to the last reading.")
    device: Given = Field(default_factory=Given, description="The device `device`, where there is one.")
    devices: dict[str, Given] = Field(default_factory=dict, description="Name → device, where there are several.")
    readings: dict[str, Series] = Field(default_factory=dict, description="Signal → readings of the one device.")
    csv: str = Field("", description="CSV file with readings, beside this file; its times are the start where none is said.")
    zone: str = Field("UTC", description="Zone of times in the CSV file that name none.")
    expect: tuple[Expect, ...] = Field(description="All symptoms that must be raised, no others; [] for none.")

    @model_validator(mode="after")
    def _sends(self) -> Case:
        sending = [self.readings, self.device.readings, *(given.readings for given in self.devices.values())]
        if not self.csv and not any(sending):
            raise ValueError("there are no readings: write `readings` or `csv`")
        if self.devices and (self.readings or self.device != Given()):
            raise ValueError("write either `device` and `readings`, or `devices` with theirs")
        if self.readings and self.device.readings:
            raise ValueError("`readings` stand in the case or in its device, not in both")
        unknown = [expect.device for expect in self.expect if expect.device and expect.device not in self.given]
        if unknown and not self.csv:
            raise ValueError(f"there is no device {unknown[0]!r}{meant(unknown[0], list(self.given))}")
        return self

    @property
    def given(self) -> dict[str, Given]:
        """All devices by name."""
        if self.devices:
            return self.devices
        return {"device": self.device.model_copy(update={"readings": self.readings or self.device.readings})}


class CaseFile(Strict):
    """One file of test cases."""

    rules: tuple[str, ...] = Field((), description="Rule files or folders, seen from this file; none: those beside it.")
    cases: tuple[Case, ...] = Field(min_length=1)


class Written(NamedTuple):
    """A case and where it stands."""

    file: Path
    line: int
    case: Case
    expected: tuple[int, ...]
    """The lines of what it expects."""


class Tests(NamedTuple):
    """The cases of one file, and the rules they are about."""

    file: Path
    rules: list[Path]
    cases: list[Written]


def json_schema() -> dict[str, Any]:
    """JSON Schema of a file of test cases, for editors."""
    schema = CaseFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "vorab test cases of rules"
    return schema


def case_files(paths: Iterable[Path]) -> list[Path]:
    """Files as named, folders searched for `*.test.yaml` and for anything in a folder `tests`; a rule file brings those beside it.

    Raises:
        ConfigError: a path that leads nowhere.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise ConfigError("there is no such file or folder", file=str(path), hint="name test files, or folders that have some")
        if path.is_file() and (is_test(Path(*path.parts[-2:])) or path.suffix not in {".yaml", ".yml"}):
            found[path] = None
        elif path.is_file():
            beside = (path.with_suffix(f".test{path.suffix}"), path.parent / "tests" / path.name)
            found.update(dict.fromkeys(file for file in beside if file.is_file()))
        else:
            inside = sorted(file for glob in ("*.yaml", "*.yml") for file in path.rglob(glob))
            under = path if path.name != "tests" else path.parent
            found.update(dict.fromkeys(file for file in inside if is_test(file.relative_to(under))))
    return list(found)


def read_cases(file: Path) -> tuple[Tests | None, list[Problem]]:
    """The cases of a file, or all that is wrong with it."""
    name = str(file)
    node = compose(file.read_bytes(), name)
    if isinstance(node, Problem):
        return None, [node]
    if node is None:
        return None, [Problem(name, 1, "", "the file is empty; a file of test cases has the key `cases`, a list")]
    problems = list(doubles(node, name))
    try:
        found = CaseFile.model_validate(value_of(node))
    except ValidationError as error:
        problems += [_problem(dict(one), node, name) for one in error.errors(include_url=False, include_input=False)]
    if problems:
        return None, sorted(set(problems), key=lambda problem: problem.line)
    cases = [
        Written(file, line_of(node, ("cases", i)), case, tuple(line_of(node, ("cases", i, "expect", n)) for n in range(len(case.expect))))
        for i, case in enumerate(found.cases)
    ]
    return Tests(file, _rules_of(file, found.rules), cases), []


def _rules_of(file: Path, named: Sequence[str]) -> list[Path]:
    if named:
        return [file.parent / name for name in named]
    return [file.parent.parent if file.parent.name == "tests" else file.parent]


def _problem(one: dict[str, Any], node: Any, name: str) -> Problem:
    loc: tuple[Any, ...] = one["loc"]
    reason = str(one["msg"]).removeprefix("Value error, ")
    if one["type"] == "extra_forbidden":
        models: list[type[BaseModel]] = [CaseFile]
        for part in loc[:-1]:
            fields = [info for model in models for key, info in model.model_fields.items() if part in {key, info.alias}]
            models = [found for info in fields for found in models_in(info.annotation)] if fields else models
        reason = "unknown key" + meant(str(loc[-1]), keys_of(models))
    elif one["type"] == "missing":
        reason = "is missing" + ("; [] says that nothing may be found" if loc[-1] == "expect" else "")
    elif one["type"] in {"model_type", "tuple_type", "dict_type"} and not loc:
        reason = "a file of test cases has the key `cases`, a list"
    return Problem(name, line_of(node, loc) if loc else line_at(node), ".".join(map(str, loc)), reason)
