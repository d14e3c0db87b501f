"""Which topics an installation has, and with how many partitions."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from vorab import topics
from vorab.codes import Codes
from vorab.errors import ConfigError
from vorab.links import MIN_SECRET
from vorab.log import EventLog
from vorab.settings import Settings

LINK_FILE: Final = "link-secret"
"""File of the secret, in the state folder."""


def partition_counts(settings: Settings) -> dict[str, int]:
    """Topic → partitions, recorded ones included; the same for all, so that keys of one kind always meet."""
    count = settings.topics.partitions + settings.topics.recorded_partitions
    other = renames(settings)
    return {other.get(name, name): count for name in topics.TOPICS}


def renames(settings: Settings) -> dict[str, str]:
    """Topics that go by another name in this installation: canonical name to that name."""
    named = {topics.READINGS: settings.topics.readings, topics.SYMPTOMS: settings.topics.symptoms}
    return {topic: name for topic, name in named.items() if topic != name}


def renamed(settings: Settings, topic: str) -> str:
    """The name a topic goes by in this installation."""
    return renames(settings).get(topic, topic)


def create_topics(log: EventLog, settings: Settings) -> None:
    """Make sure all topics exist.

    Raises:
        ConfigError: one exists with another number of partitions.
    """
    log.create(partition_counts(settings))


def create_missing(log: EventLog, settings: Settings, names: Iterable[str]) -> None:
    """Create those of these topics that do not exist; whatever exists is left as it is.

    Raises:
        Unavailable: the log is away.
    """
    counts = partition_counts(settings)
    for name in names:
        try:
            log.partitions(renamed(settings, name))
        except ConfigError:
            log.create({renamed(settings, name): counts[renamed(settings, name)]})


def link_secret(settings: Settings) -> SecretStr:
    """The secret that signs links; made at first start and kept in the state folder, readable by its owner only."""
    if settings.link_secret.get_secret_value():
        return settings.link_secret
    file = settings.state_path / LINK_FILE
    if not file.exists():
        settings.state_path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_private(file, secrets.token_urlsafe(32))
    return SecretStr(file.read_text(encoding="utf-8").strip())


def known_codes(settings: Settings) -> Codes:
    """The codes of this installation, where its secret is known here; no secret is made, since another one would make other codes."""
    secret = settings.link_secret.get_secret_value()
    file = settings.state_path / LINK_FILE
    if not secret and file.exists():
        secret = file.read_text(encoding="utf-8").strip()
    return Codes(secret if len(secret) >= MIN_SECRET else "")


def _write_private(file: Path, text: str) -> None:
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(text, encoding="utf-8")
