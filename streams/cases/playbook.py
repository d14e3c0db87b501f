"""Playbooks: what is tried for a fault, step by step, on the machine itself or on another one; pure words, read from YAML.

A step asks a machine something, has a remedy done to it, waits, or hands over to a person. What a machine answers may lead elsewhere
(`branch`); where nothing leads elsewhere the next step follows, and after the last a person. A remedy is believed by telemetry alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from streams.rules.words import Duration
from vorab.records import Scalar

NEXT: Final = "next"
PERSON: Final = "hand_over"
"""Where a branch may lead beside a step's name."""

SELF: Final = "device"
Of = Literal["device", "parent", "sibling", "cohort"]


def written(duration: str) -> Any:
    """A default as a file would say it; pydantic reads it like one."""
    return duration


class Part(BaseModel):
    """A piece of a remedy file; wrong keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def schema_of(file: type[Part], title: str) -> dict[str, Any]:
    """JSON Schema of a file, for editors and for other tools."""
    schema = file.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = title
    return schema


def table_of(part: type[Part], said: Mapping[str, str]) -> str:
    """The keys of a part of a file as a Markdown table; `said` is what stands there for defaults that are long."""
    rows = ["| key | default | what it says |", "|---|---|---|"]
    for name, info in part.model_fields.items():
        default = info.get_default(call_default_factory=True, validated_data={})
        text = ", ".join(default) if isinstance(default, tuple) and name not in said else default
        shown = "none" if default is None or default in ((), {}, "") or isinstance(default, Part) else f"`{text}`"
        rows.append(f"| `{name}` | {said.get(name) or ('required' if info.is_required() else shown)} | {info.description} |")
    return "\n".join(rows)


def _listed(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


Wanted = Annotated[tuple[Scalar, ...], BeforeValidator(_listed)]


class Branch(Part):
    """Where an answer leads."""

    when: dict[str, Wanted] = Field(
        default_factory=dict,
        description="All of these have to fit: `answer` is `succeeded`, `failed`, `rejected` or `none`, all else is of what was said; "
        "one value, a list of them, or a comparison such as `> 10`.",
    )
    says: str = Field("", max_length=300, description="What is concluded from it; stands in the case, and a person is told.")
    go: str = Field(NEXT, description="Name of a step, `next` or `hand_over`.")

    def fits(self, answer: str, result: Mapping[str, Scalar]) -> bool:
        """Whether an answer is the one it is about."""
        said = {**result, "answer": answer}
        return all(name in said and any(_is(said[name], wanted) for wanted in some) for name, some in self.when.items())


PARAMS: Final = "With the command; `{device}` stands for the machine at fault, `{code}` in a text for the four digits messages show."


class Step(Part):
    """One step of a playbook: exactly one of `ask`, `do`, `wait` and `hand_over`."""

    name: str = Field("", description="What branches call it.")
    ask: str = Field("", description="Ask a machine: name of the command, one that changes nothing.")
    do: str = Field("", description="Have this remedy done, and have telemetry prove it.")
    wait: Duration | None = Field(None, description="Wait; it may pass by itself.")
    hand_over: str = Field("", description="A person has to look: what that person is told.")
    of: Of = Field(SELF, description="The machine: `device` itself, its `parent`, a `sibling` with the same parent, one of its `cohort`.")
    params: dict[str, Scalar] = Field(default_factory=dict, description=PARAMS)
    valid: Duration = Field(written("2 min"), description="How long an answer to `ask` is waited for.")
    attempts: int = Field(1, ge=1, le=10, description="How often `do` is tried, `wait` of the line apart.")
    branch: tuple[Branch, ...] = Field((), description="Where an answer to `ask` leads: the first that fits.")

    @model_validator(mode="after")
    def _one_thing(self) -> Step:
        asked = [name for name in ("ask", "do", "wait", "hand_over") if getattr(self, name)]
        if len(asked) != 1:
            raise ValueError(f"a step is one of ask, do, wait and hand_over, and this one is {' and '.join(asked) or 'none'}")
        if self.branch and not self.ask:
            raise ValueError("only the answer to a question branches")
        return self

    def lead(self, answer: str, result: Mapping[str, Scalar]) -> Branch | None:
        """The branch an answer takes."""
        return next((branch for branch in self.branch if branch.fits(answer, result)), None)


class Playbook(Part):
    """Steps in their order."""

    about: str = Field("", description="One sentence for operators.")
    steps: tuple[Step, ...] = Field(min_length=1, description="What is done, in this order.")

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Playbook:
        names = [step.name for step in self.steps if step.name]
        twice = sorted({name for name in names if names.count(name) > 1} | {name for name in names if name in {NEXT, PERSON}})
        if twice:
            raise ValueError(f"two steps cannot be called {twice[0]}")
        for step in self.steps:
            for branch in step.branch:
                if branch.go not in {NEXT, PERSON, *names}:
                    raise ValueError(f"no step is called {branch.go}; there are {', '.join(names) or 'none with a name'}")
        return self


def place_of(steps: Sequence[Step], at: int, go: str) -> int:
    """The number of the step that follows step `at` by a branch; the number of steps where a person does."""
    if go == NEXT:
        return at + 1
    return next((number for number, step in enumerate(steps) if step.name == go), len(steps))


_COMPARE: Final[Mapping[str, Any]] = {
    "<=": lambda left, right: left <= right,
    ">=": lambda left, right: left >= right,
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
}


def _is(said: Scalar, wanted: Scalar) -> bool:
    if isinstance(wanted, str) and isinstance(said, int | float) and not isinstance(said, bool):
        for sign, holds in _COMPARE.items():
            if wanted.startswith(sign):
                try:
                    return bool(holds(said, float(wanted.removeprefix(sign))))
                except ValueError:
                    return False
    return said == wanted and isinstance(said, bool) == isinstance(wanted, bool)
