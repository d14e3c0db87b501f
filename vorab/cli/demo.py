"""`vorab demo`: the whole system, one night in a minute."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class BrokerKind(StrEnum):
    """Which broker carries the messages."""

    MOSQUITTO = "mosquitto"
    AMQTT = "amqtt"


def demo(
    *,
    seconds: Annotated[
        float,
        typer.Option(
            min=40,
            help="How long the night from 22:00 to 07:30 takes; in a shorter one, 20 minutes of silence, which are a fault, "
            "would be a moment in which the computer is busy.",
        ),
    ] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="The figures and beats as one JSON document at the end.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the console; 0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the console.")] = True,
    machines: Annotated[int, typer.Option(min=100, max=2000, help="How many simulated machines.")] = 200,
    state_dir: Annotated[Path | None, typer.Option(help="Keep everything in this folder; default: a temporary one.")] = None,
    broker: Annotated[
        BrokerKind | None, typer.Option(help="The MQTT broker.", show_default="mosquitto if it is there, otherwise amqtt")
    ] = None,
) -> None:
    """See everything at work: 200 simulated machines, three recorded real ones, one night in a minute.

    Machines publish over MQTT, some break; vorab finds it, heals what can be healed, proves it, and wakes nobody who need not be woken.

    Examples:
        vorab demo
        vorab demo --seconds 120 --port 8080
        vorab demo --seconds 60 --json --no-browser
    """
    from vorab.demo import run, show

    install_s = os.environ.get("DEMO_INSTALL_S")
    options = run.Options(
        seconds=seconds, machines=machines, port=port, browser=browser, state_dir=state_dir, broker=broker.value if broker else ""
    )
    teller: show.Show = show.quiet() if as_json else show.Teller(seconds)
    code, result = run.Demo(options, teller.tell, teller.begin).run()
    if install_s:
        result["install_s"] = float(install_s)
    if as_json:
        typer.echo(json.dumps(result))
    else:
        teller.end(result)
    raise typer.Exit(code)
