"""`vorab settings`: every setting, from the one table."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def settings(*, as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False) -> None:
    """Every setting with its environment variable, default and meaning.

    Example: `vorab settings | less`
    """
    from vorab import settings as module

    rows = list(module.table())
    if as_json:
        typer.echo(json.dumps([row.model_dump() for row in rows], indent=1))
        return
    width = max(len(row.key) for row in rows)
    for row in rows:
        typer.echo(f"{row.key:<{width}}  {row.about}" + (f"  (default {row.default})" if row.default else ""))
