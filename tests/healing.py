"""A thousand faults of a simulated fleet, half of them curable: what is healed is proven, what only says so is not believed.

    .venv/bin/python -m tests.healing --faults 1000
    .venv/bin/python -m tests.healing --faults 200 --kills 24

The fleet is a process of its own, joined by MQTT alone; the embedded system is killed with -9 as often as asked for, while it is at
work, in the middle of a command. Every other time the fleet stands still meanwhile, so that the system starts again before it has an
answer. Then the story ends soon after, and is asked about commands alone. Prints one JSON line, and ends with 1 when a promise was
broken.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.parts.base import Child, wait_until
from tests.parts.mosquitto import Mosquitto
from tests.system.house import is_ready
from tests.system.outcome import Row, read_rows
from vorab import provision, topics
from vorab.clock import MINUTE, SECOND, Micros, StoryClock, iso, parse_iso
from vorab.fleet.trial import CALM, LASTS, PORT, Trial, trial
from vorab.frame import decode
from vorab.log import Outgoing, append_all, open_log
from vorab.records import CaseEvent, CaseKind, Proof, Tick, to_wire
from vorab.runtime import READY_FILE
from vorab.settings import load

ROOT: Final = Path(__file__).resolve().parents[1]
PARTITIONS: Final = 2
BEGINS: Final = parse_iso("2026-11-24T00:00:00Z")
AFTER: Final[Micros] = 20 * MINUTE
"""Story time that is waited for after the last moment at which anything is decided."""
COMMAND_S: Final = 20.0
"""Longest wait for a command in whose middle to kill."""
BETWEEN_S: Final = (1.0, 5.0)
"""Between two kills."""
AFTERWARDS: Final[Micros] = 45 * MINUTE
"""Story time after the last kill, in which what is under way comes to its end."""
HELD_S: Final = 1.0
"""How long a fleet that stands still does so after the system hears again: long enough to be asked once more."""
STARTS_S: Final = 12.0
"""Until the system hears."""

DIAGNOSES: Final[Mapping[str, str]] = {
    "as_it_was": "the symptom is still there",
    "relieved": "the symptom came back",
    "silent": "it fell silent and proved nothing",
    "frozen": "its readings are too few or stand still",
}
"""What the person who takes over is told, by what the restart left behind."""


@dataclass
class Found:
    """What stands on the log and in the fleet's own ledger."""

    events: dict[str, list[CaseEvent]] = field(default_factory=lambda: defaultdict(list))
    """By device."""
    actions: list[dict[str, Any]] = field(default_factory=list)
    readings: dict[str, list[tuple[Micros, int]]] = field(default_factory=lambda: defaultdict(list))
    """By device, measured at and offset of the frame."""
    ledger: list[dict[str, Any]] = field(default_factory=list)


