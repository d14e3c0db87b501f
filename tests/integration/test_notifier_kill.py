"""Kill -9 of the notifier at every interesting instant, against a real SMTP server.

At most one mail per notification, exactly one final delivery for each, and *unknown* exactly where a send was cut off.
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

from tests.parts.base import PATIENCE_S, wait_until
from tests.parts.fixtures import NewKafka
from tests.parts.smtp import SmtpSink
from tests.unit.notifier.house import NOON, customer, note
from vorab import topics
from vorab.clock import iso
from vorab.log import Entry, EventLog, Outgoing, append_all, open_log
from vorab.records import Delivery, DeliveryState, Record, from_wire, to_wire
from vorab.testing import CRASH_EXIT

MESSAGES: Final = 30
PARTITIONS: Final = 3
INSIDE: Final = ("notifier.before_send", "notifier.after_send")
AROUND: Final = (
    "notifier.after_take",
    "notifier.after_claim",
    "notifier.after_record",
    "notifier.before_publish",
    "notifier.after_publish",
)


class Night:
    """An installation whose notifier is killed, over and over, and at last left in peace."""

    def __init__(self, folder: Path, sink: SmtpSink, program: str = "", address: str = "") -> None:
        self.folder, self.sink, self.kills = folder, sink, 0
        self.address = address or f"sqlite:///{folder / 'log.db'}"
        self.program = ["-c", program] if program else ["-m", "vorab", "notifier"]
        self.notes = [note(case=f"case-{n}", name=f"c-{n % 4}") for n in range(MESSAGES)]
        with open_log(self.address) as log:
            log.create(dict.fromkeys(topics.TOPICS, PARTITIONS))
            append_all(log, (outgoing(record) for record in [*(customer(f"c-{n}") for n in range(4)), *self.notes]))
        people = "".join(f"- {{customer: main/c-{n}, name: 'Kunde {n}', mail: 'c{n}@example.org'}}\n" for n in range(4))
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
        """Wait for a final delivery of every notification."""
        with open_log(self.address, read_only=True) as log:

            def told() -> bool:
                assert all(child.poll() is None for child in children), (self.folder / "notifier.log").read_text()[-3_000:]
                return {d.notification for d in deliveries(log) if d.state.final} >= {n.id for n in self.notes}

            wait_until(told, "a final delivery for every notification", timeout_s=timeout_s)

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


def test_killed_inside_and_around_sends_nothing_is_said_twice_and_nothing_is_forgotten(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """The embedded log, nine kills at seven instants."""
    kill_over_and_over(Night(tmp_path, smtp_sink), (*AROUND, *INSIDE, *INSIDE))


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
