"""`vorab up`: everything in one process, from vorab.toml."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def up(
    *,
    config: Annotated[Path | None, typer.Option(help="Settings file.", show_default="vorab.toml")] = None,
    state_dir: Annotated[str | None, typer.Option(help="Folder for what vorab keeps.")] = None,
    mqtt: Annotated[str | None, typer.Option(help="MQTT broker, HOST:PORT.")] = None,
    child: Annotated[bool, typer.Option(hidden=True, help="Run in this process, without a supervisor.")] = False,
) -> None:
    """Run vorab in one process: ingest, streams, notifier and desk on an SQLite log.

    A supervisor starts the process again after a crash.

    Examples:
        vorab up
        vorab up --mqtt broker.example.org:1883 --state-dir /var/lib/vorab
    """
    from vorab import runtime, settings

    overrides: dict[str, object] = {"state_dir": state_dir}
    if mqtt:
        host, _, port = mqtt.rpartition(":")
        overrides |= {"mqtt.host": host, "mqtt.port": port}
    found = settings.load(config, overrides=overrides)
    if child:
        raise typer.Exit(runtime.run(found))
    raise typer.Exit(runtime.supervise(sys.argv))
