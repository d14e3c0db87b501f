"""Keeps the SQLite log small while it runs: ticks go after minutes, records when their topic has kept them long enough."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Protocol

from vorab.clock import Clock, Micros
from vorab.errors import Unavailable
from vorab.service import crash, logger
from vorab.topics import READINGS, TOPICS, Topic

FIRST_S: Final = 60.0
EVERY_S: Final = 600.0
RETENTION_EVERY: Final = 6
"""Passes from one look at the age of records to the next; the first pass looks."""

LOG = logger("housekeeping")


class Keeps(Protocol):
    """What of a log this needs."""

    def forget_ticks(self, now: Micros) -> int:
        """Delete old ticks; how many went."""

    def enforce(self, now: Micros, table: Mapping[str, Topic]) -> int:
        """Delete old and superseded records; how many went."""


class Housekeeping:
    """One pass after a minute, then one every ten."""

    def __init__(self, events: Keeps, clock: Clock, *, readings: str = READINGS) -> None:
        """`readings` is what the topic of frames is called here."""
        self._log, self._clock = events, clock
        self._table = {**TOPICS, readings: replace(TOPICS[READINGS], name=readings)}
        self._passes = 0

    def once(self) -> int:
        """One pass; returns how many records went."""
        now = self._clock.wall(self._clock.now())
        gone = self._log.forget_ticks(now)
        if self._passes % RETENTION_EVERY == 0:
            gone += self._log.enforce(now, self._table)
        self._passes += 1
        return gone

    def run(self, stop: threading.Event) -> None:
        """Until `stop`; an unexpected error ends the process with exit code 70."""
        wait_s = FIRST_S
        while not stop.wait(wait_s):
            wait_s = EVERY_S
            try:
                LOG.debug("tidied the log", records=self.once())
            except Unavailable as error:
                LOG.warning("the log could not be tidied; the next try is in ten minutes", why=str(error))
            except Exception:
                crash(LOG, "tidy the log")
                raise
