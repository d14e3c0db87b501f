"""`vorab streams`: the processors (detect, cases and those around them) as a worker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def streams(
    *,
    config: Annotated[Path | None, typer.Option(help="Settings file.", show_default="vorab.toml")] = None,
    log: Annotated[str | None, typer.Option(help="kafka://HOST:PORT.", show_default="the setting log")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this processor: detect, gaps, alarms, cohorts, firmwares, rollouts, cases, permits, customers or ledger; "
            "repeat for more."
        ),
    ] = None,
    rules: Annotated[list[str] | None, typer.Option(help="Rule file or folder; repeat for more.")] = None,
    remedies: Annotated[list[str] | None, typer.Option(help="Remedy file or folder; repeat for more.")] = None,
    readings_topic: Annotated[str | None, typer.Option(help="Another name for vorab.readings.")] = None,
    symptoms_topic: Annotated[str | None, typer.Option(help="Another name for vorab.symptoms.")] = None,
    group: Annotated[str | None, typer.Option(help="Prefix of the consumer groups.")] = None,
    state_dir: Annotated[str | None, typer.Option(help="Folder for what vorab keeps.")] = None,
) -> None:
    """Run the stream processors on Kafka; start as many workers as there is work, each takes its share of the partitions.

    Examples:
        vorab streams --log kafka://127.0.0.1:9092
        vorab streams --only detect --rules rules/pump.yaml
    """
    from streams.hosts.faust import run
    from vorab import settings

    overrides = {
        "log": log,
        "streams.rules": rules or None,
        "streams.remedies": remedies or None,
        "topics.readings": readings_topic,
        "topics.symptoms": symptoms_topic,
        "streams.group": group,
        "state_dir": state_dir,
    }
    raise typer.Exit(run(settings.load(config, overrides=overrides), only or []))
