"""`vorab rules test`: what people expect of their rules, against what the rules find."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vorab.cli.options import Config
from vorab.cli.registry_said import count
from vorab.errors import EXIT_OK, EXIT_PROBLEMS, ConfigError

if TYPE_CHECKING:
    from streams.rules.ruleset import RuleSet
    from streams.rules.yamlfiles import Problem
    from streams.trials.rulecases_run import Result


def run_cases(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH]", help="Test files or folders.", show_default="those beside the rules")
    ] = None,
    *,
    rules: Annotated[list[Path] | None, typer.Option(help="Rules to test instead of those beside the cases; may be repeated.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name the cases that pass as well.")] = False,
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Run your own test cases of rules. Exit code 1 where one fails or cannot be read.

    Cases stand beside the rules in `NAME.test.yaml`, or in a folder `tests`: readings of devices, and the symptoms that must be
    raised, no others. `vorab rules schema --tests` prints the JSON Schema that editors complete them by.

    Examples:
        vorab rules test
        vorab rules test my-rules/
        vorab rules test my-rules/pump.test.yaml --rules proposed/pump.yaml
    """
    from streams.rules.files import default_folder
    from streams.trials.rulecases import case_files
    from vorab import settings

    named = list(paths or [*map(Path, settings.load(config).streams.rules)] or [default_folder()])
    files = case_files(named)
    if not files:
        raise ConfigError(
            f"there are no test cases in {', '.join(map(str, named))}",
            hint="cases stand beside the rules in NAME.test.yaml; `vorab rules test --help` says more",
        )
    ran = _run(files, rules or [])
    if not all(path.is_dir() for path in named):
        ran.untested.clear()  # whoever names a file asks about nothing else
    if as_json:
        typer.echo(json.dumps(ran.document(), ensure_ascii=False))
    else:
        for line in ran.lines(verbose=verbose):
            typer.echo(line)
    raise typer.Exit(EXIT_OK if ran.passed else EXIT_PROBLEMS)


class Ran:
    """All cases that ran, and what could not be read."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files
        self.results: list[Result] = []
        self.problems: list[Problem] = []
        self.untested: dict[str, None] = {}
        """Rules that no case expects anything of."""

    @property
    def passed(self) -> bool:
        """Whether all is well."""
        return not self.problems and all(result.passed for result in self.results)

    def lines(self, *, verbose: bool) -> list[str]:
        """For people."""
        out = [str(problem) for problem in self.problems]
        for result in self.results:
            where = f"{result.written.file}:{result.written.line}"
            if not result.passed:
                out += [f"FAIL  {result.written.case.name}  ({where})", *(f"      {each}" for each in result.differences)]
            elif verbose:
                out.append(f"ok    {result.written.case.name}")
        failed = sum(not result.passed for result in self.results)
        found = f"{count(len(self.results), 'case')} in {count(len(self.files), 'file')}"
        wrong = [f"{failed} failed"] if failed else []
        wrong += [count(len(self.problems), "problem")] if self.problems else []
        if self.untested:
            out.append(f"no case expects anything of {', '.join(self.untested)}")
        return [*out, f"{found}: {', '.join(wrong) or 'fine'}"]

    def document(self) -> dict[str, Any]:
        """For machines."""
        from vorab.cli.rules_tell import line

        cases = [
            {
                "file": str(result.written.file),
                "line": result.written.line,
                "name": result.written.case.name,
                "passed": result.passed,
                "differences": result.differences,
                "symptoms": [line(each) for each in result.found],
            }
            for result in self.results
        ]
        return {
            "files": [str(file) for file in self.files],
            "passed": self.passed,
            "cases": cases,
            "problems": [problem._asdict() for problem in self.problems],
            "untested": list(self.untested),
        }


def _run(files: Sequence[Path], rules: Sequence[Path]) -> Ran:
    from streams.rules.files import load_rules
    from streams.rules.yamlfiles import Problem
    from streams.trials.rulecases import read_cases
    from streams.trials.rulecases_run import run, unknown_rules

    ran = Ran(files)
    loaded: dict[tuple[Path, ...], RuleSet] = {}
    tested: set[str] = set()
    for file in files:
        tests, problems = read_cases(file)
        ran.problems += problems
        if tests is None:
            continue
        named = tuple(rules or tests.rules)
        if named not in loaded:
            loaded[named] = load_rules(named)
        for written in tests.cases:
            unknown = unknown_rules(written, loaded[named])
            ran.problems += unknown
            tested |= {expect.rule for expect in written.case.expect}
            if unknown:
                continue
            try:
                ran.results.append(run(written, loaded[named]))
            except ConfigError as error:
                ran.problems.append(Problem(error.file or str(file), error.line or written.line, error.key, error.what))
    ran.untested = dict.fromkeys(rule.id for found in loaded.values() for rule in found if rule.id not in tested)
    return ran
