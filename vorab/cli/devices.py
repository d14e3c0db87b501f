"""`vorab devices`: import, export, list, show and remove devices of the registry, and those that nobody registered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from vorab.cli.options import Config, Json, Log, StateDir
from vorab.cli.registry_app import Shown, add_export, add_import, add_remove, add_show, say_all
from vorab.errors import ConfigError
from vorab.registry.files import Row
from vorab.registry.kinds import CONTRACTS, CUSTOMERS, DEVICES, SITES, plain
from vorab.settings import Settings
from vorab.topics import key_of

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode="rich", help="Import, export, list, show and remove devices."
)


def notes(settings: Settings, entries: Sequence[tuple[Any, Row]]) -> list[str]:
    """What devices name that nobody has imported."""
    from vorab.cli.registry import is_there, latest

    found = []
    for kind, so in ((CUSTOMERS, ", whom nobody has imported: no messages"), (SITES, ""), (CONTRACTS, "")):
        if not any(getattr(device, kind.name) for device, _ in entries):
            continue
        known = latest(settings, kind.topic) if is_there(settings) else {}
        for device, _ in entries:
            name = getattr(device, kind.name)
            if name and key_of(device.tenant, name) not in known:
                found.append(f"{device.device} names the {kind.name} {name}{so or ', which nobody has imported'}")
    return found


add_import(app, DEVICES, notes)
add_export(app, DEVICES)
add_show(app, DEVICES)
add_remove(app, DEVICES, "; if it speaks again, it is a device nobody knows")


@app.command("list")
def list_(
    *,
    unassigned: Annotated[bool, typer.Option("--unassigned", help="Only devices that were heard and that nobody registered.")] = False,
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """All devices as a table.

    Example: vorab devices list --unassigned
    """
    from vorab import settings
    from vorab.cli.registry import is_there, latest

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    if unassigned:
        say_all(_unassigned(found), DEVICES, as_json=as_json, names=("device", "tenant", "heard_at"))
    else:
        say_all([plain(each) for each in latest(found, DEVICES.topic).values()] if is_there(found) else [], DEVICES, as_json=as_json)


def _unassigned(settings: Settings) -> list[Shown]:
    """From the desk's tables: it hears every device."""
    from desk.registry_queries import RegistryQueries
    from desk.store import open_read_only

    store = open_read_only(settings.desk.database or f"sqlite:///{settings.state_path / 'desk.db'}")
    if store is None:
        raise ConfigError(
            "no desk has run here, and it is the desk that hears devices", key="state_dir", file=str(settings.state_path),
            hint="--state-dir names its folder",
        )  # fmt: skip
    try:
        return [row.json() for row in RegistryQueries(store).unassigned()]
    finally:
        store.close()
