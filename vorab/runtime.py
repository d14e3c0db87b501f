"""The embedded system: every stage in one process on one SQLite log, and the supervisor that starts it again."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from vorab import pipeline, provision, service
from vorab.clock import SECOND, Clock, SystemClock, clock_from
from vorab.errors import EXIT_OK, ConfigError
from vorab.housekeeping import Housekeeping
from vorab.log.sqlite import SqliteLog
from vorab.memory import give_back_large
from vorab.settings import Settings
from vorab.supervisor import Supervisor

SWITCH_S = 0.0005
"""Threads hand over to each other so often: a reading passes through four of them, and Python's 5 ms each would be most of its way."""
READY_FILE = "vorab.json"
"""Where the running process says under which ports it is found."""


def supervise(argv: Sequence[str]) -> int:
    """Run the same command as a child, again after a crash, until it ends well or SIGTERM comes."""
    supervisor = Supervisor([sys.executable, "-m", "vorab", *argv[1:], "--child"], SystemClock())
    stop = service.stop_on_signals()
    supervisor.start()
    while not stop.wait(0.2) and supervisor.running:
        pass
    supervisor.stop()
    return supervisor.exits[-1] if supervisor.exits and supervisor.exits[-1] > 0 else EXIT_OK


def run(settings: Settings) -> int:
    """Run everything in this process until SIGTERM."""
    service.configure_logging(settings.service, process="up")
    give_back_large()
    sys.setswitchinterval(SWITCH_S)
    if not settings.log_address.startswith("sqlite:///"):
        raise ConfigError(
            "vorab up is the embedded system and keeps its log in SQLite",
            key="log",
            hint="with Kafka, start the stages: vorab ingest, vorab streams, vorab notifier, vorab desk",
        )
    settings.state_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = settings.model_copy(update={"link_secret": provision.link_secret(settings)})
    stop = service.stop_on_signals()
    log = service.logger("up")
    with ExitStack() as stack:
        running = _start(settings, clock_from(settings.clock), stack)
        port = stack.enter_context(service.rim(settings.service, running.health))
        service.announce(settings.state_path / READY_FILE, metrics_port=port, desk_port=running.desk_port)
        host = "127.0.0.1" if settings.desk.host in {"0.0.0.0", "::", ""} else settings.desk.host  # noqa: S104 - compared, not bound
        service.rest_collector()
        log.info("started", url=f"http://{host}:{running.desk_port}/", metrics_port=port, desk_port=running.desk_port, pid=os.getpid())
        stop.wait()
        log.info("stopping")
    return EXIT_OK


@dataclass(frozen=True, slots=True)
class _Running:
    health: service.Health
    desk_port: int


def _start(settings: Settings, clock: Clock, stack: ExitStack) -> _Running:
    """Start the stages in the order in which they need each other; the stack ends them in reverse."""
    from desk.service import Desk  # noqa: PLC0415 - the wiring loads stages when it runs them
    from ingest.service import Ingest  # noqa: PLC0415
    from notifier.wiring import Service as Notifier  # noqa: PLC0415
    from streams.hosts.embedded import EmbeddedHost  # noqa: PLC0415
    from streams.hosts.registry import TableLoader  # noqa: PLC0415
    from vorab.cli.hears import hears_on  # noqa: PLC0415
    from vorab.cli.remedies import remedies_on  # noqa: PLC0415
    from vorab.cli.why_again import again_on  # noqa: PLC0415

    health = service.Health()
    log = stack.enter_context(SqliteLog(settings.log_address.removeprefix("sqlite:///")))
    provision.create_topics(log, settings)
    tables = TableLoader(log).start()
    stack.callback(tables.stop)
    done = threading.Event()
    kinds = pipeline.kinds(settings)
    # A symptom waits for nobody who is busy with what became of earlier ones.
    for name, some in (("detect", kinds[:1]), ("streams", kinds[1:])):
        host = EmbeddedHost(
            log,
            some,
            tables,
            clock,
            recorded_partitions=settings.topics.recorded_partitions,
            renames=provision.renames(settings),
            tick_every=int(settings.ingest.tick_s * SECOND * clock.speed),
            checkpoint_s=settings.streams.checkpoint_s,
        )
        thread = threading.Thread(target=host.run, args=(done,), name=name, daemon=True)
        thread.start()
        stack.callback(thread.join, 10)
        health.ready[name] = host.check
    keeper = threading.Thread(
        target=Housekeeping(log, clock, readings=settings.topics.readings).run, args=(done,), name="housekeeping", daemon=True
    )
    keeper.start()
    stack.callback(keeper.join, 10)
    stack.callback(done.set)
    desk = Desk(log, settings, clock, again_on(settings, log), remedies_on(settings), hears_on(settings))
    desk.start()
    stack.callback(desk.stop)
    base_url = settings.desk.base_url or f"http://{settings.desk.host}:{desk.port}"
    notifier = Notifier(log, settings, clock, base_url=base_url)
    notifier.start()
    stack.callback(notifier.stop)
    ingest = Ingest(log, settings, clock, health)
    ingest.start()
    stack.callback(ingest.stop)
    health.ready["desk"] = desk.ready
    return _Running(health, desk.port)
