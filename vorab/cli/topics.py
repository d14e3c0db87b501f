"""`vorab topics`: make the topics of the log, and show them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def topics(
    *,
    config: Annotated[Path | None, typer.Option(help="Settings file.", show_default="vorab.toml")] = None,
    log: Annotated[str | None, typer.Option(help="sqlite:///PATH or kafka://HOST:PORT.", show_default="the setting log")] = None,
    only_list: Annotated[bool, typer.Option("--list", help="Show the table of topics and make nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Make sure that every topic exists with the right number of partitions; never changes one that exists.

    Examples:
        vorab topics --log kafka://127.0.0.1:9092
        vorab topics --list
    """
    from vorab import provision, settings
    from vorab import topics as table
    from vorab.log import open_log

    found = settings.load(config, overrides={"log": log})
    if not only_list:
        address = found.log_address
        if address.startswith("sqlite:///"):
            Path(address.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        with open_log(address, replication=found.topics.replication) as opened:
            provision.create_topics(opened, found)
    counts = provision.partition_counts(found)
    rows = [
        {
            "topic": (name := provision.renamed(found, topic.name)),
            "key": topic.keyed.value,
            "partitions": counts[name],
            "kept_days": topic.kept_days,
            "about": topic.about,
        }
        for topic in table.TOPICS.values()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        kept = "compacted" if row["kept_days"] is None else f"{row['kept_days']} d"
        typer.echo(f"{row['topic']:<24} {row['key']:<9} {row['partitions']:>3} partitions  {kept:<10} {row['about']}")
