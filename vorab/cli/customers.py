"""`vorab customers`: import, export, show, mark and erase customers.

The registry's part (language, preferences, consents) goes to the log; names and contact points go to the store of people and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from vorab.cli import customers_dialogue
from vorab.cli.customers_known import add_known
from vorab.cli.options import Config, DryRun, Form, Json, Log, Partial, StateDir
from vorab.cli.registry_app import add_list, check_form, nobody
from vorab.errors import EXIT_OK, EXIT_PROBLEMS, ConfigError
from vorab.people import Person
from vorab.records import Channel, Consent, ConsentBy, Customer, Record
from vorab.registry.checks import Wrong
from vorab.registry.files import Row, write_rows
from vorab.registry.kinds import CUSTOMERS, full_key, plain

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Import, export, list, show, mark and erase customers; and all that was said with one.",
)
add_list(app, CUSTOMERS)
add_known(app)
app.command()(customers_dialogue.timeline)
app.command()(customers_dialogue.corrections)


def _mail(row: Row) -> str:
    return str(row.values.get("mail") or row.values.get("email") or "").strip()


def _wrong_mail(row: Row) -> Iterable[Wrong]:
    from notifier.mail import valid_address

    if (mail := _mail(row)) and not valid_address(mail):
        yield Wrong("mail" if "mail" in row.values else "email", "not a mail address", "one plain address: name@example.org")


def _person(customer: Record, row: Row) -> Person:
    return Person(customer.key, str(row.values.get("name") or "").strip(), _mail(row), str(row.values.get("phone") or "").strip())


def _notes(entries: Sequence[tuple[Any, Row]]) -> list[str]:
    return [f"{c.customer} likes mail but has no address" for c, row in entries if Channel.MAIL in c.channels and not _mail(row)]


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV, JSON, JSON Lines or YAML: one row per customer.")],
    *,
    dry_run: DryRun = False,
    partial: Partial = False,
    consent_text: Annotated[str, typer.Option(help="What the words are called that these customers agreed to; stands in the ledger.")] = "",
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Write customers; one that exists is replaced, but keeps the marks the file does not name. Nothing is written if anything is wrong.

    Example: vorab customers import customers.csv
    """
    from vorab import settings
    from vorab.cli.registry_import import Wish, run_import
    from vorab.consents import changed

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})

    def consents(before: Record | None, after: Record) -> list[Consent]:
        old = before if isinstance(before, Customer) else None
        return changed(old, after, ConsentBy.IMPORT, text=consent_text[:255]) if isinstance(after, Customer) else []

    wish = Wish(CUSTOMERS, file, dry_run, partial, as_json, also=_wrong_mail, person=_person, notes=_notes, consents=consents)
    raise typer.Exit(run_import(found, wish))


