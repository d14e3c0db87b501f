"""What a million devices cost on one machine: memory, CPU per reading, state, pauses for checkpoints, and starting again.

All partitions live in one process, as in a worker that is alone. Every device sends three signals once per round, in an order that is
its own and stays nearly the same, as devices do that send at intervals; frames are read as bytes.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from vorab.bench.detect import processor
from vorab.clock import MINUTE, SECOND, Micros
from vorab.frame import Block, Frame, decode, encode
from vorab.memory import give_back_large
from vorab.processor import Processor
from vorab.records import to_wire
from vorab.topics import READINGS

PARTITIONS: Final = 12
ROWS: Final = 840
"""Rows of a frame, the same for every fleet: how large frames are is a matter of the rate of messages, not of the number of devices."""
PERIOD: Final[Micros] = MINUTE
START: Final[Micros] = 1_795_000_000 * SECOND
SIGNALS: Final = ("temperature", "vibration", "pressure")
BARS: Final = {"peak_mb": 2048.0, "checkpoint_pause_ms": 200.0, "recovery_s": 20.0, "flat_within": 0.2}
READINGS_PER_S: Final = 1_000_000

_RULE: Final = "  - {{id: {id}, title: {{en: {id}, de: {id}}}, cause: {cause}, evidence: 3, flap: off, detector: {detector}, {rest}}}\n"
_OF_SIGNALS: Final[Mapping[str, str]] = {
    "threshold": "signal: {signal}, above: 95, clear: 90, count: 3",
    "rate": "signal: {signal}, rise: 60, per: 1 h, within: 10 min",
    "flat": "signal: {signal}, for: 30 min, count: 20",
    "drift": "signal: {signal}",
}


def rules(detectors: Sequence[str], learned: str = "") -> str:
    """A rule file: each detector for each of the three signals, silence, and the learned one for a signal."""
    lines = [
        _RULE.format(id=f"{name}-{signal}", cause=name, detector=name, rest=_OF_SIGNALS[name].format(signal=signal))
        for name in detectors
        for signal in SIGNALS
    ]
    lines.append(_RULE.format(id="silent", cause="silence", detector="silence", rest="after: 10 min"))
    if learned:
        lines.append(_RULE.format(id="learned", cause="learned", detector="learned", rest=f"signals: [{learned}]"))
    return "rules:\n" + "".join(lines)


@dataclass
class Fleet:
    """The devices of one partition, in the order in which they send."""

    partition: int
    count: int
    base: np.ndarray[Any, np.dtype[np.float64]] = field(init=False)

    def __post_init__(self) -> None:
        """Nobody's neighbour is quite the same in each round."""
        self.base = np.random.default_rng(self.partition).uniform(20, 60, self.count)

    def frames(self, turn: int) -> Iterator[bytes]:
        """One round of messages."""
        chance = np.random.default_rng([self.partition, turn])
        at = np.arange(self.count) * (PERIOD // self.count) + chance.integers(0, SECOND, self.count)
        order = np.argsort(at, kind="stable")
        begins = START + turn * PERIOD
        for first in range(0, self.count, ROWS):
            devices = order[first : first + ROWS]
            n = len(devices)
            measured = begins + at[devices]
            base = self.base[devices]
            block = Block(
                row=np.arange(n, dtype=np.uint32),
                device=np.arange(n, dtype=np.uint32),
                measured_at=measured,
                received_at=measured + 2_000,
                quality=np.zeros(n, np.uint8),
                signals={
                    "temperature": base + chance.normal(0, 0.5, n),
                    "vibration": 1 + chance.normal(0, 0.05, n),
                    "pressure": 3 + chance.normal(0, 0.02, n),
                },
            )
            names = [f"main/device-{self.partition:02d}-{i:06d}" for i in devices.tolist()]
            yield encode(Frame(int(measured[-1]) + 2_000, names, [block]))


@dataclass
class Spent:
    """What was measured."""

    messages: int = 0
    symptoms: int = 0
    work_s: float = 0.0
    pauses_s: list[float] = field(default_factory=list)
    written_bytes: int = 0


class Saved:
    """Blocks of state on disk: a file each, in a folder per partition."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, partition: int, blocks: Mapping[str, bytes]) -> None:
        """Keep what changed; an empty block is gone."""
        place = self._folder / f"{partition}"
        place.mkdir(parents=True, exist_ok=True)
        for name, block in blocks.items():
            file = place / name.replace("/", "@")
            if block:
                file.write_bytes(block)
            else:
                file.unlink(missing_ok=True)

    def get(self, partition: int) -> dict[str, bytes]:
        """All that was kept."""
        return {file.name.replace("@", "/"): file.read_bytes() for file in (self._folder / f"{partition}").iterdir()}

    @property
    def size_bytes(self) -> int:
        """All blocks together."""
        return sum(file.stat().st_size for file in self._folder.glob("*/*"))


def rounds(detects: list[Processor], fleets: list[Fleet], first: int, last: int, saved: Saved) -> Spent:
    """Feed rounds of messages; each partition saves once in a round, each at another time."""
    spent = Spent()
    for turn in range(first, last):
        for detect, fleet in zip(detects, fleets, strict=True):
            for data in fleet.frames(turn):
                began = time.process_time()
                frame = decode(data)
                outs = [*detect.step(READINGS, 0, frame, frame.now), *detect.due(frame.now)]
                for out in outs:
                    to_wire(out.record, "urn:vorab:detect")
                spent.work_s += time.process_time() - began
                spent.messages += frame.n
                spent.symptoms += len(outs)
            began = time.process_time()
            blocks = detect.dirty()
            spent.pauses_s.append(time.process_time() - began)
            spent.written_bytes += sum(map(len, blocks.values()))
            saved.put(fleet.partition, blocks)
            del blocks  # a partition's state is large: not two at a time
    return spent


def measure(devices: int, text: str, turns: int, folder: Path) -> dict[str, Any]:
    """One fleet, in this process: two rounds to warm up, then some that count. Leaves its state in the folder."""
    file = folder / "rules.yaml"
    file.write_text(text, encoding="utf-8")
    saved = Saved(folder / "state")
    fleets = [Fleet(number, devices // PARTITIONS) for number in range(PARTITIONS)]
    detects = [processor(file) for _ in fleets]
    rounds(detects, fleets, 0, 2, saved)
    spent = rounds(detects, fleets, 2, 2 + turns, saved)
    readings = spent.messages * len(SIGNALS)
    us = (spent.work_s + sum(spent.pauses_s)) / readings * 1e6
    return {
        "devices": sum(fleet.count for fleet in fleets),
        "readings": readings,
        "us_per_reading": round(us, 3),
        "readings_per_s": round(1e6 / us),
        "symptoms": spent.symptoms,
        "checkpoint_pause_ms": round(max(spent.pauses_s) * 1e3, 1),
        "changelog_bytes_per_reading": round(spent.written_bytes / readings, 1),
        "state_mb": round(saved.size_bytes / 2**20),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def again(folder: Path) -> dict[str, Any]:
    """Take over the state of a process that is gone, in a new one: from the disk to the first frame, in CPU seconds and on the wall."""
    began, wall = time.process_time(), time.monotonic()
    saved = Saved(folder / "state")
    detects = []
    for number in range(PARTITIONS):
        detects.append(processor(folder / "rules.yaml"))
        detects[-1].restore(saved.get(number))
    data = next(Fleet(0, ROWS).frames(100))
    list(detects[0].step(READINGS, 0, decode(data), START))
    return {"recovery_s": round(time.process_time() - began, 2), "recovery_wall_s": round(time.monotonic() - wall, 2)}


def run(
    devices: Sequence[int] = (10_000, 100_000, 1_000_000),
    detectors: Sequence[str] = tuple(_OF_SIGNALS),
    learned: str = "",
    turns: int = 0,
    plot: Path | None = None,
) -> dict[str, Any]:
    """Each fleet in a process of its own; `ok` where the largest holds the bars and a reading costs the same in each."""
    text = rules(detectors, learned)
    table = []
    for count in devices:
        with TemporaryDirectory() as folder:
            rounds_of = turns or max(3, 1_000_000 // count)
            (Path(folder) / "asked.yaml").write_text(text, encoding="utf-8")
            line = _apart("measure", folder, count, rounds_of)
            table.append({**line, **_apart("again", folder, count, rounds_of)})
    if plot is not None:
        plot.write_text(picture(table), encoding="utf-8")
    cost = [line["us_per_reading"] for line in table]
    most = table[-1]
    bars = {**BARS, "peak_mb": 3584.0} if learned else BARS
    flat_within = round(max(abs(each / cost[-1] - 1) for each in cost), 3)
    ok = all(most[name] <= bar for name, bar in bars.items() if name in most) and flat_within <= bars["flat_within"]
    return {
        "bench": "devices",
        "signals": len(SIGNALS),
        "detectors": [*detectors, "silence", *(["learned"] if learned else [])],
        "fleets": table,
        "flat_within": flat_within,
        "bars": {**bars, "readings_per_s": READINGS_PER_S},
        "ok": ok and most["readings_per_s"] >= READINGS_PER_S,
    }


WIDE: Final = 640
HIGH: Final = 260
LEFT: Final = 60
BOTTOM: Final = 210
TOP_US: Final = 1.2


def picture(table: Sequence[Mapping[str, Any]]) -> str:
    """CPU per reading over the number of devices, as SVG that reads on light and on dark ground."""
    step = (WIDE - 2 * LEFT) / max(1, len(table) - 1)

    def height(us: float) -> float:
        return BOTTOM - us / TOP_US * (BOTTOM - 30)

    dots, labels = [], []
    for i, line in enumerate(table):
        x, y = LEFT + i * step, height(line["us_per_reading"])
        dots.append(f"{x:.0f},{y:.1f}")
        labels.append(
            f'<circle cx="{x:.0f}" cy="{y:.1f}" r="4"/>'
            f'<text x="{x:.0f}" y="{y - 12:.1f}" text-anchor="middle">{line["us_per_reading"]} µs</text>'
            f'<text x="{x:.0f}" y="{BOTTOM + 22}" text-anchor="middle">{line["devices"]:,}</text>'
            f'<text x="{x:.0f}" y="{BOTTOM + 40}" text-anchor="middle" opacity=".7">{line["peak_mb"]:,} MB</text>'
        )
    bar = height(1.0)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}"'
        ' font-family="system-ui, sans-serif" font-size="13" fill="#4a78b5">'
        "<title>CPU per reading and memory of the worker by number of devices</title>"
        f'<path d="M{LEFT - 30} {BOTTOM}H{WIDE - LEFT + 30}" stroke="#888"/>'
        f'<path d="M{LEFT - 30} {bar:.1f}H{WIDE - LEFT + 30}" stroke="#c0392b" stroke-dasharray="4 4"/>'
        f'<text x="{WIDE - LEFT + 30}" y="{bar - 6:.1f}" text-anchor="end" fill="#c0392b">a million readings a second on one core</text>'
        f'<polyline points="{" ".join(dots)}" fill="none" stroke="#4a78b5" stroke-width="2"/>{"".join(labels)}</svg>\n'
    )


def _apart(what: str, folder: str, devices: int, turns: int) -> dict[str, Any]:
    """The same in a process of its own, so that its memory is its own."""
    done = subprocess.run(
        [sys.executable, "-m", "vorab.bench.devices", what, folder, str(devices), str(turns)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return dict(json.loads(done.stdout))


def main() -> None:
    """One part in this process, as a worker would do it: what, folder, devices, rounds."""
    give_back_large()
    what, folder, devices, turns = sys.argv[1:]
    place = Path(folder)
    found = (
        again(place) if what == "again" else measure(int(devices), (place / "asked.yaml").read_text(encoding="utf-8"), int(turns), place)
    )
    print(json.dumps(found))  # noqa: T201 - read by the process that started it


if __name__ == "__main__":
    main()
