"""`vorab desk`: console, API and customer page, as a service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from vorab.errors import EXIT_OK


def desk(
    *,
    config: Annotated[Path | None, typer.Option(help="Settings file.", show_default="vorab.toml")] = None,
    log: Annotated[str | None, typer.Option(help="sqlite:///PATH or kafka://HOST:PORT.", show_default="the setting log")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="the setting desk.host")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.", show_default="desk.port")] = None,
    state_dir: Annotated[str | None, typer.Option(help="Folder for what vorab keeps.")] = None,
) -> None:
    """Show cases, and take what people ask for: reads the log into its own tables, serves the console, the customer page and TMF621.

    Also shows what a demo left behind.

    Examples:
        vorab desk --log kafka://127.0.0.1:9092
        vorab desk --config /tmp/night/vorab.toml --port 8080
    """
    from desk.service import Desk
    from vorab import provision, service, settings
    from vorab.cli.why_again import again_on
    from vorab.clock import clock_from
    from vorab.log import open_log

    overrides = {"log": log, "desk.host": host, "desk.port": port, "state_dir": state_dir}
    found = settings.load(config, overrides=overrides)
    service.configure_logging(found.service, process="desk")
    found = found.model_copy(update={"link_secret": provision.link_secret(found)})
    stop = service.stop_on_signals()
    says = service.logger("desk")
    health = service.Health()
    with open_log(found.log_address) as opened:
        running = Desk(opened, found, clock_from(found.clock), again_on(found, opened))
        health.ready["desk"] = running.ready
        with service.rim(found.service, health) as metrics_port:
            running.start()
            try:
                says.info("started", url=f"http://{found.desk.host}:{running.port}/", metrics_port=metrics_port, pid=os.getpid())
                stop.wait()
                says.info("stopping")
            finally:
                running.stop()
    raise typer.Exit(EXIT_OK)
