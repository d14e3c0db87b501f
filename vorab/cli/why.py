"""`vorab why ID`: how it came to be, in a few lines."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from vorab.errors import EXIT_OK, EXIT_PROBLEMS, ConfigError

TIMEOUT_S: Final = 5.0


def why(
    any_id: Annotated[str, typer.Argument(metavar="ID", help="A symptom, case, action or message; its first 8 characters are enough.")],
    *,
    state_dir: Annotated[str | None, typer.Option(help="Folder for what vorab keeps.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file.", show_default="vorab.toml")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole chain as one JSON document.")] = False,
) -> None:
    """Show the causal chain of a symptom, case, action or message: readings, rule, policy, consent, command, answer, proof, message.

    Asks the running desk; where none runs, reads the desk's database.

    Examples:
        vorab why b816ec32
        vorab why b816ec32-9195-5d75-adc1-ebacb3c78d3e --json
    """
    from vorab import settings

    file = config
    if file is None and state_dir and (Path(state_dir) / settings.FILE).exists():
        file = Path(state_dir) / settings.FILE  # a demo keeps its settings beside its state
    found = settings.load(file, overrides={"state_dir": state_dir})
    chain = _ask(found.state_path, any_id)
    if chain is None:
        chain = _read(found, any_id)
    if not chain:
        typer.echo(
            f"nobody knows {any_id}\n  in {found.state_path}\n  `vorab demo` and the console name ids that can be asked for", err=True
        )
        raise typer.Exit(EXIT_PROBLEMS)
    if as_json:
        typer.echo(json.dumps(chain, ensure_ascii=False))
    else:
        _tell(chain)
    raise typer.Exit(EXIT_OK)


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


def _read(settings: Any, any_id: str) -> dict[str, Any]:
    """From the desk's database, without a desk."""
    from desk.queries import Queries
    from desk.store import open_read_only
    from desk.why import why as chain_of

    store = open_read_only(settings.desk.database or f"sqlite:///{settings.state_path / 'desk.db'}")
    if store is None:
        raise ConfigError(
            "no desk runs here, and there is no desk database", key="state_dir", file=str(settings.state_path), hint="--state-dir names it"
        )
    try:
        chain = chain_of(Queries(store), any_id)
    finally:
        store.close()
    return chain.json() if chain else {}


def _tell(chain: dict[str, Any]) -> None:
    from zoneinfo import ZoneInfo

    from rich.console import Console
    from rich.text import Text

    from vorab.clock import parse_iso, to_datetime

    console = Console(highlight=False)
    console.print(Text(chain["sentence"], style="bold"), soft_wrap=True)
    console.print(Text(f"{chain['device']}  case {chain['case'] or 'none'}", style="dim"), soft_wrap=True)
    day = ""
    width = max((len(link["title"]) for link in chain["chain"]), default=0)
    for link in chain["chain"]:
        local = to_datetime(parse_iso(link["at"])).astimezone(ZoneInfo("Europe/Berlin"))
        if (today := local.strftime("%A, %d %B %Y")) != day:
            day = today
            console.print(Text(f"\n{day}", style="dim"))
        mark = "▸" if link["asked"] else " "
        style = "" if link["on_path"] else "dim"
        line = Text(f"{mark} {local:%H:%M:%S}  {link['title']:<{width}}  ", style="bold" if link["asked"] else style)
        line.append(link["text"], style=style)
        console.print(line, soft_wrap=True)
        for name in ("rule", "policy"):
            if link["facts"].get(name) and (link["type"] in {"symptom.raised", "case.opened", "case.handed_over"}):
                console.print(Text(f"{'':12}{'':<{width}}{name}: {link['facts'][name]}", style="dim"), soft_wrap=True)
