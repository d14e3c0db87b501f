"""The promise of ingest, searched for holes: nothing is acknowledged to the broker before the log has all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from ingest.bridge import Ack, Append, Bridge, Done, Effect
from vorab.log import Outgoing

PARTITIONS = 3


def record(partition: int, value: bytes = b"x") -> Outgoing:
    """A record for a partition."""
    return Outgoing("vorab.readings", partition, None, value)


def mid(number: int) -> bytes:
    """A packet id on the wire."""
    return number.to_bytes(2, "big")


# ------------------------------------------------------------------------------------------------ single stories


def test_mqtt_is_acked_only_after_the_log_has_the_reading() -> None:
    """The broker may forget a message only once the log remembers it."""
    bridge = Bridge()
    bridge.connected(1)
    [append] = bridge.received([mid(7)], [record(0)], 1, 0)
    assert isinstance(append, Append)

    assert bridge.confirmed(append.token) == [Ack(1, [mid(7)], 1)]


def test_a_read_is_acked_when_all_it_became_is_confirmed() -> None:
    """Frames of several partitions and a rejection: the last confirmation counts."""
    bridge = Bridge()
    appends = [one for one in bridge.received([mid(1), mid(2)], [record(0), record(1), record(2)], 2, 0) if isinstance(one, Append)]
    assert [bridge.confirmed(one.token) for one in appends[:2]] == [[], []]
    assert bridge.confirmed(appends[2].token) == [Ack(0, [mid(1), mid(2)], 2)]


def test_reads_are_acked_in_the_order_of_arrival() -> None:
    """A later read that is confirmed first waits for the earlier one: MQTT wants acknowledgements in order."""
    bridge = Bridge()
    [first] = bridge.received([mid(1)], [record(0)], 1, 0)
    [second] = bridge.received([mid(2)], [record(1)], 1, 0)
    assert isinstance(first, Append)
    assert isinstance(second, Append)
    assert bridge.confirmed(second.token) == []
    assert bridge.confirmed(first.token) == [Ack(0, [mid(1)], 1), Ack(0, [mid(2)], 1)]


def test_messages_of_another_worker_are_acked_at_once_but_in_turn() -> None:
    """A message that became nothing is done when its turn comes."""
    bridge = Bridge()
    assert bridge.received([mid(1)], [], 1, 0) == [Ack(0, [mid(1)], 1)]
    [append] = bridge.received([mid(2)], [record(0)], 1, 0)
    assert isinstance(append, Append)
    assert bridge.received([mid(3)], [], 1, 0) == []
    assert bridge.confirmed(append.token) == [Ack(0, [mid(2)], 1), Ack(0, [mid(3)], 1)]


def test_a_stale_acknowledgement_is_dropped_and_counted() -> None:
    """The broker came back without the session and packet id 1 means another message now: the old acknowledgement must not go out."""
    bridge = Bridge()
    bridge.connected(1)
    [old] = bridge.received([mid(1)], [record(0)], 1, 0)
    assert isinstance(old, Append)
    bridge.connected(2)
    [new] = bridge.received([mid(1)], [record(1)], 1, 0)
    assert isinstance(new, Append)
    assert bridge.confirmed(old.token) == []
    assert bridge.stale == 1
    assert bridge.confirmed(new.token) == [Ack(2, [mid(1)], 1)]


def test_what_failed_is_handed_over_again_in_order() -> None:
    """A refused record and everything behind it in its partition come again, oldest first; other partitions go on."""
    bridge = Bridge()
    [first] = bridge.received([mid(1)], [record(0, b"1")], 1, 0)
    [second] = bridge.received([mid(2)], [record(0, b"2")], 1, 0)
    assert isinstance(first, Append)
    assert isinstance(second, Append)
    bridge.failed(first.token)
    assert bridge.full
    assert bridge.retry() == [], "the second still flies"
    bridge.failed(second.token)
    assert bridge.emit(record(0, b"tick")) == [], "a tick must not overtake"
    again = [one for one in bridge.retry() if isinstance(one, Append)]
    assert [one.record.value for one in again] == [b"1", b"2", b"tick"]
    assert not bridge.full
    assert [effect for one in again for effect in bridge.confirmed(one.token)] == [Ack(0, [mid(1)], 1), Ack(0, [mid(2)], 1)]


def test_memory_is_bounded_by_not_reading() -> None:
    """Beyond the bound the bridge says full, for messages as for records, until the log catches up."""
    bridge = Bridge(most_messages=2, most_records=3)
    [append] = bridge.received([mid(1), mid(2)], [record(0)], 2, 5)
    assert isinstance(append, Append)
    assert (bridge.full, bridge.messages, bridge.records, bridge.oldest) == (True, 2, 1, 5)
    bridge.confirmed(append.token)
    assert (bridge.full, bridge.messages, bridge.records, bridge.oldest) == (False, 0, 0, None)
    for _ in range(3):
        bridge.emit(record(1))
    assert bridge.full


def test_a_ticket_comes_back_when_the_log_has_it_whatever_became_of_the_connection() -> None:
    """The broker's acknowledgement is void on a new connection; that the log has the reading stays true."""
    bridge = Bridge()
    bridge.connected(1)
    [append] = bridge.received([mid(1)], [record(0)], 1, 0, "ticket")
    assert isinstance(append, Append)
    bridge.connected(2)
    assert bridge.confirmed(append.token) == [Done("ticket")]
    assert bridge.received([b""], [], 1, 0, "nothing to store") == [Done("nothing to store"), Ack(2, [b""], 1)]


