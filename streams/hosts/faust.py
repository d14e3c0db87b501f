"""The Faust host: runs processors on Kafka, as many workers as one likes; one Faust application and consumer group per processor.

Crash-only: anything unexpected ends the process with exit 70, nothing of it acknowledged, and its supervisor starts it again.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from streams.hosts.faust_app import SESSION_S, new_app, new_table
from streams.hosts.faust_crew import QUIET_FACTOR, Crew
from streams.hosts.faust_watch import Watchdog
from streams.hosts.instance import Layout
from streams.hosts.registry import TableLoader
from vorab import pipeline, provision
from vorab import topics as names
from vorab.clock import SECOND, Clock, Micros, SystemClock, clock_from
from vorab.errors import EXIT_OK, ConfigError
from vorab.log.kafka import KafkaLog
from vorab.memory import give_back_large
from vorab.processor import Kind, Registry
from vorab.service import Health, announce, configure_logging, crash, logger, rest_collector, rim, stop_on_signals
from vorab.settings import Settings

BEAT_S: Final = 0.2
STALL: Final = int(SESSION_S * 0.6 * SECOND)
"""A worker whose loop stood still so long (µs) may have lost its partitions without knowing: it must not write another word."""
STOP_S: Final = 15.0
FIRST_S: Final = 2.0
"""How long the broker may take to say which record comes first; if it does not, reading is set back, and it is asked again."""
KAFKA: Final = "kafka://"
MAX_RECORD_BYTES: Final = 1 << 20

log = logger("streams")


@dataclass(frozen=True, slots=True)
class Options:
    """How a worker runs."""

    state_dir: Path
    """A folder of its own for what Faust writes down; the state itself is in Kafka."""
    group: str = "vorab"
    """Prefix of the consumer groups: `vorab-detect`."""
    renames: Mapping[str, str] = field(default_factory=dict)
    """Topic as processors call it → name in Kafka."""
    recorded_partitions: int = 0
    tick_every: Micros = SECOND
    checkpoint_s: float = 1.0
    replication: int = 1
    """Copies of the changelogs."""


class FaustHost:
    """Runs processors until it is told to stop."""

    def __init__(
        self,
        address: str,
        kinds: Sequence[Kind],
        registry: Registry,
        options: Options,
        clock: Clock | None = None,
        *,
        on_crash: Callable[[Any, str], None] = crash,
    ) -> None:
        """`address` is host:port of Kafka, several with commas; topics must exist.

        Raises:
            ConfigError: topics are missing or do not fit together.
            Unavailable: no broker answers.
        """
        self._address, self._on_crash = address, on_crash
        self._checkpoint_s, self._clock = options.checkpoint_s, clock or SystemClock()
        self._events = KafkaLog(address, client_id=f"{options.group}-streams")
        counts: dict[str, int] = {}

        def partitions(topic: str) -> int:
            if topic not in counts:
                counts[topic] = self._events.partitions(topic)
            return counts[topic]

        layout = Layout(partitions, options.recorded_partitions, options.renames, options.tick_every)
        writer = uuid.uuid4().hex[:12]
        self._crews = [Crew(kind, registry, layout, self._clock, writer, self._first) for kind in kinds]
        for crew in self._crews:
            # Every topic is asked for now, while waiting for an answer holds nobody up.
            for topic in (*crew.kind.outputs, *crew.kind.ticks, names.REJECTED):
                partitions(layout.name(topic))
            n = layout.input_partitions(crew.kind)
            folder = options.state_dir / f"faust-{crew.kind.name}"
            crew.app = new_app(f"{options.group}-{crew.kind.name}", address, n, folder, options.replication)
            crew.table = new_table(crew.app, n)
            self._wire(crew, [layout.name(each.topic) for each in crew.kind.inputs])
        self._watchdog = Watchdog(self._events, self._crews, self._clock, on_crash)

    def check(self) -> str | None:
        """For `/readyz`: None when every processor has joined its group, else which has not."""
        waiting = [crew.kind.name for crew in self._crews if not crew.assigned]
        return f"waiting for partitions: {', '.join(waiting)}" if waiting else None

    def _first(self, topic: str, partition: int, offset: int) -> int:
        """The first offset at or after this one that the broker still has; -1 where it does not say."""
        entries = self._events.read({(topic, partition): offset}, limit=1, wait_s=FIRST_S)
        return entries[0].offset if entries else -1

    def _wire(self, crew: Crew, topics: Sequence[str]) -> None:
        app = crew.app
        channel = app.topic(*topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", allow_empty=True)

        async def agent(stream: Any) -> None:
            async with self._crash_only(f"run {crew.kind.name}"):
                async for event in stream.noack().events():
                    await crew.take(event)

        async def revoked(_: object, revoked: object, **__: object) -> None:  # noqa: ARG001 - Faust's names
            async with self._crash_only(f"give up partitions of {crew.kind.name}"):
                await crew.revoked()

        async def ready(*_: object, **__: object) -> None:
            async with self._crash_only(f"take over partitions of {crew.kind.name}"):
                await crew.ready()

        app.agent(channel, name=crew.kind.name, concurrency=1)(agent)
        app.on_partitions_revoked.connect(revoked, weak=False)
        app.on_rebalance_complete.connect(ready, weak=False)

    def _crash_only(self, doing: str) -> _CrashOnly:
        return _CrashOnly(self._on_crash, doing)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then save and return; an unexpected error ends the process with exit 70."""
        try:
            asyncio.run(self._run(stop))
        except Exception:
            self._on_crash(log, "run the streams")
            raise

    async def _run(self, stop: threading.Event) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._address,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=MAX_RECORD_BYTES,
            max_request_size=MAX_RECORD_BYTES,
            request_timeout_ms=30_000,
        )
        await producer.start()
        for crew in self._crews:
            crew.producer = producer
        try:
            for crew in self._crews:
                await crew.app.start()
            self._watchdog.start()
            await self._beat(stop)
            for crew in self._crews:
                await crew.revoked()
            for crew in self._crews:
                await asyncio.wait_for(crew.app.stop(), STOP_S)
        except TimeoutError:
            log.warning("faust did not stop in time; everything is saved")
        finally:
            self._watchdog.stop()
            await producer.stop()
            self._events.close()

    async def _beat(self, stop: threading.Event) -> None:
        """Checkpoints at their pace, and an end with a crash where this worker stood still or Faust gave up."""
        pulse = asyncio.ensure_future(self._pulse())
        saved = quiet = self._wall()
        lasted = 0
        try:
            while not stop.is_set():
                await asyncio.sleep(BEAT_S)
                if pulse.done():
                    await pulse
                for crew in self._crews:
                    if crew.app.crashed or crew.app.should_stop:
                        raise StalledError(f"faust stopped {crew.kind.name}: {crew.app.crash_reason!r}")
                    await crew.nudge()
                # A state that takes long to save is saved less often, so that saving never takes more than a tenth.
                now = self._wall()
                if now - saved >= max(self._checkpoint_s * SECOND, 10 * lasted):
                    all_of_them = now - quiet >= QUIET_FACTOR * self._checkpoint_s * SECOND
                    for crew in self._crews:
                        await crew.checkpoint(quiet=all_of_them)
                    saved, lasted = now, self._wall() - now
                    quiet = now if all_of_them else quiet
        finally:
            pulse.cancel()

    async def _pulse(self) -> None:
        """Notices that the process was stopped or starved for so long that others may have its partitions."""
        last = self._wall()
        while True:
            await asyncio.sleep(BEAT_S)
            now = self._wall()
            if now - last > STALL:
                self._on_crash(log, f"go on after standing still for {(now - last) / SECOND:.1f} s")
                raise StalledError(f"the worker stood still for {(now - last) / SECOND:.1f} s")
            last = now

    def _wall(self) -> int:
        return self._clock.wall(self._clock.now())


