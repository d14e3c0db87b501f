"""`vorab customers`: import, export, show and erase customers.

The registry's part (language, preferences, consents) goes to the log; names and contact points go to the store of people and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import ValidationError

from vorab.cli.registry_files import FORMATS, Row, mapping, read_rows, truth, unknown, words, write_rows
from vorab.errors import EXIT_OK, EXIT_PROBLEMS, ConfigError
from vorab.people import Person
from vorab.records import Customer, Purpose
from vorab.topics import CUSTOMERS, DEFAULT_TENANT, key_of

PERSONAL: Final = ("name", "mail", "email", "phone")
_REGISTRY: Final = tuple(name for name in Customer.model_fields if name not in {"id", "at"})

Config = Annotated[Path | None, typer.Option(help="Settings file.", show_default="vorab.toml")]
Log = Annotated[str | None, typer.Option(help="sqlite:///PATH or kafka://HOST:PORT.", show_default="the setting log")]
StateDir = Annotated[str | None, typer.Option(help="Folder for what vorab keeps.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", help="Import, export, show and erase customers.")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="YAML, JSON or CSV: one row per customer.")],
    *,
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Write customers; one that exists is replaced. All rows are checked before the first is written.

    Example: vorab customers import customers.csv
    """
    from vorab import settings
    from vorab.cli.registry import access

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    with access(found) as to:
        rows = [customer_of(row, file, to.now) for row in read_rows(file)]
        _only_once((customer.key for customer, _ in rows), file)
        # People first: a customer whom a message may go to at once has a way to be reached.
        to.people.put(person for _, person in rows)
        to.write([customer for customer, _ in rows])
    reached = sum(1 for _, person in rows if person.mail)
    if as_json:
        typer.echo(json.dumps({"customers": len(rows), "with_mail": reached}))
    else:
        typer.echo(f"{len(rows)} customers imported, {reached} of them with a mail address")


@app.command()
def export(
    *,
    form: Annotated[str, typer.Option("--format", help=", ".join(FORMATS))] = "yaml",
    without_people: Annotated[bool, typer.Option("--without-people", help="Leave out names and contact points.")] = False,
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
) -> None:
    """Print all customers, in a form that `import` reads.

    Example: vorab customers export --format csv > customers.csv
    """
    from vorab import settings
    from vorab.cli.registry import latest, reading_people

    if form not in FORMATS:
        raise ConfigError(f"--format {form}", key="--format", hint=f"one of {', '.join(FORMATS)}")
    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    people: dict[str, Person] = {}
    if not without_people:
        with reading_people(found) as store:
            people = {person.customer: person for person in store.all()}
    customers = latest(found, CUSTOMERS)
    typer.echo(write_rows([plain(c, people.get(key)) for key, c in customers.items() if isinstance(c, Customer)], form), nl=False)


