"""`vorab rules`: check rule files before they are used, and print their JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vorab.cli.rules_backtest import backtest
from vorab.cli.rules_cases import run_cases
from vorab.cli.rules_explain import explain
from vorab.errors import EXIT_PROBLEMS

app = typer.Typer(help="Check, test, backtest and explain rules.", no_args_is_help=True, rich_markup_mode="rich", add_completion=False)


@app.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(help="Rule files or folders; none: those of the settings.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Name every mistake with file, line and reason. Exit code 1 where there is one.

    Example: `vorab rules check my-rules/`
    """
    from streams.rules.files import check as check_files
    from streams.rules.files import default_folder
    from vorab import settings
    from vorab.cli.registry_said import count

    checked = check_files(files, key="") if files else check_files(settings.load().streams.rules or [default_folder()])
    if as_json:
        rules = [{"id": rule.id, "version": rule.version, "detector": rule.detector, "cause": rule.cause} for rule in checked.rules]
        typer.echo(json.dumps({"files": checked.files, "rules": rules, "problems": [each._asdict() for each in checked.problems]}))
    else:
        for problem in checked.problems:
            typer.echo(str(problem))
        found = f"{count(len(checked.rules), 'rule')} in {count(len(checked.files), 'file')}"
        typer.echo(f"{found}: {count(len(checked.problems), 'problem')}" if checked.problems else f"{found}: fine")
    if checked.problems:
        raise typer.Exit(EXIT_PROBLEMS)


app.command("test")(run_cases)
app.command()(backtest)
app.command()(explain)


@app.command()
def schema(
    *,
    tests: Annotated[bool, typer.Option("--tests", help="Of test cases of rules.")] = False,
) -> None:
    """The JSON Schema of rule files, for editors and other tools.

    Examples:
        vorab rules schema > rules/schema.json
        vorab rules schema --tests > rules/tests.schema.json
    """
    from streams.rules import ruleset
    from streams.trials import rulecases

    found = rulecases.json_schema() if tests else ruleset.json_schema()
    typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
