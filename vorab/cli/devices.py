"""`vorab devices`: import, export, show and remove devices of the registry."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer
from pydantic import ValidationError

from vorab.cli.customers import Config, Json, Log, StateDir, Wrong
from vorab.cli.registry_files import (
    FORMATS,
    Mistakes,
    Row,
    count,
    entries_of,
    invalid,
    mapping,
    read_rows,
    say_entry,
    say_notes,
    truth,
    unknown,
    write_rows,
)
from vorab.errors import EXIT_OK, EXIT_PROBLEMS, ConfigError
from vorab.records import Device
from vorab.topics import CUSTOMERS, DEFAULT_TENANT, DEVICES, ID, key_of

_FIELDS: Final = ("device", "tenant", *(name for name in Device.model_fields if name not in {"id", "at", "device", "tenant"}))
_ID: Final = "letters, digits and . _ : ~ -, the first a letter or digit, at most 128"

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", help="Import, export, show and remove devices.")


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
    from vorab.cli.registry import access, latest

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    with access(found) as to:
        devices = entries_of(read_rows(file, _FIELDS), lambda row: device_of(row, file, to.now), lambda device: device.key, file)
        customers = latest(found, CUSTOMERS) if any(device.customer for device in devices) else {}
        to.write(devices)
    notes = [
        f"{device.device} names the customer {device.customer}, whom nobody has imported: no messages"
        for device in devices
        if device.customer and key_of(device.tenant, device.customer) not in customers
    ]
    if as_json:
        typer.echo(json.dumps({"devices": len(devices), "notes": notes}))
        return
    say_notes(notes)
    typer.echo(f"{count(len(devices), 'device')} imported")


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
    say_entry(values, as_json=as_json)


@app.command()
def remove(
    device: Annotated[str, typer.Argument(help="Key or id of the device.")],
    *,
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Take a device out of the registry. What the log tells of it stays; if it speaks again, it is a device nobody knows.

    Example: vorab devices remove pump-007
    """
    from vorab import settings
    from vorab.cli.registry import access, full_key, latest

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    key = full_key(device)
    with access(found) as to:
        known = key in latest(found, DEVICES)
        if known:
            to.write([], (), [key])
    if as_json:
        typer.echo(json.dumps({"device": key, "removed": known}))
    elif known:
        typer.echo(f"{key} is taken out of the registry")
    else:
        typer.echo(f"there is no device {key}\n  `vorab devices export` lists all", err=True)
    raise typer.Exit(EXIT_OK if known else EXIT_PROBLEMS)


def device_of(row: Row, file: Path, at: int) -> Device:
    """The device of a row, `at` the time of the import (µs).

    Raises:
        Mistakes: unknown keys and wrong values, with file and place.
    """
    wrong = unknown(row, _FIELDS, file)

    def say(key: str, what: str, hint: str) -> None:
        wrong.append(ConfigError(what, file=str(file), line=row.place, key=key, hint=hint))

    values: dict[str, Any] = {name: value for name, value in row.values.items() if name in _FIELDS}
    name, tenant = str(values.get("device", "")), str(values.get("tenant", DEFAULT_TENANT))
    if not ID.fullmatch(name):
        say("device", f"device {name!r}", f"the id the device has on MQTT: {_ID}")
    if not ID.fullmatch(tenant):
        say("tenant", f"tenant {tenant!r}", _ID)
    for text in ("model", "firmware", "site", "customer", "name", "parent", "cohort", "contract"):
        if text in values:
            values[text] = str(values[text])
    if values.get("customer") and not ID.fullmatch(values["customer"]):
        say("customer", f"customer {values['customer']!r}", "the id of a customer, as `vorab customers import` takes it")
    for key, what, hint in _wrong_words(values):
        say(key, what, hint)
        values.pop(key)
    try:
        device = Device.model_validate({**values, "id": key_of(tenant, name or "-"), "device": name or "-", "tenant": tenant, "at": at})
    except ValidationError as error:
        raise Mistakes([*wrong, invalid(error, row, file)]) from None
    if wrong:
        raise Mistakes(wrong)
    return device


def _wrong_words(values: dict[str, Any]) -> list[Wrong]:
    """Read consent and limits as people write them; key, mistake and what would be right where that fails."""
    wrong: list[Wrong] = []
    if "remote_repair" in values:
        values["remote_repair"] = truth(values["remote_repair"])
        if not isinstance(values["remote_repair"], bool):
            what = f"{values['remote_repair']!r} is neither yes nor no"
            wrong.append(("remote_repair", what, "yes or no; leave it out where nobody was asked"))
    if "medical" in values:
        values["medical"] = truth(values["medical"])
        if not isinstance(values["medical"], bool):
            wrong.append(("medical", f"{values['medical']!r} is neither yes nor no", "yes or no"))
    if values.get("time_zone"):
        zone = values["time_zone"] = str(values["time_zone"])
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            wrong.append(("time_zone", f"there is no time zone {zone!r}", "as the time zone database names it: Europe/Berlin"))
    if "limits" in values:
        written = values["limits"]
        values["limits"] = mapping(written)
        if not isinstance(values["limits"], dict) or not all(map(_finite, values["limits"].values())):
            wrong.append(("limits", f"{written!r}: a limit is a name and a number", "pressure_low=1.9 pressure_high=6"))
    return wrong


def _finite(value: object) -> bool:
    try:
        return math.isfinite(float(str(value)))
    except ValueError:
        return False


def plain(device: Device) -> dict[str, Any]:
    """A device as a row that `import` reads; what is not set is left out."""
    values = device.model_dump(mode="json", exclude={"id", "at"})
    kept = {name: value for name, value in values.items() if value not in ("", None, {})}
    return {"device": kept.pop("device"), **kept}
