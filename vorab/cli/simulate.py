"""`vorab simulate` and `vorab replay`: machines and recordings over MQTT, for a first look, demonstrations and tests."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from vorab.fleet.connection import Broker
    from vorab.fleet.run import Fleet

RECORDED: Final = "recorded/{device}/telemetry"
UNHEARD: Final = """warning: a vorab with these settings does not listen to recorded/…: topics.recorded_partitions is 0
  set it to 1 or more in vorab.toml and begin with a new log, or name another topic with --topic"""


class Plan(StrEnum):
    """Which faults."""

    STORY = "story"
    RANDOM = "random"
    TRIAL = "trial"
    NONE = "none"


Host = Annotated[str | None, typer.Option(help="MQTT broker; default: the setting mqtt.host.")]
Port = Annotated[int | None, typer.Option(help="Its port; default: mqtt.port.")]
Protocol = Annotated[str | None, typer.Option(help="MQTT version, 5 or 3.1.1; default: mqtt.protocol.")]
Qos = Annotated[int, typer.Option(min=0, max=1, help="Quality of service of the telemetry.")]
Json = Annotated[bool, typer.Option("--json", help="The counts at the end as one JSON line.")]
Config = Annotated[Path | None, typer.Option(help="Settings file.")]


def simulate(
    *,
    machines: Annotated[int, typer.Option(min=1, help="How many: pumps, printers and heat pumps.")] = 200,
    plan: Annotated[
        Plan,
        typer.Option(help="Faults: the night of the demo, at random over --hours, a trial of remedies (all break), or none."),
    ] = Plan.RANDOM,
    seed: Annotated[int, typer.Option(help="Same seed, same fleet.")] = 0,
    period_s: Annotated[float, typer.Option(min=0.001, help="Seconds between two readings of a machine, on the clock.")] = 300.0,
    hours: Annotated[
        float | None, typer.Option(min=0.01, help="End after so many hours on the clock.", show_default="24; the story: 9.5")
    ] = None,
    tenant: Annotated[str, typer.Option(help="The tenant in the topics.")] = "main",
    qos: Qos = 1,
    boot: Annotated[int | None, typer.Option(help="First boot number; default: seconds of the clock.")] = None,
    client_id: Annotated[str, typer.Option(help="Beginning of the client ids.")] = "vorab-fleet",
    ledger: Annotated[
        Path | None, typer.Option(help="Write a JSON line for each reading published and acknowledged, fault and command.")
    ] = None,
    status_file: Annotated[Path | None, typer.Option(help="Keep live counts in this file.")] = None,
    host: Host = None,
    port: Port = None,
    protocol: Protocol = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Publish simulated machines over MQTT until Ctrl-C or the end.

    They have hidden state, break in fourteen ways, and answer `restart` and `self_test` on their command topics.
    The setting `clock` (VORAB_CLOCK) makes them run on story time.

    Example: `vorab simulate --machines 20 --period-s 1`
    """
    from vorab import settings as module
    from vorab.clock import HOUR, SECOND, StoryClock, clock_from
    from vorab.fleet import registry, story, trial
    from vorab.fleet.faults import plan as random_plan
    from vorab.fleet.layout import Options
    from vorab.fleet.ledger import Ledger
    from vorab.fleet.run import Fleet

    settings = module.load(config, overrides={"mqtt.host": host, "mqtt.port": port, "mqtt.protocol": protocol})
    clock = clock_from(settings.clock)
    start = clock.start if isinstance(clock, StoryClock) else clock.now()
    night = story.NIGHT if plan is Plan.STORY else 24 * HOUR
    end = start + (night if hours is None else int(hours * HOUR))
    fleet_of, parents = registry.machines(machines), dict[str, str]()
    match plan:
        case Plan.STORY:
            planned = story.story(start, fleet_of)
        case Plan.RANDOM:
            planned = random_plan(seed, start, end, fleet_of)
        case Plan.TRIAL:
            tried = trial.trial(machines, seed=seed, start=start)
            fleet_of, parents, planned = dict(tried.machines), dict(tried.parents), list(tried.plan)
            end = start + (trial.LASTS if hours is None else int(hours * HOUR))
        case Plan.NONE:
            planned = []
    options = Options(
        machines=fleet_of,
        plan=planned,
        parents=parents,
        gateways=max(4, len(fleet_of) // 100),
        seed=seed,
        tenant=tenant,
        period=int(period_s * SECOND),
        qos=qos,
        own_connections=frozenset(story.HOMES) if plan is Plan.STORY else frozenset(),
        boot=boot,
        client_id=client_id,
        start=start,
        end=end,
        status_file=status_file,
    )
    fleet = Fleet(options, _broker(settings.mqtt), clock, Ledger(ledger))
    with _stopping() as stop, _watching(fleet, quiet=as_json):
        counts = fleet.run(stop)
    if as_json:
        typer.echo(json.dumps(counts))
    else:
        typer.echo(
            f"{counts['published']} readings of {counts['machines']} machines published, {counts['acked']} acknowledged by the broker, "
            f"{counts['resent']} resent, {counts['overflowed']} dropped; {counts['faults']} faults, {counts['healed']} healed by a restart"
        )


def replay(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="CSV, plain or .gz.")],
    *,
    seconds: Annotated[float, typer.Option(min=0.0, help="How long the recording takes to go by.")] = 60.0,
    device: Annotated[
        list[str] | None, typer.Option(help="Device id of each file without a device column; default: the file's name.")
    ] = None,
    signal_name: Annotated[list[str] | None, typer.Option("--signal", help="Signal of each file with a single value column.")] = None,
    topic: Annotated[str, typer.Option(help="MQTT topic with {device}.")] = RECORDED,
    batch: Annotated[int, typer.Option(min=1, max=256, help="Readings in a row of one device that travel in one message.")] = 1,
    qos: Qos = 1,
    host: Host = None,
    port: Port = None,
    protocol: Protocol = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Publish recorded CSV files over MQTT in time-lapse; the readings keep their own time.

    The header is `timestamp,value`, or `timestamp,device,signal,value`, or `timestamp` and a column per signal.
    Times without a zone are UTC. Several files run side by side.

    Example: `vorab replay pump.csv --device pump-7 --signal temperature --seconds 30`
    """
    from vorab import settings as module
    from vorab.errors import EXIT_PROBLEMS, ConfigError
    from vorab.fleet.replay import Replay
    from vorab.fleet.series import Series

    devices, signals = device or [], signal_name or []
    if len(devices) > len(files) or len(signals) > len(files):
        raise ConfigError("more --device or --signal than files", key="--device", hint="one for each file, in their order")
    series = [
        Series(path, devices[i] if i < len(devices) else "", signals[i] if i < len(signals) else "value") for i, path in enumerate(files)
    ]
    settings = module.load(config, overrides={"mqtt.host": host, "mqtt.port": port, "mqtt.protocol": protocol})
    if topic == RECORDED and not settings.topics.recorded_partitions:
        typer.echo(UNHEARD, err=True)
    run = Replay(
        series, _broker(settings.mqtt), seconds=seconds, topic=topic, qos=qos, client_id=f"vorab-replay-{os.getpid()}", batch=batch
    )
    with _stopping() as stop, _progress(run.count, quiet=as_json) as progress:
        report = run.run(stop, progress=progress)
    if as_json:
        typer.echo(json.dumps(asdict(report)))
    else:
        typer.echo(
            f"{report.published} of {report.readings} readings, {report.days:.1f} days in {report.seconds:.1f} s, "
            f"{report.acked} acknowledged by the broker"
        )
    if report.acked < report.published:
        raise typer.Exit(EXIT_PROBLEMS)


def _broker(mqtt: Any) -> Broker:
    from vorab.fleet.connection import Broker

    return Broker(
        host=mqtt.host,
        port=mqtt.port,
        protocol=mqtt.protocol,
        username=mqtt.username,
        password=mqtt.password.get_secret_value(),
        ca_file=mqtt.ca_file,
        cert_file=mqtt.cert_file,
        key_file=mqtt.key_file,
        keepalive_s=mqtt.keepalive_s,
    )


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _watching(fleet: Fleet, *, quiet: bool) -> Iterator[None]:
    """On a terminal: a line that lives."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.live import Live

    from vorab.clock import to_datetime

    def line() -> str:
        counts = fleet.counts()
        return (
            f"{to_datetime(fleet.clock.now()):%H:%M} UTC  {counts['machines']} machines  "
            f"connections {counts['online']}/{counts['connections']}  published {counts['published']}  acknowledged {counts['acked']}  "
            f"faults {counts['faults']}  healed {counts['healed']}"
        )

    with Live(get_renderable=line, console=Console(stderr=True), refresh_per_second=4, transient=True):
        yield


@contextmanager
def _progress(total: int, *, quiet: bool) -> Iterator[Any]:
    """On a terminal: a bar with the recorded time."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from vorab.clock import to_datetime

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done, reading: bar.update(task, completed=done, description=f"{to_datetime(reading.at):%Y-%m-%d}")
