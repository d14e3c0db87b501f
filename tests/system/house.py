"""What every system under test has: a folder, settings, a registry, people, a log to read, and a player to tell it the story."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, Self

import yaml

from tests.parts.base import PATIENCE_S, Child, wait_until
from tests.system.outcome import DECIDED, Outcome, Row, outcome_of, read_rows
from tests.system.story import Step, as_plan
from vorab import topics
from vorab.clock import SECOND, Micros
from vorab.log import EventLog, Outgoing, Position, append_all, open_log
from vorab.records import CaseKind, Customer, DeliveryState, Device, Stage, Tick, to_wire

PARTITIONS: Final = 4
RECORDED_PARTITIONS: Final = 8
_numbers = itertools.count()


class Broker(Protocol):
    """Where an MQTT broker listens."""

    host: str
    port: int


@dataclass(slots=True)
class Plan:
    """What a house is built to."""

    folder: Path
    mqtt: Broker
    smtp: Broker
    registry: Sequence[Device | Customer]
    rules: Path
    remedies: Path
    now: str
    """What its clock says at the start (ISO 8601): the end of the story, so that nothing there is to say lies in the future.
    It runs twice as fast as the wall's, so that ingest looks back two hours for commands."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Sections of the settings file, over those below."""
    partitions: int = PARTITIONS


