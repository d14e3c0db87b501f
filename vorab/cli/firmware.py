"""`vorab firmware compare`: symptoms per device-day under two firmwares, with exact intervals."""

from __future__ import annotations

import bisect
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from vorab.cli.options import Config, Json, Log, StateDir
from vorab.cli.registry import records
from vorab.errors import EXIT_OK, EXIT_PROBLEMS, ConfigError

if TYPE_CHECKING:
    from vorab.clock import Micros
    from vorab.log import EventLog
    from vorab.rates import Ratio
    from vorab.records import Device, Facts

SIGNIFICANT: Final = 0.05
MOST_DAYS: Final = 28

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", help="Compare firmwares by their symptoms.")


@app.callback()
def firmware() -> None:
    """Compare firmwares by their symptoms."""


@dataclass(slots=True)
class Side:
    """One firmware."""

    firmware: str
    devices: set[str] = field(default_factory=set)
    affected: set[str] = field(default_factory=set)
    """Devices with a symptom."""
    days: float = 0.0
    symptoms: int = 0

    def json(self) -> dict[str, Any]:
        """As the command prints it."""
        from vorab.rates import mean_interval

        low, high = mean_interval(self.symptoms)
        per_day = [value / self.days for value in (self.symptoms, low, high)]
        return {
            "firmware": self.firmware, "devices": len(self.devices), "affected": len(self.affected), "device_days": round(self.days, 3),
            "symptoms": self.symptoms, "per_device_day": per_day[0], "low": per_day[1], "high": per_day[2],
        }  # fmt: skip


@app.command()
def compare(
    older: Annotated[str, typer.Argument(help="The firmware to compare with.")],
    newer: Annotated[str, typer.Argument(help="The firmware to judge.")],
    *,
    model: Annotated[str, typer.Option(help="Only devices of this model.")] = "",
    days: Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="So many days back.")] = MOST_DAYS,
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Compare symptoms per device-day under two firmwares; exit code 1 where the newer one is significantly worse.

    Examples:
        vorab firmware compare 4.2.0 4.2.1
        vorab firmware compare 4.2.0 4.2.1 --model heat-pump --days 7
    """
    from vorab import settings
    from vorab.clock import DAY, clock_from
    from vorab.log import open_log
    from vorab.rates import rate_ratio

    if older == newer:
        raise ConfigError("both are the same firmware", key="NEWER", hint="name two firmwares")
    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    until = clock_from(found.clock).now()
    with open_log(found.log_address, read_only=True) as opened:
        first, second = sides(opened, (older, newer), model, until - days * DAY, until)
    for side in (first, second):
        if side.days <= 0:
            of = f" of the model {model}" if model else ""
            raise ConfigError(f"no device{of} says that it runs {side.firmware}", key="FIRMWARE", hint="`vorab devices export` shows them")
    ratio = rate_ratio(first.symptoms, first.days, second.symptoms, second.days)
    worse = ratio.p < SIGNIFICANT and ratio.ratio > 1
    if as_json:
        told = {"ratio": _number(ratio.ratio), "low": ratio.low, "high": _number(ratio.high), "p": ratio.p, "worse": worse}
        typer.echo(json.dumps({"older": first.json(), "newer": second.json(), **told}))
    else:
        for side in (first, second):
            typer.echo(_line(side.json()))
        typer.echo(sentence(older, newer, ratio))
    raise typer.Exit(EXIT_PROBLEMS if worse else EXIT_OK)


def sentence(older: str, newer: str, ratio: Ratio) -> str:
    """What comes of it, in words."""
    if math.isnan(ratio.ratio):
        return f"Neither {older} nor {newer} had a symptom."
    times = f"{ratio.ratio:.2f} times" if math.isfinite(ratio.ratio) else "infinitely"
    figures = f"{times} as many symptoms per device-day, 95 % between {ratio.low:.2f} and {ratio.high:.2f}, p = {ratio.p:.2g}"
    if ratio.p >= SIGNIFICANT:
        return f"No difference between {older} and {newer} is proven: {figures}."
    return f"{newer} is {'worse' if ratio.ratio > 1 else 'better'} than {older}: {figures}."


def sides(log: EventLog, firmwares: tuple[str, str], model: str, since: Micros, until: Micros) -> tuple[Side, Side]:
    """Exposure and symptoms of two firmwares from `since` up to, not at, `until` (µs); recorded devices are left out."""
    from vorab.clock import DAY
    from vorab.records import Symptom, SymptomState
    from vorab.topics import SYMPTOMS

    first, second = Side(firmwares[0]), Side(firmwares[1])
    by_name = {side.firmware: side for side in (first, second)}
    histories = _histories(log, model)
    for key, history in histories.items():
        for (at, name), end in zip(history, [*(at for at, _ in history[1:]), until], strict=True):
            length = min(end, until) - max(at, since)
            if name in by_name and length > 0:
                by_name[name].days += length / DAY
                by_name[name].devices.add(key)
    seen: set[str] = set()
    for record in records(log, SYMPTOMS):
        if not isinstance(record, Symptom) or record.state is not SymptomState.RAISED or record.id in seen:
            continue
        seen.add(record.id)
        history = histories.get(record.key, [])
        place = bisect.bisect_right(history, record.onset, key=lambda entry: entry[0])
        side = by_name.get(history[place - 1][1]) if place else None
        if side is not None and since <= record.onset < until:
            side.symptoms += 1
            side.affected.add(record.key)
    return first, second


def _histories(log: EventLog, model: str) -> dict[str, list[tuple[Micros, str]]]:
    """Per device since when it runs what, as far as the log remembers; the registry goes before what devices say."""
    from vorab.records import Device, Facts
    from vorab.topics import DEVICES, FACTS, RECORDED_TENANT

    told: dict[str, list[Facts]] = {}
    kept: dict[str, list[Device]] = {}
    for record in records(log, FACTS):
        if isinstance(record, Facts) and record.tenant != RECORDED_TENANT:
            told.setdefault(record.key, []).append(record)
    for record in records(log, DEVICES):
        if isinstance(record, Device) and record.tenant != RECORDED_TENANT:
            kept.setdefault(record.key, []).append(record)
    found = {}
    for key in {*told, *kept}:
        registry, facts = kept.get(key, []), told.get(key, [])
        models = [each for each in (*(entry.model for entry in facts), *(entry.model for entry in registry)) if each]
        if not model or (models and models[-1] == model):
            found[key] = _history(registry if registry and registry[-1].firmware else facts)
    return found


def _history(entries: list[Device] | list[Facts]) -> list[tuple[Micros, str]]:
    history: list[tuple[Micros, str]] = []
    for at, name in sorted((entry.at, entry.firmware) for entry in entries if entry.firmware):
        if not history or history[-1][1] != name:
            history.append((at, name))
    return history


def _line(side: dict[str, Any]) -> str:
    return (
        f"{side['firmware']}: {side['symptoms']} symptoms on {side['affected']} of {side['devices']} devices in {side['device_days']:.1f} "
        f"device-days: {side['per_device_day']:.4f} a device-day (95 %: {side['low']:.4f} to {side['high']:.4f})"
    )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
