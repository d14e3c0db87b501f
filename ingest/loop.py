"""The thread that talks MQTT: waits, reads, decides, writes to the log, acknowledges, and rests so that the next read finds many.

It owns everything but two queues: what the log says about records (`_results`) and what the courier brings (`_brought`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from ingest import counting, kept
from ingest.acks import AckBook
from ingest.bridge import Append, Bridge, Done, Effect
from ingest.dialects import entries
from ingest.door import Door
from ingest.downlink import Command, Downlink, Outcome
from ingest.intake import Intake
from ingest.link import Link
from ingest.mqtt import READ_BYTES, Subscription, command_properties
from ingest.nap import Pace
from ingest.packets import Arrivals, pubacks
from ingest.plan import Plan, client_id
from ingest.refusals import Note
from ingest.taken import Taken, reply_tick
from ingest.ticks import Ticker
from ingest.topicmap import DEFAULTS, TopicMap
from ingest.visits import Visits
from ingest.webhooks import Labels
from vorab.clock import SECOND, Clock, Micros
from vorab.errors import Rejected, Unavailable
from vorab.frame import decode
from vorab.log import EventLog
from vorab.provision import known_codes
from vorab.records import Action, Facts, Recall, Record, Reply
from vorab.service import logger
from vorab.settings import Mode, Settings
from vorab.testing import crashpoint

LOG = logger("ingest")
_RETRY_S: Final = 0.5
_DRAIN_S: Final = 5.0
_SLICE_S: Final = 0.1
_LONGEST_WAIT_S: Final = 1.0
_ABSENT_S: Final = 2.0
"""Without a read for so long (the log was away, the broker, or this process stood still) it was an absence."""


class Loop:
    """`run` is the thread; `bring`, `wake` and the properties are for others."""

    def __init__(self, log: EventLog, settings: Settings, clock: Clock, plan: Plan) -> None:
        """Raises ConfigError for a topic map or TLS files that cannot be."""
        self._log, self._settings, self._clock, self.plan = log, settings, clock, plan
        known = (*settings.ingest.topic_map, *DEFAULTS, *entries(settings.ingest.dialects))
        topic_map = TopicMap(known, plan.partitions, plan.recorded_partitions)
        self._bridge = Bridge(most_messages=settings.mqtt.receive_maximum)
        self._shadow = settings.mode is Mode.SHADOW
        self._downlink = Downlink(speed=clock.speed, shadow=self._shadow, code=lambda case: known_codes(settings).of(case))
        self._intake = Intake(plan, topic_map, self._downlink.resolve)
        self._downlink.translate = self._intake.order
        self._ticker = Ticker(plan.live, int(settings.ingest.tick_s * SECOND * clock.speed))
        self._reply_ticker = Ticker(plan.live, int(settings.ingest.tick_s * SECOND * clock.speed))
        wanted = [
            Subscription(name, kind in {"status", "dialect"}, name in topic_map.live, always=kind == "dialect")
            for name, kind in topic_map.filters
        ]
        self._link = Link(settings.mqtt, client_id(settings), wanted, self._listen, clock)
        self._client = self._link.client
        self._client.take_payloads_of(settings.ingest.max_payload_bytes)
        self._results: deque[tuple[int, BaseException | None]] = deque()
        self._brought: deque[tuple[Record, bool]] = deque()
        self._actions: deque[tuple[Action, bool]] = deque()
        """Commands that wait for a connection, and whether they are from before the start."""
        self._asleep = False
        """Whether the thread may be in a `select`, so that it must be woken."""
        self._now: Micros = 0
        self._counted_at: Micros = 0
        self._present_at: Micros = 0
        """When a read was last possible; from the log, what an earlier run wrote last."""
        self._pace = Pace(int(settings.ingest.linger_ms * 1000))
        self._read_at: Micros = 0
        self._appended_at: dict[int, Micros] = {}
        self._landed_from: Micros = 0
        """When the newest record that the log has confirmed was handed over."""
        self._acks: list[bytes] = []
        """Of this connection, to be sent in one write."""
        self._book = AckBook(clock.speed)
        self.door = Door(self._wake)
        """Where HTTP requests come in, if there is a server."""
        labels = Labels(settings.ingest.alert_device_labels or Labels().device, settings.ingest.alert_name_labels or Labels().name)
        self._visits = Visits(self._intake, labels)

    # ----------------------------------------------------------------------------------------------- for other threads

    @property
    def mqtt_trouble(self) -> str | None:
        """Why messages cannot arrive, or None."""
        return self._link.why_not

    @property
    def log_trouble(self) -> str | None:
        """Why the log gets nothing, or None."""
        return "the log does not take records" if self._bridge.troubled else None

    def bring(self, record: Record, *, earlier: bool = False) -> None:
        """An action to hand over (`earlier`: from before the start), or a reply somebody wrote."""
        self._brought.append((record, earlier))
        self._wake()

    def _said(self, token: int, error: BaseException | None) -> None:
        """What the log says about a record."""
        self._results.append((token, error))
        self._wake()

    def _wake(self) -> None:
        if self._asleep:
            self._client.wake()

    # ----------------------------------------------------------------------------------------------- the thread

    def run(self, stop: threading.Event) -> None:
        """Work until `stop`; then let what was read reach the log, acknowledge it, and say goodbye."""
        self._remember(stop)
        while not stop.is_set():
            self._work()
            if self._bridge.full:
                self._wait_for_the_log()
            elif not self._client.connection_is_open:
                self._connect(stop)
            else:
                self._turn()
        self._drain()

    def _remember(self, stop: threading.Event) -> None:
        """Where the time of each partition stood: a frame of this run must not say an earlier `now` than one of the last."""
        topic = self.plan.readings
        while not stop.is_set():
            try:
                begins, ends = self._log.begins(topic), self._log.ends(topic)
                last = {(topic, p): ends[p] - 1 for p in self.plan.owned if ends[p] > begins[p]}
                while last and (entries := self._log.read(last, limit=len(last), wait_s=_LONGEST_WAIT_S)):
                    for entry in entries:
                        last.pop((topic, entry.partition), None)
                        with suppress(Rejected):  # not ours: consumers refuse it, and it says nothing about time
                            self._intake.framer.now[entry.partition] = decode(entry.value or b"").now
            except Unavailable as error:
                LOG.warning("waiting for the log", why=str(error))
                stop.wait(_RETRY_S)
            else:
                known = [self._intake.framer.now[p] for p in self.plan.live if p in self._intake.framer.now]
                kept_for = int(self._settings.mqtt.session_expiry_s * SECOND * self._clock.speed)
                self._present_at = max(min(known), self._tell_time() - kept_for) if known else 0
                return

    def _turn(self) -> None:
        """Wait for messages and take them."""
        wait_s = min(_LONGEST_WAIT_S, min(self._ticker.wait(self._now), self._book.wait(self._now)) / SECOND / self._clock.speed)
        self._asleep = True
        self._client.loop(0.0 if self._results or self._brought or self.door.waiting else wait_s)
        self._asleep = False
        self._note_presence()
        arrivals, self._client.arrived = self._client.arrived, None
        if arrivals is None or not arrivals.topics:
            return
        began = self._tell_time()
        nap = self._pace.read(len(arrivals), int((began - self._read_at) / self._clock.speed))
        counting.nap(nap / SECOND)
        self._read_at = began
        self._take(arrivals, began)
        if nap and self._client.read_bytes < READ_BYTES:
            time.sleep(nap / SECOND)

    def _note_presence(self) -> None:
        """After a time in which nothing was read, what the broker kept for us meanwhile comes at once: that is no flood."""
        now = self._tell_time()
        if self._present_at and now - self._present_at > _ABSENT_S * SECOND * self._clock.speed:
            self._intake.away(now - self._present_at, now)
        self._present_at = now

    def _work(self) -> None:
        """Everything but reading: what the log said, what the courier brought, and the time."""
        now = self._tell_time()
        while self._results:
            self._landed(*self._results.popleft(), now)
        self._acknowledge()
        self._tell(self._book.due(now))
        self._see_visitors(now)
        while self._brought:
            record, earlier = self._brought.popleft()
            if isinstance(record, Reply):
                self._downlink.answered(record)
            elif isinstance(record, Facts):
                self._intake.recall(record)
            elif isinstance(record, Recall):
                self._carry_out(self._downlink.recall(record, now))
            elif isinstance(record, Action):
                self._actions.append((record, earlier))
        if self._link.listening:
            while self._actions:
                action, earlier = self._actions.popleft()
                self._carry_out(self._downlink.decide(action, self._now_of(action), earlier=earlier))
            if not self._bridge.full:
                self._tick(now)
        if now - self._counted_at >= SECOND * self._clock.speed:
            self._counted_at = now
            self._pass_time(now)
            self._go_on()
            self._watch(now)
            oldest = self._bridge.oldest
            counting.waiting(self._bridge.messages, 0.0 if oldest is None else (now - oldest) / SECOND / self._clock.speed)

    def _take(self, arrivals: Arrivals, now: Micros) -> None:
        passes = self._intake.take(arrivals, now)
        crashpoint("ingest.before_append")
        self._hand_in(arrivals.mids, passes, len(arrivals), now, kept.ticket(passes))

    def _hand_in(self, mids: Sequence[bytes], passes: Sequence[Taken], messages: int, now: Micros, ticket: object) -> None:
        """Everything one read or visit became goes to the log together."""
        records = (record for taken in passes for record in taken.records)
        with self._log.together():
            self._do(self._bridge.received(mids, records, messages, now, ticket))
        self._account(passes, now)

    def _account(self, passes: Iterable[Taken], now: Micros) -> None:
        for taken in passes:
            self._ticker.written(taken.framed, now)
            counting.taken(taken)
            for answer in taken.answered:
                self._downlink.answered(answer)
            if taken.statuses:
                self._go_on()
            for refused in taken.news:
                LOG.warning("refused", topic=refused.source, device=refused.device, reason=str(refused.reason), detail=refused.detail)
            self._publish(taken)

    def _see_visitors(self, now: Micros) -> None:
        """HTTP requests are taken exactly when messages are: while the broker is away time stands still for everybody."""
        why = self.log_trouble or ("" if self._link.listening else self._link.trouble)
        if why:
            self.door.close(why)
            return
        self.door.open()
        if self.door.waiting and not self._bridge.full:
            visit = self._visits.take(self.door.take(), now)
            self._hand_in([], visit.passes, visit.messages, now, kept.ticket(visit.passes, visit.answers))

    def _publish(self, taken: Taken) -> None:
        self._tell(taken.notes)
        for say in () if self._shadow else taken.says:
            self._client.publish(say.topic, say.payload, qos=say.qos)

    def _tell(self, notes: Iterable[Note]) -> None:
        for note in () if self._shadow else notes:
            self._client.publish(note.topic, note.payload, qos=0)

    def _pass_time(self, now: Micros) -> None:
        taken = self._intake.due(now)
        for record in taken.records:
            self._do(self._bridge.emit(record))
        self._ticker.written(taken.framed, now)
        self._publish(taken)

    def _tick(self, now: Micros) -> None:
        for partition in self._ticker.due(now):
            self._do(self._bridge.emit(self._intake.framed(partition, self._intake.framer.tick(partition, now))))
            counting.tick()
        for partition in self._reply_ticker.due(now):
            self._do(self._bridge.emit(reply_tick(partition, now)))

    # ----------------------------------------------------------------------------------------------- effects

    def _do(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Append):
                self._appended_at[effect.token] = self._now
                try:
                    self._log.append(effect.record, partial(self._said, effect.token))
                except Unavailable as error:
                    self._said(effect.token, error)
            elif isinstance(effect, Done):
                self._tell(kept.redeem(effect.ticket, self._book, self._now))
            elif effect.epoch == self._client.epoch:
                self._acks.append(pubacks(effect.mids))

    def _acknowledge(self) -> None:
        """Everything that may be acknowledged now, in one write."""
        acks = b"".join(self._acks)
        self._acks.clear()
        if acks and self._client.connection_is_open:
            crashpoint("ingest.before_ack")
            self._client.acknowledge(acks)

    def _landed(self, token: int, error: BaseException | None, now: Micros) -> None:
        began = self._appended_at.pop(token, None)
        if began is None:  # nobody waits for it any more
            return
        if error is not None:
            LOG.warning("the log did not take a record; it is kept and tried again", why=str(error))
            self._bridge.failed(token)
            return
        self._landed_from = max(self._landed_from, began)
        counting.appended((now - began) / SECOND / self._clock.speed)
        stale = self._bridge.stale
        self._do(self._bridge.confirmed(token))
        counting.stale(self._bridge.stale - stale)

    def _go_on(self) -> None:
        """Commands that are due again, and the next of each device that is free."""
        if self._link.listening:
            for outcome in self._downlink.due(self._now_of):
                self._carry_out(outcome)

    def _now_of(self, action: Action) -> Micros:
        partition = self.plan.partition_of(action.key)
        return self._now if partition < self.plan.first_recorded else self._intake.framer.now.get(partition, 0)

    def _carry_out(self, decided: Outcome) -> None:
        if isinstance(decided, Command):
            properties = None
            if self._client.v5:
                properties = command_properties(decided.response_topic, decided.correlation, decided.expires_in_s)
            self._client.publish(decided.topic, decided.payload, qos=decided.qos, properties=properties)
            counting.action("repeated" if decided.again else "published")
        elif isinstance(decided, Reply):
            self._do(self._bridge.emit(self._intake.answered(decided)))
            counting.action(decided.status)
        else:
            counting.action(decided)

    # ----------------------------------------------------------------------------------------------- waiting

    def _wait_for_the_log(self) -> None:
        """Back-pressure: not a byte is read until the log has taken what it was given."""
        troubled = self._bridge.troubled
        self._asleep = not troubled  # after a failure the pause is meant
        if not self._results:
            self._client.stay_alive(_RETRY_S if troubled else _SLICE_S)
        self._asleep = False
        if troubled and not self._results:
            self._do(self._bridge.retry())

    def _watch(self, now: Micros) -> None:
        """A message waits for ever in a log that takes others: only on a new connection does a broker send again, so make one."""
        oldest = self._bridge.oldest
        patience = self._settings.ingest.ack_stall_s * SECOND * self._clock.speed
        if oldest is None or now - oldest < patience or self._bridge.troubled or self._landed_from <= oldest or not self._link.listening:
            return
        LOG.warning("a message has waited too long while the log takes others: connecting anew, so that the broker sends it again")
        counting.stalled()
        given_up = self._bridge.abandon()
        for token in given_up.tokens:
            self._appended_at.pop(token, None)
        kept.write_off(given_up.tickets)
        self._link.renew("its acknowledgements had stalled")

    def _connect(self, stop: threading.Event) -> None:
        self._acks.clear()
        if self._link.connect(stop, meanwhile=self._work):
            self._bridge.connected(self._client.epoch)

    def _drain(self) -> None:
        slices = int(_DRAIN_S / _SLICE_S)
        self._link.listening = False
        while slices and self._bridge.records:
            slices -= 1
            self._work()
            self._asleep = True
            if self._bridge.records and not self._results:
                self._client.stay_alive(_SLICE_S)
            self._asleep = False
        self._work()
        self._link.close()

    def _listen(self) -> None:
        """Messages can arrive from now on."""
        now = self._tell_time()
        self._ticker.start(now)
        self._reply_ticker.start(now)

    def _tell_time(self) -> Micros:
        """The clock, but never back."""
        self._now = max(self._now, self._clock.now())
        return self._now