class House(ABC):
    """A system on a log; subclasses run it."""

    def __init__(self, plan: Plan, address: str) -> None:
        self.plan, self.address, self.name = plan, address, f"house-{os.getpid()}-{next(_numbers)}"
        self.folder = plan.folder / self.name
        self.folder.mkdir(parents=True)
        self.config = self.folder / "vorab.toml"
        self._log: EventLog | None = None
        self._places: dict[Position, int] = {}
        self._rows: dict[str, list[Row]] = {}
        self._players: list[Child] = []
        self._write()

    # ------------------------------------------------------------------------------------------- set-up

    def _write(self) -> None:
        sections: dict[str, dict[str, Any]] = {
            "mqtt": {"host": self.plan.mqtt.host, "port": self.plan.mqtt.port, "client_id": self.name},
            "topics": {"partitions": self.plan.partitions, "recorded_partitions": RECORDED_PARTITIONS},
            "streams": {"rules": [str(self.plan.rules)], "remedies": [str(self.plan.remedies)], "group": self.name, "checkpoint_s": 0.5},
            "notifier": {
                "smtp_host": self.plan.smtp.host,
                "smtp_port": self.plan.smtp.port,
                "people": str(self.folder / "people.yaml"),
                "retry_s": 0.2,
            },
            # Each story is one night in which everybody hears everything; budgets have tests of their own.
            "notifier.budget": {"a_day": 0, "a_week": 0, "a_month": 0},
            "desk": {"port": 0},
            "service": {"log_format": "json"},
        }
        for section, values in self.plan.settings.items():
            sections.setdefault(section, {}).update(values)
        top = {"state_dir": str(self.folder / "state"), "log": self.address, "clock": f"{self.plan.now}@2/{time.time():.0f}"}
        lines = [f"{key} = {json.dumps(value)}" for key, value in top.items()]
        for section, values in sections.items():
            lines += ["", f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        customers = [row for row in self.plan.registry if isinstance(row, Customer)]
        people = [{"customer": row.key, "name": f"Family {row.customer}", "mail": f"{row.customer}@example.org"} for row in customers]
        (self.folder / "people.yaml").write_text(yaml.safe_dump(people), encoding="utf-8")

    def register(self, log: EventLog) -> None:
        """Write the registry."""
        found = []
        for record in self.plan.registry:
            key, value, headers = to_wire(record, "urn:test")
            partition = topics.partition_of(record.key, log.partitions(record.TOPIC), RECORDED_PARTITIONS)
            found.append(Outgoing(record.TOPIC, partition, key, value, headers))
        append_all(log, found)

    def child(self, name: str, *arguments: str, env: Mapping[str, str] | None = None) -> Child:
        """A process of vorab that is not started yet."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("VORAB_")}
        argv = [sys.executable, "-m", "vorab", *arguments]
        return Child(f"{self.name}-{name}", argv, env={**clean, "PYTHONUNBUFFERED": "1", **(env or {})})

    @abstractmethod
    def start(self) -> None:
        """Start everything and wait until messages can arrive."""

    @abstractmethod
    def processes(self) -> Mapping[str, Child]:
        """The processes by name."""

    @abstractmethod
    def revive(self) -> None:
        """Start again what ended itself after something unexpected, as a supervisor would."""

    def stop(self) -> None:
        """End everything."""
        for child in self._players:
            child.kill()
        children = list(self.processes().values())
        for child in children:
            child.kill()
        if self._log is not None:
            self._log.close()
            self._log = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    # ------------------------------------------------------------------------------------------- playing

    def player(self, steps: Sequence[Step], *, seed: int | None = None, pace_s: float = 0.0) -> Player:
        """Begin to tell a story."""
        number = len(self._players)
        plan = as_plan(
            list(steps), mqtt=(self.plan.mqtt.host, self.plan.mqtt.port), client_id=f"{self.name}-p{number}", pace_s=pace_s, seed=seed
        )
        file, progress = self.folder / f"plan-{number}.json", self.folder / f"progress-{number}.txt"
        file.write_text(json.dumps(plan))
        child = Child(f"{self.name}-player-{number}", [sys.executable, "-m", "tests.system.player", str(file), str(progress)])
        self._players.append(child)
        child.start()
        return Player(child, progress)

    # ------------------------------------------------------------------------------------------- reading

    def log(self) -> EventLog:
        """The log, to be read only."""
        if self._log is None:
            self._log = open_log(self.address, read_only=True)
        return self._log

    def read(self, topic: str) -> list[Row]:
        """All records of a topic, ticks included."""
        rows = self._rows.setdefault(topic, [])
        rows += read_rows(self.log(), topic, self._places)
        return rows

    def told_until(self) -> Micros:
        """The time up to which the cases of every recorded partition are decided."""
        reached: dict[int, Micros] = {}
        for row in self.read(topics.CASES):
            if row.type == Tick.TYPE:
                reached[row.partition] = max(reached.get(row.partition, 0), row.time)
        recorded = range(self.plan.partitions, self.plan.partitions + RECORDED_PARTITIONS)
        return min(reached.get(partition, 0) for partition in recorded)

    def wait_for(self, condition: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait for a condition while all processes live; raises RuntimeError with the last words of one that ended."""

        def checked() -> bool:
            self.revive()
            for name, child in self.processes().items():
                if not child.running:
                    raise RuntimeError(f"{name} ended with {child.exit_code} while waiting for {what}:\n{child.tail()}")
            return bool(condition())

        wait_until(checked, what, timeout_s=timeout_s, every_s=0.1)

    def settle(self, until: Micros, timeout_s: float = PATIENCE_S) -> None:
        """Wait until everything up to `until` is decided, everything there is to say is said, and nothing waits to be sent."""
        try:
            self.wait_for(lambda: self.told_until() >= until // SECOND * SECOND, "the cases being decided to the end", timeout_s)
            self.wait_for(lambda: not self.unsaid(), "a notification for all there is to say", timeout_s)
            self.wait_for(lambda: not self.unsent(), "a final delivery of every notification", timeout_s)
        except TimeoutError as error:
            raise TimeoutError(
                f"{error}; decided until {self.told_until()} of {until}, unsaid {self.unsaid()}, unsent {self.unsent()}"
            ) from None

    def unsaid(self) -> list[tuple[str, str]]:
        """Case events that give something to say and have no notification: what they are and of which device."""
        said = {(row.body["case"], row.body["stage"]) for row in self.read(topics.NOTIFICATIONS)}
        stages = {
            CaseKind.CONSENT_ASKED: {Stage.CONSENT},
            CaseKind.HANDED_OVER: {Stage.PERSON_NEEDED},
            CaseKind.RESOLVED: {Stage.HEALED, Stage.RESOLVED},
        }
        return [
            (row.body["kind"], row.body["device"])
            for row in self.read(topics.CASES)
            if row.type != Tick.TYPE
            and row.body.get("customer")
            and (wanted := stages.get(CaseKind(row.body["kind"])))
            and not any((row.body["case"], stage) in said for stage in wanted)
        ]

    def unsent(self) -> list[str]:
        """Notifications without a final delivery."""
        final = {row.body["notification"] for row in self.deliveries()}
        return [row.id for row in self.read(topics.NOTIFICATIONS) if row.id not in final]

    def deliveries(self) -> list[Row]:
        """Final deliveries, each once."""
        found = {row.id: row for row in self.read(topics.DELIVERIES) if DeliveryState(row.body["state"]).final}
        return list(found.values())

    def outcome(self, wanted: Sequence[str] = DECIDED, before: Micros | None = None) -> Outcome:
        """What came of it, or of the time before a moment: what is said at the very end of a story need not be said yet."""
        return outcome_of({topic: [row for row in self.read(topic) if before is None or row.time < before] for topic in wanted})

    def judge_deliveries(self, mails: Sequence[str]) -> Counter[str]:
        """One final delivery per notification, one mail per Message-ID at most; deliveries by state."""
        finals = Counter(row.body["notification"] for row in self.deliveries())
        wanted = {row.id for row in self.read(topics.NOTIFICATIONS)}
        assert set(finals) == wanted, "every notification has come to an end, and nothing else has"
        assert not wanted or set(finals.values()) == {1}, "exactly one final delivery each"
        assert max(Counter(mails).values(), default=0) <= 1, "at most one mail each"
        return Counter(row.body["state"] for row in self.deliveries())


def sends_under_way(state: Path) -> set[str]:
    """Notifications whose send had begun and was not recorded when the notifier of this state folder died; asked while it is dead."""
    found: set[str] = set()
    for file in state.glob("notifier*.db"):
        with contextlib.closing(sqlite3.connect(file)) as db, contextlib.suppress(sqlite3.OperationalError):  # killed before it had tables
            found |= {row[0] for row in db.execute("SELECT notification FROM outbox WHERE state = 'sending'")}
    return found


@dataclass(slots=True)
class Player:
    """The player's process."""

    child: Child
    progress: Path

    @property
    def step(self) -> int:
        """The last step that was told; -1 before the first."""
        lines = self._lines()
        return int(lines[-1]) if lines and lines[-1] != "end" else len(lines) - 2 if lines else -1

    @property
    def ended(self) -> bool:
        """Whether it has told everything; raises RuntimeError when it gave up."""
        if self._lines()[-1:] == ["end"]:
            return True
        if not self.child.running and self._lines()[-1:] != ["end"]:
            raise RuntimeError(f"the player gave up after step {self.step}:\n{self.child.tail()}")
        return False

    def _lines(self) -> list[str]:
        return self.progress.read_text().splitlines() if self.progress.exists() else []


def is_ready(port: int) -> bool:
    """Whether `/readyz` says yes."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=30) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