@app.command()
def export(
    *,
    form: Form = "yaml",
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

    check_form(form)
    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    people: dict[str, Person] = {}
    if not without_people:
        with reading_people(found) as store:
            people = {person.customer: person for person in store.all()}
    customers = latest(found, CUSTOMERS.topic)
    typer.echo(write_rows([row_of(c, people.get(key)) for key, c in customers.items() if isinstance(c, Customer)], form), nl=False)


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
    from vorab.cli.registry import latest, reading_people
    from vorab.cli.registry_said import say_entry

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    key = full_key(customer)
    record = latest(found, CUSTOMERS.topic).get(key)
    with reading_people(found) as store:
        person = store.get(key)
    if not isinstance(record, Customer) and person is None:
        nobody(CUSTOMERS, key)
        raise typer.Exit(EXIT_PROBLEMS)
    values = row_of(record if isinstance(record, Customer) else None, person)
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
    """Forget a customer: name, contact points, kept messages and preferences; the key of what they wrote is destroyed.

    What the log tells of cases and consents stays, under a random id. Files of yours that name the customer are pointed at, not touched.

    Example: vorab customers erase c-5f3a9c
    """
    from vorab import settings
    from vorab.cli.customers_known import files_naming
    from vorab.cli.registry import access, latest

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    key = full_key(customer)
    with access(found) as to:
        gone, known = to.people.erase(key), key in latest(found, CUSTOMERS.topic)
        if known or gone:
            to.write([], [(CUSTOMERS.topic, key)])
    left = files_naming(found, key)
    if as_json:
        typer.echo(json.dumps({"customer": key, "person_erased": gone, "entry_removed": known, "still_in": left}))
    elif not gone and not known:
        nobody(CUSTOMERS, key, ", and nothing was erased")
    elif gone:
        typer.echo(
            f"{key} is forgotten: name, contact points and kept messages are erased, what they wrote can be opened by nobody any more, "
            "the registry entry is taken out"
        )
    else:
        typer.echo(f"nobody stood behind {key}; the registry entry is taken out")
    if not as_json:
        for file in left:
            typer.echo(f"{file} still names {key}: take the lines out, or the person comes back from it", err=True)
    raise typer.Exit(EXIT_OK if gone or known else EXIT_PROBLEMS)


@app.command()
def habits(
    customer: Annotated[str, typer.Argument(help="Key or id of the customer.")],
    *,
    reset: Annotated[bool, typer.Option("--reset", help="Forget all of it; from then on they count as somebody new.")] = False,
    config: Config = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Show when and by which channel a customer was written to and answered, or forget it. All that is kept is shown.

    Examples:
        vorab customers habits c-5f3a9c --json
        vorab customers habits c-5f3a9c --reset
    """
    from vorab import settings
    from vorab.cli.registry import reading_people
    from vorab.clock import iso

    found = settings.load(config, overrides={"state_dir": state_dir})
    key = full_key(customer)
    with reading_people(found) as people:
        rows = people.habits(key)
        gone = people.reset_habits(key) if reset else 0
    if as_json:
        typer.echo(json.dumps({"customer": key, "reset": gone} if reset else {"customer": key, "messages": list(rows)}))
    elif reset:
        typer.echo(f"{key}: what came of {gone} messages is forgotten")
    elif not rows:
        typer.echo(f"nothing is kept of {key}; vorab learns where `notifier.habits` is on")
    else:
        for row in rows:
            came = (
                f"answered {iso(row['answered_at'])}" if row["answered_at"] is not None else "unsubscribed" if row["left"] else "no answer"
            )
            typer.echo(f"{iso(row['at'])}  {row['channel']} at {row['hour']:02}  {came}")


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
    from vorab.cli.registry import access, latest

    marks = {"returns": returned, "wrong_bills": wrong_bill, "complaints": complaint}
    if not any(marks.values()):
        raise ConfigError("nothing to note", key="mark", hint="one or more of --return, --wrong-bill, --complaint")
    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    key = full_key(customer)
    with access(found) as to:
        known = latest(found, CUSTOMERS.topic).get(key)
        if not isinstance(known, Customer):
            nobody(CUSTOMERS, key, ", and nothing was noted")
            raise typer.Exit(EXIT_PROBLEMS)
        counts = {name: getattr(known, name) + more for name, more in marks.items()}
        to.write([known.model_copy(update={**counts, "at": to.now})])
    if as_json:
        typer.echo(json.dumps({"customer": key, **counts}))
    else:
        said = ", ".join(f"{name.replace('_', ' ')} {amount}" for name, amount in counts.items())
        typer.echo(f"{key}: {said}")


def row_of(customer: Customer | None, person: Person | None) -> dict[str, Any]:
    """A customer as a row that `import` reads, with what is personal."""
    values = plain(customer) if customer else {}
    if person is not None:
        tenant, _, name = person.customer.partition("/")
        values = {"customer": name, "tenant": tenant, **values}
        values |= {part: getattr(person, part) for part in ("name", "mail", "phone") if getattr(person, part)}
    return values
