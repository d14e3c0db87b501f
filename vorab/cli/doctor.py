"""`vorab doctor`: look at everything vorab needs, and say what to fix."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vorab.errors import EXIT_OK, EXIT_PROBLEMS

if TYPE_CHECKING:
    from vorab.doctor import Finding


def doctor(
    *,
    config: Annotated[Path | None, typer.Option(help="Settings file.", show_default="vorab.toml")] = None,
    log: Annotated[str | None, typer.Option(help="sqlite:///PATH or kafka://HOST:PORT.", show_default="the setting log")] = None,
    mqtt: Annotated[str | None, typer.Option(help="MQTT broker, HOST:PORT.", show_default="the section mqtt")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Check brokers, topics, versions, libraries, folders, rules and ports; changes nothing. Ends with 1 where there is a problem.

    Examples:
        vorab doctor
        vorab doctor --log kafka://127.0.0.1:9092 --json
    """
    from vorab import doctor as looks
    from vorab import settings

    overrides: dict[str, object] = {"log": log}
    if mqtt:
        host, _, port = mqtt.rpartition(":")
        overrides |= {"mqtt.host": host, "mqtt.port": port}
    found = settings.load(config, overrides=overrides)
    findings = []
    for finding in looks.diagnose(found):
        findings.append(finding)
        if not as_json:
            _say(finding)
    sick = any(finding.verdict is looks.Verdict.PROBLEM for finding in findings)
    if as_json:
        typer.echo(json.dumps({"ok": not sick, "findings": [asdict(finding) for finding in findings]}, indent=1))
    elif not sick:
        typer.echo("no problems")
    raise typer.Exit(EXIT_PROBLEMS if sick else EXIT_OK)


def _say(finding: Finding) -> None:
    from vorab.doctor import Verdict

    colour = {Verdict.OK: typer.colors.GREEN, Verdict.NOTE: typer.colors.YELLOW, Verdict.PROBLEM: typer.colors.RED}
    verdict = typer.style(f"{finding.verdict:<8}", fg=colour[finding.verdict])
    typer.echo(f"{verdict}{finding.about:<10} {finding.says}")
    if finding.do:
        typer.echo(f"{'':<19}→ {finding.do}")
