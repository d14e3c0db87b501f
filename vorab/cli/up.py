"""`vorab up`: everything in one process, from vorab.toml."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from vorab.errors import ConfigError

MQTT_PORT = 1883


def broker_of(text: str) -> tuple[str, int]:
    """HOST:PORT as a pair; without a port it is MQTT's own.

    Raises:
        ConfigError: neither HOST:PORT nor HOST.
    """
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]+)(?::(\d{1,5}))?", text)
    port = int(found[2] or MQTT_PORT) if found else 0
    if not found or not 0 < port < 1 << 16:
        raise ConfigError(f"--mqtt is HOST:PORT, not {text!r}", key="--mqtt", hint=f"for example 127.0.0.1:{MQTT_PORT}")
    return found[1].strip("[]"), port


def up(
    *,
    config: Annotated[Path | None, typer.Option(help="Settings file.", show_default="vorab.toml")] = None,
    state_dir: Annotated[str | None, typer.Option(help="Folder for what vorab keeps.")] = None,
    mqtt: Annotated[str | None, typer.Option(help="MQTT broker, HOST:PORT or HOST.", show_default="[mqtt] host and port")] = None,
    log: Annotated[str | None, typer.Option(help="sqlite:///PATH.", show_default="log.db in the state folder")] = None,
    child: Annotated[bool, typer.Option(hidden=True, help="Run in this process, without a supervisor.")] = False,
) -> None:
    """Run vorab in one process: ingest, streams, notifier and desk on an SQLite log.

    A supervisor starts the process again after a crash.

    Examples:
        vorab up
        vorab up --mqtt broker.example.org:1883 --state-dir /var/lib/vorab
    """
    from vorab import runtime, settings

    overrides: dict[str, object] = {"state_dir": state_dir, "log": log}
    if mqtt is not None:
        host, port = broker_of(mqtt)
        overrides |= {"mqtt.host": host, "mqtt.port": port}
    found = settings.load(config, overrides=overrides)
    if child:
        raise typer.Exit(runtime.run(found))
    raise typer.Exit(runtime.supervise(sys.argv))