class Ward:
    """The whole system on a SQLite log, a broker, and the fleet."""

    def __init__(self, folder: Path, asked: argparse.Namespace) -> None:
        self.asked, self.folder = asked, folder
        self.clock = StoryClock(BEGINS, asked.speed, int((time.time() + STARTS_S) * SECOND))
        self.trial: Trial = trial(asked.faults, seed=asked.seed, start=BEGINS)
        self.mqtt = Mosquitto(folder)
        self.log = f"sqlite:///{folder / 'state' / 'log.db'}"
        self.config, self.ledger = folder / "vorab.toml", folder / "fleet.jsonl"
        self._ready = folder / "state" / READY_FILE

    def start(self) -> None:
        """Broker, registry, system, fleet."""
        self.mqtt.start()
        self._configure()
        (self.folder / "state").mkdir(exist_ok=True)
        with open_log(self.log) as log:
            provision.create_topics(log, load(self.config, env={}))
            records = [*self.trial.devices(), *self.trial.customers()]
            append_all(
                log,
                [
                    Outgoing(record.TOPIC, topics.partition_of(record.key, log.partitions(record.TOPIC), 1), *to_wire(record, "urn:trial"))
                    for record in records
                ],
            )
        self.up = self._child("up", "up", "--config", str(self.config), "--child")
        self.launch()
        fleet = ("simulate", "--plan", "trial", "--machines", str(self.asked.faults), "--seed", str(self.asked.seed))
        self.fleet = self._child("fleet", *fleet, "--config", str(self.config), "--ledger", str(self.ledger), "--json")
        self.fleet.start()

    def launch(self) -> None:
        """Start the system (again) and wait until it hears."""
        self._ready.unlink(missing_ok=True)
        self.up.start()
        self.up.ready(lambda: self._ready.exists() and is_ready(json.loads(self._ready.read_text())["metrics_port"]))

    def stop(self) -> None:
        """End all of it."""
        for child in (self.fleet, self.up):
            child.kill()
        self.mqtt.kill()

    def _child(self, name: str, *arguments: str) -> Child:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("VORAB_")}
        return Child(f"healing-{os.getpid()}-{name}", [sys.executable, "-m", "vorab", *arguments], env={**clean, "PYTHONUNBUFFERED": "1"})

    def _configure(self) -> None:
        sections: dict[str, dict[str, object]] = {
            "mqtt": {"host": self.mqtt.host, "port": self.mqtt.port, "client_id": f"healing-{os.getpid()}"},
            "topics": {"partitions": PARTITIONS, "recorded_partitions": 1},
            "streams": {"rules": [str(ROOT / "rules")], "remedies": [str(ROOT / "bench" / "healing")], "checkpoint_s": 0.5},
            "notifier": {"people": str(self.folder / "people.yaml")},
            "notifier.budget": {"a_day": 0, "a_week": 0, "a_month": 0},  # whole stories of faults are counted here
            "desk": {"port": 0},
            # Many times as many readings in a second as such a fleet sends: they share their frames, as they would on a busy broker.
            "ingest": {"linger_ms": 100},
            "service": {"log_format": "json"},
        }
        top = {"state_dir": str(self.folder / "state"), "log": self.log, "clock": self.clock.spec, "mode": "live"}
        lines = [f"{key} = {json.dumps(value)}" for key, value in top.items()]
        for section, values in sections.items():
            lines += ["", f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        people = [f"- {{customer: {one.key}, name: Family {one.customer}}}" for one in self.trial.customers()]
        (self.folder / "people.yaml").write_text("\n".join(people) + "\n", encoding="utf-8")

    # ------------------------------------------------------------------------------------------------- the run

    def run(self, chance: random.Random) -> int:
        """Wait for the end of the story, or kill the system again and again in the middle of a command; how often it was killed."""
        for number in range(self.asked.kills):
            self._until(BEGINS + CALM + MINUTE)
            time.sleep(chance.uniform(*BETWEEN_S))
            self._until_command()
            if number % 2:
                self.fleet.pause()
            self.up.kill()
            self.launch()
            if number % 2:
                time.sleep(HELD_S)
                self.fleet.resume()
            self._say(f"killed {number + 1} times, {iso(self.clock.now())[11:16]}")
        if self.asked.kills:
            self._until(self.clock.now() + AFTERWARDS)
            return int(self.asked.kills)
        self._until(BEGINS + LASTS)
        wait_until(lambda: not self.fleet.running, "the fleet to end", timeout_s=300, every_s=0.5)
        wait_until(lambda: self._decided() >= BEGINS + LASTS - AFTER, "everything being decided", timeout_s=600, every_s=1.0)
        return 0

    def _until(self, at: Micros) -> None:
        while (left := (self.clock.wall(at) - time.time() * SECOND) / SECOND) > 0:
            if not self.up.running:
                raise RuntimeError(f"the system ended by itself:\n{self.up.tail()}")
            time.sleep(min(left, 1.0))
            self._say(f"{iso(self.clock.now())[11:16]} of {iso(BEGINS + LASTS)[11:16]}")

    def _until_command(self) -> None:
        """Wait until a machine begins to carry something out: whoever is killed now has not read its answer."""
        with self.ledger.open("rb") as ledger:
            ledger.seek(0, os.SEEK_END)
            until = time.monotonic() + COMMAND_S
            while time.monotonic() < until and b'"executed"' not in ledger.read():
                time.sleep(0.001)

    def _decided(self) -> Micros:
        with open_log(self.log, read_only=True) as log:
            reached = dict.fromkeys(range(PARTITIONS), 0)
            ends = log.ends(topics.CASES)
            for partition in reached:
                for entry in log.read({(topics.CASES, partition): max(0, ends[partition] - 50)}, limit=50, wait_s=0.0):
                    if dict(entry.headers).get("ce_type") == Tick.TYPE.encode():
                        reached[partition] = max(reached[partition], parse_iso(dict(entry.headers)["ce_time"].decode()))
            return min(reached.values())

    @staticmethod
    def _say(text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r{text}   ", end="", file=sys.stderr, flush=True)  # noqa: T201 - a program that talks to a terminal

    def found(self) -> Found:
        """Read everything."""
        found = Found()
        with open_log(self.log, read_only=True) as log:
            for row in _all(log, topics.CASES):
                if row.type != Tick.TYPE:
                    event = CaseEvent.model_validate(row.body)
                    found.events[event.device].append(event)
            found.actions = [row.body for row in _all(log, topics.ACTIONS) if row.type != Tick.TYPE]
            positions = {(topics.READINGS, p): 0 for p in range(PARTITIONS)}
            while entries := log.read(positions, limit=2_000, wait_s=0.0):
                for entry in entries:
                    positions[entry.topic, entry.partition] = entry.offset + 1
                    frame = decode(entry.value or b"")
                    for block in frame.blocks:
                        for device, at in zip(block.device.tolist(), block.measured_at.tolist(), strict=True):
                            found.readings[frame.devices[device].partition("/")[2]].append((at, entry.offset))
        found.ledger = [json.loads(line) for line in self.ledger.read_text(encoding="utf-8").splitlines()]
        return found


def _all(log: Any, topic: str) -> Sequence[Row]:
    return read_rows(log, topic, {})


# ------------------------------------------------------------------------------------------------------------ judging


def judge(of: Trial, found: Found, kills: int) -> dict[str, Any]:
    """What came of it, and under `broken` each promise that was not kept."""
    by_kind: dict[str, Counter[str]] = defaultdict(Counter)
    broken: list[str] = []
    closed_by_proof = 0
    for device, kind in of.kinds.items():
        way = kind.partition(".")[2] or ("elsewhere" if kind == PORT else "curable")
        result, proven = _result(found, device, way)
        by_kind[way][result] += 1
        closed_by_proof += proven
        # With kills the story ends early, and asks about commands alone: nobody may be taken for well who is not.
        if result in {"closed", "healed without proof"} if kills else result not in {"healed", "handed over"}:
            last = found.events[device][-1].detail if found.events.get(device) else ""
            broken.append(f"{device} ({kind}): {result}; {last[-160:]}")
    odd = sorted(device for device in found.events if device not in of.kinds)
    broken += [f"{device} was well, and has a case" for device in odd]
    executed = Counter(row["id"] for row in found.ledger if row["e"] == "executed")
    done = [row for row in found.ledger if row["e"] == "executed"]
    late = [row["id"] for row in done if row["not_after"] is not None and row["at"] > row["not_after"]]
    steps = Counter(
        (row["case"], row["remedy"], row["name"], row.get("step", 0), row.get("attempt", 1)) for row in _distinct(found.actions)
    )
    twice = [name for name, count in executed.items() if count > 1]
    broken += [f"{name} was carried out twice" for name in twice]
    broken += [f"{name} was carried out too late" for name in late]
    broken += [f"two ids for one attempt: {place}" for place, count in steps.items() if count > 1]
    repeats = sum(row["e"] == "repeated" for row in found.ledger)
    if kills and not repeats:
        broken.append("no command was heard twice, so nothing was shown")
    return {
        "trial": "healing", "faults": len(of.plan), "kills": kills,
        "outcomes": {way: dict(sorted(counts.items())) for way, counts in sorted(by_kind.items())},
        "closed_by_proof_with_offsets": closed_by_proof, "commands": len(executed), "twice": len(twice), "late": len(late),
        "ids_per_attempt": max(steps.values(), default=0), "wire_repeats": repeats, "broken": broken[:20], "ok": not broken,
    }  # fmt: skip


def _result(found: Found, device: str, way: str) -> tuple[str, bool]:
    events = found.events.get(device, [])
    if not events:
        return "never noticed", False
    ended = [event for event in events if event.kind is CaseKind.RESOLVED]
    if way in {"curable", "elsewhere"}:
        result = _cured(found, device, way, events, ended)
        return result, result == "healed"
    if ended:
        return "closed", False
    handed = [event for event in events if event.kind is CaseKind.HANDED_OVER]
    if not any(DIAGNOSES[way] in event.detail for event in handed):
        return "handed over without diagnosis" if handed else "not handed over", False
    return "handed over", False


def _cured(found: Found, device: str, way: str, events: Sequence[CaseEvent], ended: Sequence[CaseEvent]) -> str:
    healed = [event for event in ended if event.healed]
    if not healed:
        return "not healed"
    if {event.case for event in events} - {event.case for event in ended}:
        return "a case is left open"
    if way == "elsewhere" and not all(event.helper for event in healed):
        return "healed, but not by another machine"
    shown = [event.proof for event in healed if event.proof is not None]
    offsets = len(shown) == len(healed) and all(_offsets(found, device, proof) for proof in shown)
    return "healed" if offsets else "healed without proof"


def _offsets(found: Found, device: str, proof: Proof) -> tuple[int, int, int] | None:
    """The frame that shows the symptom, and the first and the last of those that show that it is gone."""
    readings = found.readings[device]
    before = [offset for at, offset in readings if at <= proof.before]
    after = [offset for at, offset in readings if proof.since < at <= proof.until]
    return (before[-1], after[0], after[-1]) if before and len(after) >= proof.readings else None


def _distinct(actions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return list({row["id"]: row for row in actions if "remedy" in row}.values())


def main() -> int:
    """One run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faults", type=int, default=1_000, help="machines that break; a twentieth more is solved through another machine")
    parser.add_argument("--kills", type=int, default=0, help="how often the system is killed while it is at work")
    parser.add_argument("--speed", type=float, default=24.0, help="seconds of the story in a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="keep the folder with log and ledger, and say where it is")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="vorab-healing-"))
    ward = Ward(folder, asked)
    ward.start()
    try:
        kills = ward.run(random.Random(asked.seed))
    finally:
        ward.stop()
    figures = judge(ward.trial, ward.found(), kills)
    if asked.keep:
        figures["folder"] = str(folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(figures))  # noqa: T201 - what it is for
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
