"""Histories of devices, told in order and told as networks tell them: shuffled, delayed, repeated, cut anywhere, with deaths between.

    .venv/bin/python -m tests.histories --count 100000

Every history is told twice. Once to an oracle: each reading once, in the order of its time; what a device kept through an outage and
handed in beside its live readings is told to an oracle of its own. Once to detect, with the registry's grace: out of order within the
grace, delayed, repeated, in frames cut at random, with the state written and read back in between. Both must say the same symptoms, ids
and bodies. Prints one line, and ends with 1 when any history differs.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any, Final

from streams.detect.past import NOT_THEN, WENT_ON
from streams.detect.processor import Detect
from streams.rules.ruleset import CLASSES, RuleSet
from vorab.clock import HOUR, SECOND, Micros
from vorab.frame import Quality, Reading, Value, decode, encode, pack
from vorab.processor import Out
from vorab.records import Contract, Customer, Device, Severity, Symptom, SymptomState
from vorab.topics import READINGS

T0: Final[Micros] = 1_795_000_000 * SECOND
BATCH: Final = 1000
"""Histories told together."""
EASILY: Final = {"settle": 4, "warm_up": 8, "warm_up_us": 0, "lives": 1.0, "persist": 1, "hold": 2}
KINDS: Final = ("shuffled", "shuffled", "outage", "backlog", "untimed")


def _rule(name: str, detector: str, **more: Any) -> Any:
    return CLASSES[detector].model_validate(
        {"id": name, "title": {"en": "x", "de": "x"}, "cause": "c", "detector": detector, "evidence": 5, **more}
    )


def rules() -> RuleSet:
    """At least one of every detector that judges series of one device."""
    return RuleSet([_rule(f"{each['detector']}-{i}", **each, applies={"models": _some(i)}) for i, each in enumerate(RULES)])


def _some(i: int) -> list[str]:
    """Four models of ten, others for each rule."""
    return [f"m{(3 * i + digit) % 10}" for digit in range(4)]


RULES: Final[list[dict[str, Any]]] = [
    {"detector": "threshold", "signal": "t", "above": 90},
    {"detector": "threshold", "signal": "t", "above": 85, "clear": 80, "count": 3},
    {"detector": "threshold", "signal": "t", "above": 80, "for": "40 s"},
    {"detector": "threshold", "signal": "u", "below": 20, "for": "25 s", "count": 2},
    {"detector": "learned", "signals": "t", "options": EASILY},
    {"detector": "flat", "signal": "u", "count": 6, "for": "5 s", "flap": "off"},
    {"detector": "rate", "signal": "t", "rise": 20, "fall": 20, "per": "1 min", "within": "20 s", "flap": "off"},
    {"detector": "range", "signal": "t", "low": 69.9, "high": 94.9, "jump": 10, "per": "10 s", "count": 2, "of": 3},
    {"detector": "often", "signal": "u", "count": 2, "within": "2 min"},
    {"detector": "often", "signal": "@boot", "count": 2, "within": "10 min"},
    {"detector": "counter", "signal": "n", "resets": 1, "within": "5 min"},
    {"detector": "counter", "signal": "n", "stuck": "1 min", "count": 2},
    {"detector": "dropout", "signal": "u", "interval": "3 s", "over": 4, "share": 0.3},
    {"detector": "drift", "signal": "t", "season": "none", "block": "30 s", "reference": 78, "sigma": 2, "limit": 3},
    {"detector": "noise", "signal": "t", "noisier": None, "above": 2.0},
    {"detector": "trend", "signal": "n", "above": 30, "within": "10 min", "step": "5 s", "steps": 4},
    {"detector": "expression", "expression": "t > 80 && u < 20", "for": "10 s", "count": 2, "max_age": "40 s"},
    {"detector": "code", "signal": "word", "codes": {"E1": {"severity": "minor"}, "E*": {}}},
]
"""Seasonal, oscillation and surprise would say nothing in so few readings."""


@dataclass(slots=True)
class History:
    """One device's readings: as they happened, and as they came."""

    device: str
    kind: str
    grace_s: float
    ordered: list[Reading]
    came: list[Reading]
    """In the order of arrival."""
    kept: list[Reading] = field(default_factory=list)
    """What the device kept through an outage and handed in beside its live readings, in order."""
    back: Micros = 0
    """Its first live reading after the outage."""

    @property
    def key(self) -> str:
        """The device's key."""
        return f"main/{self.device}"


