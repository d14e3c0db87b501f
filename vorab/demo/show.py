"""The demo in the terminal: a beat a line, as they happen, and the sum at the end."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape

from vorab.demo.beats import Beat, Facts, many


class Show(Protocol):
    """Who tells the night."""

    def begin(self, url: str, promise: str) -> None:
        """The stage is set."""

    def tell(self, beat: Beat, facts: Facts) -> None:
        """A beat has come true."""

    def end(self, result: dict[str, Any]) -> None:
        """The sum."""


def called(argv0: str, found: str | None) -> str:
    """How to call vorab again, as it was called now: `argv0` is what was started, `found` is the vorab on the PATH, if there is one."""
    if Path(argv0).name == "__main__.py":
        return f"{shlex.quote(_near(sys.executable))} -m vorab"
    if found and Path(found).resolve() == Path(argv0).resolve():
        return "vorab"
    return shlex.quote(_near(argv0))


def _near(path: str) -> str:
    # No resolve: the Python of a virtual environment is a link.
    absolute = Path.cwd() / path
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(absolute)


class _Quiet:
    def begin(self, url: str, promise: str) -> None:
        """Say nothing."""

    def tell(self, beat: Beat, facts: Facts) -> None:
        """Say nothing."""

    def end(self, result: dict[str, Any]) -> None:
        """Say nothing."""


def quiet() -> Show:
    """For machines, who read the JSON."""
    return _Quiet()


class Teller:
    """For people."""

    def __init__(self, seconds: float) -> None:
        self._console = Console(highlight=False)
        self._seconds = seconds

    def begin(self, url: str, promise: str) -> None:
        """Where to look."""
        self._console.print(f"\n[bold]vorab[/bold]  one night, 22:00 to 07:30, in {self._seconds:g} seconds")
        self._console.print(f"       watch it at [link={url}]{url}[/link]")
        self._console.print(f"       [dim]{escape(promise)}[/dim]\n", soft_wrap=True)

    def tell(self, beat: Beat, facts: Facts) -> None:
        """A line."""
        # The verdict on the kill comes last; the kill itself was earlier.
        at = facts.kill.story_at if beat.name == "kill" else min(facts.night.clock.now(), facts.end)
        self._console.print(f"[dim]{facts.clock_time(at)}[/dim]  [bold]{beat.title:<10}[/bold]  {escape(beat.text)}", soft_wrap=True)

    def end(self, result: dict[str, Any]) -> None:
        """The figures, what did not come true, and where to go on."""
        total = result["sum"]
        reasons = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in total["not_sent"].items()) or "none"
        calm = f"p50 {total['publish_to_symptom_p50_undisturbed_ms']} ms, p99 {total['publish_to_symptom_p99_undisturbed_ms']} ms"
        rows = (
            ("readings", f"{total['readings']:,} live, {total['recorded_readings']:,} recorded"),
            ("symptoms", f"{total['symptoms']} live, {total['recorded_symptoms']} recorded"),
            ("healed asleep", total["healed_asleep"]),
            ("not sent", f"{sum(total['not_sent'].values())} ({reasons})"),
            ("sent", total["sent"]),
            ("for a person", many(total["people_needed"], "case")),
            ("publish to symptom", calm),
            ("with the kill", f"p50 {total['publish_to_symptom_p50_ms']} ms, p99 {total['publish_to_symptom_p99_ms']} ms"),
            ("errors, crashes, refused", f"{result['log_errors']}, {result['unexpected_exits']}, {result['rejections']}"),
            ("start, first symptom", f"{result['start_s']} s, {result['first_symptom_s']} s"),
        )
        width = max(len(name) for name, _ in rows)
        self._console.print()
        for name, value in rows:
            self._console.print(f"[dim]{name:<{width}}[/dim]  {value}", soft_wrap=True)
        for beat in result["beats"]:
            if not beat["ok"]:
                self._console.print(f"[red]✗ {beat['name']}[/red]: {escape(beat['text'])}", soft_wrap=True)
        if total["why"]:
            command = total["why"].removeprefix("vorab")
            again = f"{called(sys.argv[0], shutil.which('vorab'))}{command} --state-dir {shlex.quote(str(result['state_dir']))}"
            self._console.print(f"\nAsk why:  [bold]{escape(again)}[/bold]\n", soft_wrap=True)
