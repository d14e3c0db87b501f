"""`vorab customers consents` and `export-person`: what is held about one person, for the person."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vorab.cli.options import Config, Json, Log, StateDir
from vorab.errors import EXIT_OK, EXIT_PROBLEMS
from vorab.topics import DEFAULT_TENANT

if TYPE_CHECKING:
    from vorab.settings import Settings


def add_known(app: typer.Typer) -> None:
    """Add both commands."""
    app.command()(consents)
    app.command("export-person")(export_person)


def consents(
    customer: Annotated[str, typer.Argument(help="Key or id of the customer.")],
    *,
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Show what a customer agreed to or took back, oldest first: when, by which way, and to which words.

    Example: vorab customers consents c-5f3a9c
    """
    from vorab import settings
    from vorab.clock import iso
    from vorab.consents import consent_json
    from vorab.log import open_log
    from vorab.personal import ledger
    from vorab.registry.kinds import full_key

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    key = full_key(customer)
    with open_log(found.log_address, read_only=True) as opened:
        entries = ledger(opened, key)
    if as_json:
        typer.echo(json.dumps([consent_json(each) for each in entries], ensure_ascii=False))
        return
    for each in entries:
        where = f"  {each.device}" if each.device else ""
        words = f"  {each.text}" if each.text else ""
        typer.echo(f"{iso(each.at)[:19]}Z  {'yes' if each.given else 'no '}  {each.purpose}  by {each.way}{where}{words}")
    if not entries:
        typer.echo(f"{key} has agreed to nothing and taken nothing back, as far as the log knows")


def export_person(
    customer: Annotated[str, typer.Argument(help="Key or id of the customer.")],
    *,
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
) -> None:
    """Print everything that is held about one person as one JSON object (GDPR Art. 15 and 20); docs/registry.md says its shape.

    Example: vorab customers export-person c-5f3a9c > for-erika.json
    """
    from vorab import settings
    from vorab.cli.registry import reading_people
    from vorab.clock import clock_from
    from vorab.log import open_log
    from vorab.personal import everything
    from vorab.registry.kinds import full_key

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    key = full_key(customer)
    with reading_people(found) as people, open_log(found.log_address, read_only=True) as opened:
        held = everything(opened, people, key, clock_from(found.clock).now())
    typer.echo(json.dumps(held, ensure_ascii=False, indent=1))
    raise typer.Exit(
        EXIT_OK if any(value for name, value in held.items() if name not in {"format", "customer", "made_at"}) else EXIT_PROBLEMS
    )


def files_naming(settings: Settings, customer: str) -> list[str]:
    """Files of the operator's that still name a customer (by key): they are read again, and are not ours to change."""
    found = []
    for name in (settings.notifier.people, settings.notifier.letter.addresses):
        try:
            text = Path(name).read_text(encoding="utf-8") if name else ""
        except (OSError, UnicodeDecodeError):
            continue
        tenant, _, bare = customer.partition("/")
        wanted = [customer, *([bare] if tenant == DEFAULT_TENANT else [])]
        if any(re.search(rf"(?<![\w./:~-]){re.escape(each)}(?![\w./~-])", text) for each in wanted):
            found.append(name)
    return found
