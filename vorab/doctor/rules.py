"""Rules, remedies and the care file: can they be read as the stages will read them?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vorab import pipeline
from vorab.doctor import Finding, Verdict, ok, problem
from vorab.errors import ConfigError
from vorab.settings import Settings

READERS: Final = {"rules": "detect", "remedies": "permits", "care": "cases"}
"""What is read, and the processor that reads it."""


def examine(settings: Settings) -> Sequence[Finding]:
    """Load them; the first mistake of each is a problem."""
    care = [settings.streams.care] if settings.streams.care else []
    named = {"rules": settings.streams.rules, "remedies": settings.streams.remedies, "care": care}
    found = [_examine(about, reader, named[about], settings) for about, reader in READERS.items()]
    # Who reads the care file reads the remedies first: a mistake in them is told once.
    return found[:-1] if found[1].verdict is Verdict.PROBLEM else found


def _examine(about: str, reader: str, files: Sequence[str], settings: Settings) -> Finding:
    try:
        pipeline.kinds(settings, [reader])
    except ConfigError as error:
        place = f"{error.file}:{error.line}" if error.line else error.file or error.key
        return problem(about, f"{error.what} at {place}" if place else error.what, error.hint or f"set [streams] {about}")
    return ok(about, f"{', '.join(files) or 'those that come with vorab'}: no mistakes")
