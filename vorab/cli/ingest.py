"""`vorab ingest`: one worker between the MQTT broker and the log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vorab.cli.ingest_try import try_
from vorab.errors import ConfigError

app = typer.Typer(add_completion=False, rich_markup_mode="rich", invoke_without_command=True)
app.command("try")(try_)


@app.callback()
def ingest(
    ctx: typer.Context,
    *,
    mqtt: Annotated[str, typer.Option(help="MQTT broker, HOST:PORT.", show_default="[mqtt] host and port")] = "",
    log: Annotated[str, typer.Option(help="kafka://HOST:PORT or sqlite:///PATH.", show_default="[log]")] = "",
    share: Annotated[str, typer.Option(help="This worker's part of the partitions: 0/2 and 1/2 for two workers.", show_default="0/1")] = "",
    readings_topic: Annotated[str, typer.Option(help="Topic for frames.", show_default="vorab.readings")] = "",
    partitions: Annotated[int | None, typer.Option(help="Partitions of topics that have to be made.", show_default="12")] = None,
    qos: Annotated[int | None, typer.Option(help="Quality of service of the subscriptions, 0 or 1.", show_default="1")] = None,
    protocol: Annotated[str, typer.Option(help="MQTT version, 5 or 3.1.1.", show_default="5")] = "",
    client_id: Annotated[str, typer.Option(help="MQTT client id; names the session.", show_default="vorab-ingest")] = "",
    config: Annotated[Path | None, typer.Option(help="Settings with the topic map.", show_default="vorab.toml")] = None,
    state_dir: Annotated[str, typer.Option(help="Folder for what vorab keeps.", show_default="var")] = "",
    metrics_port: Annotated[int | None, typer.Option(help="Port of /metrics, /livez and /readyz.", show_default="a free one")] = None,
) -> None:
    """MQTT in, MQTT out: telemetry to frames on the log, actions to commands.

    Example: `vorab ingest --mqtt 127.0.0.1:1883 --log kafka://127.0.0.1:9092`
    """
    if ctx.invoked_subcommand is not None:
        return
    from ingest.service import run
    from vorab.settings import load

    host, _, port = mqtt.rpartition(":")
    if mqtt and not (host and port.isdigit()):
        raise ConfigError(f"--mqtt {mqtt!r} is not HOST:PORT", key="mqtt", hint="for example 127.0.0.1:1883")
    overrides: dict[str, Any] = {
        "mqtt.host": host or None,
        "mqtt.port": int(port) if port else None,
        "mqtt.qos": qos,
        "mqtt.protocol": protocol or None,
        "mqtt.client_id": client_id or None,
        "log": log or None,
        "ingest.share": share or None,
        "topics.readings": readings_topic or None,
        "topics.partitions": partitions,
        "state_dir": state_dir or None,
        "service.metrics_port": metrics_port,
    }
    raise typer.Exit(run(load(config, overrides=overrides)))
