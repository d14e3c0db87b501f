"""Stories: what machines do, minute by minute, written so that one can read it aloud. Pure.

    story = Story("2026-03-02T00:00:00Z")
    story.machine("press-1", pressure=2.0)
    story.at("00:05", "press-1", pressure=0.8)
    story.silent("00:10", "00:25", "radio-1")
    story.answers("00:08", "press-1", "succeeded")
    story.until("01:00")

Every machine speaks once a minute and keeps its values until the story says otherwise. Time is data: each message carries it, so that
the same story brings about the same symptoms, cases and messages, however fast it is told.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from vorab.clock import MINUTE, SECOND, Micros, parse_iso

STEP: Final[Micros] = MINUTE
BOOT: Final = 1


class Answer(NamedTuple):
    """What a machine says to a command, half a minute before the step it stands at; the story waits for the command."""

    device: str
    nth: int
    """To which of its commands, from 0."""
    status: str
    """Empty: it has heard it, and says nothing."""
    ts_ms: int
    detail: str


class Message(NamedTuple):
    """One MQTT message."""

    topic: str
    payload: str
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One minute: first the answers, then everybody's message, in any order."""

    at: Micros
    answers: tuple[Answer, ...]
    messages: tuple[Message, ...]


@dataclass(slots=True)
class Story:
    """A story in recorded time."""

    start: str
    machines: dict[str, dict[str, float]] = field(default_factory=dict)
    _changes: dict[tuple[int, str], dict[str, float]] = field(default_factory=dict)
    _silences: list[tuple[int, int, str]] = field(default_factory=list)
    _answers: dict[int, list[tuple[str, str, str]]] = field(default_factory=dict)
    last: int = 0
    """The number of the last minute."""

    def machine(self, device: str, **values: float) -> None:
        """A machine that speaks from the beginning, and what it says while all is well."""
        self.machines[device] = values

    def at(self, when: str, device: str, **values: float) -> None:
        """From `when` (hh:mm after the start) on the machine says something else."""
        assert set(values) <= set(self.machines[device]), f"{device} has never said that"
        self._changes.setdefault((minutes(when), device), {}).update(values)

    def silent(self, since: str, until: str, device: str) -> None:
        """The machine says nothing from `since` on, and speaks again at `until`."""
        self._silences.append((minutes(since), minutes(until), device))

    def answers(self, before: str, device: str, status: str, detail: str = "") -> None:
        """Half a minute before this step the machine answers its next command; the story waits until it has come."""
        self._answers.setdefault(minutes(before), []).append((device, status, detail))

    def hears(self, before: str, device: str) -> None:
        """Half a minute before this step the machine has had its next command, and does not answer it."""
        self.answers(before, device, "")

    def until(self, when: str) -> None:
        """The last minute."""
        self.last = minutes(when)

    @property
    def began(self) -> Micros:
        """When it begins."""
        return parse_iso(self.start)

    @property
    def ends(self) -> Micros:
        """The time of the last step."""
        return self.began + self.last * STEP

    def steps(self) -> Iterator[Step]:
        """All minutes in order."""
        now = {device: dict(values) for device, values in self.machines.items()}
        said: dict[str, int] = {}
        for minute in range(self.last + 1):
            at, answers = self.began + minute * STEP, []
            for device, status, detail in self._answers.get(minute, ()):
                answers.append(Answer(device, said.get(device, 0), status, (at - 30 * SECOND) // 1000, detail))
                said[device] = said.get(device, 0) + 1
            messages = []
            for device, values in now.items():
                values.update(self._changes.get((minute, device), {}))
                if not any(since <= minute < until and device == name for since, until, name in self._silences):
                    body = {"ts": at // 1000, **values, "boot": BOOT, "seq": minute}
                    messages.append(Message(f"recorded/{device}/telemetry", json.dumps(body)))
            yield Step(at, tuple(answers), tuple(messages))


def minutes(when: str) -> int:
    """`hh:mm` in minutes."""
    hours, _, rest = when.partition(":")
    return int(hours) * 60 + int(rest)


def as_plan(steps: list[Step], *, mqtt: tuple[str, int], client_id: str, pace_s: float = 0.0, seed: int | None = None) -> dict[str, Any]:
    """What the player needs, as JSON; with a seed the messages of a step come in another order than they stand."""
    chance = random.Random(seed)
    rows = []
    for step in steps:
        messages = list(step.messages)
        if seed is not None:
            chance.shuffle(messages)
        rows.append({"answers": step.answers, "messages": messages})
    return {"mqtt": mqtt, "client_id": client_id, "pace_s": pace_s, "steps": rows}
