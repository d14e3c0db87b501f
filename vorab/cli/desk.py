"""`vorab desk`: console, API and customer page, as a service."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Final

import typer

from vorab.cli.options import Json
from vorab.errors import EXIT_OK, ConfigError
from vorab.topics import CONSENTS, CONTACT_STATE, CONTRACTS, DIALOGUE, OFFERS, SITES

NEW: Final = (SITES, CONTRACTS, CONTACT_STATE, OFFERS, DIALOGUE, CONSENTS)
"""Topics that are missing where an older vorab has made the log."""

app = typer.Typer(add_completion=False, rich_markup_mode="rich", invoke_without_command=True)


@app.command()
def token(
    name: Annotated[str, typer.Argument(help="Who it is for; stands as `by` on what is asked with it.")],
    *,
    scope: Annotated[list[str] | None, typer.Option(help="read, write or contacts; repeat for more.", show_default="read")] = None,
    as_json: Json = False,
) -> None:
    """Make a token for the API: it is printed once, and only its salted hash is for the settings.

    Example: vorab desk token crm --scope read --scope contacts
    """
    from pydantic import ValidationError

    from desk import tokens
    from vorab.settings import DeskToken

    made = tokens.make()
    values = {"name": name, "scopes": list(dict.fromkeys(scope or ["read"])), "hash": tokens.hashed(made)}
    try:
        entry = DeskToken.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        hint = "scopes are read, write and contacts; a name has letters, digits and . _ : ~ -"
        raise ConfigError(str(first["msg"]), key=str(first["loc"][0]), hint=hint) from None
    if as_json:
        typer.echo(json.dumps({"token": made, **entry.model_dump()}))
        return
    typer.echo(f"{made}\n")
    typer.echo("It is shown this once. For vorab.toml, then start the desk again:\n", err=True)
    scopes = ", ".join(f'"{each}"' for each in entry.scopes)
    typer.echo(f'[[desk.tokens]]\nname = "{entry.name}"\nscopes = [{scopes}]\nhash = "{entry.hash}"')


@app.callback()
def desk(
    ctx: typer.Context,
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
    if ctx.invoked_subcommand is not None:
        return
    from desk.service import Desk
    from vorab import provision, service, settings
    from vorab.cli.hears import hears_on
    from vorab.cli.remedies import remedies_on
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
        provision.create_missing(opened, found, NEW)
        running = Desk(opened, found, clock_from(found.clock), again_on(found, opened), remedies_on(found), hears_on(found))
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
