"""`vorab remedies`: the kill switch of a remedy, and what is stopped."""

from __future__ import annotations

import difflib
import functools
import json
import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vorab.cli.options import OPERATIONS, By, Config, Json, Log, StateDir, Tenant
from vorab.errors import ConfigError
from vorab.topics import DEFAULT_TENANT

if TYPE_CHECKING:
    from vorab.records import Switch
    from vorab.settings import Settings

COLUMNS: Final = ("remedy", "state", "since", "by", "why", "about")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The remedy, as the remedy files call it.")]
Anyway = Annotated[bool, typer.Option("--anyway", help="Also where the remedy files here know no such remedy.")]

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", help="Stop a remedy everywhere, and allow it again.")


@app.command()
def stop(
    name: Name,
    *,
    why: Annotated[str, typer.Option(help="Stands in every case that asks for it meanwhile.")] = "",
    tenant: Tenant = DEFAULT_TENANT,
    by: By = OPERATIONS,
    anyway: Anyway = False,
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Stop a remedy: from now on no machine gets a permit for it. What is under way ends, and a person has to look where it was wished for.

    Example: vorab remedies stop restart --why "the new pumps do not come back"
    """
    from vorab import settings
    from vorab.records import SwitchState

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    _say(found, name, SwitchState.STOPPED, (by, why, tenant), anyway=anyway, as_json=as_json)
    if not as_json:
        typer.echo(f"{name} is stopped: no permit is given for it\n  `vorab remedies allow {name}` allows it again")


@app.command()
def allow(
    name: Name,
    *,
    why: Annotated[str, typer.Option(help="For whoever looks at the log.")] = "",
    tenant: Tenant = DEFAULT_TENANT,
    by: By = OPERATIONS,
    anyway: Anyway = False,
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Allow a remedy again that was stopped.

    Example: vorab remedies allow restart
    """
    from vorab import settings
    from vorab.records import SwitchState

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    _say(found, name, SwitchState.RELEASED, (by, why, tenant), anyway=anyway, as_json=as_json)
    if not as_json:
        typer.echo(f"{name} may be used again")


@app.command("list")
def list_(*, config: Config = None, log: Log = None, state_dir: StateDir = None, as_json: Json = False) -> None:
    """All remedies of the remedy files, and whether one is stopped: by whom, since when, why.

    Example: vorab remedies list
    """
    from vorab import settings, switches
    from vorab.cli.registry_app import say_table

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    about = remedies_on(found)()
    rows = [{**row, "about": about.get(row["remedy"], "")} for row in switches.rows(about, _switched(found), DEFAULT_TENANT)]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    names = COLUMNS if all(row["tenant"] == DEFAULT_TENANT for row in rows) else (*COLUMNS, "tenant")
    words = [{**row, "state": "stopped", "since": f"{row['since'][:19]}Z"} if row["stopped"] else _allowed(row) for row in rows]
    say_table(words, names, len(names))


def remedies_on(settings: Settings) -> Callable[[], Mapping[str, str]]:
    """What a desk asks: the remedies of the files, and what each is about; read when it is first asked."""

    @functools.cache
    def remedies() -> Mapping[str, str]:
        from streams.cases.remedies import load_policy

        return {name: remedy.about for name, remedy in load_policy(settings.streams.remedies).remedies.items()}

    return remedies


def _allowed(row: dict[str, object]) -> dict[str, object]:
    return {"remedy": row["remedy"], "tenant": row["tenant"], "about": row["about"], "state": "allowed"}


def _say(settings: Settings, name: str, state: object, words: tuple[str, str, str], *, anyway: bool, as_json: bool) -> None:
    from vorab import switches
    from vorab.cli.saying import checked, saying
    from vorab.clock import clock_from
    from vorab.records import MAX_TEXT, SwitchState

    by, why, tenant = words
    if not anyway:
        _known(settings, name)
    said = switches.switched(
        checked(name, "NAME"), SwitchState(str(state)), checked(by, "--by"), why[:MAX_TEXT], clock_from(settings.clock).now(),
        tenant=checked(tenant, "--tenant"), nonce=secrets.token_hex(16),
    )  # fmt: skip
    with saying(settings) as say:
        say(said)
    if as_json:
        typer.echo(json.dumps(switches.row(name, tenant, said), ensure_ascii=False))


def _known(settings: Settings, name: str) -> None:
    """Raises ConfigError for a remedy that no file here knows: a slip of the pen would stop nothing."""
    remedies = remedies_on(settings)()
    if name not in remedies:
        close = difflib.get_close_matches(name, remedies, n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        raise ConfigError(
            f"there is no remedy {name}", key="NAME", hint=f"{meant}`vorab remedies list` shows all; --anyway says it all the same"
        )


def _switched(settings: Settings) -> dict[str, Switch]:
    """What was said last of each remedy: by the tables of the desk, which know of it longer than the log, and by the log."""
    from desk.said_queries import Said
    from desk.store import open_read_only
    from vorab import switches
    from vorab.cli.saying import said
    from vorab.records import Switch

    store = open_read_only(settings.desk.database or f"sqlite:///{settings.state_path / 'desk.db'}")
    known: dict[str, Switch] = {}
    if store is not None:
        try:
            known = Said(store).switches()
        finally:
            store.close()
    return {**known, **switches.latest(said(settings, Switch))}
