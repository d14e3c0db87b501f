"""An import: the whole file is checked before the first entry is written, and what it changes is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer

from vorab.cli.progress import progress
from vorab.cli.registry import access, is_there, latest, reading_people
from vorab.cli.registry_said import changes_json, count, say_changes, say_notes
from vorab.clock import clock_from
from vorab.errors import EXIT_OK, EXIT_PROBLEMS, EXIT_USAGE, ConfigError
from vorab.people import Person
from vorab.records import Consent, Record
from vorab.registry.checks import Wrong
from vorab.registry.files import Row, read_rows
from vorab.registry.kinds import Kind
from vorab.registry.mistakes import Mistakes, as_json
from vorab.registry.sorting import Changes, Progress, Sorted, changes, known_keys, silent, sort_out
from vorab.registry.writing import AT_ONCE
from vorab.settings import Settings

_PERSON: Final = ("name", "mail", "phone")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for."""

    kind: Kind
    file: Path
    dry_run: bool = False
    partial: bool = False
    """Write what is right, whatever else is wrong."""
    as_json: bool = False
    also: Callable[[Row], Iterable[Wrong]] | None = None
    """What else may be wrong about a row."""
    person: Callable[[Record, Row], Person] | None = None
    """The half of a row that goes to the store of people."""
    notes: Callable[[Sequence[tuple[Any, Row]]], list[str]] | None = None
    consents: Callable[[Record | None, Record], Sequence[Consent]] | None = None
    """What an entry says about consents that the one it replaces did not."""


def read_all(kind: Kind, file: Path) -> list[Any]:
    """The entries of a file, written at no time.

    Raises:
        Mistakes: all of them.
    """
    found = sort_out(read_rows(file, known_keys(kind)), kind, file, 0)
    if found.wrong:
        raise Mistakes(found.wrong)
    return [entry for entry, _ in found.entries]


def run_import(settings: Settings, wish: Wish) -> int:
    """Do it, say what changed, and return the exit code.

    Raises:
        Mistakes: anything in the file is wrong, and nothing was written; with --json they are printed instead.
    """
    with progress(quiet=wish.as_json) as tell:
        try:
            found = _checked(settings, wish, tell)
        except ConfigError as error:
            if not wish.as_json:
                raise
            wrong = error.found if isinstance(error, Mistakes) else [error]
            typer.echo(json.dumps({wish.kind.plural: 0, "mistakes": [as_json(each) for each in wrong]}, ensure_ascii=False))
            return EXIT_USAGE
        people = [wish.person(entry, row) for entry, row in found.entries] if wish.person else []
        if wish.dry_run:
            made = changes(found.entries, latest(settings, wish.kind.topic) if is_there(settings) else {})
            reached: Mapping[str, Sequence[str]] = _reached(people, _known_people(settings) if people else {})
        else:
            made, reached = _written(settings, wish, found, people, tell)
    notes = wish.notes(found.entries) if wish.notes else []
    _say(wish, found, made, reached, notes)
    return EXIT_PROBLEMS if found.wrong else EXIT_OK


def _checked(settings: Settings, wish: Wish, tell: Progress = silent) -> Sorted:
    rows = read_rows(wish.file, known_keys(wish.kind))
    found = sort_out(rows, wish.kind, wish.file, clock_from(settings.clock).now(), wish.also, tell)
    if found.wrong and not wish.partial:
        raise Mistakes(found.wrong)
    return found


def _written(
    settings: Settings, wish: Wish, found: Sorted, people: Sequence[Person], tell: Progress
) -> tuple[Changes, Mapping[str, Sequence[str]]]:
    with access(settings) as to:
        known = latest(settings, wish.kind.topic)
        made = changes(found.entries, known)
        reached: Mapping[str, Sequence[str]] = {}
        if people:
            # People first: a customer whom a message may go to at once has a way to be reached.
            reached = _reached(people, {person.customer: person for person in to.people.all()})
            other = [person for person in people if person.customer in reached]
            for start in range(0, len(other), AT_ONCE):
                to.people.put(other[start : start + AT_ONCE])
        said = wish.consents
        ledger = [consent for entry in made.entries for consent in said(known.get(entry.key), entry)] if said else []
        entries = [*ledger, *made.entries]
        for start in range(0, len(entries), AT_ONCE):
            to.write(entries[start : start + AT_ONCE])
            tell("writing", start, len(entries))
    return made, reached


def _known_people(settings: Settings) -> dict[str, Person]:
    if not is_there(settings):
        return {}
    with reading_people(settings) as store:
        return {person.customer: person for person in store.all()}


def _reached(people: Iterable[Person], known: Mapping[str, Person]) -> dict[str, list[str]]:
    """What of each person is another one now."""
    found: dict[str, list[str]] = {}
    for person in people:
        before = known.get(person.customer) or Person(person.customer)
        other = [name for name in _PERSON if getattr(before, name) != getattr(person, name)]
        if other or person.customer not in known:
            found[person.customer] = other
    return found


def _say(wish: Wish, found: Sorted, made: Changes, reached: Mapping[str, Sequence[str]], notes: list[str]) -> None:
    number, verb = len(found.entries), "would be imported" if wish.dry_run else "imported"
    if wish.as_json:
        said = {wish.kind.plural: number, "dry_run": wish.dry_run, **changes_json(made), "notes": notes}
        if wish.person:
            said["people"] = {key: list(names) for key, names in reached.items()}
        if found.wrong:
            said["mistakes"] = [as_json(each) for each in found.wrong]
        typer.echo(json.dumps(said, ensure_ascii=False))
        return
    if found.wrong:
        typer.echo(str(Mistakes(found.wrong, "the rows without were imported" if not wish.dry_run else "nothing was written")), err=True)
    say_notes(notes)
    if wish.dry_run or made.changed:
        say_changes(made, reached)
    typer.echo(f"{count(number, wish.kind.name)} {verb}: {len(made.new)} new, {len(made.changed)} changed, {made.unchanged} as before")
