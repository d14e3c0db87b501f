"""`vorab why ID`: how it came to be, in a few lines, and whether it would be decided so again."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from vorab.errors import EXIT_OK, EXIT_PROBLEMS, ConfigError

if TYPE_CHECKING:
    from vorab.cli.why_again import Again
    from vorab.settings import Settings

TIMEOUT_S: Final = 5.0


def why(
    any_id: Annotated[
        str,
        typer.Argument(metavar="[ID]", help="A symptom, case, action, command, message or incident; 8 characters are enough."),
    ] = "",
    *,
    check: Annotated[int, typer.Option("--check", min=0, metavar="N", help="Instead: N random ones of what was decided.")] = 0,
    seed: Annotated[int, typer.Option(help="With --check: which ones.")] = 0,
    again: Annotated[bool, typer.Option("--again/--told-only", help="Decide it anew from the log, and compare.")] = True,
    state_dir: Annotated[str | None, typer.Option(help="Folder for what vorab keeps.")] = None,
    log: Annotated[str | None, typer.Option(help="sqlite:///PATH or kafka://HOST:PORT.", show_default="the setting log")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file.", show_default="vorab.toml")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole answer as one JSON document.")] = False,
) -> None:
    """Show the causal chain of a symptom, case, action or message: readings, rule, policy, consent, command, answer, proof, message.

    Of an incident: the cases that opened it, what explains them, what became of it, and what customers were told.

    Asks the running desk; where none runs, reads the desk's database or the log. Then the case is decided anew from the log with the policy
    in force, and every event, question for a permit and action is compared with what stands there: `agrees`, or the first difference, and
    exit code 1. So are its symptoms from the readings with the rules in force, and an incident from all cases. Nothing is written.

    Examples:
        vorab why b816ec32
        vorab why b816ec32-9195-5d75-adc1-ebacb3c78d3e --json
        vorab why --check 10000 --seed 7
    """
    from vorab import settings
    from vorab.cli import why_tell
    from vorab.cli.why_again import opened

    if bool(any_id) == bool(check):
        raise ConfigError("name an id, or --check N", key="ID", hint="for example: vorab why b816ec32, or vorab why --check 1000")
    file = config
    if file is None and state_dir and (Path(state_dir) / settings.FILE).exists():
        file = Path(state_dir) / settings.FILE  # a demo keeps its settings beside its state
    found = settings.load(file, overrides={"state_dir": state_dir, "log": log})
    if check:
        from vorab.cli.why_check import run

        raise typer.Exit(run(found, check, seed, as_json=as_json))
    chain = _ask(found.state_path, any_id)
    if chain is None:
        chain = _read(found, any_id)
    if again or chain is None:
        with opened(found) as log_:
            chain = _add(chain, log_, any_id, again=again)
    if chain is None:
        raise ConfigError(
            "no desk runs here, and there is no desk database", key="state_dir", file=str(found.state_path), hint="--state-dir names it"
        )
    if not chain:
        typer.echo(
            f"nobody knows {any_id}\n  in {found.state_path}\n  `vorab demo` and the console name ids that can be asked for", err=True
        )
        raise typer.Exit(EXIT_PROBLEMS)
    if as_json:
        typer.echo(json.dumps(chain, ensure_ascii=False))
    else:
        why_tell.chain(chain)
    raise typer.Exit(EXIT_PROBLEMS if why_tell.differs(chain.get("again", {})) else EXIT_OK)


def _add(chain: dict[str, Any] | None, log: Again | None, any_id: str, *, again: bool) -> dict[str, Any] | None:
    """The chain from the log where nobody else had it, and what comes of deciding it anew."""
    if log is None:
        if chain and again:
            chain["again"] = {"state": "unknown", "note": "the log cannot be read from here"}
        return chain
    if chain is None:
        told = log.chain(any_id)
        chain = told.json() if told else {}
    if not chain or not again:
        return chain
    if chain["kind"] == "incident":
        chain["again"] = log.incident(chain["incident"])
    elif chain["case"]:
        chain["again"] = log.case(chain["case"], chain["device"])
    elif chain["kind"] == "symptom":
        chain["again"] = log.symptom(chain["id"], chain["device"])
    return chain


def _ask(folder: Path, any_id: str) -> dict[str, Any] | None:
    """The running desk's answer; empty where it knows no such id, None where no desk runs."""
    try:
        said = json.loads((folder / "desk.json").read_text(encoding="utf-8"))
        url = f"http://{said['host']}:{said['port']}/api/why/{urllib.parse.quote(any_id, safe='')}"
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            body: dict[str, Any] = json.loads(answer.read())
            return body if "chain" in body else None
    except urllib.error.HTTPError as error:
        with error:
            return {} if error.code == 404 else None
    except (OSError, ValueError, KeyError):
        return None


def _read(settings: Settings, any_id: str) -> dict[str, Any] | None:
    """From the desk's database, without a desk; None where there is none."""
    from desk.queries import Queries
    from desk.sealed import Seal
    from desk.store import open_read_only
    from desk.why import why as chain_of

    store = open_read_only(settings.desk.database or f"sqlite:///{settings.state_path / 'desk.db'}")
    if store is None:
        return None
    try:
        chain = chain_of(Queries(store, Seal(settings.state_path)), any_id)
    finally:
        store.close()
    return chain.json() if chain else {}
