"""Ingest as a service: one thread talks MQTT and decides, one brings actions from the log, the log confirms on its own.

The MQTT thread owns everything but two queues: what the log has confirmed, and what the courier brings.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from ingest.bridge import Append, Bridge, Effect
from ingest.courier import Courier
from ingest.decoders import Limits
from ingest.downlink import LOOK_BACK, Command, Downlink
from ingest.intake import Intake, Plan, Taken
from ingest.mqtt import READ_BYTES, BulkClient, Events, Subscription, command_properties
from ingest.packets import Arrivals, pubacks
from ingest.ticks import Ticker
from ingest.topicmap import TopicMap
from vorab import metrics, topics
from vorab.clock import SECOND, Clock, Micros, clock_from
from vorab.errors import EXIT_OK, Unavailable
from vorab.log import EventLog, open_log
from vorab.records import Action, Record, Reply
from vorab.service import Health, configure_logging, crash, logger, rim, stop_on_signals
from vorab.settings import Mode, Settings, share_of
from vorab.testing import crashpoint

LOG = logger("ingest")
TOPICS: Final = (topics.PRESENCE, topics.ACTIONS, topics.REPLIES, topics.REJECTED)
"""What ingest needs beside the readings."""
_RETRY_S: Final = 0.5
_BACKOFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_DRAIN_S: Final = 5.0
_SLICE_S: Final = 0.1


class Ingest:
    """MQTT in, MQTT out, on a log. `start` and `stop` may be called from any thread, once each."""

    def __init__(self, log: EventLog, settings: Settings, clock: Clock, health: Health | None = None) -> None:
        """Raises ConfigError for a topic map that cannot be, Unavailable when the log is away."""
        self._log, self._settings, self._clock = log, settings, clock
        self.plan = plan_of(log, settings, clock)
        topic_map = TopicMap(settings.ingest.topic_map, self.plan.partitions, self.plan.recorded_partitions)
        self._intake = Intake(self.plan, topic_map)
        self._bridge = Bridge(most_messages=settings.mqtt.receive_maximum)
        self._downlink = Downlink(speed=clock.speed, shadow=settings.mode is Mode.SHADOW)
        self._shadow = settings.mode is Mode.SHADOW
        self._ticker = Ticker(self.plan.live, int(settings.ingest.tick_s * SECOND * clock.speed))
        self._reply_ticker = Ticker(self.plan.live, int(settings.ingest.tick_s * SECOND * clock.speed))
        self._client = BulkClient(
            settings.mqtt,
            client_id(settings),
            [Subscription(name, retained=kind == "status") for name, kind in topic_map.filters],
            Events(self._connected, self._subscribed, self._disconnected),
        )
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._results: deque[tuple[int, BaseException | None]] = deque()
        """What the log said, from whatever thread it speaks on."""
        self._brought: deque[Record] = deque()
        """What the courier brought."""
        self._actions: deque[Action] = deque()
        """Commands that wait for a connection."""
        self._waiting = False
        """Whether the MQTT thread may be asleep, so that it must be woken."""
        self._now: Micros = 0
        self._appended_at: dict[int, Micros] = {}
        self._was_connected = False
        self._listening = False
        self._trouble = "not connected to the MQTT broker yet"
        if health is not None:
            health.ready["mqtt"] = lambda: None if self._listening else self._trouble
            health.ready["log"] = lambda: "the log does not take records" if self._bridge.troubled else None
            health.live["ingest"] = lambda: None if all(thread.is_alive() for thread in self._threads) else "a thread has ended"

    # ----------------------------------------------------------------------------------------------- life

    @property
    def ready(self) -> bool:
        """Whether messages can arrive and the log takes them."""
        return self._listening and not self._bridge.troubled

    def start(self) -> None:
        """Begin, on threads of its own."""
        partitions = [p for p in range(self.plan.partitions) if self.plan.owns(p)]
        courier = Courier(self._log, partitions, self._clock, LOOK_BACK)
        self._threads = [
            threading.Thread(target=self._guarded, args=("talking MQTT", self._run), name="ingest-mqtt", daemon=True),
            threading.Thread(
                target=self._guarded, args=("reading actions", partial(courier.run, self._bring, self._stop)), name="ingest-actions", daemon=True
            ),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End: acknowledge what the log has confirmed within a few seconds, say goodbye; the broker keeps the rest."""
        self._stop.set()
        self._client.wake()
        for thread in self._threads:
            thread.join(timeout_s)

    def _guarded(self, doing: str, work: partial[None]) -> None:
        try:
            work()
        except Exception:  # noqa: BLE001 - half a worker is worse than none: it crashes whole, and its supervisor starts it again
            crash(LOG, doing)

    # ----------------------------------------------------------------------------------------------- the MQTT thread

    def _run(self) -> None:
        attempt = 0
        while not self._stop.is_set():
            self._work()
            if self._bridge.full:
                self._wait_for_the_log()
            elif not self._client.connection_is_open:
                attempt = self._connect(attempt)
            else:
                if self._listening:
                    attempt = 0
                self._turn()
        self._drain()

    def _turn(self) -> None:
        """Wait for messages, take them, and rest so long that the next read finds many."""
        timeout_s = min(1.0, self._ticker.wait(self._now) / SECOND / self._clock.speed)
        self._waiting = True
        self._client.loop(0.0 if self._results or self._brought else timeout_s)
        self._waiting = False
        arrivals, self._client.arrived = self._client.arrived, None
        if arrivals is None or not arrivals.topics:
            return
        began = self._tell_time()
        self._take(arrivals, began)
        spent_s = (self._clock.now() - began) / SECOND / self._clock.speed
        rest_s = self._settings.ingest.linger_ms / 1000 - max(0.0, spent_s)
        if rest_s > 0 and self._client.read_bytes < READ_BYTES:
            # The first message of a quiet hour has left already; under load this is what makes frames of single messages.
            time.sleep(rest_s)

    def _work(self) -> None:
        """Everything but reading: what the log said, what the courier brought, and the time."""
        now = self._tell_time()
        while self._results:
            token, error = self._results.popleft()
            self._landed(token, error, now)
        while self._brought:
            record = self._brought.popleft()
            if isinstance(record, Reply):
                self._downlink.answered(record)
            elif isinstance(record, Action):
                self._actions.append(record)
        if self._actions and self._listening:
            self._command(now)
        if self._listening and not self._bridge.full:
            self._tick(now)

    def _take(self, arrivals: Arrivals, now: Micros) -> None:
        passes = self._intake.take(arrivals, now)
        records = [record for taken in passes for record in taken.records]
        crashpoint("ingest.before_append")
        self._do(self._bridge.received(arrivals.mids, records, len(arrivals), now))
        for taken in passes:
            self._ticker.written(taken.framed, now)
            self._count(taken)
            if not self._shadow:
                for note in taken.notes:
                    self._client.publish(note.topic, note.payload, qos=0)
        metrics.metric("vorab_ingest_inflight").set(self._bridge.messages)

    def _tick(self, now: Micros) -> None:
        for partition in self._ticker.due(now):
            if not self._bridge.held((self.plan.readings, partition)):
                self._do(self._bridge.emit(self._intake.framed(partition, self._intake.framer.tick(partition, now))))
                metrics.metric("vorab_ingest_ticks_total").inc()
        for partition in self._reply_ticker.due(now):
            self._do(self._bridge.emit(self._intake.reply_tick(partition, now)))

    # ----------------------------------------------------------------------------------------------- effects

    def _do(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Append):
                self._appended_at[effect.token] = self._now
                try:
                    self._log.append(effect.record, partial(self._said, effect.token))
                except Unavailable as error:
                    self._said(effect.token, error)
            elif effect.epoch == self._client.epoch and self._client.connection_is_open:
                if acks := pubacks(effect.mids):
                    crashpoint("ingest.before_ack")
                    self._client.acknowledge(acks)

    def _said(self, token: int, error: BaseException | None) -> None:
        """What the log says about a record; on any thread."""
        self._results.append((token, error))
        if self._waiting:
            self._client.wake()

    def _bring(self, record: Record) -> None:
        self._brought.append(record)
        if self._waiting:
            self._client.wake()

    def _landed(self, token: int, error: BaseException | None, now: Micros) -> None:
        began = self._appended_at.pop(token, now)
        if error is not None:
            LOG.warning("the log did not take a record; it is kept and tried again", why=str(error))
            self._bridge.failed(token)
            return
        metrics.metric("vorab_ingest_log_append_seconds").observe((now - began) / SECOND / self._clock.speed)
        stale = self._bridge.stale
        self._do(self._bridge.confirmed(token))
        if self._bridge.stale != stale:
            metrics.metric("vorab_ingest_stale_acks_total").inc(self._bridge.stale - stale)

    def _command(self, now: Micros) -> None:
        while self._actions:
            action = self._actions.popleft()
            partition = topics.partition_of(action.key, self.plan.partitions, self.plan.recorded_partitions)
            if partition >= self.plan.first_recorded:
                now = self._intake.framer.now.get(partition, 0)
            decided = self._downlink.decide(action, now)
            result = decided if isinstance(decided, str) else "published"
            if isinstance(decided, Command):
                properties = None
                if self._client.v5:
                    properties = command_properties(decided.response_topic, decided.correlation, decided.expires_in_s)
                self._client.publish(decided.topic, decided.payload, qos=1, properties=properties)
            elif isinstance(decided, Reply):
                result = "expired"
                self._do(self._bridge.emit(self._intake.answered(decided)))
            metrics.metric("vorab_ingest_actions_total").labels(result).inc()

    # ----------------------------------------------------------------------------------------------- waiting

    def _wait_for_the_log(self) -> None:
        if self._bridge.troubled and not self._results:
            self._client.stay_alive(_RETRY_S)
            self._tell_time()
            self._do(self._bridge.retry())
        elif not self._results:
            self._waiting = True
            if not self._results:
                self._client.stay_alive(_SLICE_S)
            self._waiting = False
        if (oldest := self._bridge.oldest) is not None:
            age_s = (self._tell_time() - oldest) / SECOND / self._clock.speed
            metrics.metric("vorab_ingest_oldest_unacked_seconds").set(max(0.0, age_s))

    def _connect(self, attempt: int) -> int:
        """Open a connection, waiting longer each time it fails; returns the number of the next attempt."""
        if attempt:
            left_s = _BACKOFF_S[min(attempt, len(_BACKOFF_S)) - 1]
            while left_s > 0 and not self._stop.wait(_SLICE_S):
                left_s -= _SLICE_S
                self._work()
        if self._stop.is_set():
            return attempt
        try:
            self._client.reconnect()
        except OSError as error:
            self._trouble = f"no MQTT broker at {self._settings.mqtt.host}:{self._settings.mqtt.port}: {error}"
            LOG.warning("cannot connect", why=self._trouble)
        self._bridge.connected(self._client.epoch)
        return attempt + 1

    def _drain(self) -> None:
        """Let what was read reach the log and be acknowledged; then say goodbye."""
        slices = int(_DRAIN_S / _SLICE_S)
        while slices and (self._bridge.records or self._results):
            slices -= 1
            self._work()
            if self._bridge.records and not self._results:
                self._client.stay_alive(_SLICE_S)
        self._work()
        self._listening = False
        self._client.close()
        metrics.metric("vorab_mqtt_connected").set(0)

    # ----------------------------------------------------------------------------------------------- events of the client

    def _connected(self, session_present: bool) -> None:  # noqa: FBT001 - a callback
        if self._was_connected and not session_present:
            LOG.error("the broker had forgotten the session: messages it kept for us are lost")
            metrics.metric("vorab_ingest_session_lost_total").inc()
        self._was_connected = True
        metrics.metric("vorab_mqtt_connected").set(1)
        LOG.info("connected", host=self._settings.mqtt.host, port=self._settings.mqtt.port, session_present=session_present)

    def _subscribed(self, refused: Sequence[str]) -> None:
        self._listening = not refused
        if refused:
            self._trouble = f"the broker refused the subscription to {', '.join(refused)}"
            LOG.error("not subscribed", refused=list(refused))
        now = self._tell_time()
        self._ticker.start(now)
        self._reply_ticker.start(now)

    def _disconnected(self, why: str) -> None:
        self._listening = False
        self._trouble = f"disconnected from the MQTT broker: {why}"
        metrics.metric("vorab_mqtt_connected").set(0)
        if not self._stop.is_set():
            LOG.warning("disconnected", why=why)

    # ----------------------------------------------------------------------------------------------- small things

    def _tell_time(self) -> Micros:
        """The clock, but never back."""
        self._now = max(self._now, self._clock.now())
        return self._now

    def _count(self, taken: Taken) -> None:
        for result, n in taken.counts.items():
            if n:
                metrics.metric("vorab_ingest_messages_total").labels(result).inc(n)
        for reason, n in taken.reasons.items():
            metrics.metric("vorab_ingest_rejected_total").labels(reason).inc(n)
        for status, n in taken.statuses.items():
            metrics.metric("vorab_ingest_replies_total").labels(status).inc(n)
        metrics.metric("vorab_ingest_rows_total").inc(taken.rows)
        metrics.metric("vorab_ingest_frames_total").inc(taken.frames)


