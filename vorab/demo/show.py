"""The demo in the terminal: a beat a line, as they happen, and the sum at the end."""

from __future__ import annotations

from typing import Any, Protocol

from rich.console import Console
from rich.table import Table

from vorab.demo.beats import Beat, Facts


class Show(Protocol):
    """Who tells the night."""

    def begin(self, url: str, promise: str) -> None:
        """The stage is set."""

    def tell(self, beat: Beat, facts: Facts) -> None:
        """A beat has come true."""

    def end(self, result: dict[str, Any]) -> None:
        """The sum."""


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
        self._console.print(f"       [dim]{promise}[/dim]\n")

    def tell(self, beat: Beat, facts: Facts) -> None:
        """A line."""
        time = facts.clock_time(min(facts.night.clock.now(), facts.end))
        self._console.print(f"[dim]{time}[/dim]  [bold]{beat.title:<10}[/bold]  {beat.text}", soft_wrap=True)

    def end(self, result: dict[str, Any]) -> None:
        """The figures, what did not come true, and where to go on."""
        total = result["sum"]
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        reasons = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in total["not_sent"].items()) or "none"
        for name, value in (
            ("readings", f"{total['readings']:,} live, {total['recorded_readings']:,} recorded"),
            ("symptoms", f"{total['symptoms']} live, {total['recorded_symptoms']} recorded"),
            ("healed asleep", total["healed_asleep"]),
            ("not sent", f"{sum(total['not_sent'].values())} ({reasons})"),
            ("sent", total["sent"]),
            ("people needed", total["people_needed"]),
            ("publish to symptom", f"p50 {total['publish_to_symptom_p50_ms']} ms, p99 {total['publish_to_symptom_p99_ms']} ms"),
            ("errors, crashes, refused", f"{result['log_errors']}, {result['unexpected_exits']}, {result['rejections']}"),
            ("start, first symptom", f"{result['start_s']} s, {result['first_symptom_s']} s"),
        ):
            table.add_row(f"[dim]{name}[/dim]", str(value))
        self._console.print()
        self._console.print(table)
        for beat in result["beats"]:
            if not beat["ok"]:
                self._console.print(f"[red]✗ {beat['name']}[/red]: {beat['text']}")
        if total["why"]:
            self._console.print(f"\nAsk why:  [bold]{total['why']} --state-dir {result['state_dir']}[/bold]\n", soft_wrap=True)
