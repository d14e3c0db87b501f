"""`vorab notifier`: messages to people, as a service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from vorab.errors import EXIT_OK


def notifier(
    *,
    config: Annotated[Path | None, typer.Option(help="Settings file.", show_default="vorab.toml")] = None,
    log: Annotated[str | None, typer.Option(help="sqlite:///PATH or kafka://HOST:PORT.", show_default="the setting log")] = None,
    share: Annotated[
        str | None, typer.Option(help="This worker's part: 0/2 and 1/2 for two workers, each with a database of its own.")
    ] = None,
    state_dir: Annotated[str | None, typer.Option(help="Folder for what vorab keeps.")] = None,
    shadow: Annotated[bool, typer.Option("--shadow", help="Decide everything, send nothing.")] = False,
) -> None:
    """Say what is due: reads the log, keeps quiet hours, sends, and tells the log what became of each message.

    Examples:
        vorab notifier --log kafka://127.0.0.1:9092
        vorab notifier --log kafka://127.0.0.1:9092 --share 0/2
    """
    from notifier.wiring import Service, announcement
    from vorab import service, settings
    from vorab.clock import clock_from
    from vorab.log import open_log

    overrides = {"log": log, "notifier.share": share, "state_dir": state_dir, "mode": "shadow" if shadow else None}
    found = settings.load(config, overrides=overrides)
    service.configure_logging(found.service, process="notifier")
    stop = service.stop_on_signals()
    says = service.logger("notifier")
    health = service.Health()
    with open_log(found.log_address) as opened:
        running = Service(opened, found, clock_from(found.clock))
        health.ready["notifier"] = running.notifier.ready
        with service.rim(found.service, health) as port:
            running.start()
            try:
                service.announce(announcement(found).with_suffix(".ready.json"), metrics_port=port)
                says.info("started", metrics_port=port, share=found.notifier.share, mode=found.mode.value, pid=os.getpid())
                stop.wait()
                says.info("stopping")
            finally:
                running.stop()
    raise typer.Exit(EXIT_OK)