def history(seed: int, device: str) -> History:
    """A history that depends on the seed alone."""
    chance = random.Random(seed)
    kind = chance.choice(KINDS)
    numbered = kind == "untimed" or chance.random() < 0.5
    rows = _readings(chance, f"main/{device}", numbered=numbered, count=chance.randint(20, 60))
    grace_s = chance.choice([5.0, 30.0, 90.0]) if kind == "shuffled" else 0.0
    made = History(device, kind, grace_s, rows, [])
    {"shuffled": _shuffle, "outage": _outage, "backlog": _backlog, "untimed": _untimed}[kind](made, chance)
    made.came.sort(key=lambda row: row.received_at)
    return made


def _readings(chance: random.Random, key: str, *, numbered: bool, count: int) -> list[Reading]:
    """A device's readings, in order: a wandering value with spells, now and then a boot."""
    every = chance.choice([1.0, 3.0, 10.0, 30.0])
    at, level, other, total = T0 + chance.randrange(3600 * SECOND), 75.0, 50.0, 0
    boot, seq = chance.randint(1, 9), chance.choice([0, chance.randint(0, 500)])
    out = []
    for _ in range(count):
        level = chance.choice([level, level, level, level, 70.0, 83.0, 87.0, 95.0])
        other = chance.choice([other, other, other, 50.0, 10.0])
        total = chance.choice([total + 1, total + 1, total + 1, total, 0])
        values: dict[str, Value] = {"t": level + chance.choice([0.0, chance.uniform(-1, 1)]), "u": other, "n": total}
        if chance.random() < 0.1:
            values["word"] = chance.choice(["ok", "E1", "E7", "what"])
        if chance.random() < 0.2:
            del values[chance.choice(["t", "u"])]
        out.append(Reading(key, at, at, 0, values, {"t": "Cel"}, boot if numbered else None, seq if numbered else None))
        seq += 1
        if chance.random() < 0.03:
            boot, seq = boot + 1, 0
        at += round(every * SECOND * chance.uniform(0.6, 1.4))
    return out


def _repeats(chance: random.Random, rows: Iterable[Reading], longest_s: float) -> list[Reading]:
    """Some rows again, later."""
    return [
        row._replace(received_at=row.received_at + round(chance.uniform(0, longest_s) * SECOND))
        for row in rows
        for _ in range(chance.choice([0, 0, 0, 1, 1, 2]))
    ]


def _late(chance: random.Random, row: Reading, least_s: float, most_s: float) -> Reading:
    return row._replace(received_at=row.measured_at + round(chance.uniform(least_s, most_s) * SECOND))


def _shuffle(made: History, chance: random.Random) -> None:
    """Every row may come later than those after it, by less than the grace; repeats whenever."""
    most = made.grace_s * 0.999
    came = [_late(chance, row, 0, chance.choice([0.1, most])) for row in made.ordered]
    made.came = came + _repeats(chance, came, chance.choice([1, 10, 600]))


def _outage(made: History, chance: random.Random) -> None:
    """The device was away in the middle, goes on live, and hands in what it kept beside that, shuffled."""
    rows, lead = made.ordered, 10 if len(made.ordered) > 24 else 4
    first = chance.randrange(lead, len(rows) - 6)
    last = chance.randrange(first + 2, len(rows) - 2)
    # Wide enough to be a hole before the device's interval is known.
    shift = 120 * SECOND
    rows = [row._replace(measured_at=row.measured_at + (i >= first) * shift + (i >= last) * shift) for i, row in enumerate(rows)]
    live = [_late(chance, row, 0.05, 0.05) for row in (*rows[:first], *rows[last:])]
    made.kept, made.back = rows[first:last], rows[last].measured_at
    if made.kept[0].seq is not None and chance.random() < 0.5:
        made.kept, live = _numbered_when_sent(made.kept, live, first)
    since = live[first].received_at
    kept = [row._replace(received_at=since + round(chance.uniform(0.001, 8) * SECOND)) for row in made.kept]
    if chance.random() < 0.5:  # in the order of their times
        kept = [row._replace(received_at=at) for row, at in zip(kept, sorted(row.received_at for row in kept), strict=True)]
    made.came = [*live, *kept, *_repeats(chance, live, 300), *_repeats(chance, kept, 300)]
    made.ordered = live