def test_what_is_abandoned_is_not_waited_for_and_blocks_nobody() -> None:
    """After a stall: tickets come back as lost, late words about the old records mean nothing, and the same partition goes on."""
    bridge = Bridge()
    bridge.connected(1)
    [stuck] = bridge.received([mid(1)], [record(0)], 1, 0, "ticket")
    [tick] = bridge.emit(record(0, b"tick"))
    assert isinstance(stuck, Append)
    assert isinstance(tick, Append)
    assert bridge.abandon() == ([stuck.token], ["ticket"])
    assert (bridge.messages, bridge.records, bridge.oldest) == (0, 1, None)
    bridge.connected(2)
    [again] = bridge.received([mid(1)], [record(0)], 1, 0)
    assert isinstance(again, Append)
    assert bridge.confirmed(stuck.token) == []
    bridge.failed(stuck.token)
    assert not bridge.troubled
    assert bridge.confirmed(tick.token) == []
    assert bridge.confirmed(again.token) == [Ack(2, [mid(1)], 1)]


# ------------------------------------------------------------------------------------------------ known-bad variants


class AckEarly(Bridge):
    """Known bad: acknowledges on receipt."""

    def received(
        self, mids: Sequence[bytes], records: Iterable[Outgoing], count: int, received_at: int, ticket: object = None
    ) -> list[Effect]:
        """Acks first."""
        early: list[Effect] = [Ack(self._epoch, mids, count), *([] if ticket is None else [Done(ticket)])]
        return [*super().received([], records, count, received_at), *early]


class TicketEarly(Bridge):
    """Known bad: gives a ticket back on receipt."""

    def received(
        self, mids: Sequence[bytes], records: Iterable[Outgoing], count: int, received_at: int, ticket: object = None
    ) -> list[Effect]:
        """Done first."""
        return [*super().received(mids, records, count, received_at), Done(ticket)]


class NoEpochs(Bridge):
    """Known bad: sends every acknowledgement on whatever connection there is."""

    def connected(self, epoch: int) -> None:
        """Re-labels what waits."""
        super().connected(epoch)
        for batch in self._batches:
            batch.epoch = epoch


class OutOfOrder(Bridge):
    """Known bad: acknowledges each read when it is confirmed, not in turn."""

    def _release(self) -> list[Effect]:
        done = [batch for batch in self._batches if batch.open == 0]
        for batch in done:
            self._batches.remove(batch)
            self.messages -= batch.count
        return [Ack(batch.epoch, batch.mids, batch.count) for batch in done if batch.epoch == self._epoch]


