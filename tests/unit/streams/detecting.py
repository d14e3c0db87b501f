"""What the tests of detect share: a registry, rules in a line, a small host, and an oracle that reads one reading at a time."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from streams.detect.processor import Detect
from streams.rules.rule import Rule as AnyRule
from streams.rules.ruleset import CLASSES, RuleSet
from vorab.clock import SECOND
from vorab.frame import Reading, decode, encode, pack
from vorab.processor import Out
from vorab.records import Contract, Customer, Device, Symptom, SymptomState
from vorab.topics import READINGS

T0 = 1_795_000_000 * SECOND


class Registered:
    """A registry that tests fill."""

    def __init__(self, **models: str) -> None:
        self.devices = {f"main/{name}": Device(id=f"main/{name}", device=name, model=model) for name, model in models.items()}

    def device(self, key: str) -> Device | None:
        """The entry."""
        return self.devices.get(key)

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


def rule(detector: str, id: str = "", **more: Any) -> AnyRule:  # noqa: A002 - the word of the file
    """A rule; what a test does not say is of no matter to it."""
    rest = {"signal": "t"} if detector == "threshold" else {}
    base = {"id": id or detector, "title": {"en": "x", "de": "x"}, "cause": "c", "detector": detector, "flap": "off"}
    return CLASSES[detector].model_validate({**base, **rest, **more})


def reading(device: str, at_s: float, t: float, *, late_s: float = 0.0, boot: int | None = None, seq: int | None = None) -> Reading:
    """One reading of signal t, so many seconds after T0."""
    at = T0 + round(at_s * SECOND)
    return Reading(f"main/{device}", at, at + round(late_s * SECOND), 0, {"t": float(t)}, {}, boot, seq)


@dataclass
class Host:
    """Steps frames as hosts do, from bytes, and keeps the state as hosts do."""

    rules: RuleSet
    registry: Registered = field(default_factory=Registered)
    blocks: dict[str, bytes] = field(default_factory=dict)
    out: list[Symptom] = field(default_factory=list)
    confirmed: list[Symptom] = field(default_factory=list)
    """What came after symptoms had cleared; told apart, because it depends on the order in which a device's readings came."""

    def __post_init__(self) -> None:
        """Start."""
        self.detect = Detect(self.rules, self.registry)
        self.now = 0

    def frame(self, rows: Iterable[Reading]) -> list[Symptom]:
        """One frame, then its time."""
        taken = list(rows)
        self.now = max([self.now, *(row.received_at for row in taken)])
        frame = decode(encode(pack(taken, self.now)))
        return self._keep([*self.detect.step(READINGS, 0, frame, frame.now), *self.detect.due(self.now)])

    def tick(self, at_s: float) -> list[Symptom]:
        """A tick, so many seconds after T0."""
        self.now = max(self.now, T0 + round(at_s * SECOND))
        return self._keep(self.detect.due(self.now))

    def crash(self, rules: RuleSet | None = None, registry: Registered | None = None) -> None:
        """Write what changed, die, and come back with that."""
        for name, block in self.detect.dirty().items():
            if block:
                self.blocks[name] = block
            else:
                self.blocks.pop(name, None)
        self.rules, self.registry = rules or self.rules, registry or self.registry
        self.detect = Detect(self.rules, self.registry)
        self.detect.restore(self.blocks)

    def _keep(self, outs: Iterable[Out]) -> list[Symptom]:
        said = [out.record for out in outs if isinstance(out.record, Symptom)]
        self.confirmed += [symptom for symptom in said if symptom.state is SymptomState.CONFIRMED]
        found = [symptom for symptom in said if symptom.state is not SymptomState.CONFIRMED]
        self.out += found
        return found

    @property
    def told(self) -> list[str]:
        """Everything that was said, as bodies, in an order that does not depend on when it was said."""
        return sorted(symptom.model_dump_json() for symptom in self.out)


def cuts(rows: Sequence[Reading], chance: random.Random) -> list[list[Reading]]:
    """The rows in frames of random sizes."""
    out: list[list[Reading]] = []
    left = list(rows)
    while left:
        size = chance.choice([1, 1, 2, 3, 7, 20, 100])
        out.append(left[:size])
        left = left[size:]
    return out


def shuffled(rows: Sequence[Reading], chance: random.Random, reach: int) -> list[Reading]:
    """The rows in another order between devices; each device's own rows keep theirs."""
    places = sorted(range(len(rows)), key=lambda i: i + chance.uniform(0, reach))
    own: dict[str, list[Reading]] = {}
    for row in rows:
        own.setdefault(row.device, []).append(row)
    queues = {device: iter(mine) for device, mine in own.items()}
    return [next(queues[rows[i].device]) for i in places]


def oracle(rules: RuleSet, rows: Sequence[Reading], end_us: int) -> list[tuple[Any, ...]]:
    """What threshold and silence should say, reading by reading: (state, rule, device, onset, detected, cleared)."""
    found: list[tuple[Any, ...]] = []
    by_device: dict[str, list[Reading]] = {}
    for row in rows:
        by_device.setdefault(row.device, []).append(row)
    for key, mine in by_device.items():
        fresh = _fresh(mine)
        for each in rules:
            plain: Mapping[str, Any] = each.model_dump()
            if plain["detector"] == "threshold":
                found += [(state, each.id, key, *times) for state, *times in _threshold(plain, fresh)]
            else:
                found += [(state, each.id, key, *times) for state, *times in _silence(plain, fresh, end_us)]
    return sorted(found, key=str)


def _fresh(rows: Sequence[Reading]) -> list[Reading]:
    out: list[Reading] = []
    last: tuple[int, int, int] | None = None
    for row in rows:
        if row.seq is None:
            if out and out[-1].measured_at == row.measured_at and out[-1].seq is None:
                continue
        else:
            mark = (row.boot or 0, row.seq, row.measured_at)
            if last is not None and mark[0] == last[0] and mark[1:] <= last[1:]:
                continue
            last = mark
        out.append(row)
    return out


def _threshold(plain: Mapping[str, Any], rows: Sequence[Reading]) -> Iterable[tuple[Any, ...]]:
    above = plain["above"] is not None
    limit = plain["above"] if above else plain["below"]
    run: list[int] = []
    raised: tuple[int, int] | None = None
    for row in rows:
        value = float(row.values["t"])
        if value > limit if above else value < limit:
            run.append(row.measured_at)
            if raised is None and len(run) >= plain["count"] and run[-1] - run[0] >= plain["hold"]:
                raised = (run[0], run[-1])
                yield ("raised", *raised, None)
            continue
        run = []
        clear = plain["clear"]
        if raised is not None and (clear is None or (value < clear if above else value > clear)):
            yield ("cleared", *raised, row.measured_at)
            raised = None


def _silence(plain: Mapping[str, Any], rows: Sequence[Reading], end_us: int) -> Iterable[tuple[Any, ...]]:
    for row, then in zip(rows, [*rows[1:], None], strict=True):
        limit = row.received_at + plain["after"]
        if (then.received_at if then else end_us) > limit:
            yield ("raised", row.measured_at, limit, None)
            if then:
                yield ("cleared", row.measured_at, limit, then.received_at)


def summary(symptoms: Iterable[Symptom]) -> list[tuple[Any, ...]]:
    """Symptoms as the oracle tells them."""
    return sorted(((s.state.value, s.rule, s.key, s.onset, s.detected_at, s.cleared_at) for s in symptoms), key=str)