@app.command()
def show(
    customer: Annotated[str, typer.Argument(help="Key or id of the customer.")],
    *,
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Show all that is known of a customer.

    Example: vorab customers show c-5f3a9c
    """
    from vorab import settings
    from vorab.cli.registry import full_key, latest, reading_people

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    key = full_key(customer)
    record = latest(found, CUSTOMERS).get(key)
    with reading_people(found) as store:
        person = store.get(key)
    if not isinstance(record, Customer) and person is None:
        typer.echo(f"there is no customer {key}\n  `vorab customers export` lists all", err=True)
        raise typer.Exit(EXIT_PROBLEMS)
    values = plain(record if isinstance(record, Customer) else None, person)
    if as_json:
        typer.echo(json.dumps(values, ensure_ascii=False))
        return
    for name, value in values.items():
        typer.echo(f"{name:<14} {value if not isinstance(value, list | dict) else json.dumps(value, ensure_ascii=False)}")


@app.command()
def erase(
    customer: Annotated[str, typer.Argument(help="Key or id of the customer.")],
    *,
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Forget a customer: name, contact points, kept messages and preferences. What the log tells of cases stays, under a random id.

    Example: vorab customers erase c-5f3a9c
    """
    from vorab import settings
    from vorab.cli.registry import access, full_key

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    key = full_key(customer)
    with access(found) as to:
        gone = to.people.erase(key)
        to.write([], [key])
    if as_json:
        typer.echo(json.dumps({"customer": key, "person_erased": gone}))
    elif gone:
        typer.echo(f"{key} is forgotten: name, contact points and kept messages are erased, the registry entry is taken out")
    else:
        typer.echo(f"nobody stood behind {key}; the registry entry, if there was one, is taken out")
    raise typer.Exit(EXIT_OK)


def customer_of(row: Row, file: Path, at: int) -> tuple[Customer, Person]:
    """The two halves of a row, `at` the time of the import (µs).

    Raises:
        ConfigError: an unknown key or a wrong value, with file and place.
    """
    unknown(row, ["customer", "tenant", *PERSONAL, *(name for name in _REGISTRY if name not in {"customer", "tenant"})], file)
    values: dict[str, Any] = {name: value for name, value in row.values.items() if name in _REGISTRY}
    name, tenant = str(values.get("customer", "")), str(values.get("tenant", DEFAULT_TENANT))
    if not name or "/" in name or "@" in name:
        raise ConfigError(
            f"customer {name!r}",
            file=str(file),
            line=row.place,
            key="customer",
            hint="a random id such as c-5f3a9c; it appears in the log, so it is never a name or an address",
        )
    if "channels" in values:
        values["channels"] = words(values["channels"])
    if "purposes" in values:
        values["purposes"] = _purposes(values["purposes"])
    for flag in ("tell_healed",):
        values[flag] = truth(values.get(flag, False))
    key = key_of(tenant, name)
    try:
        customer = Customer.model_validate({**values, "id": key, "customer": name, "tenant": tenant, "at": at})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ConfigError(first["msg"], file=str(file), line=row.place, key=".".join(map(str, first["loc"]))) from None
    _check(customer, row, file)
    person = {part: row.values.get(part) for part in PERSONAL}
    mail = str(person["mail"] or person["email"] or "").strip()
    from notifier.mail import valid_address

    if mail and not valid_address(mail):
        raise ConfigError("not a mail address", file=str(file), line=row.place, key="mail", hint="one plain address: name@example.org")
    return customer, Person(key, str(person["name"] or "").strip(), mail, str(person["phone"] or "").strip())


def plain(customer: Customer | None, person: Person | None) -> dict[str, Any]:
    """A customer as a row that `import` reads."""
    values: dict[str, Any] = customer.model_dump(mode="json", exclude={"id", "at"}) if customer else {}
    if person is not None:
        tenant, _, name = person.customer.partition("/")
        values = {"customer": name, "tenant": tenant, **values}
        values |= {part: getattr(person, part) for part in ("name", "mail", "phone") if getattr(person, part)}
    return {"customer": values.pop("customer"), **values}


def _purposes(value: object) -> object:
    """`service advertising`, `service=yes advertising=no`, a list or a mapping: purpose to consent."""
    if isinstance(value, dict):
        return {name: truth(agreed) for name, agreed in value.items()}
    if isinstance(value, str) and "=" in value:
        found = mapping(value)
        return {name: truth(agreed) for name, agreed in found.items()} if isinstance(found, dict) else found
    agreed = words(value)
    return {**{purpose.value: purpose.value in agreed for purpose in Purpose}, **dict.fromkeys(agreed, True)}


def _check(customer: Customer, row: Row, file: Path) -> None:
    """What a record takes as text but nobody could act on."""
    from datetime import time
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(customer.time_zone)
    except (KeyError, ValueError, OSError):
        hint = "for example Europe/Berlin"
        raise ConfigError(f"no time zone {customer.time_zone!r}", file=str(file), line=row.place, key="time_zone", hint=hint) from None
    for name in ("quiet_from", "quiet_until"):
        text = getattr(customer, name)
        try:
            time.fromisoformat(text)
        except ValueError:
            raise ConfigError(f"no time of day {text!r}", file=str(file), line=row.place, key=name, hint="for example 22:00") from None


def _only_once(keys: Iterable[str], file: Path) -> None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise ConfigError(f"{key} stands there twice", file=str(file), key="customer")
        seen.add(key)
