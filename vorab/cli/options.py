"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

Config = Annotated[Path | None, typer.Option(help="Settings file.", show_default="vorab.toml")]
Log = Annotated[str | None, typer.Option(help="sqlite:///PATH or kafka://HOST:PORT.", show_default="the setting log")]
StateDir = Annotated[str | None, typer.Option(help="Folder for what vorab keeps.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Form = Annotated[str, typer.Option("--format", help="yaml, json, jsonl or csv")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything and say what would change; write nothing.")]
Partial = Annotated[bool, typer.Option("--partial", help="Write the rows that are right, whatever is wrong with others; ends with 1.")]
By = Annotated[str, typer.Option(help="Your role or a short id, never a name: it stands on the log.")]
Tenant = Annotated[str, typer.Option(help="Whose devices.")]

OPERATIONS: Final = "operations"
"""Who says something by command, unless they say so."""
