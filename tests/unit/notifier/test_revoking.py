"""Consent withdrawn at any moment: once the word is taken, nothing begins to be said."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from notifier import pipeline
from notifier.buttons import Buttons
from notifier.channels import Message, Outcome, Result
from notifier.database import Database
from notifier.deciding import Decider
from notifier.people_store import PeopleStore
from notifier.render import Renderer
from notifier.sending import Job
from notifier.store import Store
from notifier.store_intake import Batch
from notifier.words import load_words
from tests.parts.base import wait_until
from tests.system.figures import say
from tests.unit.notifier.house import MORNING, NIGHT, NOON, FakeChannel, House, customer, note
from vorab.clock import MINUTE
from vorab.people import Person
from vorab.records import Channel

STEPS = ("note", "night", "note", "decide", "call", "record", "note", "decide", "call", "record", "morning", "decide", "call", "record")
"""What the notifier does by itself, in its order: messages come at noon and in the night, are decided, called, recorded."""


class Model:
    """Store and decisions, and what they do, one step at a time."""

    def __init__(self, stages: tuple[pipeline.Step, ...] = pipeline.STAGES, *, waits: bool = True) -> None:
        self.database = Database("sqlite:///:memory:")
        self.store, people = Store(self.database), PeopleStore(self.database)
        people.put([Person("main/c-1", "", "a@example.org")])
        self.decider = Decider(self.store, people, {Channel.MAIL: FakeChannel()}, Renderer(load_words()), Buttons(), stages=stages)
        self.now, self.notes, self.waits = NOON, 0, waits
        self.claimed: list[Job] = []
        self.called: list[Job] = []
        self.revoked = False
        self.late: list[str] = []
        """Messages whose call began after the word was taken."""
        self.store.take(Batch(customers=[("main/c-1", customer())]))

    def step(self, name: str) -> None:
        """One step."""
        match name:
            case "note":
                self.notes += 1
                self.store.take(Batch(notes=[(0, self.notes, note(case=f"case-{self.notes}", at=NIGHT))]))
            case "night":
                self.now = NIGHT + 86_400_000_000
            case "morning":
                self.now = MORNING + 86_400_000_000
            case "decide":
                jobs, _ = self.decider.decide(self.now, 4)
                self.claimed += jobs
            case "call":
                for job in self.claimed:
                    self.late += [job.notice.note.id] if self.revoked else []
                self.called, self.claimed = self.called + self.claimed, []
            case "record":
                for job in self.called:
                    self.store.sent(job.notice.note, job.channel, self.now)
                self.called = []
            case "revoke":
                if self.waits:  # as `Notifier.take`: what is handed over ends first
                    self.step("call")
                    self.step("record")
                self.store.take(Batch(customers=[("main/c-1", customer(purposes={"service": False}))]))
                self.revoked = True


def interleavings() -> Iterator[Sequence[str]]:
    """The steps with a withdrawal at every place, and with each pair of steps left out: so that every step meets every other."""
    for left_out in [(), *combinations(range(len(STEPS)), 2)]:
        kept = [name for n, name in enumerate(STEPS) if n not in left_out]
        for place in range(len(kept) + 1):
            yield [*kept[:place], "revoke", *kept[place:]]


def late(orders: Sequence[Sequence[str]], **bad: Any) -> tuple[int, int]:
    """How many orders said something after the withdrawal, and how many said anything at all."""
    wrong = said = 0
    for order in orders:
        model = Model(**bad)
        for name in order:
            model.step(name)
        wrong += bool(model.late)
        said += model.store.counts().get("sent", 0) > 0
        model.database.close()
    return wrong, said


def sample(every: int) -> list[Sequence[str]]:
    """Every n-th order; all of the first, whole story."""
    orders = list(interleavings())
    return [*orders[: len(STEPS) + 1], *orders[len(STEPS) + 1 :: every]]


def test_nothing_is_said_after_consent_was_withdrawn_in_whatever_order() -> None:
    """A withdrawal between any two steps of taking, deciding, calling and recording."""
    orders = sample(1 if os.environ.get("HYPOTHESIS_PROFILE") == "search" else 40)
    wrong, said = late(orders)
    say(f"{len(orders)} orders of steps, {said} in which something was said; said after the withdrawal: {wrong}")
    assert wrong == 0
    assert said > 10


def at_intake(draft: pipeline.Draft, facts: pipeline.Facts) -> Any:
    """Known-bad: whoever had agreed when the message came is taken to agree."""
    agreed = replace(facts, preferences=replace(facts.preferences, purposes={draft.note.purpose: True}))
    return pipeline.consented(draft, agreed)


EARLY = tuple(at_intake if stage is pipeline.consented else stage for stage in pipeline.STAGES)


@pytest.mark.parametrize("bad", [{"stages": EARLY}, {"waits": False}], ids=["intake", "handed-over"])
def test_consent_that_is_looked_at_too_early_is_caught(bad: dict[str, Any]) -> None:
    """Known-bad variants: looked at only when a message comes in, and a word that is taken while a call is being handed over."""
    wrong, _ = late(sample(1_000), **bad)
    assert wrong > 0


class Slow(FakeChannel):
    """A channel that answers when it is allowed to."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go = threading.Event(), threading.Event()

    def send(self, message: Message) -> Result:
        """Wait for the word."""
        self.begun.set()
        assert self.go.wait(30)
        self.sent.append(message)
        return Result(Outcome.SENT)


def test_a_withdrawal_is_taken_when_what_is_being_said_has_been_said(tmp_path: Path) -> None:
    """While a call is out, the customer's word waits on the log for its end; other customers' words do not."""
    channel = Slow()
    house = House(tmp_path, now=NOON, channels=[channel])
    house.know()
    house.put(customer(), customer("c-2"), note())
    house.notifier.prepare()
    house.notifier.step(wait_s=0.0)
    house.notifier.step(wait_s=0.0)
    assert channel.begun.wait(30)

    house.notifier.take(Batch(customers=[("main/c-2", customer("c-2", purposes={}))]))
    taken = threading.Event()

    def take() -> None:
        house.notifier.take(Batch(customers=[("main/c-1", customer(purposes={}))]))
        taken.set()

    thread = threading.Thread(target=take)
    thread.start()
    assert not taken.wait(0.3)
    channel.go.set()
    wait_until(taken.is_set, "the word being taken")
    thread.join()
    assert house.store.counts() == {"sent": 1}
    house.put(note(case="case-2", at=NOON - MINUTE))
    house.run(prepare=False)
    assert len(channel.sent) == 1
    house.close()
