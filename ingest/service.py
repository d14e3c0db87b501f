"""Ingest as a service: one thread talks MQTT, one brings actions from the log; also usable inside another process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ingest.courier import Courier
from ingest.downlink import LOOK_BACK
from ingest.loop import LOG, Loop
from ingest.plan import client_id, plan_of
from vorab import topics
from vorab.clock import Clock, clock_from
from vorab.errors import EXIT_OK
from vorab.log import EventLog, open_log
from vorab.log.spool import SpooledLog
from vorab.service import Health, configure_logging, crash, rest_collector, rim, stop_on_signals
from vorab.settings import Settings

if TYPE_CHECKING:
    from ingest.http import HttpServer

TOPICS: Final = (topics.PRESENCE, topics.FACTS, topics.ALARMS, topics.ACTIONS, topics.REPLIES, topics.REJECTED)
"""What ingest needs beside the readings."""
SPOOL_AFTER_S: Final = 10.0
"""With a spool, a record that Kafka has not confirmed for so long goes to the disk."""


class Ingest:
    """MQTT in, MQTT out, on a log. `start` and `stop` may be called from any thread, once each; the log stays the caller's."""

    def __init__(self, log: EventLog, settings: Settings, clock: Clock, health: Health | None = None) -> None:
        """The topics must exist.

        Raises:
            ConfigError: a topic is missing, or the topic map or TLS files cannot be.
            Unavailable: the log is away.
        """
        self._log, self._clock = log, clock
        self._loop = Loop(log, settings, clock, plan_of(log, settings, clock))
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._http: HttpServer | None = None
        if settings.ingest.http_port >= 0:
            from ingest.http import HttpServer  # noqa: PLC0415 - a web server is loaded where one is wanted

            self._http = HttpServer(self._loop.door, settings)
        if health is not None:
            health.ready["mqtt"] = lambda: self._loop.mqtt_trouble
            health.ready["log"] = lambda: self._loop.log_trouble
            if self._http is not None:
                server = self._http
                health.ready["http"] = lambda: server.trouble
            health.live["ingest"] = lambda: None if all(thread.is_alive() for thread in self._threads) else "a thread has ended"

    @property
    def ready(self) -> bool:
        """Whether messages can arrive and the log takes them."""
        well = self._loop.mqtt_trouble is None and self._loop.log_trouble is None
        return well and (self._http is None or self._http.trouble is None)

    @property
    def http_port(self) -> int | None:
        """Where HTTP requests are taken; None: nowhere."""
        return None if self._http is None else self._http.port

    def start(self) -> None:
        """Begin, on threads of its own; an unexpected error in one of them ends the process with exit code 70."""
        courier = Courier(self._log, self._loop.plan.owned, self._clock, LOOK_BACK)
        self._run("talking MQTT", partial(self._loop.run, self._stop))
        self._run("reading actions", partial(courier.run, self._loop.bring, self._stop))
        if self._http is not None:
            self._run("serving HTTP", self._http.run)

    def stop(self, timeout_s: float = 10.0) -> None:
        """End: acknowledge what the log confirms within a few seconds, say goodbye; the broker keeps the rest."""
        self._stop.set()
        for thread in self._threads:
            if thread is self._threads[-1] and self._http is not None:
                self._http.stop()  # last, so that whoever waits for the log still gets an answer
            thread.join(timeout_s)

    def _run(self, doing: str, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except Exception:  # noqa: BLE001 - half a worker is worse than none: it crashes whole, and its supervisor starts it again
                crash(LOG, doing)

        thread = threading.Thread(target=guarded, name=f"ingest {doing}", daemon=True)
        self._threads.append(thread)
        thread.start()


def run(settings: Settings) -> int:
    """One worker as a process of its own, until SIGTERM; makes the topics it needs where they are missing.

    Raises:
        ConfigError: settings that cannot be.
        Unavailable: the log is away at the start.
    """
    configure_logging(settings.service, process=client_id(settings))
    stop = stop_on_signals()
    clock = clock_from(settings.clock)
    count = settings.topics.partitions + settings.topics.recorded_partitions
    with ExitStack() as stack:
        spool = settings.ingest.spool_dir
        log: EventLog = stack.enter_context(open_log(settings.log_address, patience_s=SPOOL_AFTER_S if spool else None))
        if spool:
            log = stack.enter_context(SpooledLog(log, Path(spool), settings.ingest.spool_mb << 20))
        log.create(dict.fromkeys((settings.topics.readings, *TOPICS), count))
        health = Health()
        worker = Ingest(log, settings, clock, health)
        worker.start()
        rest_collector()
        with rim(settings.service, health) as port:
            LOG.info("started", metrics_port=port, share=settings.ingest.share)
            stop.wait()
        LOG.info("stopping")
        worker.stop()
    return EXIT_OK
