"""The notifier ends, as by kill -9, at every interesting instant, against a real SMTP server.

At most one mail per case, recipient, channel, purpose and stage, exactly one final delivery for each, *unknown* exactly where a send was
cut off, and no message without an end or a wait. `make kills` does it thirty-five times over three hundred messages.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

import pytest

from notifier.database import Database
from notifier.store import Store
from notifier.wiring import Lock
from tests.parts.base import PATIENCE_S, wait_until
from tests.parts.fixtures import NewKafka
from tests.parts.smtp import SmtpSink
from tests.system.figures import say
from tests.unit.notifier.house import NIGHT, NOON, House, customer, note
from vorab import ids, topics
from vorab.clock import HOUR, iso
from vorab.errors import ConfigError
from vorab.log import Entry, EventLog, Outgoing, append_all, open_log
from vorab.records import Customer, Delivery, DeliveryReason, DeliveryState, Notification, Record, from_wire, to_wire
from vorab.testing import CRASH_EXIT

MESSAGES: Final = 30
ROUNDS: Final = int(os.environ.get("VORAB_TEST_KILLS", "1"))
"""How often each instant is died at; `make kills` says 5."""
DUE: Final = 300 if ROUNDS > 1 else 60
PARTITIONS: Final = 3
INSIDE: Final = ("notifier.before_send", "notifier.after_send")
AROUND: Final = (
    "notifier.after_take",
    "notifier.after_claim",
    "notifier.after_record",
    "notifier.before_publish",
    "notifier.after_publish",
)
AWAKE: Final = 4
"""Customers c-0 to c-3 may be told; c-4 has withdrawn consent, and c-5 sleeps, on the other side of the world."""


def everybody() -> list[Customer]:
    """Who there is."""
    told = [customer(f"c-{n}") for n in range(AWAKE)]
    return [*told, customer("c-4", purposes={"service": False}), customer("c-5", time_zone="Pacific/Auckland")]


def all_that_is_due(count: int) -> list[Notification]:
    """So many messages of which a third may not be said now, and a few that others take the place of; these are due first."""
    notes = [note(case=f"case-{n}", name=f"c-{n % 6}", at=NIGHT - HOUR * (n % 6 >= AWAKE)) for n in range(count)]
    twins = [each.model_copy(update={"at": NIGHT - HOUR, "id": ids.notification_id("main/twin", each.case, each.stage)}) for each in notes]
    return [*[twin for twin in twins if twin.customer == "c-0"][:10], *notes]


class Night:
    """An installation whose notifier is killed, over and over, and at last left in peace."""

    def __init__(
        self, folder: Path, sink: SmtpSink, program: str = "", address: str = "", notes: Sequence[Notification] | None = None
    ) -> None:
        self.folder, self.sink, self.kills = folder, sink, 0
        self.address = address or f"sqlite:///{folder / 'log.db'}"
        self.program = ["-c", program] if program else ["-m", "vorab", "notifier"]
        told = [note(case=f"case-{n}", name=f"c-{n % AWAKE}") for n in range(MESSAGES)]
        self.notes = told if notes is None else notes
        with open_log(self.address) as log:
            log.create(dict.fromkeys(topics.TOPICS, PARTITIONS))
            append_all(log, (outgoing(record) for record in [*everybody(), *self.notes, *self.notes[:10]]))
        people = "".join(f"- {{customer: main/c-{n}, name: 'Kunde {n}', mail: 'c{n}@example.org'}}\n" for n in range(6))
        (folder / "people.yaml").write_text(people, encoding="utf-8")

    def run(self, crash: str = "", timeout_s: float = PATIENCE_S) -> int:
        """One life of the notifier: until it crashes, or until everything is told."""
        with (self.folder / "notifier.log").open("ab") as output:
            child = self.start(output, crash=crash)
            try:
                if not crash:
                    self.until_told([child], timeout_s)
                    child.terminate()
                code = child.wait(timeout_s)
            finally:
                child.kill()
                child.wait()
        self.kills += code == CRASH_EXIT
        return code

    def start(self, output: IO[bytes], *, crash: str = "", share: str = "0/1") -> subprocess.Popen[bytes]:
        """A notifier as a process of its own."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("VORAB_")}
        env |= {
            "VORAB_STATE_DIR": str(self.folder),
            # Noon of the story is now: outside quiet hours whenever this runs.
            "VORAB_CLOCK": f"{iso(NOON)}@1/{time.time():.0f}",
            "VORAB_NOTIFIER_SMTP_HOST": self.sink.host,
            "VORAB_NOTIFIER_SMTP_PORT": str(self.sink.port),
            "VORAB_LOG": self.address,
            "VORAB_NOTIFIER_SHARE": share,
            "VORAB_NOTIFIER_SENDERS": "1",
            "VORAB_NOTIFIER_PEOPLE": str(self.folder / "people.yaml"),
            "VORAB_TOPICS_PARTITIONS": str(PARTITIONS),
            # Thirty messages to four customers: that each arrives once is what is looked at here.
            **dict.fromkeys((f"VORAB_NOTIFIER_BUDGET_A_{span}" for span in ("DAY", "WEEK", "MONTH")), "0"),
        }
        if crash:
            env["VORAB_CRASH"] = crash
        return subprocess.Popen([sys.executable, *self.program], env=env, stdout=output, stderr=output)

    def until_told(self, children: Sequence[subprocess.Popen[bytes]], timeout_s: float = PATIENCE_S) -> None:
        """Wait until every notification has an end, or waits for a morning."""
        with open_log(self.address, read_only=True) as log:

            def told() -> bool:
                assert all(child.poll() is None for child in children), (self.folder / "notifier.log").read_text()[-3_000:]
                settled = {d.notification for d in deliveries(log) if d.state.final or d.reason is DeliveryReason.QUIET_HOURS}
                return settled >= {n.id for n in self.notes}

            wait_until(told, "an end of every notification", timeout_s=timeout_s)

    def judge(self) -> tuple[Counter[str], dict[str, set[str]], Counter[str]]:
        """Mails by Message-ID, final delivery ids by notification, and notifications by final state."""
        mails = Counter(mail.message_id for mail in self.sink.accepted)
        final: dict[str, set[str]] = {n.id: set() for n in self.notes}
        states: dict[str, str] = {}
        with open_log(self.address, read_only=True) as log:
            for delivery in deliveries(log):
                if delivery.state.final:
                    final[delivery.notification].add(delivery.id)
                    states[delivery.id] = delivery.state
        return mails, final, Counter(states.values())

    def by_key(self) -> Counter[tuple[str, str, str, str, str]]:
        """Mails at the server by what must be unique: case, recipient, channel, purpose, stage."""
        notes = {each.id: each for each in self.notes}
        found: Counter[tuple[str, str, str, str, str]] = Counter()
        for mail in self.sink.accepted:
            each = notes[mail.message_id.strip("<>").partition("@")[0]]
            [recipient] = mail.recipients
            found[each.case, recipient, "mail", each.purpose, each.stage] += 1
        return found

    def waiting(self) -> set[str]:
        """Notifications that wait for a morning."""
        with open_log(self.address, read_only=True) as log:
            found = deliveries(log)
        over = {each.notification for each in found if each.state.final}
        return {each.notification for each in found if each.reason is DeliveryReason.QUIET_HOURS} - over


