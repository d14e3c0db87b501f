"""From settings to a notifier that can start: database, people, channels, words, links."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import yaml

from notifier.buttons import Buttons
from notifier.channels import ChannelPort
from notifier.database import Database
from notifier.inbound.wiring import Inbound
from notifier.people_http import PeopleServer
from notifier.people_store import PeopleStore
from notifier.preferences import from_settings
from notifier.render import Renderer
from notifier.service import Notifier, Options
from notifier.store import Store
from notifier.store_habits import HabitsStore
from notifier.ways import channels_of, codes_of, push_key
from notifier.words import load_words
from vorab import topics
from vorab.clock import Clock
from vorab.errors import ConfigError, Unavailable
from vorab.log import EventLog
from vorab.people import person_of
from vorab.provision import create_missing, link_secret
from vorab.registry.kinds import Entry, full_key
from vorab.registry.writing import Gone, write
from vorab.settings import Mode, Settings, share_of


def database_address(settings: Settings) -> str:
    """Where the notifier keeps its rows; each share a file of its own."""
    if settings.notifier.database:
        return settings.notifier.database
    i, n = share_of(settings.notifier.share)
    return f"sqlite:///{settings.state_path / ('notifier.db' if n == 1 else f'notifier-{i}-of-{n}.db')}"


NEW: Final = (topics.SITES, topics.CONTRACTS, topics.DIALOGUE, topics.CONSENTS)
"""Topics that are missing where an older vorab has made the log."""


def announcement(settings: Settings) -> Path:
    """The file in which a running notifier says where it can be reached; `PeopleClient.announced` finds it."""
    i, n = share_of(settings.notifier.share)
    return settings.state_path / ("notifier.json" if n == 1 else f"notifier-{i}-of-{n}.json")


def options_of(settings: Settings) -> Options:
    """How it works."""
    of = settings.notifier
    return Options(
        share=share_of(of.share),
        recorded_partitions=settings.topics.recorded_partitions,
        shadow=settings.mode is Mode.SHADOW,
        senders=of.senders,
        retry_s=of.retry_s,
        buttons=Buttons(link_secret(settings).get_secret_value(), of.unsubscribe_url or _leaving(settings)),
        layers=from_settings(of),
        passing=of.budget.passes,
        an_hour=of.brake_an_hour,
        habits=of.habits,
    )


def _leaving(settings: Settings) -> str:
    """The desk's page for leaving, where mail programs can reach it: RFC 8058 wants HTTPS."""
    base = settings.desk.base_url.rstrip("/")
    return f"{base}/c/leave" if base.startswith("https://") else ""


def write_registry(log: EventLog, settings: Settings, entries: Sequence[Entry], gone: Sequence[Gone] = ()) -> None:
    """Registry entries to the log, and others out of it by topic and key; raises Unavailable."""
    create_missing(log, settings, NEW)
    write(log, settings.topics.recorded_partitions, entries, gone)


class Lock:
    """One process per database file: held until closed, let go of by the kernel when a process dies.

    Raises:
        ConfigError: another process holds it.
    """

    def __init__(self, address: str) -> None:
        self._file: IO[bytes] | None = None
        if not address.startswith("sqlite:///") or ":memory:" in address:
            return
        path = Path(address.removeprefix("sqlite:///") + ".lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise ConfigError(
                f"another process works on {path.with_suffix('')}",
                key="notifier.database",
                hint="one notifier per database; workers of one installation have a share each (--share 0/2, --share 1/2)",
            ) from None

    def close(self) -> None:
        """Let go."""
        if self._file is not None:
            self._file.close()


class Service:
    """Everything the notifier needs, opened and closed together; what `vorab notifier` and the embedded runtime start."""

    def __init__(
        self,
        log: EventLog,
        settings: Settings,
        clock: Clock,
        *,
        channels: Sequence[ChannelPort] | None = None,
        base_url: str | None = None,
    ) -> None:
        self._log, self._settings = log, settings
        address = database_address(settings)
        with contextlib.ExitStack() as undo:
            self._lock = Lock(address)
            undo.callback(self._lock.close)
            self.database = Database(address)
            undo.callback(self.database.close)
            self.channels = list(channels) if channels is not None else channels_of(settings)
            habits = HabitsStore(self.database)
            self.people = PeopleStore(self.database, self._forget, habits=habits)
            desk = settings.desk
            url = base_url if base_url is not None else desk.base_url or (f"http://{desk.host}:{desk.port}" if desk.port else "")
            words = load_words(Path(settings.notifier.words) if settings.notifier.words else None)
            renderer = Renderer(words, codes_of(settings))
            store = Store(self.database)
            self.inbound = (
                Inbound(settings, self.database, self.people, renderer, self.channels, clock) if settings.notifier.inbound.on else None
            )
            replies = self.inbound.replies if self.inbound is not None else None
            self.notifier = Notifier(log, store, clock, self.people, self.channels, renderer, options_of(settings), url, replies, habits)
            if settings.notifier.people:
                import_people(self.people, Path(settings.notifier.people))
            self._server = PeopleServer(self.people, partial(write_registry, log, settings), announcement(settings), push_key(settings))
            undo.pop_all()  # from here on it is `stop` that closes them

    def start(self) -> None:
        """Work, and let others write people."""
        with contextlib.suppress(Unavailable):  # the notifier waits for the log
            create_missing(self._log, self._settings, NEW)
        self.notifier.start()
        self._server.start()
        if self.inbound is not None:
            self.inbound.start()

    def stop(self) -> None:
        """Finish what is being sent, then close everything."""
        self._server.stop()
        if self.inbound is not None:
            self.inbound.stop()
        self.notifier.stop()
        self.database.close()
        self._lock.close()

    def _forget(self, notifications: Sequence[str]) -> None:
        for port in self.channels:
            for notification in notifications:
                port.forget(notification)


def import_people(people: PeopleStore, file: Path) -> None:
    """Names and contact points from a YAML file: a list of `{customer, name, mail, phone}`.

    Raises:
        ConfigError: not such a file.
    """
    try:
        found: Any = yaml.safe_load(file.read_text(encoding="utf-8")) or []
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read people: {error}", file=str(file), key="notifier.people") from None
    if not isinstance(found, list) or not all(isinstance(values, dict) and values.get("customer") for values in found):
        raise ConfigError("people are a list of entries with customer, name, mail, phone", file=str(file), key="notifier.people")
    keyed = [{**values, "customer": full_key(str(values["customer"]))} for values in found]
    people.put(person_of(values) for values in keyed)
