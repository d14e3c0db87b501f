"""`vorab devices`: import, export and show the registry of devices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import ValidationError

from vorab.cli.customers import Config, Json, Log, StateDir
from vorab.cli.registry_files import FORMATS, Row, mapping, read_rows, truth, unknown, write_rows
from vorab.errors import EXIT_PROBLEMS, ConfigError
from vorab.records import Device
from vorab.topics import DEFAULT_TENANT, DEVICES, key_of

_FIELDS: Final = ("device", "tenant", *(name for name in Device.model_fields if name not in {"id", "at", "device", "tenant"}))

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", help="Import, export and show devices.")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="YAML, JSON or CSV: one row per device.")],
    *,
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Write devices to the registry; one that exists is replaced. All rows are checked before the first is written.

    Example: vorab devices import devices.csv
    """
    from vorab import settings
    from vorab.cli.registry import access

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    with access(found) as to:
        devices = [device_of(row, file, to.now) for row in read_rows(file)]
        keys = [device.key for device in devices]
        twice = next((key for key in keys if keys.count(key) > 1), None) if len(set(keys)) < len(keys) else None
        if twice:
            raise ConfigError(f"{twice} stands there twice", file=str(file), key="device")
        to.write(devices)
    typer.echo(json.dumps({"devices": len(devices)}) if as_json else f"{len(devices)} devices imported")


@app.command()
def export(
    *,
    form: Annotated[str, typer.Option("--format", help=", ".join(FORMATS))] = "yaml",
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
) -> None:
    """Print all devices, in a form that `import` reads.

    Example: vorab devices export --format csv > devices.csv
    """
    from vorab import settings
    from vorab.cli.registry import latest

    if form not in FORMATS:
        raise ConfigError(f"--format {form}", key="--format", hint=f"one of {', '.join(FORMATS)}")
    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    typer.echo(write_rows([plain(d) for d in latest(found, DEVICES).values() if isinstance(d, Device)], form), nl=False)


@app.command()
def show(
    device: Annotated[str, typer.Argument(help="Key or id of the device.")],
    *,
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Show a device's entry in the registry.

    Example: vorab devices show pump-007
    """
    from vorab import settings
    from vorab.cli.registry import full_key, latest

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    record = latest(found, DEVICES).get(full_key(device))
    if not isinstance(record, Device):
        typer.echo(f"there is no device {full_key(device)}\n  `vorab devices export` lists all", err=True)
        raise typer.Exit(EXIT_PROBLEMS)
    values = plain(record)
    if as_json:
        typer.echo(json.dumps(values, ensure_ascii=False))
        return
    for name, value in values.items():
        typer.echo(f"{name:<14} {value if not isinstance(value, dict) else json.dumps(value)}")


def device_of(row: Row, file: Path, at: int) -> Device:
    """The device of a row, `at` the time of the import (µs).

    Raises:
        ConfigError: an unknown key or a wrong value, with file and place.
    """
    unknown(row, _FIELDS, file)
    values: dict[str, Any] = dict(row.values)
    name, tenant = str(values.get("device", "")), str(values.get("tenant", DEFAULT_TENANT))
    if not name or "/" in name:
        raise ConfigError(f"device {name!r}", file=str(file), line=row.place, key="device", hint="the id the device has on MQTT")
    if "remote_repair" in values:
        values["remote_repair"] = truth(values["remote_repair"])
    if "limits" in values:
        values["limits"] = mapping(values["limits"])
    for text in ("model", "firmware", "site", "customer", "name", "parent", "cohort", "contract"):
        if text in values:
            values[text] = str(values[text])
    try:
        return Device.model_validate({**values, "id": key_of(tenant, name), "device": name, "tenant": tenant, "at": at})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ConfigError(first["msg"], file=str(file), line=row.place, key=".".join(map(str, first["loc"]))) from None


def plain(device: Device) -> dict[str, Any]:
    """A device as a row that `import` reads; what is not set is left out."""
    values = device.model_dump(mode="json", exclude={"id", "at"})
    kept = {name: value for name, value in values.items() if value not in ("", None, {})}
    return {"device": kept.pop("device"), **kept}
