"""The command line: one table of commands, each loaded only when it is called."""

from __future__ import annotations

import difflib
import importlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, cast

import typer
from typer.core import TyperGroup

from vorab.errors import EXIT_OK, EXIT_PROBLEMS, EXIT_USAGE, ConfigError, Unavailable


class Entry(NamedTuple):
    """Where a command lives."""

    module: str
    attribute: str
    about: str
    panel: str


OWNER_ONLY: Final = 0o077
"""Takes every right from group and others: what vorab writes tells of people."""

FIRST: Final = "What you need first"
STAGES: Final = "One stage as a service"
WORK: Final = "Rules, data and people"

COMMANDS: Final[dict[str, Entry]] = {
    "demo": Entry(
        "vorab.cli.demo", "demo", "See everything at work: a simulated fleet, real recorded faults, one night in a minute.", FIRST
    ),
    "up": Entry("vorab.cli.up", "up", "Run vorab in one process, from vorab.toml.", FIRST),
    "doctor": Entry("vorab.cli.doctor", "doctor", "Check brokers, versions and settings, and say what to fix.", FIRST),
    "why": Entry("vorab.cli.why", "why", "The whole causal chain of a symptom, case, action or message.", FIRST),
    "settings": Entry("vorab.cli.settings", "settings", "Every setting with its default and what it does.", FIRST),
    "ingest": Entry("vorab.cli.ingest", "app", "MQTT in, MQTT out; try shows how a payload is read.", STAGES),
    "streams": Entry("vorab.cli.streams", "streams", "Detect, gaps, alarms, cases, permits, customers and ledger.", STAGES),
    "notifier": Entry("vorab.cli.notifier", "notifier", "Messages to people.", STAGES),
    "desk": Entry("vorab.cli.desk", "app", "Console, API and customer page; token makes one for the API.", STAGES),
    "topics": Entry("vorab.cli.topics", "topics", "Create and check the topics of the log.", STAGES),
    "rules": Entry("vorab.cli.rules", "app", "Check, test and backtest rules.", WORK),
    "knowledge": Entry("vorab.cli.knowledge", "app", "Check, search and show the articles agents are helped by.", WORK),
    "understand": Entry("vorab.cli.understand", "understand", "What a customer's reply is taken for, and why.", WORK),
    "devices": Entry("vorab.cli.devices", "app", "Import, export, list, show and remove devices.", WORK),
    "customers": Entry("vorab.cli.customers", "app", "Import, export, list, show, mark and erase customers.", WORK),
    "sites": Entry("vorab.cli.sites", "app", "Import, export, list, show and remove sites.", WORK),
    "contracts": Entry("vorab.cli.contracts", "app", "Import, export, list, show and remove contracts.", WORK),
    "silences": Entry("vorab.cli.silences", "app", "Mute the cases of a group for a while: set, end and list maintenance windows.", WORK),
    "remedies": Entry("vorab.cli.remedies", "app", "Stop a remedy everywhere, allow it again, and list them.", WORK),
    "firmware": Entry("vorab.cli.firmware", "app", "Compare firmwares by their symptoms per device-day.", WORK),
    "partners": Entry("vorab.cli.partners", "app", "Outside systems cases are handed over to: list, check, resend.", WORK),
    "notify": Entry("vorab.cli.notify", "app", "Look at messages before anybody gets one: preview.", WORK),
    "rejected": Entry("vorab.cli.rejected", "rejected", "What was refused, why, and what the bytes began with.", WORK),
    "new": Entry("vorab.cli.new", "app", "Make files to begin with: a decoder, its sample and its test.", WORK),
    "simulate": Entry("vorab.cli.simulate", "simulate", "Publish simulated devices over MQTT.", WORK),
    "replay": Entry("vorab.cli.simulate", "replay", "Publish a recorded CSV file over MQTT.", WORK),
    "bench": Entry("vorab.cli.bench", "app", "vorab's own benchmarks, one JSON line each.", WORK),
}


USAGE_ERROR: Final = cast(type[Exception], typer.BadParameter.__mro__[1])
"""What the command line raises where it was called in a way it does not know; typer has no public name for it."""


def _broken(name: str, entry: Entry, error: ImportError) -> Callable[..., None]:
    what, where = f"vorab {name} cannot be loaded: {error}", entry.module

    def command(ctx: typer.Context) -> None:  # noqa: ARG001 - takes whatever it is called with
        raise ConfigError(what, key=where, hint="`make venv` installs what is missing")

    return command


class _Lazy(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - click's signature
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        found: Any
        try:
            found = getattr(importlib.import_module(entry.module), entry.attribute)
        except ImportError as error:
            # One broken command may not take the others, or the help, with it.
            found = _broken(cmd_name, entry, error)
        if not isinstance(found, typer.Typer):
            single = typer.Typer(add_completion=False, rich_markup_mode="rich")
            anything = {"ignore_unknown_options": True, "allow_extra_args": True} if found.__module__ == __name__ else None
            single.command(name=cmd_name, context_settings=anything)(found)
            found = single
        command: Any = typer.main.get_command(found)
        command.name = cmd_name
        command.short_help = entry.about
        command.rich_help_panel = entry.panel
        return command


app = typer.Typer(
    cls=_Lazy,
    name="vorab",
    help="Help that arrives before anyone asks.",
    epilog="Start with: vorab demo",
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _root(
    ctx: typer.Context,
    *,
    version: bool = typer.Option(False, "--version", help="Print the version and end."),
) -> None:
    """Help that arrives before anyone asks."""
    from vorab import __version__

    if version:
        typer.echo(f"vorab {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
        raise typer.Exit(EXIT_USAGE)


def usage(error: Any) -> ConfigError | str:
    """A usage error in three lines: what, where, what to do; the help of a group that was called without a command."""
    ctx = error.ctx
    if ctx is None:
        return ConfigError(error.format_message(), key="vorab", hint="`vorab --help` shows every command")
    if type(error).__name__ == "NoArgsIsHelpError":
        return str(ctx.get_help())
    message = error.format_message()
    unknown = re.match(r"No such (command|option):? '?([^\s'(]+)", message)
    hint = f"`{ctx.command_path} --help` shows " + ("every command" if ctx.parent is None else "how it is called")
    if unknown:
        kind, name = unknown.groups()
        message = f"there is no {kind} {name}"
        known = ctx.command.list_commands(ctx) if kind == "command" else [option for row in ctx.command.params for option in row.opts]
        close = difflib.get_close_matches(name, [*known, "--help"], n=1)
        hint = f"did you mean {close[0]}? {hint}" if close else hint
    return ConfigError(message, key=ctx.command_path, hint=hint)


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: errors in three lines, exit codes 0, 1, 2 and 70; files belong to their owner alone."""
    os.umask(OWNER_ONLY)
    try:
        code = app(arguments, prog_name="vorab", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else EXIT_OK)
    except USAGE_ERROR as error:
        typer.echo(str(usage(error)), err=True)
        sys.exit(EXIT_USAGE)
    except typer.Abort:
        typer.echo("Aborted.", err=True)
        sys.exit(EXIT_PROBLEMS)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        sys.exit(EXIT_USAGE)
    except Unavailable as error:
        typer.echo(f"{error}\n  `vorab doctor` says what is missing", err=True)
        sys.exit(EXIT_PROBLEMS)
