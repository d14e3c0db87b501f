"""`vorab customers`: import, export, show, mark and erase customers.

The registry's part (language, preferences, consents) goes to the log; names and contact points go to the store of people and nowhere else.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import ValidationError

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
    words,
    write_rows,
)
from vorab.errors import EXIT_OK, EXIT_PROBLEMS, ConfigError
from vorab.people import Person
from vorab.records import Channel, Customer, Purpose
from vorab.topics import CUSTOMERS, DEFAULT_TENANT, ID, key_of

PERSONAL: Final = ("name", "mail", "email", "phone")
_REGISTRY: Final = tuple(name for name in Customer.model_fields if name not in {"id", "at"})
_KNOWN: Final = ("customer", "tenant", *PERSONAL, *(name for name in _REGISTRY if name not in {"customer", "tenant"}))

YES_OR_NO: Final = frozenset({"tell_healed", "vulnerable"})
_ID_HINT: Final = (
    "a random id such as c-5f3a9c, of letters, digits and . _ : ~ -; it appears in the log, so it is never a name or an address"
)
Wrong = tuple[str, str, str]
"""Key, what is wrong with it, what would be right."""

Config = Annotated[Path | None, typer.Option(help="Settings file.", show_default="vorab.toml")]
Log = Annotated[str | None, typer.Option(help="sqlite:///PATH or kafka://HOST:PORT.", show_default="the setting log")]
StateDir = Annotated[str | None, typer.Option(help="Folder for what vorab keeps.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode="rich", help="Import, export, show, mark and erase customers."
)


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
        rows = entries_of(read_rows(file, _KNOWN), lambda row: customer_of(row, file, to.now), lambda entry: entry[0].key, file)
        # People first: a customer whom a message may go to at once has a way to be reached.
        to.people.put(person for _, person in rows)
        to.write([customer for customer, _ in rows])
    reached = sum(1 for _, person in rows if person.mail)
    notes = [f"{c.customer} likes mail but has no address" for c, person in rows if Channel.MAIL in c.channels and not person.mail]
    if as_json:
        typer.echo(json.dumps({"customers": len(rows), "with_mail": reached, "notes": notes}))
    else:
        say_notes(notes)
        typer.echo(f"{count(len(rows), 'customer')} imported, {reached} of them with a mail address")


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
        _nobody(key)
        raise typer.Exit(EXIT_PROBLEMS)
    values = plain(record if isinstance(record, Customer) else None, person)
    say_entry(values, as_json=as_json)


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
    from vorab.cli.registry import access, full_key, latest

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    key = full_key(customer)
    with access(found) as to:
        gone, known = to.people.erase(key), key in latest(found, CUSTOMERS)
        if known or gone:
            to.write([], [key])
    if as_json:
        typer.echo(json.dumps({"customer": key, "person_erased": gone, "entry_removed": known}))
    elif not gone and not known:
        _nobody(key, ", and nothing was erased")
    elif gone:
        typer.echo(f"{key} is forgotten: name, contact points and kept messages are erased, the registry entry is taken out")
    else:
        typer.echo(f"nobody stood behind {key}; the registry entry is taken out")
    raise typer.Exit(EXIT_OK if gone or known else EXIT_PROBLEMS)


@app.command()
def mark(
    customer: Annotated[str, typer.Argument(help="Key or id of the customer.")],
    *,
    returned: Annotated[bool, typer.Option("--return", help="Something was sent back.")] = False,
    wrong_bill: Annotated[bool, typer.Option("--wrong-bill", help="A bill was wrong.")] = False,
    complaint: Annotated[bool, typer.Option("--complaint", help="The customer complained.")] = False,
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Note what a customer has been through; it makes cases more urgent, as the policy says (`history`).

    Example: vorab customers mark c-5f3a9c --wrong-bill
    """
    from vorab import settings
    from vorab.cli.registry import access, full_key, latest

    marks = {"returns": returned, "wrong_bills": wrong_bill, "complaints": complaint}
    if not any(marks.values()):
        raise ConfigError("nothing to note", key="mark", hint="one or more of --return, --wrong-bill, --complaint")
    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    key = full_key(customer)
    with access(found) as to:
        known = latest(found, CUSTOMERS).get(key)
        if not isinstance(known, Customer):
            _nobody(key, ", and nothing was noted")
            raise typer.Exit(EXIT_PROBLEMS)
        counts = {name: getattr(known, name) + more for name, more in marks.items()}
        to.write([known.model_copy(update={**counts, "at": to.now})])
    if as_json:
        typer.echo(json.dumps({"customer": key, **counts}))
    else:
        said = ", ".join(f"{name.replace('_', ' ')} {amount}" for name, amount in counts.items())
        typer.echo(f"{key}: {said}")


