"""A topic of plain JSON readings, one per record, as a topic of frames: keyed, partitioned and packed as ingest does it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from vorab.frame import Block, Frame, encode
from vorab.log import EventLog, Outgoing, open_log
from vorab.topics import DEFAULT_TENANT, key_of, partition_of

ROWS: Final = 2_500
SIGNALS: Final = ("temperature", "vibration", "pressure")


class _Reading(msgspec.Struct):
    ts: float
    """Milliseconds since 1970."""
    temperature: float
    vibration: float
    pressure: float


def read(log: EventLog, topic: str, n: int) -> tuple[list[str], NDArray[np.float64]]:
    """Device and (time in ms, three signals) of the `n` readings, in order of time."""
    decode = msgspec.json.Decoder(_Reading).decode
    ends = dict(log.ends(topic))
    at = {(topic, partition): 0 for partition in ends}
    devices: list[str] = []
    rows: list[tuple[float, ...]] = []
    while len(rows) < n and any(offset < ends[partition] for (_, partition), offset in at.items()):
        for entry in log.read(at, limit=5_000, wait_s=1.0):
            at[topic, entry.partition] = entry.offset + 1
            reading = decode(entry.value or b"")
            devices.append((entry.key or b"").decode())
            rows.append((reading.ts, reading.temperature, reading.vibration, reading.pressure))
    order = np.argsort([row[0] for row in rows], kind="stable")
    return [devices[i] for i in order.tolist()], np.array(rows)[order]


def frames(devices: Sequence[str], rows: NDArray[np.float64], partitions: int) -> Iterator[tuple[int, Frame]]:
    """Frames of `ROWS` rows with their partition, in order of time per partition."""
    keys = {device: key_of(DEFAULT_TENANT, device) for device in set(devices)}
    home = {device: partition_of(key, partitions) for device, key in keys.items()}
    mine: list[list[int]] = [[] for _ in range(partitions)]
    for i, device in enumerate(devices):
        some = mine[home[device]]
        some.append(i)
        if len(some) == ROWS:
            yield home[device], _frame([keys[devices[j]] for j in some], rows[some])
            some.clear()
    for partition, some in enumerate(mine):
        if some:
            yield partition, _frame([keys[devices[j]] for j in some], rows[some])


def _frame(keys: Sequence[str], rows: NDArray[np.float64]) -> Frame:
    index: dict[str, int] = {}
    device = [index.setdefault(key, len(index)) for key in keys]
    at = (rows[:, 0] * 1000).astype(np.int64)
    signals: dict[str, NDArray[Any]] = {name: np.ascontiguousarray(rows[:, i + 1]) for i, name in enumerate(SIGNALS)}
    block = Block(
        row=np.arange(len(keys), dtype=np.uint32),
        device=np.array(device, np.uint32),
        measured_at=at,
        received_at=at,
        quality=np.zeros(len(keys), np.uint8),
        signals=signals,
    )
    return Frame(int(at.max()), list(index), [block])


def run(address: str, source: str, topic: str, n: int) -> int:
    """Write the frames; returns how many."""
    with open_log(address) as log:
        devices, rows = read(log, source, n)
        count = 0
        for partition, frame in frames(devices, rows, log.partitions(topic)):
            log.append(Outgoing(topic, partition, None, encode(frame)))
            count += 1
        log.flush()
    return count


def main() -> None:
    """Prints how many frames were written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--n", type=int, required=True)
    given = parser.parse_args()
    print(run(given.log, given.source, given.topic, given.n))  # noqa: T201 - a program


if __name__ == "__main__":
    main()
