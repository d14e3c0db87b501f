"""How the registry commands speak: entries, changes, mistakes, progress."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from vorab.registry.mistakes import MOST_SAID
from vorab.registry.sorting import Changes


def say_entry(values: Mapping[str, Any], *, as_json: bool) -> None:
    """Show one entry: a line a value, or one JSON document."""
    if as_json:
        typer.echo(json.dumps(values, ensure_ascii=False))
        return
    for name, value in values.items():
        typer.echo(f"{name:<14} {json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value}")


def say_notes(notes: Sequence[str]) -> None:
    """What is no mistake but worth knowing, on standard error."""
    for text in notes[:MOST_SAID]:
        typer.echo(f"note: {text}", err=True)
    if len(notes) > MOST_SAID:
        typer.echo(f"note: … and {len(notes) - MOST_SAID} more; --json lists all", err=True)


def say_changes(found: Changes, reached: Mapping[str, Sequence[str]]) -> None:
    """What is new and what becomes another, a line each; `reached`: what of a person is another one, by key."""
    lines = [f"+ {entry.key}" for entry in found.new]
    for entry, fields in found.changed:
        said = [f"{name} {_short(old)} → {_short(new)}" for name, (old, new) in fields.items()]
        lines.append(f"~ {entry.key}: {', '.join((*said, *reached.get(entry.key, ())))}")
    told = {entry.key for entry in found.entries}
    lines += [f"~ {key}: {', '.join(names)}" for key, names in reached.items() if key not in told]
    for line in lines[:MOST_SAID]:
        typer.echo(line)
    if len(lines) > MOST_SAID:
        typer.echo(f"… and {len(lines) - MOST_SAID} more; --json lists all")


def changes_json(found: Changes) -> dict[str, Any]:
    """The same for machines."""
    changed = {entry.key: {name: {"old": old, "new": new} for name, (old, new) in fields.items()} for entry, fields in found.changed}
    return {"new": [entry.key for entry in found.new], "changed": changed, "unchanged": found.unchanged}


def _short(value: object) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return text if len(text) <= 40 else text[:39] + "…"


def count(number: int, thing: str) -> str:
    """`1 device`, `2 devices`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
