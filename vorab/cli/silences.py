"""`vorab silences`: maintenance windows that are set and ended while vorab runs."""

from __future__ import annotations

import difflib
import json
import secrets
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vorab.cli.options import OPERATIONS, By, Config, Json, Log, StateDir, Tenant
from vorab.errors import EXIT_PROBLEMS, ConfigError
from vorab.topics import DEFAULT_TENANT

if TYPE_CHECKING:
    from vorab.clock import Micros
    from vorab.records import Silence
    from vorab.settings import Settings

SHORT: Final = 8
"""So many characters of an id are shown; fewer do where they fit one silence."""
COLUMNS: Final = ("silence", "state", "group", "since", "until", "by", "why")

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode="rich", help="Mute the cases of a group for a while: maintenance windows."
)


@app.command("set")
def set_(
    group: Annotated[str, typer.Argument(help="site/NAME, parent/DEVICE, firmware/MODEL/VERSION, model/NAME, device/NAME or fleet.")],
    *,
    why: Annotated[str, typer.Option(help="What is done there, for whoever sees it.")],
    length: Annotated[str, typer.Option("--for", metavar="DURATION", help="How long from its beginning: 90min, 2h, 1d.")] = "",
    until: Annotated[str, typer.Option(metavar="MOMENT", help="Or when it ends, with a zone: 2026-12-02T04:00:00+01:00.")] = "",
    since: Annotated[str, typer.Option("--from", metavar="MOMENT", help="When it begins.", show_default="now")] = "",
    tenant: Tenant = DEFAULT_TENANT,
    by: By = OPERATIONS,
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Mute the cases of a group that open from now on: they are one incident, and no customer is told before the silence is over.

    With the cause behind a bar (in quotes, for the shell) only cases of this cause are muted. Goes through the vorab that runs here.

    Examples:
        vorab silences set site/ahornweg --for 2h --why "new pumps in the cellar"
        vorab silences set "model/pump|low_pressure" --until 2026-12-02T04:00:00+01:00 --why "filters are flushed"
        vorab silences set fleet --from 2026-12-01T22:00:00+01:00 --for 30min --why "the provider works on the network"
    """
    from vorab import settings, silences
    from vorab.cli.saying import checked, saying
    from vorab.clock import clock_from, iso

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    now = clock_from(found.clock).now()
    begins = _moment(since, "--from") if since else now
    written = silences.Written(group, begins, _end(length, until, begins), why, checked(tenant, "--tenant"))
    said = silences.asked(written, checked(by, "--by"), now, secrets.token_hex(16))
    keys = {"group": "GROUP", "until": "--for" if length else "--until", "on": "streams.incidents.on"}
    for wrong in silences.mistakes(said, now, on=found.streams.incidents.on):
        key = keys.get(wrong.key, f"--{wrong.key}")
        raise ConfigError(wrong.what, key=key, hint=wrong.hint)
    with saying(found) as say:
        say(said)
    if note := _note(found, said):
        typer.echo(f"note: {note}", err=True)
    if as_json:
        typer.echo(json.dumps(silences.row(said, now), ensure_ascii=False))
        return
    typer.echo(f"{said.group} is silent from {iso(said.since)[:19]}Z until {iso(said.until)[:19]}Z")
    typer.echo(f"  it is called {said.id[:SHORT]}; `vorab silences end {said.id[:SHORT]}` ends it before that")


@app.command()
def end(
    name: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it; its first characters are enough.")],
    *,
    by: By = OPERATIONS,
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """End a silence before its time: its cases that are not well are released at once, and customers hear what there is to say.

    Example: vorab silences end 3f2a9c1b
    """
    from vorab import settings, silences
    from vorab.cli.saying import checked, saying
    from vorab.clock import clock_from

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    now = clock_from(found.clock).now()
    fitting = silences.by_prefix(_running(found, now), name)
    if not fitting:
        typer.echo(f"there is no silence {name}, or it is over\n  `vorab silences list` shows all", err=True)
        raise typer.Exit(EXIT_PROBLEMS)
    if len(fitting) > 1:
        raise ConfigError(f"{name} fits {len(fitting)} silences", key="ID", hint="more of its characters")
    [said] = fitting
    if said.by == silences.IN_SETTINGS:
        raise ConfigError(f"{said.group} is silent by the settings", key="streams.incidents.silences", hint="take it out there")
    with saying(found) as say:
        say(silences.ended(said, checked(by, "--by"), now))
    if as_json:
        typer.echo(json.dumps({"silence": said.id, "ended": True}))
    else:
        typer.echo(f"{said.group} is not silent any more: cases that are not well are released")


@app.command("list")
def list_(*, config: Config = None, log: Log = None, state_dir: StateDir = None, as_json: Json = False) -> None:
    """All silences that are not over: those that were set, and those of the settings.

    Example: vorab silences list
    """
    from vorab import settings, silences
    from vorab.cli.registry_app import say_table
    from vorab.clock import clock_from

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    now = clock_from(found.clock).now()
    rows = [silences.row(each, now) for each in _running(found, now)]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
    elif rows:
        names = COLUMNS if all(row["tenant"] == DEFAULT_TENANT for row in rows) else (*COLUMNS, "tenant")
        short = ({**row, "silence": row["silence"][:SHORT], "since": _short(row["since"]), "until": _short(row["until"])} for row in rows)
        say_table(short, names, len(names))
    else:
        typer.echo('nothing is silent\n  `vorab silences set site/NAME --for 2h --why "…"` sets one', err=True)


def _running(settings: Settings, now: Micros) -> list[Silence]:
    """Those that are not over, of the log and of the settings."""
    from vorab import silences
    from vorab.cli.saying import said
    from vorab.records import Silence

    return silences.not_over([*said(settings, Silence), *silences.configured(settings.streams.incidents)], now)


def _short(moment: str) -> str:
    return f"{moment[:19]}Z"


def _moment(text: str, option: str) -> Micros:
    from vorab.clock import parse_iso

    try:
        return parse_iso(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no moment", key=option, hint="with its zone: 2026-12-02T04:00:00+01:00") from None


def _end(length: str, until: str, begins: Micros) -> Micros:
    from streams.rules.words import parse_duration

    if bool(length) == bool(until):
        raise ConfigError("a silence needs an end, and one only", key="--for", hint="--for 2h, or --until 2026-12-02T04:00:00+01:00")
    if until:
        return _moment(until, "--until")
    try:
        return begins + int(str(parse_duration(length)))
    except ValueError as error:
        raise ConfigError(str(error), key="--for", hint="for example --for 2h") from None


def _note(settings: Settings, said: Silence) -> str:
    """What is no mistake but may not be what was meant; empty where there is no such thing."""
    from vorab.cli.registry import latest
    from vorab.groups import whole_groups, without_cause
    from vorab.records import Device
    from vorab.silences import DEVICE
    from vorab.topics import DEVICES, key_of

    devices = [each for each in latest(settings, DEVICES).values() if isinstance(each, Device)]
    known = {group for each in devices for group in (*whole_groups(each), key_of(each.tenant, f"{DEVICE}/{each.device}"))}
    group = key_of(said.tenant, without_cause(said.group))
    return f"no device of the registry is in {said.group}{_close(group, known)}" if devices and group not in known else ""


def _close(group: str, known: Iterable[str]) -> str:
    """A group that may have been meant."""
    found: Sequence[str] = difflib.get_close_matches(group, sorted(known), n=1)
    return f"; did you mean {found[0].partition('/')[2]}?" if found else ""
