"""What all registry commands can do: import, export, list, show and remove entries of one kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from vorab.cli.options import Config, DryRun, Form, Json, Log, Partial, StateDir
from vorab.errors import EXIT_OK, EXIT_PROBLEMS, ConfigError
from vorab.records import Record
from vorab.registry.files import FORMATS, Row, write_rows
from vorab.registry.kinds import Kind, full_key, plain
from vorab.settings import Settings

Notes = Callable[[Settings, Sequence[tuple[Any, Row]]], list[str]]
Shown = Mapping[str, Any]

_COLUMNS: Final = 5


def nobody(kind: Kind, key: str, so: str = "") -> None:
    """Say that there is no such entry."""
    typer.echo(f"there is no {kind.name} {key}{so}\n  `vorab {kind.plural} export` lists all", err=True)


def check_form(form: str) -> None:
    """Raises ConfigError for a format nobody knows."""
    if form not in FORMATS:
        raise ConfigError(f"--format {form}", key="--format", hint=f"one of {', '.join(FORMATS)}")


def say_table(rows: Iterable[Shown], names: Sequence[str], most: int = _COLUMNS) -> None:
    """Rows as a table, with the columns that hold anything."""
    shown = [{name: "" if row.get(name) is None else str(row.get(name)) for name in names} for row in rows]
    used = [name for name in names if any(row[name] for row in shown)][:most]
    widths = [max(len(name), *(len(row[name]) for row in shown)) for name in used]
    for cells in ([name.replace("_", " ") for name in used], *([row[name] for name in used] for row in shown)):
        typer.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip())


def add_import(app: typer.Typer, kind: Kind, notes: Notes | None = None) -> None:
    """`import`."""

    @app.command("import", help=_help(f"Write {kind.plural}; one that exists is replaced. Nothing is written if anything is wrong.", kind))
    def import_(
        file: Annotated[Path, typer.Argument(help="CSV, JSON, JSON Lines or YAML: one row per entry.")],
        *,
        dry_run: DryRun = False,
        partial: Partial = False,
        config: Config = None,
        log: Log = None,
        state_dir: StateDir = None,
        as_json: Json = False,
    ) -> None:
        from vorab import settings
        from vorab.cli.registry_import import Wish, run_import

        found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
        noted = (lambda entries: notes(found, entries)) if notes else None
        raise typer.Exit(run_import(found, Wish(kind, file, dry_run, partial, as_json, notes=noted)))


def add_export(app: typer.Typer, kind: Kind) -> None:
    """`export`."""

    @app.command(help=f"Print all {kind.plural}, in a form that `import` reads.\n\nExample: vorab {kind.plural} export --format csv")
    def export(*, form: Form = "yaml", config: Config = None, log: Log = None, state_dir: StateDir = None) -> None:
        from vorab import settings
        from vorab.cli.registry import latest

        check_form(form)
        found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
        typer.echo(write_rows([plain(each) for each in latest(found, kind.topic).values()], form), nl=False)


def add_list(app: typer.Typer, kind: Kind) -> None:
    """`list`."""

    @app.command("list", help=f"All {kind.plural} as a table.\n\nExample: vorab {kind.plural} list")
    def list_(*, config: Config = None, log: Log = None, state_dir: StateDir = None, as_json: Json = False) -> None:
        from vorab import settings
        from vorab.cli.registry import is_there, latest

        found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
        say_all([plain(each) for each in latest(found, kind.topic).values()] if is_there(found) else [], kind, as_json=as_json)


def say_all(rows: Sequence[Shown], kind: Kind, *, as_json: bool, names: Sequence[str] = ()) -> None:
    """A list for people or machines."""
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
    elif rows:
        say_table(rows, names or [name for name in kind.fields if name != "tenant"])
    else:
        typer.echo(f"no {kind.plural}", err=True)


def add_show(app: typer.Typer, kind: Kind) -> None:
    """`show`."""

    @app.command(help=f"Show the entry of a {kind.name}.\n\nExample: vorab {kind.plural} show ID")
    def show(
        name: Annotated[str, typer.Argument(metavar="ID", help="Key or id.")],
        *,
        config: Config = None,
        log: Log = None,
        state_dir: StateDir = None,
        as_json: Json = False,
    ) -> None:
        from vorab import settings
        from vorab.cli.registry import latest
        from vorab.cli.registry_said import say_entry

        found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
        record = latest(found, kind.topic).get(full_key(name))
        if not isinstance(record, Record):
            nobody(kind, full_key(name))
            raise typer.Exit(EXIT_PROBLEMS)
        say_entry(plain(record), as_json=as_json)


def add_remove(app: typer.Typer, kind: Kind, about: str = "") -> None:
    """`remove`."""

    @app.command(help=_help(f"Take a {kind.name} out of the registry. What the log tells of it stays{about}.", kind, "remove ID"))
    def remove(
        name: Annotated[str, typer.Argument(metavar="ID", help="Key or id.")],
        *,
        config: Config = None,
        log: Log = None,
        state_dir: StateDir = None,
        as_json: Json = False,
    ) -> None:
        from vorab import settings
        from vorab.cli.registry import access, latest

        found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
        key = full_key(name)
        with access(found) as to:
            known = key in latest(found, kind.topic)
            if known:
                to.write([], [(kind.topic, key)])
        if as_json:
            typer.echo(json.dumps({kind.name: key, "removed": known}))
        elif known:
            typer.echo(f"{key} is taken out of the registry")
        else:
            nobody(kind, key)
        raise typer.Exit(EXIT_OK if known else EXIT_PROBLEMS)


def made(kind: Kind, about: str) -> typer.Typer:
    """The whole of it, for kinds that need no more."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", help=about)
    add_import(app, kind)
    add_export(app, kind)
    add_list(app, kind)
    add_show(app, kind)
    add_remove(app, kind)
    return app


def _help(text: str, kind: Kind, how: str = "") -> str:
    return f"{text}\n\nExample: vorab {kind.plural} {how or f'import {kind.plural}.csv'}"