def _numbered_when_sent(kept: list[Reading], live: list[Reading], first: int) -> tuple[list[Reading], list[Reading]]:
    """The same rows, their numbers given when they were sent: what was kept comes after the first live reading."""
    boot, seq = live[first - 1].boot, live[first - 1].seq or 0
    return (
        [row._replace(boot=boot, seq=seq + 2 + i) for i, row in enumerate(kept)],
        [
            row if i < first else row._replace(boot=boot, seq=seq + 1 + (i - first) + (len(kept) if i > first else 0))
            for i, row in enumerate(live)
        ],
    )


def _backlog(made: History, chance: random.Random) -> None:
    """The device was away, hands in what it kept in order, then goes on."""
    rows = made.ordered
    last = chance.randrange(3, len(rows) - 1)
    first = chance.randrange(last)
    back = rows[last].measured_at + chance.choice([0, 600, 7200]) * SECOND
    came = []
    for i, row in enumerate(rows):
        at = back + i * 1000 if first <= i < last else max(row.measured_at, back + i * 1000) if i >= last else row.measured_at
        came.append(row._replace(received_at=at))
    made.ordered = came
    made.came = came + _repeats(chance, came, chance.choice([0.0001, 5, 600]))


def _untimed(made: History, chance: random.Random) -> None:
    """The device has no clock: the time of arrival stands in, and a repetition has another one."""
    rows = [row._replace(quality=int(Quality.ARRIVAL)) for row in made.ordered]
    made.ordered = rows
    made.came = rows + [row._replace(measured_at=row.received_at) for row in _repeats(chance, rows, chance.choice([5, 600]))]


class Registered:
    """A registry that knows how long the readings of a device may take."""

    def __init__(self, graces: dict[str, float]) -> None:
        self._graces = graces
        self._devices: dict[str, Device] = {}

    def device(self, key: str) -> Device | None:
        """The entry; the model is the last digit of the name."""
        if key not in self._devices:
            made = Device(id=key, device=key.partition("/")[2], model=f"m{key[-1]}", grace_s=self._graces.get(key) or None)
            self._devices[key] = made
        return self._devices[key]

    def customer(self, key: str) -> Customer | None:  # noqa: ARG002 - nobody asks
        """None."""
        return None

    def related(self, key: str, how: str) -> list[Device]:  # noqa: ARG002 - nobody asks
        """Nobody is related to anybody."""
        return []

    def size(self, group: str) -> int:  # noqa: ARG002 - nobody asks
        """Nobody knows."""
        return 0

    def contract(self, key: str) -> Contract | None:  # noqa: ARG002 - nobody asks
        """None."""
        return None


def _told(detect: Detect, rows: Sequence[Reading], now: Micros, out: dict[str, list[Symptom]]) -> None:
    frame = decode(encode(pack(rows, now)))
    _keep([*detect.step(READINGS, 0, frame, now), *detect.due(now)], out)


def _keep(outs: Iterable[Out], out: dict[str, list[Symptom]]) -> None:
    for each in outs:
        # What follows a clearing is counted as it comes, late or not, so it is no part of what has to be the same.
        if isinstance(each.record, Symptom) and each.record.state is not SymptomState.CONFIRMED:
            out.setdefault(each.record.key, []).append(each.record)


def oracle(histories: Sequence[History]) -> dict[str, list[Symptom]]:
    """What should be said, by device: each reading once, in order; what was kept by itself."""
    out: dict[str, list[Symptom]] = {}
    _in_order(rules(), [row for each in histories for row in each.ordered], out)
    past: dict[str, list[Symptom]] = {}
    lanes = RuleSet([rule for rule in rules() if rule.detector not in NOT_THEN])
    _in_order(lanes, [row for each in histories for row in each.kept], past)
    for each in histories:
        # What a device kept says what was: nothing that follows is told of it.
        told = [symptom.model_copy(update={"historical": True, "followed": False}) for symptom in past.get(each.key, [])]
        out.setdefault(each.key, []).extend([*told, *_left(told, each.back)])
    return out


