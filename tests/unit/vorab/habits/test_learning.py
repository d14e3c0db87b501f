"""What is learned from outcomes: whose word counts, whose does not, and what a newcomer gets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from vorab.clock import DAY, HOUR, SECOND
from vorab.habits import Learner, Outcome, choose, fit, rows_of, unheard

HOW = Learner(patterns=3)
ALLOWED = [(False, channel, hour) for channel in ("mail", "sms") for hour in range(7, 22)]


def life(channel: str, hour: int, messages: int = 8) -> list[Outcome]:
    """Somebody who was written to at all hours and answers at one, by one channel, within minutes."""
    found = []
    for i in range(messages):
        at, where = 7 + (i * 4) % 15, ("mail", "sms")[i % 2]
        answers = where == channel and 0 <= hour - at < 4
        sent = i * 3 * DAY + at * HOUR
        found.append(Outcome(where, at, weekend=False, at=sent, answered_at=sent + (hour - at) * HOUR + 60 * SECOND if answers else None))
    return found


def town(people: int = 60) -> dict[str, list[Outcome]]:
    """Half of them answer mail at nine, half text messages at seven in the evening."""
    return {f"p-{i}": life("mail", 9, 16) if i % 2 else life("sms", 19, 16) for i in range(people)}


def facts(people: int = 60) -> dict[str, Sequence[str]]:
    """What goes with it: the machine they have."""
    return {f"p-{i}": ("model:pump",) if i % 2 else ("model:printer",) for i in range(people)}


def test_somebody_new_gets_what_suits_people_like_them() -> None:
    """By what is known of them and nothing else: a channel and hour at which such people answer."""
    patterns = fit(rows_of(town(), 90 * DAY, HOW), facts(), HOW)
    pump = choose(patterns, "new", ("model:pump",), ALLOWED, np.random.default_rng(0))
    printer = choose(patterns, "new", ("model:printer",), ALLOWED, np.random.default_rng(0))
    assert (pump.channel, printer.channel, pump.messages) == ("mail", "sms", 0)
    assert 7 <= pump.hour <= 9
    assert 17 <= printer.hour <= 19


def test_only_what_is_allowed_is_chosen() -> None:
    """However well another hour would suit."""
    patterns = fit(rows_of(town(), 90 * DAY, HOW), facts(), HOW)
    only = [(False, "sms", 12)]
    assert choose(patterns, "p-1", ("model:pump",), only, np.random.default_rng(0)).hour == 12


@pytest.mark.parametrize(("after", "counts"), [(5 * SECOND, False), (20 * 60 * SECOND, True)])
def test_what_a_machine_opens_is_no_sign_of_a_person(after: int, *, counts: bool) -> None:
    """Within a minute it was a filter; later it may have been them."""
    opened = Outcome("mail", 9, weekend=False, at=0, read_at=after)
    assert opened.sign is counts
    assert opened.worth == 0


def test_silence_counts_only_once_it_has_lasted() -> None:
    """An answer may be on its way: a message of this morning is no failure, unless delays are ignored (known bad)."""
    fresh = {"p": [Outcome("mail", 9, weekend=False, at=10 * DAY)]}
    assert len(rows_of(fresh, 10 * DAY + 6 * HOUR, HOW).who) == 0
    assert len(rows_of(fresh, 13 * DAY, HOW).who) == 1
    assert len(rows_of(fresh, 10 * DAY + 6 * HOUR, Learner(delays=False)).who) == 1


def test_a_late_answer_is_one() -> None:
    """Days later it is credited in full, though it says nothing about the hour."""
    late = {"p": [Outcome("mail", 9, weekend=False, at=0, answered_at=3 * DAY)]}
    rows = rows_of(late, 4 * DAY, HOW)
    assert rows.worth.tolist() == [1.0]
    assert rows.seen.sum() == pytest.approx(1.0)


def test_six_messages_without_a_sign_are_enough() -> None:
    """Not five, not if one is younger than an answer may take, and not if one was answered."""
    silent = [Outcome("mail", 9, weekend=False, at=i * DAY) for i in range(6)]
    assert unheard(silent, 20 * DAY)
    assert not unheard(silent[:5], 20 * DAY)
    assert not unheard(silent, 6 * DAY)
