"""What detection costs: frames from bytes to symptoms, as bytes again, on one core and without a broker."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from vorab.bench import detect_faust
from vorab.bench.load import expected_faults, frames
from vorab.frame import decode, encode
from vorab.processor import Processor
from vorab.records import Contract, Customer, Device, Symptom, SymptomState, to_wire
from vorab.topics import READINGS

CHECKPOINT_FRAMES: Final = 500
"""A snapshot of the changed state every so many frames: at two microseconds a message, twice a second."""
SOME_ROWS: Final = 500
FULL_ROWS: Final = 2_500
"""Rows of a frame as ingest packs them under full load, and the same as `vorab.bench.prefill` makes for comparisons."""
STREAMS_US: Final = 3.77
"""What Kafka Streams takes for a message with the one rule, on two quiet cores."""
STREAMS_TIMES: Final = 3.6
"""The same over what vorab takes for it in the same run (3.77 over 1.04): where neighbours make everything slower, this still holds."""
RULES: Final = """rules:
  - id: temperature-high
    title: {en: Too hot, de: Zu heiß}
    cause: overheat
    detector: threshold
    signal: temperature
    above: 90
    clear: 85
    count: 3
    evidence: 3
    flap: off
"""


class _Empty:
    def device(self, key: str) -> Device | None:  # noqa: ARG002 - nobody is registered
        return None

    def customer(self, key: str) -> Customer | None:  # noqa: ARG002 - the protocol
        return None

    def related(self, key: str, how: str) -> list[Device]:  # noqa: ARG002 - nobody asks
        """Nobody is related to anybody."""
        return []

    def size(self, group: str) -> int:  # noqa: ARG002 - the protocol
        return 0

    def contract(self, key: str) -> Contract | None:  # noqa: ARG002 - the protocol
        return None


def processor(rules: Path) -> Processor:
    """A processor with the rules of a file."""
    from streams.detect.processor import Detect  # noqa: PLC0415 - a benchmark of a stage loads it when it runs
    from streams.rules.files import load_rules  # noqa: PLC0415

    return Detect(load_rules([rules]), _Empty())


def run(
    n: int = 1_000_000, devices: int = 10_000, rows: int = 0, partitions: int = 4, rules: Path | None = None, log: str = ""
) -> dict[str, Any]:
    """CPU seconds per million messages of three signals, with one threshold rule or those of a file: decode, step, write, snapshot.

    With the address of a Kafka as `log`, those of a worker on it instead.
    """
    if rules is None:
        import tempfile  # noqa: PLC0415

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "rules.yaml"
            file.write_text(RULES, encoding="utf-8")
            return run(n, devices, rows, partitions, file, log)
    if log:
        return {**detect_faust.run(log, n, devices, rows or FULL_ROWS, partitions, rules), **_about(rules)}
    rows = rows or SOME_ROWS
    per_partition = devices // partitions
    wire = [encode(frame) for frame in frames(n // partitions, per_partition, rows)]
    spent = dict.fromkeys(("decode", "step", "write", "snapshot"), 0.0)
    raised = cleared = others = state_bytes = 0
    for _ in range(partitions):
        detect = processor(rules)
        for number, data in enumerate(wire):
            t0 = time.process_time()
            frame = decode(data)
            t1 = time.process_time()
            found = [*detect.step(READINGS, number, frame, frame.now), *detect.due(frame.now)]
            t2 = time.process_time()
            for out in found:
                to_wire(out.record, "urn:vorab:detect")
            t3 = time.process_time()
            if number % CHECKPOINT_FRAMES == CHECKPOINT_FRAMES - 1:
                state_bytes = sum(map(len, detect.dirty().values()))
            t4 = time.process_time()
            for name, took in zip(spent, (t1 - t0, t2 - t1, t3 - t2, t4 - t3), strict=True):
                spent[name] += took
            symptoms = [out.record for out in found if isinstance(out.record, Symptom)]
            others += sum(record.rule != detect_faust.COUNTED for record in symptoms)
            states = [record.state for record in symptoms if record.rule == detect_faust.COUNTED]
            raised += states.count(SymptomState.RAISED)
            cleared += states.count(SymptomState.CLEARED)
    messages = n // partitions * partitions
    expected = expected_faults(n // partitions, per_partition) * partitions
    return {
        "bench": "detect",
        "messages": messages,
        "devices": devices,
        "rows_per_frame": rows,
        "raised": raised,
        "expected": expected,
        "cleared": cleared,
        "others": others,
        **_about(rules),
        "ok": raised == expected,
        "cpu_s_per_million": round(sum(spent.values()) / messages * 1e6, 3),
        **{f"{name}_cpu_s_per_million": round(took / messages * 1e6, 3) for name, took in spent.items()},
        "state_bytes_per_device": round(state_bytes / per_partition),
    }


def beside(rules: Path, log: str = "", n: int = 1_000_000) -> dict[str, Any]:
    """Rules of a file, and the one threshold rule in the same minute: `ok` where they cost less than Kafka Streams with that one rule."""
    one = run(n, log=log)
    found = run(n, rules=rules, log=log)
    times = round(found["cpu_s_per_million"] / one["cpu_s_per_million"], 2)
    return {
        **found,
        "one_rule_cpu_s_per_million": one["cpu_s_per_million"],
        "times_one_rule": times,
        "bars": {"cpu_s_per_million": STREAMS_US, "times_one_rule": STREAMS_TIMES},
        "ok": found["ok"] and (found["cpu_s_per_million"] <= STREAMS_US or times <= STREAMS_TIMES),
    }


def _about(rules: Path) -> dict[str, Any]:
    """How many rules there are, of which kinds."""
    from streams.rules.files import load_rules  # noqa: PLC0415 - see `processor`

    found = list(load_rules([rules]))
    return {"rules": len(found), "detectors": sorted({rule.detector for rule in found})}
