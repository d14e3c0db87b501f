"""The way of the registry commands: through the notifier that runs, else to log and database directly, under their locks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vorab import topics
from vorab.clock import Micros, clock_from
from vorab.errors import ConfigError, Rejected, Unavailable
from vorab.log import EventLog, open_log
from vorab.people import People, PeopleClient
from vorab.records import Record, from_wire
from vorab.registry.kinds import Entry
from vorab.registry.writing import Gone, write
from vorab.settings import Settings


class Writes(Protocol):
    """Writes registry entries, and takes others out (`gone`, by topic and key)."""

    def __call__(self, entries: Sequence[Entry], gone: Sequence[Gone] = ()) -> None:
        """Returns when the log has them; raises Unavailable."""


@dataclass(frozen=True, slots=True)
class Access:
    """What the registry commands work with."""

    people: People
    write: Writes
    now: Micros


@contextmanager
def access(settings: Settings) -> Iterator[Access]:
    """Access for writing.

    Raises:
        ConfigError: another process holds the log or the database and does not say where it is found.
    """
    now = clock_from(settings.clock).now()
    client = running(settings)
    if client is not None:
        yield Access(client, client.register, now)
        return
    with ExitStack() as stack:
        people = stack.enter_context(_people(settings))
        log = stack.enter_context(writing(settings))

        def direct(entries: Sequence[Entry], gone: Sequence[Gone] = ()) -> None:
            write(log, settings.topics.recorded_partitions, entries, gone)

        yield Access(people, direct, now)


def is_there(settings: Settings) -> bool:
    """Whether there is a log to read; one in SQLite that nobody has written yet is none."""
    address = settings.log_address
    return not address.startswith("sqlite:///") or Path(address.removeprefix("sqlite:///")).exists()


def running(settings: Settings) -> PeopleClient | None:
    """The notifier that runs, if one answers; what a killed one announced counts for nothing."""
    client = PeopleClient.announced(settings.state_path)
    if client is None:
        return None
    try:
        client.get("-")
    except Unavailable:
        return None
    return client


@contextmanager
def reading_people(settings: Settings) -> Iterator[People]:
    """The store of people, through the notifier that runs or directly."""
    client = running(settings)
    if client is not None:
        yield client
        return
    with _people(settings) as people:
        yield people


def latest(settings: Settings, topic: str) -> dict[str, Record]:
    """The last entry of each key on a registry topic, in order of key; taken-out ones are left out."""
    found: dict[str, Record] = {}
    with open_log(settings.log_address, read_only=True) as log:
        try:
            log.partitions(topic)
        except ConfigError:
            if topic in {topics.SITES, topics.CONTRACTS}:
                return found  # an older vorab made this log
            raise
        places = {(topic, partition): begin for partition, begin in log.begins(topic).items()}
        ends = log.ends(topic)
        while any(places[topic, partition] < end for partition, end in ends.items()):
            entries = log.read(places, limit=10_000, wait_s=1.0)
            if not entries:
                break
            for entry in entries:
                places[entry.topic, entry.partition] = entry.offset + 1
                key = (entry.key or b"").decode()
                if entry.value:
                    found[key] = from_wire(entry.value, entry.headers)
                else:
                    found.pop(key, None)
    return dict(sorted(found.items()))


@contextmanager
def _people(settings: Settings) -> Iterator[People]:
    from notifier.database import Database
    from notifier.people_store import PeopleStore
    from notifier.ways import channels_of
    from notifier.wiring import Lock, database_address

    address = database_address(settings)
    lock = Lock(address)
    database = Database(address)

    def forget(said: Sequence[str]) -> None:
        for port in channels_of(settings):
            for notification in said:
                port.forget(notification)

    try:
        yield PeopleStore(database, forget)
    finally:
        database.close()
        lock.close()


@contextmanager
def writing(settings: Settings) -> Iterator[EventLog]:
    """The log, to be written directly; raises ConfigError where another process does."""
    from vorab.provision import create_topics

    address = settings.log_address
    if address.startswith("sqlite:///"):
        Path(address.removeprefix("sqlite:///")).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open_log(address) as log:
        create_topics(log, settings)
        yield log


def records(log: EventLog, topic: str, family: str = "") -> Iterator[Record]:
    """All of a topic up to where it ends now; what cannot be read is left out, and with a `family` what is of another (`silence`)."""
    of = f"io.vorab.{family}.".encode()
    places = {(topic, partition): begin for partition, begin in log.begins(topic).items()}
    ends = log.ends(topic)
    while behind := {place: at for place, at in places.items() if at < ends[place[1]]}:
        entries = log.read(behind, limit=1_000, wait_s=1.0)
        if not entries:
            return
        for entry in entries:
            places[entry.topic, entry.partition] = entry.offset + 1
            if entry.value and (not family or dict(entry.headers).get("ce_type", b"").startswith(of)):
                try:
                    yield from_wire(entry.value, entry.headers)
                except Rejected:
                    continue
