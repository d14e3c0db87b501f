"""`vorab understand`: what a customer's reply is taken for, and why."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from vorab.clock import SystemClock, iso
from vorab.errors import ConfigError


def understand(
    text: Annotated[str, typer.Argument(help="The reply, as it came.")],
    *,
    language: Annotated[str, typer.Option(help="What the customer is written to in, de or en; both are always read.")] = "",
    zone: Annotated[str, typer.Option(help="The customer's time zone, for times that are named.")] = "Europe/Berlin",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show intent, confidence, flags, who answers, the time that was named, and which words decided.

    Examples:
        vorab understand "Bitte rufen Sie mich morgen um fünf an"
        vorab understand "Who pays for this?" --json
    """
    from vorab.understanding import recogniser

    if language not in {"", "de", "en"}:
        raise ConfigError(f"replies are not understood in {language!r}", key="--language", hint="it may be de or en")
    found = recogniser().understand(text, language, SystemClock().now(), zone)
    if as_json:
        typer.echo(json.dumps(found.plain(), ensure_ascii=False))
        return
    rows = {
        "intent": found.intent,
        "confidence": f"{found.confidence:.2f}",
        "flags": ", ".join(found.flags) or "none",
        "route": found.route,
        "wished": f"{iso(found.wished.start)} to {iso(found.wished.end)}" if found.wished else "",
    }
    for name, value in rows.items():
        if value:
            typer.echo(f"{name:12}{value}")
    for number, each in enumerate(found.why):
        typer.echo(f"{'' if number else 'why':12}{each}")
