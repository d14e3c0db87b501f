"""`vorab rules backtest`: what rules would have found in the log or in CSV files, and who would have been told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vorab.cli.options import Config, Log, StateDir
from vorab.cli.progress import progress
from vorab.cli.rules_ran import Ran
from vorab.clock import Micros, clock_from
from vorab.errors import ConfigError
from vorab.records import Customer, Device

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from streams.hosts.registry import Tables
    from streams.rules.ruleset import RuleSet
    from vorab.log import EventLog, Position
    from vorab.registry.sorting import Progress
    from vorab.settings import Settings


@dataclass(frozen=True, slots=True)
class Source:
    """What is read, and how."""

    files: Sequence[Path]
    since: Micros | None
    until: Micros | None
    zone: tzinfo
    device: str
    signal: str


def backtest(
    rules: Annotated[list[Path] | None, typer.Argument(help="Rule files or folders.", show_default="those of the settings")] = None,
    *,
    csv: Annotated[list[Path] | None, typer.Option(help="CSV file instead of the log, plain or .gz; may be repeated.")] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            help="Rules in force to compare with; may be repeated.", show_default="those the settings name, where RULES are given"
        ),
    ] = None,
    since: Annotated[str, typer.Option("--from", help="Only what was detected from this time on; rules learn from what came before.")] = "",
    until: Annotated[str, typer.Option("--to", help="Read no further than this time.")] = "",
    zone: Annotated[
        str,
        typer.Option(help="Zone of times that name none, and of customers nobody knows.", show_default="UTC; Europe/Berlin for customers"),
    ] = "",
    devices: Annotated[Path | None, typer.Option(help="Devices as `vorab devices export` writes them.")] = None,
    customers: Annotated[Path | None, typer.Option(help="Customers as `vorab customers export` writes them.")] = None,
    model: Annotated[str, typer.Option(help="Model of devices that the registry does not know.")] = "",
    device: Annotated[str, typer.Option(help="Device of files without a device column.", show_default="the file's name")] = "",
    signal: Annotated[str, typer.Option(help="Signal of files with the one column `value`.")] = "value",
    summary: Annotated[bool, typer.Option("--summary", help="Only the figures.")] = False,
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as a last JSON line, nothing on standard error.")] = False,
) -> None:
    """Run rules over the log or over CSV files: a JSON line per symptom, then the figures on standard error.

    CSV is `timestamp,device,signal,value`, or `timestamp` (and `device`) and a column per signal; times are ISO 8601 or seconds or
    milliseconds since 1970. A row that cannot be read is told with file and line, and the others count.

    Nobody is told anything and nothing is written. Over the log, the outcome is what a live run of the same records writes.

    Examples:
        vorab rules backtest my-rules/ --from 2026-11-20T00:00:00Z
        vorab rules backtest new.yaml --against old.yaml --csv week.csv --model pump
        vorab rules backtest my-rules/ --csv pump-7.csv.gz --zone Europe/Berlin --json > found.jsonl
    """
    from streams.cases.remedies import load_policy
    from streams.rules.files import load_rules
    from streams.trials.sums import outcome
    from streams.trials.told import House
    from vorab import settings
    from vorab.cli.rules_tell import figures, lines, notes, table
    from vorab.records import Customer as Someone

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    named = _zone(zone or "UTC")
    source = Source(csv or [], _moment(since, "--from", named), _moment(until, "--to", named), named, device, signal)
    force: list[str | Path] = [*(against or (found.streams.rules if rules else []))]
    sets = [load_rules([*(rules or found.streams.rules)]), *([load_rules(force)] if force else [])]
    registry = _registry(found, devices, customers, model, from_log=not source.files or log is not None, in_order=bool(source.files))
    with progress(quiet=as_json) as tell:
        ran = (_over_files if source.files else _over_log)(sets, registry, source, found, tell)
    nights = _zone(zone or Someone.model_fields["time_zone"].default)
    everyone = bool(source.files) and not any(entry.customer for entry in registry.devices.values())
    house = House(load_policy(found.streams.remedies), registry, lambda name: _zone(name) if name else nights, everyone)
    whole = [outcome(each, symptoms, house, ran.end) for each, symptoms in zip(sets, ran.symptoms, strict=True)]
    outcomes = [each.within(source.since, source.until) for each in whole]
    if not summary:
        for line in lines(outcomes):
            typer.echo(json.dumps(line, ensure_ascii=False))
    said = figures(outcomes, ran, each_device_a_customer=everyone)
    told = notes(outcomes[0].rules, ran, registry)
    if as_json:
        typer.echo(json.dumps({"summary": {**said, "notes": told}}, ensure_ascii=False))
        return
    for text in (*table(said), *(f"note: {note}" for note in told)):
        typer.echo(text, err=True)


def _over_files(sets: Sequence[RuleSet], registry: Tables, source: Source, _: Settings, tell: Progress) -> Ran:
    from streams.trials.backtest import Play, play
    from streams.trials.csvfiles import Words, read_csv
    from streams.trials.csvframes import ordered

    words = Words(source.zone, source.device, source.signal)
    recording = read_csv(source.files, words, lambda done, total: tell("reading", done, total))
    ran = Ran([], bad=recording.bad, bad_rows=recording.bad_rows, repeats=ordered(recording))
    if source.until is not None:
        recording.keep(recording.at < source.until)
    if len(recording):
        ran.first, ran.end, ran.readings = int(recording.at[0]), int(recording.at[-1]), len(recording)
    ran.devices, ran.signals = recording.devices, recording.signals
    plays = [Play(rules, registry) for rules in sets]
    done = 0

    def played(rows: int) -> None:
        nonlocal done
        done += rows
        tell("judging", done, len(recording))

    play(recording, plays, progress=played)
    ran.symptoms = [each.symptoms for each in plays]
    return ran


def _over_log(sets: Sequence[RuleSet], registry: Tables, source: Source, settings: Settings, tell: Progress) -> Ran:
    from streams.detect.processor import detect_kind
    from streams.hosts.instance import Layout
    from streams.hosts.replay import Replay
    from streams.trials.backtest import silence_limits
    from vorab.clock import SECOND
    from vorab.log import open_log
    from vorab.provision import renamed, renames
    from vorab.topics import READINGS

    with open_log(settings.log_address, read_only=True) as log:
        partitions = log.partitions(renamed(settings, READINGS))
        layout = Layout(lambda _: partitions, settings.topics.recorded_partitions, renames(settings))
        grace = round(settings.streams.grace_s * SECOND)
        tick = int(settings.ingest.tick_s * clock_from(settings.clock).speed * SECOND)
        replay = Replay(log, [detect_kind(rules, grace) for rules in sets], registry, layout, limits=silence_limits(*sets), tick=tick)
        begins, ends = replay.places()
        if source.until is not None:
            ends = _ends_at(log, begins, ends, source.until)
        for done, total in replay.run(begins, ends):
            tell("judging", done, total)
    return Ran(replay.symptoms(), first=max(replay.first, 0), end=max(replay.now, 0), readings=replay.rows, devices=sorted(replay.devices))


def _ends_at(log: EventLog, begins: dict[Position, int], ends: dict[Position, int], until: Micros) -> dict[Position, int]:
    from streams.hosts.replay import offset_at

    return {place: offset_at(log, place, until, begins[place], end) for place, end in ends.items()}


def _registry(settings: Settings, devices: Path | None, customers: Path | None, model: str, *, from_log: bool, in_order: bool) -> Tables:
    from streams.hosts.registry import Assumed
    from vorab.cli.registry import latest
    from vorab.cli.registry_import import read_all
    from vorab.records import Site
    from vorab.registry import kinds
    from vorab.topics import CUSTOMERS, DEVICES, SITES

    some: list[Device] = []
    people: list[Customer] = []
    if devices is not None:
        some = read_all(kinds.DEVICES, devices)
    elif from_log:
        some = [each for each in latest(settings, DEVICES).values() if isinstance(each, Device)]
    if customers is not None:
        people = read_all(kinds.CUSTOMERS, customers)
    elif from_log:
        people = [each for each in latest(settings, CUSTOMERS).values() if isinstance(each, Customer)]
    if in_order:
        # A recording is read in the order of time: nothing waits for what was measured before.
        some = [each.model_copy(update={"grace_s": None}) for each in some]
    sites = [each for each in latest(settings, SITES).values() if isinstance(each, Site)] if from_log else []
    return Assumed(some, people, model, sites)


def _moment(text: str, option: str, zone: tzinfo) -> Micros | None:
    from streams.trials.csvcells import parse_time

    if not text:
        return None
    try:
        return parse_time(text, zone)
    except ValueError as error:
        raise ConfigError(str(error), key=option, hint="for example 2026-11-23T22:00:00Z") from None


def _zone(name: str) -> ZoneInfo:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigError(f"there is no time zone {name!r}", key="--zone", hint="for example Europe/Berlin") from None