def outgoing(record: Record) -> Outgoing:
    """A record on its way to the log."""
    key, value, headers = to_wire(record, "urn:test")
    return Outgoing(record.TOPIC, topics.partition_of(record.key, PARTITIONS), key, value, headers)


def deliveries(log: EventLog) -> list[Delivery]:
    """All deliveries on the log."""
    places = {(topics.DELIVERIES, partition): 0 for partition in range(PARTITIONS)}
    ends = log.ends(topics.DELIVERIES)
    entries: list[Entry] = []
    while any(places[topics.DELIVERIES, partition] < end for partition, end in ends.items()):
        for entry in log.read(places, limit=1_000, wait_s=1):
            places[entry.topic, entry.partition] = entry.offset + 1
            entries.append(entry)
    return [record for entry in entries if isinstance(record := from_wire(entry.value, entry.headers), Delivery)]


def kill_over_and_over(night: Night, points: Sequence[str]) -> None:
    """A kill at each of these instants: at most one mail each, one final delivery each, unknown = kills inside a send."""
    for point in points:
        code = night.run(crash=f"{point}:{1 if point == 'notifier.after_take' else 2}")
        assert code == CRASH_EXIT, (night.folder / "notifier.log").read_text()[-3_000:]
    assert night.run() == 0

    mails, final, states = night.judge()
    assert max(mails.values()) == 1
    assert all(len(ids) == 1 for ids in final.values())
    # after_claim: the row says `sending`, the channel was not called yet; from outside this is a send that was cut off.
    cut_off = sum(point in {*INSIDE, "notifier.after_claim"} for point in points)
    assert states[DeliveryState.UNKNOWN] == cut_off
    assert states[DeliveryState.SENT] == MESSAGES - cut_off
    unknown_but_there = len(mails) - states[DeliveryState.SENT]
    assert unknown_but_there == points.count("notifier.after_send"), "those were killed after the server had taken the mail"