class Forgets(Bridge):
    """Known bad: takes a failure for a confirmation."""

    def failed(self, token: int) -> None:
        """Done with it."""
        self.confirmed(token)


# ------------------------------------------------------------------------------------------------ the machine


class Broker:
    """A session at an MQTT broker: what it has promised to deliver, and under which packet ids."""

    def __init__(self) -> None:
        self.queue: list[int] = []
        self.flying: dict[int, int] = {}
        """Message by packet id, in the order in which they were sent."""
        self.unsent: list[int] = []
        """Packet ids to send (again) on this connection."""
        self.last_mid = 0
        self.lost: set[int] = set()

    def connect(self, *, present: bool) -> None:
        """A new connection; without the session everything it held is gone and packet ids begin anew."""
        if not present:
            self.lost |= {*self.queue, *self.flying.values()}
            self.queue, self.flying, self.last_mid = [], {}, 0
        self.unsent = list(self.flying)

    def send(self, most: int) -> list[tuple[int, int]]:
        """Up to `most` messages with their packet ids."""
        while self.queue and len(self.unsent) < most:
            self.last_mid += 1
            self.flying[self.last_mid] = self.queue.pop(0)
            self.unsent.append(self.last_mid)
        sent, self.unsent = self.unsent[:most], self.unsent[most:]
        return [(number, self.flying[number]) for number in sent]


def becomes(message: int) -> list[Outgoing]:
    """The records of a message: none for every fifth, several for some."""
    if message % 5 == 4:
        return []
    return [record((message + i) % PARTITIONS, b"%d" % message) for i in range(1 + message % 2)]


