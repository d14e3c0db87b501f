"""`vorab partners`: outside systems that cases are handed over to."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vorab.cli.options import Config, Json, StateDir
from vorab.errors import EXIT_OK, EXIT_PROBLEMS, ConfigError, Unavailable

if TYPE_CHECKING:
    from desk.partner.service import Partners
    from vorab.settings import Settings

TIMEOUT_S: Final = 10.0

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode="rich", help="Outside systems that cases are handed over to."
)


@app.command("list")
def list_(*, config: Config = None, state_dir: StateDir = None, as_json: Json = False) -> None:
    """Show each partner: how many cases it has, what waits, and what it could not be told.

    Example: vorab partners list
    """
    from vorab import settings
    from vorab.cli.rejected import printable

    found = settings.load(config, overrides={"state_dir": state_dir})
    with _partners(found) as partners:
        from desk.partner.routes import row

        rows = [row(partners, name) for name in partners.settings]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    for each in rows:
        figures = ", ".join(f"{each[what]} {what}" for what in ("mirrored", "waiting", "dead", "differs"))
        typer.echo(f"{each['partner']}  {each['kind']} at {each['host']}: {figures}; last told {each['sent_at'] or 'never'}")
        for letter in each["letters"]:
            said = printable(letter["detail"]) or letter["reason"]
            typer.echo(f"    dead: case {letter['case']}, fact {letter['seq']}, {letter['tries']} tries: {said}")
    if not rows:
        typer.echo("no partners\n  docs/partners.md shows how to add one")


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="Partner; all without.")] = "",
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Call each partner and say what to fix. Nothing is changed there: a ticket system is read, a webhook gets a signed event without news.

    Example: vorab partners check itsm
    """
    from vorab import settings
    from vorab.cli.doctor import _say
    from vorab.doctor import Verdict, partners

    found = settings.load(config)
    chosen = [partner for partner in found.partners if name in {"", partner.name}]
    if name and not chosen:
        raise _nobody(name)
    findings = partners.examine(found.model_copy(update={"partners": chosen}))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            _say(finding)
    raise typer.Exit(EXIT_PROBLEMS if any(finding.verdict is Verdict.PROBLEM for finding in findings) else EXIT_OK)


@app.command()
def resend(
    name: Annotated[str, typer.Argument(help="Partner.")],
    *,
    case: Annotated[str, typer.Option(help="Only this case.")] = "",
    config: Config = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Try again what a partner could not be told. Nothing is doubled: a ticket is looked up first, and an event keeps its id.

    Example: vorab partners resend itsm
    """
    from vorab import settings

    found = settings.load(config, overrides={"state_dir": state_dir})
    if name not in {partner.name for partner in found.partners}:
        raise _nobody(name)
    cases = _through(found, name, case)
    if cases is None:
        with _partners(found) as partners:
            cases = partners.outbox.resend(name, case, partners.clock.now())
    typer.echo(
        json.dumps({"partner": name, "cases": cases}) if as_json else f"{cases} {'case' if cases == 1 else 'cases'} to be told again"
    )


def _through(settings: Settings, name: str, case: str) -> int | None:
    """Ask the desk that runs; None where none does."""
    try:
        said = json.loads((settings.state_path / "desk.json").read_text(encoding="utf-8"))
        query = urllib.parse.urlencode({"case": case} if case else {})
        url = f"http://{said['host']}:{said['port']}/api/partners/{urllib.parse.quote(name, safe='')}/resend?{query}"
        request = urllib.request.Request(url, b"", {"Sec-Fetch-Site": "same-origin"}, method="POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            return int(json.loads(answer.read())["cases"])
    except urllib.error.HTTPError as error:
        with error:
            raise Unavailable(f"the desk answers {error.code}") from None
    except (OSError, ValueError, KeyError):
        return None


@contextmanager
def _partners(settings: Settings) -> Iterator[Partners]:
    """The tables of partners."""
    from desk.partner.service import Partners
    from desk.store import Store
    from vorab.clock import clock_from

    store = Store(settings.desk.database or f"sqlite:///{settings.state_path / 'desk.db'}")
    try:
        yield Partners(store, settings, clock_from(settings.clock), lambda _record: None)
    finally:
        store.close()


def _nobody(name: str) -> ConfigError:
    return ConfigError(f"there is no partner {name}", key="partners", hint="`vorab partners list` shows all")