def test_killed_at_every_instant_nothing_is_said_twice_and_nothing_is_forgotten(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """Seven instants, over and over: each message ends as sent, suppressed or held, or waits for a morning; the sum is what was due."""
    night = Night(tmp_path, smtp_sink, notes=all_that_is_due(DUE))
    points = (*AROUND, *INSIDE) * ROUNDS
    for point in points:
        code = night.run(crash=f"{point}:{1 if point == 'notifier.after_take' else 2}")
        assert code == CRASH_EXIT, (point, (night.folder / "notifier.log").read_text()[-3_000:])
    assert night.run() == 0

    mails, final, states = night.judge()
    due, waits, keys = len(night.notes), night.waiting(), night.by_key()
    cut_off = sum(point in {*INSIDE, "notifier.after_claim"} for point in points)
    ended = {name: states[name] for name in ("sent", "suppressed", "unknown", "failed")} | {"deferred": len(waits)}
    say(f"{night.kills} deaths at {len(set(points))} instants, {due} due: {ended}, sum {sum(ended.values())}")
    say(
        f"at the server {len(mails)} mails, at most {max(keys.values())} per case, recipient, channel, purpose and stage; cut off {cut_off}"
    )
    assert max(keys.values()) == max(mails.values()) == 1
    assert all(len(final[each.id]) == (each.id not in waits) for each in night.notes)
    assert sum(ended.values()) == due
    assert states[DeliveryState.UNKNOWN] == cut_off
    assert states[DeliveryState.SENT] + cut_off == DUE * AWAKE // 6
    assert states[DeliveryState.SUPPRESSED] == due - DUE + DUE // 6
    assert len(waits) == DUE // 6
    assert len(mails) - states[DeliveryState.SENT] == points.count("notifier.after_send")


def test_the_same_on_kafka(tmp_path: Path, smtp_sink: SmtpSink, new_kafka: NewKafka) -> None:
    """A real Kafka instead of a file, five kills."""
    points = ("notifier.after_record", "notifier.before_publish", "notifier.after_publish", *INSIDE)
    kill_over_and_over(Night(tmp_path, smtp_sink, address=new_kafka().log_address), points)


def test_two_workers_share_the_customers_and_each_message_is_sent_once(tmp_path: Path, smtp_sink: SmtpSink, new_kafka: NewKafka) -> None:
    """Shares split partitions, each worker has a database of its own, and one of them is killed on the way."""
    night = Night(tmp_path, smtp_sink, address=new_kafka().log_address)
    with (tmp_path / "notifier.log").open("ab") as output:
        children = [night.start(output, share="0/2"), night.start(output, share="1/2", crash="notifier.after_record:2")]
        try:
            assert children[1].wait(PATIENCE_S) == CRASH_EXIT
            children[1] = night.start(output, share="1/2")
            night.until_told(children)
        finally:
            for child in children:
                child.terminate()
            for child in children:
                child.wait(PATIENCE_S)
    mails, final, states = night.judge()
    assert set(mails.values()) == {1}
    assert all(len(ids) == 1 for ids in final.values())
    assert states == {DeliveryState.SENT: MESSAGES}
    assert len(list(tmp_path.glob("notifier-*-of-2.db"))) == 2


MARK_AFTER_SEND: Final = """
from notifier.store import Store
from notifier.database import QUEUED
from vorab.records import DeliveryReason
import sqlalchemy as sa
from notifier.database import notices, outbox
# Known-bad: what was interrupted is sent again, as an outbox does that marks a row only after the send.
def interrupted(self, idempotent, now):
    with self.database.begin() as connection:
        connection.execute(sa.update(notices).where(notices.c.state == "sending").values(state=QUEUED))
        connection.execute(sa.update(outbox).where(outbox.c.state == "sending").values(state=QUEUED))
    return []
Store.interrupted = interrupted
import sys
sys.argv = ["vorab", "notifier"]
from vorab.cli import main
main()
"""


def test_an_outbox_that_marks_after_the_send_is_caught(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """The known-bad variant sends what it does not remember once more, and the same count shows it."""
    night = Night(tmp_path, smtp_sink, program=MARK_AFTER_SEND)
    assert night.run(crash="notifier.after_send:2") == CRASH_EXIT
    night.run()
    mails, _, _ = night.judge()
    assert max(mails.values()) == 2


SEND_BEFORE_COMMIT: Final = """
from notifier.deciding import Decider
from notifier.sending import Hands
from vorab.testing import crashpoint
# Known-bad: the channel is called before the row that says so is on disk.
decide, done = Decider.decide, {}
def early(self, *args, **named):
    with self.store.database.begin():
        jobs, put_down = decide(self, *args, **named)
        for job in jobs:
            done[job.notice.note.id] = self.channels[job.channel].send(job.message)
            crashpoint("notifier.after_send")
    return jobs, put_down
Decider.decide = early
Hands._call = lambda self, job: self._done.put((job, done[job.notice.note.id]))
import sys
sys.argv = ["vorab", "notifier"]
from vorab.cli import main
main()
"""


def test_a_call_before_its_row_is_on_disk_is_caught(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """The known-bad variant does not remember after a kill whom it had just written to, and writes again."""
    night = Night(tmp_path, smtp_sink, program=SEND_BEFORE_COMMIT)
    assert night.run(crash="notifier.after_send:2") == CRASH_EXIT
    night.run()
    assert max(night.by_key().values()) == 2


def test_a_second_notifier_on_the_same_database_is_refused_and_without_the_lock_is_caught(tmp_path: Path) -> None:
    """The lock is held for as long as the process lives. Known-bad, no lock: the other takes for cut off what is being said right now."""
    house = House(tmp_path, now=NOON)
    address = f"sqlite:///{tmp_path / 'notifier.db'}"
    first = Lock(address)
    with pytest.raises(ConfigError, match="another process works on"):
        Lock(address)
    house.know()
    house.put(customer(), note())
    house.notifier.prepare()
    while not house.store.counts():
        house.notifier.read(("vorab.notifications", "vorab.customers"), 0.1)
    [notice] = house.store.due(NOON, 1)
    house.store.claim(notice, house.mail.channel, NOON)
    # A lock that is let go of while its holder still works is as good as none.
    first.close()
    second = Lock(address)
    other = Database(address)
    assert [each.reason for each in Store(other).interrupted((), NOON)] == [DeliveryReason.INTERRUPTED]
    with pytest.raises(AssertionError, match="is not sending"):
        house.store.sent(notice.note, house.mail.channel, NOON)
    other.close()
    second.close()
    house.close()
