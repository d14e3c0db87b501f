"""Millions of damaged payloads for every decoder and every dialect: rows or Rejected, within 5 ms of CPU, in memory that does not grow.

    .venv/bin/python -m tests.fuzz --inputs 10000000

Prints a line per target, and ends with 1 when one of them broke a promise.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

from ingest.conformance import SENDER, mutated
from ingest.decoders import DECODERS, Row, decode
from ingest.decoders.custom import checked
from ingest.dialects import DIALECTS, dialect, entries
from ingest.dialects.sparkplug import sparkplug_pb2 as pb
from ingest.dialects.words import Heard
from ingest.swollen import bodies, swollen
from ingest.topicmap import TopicMap
from tests.recorded import SAMPLES, all_recorded
from vorab.errors import Rejected
from vorab.settings import TopicMapEntry

SLOWEST_MS: Final = 5.0
GROWTH_MB: Final = 24.0
"""What the second half of a run may add; an allocator rounds up, and a book of devices fills until it is full."""
BATCH: Final = 5_000
LARGE: Final = 0.005
"""The share of inputs that are as large as a message may be, or at the limits of what is in it."""
EVERY: Final = 0.05
"""The share of batches that begin with those that need no sample."""

Message = tuple[str, bytes]
Take = Callable[[str, bytes], list[Row] | None]
"""Hears one message and hands out its rows; raises Rejected, and nothing else."""


class Target(NamedTuple):
    """One thing that reads messages of strangers."""

    name: str
    samples: Sequence[Message]
    fresh: Callable[[], Take]
    large: Sequence[Message] = ()
    """Good messages at the limits of what is in one."""
    due: bool = False
    """Whether it has something to do as time passes: then it is called without topic."""


class Found(NamedTuple):
    """What a run showed."""

    name: str
    inputs: int
    refused: int
    slowest_ms: float
    """CPU of the slowest message, or of the slowest passing of time."""
    grown_mb: float
    seconds: float
    broken: str = ""

    @property
    def good(self) -> bool:
        """Whether every promise was kept."""
        return not self.broken and self.slowest_ms <= SLOWEST_MS and self.grown_mb <= GROWTH_MB


# ------------------------------------------------------------------------------------------------ targets

FLAT: Final = b'{"ts": 1795000000123, "temperature": 71.4, "door": false, "state": "ok", "boot": 3, "seq": 118, "acked": 117}'
SEVERAL: Final = b'[{"ts": 1795000000123, "values": {"a": 1.5}}, {"b": true, "device": "device-1"}]'
PACK: Final = b'[{"bn": "urn:dev:ow:1:", "bt": 1795000000, "n": "temp", "u": "Cel", "v": 23.5}, {"n": "batt", "v": 81, "t": -1, "s": 2}]'
CBOR: Final = bytes.fromhex("a2627473 1b000001a1ee8c5d7b 6474656d70 fb4037800000000000")
PACK_CBOR: Final = bytes.fromhex("82a4006474656d70016343656c02fb4037800000000000 0600a2006462617474 021851")
EVENT: Final = b'{"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "time": "2026-11-18T10:26:40Z", "data": {"t": 21.5}}'
NESTED: Final = json.dumps(
    {
        "meta": {"at": "2026-11-18T10:26:40", "n": 4},
        "data": [{"id": "s1", "t": 215, "door": "open"}, {"id": "s2", "t": "220"}],
        "a": {"b": 1},
    }
).encode()
RECORDS: Final = struct.pack("<IhBBhBB", 1_795_000_000, 2150, 9, 0x42, -32768, 8, 0x01)

DECLARED: Final[dict[str, tuple[dict[str, object], bytes]]] = {
    "mapped": (
        {
            "map": {
                "time": {"path": "meta.at", "unit": "iso", "zone": "Europe/Berlin"},
                "seq": "meta.n",
                "device": "data[*].id",
                "signals": {"t": {"path": "data[*].t", "type": "number", "scale": 0.1}, "door": {"path": "data[*].door"}},
                "values": "a",
            }
        },
        NESTED,
    ),
    "mapped, all values": ({"map": {"values": "$", "signals": {"p": {"path": "data[*].*", "name": "data[*].*~", "type": "text"}}}}, NESTED),
    "packed": (
        {
            "packed": {
                "order": "little",
                "header": 4,
                "stride": 4,
                "time": {"of": "payload", "at": 0, "type": "u32", "every_s": 60},
                "signals": {
                    "t": {"at": 0, "type": "i16", "scale": 0.01, "none": -32768},
                    "mode": {"at": 2, "type": "bits", "bit": 3, "bits": 4},
                    "level": {"at": 3, "type": "bcd", "size": 1},
                },
            }
        },
        RECORDS,
    ),
    "packed in JSON": (
        {
            "packed": {
                "path": "up.bytes",
                "encoding": "hex",
                "signals": {"x": {"at": 0, "type": "f32"}, "y": {"at": 1, "type": "hex", "size": 3}},
            }
        },
        json.dumps({"up": {"bytes": RECORDS.hex()}}).encode(),
    ),
    "text": ({"text": {"type": "auto", "none": "nan"}}, b"21.4"),
}


def _decoder(name: str) -> Take:
    return lambda _, payload: decode(payload, SENDER, decoder=name)


def _declared(spec: dict[str, object]) -> Take:
    entry = TopicMapEntry.model_validate({"filter": "{device}", **spec})
    route = TopicMap([entry], 1, 0).resolve(b"device-1")
    return lambda _, payload: decode(payload, SENDER, decoder=route.decoder)


def _dialect(name: str) -> Take:
    some, known = dialect(name), TopicMap(entries([name]), 4, 0)
    now, flags = SENDER.received_at, random.Random(1)

    def take(topic: str, payload: bytes) -> list[Row]:
        nonlocal now
        if not topic:
            return [word for word in some.due(now) if isinstance(word, Row)]
        now += 50_000
        route = known.resolve(topic.encode("utf-8", "replace"))
        if route.kind != "dialect":
            return []
        heard = Heard(route.levels, route.named, route.tail, payload, now, flags.random() < 0.2)
        return [word for word in some.hear(heard) if isinstance(word, Row)]

    return take


def _sparkplug() -> list[Message]:
    """A birth, a device's birth, data by alias, a death: as Eclipse Tahu's own client writes them."""
    birth = pb.Payload(timestamp=1_795_000_000_000, seq=0)
    birth.metrics.add(name="bdSeq", datatype=8, long_value=0)
    birth.metrics.add(name="Node Control/Rebirth", datatype=11, boolean_value=False)
    device = pb.Payload(timestamp=1_795_000_000_001, seq=1)
    device.metrics.add(name="temperature", alias=7, datatype=10, double_value=21.5)
    device.metrics.add(name="count", alias=8, datatype=3, int_value=2**32 - 3)
    data = pb.Payload(timestamp=1_795_000_000_500, seq=2)
    data.metrics.add(alias=7, double_value=22.25)
    data.metrics.add(alias=8, int_value=2**32 - 4, is_historical=True, timestamp=1_795_000_000_400)
    death = pb.Payload(timestamp=1_794_999_999_990)
    death.metrics.add(name="bdSeq", datatype=8, long_value=0)
    packed = pb.Payload(uuid="SPBV1.0_COMPRESSED", body=zlib.compress(data.SerializeToString()))
    kinds = (("NBIRTH/E1", birth), ("DBIRTH/E1/D1", device), ("DDATA/E1/D1", data), ("DDATA/E1/D1", packed), ("NDEATH/E1", death))
    return [(f"spBv1.0/G1/{kind}", payload.SerializeToString()) for kind, payload in kinds]


def _plant() -> list[Message]:
    """Births and data of a node with as many metrics as a message may have."""
    found = []
    for name in ("m%d", "Line 1/Motor ä/%d", "Properties/%d"):
        birth, data = pb.Payload(timestamp=1_795_000_000_000, seq=0), pb.Payload(timestamp=1_795_000_000_500, seq=1)
        birth.metrics.add(name="bdSeq", datatype=8, long_value=0)
        for i in range(1_000):
            birth.metrics.add(name=name % i, alias=i, datatype=(10, 3, 12)[i % 3] if name[0] == "P" else 10, double_value=i / 8)
            data.metrics.add(name=name % i, datatype=10, double_value=i / 4, timestamp=1_795_000_000_000 + i // 2)
        found += [("spBv1.0/G1/NBIRTH/E1", birth.SerializeToString()), ("spBv1.0/G1/DBIRTH/E1/D1", birth.SerializeToString())]
        found += [("spBv1.0/G1/NDATA/E1", data.SerializeToString())]
    return found


def _foreign() -> dict[str, list[Message]]:
    """What dialects say of which nothing was recorded."""
    gateway = {"Device A": [{"ts": 1795000000123, "values": {"temperature": 42, "humidity": 80}}], "Device B": [{"temperature": 1}]}
    found = {
        "name": "Temperature", "uniq_id": "t1", "dev": {"ids": "x1", "name": "Kitchen", "mdl": "m", "sw": "1.0"}, "stat_t": "kitchen/state",
        "unit_of_meas": "°C", "val_tpl": "{{ value_json.temperature }}", "avty_t": "kitchen/status", "exp_aft": 60,
    }  # fmt: skip
    whole = {"dev": found["dev"], "cmps": {"t1": {**found, "p": "sensor"}}, "stat_t": "kitchen/state"}
    return {
        "sparkplug": _sparkplug(),
        "thingsboard": [
            ("v1/gateway/telemetry", json.dumps(gateway).encode()),
            ("v1/gateway/connect", b'{"device": "Device A"}'),
            ("v1/gateway/attributes", b'{"Device A": {"fw": "1.2"}}'),
            ("v1/gateway/rpc", b'{"device": "Device A", "id": 1, "data": {"success": true}}'),
            ("gw-1/v1/devices/me/telemetry", SEVERAL),
            ("gw-1/v1/devices/me/attributes", b'{"fw": "1.2"}'),
            ("gw-1/v1/devices/me/rpc/response/7", b'{"done": true}'),
        ],
        "homeassistant": [
            ("homeassistant/sensor/kitchen/t1/config", json.dumps(found).encode()),
            ("homeassistant/device/kitchen/config", json.dumps(whole).encode()),
        ],
    }


def _recorded(name: str) -> list[Message]:
    spoken = _foreign().get(name, [])
    if (SAMPLES / name).is_dir():
        spoken = [*spoken, *all_recorded(name)]
    if spoken:
        return spoken
    usual = [wanted.replace("#", "x/y").replace("{", "").replace("}", "").replace("+", "x") for wanted in dialect(name).filters]
    return [(topic, payload) for topic in usual for payload in (FLAT, b"online", RECORDS)]


def targets() -> list[Target]:
    """Every decoder and every dialect there is."""
    samples = {"senml+json": [PACK], "cbor": [CBOR], "senml+cbor": [PACK_CBOR], "cloudevents+json": [EVENT], "json": [FLAT, SEVERAL]}
    everything = [FLAT, SEVERAL, PACK, CBOR, PACK_CBOR]
    made = [
        Target(name, [("telemetry/device-1", sample) for sample in samples.get(name, everything)], partial(_decoder, name))
        for name in ("auto", *DECODERS)
    ]
    made += [Target(name, [("device-1", sample)], partial(_declared, spec)) for name, (spec, sample) in DECLARED.items()]
    large = {"sparkplug": _plant()}
    return made + [Target(f"dialect {name}", _recorded(name), partial(_dialect, name), large.get(name, ()), due=True) for name in DIALECTS]


# ------------------------------------------------------------------------------------------------ runs


def run(target: Target, inputs: int, seed: int = 1) -> Found:
    """So many damaged messages for one target, in batches that depend on the seed alone."""
    take, chance = target.fresh(), random.Random(seed)
    by_topic: dict[str, list[bytes]] = {}
    for topic, payload in target.samples:
        by_topic.setdefault(topic, []).append(payload)
    names = sorted(by_topic)
    done = refused = 0
    slowest, half = 0.0, _memory_mb()
    began = time.process_time()
    while done < inputs:
        topic = chance.choice(names)
        samples = by_topic[topic] if chance.random() < 0.8 else [payload for _, payload in target.samples]
        for payload in _payloads(samples, min(BATCH // max(1, len(names)) + 1, inputs - done), chance):
            done += 1
            where = topic if chance.random() < 0.9 else _strange(topic, chance)
            if target.large and chance.random() < LARGE:
                where, payload = chance.choice(target.large)  # noqa: PLW2901 - in its place
            passed, _, broken = _one(target, take, "", b"") if target.due else (0.0, False, "")
            cost, said, broken = (passed, False, broken) if broken else _one(target, take, where, payload)
            if broken:
                return Found(
                    target.name, done, refused, slowest, 0.0, time.process_time() - began, f"{broken}: {where!r} {payload[:300]!r}"
                )
            refused += said
            slowest = max(slowest, cost, passed)
        if done <= inputs // 2:
            half = _memory_mb()
    return Found(target.name, done, refused, slowest, _memory_mb() - half, time.process_time() - began)


def _payloads(samples: Sequence[bytes], count: int, chance: random.Random) -> Iterator[bytes]:
    """What becomes of samples: most of it damaged, some of it as large as may be, and first of all what needs no sample."""
    whole = list(bodies()) if chance.random() < EVERY else []
    yield from whole[:count]
    for payload in mutated(samples, count - len(whole[:count]), chance.randrange(2**32)):
        yield swollen(samples, chance) if chance.random() < LARGE else payload


def _one(target: Target, take: Take, topic: str, payload: bytes) -> tuple[float, bool, str]:
    """CPU in ms, whether it was refused, and what broke.

    What seems slow is heard again by a fresh reader that has heard the samples: a collection of garbage is nobody's fault, and one that
    has heard the same message before may be done with it at once.
    """
    best = SLOWEST_MS * 100
    for i in range(5):
        if i:
            take = target.fresh()
            for before in target.samples:
                with suppress(Rejected):
                    take(*before)
        began = time.thread_time_ns()
        rows: list[Row] | None = None
        try:
            rows = take(topic, payload)
            refused = False
        except Rejected:
            refused = True
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            return 0.0, False, f"{type(error).__name__}: {error}"
        best = min(best, (time.thread_time_ns() - began) / 1e6)
        with suppress(Rejected):  # an id too long, say: whoever takes rows of a dialect refuses it then
            checked(rows or [])
        if best <= SLOWEST_MS / 2:
            break
    return best, refused, ""


def _strange(topic: str, chance: random.Random) -> str:
    levels = topic.split("/")
    levels[chance.randrange(len(levels))] = chance.choice(
        ["", "x", "a b", "ä", "..", "$SYS", "x" * 200, f"n{chance.randrange(10**6)}", "+"]
    )
    return "/".join(levels)


def _memory_mb() -> float:
    """What this process has in memory now."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize() / 2**20


def _by_index(index: int, inputs: int, seed: int) -> Found:
    return run(targets()[index], inputs, seed)


def main() -> int:
    """All targets, in as many processes as are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000, help="over all targets together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="targets whose name holds this")
    asked = parser.parse_args()
    chosen = [i for i, target in enumerate(targets()) if asked.only in target.name]
    each = -(-asked.inputs // len(chosen))
    # One process per target, so that the memory of one is not another's.
    with ProcessPoolExecutor(asked.processes, get_context("spawn"), max_tasks_per_child=1) as pool:
        found = list(pool.map(_by_index, chosen, [each] * len(chosen), [asked.seed] * len(chosen)))
    for one in found:
        word = "ok" if one.good else "BROKEN"
        print(  # noqa: T201 - a program that talks to a terminal
            f"{word:6}  {one.name:28}  {one.inputs:>10,} inputs  {one.refused:>10,} refused  slowest {one.slowest_ms:6.2f} ms"
            f"  grew {one.grown_mb:5.1f} MB  {one.seconds:7.1f} s of CPU  {one.broken}"
        )
    print(f"{sum(one.inputs for one in found):,} inputs, seed {asked.seed}")  # noqa: T201 - the same
    return 0 if all(one.good for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
