"""What every channel has to hold, whichever way it takes: one kit, run against each of them (`test_channels.py`).

A `Stand` puts a channel before a provider that can be told how to behave, and says what arrived there. What a provider of this kind
cannot do (a folder refuses nothing for good) it leaves out of `plays`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from typing import Final, Protocol

from structlog.testing import capture_logs

from notifier.channels import ChannelPort, Message, Outcome, Result
from notifier.render import plain
from tests.unit.notifier.house import NOON
from vorab.people import Person

ERIKA: Final = Person("main/c-1", "Erika Muster", "erika@example.org", "+4915112345678")


class Play(StrEnum):
    """How a provider behaves."""

    TAKES = "takes"
    REFUSES = "refuses"
    """This message never."""
    BUSY = "busy"
    """Not now."""
    SILENT = "silent"
    """Takes the message, and says nothing."""
    AWAY = "away"
    """Is not there."""


HONEST: Final[Mapping[Play, Outcome]] = {
    Play.TAKES: Outcome.SENT,
    Play.REFUSES: Outcome.FAILED,
    Play.BUSY: Outcome.LATER,
    Play.SILENT: Outcome.UNKNOWN,
    Play.AWAY: Outcome.LATER,
}


class Stand(Protocol):
    """A channel and the provider behind it."""

    @property
    def port(self) -> ChannelPort:
        """The channel."""

    @property
    def plays(self) -> Sequence[Play]:
        """What this kind of provider can do."""

    @property
    def secrets(self) -> Sequence[str]:
        """What must stand in no result and in no log line, beside the person's name and addresses."""

    @property
    def unsure(self) -> Sequence[Play]:
        """Where the channel cannot tell, and so says unknown: never less careful than that."""

    def play(self, play: Play) -> None:
        """Behave like this from now on."""

    def arrived(self) -> list[str]:
        """What arrived, one entry per message somebody would see."""


def message(notification: str = "5f0f7c0e-0000-5000-8000-000000000001", *, name: str = ERIKA.name, subject: str = "") -> Message:
    """A German message to Erika, or to somebody of another name."""
    text = f"Guten Tag {plain(name)},\n\nIhre Pumpe läuft wieder.\n"
    to = replace(ERIKA, name=name)
    said = subject or "Pumpe 7: neu gestartet, läuft wieder"
    return Message(notification, "case-1", True, to, "de", NOON, said, text, "<p>Guten Tag</p>\n", "https://desk.example.org/c/token")


HOSTILE: Final = (
    "Erika\r\nBcc: victim@example.org",
    "Erika\u2028\u202egnp.exe\u2066\x00\x85",
    '"><img src=x onerror=alert(1)>{{7*7}} ${7*7} %s \\ \\( \\) (unbalanced',
    "=?utf-8?q?=0ABcc:_victim@example.org?=",
    "../../etc/passwd",
    "Łukasz Ωmega 山田太郎 👩🏽‍🔧",
    "half a character \ud800",
    "x" * 5_000,
    "Donaudampfschifffahrtsgesellschaftskapitän " * 200,
    "",
)
IDS: Final = ("../../etc/passwd", "a\r\nIdempotency-Key: b", "ümläut\x00", "x" * 180, "-")


@contextmanager
def everything_said() -> Iterator[list[str]]:
    """All that is logged within the block, also at the finest level, by us and by libraries."""
    said: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name != "mail.log":  # the server the tests run; it writes down all it hears
                said.append(record.getMessage())

    ear, root = Ear(0), logging.getLogger()
    others = [logging.getLogger(name) for name in ("apprise", "urllib3", "fpdf")]
    levels = [(log, log.level) for log in (root, *others)]
    root.addHandler(ear)
    for log, _ in levels:
        log.setLevel(1)
    try:
        with capture_logs() as ours:
            yield said
        said += [str(entry) for entry in ours]
    finally:
        root.removeHandler(ear)
        for log, level in levels:
            log.setLevel(level)


