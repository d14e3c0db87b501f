"""What a run of these tests is read for: its figures, seen with `pytest -s`."""

from __future__ import annotations


def say(text: str) -> None:
    """A line of figures."""
    print(text)  # noqa: T201 - meant to be read
