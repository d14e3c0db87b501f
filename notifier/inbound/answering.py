"""Giving answers: the outbox rule of messages, once more. On disk as `sending` before a channel is called; what may have arrived is held.

The log hears of an answer when the channel has taken it, or may have.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from notifier.channels import ChannelPort, Message, Outcome, Result
from notifier.inbound.known import SENT
from notifier.inbound.said import MAIL, WEBHOOK
from notifier.inbound.store import FAILED, UNKNOWN, Due, Inbox
from vorab import ids
from vorab.clock import DAY, SECOND, Clock, Micros
from vorab.metrics import metric
from vorab.people import Person
from vorab.records import Answered, HandedTo, Heard, Record
from vorab.sealing import opened
from vorab.service import crash, logger
from vorab.testing import crashpoint

LONGEST_RETRY_S: Final = 900.0
LASTS: Final = DAY
"""An answer that could not be given within a day is none any more."""
IDLE_S: Final = 0.1
STATES: Final = (SENT, FAILED, UNKNOWN)
FAILS: Final = "the answer could not be given"
MAY_HAVE: Final = "the answer may not have arrived"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in words, ready for its channel."""

    name: str
    """What it goes out under, the same however often it is tried."""
    case: str
    person: Person
    to: str
    """Whom it answers on that channel; of mail it is always the person's own address."""
    thread: str
    """What it stands beside."""
    language: str
    at: Micros
    subject: str
    text: str
    html: str
    short: str
    """The words without greeting and foot, for short messages."""


@dataclass(frozen=True, slots=True)
class Given:
    """What came of an attempt, and how long to wait where the other side says so."""

    result: Result
    patience_s: float = 0.0


class AnswerPort(Protocol):
    """A way to answer."""

    channel: str
    idempotent: bool
    """Whether the same answer given twice is one, as long as it lasts."""
    lasts: Micros
    """How long after it was decided an answer is still given."""

    def give(self, answer: Answer) -> Given:
        """Hand it over; blocks; raises nothing that a provider can cause."""


class ThroughChannel:
    """Answers by a channel that messages go out by: mail, in the thread of what it answers, and the webhook."""

    lasts = LASTS

    def __init__(self, port: ChannelPort, channel: str) -> None:
        self.channel, self._port, self.idempotent = channel, port, port.idempotent

    def give(self, answer: Answer) -> Given:
        """As a message."""
        if not self._port.reaches(answer.person):
            return Given(Result(Outcome.FAILED, "nothing to reach the customer by any more"))
        message = Message(
            answer.name, answer.case or answer.name, first=False, to=answer.person, language=answer.language, at=answer.at,
            subject=answer.subject, text=answer.text, html=answer.html, answers=answer.thread or answer.name,
        )  # fmt: skip
        return Given(self._port.send(message))


class Keys(Protocol):
    """What this needs of the people store."""

    def get(self, customer: str) -> Person | None:
        """The person of a key, or None."""

    def key(self, customer: str) -> bytes:
        """The key that sealed the answer."""


class Answering:
    """Gives what is due, one at a time."""

    def __init__(
        self, inbox: Inbox, people: Keys, ports: Iterable[AnswerPort], clock: Clock, *, attempts: int = 8, retry_s: float = 30.0
    ) -> None:
        self._inbox, self._people, self._clock = inbox, people, clock
        self._ports: Mapping[str, AnswerPort] = {port.channel: port for port in ports}
        self._attempts, self._retry_s = attempts, retry_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._logger = logger("replies")
        for channel in self._ports:
            for state in STATES:
                metric("vorab_replies_answers_total").labels(channel, state)

    def start(self) -> None:
        """Work in a thread of its own; an unexpected error ends the process (exit 70)."""
        self.prepare()

        def work() -> None:
            try:
                while not self._stop.is_set():
                    if not self.step():
                        self._stop.wait(IDLE_S)
            except Exception:  # noqa: BLE001 - the process ends with it
                crash(self._logger, "answering")

        self._thread = threading.Thread(target=work, name="answers", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 60.0) -> None:
        """Finish what is being said, and end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def prepare(self) -> None:
        """What was being said when the process died: said again where that makes one of two, else held."""
        for due in self._inbox.interrupted():
            port = self._ports.get(due.channel)
            now = self._clock.now()
            if port is not None and port.idempotent and now < due.record.at + port.lasts:
                self._inbox.again(due, now, "")
            else:
                self._end(due, UNKNOWN, "the notifier ended while it was being sent")

    def step(self) -> bool:
        """Give the next answer that is due; False where there is none."""
        due = self._inbox.claim(self._clock.now())
        if due is None:
            return False
        crashpoint("answering.after_claim")
        given = self._give(due)
        crashpoint("answering.after_send")
        match given.result.outcome:
            case Outcome.SENT:
                self._end(due, SENT, given.result.detail)
            case Outcome.FAILED:
                self._end(due, FAILED, given.result.detail)
            case Outcome.UNKNOWN:
                self._end(due, UNKNOWN, given.result.detail)
            case Outcome.LATER:
                self._later(due, given)
        return True

    def _give(self, due: Due) -> Given:
        port = self._ports.get(due.channel)
        body = opened(self._people.key(due.customer), due.customer, due.sealed)
        if port is None or body is None:
            return Given(Result(Outcome.FAILED, "the channel is gone" if port is None else "the customer was erased"))
        words = json.loads(body)
        person = self._people.get(due.customer) or Person(due.customer)
        return port.give(
            Answer(
                due.name, due.record.case, person, words["to"], words["thread"], words["language"], self._clock.now(), words["subject"],
                words["text"], words["html"], words["glance"],
            )
        )  # fmt: skip

    def _later(self, due: Due, given: Given) -> None:
        now, detail = self._clock.now(), given.result.detail
        wait_s = max(min(self._retry_s * 2 ** (due.attempts - 1), LONGEST_RETRY_S) * random.uniform(0.8, 1.2), given.patience_s)
        due_at = now + int(wait_s * SECOND * self._clock.speed)
        if due.attempts >= self._attempts or due_at > due.record.at + self._ports[due.channel].lasts:
            self._end(due, FAILED, detail)
        else:
            self._inbox.again(due, due_at, detail)

    def _end(self, due: Due, state: str, detail: str) -> None:
        now = self._clock.now()
        record = due.record.model_copy(update={"at": now})
        told: list[Record] = [] if state == FAILED else [record]
        if state != SENT:
            told.append(_held(record, FAILS if state == FAILED else MAY_HAVE, now))
        self._inbox.ended(due, state, detail, now, *told)
        metric("vorab_replies_answers_total").labels(due.channel, state).inc()
        metric("vorab_replies_waiting").set(self._inbox.open())
        self._logger.info("answered", heard=due.heard, channel=due.channel, answer=due.record.answer, state=state, detail=detail)


def _held(record: Answered, why: str, now: Micros) -> Heard:
    """What was asked is a person's after all."""
    return Heard(
        id=ids.heard_id("answer", record.heard), tenant=record.tenant, customer=record.customer, case=record.case, channel=record.channel,
        handed_to=HandedTo.PERSON, doubts=(why,), at=now,
    )  # fmt: skip


def through(channels: Iterable[ChannelPort]) -> list[AnswerPort]:
    """Answers by the channels that are set up."""
    by = {port.channel.value: port for port in channels}
    return [ThroughChannel(by[name], name) for name in (MAIL, WEBHOOK) if name in by]
