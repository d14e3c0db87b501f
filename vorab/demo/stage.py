"""Sets the stage of the demo: folder, settings, registry, people, and the processes that play."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from vorab import topics
from vorab.clock import HOUR, SECOND, Micros, StoryClock, parse_iso
from vorab.demo.beats import Recorded, Window
from vorab.demo.broker import Broker
from vorab.fleet import registry
from vorab.log import EventLog, Outgoing, append_all
from vorab.records import Channel, Device, Record, to_wire

NIGHT_S = 9.5 * 3600
EVENING = "22:00:00"
ZONE = "Europe/Berlin"
DATE = "2026-11-23"
PARTITIONS = 2
RECORDED_PARTITIONS = 3
# On the wall: at 570 times the speed a tick each 50 ms is one each half minute of the story.
TICK_S = 0.05
LINGER_MS = 40
"""In the story a third of a minute: a message waits for others as long as it would at the usual speed beside thousands of devices."""
PERIOD_S = 300.0
BATCH = 12
"""Recorded readings in one message: an hour of them. The pip-only broker carries about 2,000 messages a second, for everybody."""


@dataclass(frozen=True, slots=True)
class Series:
    """A recorded series as the demo plays it."""

    file: str
    device: str
    model: str
    title: str
    signal: str


SERIES = (
    Series("machine_temperature_system_failure.csv.gz", "machine-1", "industrial-machine", "Industrial machine, 2013–14", "temperature"),
    Series("ambient_temperature_system_failure.csv.gz", "office-1", "office", "Office, 2013–14", "temperature"),
    Series("ec2_request_latency_system_failure.csv.gz", "server-1", "server", "Server, 2014", "latency"),
)


def night_clock(seconds: float, origin: Micros) -> StoryClock:
    """22:00 to 07:30 in so many seconds, beginning when the wall says `origin`."""
    return StoryClock(parse_iso(f"{DATE}T{EVENING}+01:00"), NIGHT_S / seconds, origin)


def morning_of(clock: StoryClock) -> Micros:
    """07:00 of the story."""
    return clock.start + 9 * HOUR


def end_of(clock: StoryClock) -> Micros:
    """07:30 of the story."""
    return clock.start + int(NIGHT_S * SECOND)


def calm_until(clock: StoryClock) -> Micros:
    """Until when nothing is wrong: half an hour."""
    return clock.start + HOUR // 2


def write_settings(folder: Path, *, broker: Broker, clock: StoryClock, desk_port: int) -> Path:
    """`vorab.toml` of the demo, to be looked at."""
    file = folder / "vorab.toml"
    file.write_text(
        f"""\
# The demo's settings. The clock is the story's: one night in {NIGHT_S / clock.speed:g} seconds.
state_dir = "{folder}"
clock = "{clock.spec}"

[mqtt]
host = "127.0.0.1"
port = {broker.port}
protocol = "{broker.protocol}"

[ingest]
tick_s = {TICK_S}
linger_ms = {LINGER_MS}

[topics]
partitions = {PARTITIONS}
recorded_partitions = {RECORDED_PARTITIONS}

[notifier]
people = "{folder / "people.yaml"}"

# A month of faults in one night: with the usual budget there would be little left to see in the morning.
[notifier.budget]
a_day = 0
a_week = 0
a_month = 0

[desk]
port = {desk_port}

[service]
log_format = "json"
""",
        encoding="utf-8",
    )
    return file


def write_people(folder: Path) -> None:
    """The store of people's import: names and made-up addresses."""
    people = [
        {"customer": topics.key_of(topics.DEFAULT_TENANT, person.customer), "name": person.name, "mail": person.email}
        for person in registry.people()
    ]
    (folder / "people.yaml").write_text(yaml.safe_dump(people, allow_unicode=True), encoding="utf-8")


def register(log: EventLog, machines: int, at: Micros) -> None:
    """Write devices and customers to the registry topics."""
    # Nothing leaves the machine: a folder is everybody's telephone.
    customers = [row.model_copy(update={"channels": (Channel.FILE,)}) for row in registry.customers(at=at)]
    rows: list[Record] = [*registry.devices(machines, at=at), *customers]
    rows += [
        Device(
            id=topics.key_of(topics.RECORDED_TENANT, series.device),
            tenant=topics.RECORDED_TENANT,
            device=series.device,
            model=series.model,
            name=series.title,
            site="recorded",
            at=at,
        )
        for series in SERIES
    ]
    append_all(log, (_outgoing(log, row) for row in rows))


def _outgoing(log: EventLog, record: Record) -> Outgoing:
    key, value, headers = to_wire(record, "urn:vorab:demo")
    partition = topics.partition_of(record.key, log.partitions(record.TOPIC), RECORDED_PARTITIONS)
    return Outgoing(record.TOPIC, partition, key, value, headers)


def recordings() -> list[Recorded]:
    """The recorded series with what is documented about them: for scoring what vorab said, never for saying it."""
    labels: dict[str, Any] = json.loads((resources.files("vorab.demo") / "recorded" / "labels.json").read_text(encoding="utf-8"))
    found = []
    for series in SERIES:
        documented = labels["series"][series.file.removesuffix(".csv.gz")]
        windows = tuple(Window(parse_iso(row["from"]), parse_iso(row["to"]), parse_iso(row["labelled_at"])) for row in documented)
        found.append(Recorded(series.device, series.title, windows))
    return found


def _environment(clock: StoryClock) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VORAB_")}
    return {**clean, "VORAB_CLOCK": clock.spec, "PYTHONUNBUFFERED": "1"}


def start_fleet(folder: Path, broker: Broker, clock: StoryClock, machines: int) -> subprocess.Popen[bytes]:
    """The machines, a process of their own."""
    command = [
        *(sys.executable, "-m", "vorab", "simulate", "--machines", str(machines), "--plan", "story", "--hours", "24", "--json"),
        *("--period-s", str(PERIOD_S), "--host", "127.0.0.1", "--port", str(broker.port), "--protocol", broker.protocol),
        *("--status-file", str(folder / "fleet.json")),
    ]
    return _start(command, folder / "fleet.out", folder / "fleet.log", clock)


def start_replay(folder: Path, broker: Broker, clock: StoryClock, seconds: float) -> subprocess.Popen[bytes]:
    """The recordings, in time-lapse."""
    home = resources.files("vorab.demo") / "recorded"
    files = [str(home / series.file) for series in SERIES]
    names = [word for series in SERIES for word in ("--device", series.device, "--signal", series.signal)]
    command = [
        *(sys.executable, "-m", "vorab", "replay", *files, *names, "--seconds", str(seconds), "--batch", str(BATCH), "--json"),
        *("--host", "127.0.0.1", "--port", str(broker.port), "--protocol", broker.protocol),
    ]
    return _start(command, folder / "replay.out", folder / "replay.log", clock)


def _start(command: list[str], out: Path, err: Path, clock: StoryClock) -> subprocess.Popen[bytes]:
    with out.open("wb") as stdout, err.open("wb") as stderr:
        return subprocess.Popen(command, env=_environment(clock), stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)


def pipeline_command(settings: Path) -> list[str]:
    """`vorab up` on the demo's settings."""
    return [sys.executable, "-m", "vorab", "up", "--config", str(settings), "--child"]


def pipeline_environment(clock: StoryClock) -> dict[str, str]:
    """The environment of the pipeline: the settings file says everything else."""
    return {name: value for name, value in _environment(clock).items() if name != "VORAB_CLOCK"}