def _nobody(key: str, so: str = "") -> None:
    typer.echo(f"there is no customer {key}{so}\n  `vorab customers export` lists all", err=True)


def customer_of(row: Row, file: Path, at: int) -> tuple[Customer, Person]:
    """The two halves of a row, `at` the time of the import (µs).

    Raises:
        Mistakes: unknown keys and wrong values, with file and place.
    """
    from notifier.mail import valid_address

    wrong = unknown(row, _KNOWN, file)

    def say(key: str, what: str, hint: str) -> None:
        wrong.append(ConfigError(what, file=str(file), line=row.place, key=key, hint=hint))

    values: dict[str, Any] = {name: value for name, value in row.values.items() if name in _REGISTRY}
    name, tenant = str(values.get("customer", "")), str(values.get("tenant", DEFAULT_TENANT))
    if not ID.fullmatch(name):
        say("customer", f"customer {name!r}", _ID_HINT)
    if not ID.fullmatch(tenant):
        say("tenant", f"tenant {tenant!r}", "letters, digits and . _ : ~ -, at most 128")
    if "channels" in values:
        values["channels"] = words(values["channels"])
    if "purposes" in values:
        values["purposes"] = _purposes(values["purposes"])
    values |= {key: truth(values[key]) for key in YES_OR_NO & values.keys()}
    for key, what, hint in _wrong_words(values):
        say(key, what, hint)
        values.pop(key)
    mail = str(row.values.get("mail") or row.values.get("email") or "").strip()
    if mail and not valid_address(mail):
        say("mail", "not a mail address", "one plain address: name@example.org")
    key = key_of(tenant, name or "-")
    try:
        customer = Customer.model_validate({**values, "id": key, "customer": name or "-", "tenant": tenant, "at": at})
    except ValidationError as error:
        raise Mistakes([*wrong, invalid(error, row, file)]) from None
    for key, what, hint in _impossible(customer):
        say(key, what, hint)
    if wrong:
        raise Mistakes(wrong)
    return customer, Person(customer.key, str(row.values.get("name") or "").strip(), mail, str(row.values.get("phone") or "").strip())


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


def _wrong_words(values: dict[str, Any]) -> list[Wrong]:
    """Key, mistake and what would be right, for words the record does not take."""
    wrong: list[Wrong] = []
    channels, purposes = [each.value for each in Channel], [each.value for each in Purpose]
    if unknown_ways := [word for word in values.get("channels", ()) if word not in channels]:
        wrong.append(("channels", f"no channel {unknown_ways[0]!r}", f"one or more of {', '.join(channels)}, the favourite first"))
    agreed = values.get("purposes", {})
    if not isinstance(agreed, dict) or any(name not in purposes or not isinstance(yes, bool) for name, yes in agreed.items()):
        shown = agreed if not isinstance(agreed, dict) else next((n for n, y in agreed.items() if n not in purposes), "")
        what = f"no purpose {shown!r}" if shown else "a purpose is agreed to or not: yes or no"
        wrong.append(("purposes", what, f"the purposes agreed to, of {', '.join(purposes)}; or service=yes advertising=no"))
    unclear = [key for key in sorted(YES_OR_NO) if not isinstance(values.get(key, False), bool)]
    wrong += [(key, f"{values[key]!r} is neither yes nor no", "yes or no") for key in unclear]
    return wrong


def _impossible(customer: Customer) -> list[Wrong]:
    """Key, mistake and what would be right, for what a record takes as text but nobody could act on."""
    from datetime import time
    from zoneinfo import ZoneInfo

    from vorab.words import LANGUAGES

    wrong: list[Wrong] = []
    if customer.language.lower().replace("_", "-").partition("-")[0] not in LANGUAGES:
        wrong.append(("language", f"no messages in the language {customer.language!r}", f"one of {', '.join(LANGUAGES)}"))
    try:
        ZoneInfo(customer.time_zone)
    except (KeyError, ValueError, OSError):
        wrong.append(("time_zone", f"no time zone {customer.time_zone!r}", "for example Europe/Berlin"))
    for name in ("quiet_from", "quiet_until"):
        text = getattr(customer, name)
        try:
            time.fromisoformat(text)
        except ValueError:
            wrong.append((name, f"no time of day {text!r}", "for example 22:00"))
    return wrong
