"""Every channel through the same kit, and channels that lie, which the kit has to catch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from notifier.channels import Message, Outcome, Result
from tests.unit.notifier import conformance as kit
from tests.unit.notifier.conformance import CHECKS, Play, Stand
from tests.unit.notifier.stands import STANDS
from vorab.people import Person
from vorab.records import Channel


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", STANDS)
def test_every_channel_holds_what_all_channels_hold(name: str, check: Callable[[Stand], None], tmp_path: Path) -> None:
    """One kit for all ways to reach a person."""
    with STANDS[name](tmp_path) as stand:
        check(stand)


class Liar:
    """A channel to an inbox in memory, honest unless told how to lie."""

    channel = Channel.FILE
    plays = tuple(Play)
    unsure = ()
    secrets = ("s3cret",)

    def __init__(self, lie: str, *, idempotent: bool = False) -> None:
        self.lie, self.idempotent = lie, idempotent
        self.port = self
        self._play, self._inbox = Play.TAKES, list[str]()

    def play(self, play: Play) -> None:
        """Behave like this."""
        self._play = play

    def arrived(self) -> list[str]:
        """The inbox."""
        return self._inbox

    def reaches(self, person: Person | None) -> bool:
        """Whoever has an address."""
        return self.lie != "reaches nobody" and person is not None and bool(person.mail)

    def forget(self, notification: str) -> None:
        """Nothing is kept."""
        if self.lie == "cannot forget":
            raise KeyError(notification)

    def send(self, message: Message) -> Result:
        """Take it, and tell of it what the lie wants."""
        if self.lie == "raises" and "\r" in message.to.name:
            raise ValueError(message.to.name)
        if self._play is not Play.TAKES:
            return self._not_taken(message)
        if self.lie == "drops names it cannot write" and not message.to.name.isascii():
            return Result(Outcome.SENT)
        if self.lie != "says sent and lost it" and not (
            self.idempotent and self.lie != "two of one" and message.notification in self._inbox
        ):
            self._inbox.append(message.notification)
        detail = f"sent to {message.to.mail}" if self.lie == "tells addresses" else "x" * 500 if self.lie == "talks too much" else ""
        return Result(Outcome.SENT, detail)

    def _not_taken(self, message: Message) -> Result:
        if self.lie == "says later after taking it" and self._play is Play.BUSY:
            self._inbox.append(message.notification)
        if self.lie == "silence is failure" and self._play is Play.SILENT:
            return Result(Outcome.FAILED)
        if self.lie == "refused is later" and self._play is Play.REFUSES:
            return Result(Outcome.LATER)
        if self.lie == "tells secrets" and self._play is Play.AWAY:
            return Result(Outcome.LATER, "https://s3cret@provider")
        return Result(kit.HONEST[self._play])


LIES = {
    "says sent and lost it": kit.taken_is_sent,
    "drops names it cannot write": kit.every_name_gets_its_message,
    "raises": kit.nothing_is_raised,
    "says later after taking it": kit.later_means_it_was_not_taken,
    "silence is failure": kit.the_truth_is_told,
    "refused is later": kit.the_truth_is_told,
    "two of one": kit.twice_is_once_where_it_says_so,
    "tells addresses": kit.nothing_personal_is_told,
    "tells secrets": kit.nothing_personal_is_told,
    "talks too much": kit.results_are_short,
    "reaches nobody": kit.it_reaches_whom_it_can,
    "cannot forget": kit.it_reaches_whom_it_can,
}


@pytest.mark.parametrize("lie", LIES)
def test_a_channel_that_lies_is_caught(lie: str) -> None:
    """Known bad: each lie fails the check that is about it."""
    with pytest.raises((AssertionError, ValueError, KeyError)):
        LIES[lie](Liar(lie, idempotent=lie == "two of one"))


@pytest.mark.parametrize("idempotent", [False, True])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_an_honest_channel_passes(check: Callable[[Stand], None], idempotent: bool) -> None:
    """So that it is the lie that is caught, and not the stand-in."""
    check(Liar("", idempotent=idempotent))