class Promise(RuleBasedStateMachine):
    """Publishes, reads, confirms, fails, reconnects and crashes in any order."""

    kind: type[Bridge] = Bridge

    def __init__(self) -> None:
        super().__init__()
        self.broker = Broker()
        self.published = 0
        self.log: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
        self.failures = 0
        self.epoch = 0
        self.start()

    def start(self) -> None:
        """A new worker."""
        self.bridge = self.kind(most_messages=6)
        self.flying: list[Append] = []
        self.acked: list[int] = []
        self.sent: list[int] = []
        self.reconnect(present=True)

    def do(self, effects: Iterable[Effect]) -> None:
        """What the loop does with effects."""
        for effect in effects:
            if isinstance(effect, Append):
                self.flying.append(effect)
            elif isinstance(effect, Done):
                self.redeem(effect.ticket)
            elif effect.epoch == self.epoch:
                for one in effect.mids:
                    self.ack(int.from_bytes(one, "big"))

    def redeem(self, messages: Iterable[int]) -> None:
        """The devices are told: from here on the log alone remembers."""
        for message in messages:
            for wanted in becomes(message):
                assert wanted.value in self.log[wanted.partition], f"the device was told of message {message}, which is not in the log"

    def ack(self, number: int) -> None:
        """The broker forgets the message: from here on the log alone remembers it."""
        message = self.broker.flying.pop(number, None)
        if message is None:
            return
        for wanted in becomes(message):
            assert wanted.value in self.log[wanted.partition], f"message {message} was acknowledged and is not in the log"
        self.acked.append(number)
        assert self.acked == self.sent[: len(self.acked)], "acknowledged out of order"

    @rule(count=st.integers(1, 4))
    def publish(self, count: int) -> None:
        """Devices speak."""
        self.broker.queue += range(self.published, self.published + count)
        self.published += count

    @precondition(lambda self: not self.bridge.full)
    @rule(most=st.integers(1, 4))
    def read(self, most: int) -> None:
        """One read of what the broker sends."""
        sent = self.broker.send(most)
        if sent:
            self.sent += [number for number, _ in sent]
            records = [made for _, message in sent for made in becomes(message)]
            self.do(self.bridge.received([mid(number) for number, _ in sent], records, len(sent), 0, [message for _, message in sent]))

    @precondition(lambda self: self.flying)
    @rule(pick=st.integers(0, 100))
    def confirm(self, pick: int) -> None:
        """The log has the oldest record of some partition."""
        append = self.oldest(pick)
        self.log[append.record.partition].append(append.record.value or b"")
        self.do(self.bridge.confirmed(append.token))

    @precondition(lambda self: self.flying)
    @rule(pick=st.integers(0, 100))
    def fail(self, pick: int) -> None:
        """The log refuses it."""
        self.failures += 1
        self.bridge.failed(self.oldest(pick).token)

    def oldest(self, pick: int) -> Append:
        """The oldest flying record of one of the partitions."""
        places = sorted({one.record.partition for one in self.flying})
        place = places[pick % len(places)]
        append = next(one for one in self.flying if one.record.partition == place)
        self.flying.remove(append)
        return append

    @rule()
    def retry(self) -> None:
        """A while later."""
        self.do(self.bridge.retry())

    @precondition(lambda self: not self.bridge.troubled)
    @rule(often=st.integers(0, 3))
    def stall(self, often: int) -> None:
        """Sometimes the worker waits no longer and connects anew; what was flying may land late, and be talked about."""
        if not often:
            given_up = set(self.bridge.abandon().tokens)
            for append in [one for one in self.flying if one.token in given_up]:
                self.flying.remove(append)
                self.log[append.record.partition].append(append.record.value or b"")
                self.do(self.bridge.confirmed(append.token))
            self.reconnect(present=True)

    @rule(what=st.sampled_from(["calm", "calm", "calm", "blink", "forgotten", "crash"]), landed=st.integers(0, 3))
    def trouble(self, what: str, landed: int) -> None:
        """Mostly calm; sometimes the connection blinks, the broker forgets the session, or the worker dies."""
        if what == "crash":
            self.crash(landed)
        elif what != "calm":
            self.reconnect(present=what == "blink")

    def reconnect(self, *, present: bool) -> None:
        """The connection is lost and made again; the worker lives on."""
        self.epoch += 1
        self.broker.connect(present=present)
        self.bridge.connected(self.epoch)
        self.acked, self.sent = [], []

    def crash(self, landed: int) -> None:
        """`kill -9`: some of what was flying lands in the log, and nobody hears of it."""
        for append in self.flying[:landed]:
            self.log[append.record.partition].append(append.record.value or b"")
        self.start()

    def teardown(self) -> None:
        """In the end everything the broker did not lose itself is in the log."""
        self.reconnect(present=True)
        while self.flying or self.bridge.troubled or self.broker.queue or self.broker.unsent:
            while self.flying:
                self.confirm(0)
            self.retry()
            if not self.bridge.full:
                self.read(4)
        assert not self.broker.queue
        assert not self.broker.flying, "a message was never acknowledged"
        for message in set(range(self.published)) - self.broker.lost:
            for wanted in becomes(message):
                assert wanted.value in self.log[wanted.partition], f"message {message} is lost"
        if not self.failures and not self.broker.lost:
            for partition in self.log:
                first = list(Counter(partition))
                assert first == sorted(first, key=int), "the order of arrival is not kept"


SEARCH = settings(
    max_examples=300, stateful_step_count=40, suppress_health_check=list(HealthCheck), report_multiple_bugs=False, phases=[Phase.generate]
)


def test_no_order_of_events_breaks_the_promise() -> None:
    """Searched: whatever happens in whatever order, nothing acknowledged is missing, and nothing is acknowledged out of order."""
    run_state_machine_as_test(Promise, settings=SEARCH)


@pytest.mark.parametrize("bad", [AckEarly, TicketEarly, NoEpochs, OutOfOrder, Forgets])
def test_the_search_finds_each_known_bad_bridge(bad: type[Bridge]) -> None:
    """Known bad: acking early, without epochs, out of order, or after a failure is found by the same search."""
    machine = type("Broken", (Promise,), {"kind": bad})
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=SEARCH)