class StalledError(Exception):
    """The worker must not go on."""


class _CrashOnly:
    """Whatever goes wrong inside ends the process; being cancelled is not going wrong."""

    def __init__(self, on_crash: Callable[[Any, str], None], doing: str) -> None:
        self._on_crash, self._doing = on_crash, doing

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is not None and not isinstance(error, asyncio.CancelledError | GeneratorExit):
            self._on_crash(log, self._doing)


def run(settings: Settings, only: Sequence[str] = ()) -> int:
    """`vorab streams`: a worker for these processors, all of them where none is named, until SIGTERM."""
    configure_logging(settings.service, process="streams")
    give_back_large()
    if not settings.log_address.startswith(KAFKA):
        raise ConfigError(
            "vorab streams works on Kafka", key="log", hint="--log kafka://HOST:PORT; without Kafka, `vorab up` runs all stages"
        )
    address = settings.log_address.removeprefix(KAFKA)
    stop = stop_on_signals()
    clock = clock_from(settings.clock)
    health = Health()
    options = Options(
        settings.state_path,
        group=settings.streams.group,
        renames=provision.renames(settings),
        recorded_partitions=settings.topics.recorded_partitions,
        tick_every=int(settings.ingest.tick_s * SECOND * clock.speed),
        checkpoint_s=settings.streams.checkpoint_s,
        replication=settings.topics.replication,
    )
    kinds = pipeline.kinds(settings, only)
    with KafkaLog(address, replication=options.replication, client_id=options.group) as events, rim(settings.service, health) as port:
        _create_missing(events, kinds, options.renames)
        provision.create_missing(events, settings, (*names.REGISTRY, names.REJECTED))
        tables = TableLoader(events).start()
        try:
            host = FaustHost(address, kinds, tables, options, clock)
            health.ready["streams"] = host.check
            announce(settings.state_path / "streams.json", metrics_port=port)
            rest_collector()
            host.run(stop)
        finally:
            tables.stop()
    return EXIT_OK


def _create_missing(events: KafkaLog, kinds: Sequence[Kind], renames: Mapping[str, str]) -> None:
    """Topics that a worker run alone needs and nobody made yet, with as many partitions as its inputs that are there."""
    inputs = [renames.get(each.topic, each.topic) for kind in kinds for each in kind.inputs]
    outputs = [renames.get(topic, topic) for kind in kinds for topic in (*kind.outputs, *kind.ticks)]
    there = events.existing([*inputs, *outputs, *names.REGISTRY, names.REJECTED])
    counts = [there[topic] for topic in inputs if topic in there]
    if not counts:
        raise ConfigError(f"kafka has no topic {', '.join(sorted(set(inputs)))}", key="topics", hint="`vorab topics` creates them")
    missing = {*inputs, *outputs, *names.REGISTRY, names.REJECTED} - there.keys()
    if missing:
        log.warning("missing topics are created", topics=sorted(missing), partitions=counts[0])
        events.create(dict.fromkeys(sorted(missing), counts[0]), alias={name: topic for topic, name in renames.items()})