def taken_is_sent(stand: Stand) -> None:
    """A message the provider takes is sent, and is there once."""
    stand.play(Play.TAKES)
    assert stand.port.send(message()).outcome is Outcome.SENT
    assert len(stand.arrived()) == 1


def the_truth_is_told(stand: Stand) -> None:
    """Whatever a provider does, the channel says that, or that it does not know; it never guesses."""
    for play in stand.plays:
        stand.play(play)
        told = stand.port.send(message(f"note-{play}")).outcome
        assert told is (Outcome.UNKNOWN if play in stand.unsure else HONEST[play]), play


def later_means_it_was_not_taken(stand: Stand) -> None:
    """After *later* a message is sent again, so the first time must have left nothing behind."""
    for play in stand.plays:
        before = len(stand.arrived())
        stand.play(play)
        if stand.port.send(message(f"again-{play}")).outcome is not Outcome.LATER:
            continue
        stand.play(Play.TAKES)
        assert stand.port.send(message(f"again-{play}")).outcome is Outcome.SENT
        assert len(stand.arrived()) == before + 1, play


def twice_is_once_where_it_says_so(stand: Stand) -> None:
    """On an idempotent channel the same notification twice makes one message; two notifications make two."""
    stand.play(Play.TAKES)
    results = [stand.port.send(message(note)).outcome for note in ("one", "one", "two")]
    assert results == [Outcome.SENT] * 3
    assert len(stand.arrived()) == (2 if stand.port.idempotent else 3)


def nothing_is_raised(stand: Stand) -> None:
    """Hostile and long names, subjects and ids in every situation: an exception would end the notifier for everybody."""
    for play in stand.plays:
        stand.play(play)
        for evil in HOSTILE:
            assert isinstance(stand.port.send(message("hostile", name=evil, subject=evil)), Result)
        for evil in IDS:
            assert isinstance(stand.port.send(message(evil)), Result)


def every_name_gets_its_message(stand: Stand) -> None:
    """No name keeps a message from arriving, and none makes two of it."""
    stand.play(Play.TAKES)
    for n, evil in enumerate(HOSTILE):
        assert stand.port.send(message(f"name-{n}", name=evil, subject=evil)).outcome is Outcome.SENT, evil[:40]
        assert len(stand.arrived()) == n + 1, evil[:40]


def nothing_personal_is_told(stand: Stand) -> None:
    """Results go to the log of deliveries, which holds no personal data; neither there nor in log lines is an address or a secret."""
    private = [ERIKA.name, ERIKA.mail, ERIKA.phone, ERIKA.phone.removeprefix("+"), *stand.secrets]
    with everything_said() as said:
        for play in stand.plays:
            stand.play(play)
            said.append(stand.port.send(message(f"quiet-{play}")).detail)
    assert [(line, word) for line in said for word in private if word in line] == []


def results_are_short(stand: Stand) -> None:
    """One line that a console can show."""
    for play in stand.plays:
        stand.play(play)
        detail = stand.port.send(message(f"short-{play}")).detail
        assert len(detail) <= 200
        assert detail.isprintable() or not detail


def it_reaches_whom_it_can(stand: Stand) -> None:
    """It says so before it is asked to send, also of nobody; and forgetting what is not there is no error."""
    assert stand.port.reaches(ERIKA)
    assert stand.port.reaches(None) in {True, False}
    stand.port.forget("never sent")
    stand.play(Play.TAKES)
    stand.port.send(message("sent"))
    stand.port.forget("sent")
    stand.port.forget("sent")


CHECKS: Final[tuple[Callable[[Stand], None], ...]] = (
    taken_is_sent,
    the_truth_is_told,
    later_means_it_was_not_taken,
    twice_is_once_where_it_says_so,
    nothing_is_raised,
    every_name_gets_its_message,
    nothing_personal_is_told,
    results_are_short,
    it_reaches_whom_it_can,
)
