"""`vorab bench NAME`: vorab's own benchmarks, one JSON line each."""

from __future__ import annotations

import importlib
import json
from enum import StrEnum
from typing import Annotated

import typer

from vorab.errors import EXIT_OK, EXIT_PROBLEMS


class Name(StrEnum):
    """What can be measured."""

    FRAME = "frame"
    DETECT = "detect"
    BRIDGE = "bridge"
    LATENCY = "latency"


def bench(name: Annotated[Name, typer.Argument(help="What to measure.")]) -> None:
    """Measure one thing and print one JSON line: counts, CPU seconds per million, and whether the counts are right.

    frame: encode and decode. detect: frames to symptoms, without a broker. bridge: MQTT to the log. latency: publish to symptom.

    Example: `vorab bench detect`
    """
    found = importlib.import_module(f"vorab.bench.{name}").run()
    typer.echo(json.dumps(found))
    raise typer.Exit(EXIT_OK if found.get("ok", True) else EXIT_PROBLEMS)
