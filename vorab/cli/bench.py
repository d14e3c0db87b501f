"""`vorab bench NAME`: vorab's own benchmarks, one JSON line each."""

from __future__ import annotations

import importlib
import json
from enum import StrEnum
from typing import Annotated, Final

import typer

from vorab.errors import EXIT_OK, EXIT_PROBLEMS


class Name(StrEnum):
    """What can be measured."""

    FRAME = "frame"
    DETECT = "detect"
    BRIDGE = "bridge"
    DIALECTS = "dialects"
    LATENCY = "latency"


BUDGETS: Final[dict[Name, dict[str, float]]] = {
    Name.BRIDGE: {"qos0_us": 15.0, "qos1_us": 25.0, "added_p50_ms": 4.0, "added_p99_ms": 12.0},
    Name.DETECT: {"cpu_s_per_million": 3.0},
}
"""CPU a message may cost: half of what the leanest known bridge, and a third of what the leanest known stream processor takes.
And what the bridge may add between broker and log at a thousand messages a second. A figure that was not measured has no budget."""

AT_A_RATE: Final = frozenset({Name.BRIDGE, Name.LATENCY})


def bench(
    name: Annotated[Name, typer.Argument(help="What to measure.")],
    rate: Annotated[int, typer.Option(min=0, help="Messages a second; bridge and latency only. bridge: what it adds at this rate.")] = 0,
) -> None:
    """Measure one thing and print one JSON line: counts, CPU seconds per million, and whether counts and budget hold.

    frame: encode and decode. detect: frames to symptoms, without a broker. bridge: MQTT to the log. dialects: a
    reading in each format. latency: publish to symptom.

    Example: `vorab bench detect`
    """
    if rate and name not in AT_A_RATE:
        raise typer.BadParameter(f"{name} has no rate", param_hint="--rate")
    found = importlib.import_module(f"vorab.bench.{name}").run(**({"rate": rate} if rate else {}))
    budget = {key: most for key, most in BUDGETS.get(name, {}).items() if key in found}
    if budget:
        kept = all(found[key] is not None and found[key] <= most for key, most in budget.items())
        found |= {"budget": budget, "ok": found.get("ok", True) and kept}
    typer.echo(json.dumps(found))
    raise typer.Exit(EXIT_OK if found.get("ok", True) else EXIT_PROBLEMS)
