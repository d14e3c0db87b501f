"""What the frame costs: columns to bytes and back, rows to columns and back, at several sizes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from vorab.bench.load import frames
from vorab.frame import Frame, decode, encode, pack, unpack

SIZES: Final = (1, 10, 100, 500, 1000)


def _us(work: Callable[[], object], least_s: float) -> float:
    """CPU µs of one call, over at least so many CPU seconds."""
    calls, begin = 0, time.process_time()
    while True:
        for _ in range(20):
            work()
        calls += 20
        took = time.process_time() - begin
        if took >= least_s:
            return took / calls * 1e6


def run(least_s: float = 0.1) -> dict[str, Any]:
    """CPU µs per frame of each size, three signals, and its bytes; and the time per million messages at 500 rows."""
    sizes: dict[str, dict[str, float]] = {}
    for rows in SIZES:
        frame: Frame = next(frames(rows, max(rows, 1), rows))
        data = encode(frame)
        readings = unpack(frame)
        sizes[str(rows)] = {
            "bytes": len(data),
            "encode_us": round(_us(lambda frame=frame: encode(frame), least_s), 2),  # type: ignore[misc]
            "decode_us": round(_us(lambda data=data: decode(data), least_s), 2),  # type: ignore[misc]
            "pack_us": round(_us(lambda readings=readings, now=frame.now: pack(readings, now), least_s), 2),  # type: ignore[misc]
        }
    at = sizes["500"]
    return {
        "bench": "frame",
        "rows": sizes,
        "cpu_s_per_million": round((at["encode_us"] + at["decode_us"]) / 500, 4),
        "pack_cpu_s_per_million": round(at["pack_us"] / 500, 4),
        "ok": True,
    }


def main() -> None:
    """One JSON line."""
    import json  # noqa: PLC0415

    print(json.dumps(run()))  # noqa: T201 - a program


if __name__ == "__main__":
    main()