def client_id(settings: Settings) -> str:
    """The client id of this worker: one session per share."""
    i, n = share_of(settings.ingest.share)
    return settings.mqtt.client_id if n == 1 else f"{settings.mqtt.client_id}-{i}of{n}"


def plan_of(log: EventLog, settings: Settings, clock: Clock) -> Plan:
    """What the log and the settings say; raises ConfigError where a topic is missing or shares are wrong."""
    return Plan(
        readings=settings.topics.readings,
        partitions=log.partitions(settings.topics.readings),
        recorded_partitions=settings.topics.recorded_partitions,
        rejected_partitions=log.partitions(topics.REJECTED),
        share=share_of(settings.ingest.share),
        limits=Limits(payload_bytes=settings.ingest.max_payload_bytes),
        frame_rows=settings.ingest.frame_rows,
        speed=clock.speed,
    )


def run(settings: Settings) -> int:
    """One worker as a process of its own, until SIGTERM; makes the topics it writes where they are missing.

    Raises:
        ConfigError: settings that cannot be; Unavailable: the log is away at the start.
    """
    configure_logging(settings.service, process=client_id(settings))
    stop = stop_on_signals()
    clock = clock_from(settings.clock)
    count = settings.topics.partitions + settings.topics.recorded_partitions
    with open_log(settings.log_address) as log:
        log.create(dict.fromkeys((settings.topics.readings, *TOPICS), count))
        health = Health()
        worker = Ingest(log, settings, clock, health)
        worker.start()
        with rim(settings.service, health) as port:
            LOG.info("started", metrics_port=port, share=settings.ingest.share)
            stop.wait()
        LOG.info("stopping")
        worker.stop()
    return EXIT_OK
