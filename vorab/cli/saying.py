"""What people say by command: to the log through the notifier that runs, else directly under the log's lock; and what was said before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from vorab.cli.registry import is_there, records, running, writing
from vorab.errors import ConfigError
from vorab.log import open_log
from vorab.records import Record
from vorab.registry.writing import write
from vorab.settings import Settings
from vorab.topics import ID

Say = Callable[[Record], None]
"""Writes a word; returns when the log has it."""
Said = TypeVar("Said", bound=Record)


@contextmanager
def saying(settings: Settings) -> Iterator[Say]:
    """The way to the log.

    Raises:
        ConfigError: another process holds the log and does not say where it is found.
    """
    client = running(settings)
    if client is not None:
        yield lambda record: client.register([record])
        return
    with writing(settings) as log:
        yield lambda record: write(log, settings.topics.recorded_partitions, [record])


def said(settings: Settings, kind: type[Said]) -> Sequence[Said]:
    """All words of a kind that the log holds, in its order; none where there is no log yet."""
    if not is_there(settings):
        return []
    family = kind.TYPE.split(".")[2]
    with open_log(settings.log_address, read_only=True) as log:
        return [each for each in records(log, kind.TOPIC, family) if isinstance(each, kind)]


def checked(name: str, option: str) -> str:
    """A tenant or a role as ids are written.

    Raises:
        ConfigError: it is written otherwise.
    """
    if not ID.fullmatch(name):
        raise ConfigError(f"{name!r} is no id", key=option, hint="letters, digits and . _ : ~ -, the first a letter or digit")
    return name