def _in_order(some: RuleSet, rows: list[Reading], out: dict[str, list[Symptom]]) -> None:
    detect = Detect(some, Registered({}))
    rows.sort(key=lambda row: row.measured_at)
    for first in range(0, len(rows), 2500):
        some_rows = rows[first : first + 2500]
        _told(detect, some_rows, max(row.received_at for row in some_rows), out)


def _left(told: Sequence[Symptom], back: Micros) -> list[Symptom]:
    """What was raised in an outage and did not end in it ends with the first reading after it."""
    last = {symptom.id: symptom for symptom in told}
    raised = {symptom.id: symptom for symptom in told if symptom.state is SymptomState.RAISED}
    ended = {"state": SymptomState.CLEARED, "cleared_at": back, "proven": False, "explanation": WENT_ON, "evidence": ()}
    ended |= dict.fromkeys(("value", "low", "high", "limit")) | {"severity": Severity.MAJOR}
    return [
        raised[name].model_copy(update={**ended, "unit": ""}) for name, symptom in last.items() if symptom.state is not SymptomState.CLEARED
    ]


def as_they_came(histories: Sequence[History], seed: int) -> dict[str, list[Symptom]]:
    """What detect says, by device: cut at random, with deaths between."""
    chance, out = random.Random(seed), dict[str, list[Symptom]]()
    registry = Registered({each.key: each.grace_s for each in histories})
    detect, blocks = Detect(rules(), registry), dict[str, bytes]()
    rows = sorted((row for each in histories for row in each.came), key=lambda row: row.received_at)
    first = 0
    while first < len(rows):
        some = rows[first : first + chance.choice([1, 40, 400, 1500, 4000])]
        first += len(some)
        _told(detect, some, some[-1].received_at, out)
        if chance.random() < 0.2:
            for name, block in detect.dirty().items():
                blocks[name] = block
            blocks = {name: block for name, block in blocks.items() if block}
            if chance.random() < 0.5:
                detect = Detect(rules(), registry)
                detect.restore(blocks)
    _keep(detect.due(rows[-1].received_at + HOUR), out)
    return out


def differing(seed: int, count: int) -> list[History]:
    """Histories told together of which detect says anything else than it should."""
    histories = [history(seed * 1_000_003 + i, f"d{i}") for i in range(count)]
    wanted, got = oracle(histories), as_they_came(histories, seed)
    return [each for each in histories if bodies(wanted.get(each.key, [])) != bodies(got.get(each.key, []))]


def bodies(symptoms: Iterable[Symptom]) -> list[str]:
    """In an order that does not depend on when they were said."""
    return sorted(symptom.model_dump_json() for symptom in symptoms)


def _batch(task: tuple[int, int]) -> tuple[int, dict[str, int], list[str]]:
    bad = differing(*task)
    kinds: dict[str, int] = {}
    for each in bad:
        kinds[each.kind] = kinds.get(each.kind, 0) + 1
    return len(bad), kinds, [f"{task[0]}:{each.device} ({each.kind})" for each in bad[:3]]


def main() -> int:
    """So many histories, in as many processes as are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    began = time.monotonic()
    tasks = [(asked.seed + i, min(BATCH, asked.count - i * BATCH)) for i in range(-(-asked.count // BATCH))]
    with ProcessPoolExecutor(asked.processes, get_context("spawn")) as pool:
        found = list(pool.map(_batch, tasks))
    bad = sum(count for count, _, _ in found)
    detectors = sorted({rule.detector for rule in rules()})
    print(  # noqa: T201 - a program that talks to a terminal
        f"{asked.count:,} histories, {bad:,} differing, seed {asked.seed}, {', '.join(detectors)}, {time.monotonic() - began:.0f} s"
    )
    for name in [name for _, _, names in found for name in names][:10]:
        print(f"  differs: {name}")  # noqa: T201 - the same
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
