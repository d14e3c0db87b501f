"""What keeps the SQLite log small: how often it does what, and by which clock."""

from __future__ import annotations

from collections.abc import Mapping

from vorab.clock import HOUR, SECOND, Micros, StoryClock
from vorab.housekeeping import RETENTION_EVERY, Housekeeping
from vorab.topics import READINGS, TOPICS, Topic


class Told:
    """A log that writes down what it was asked."""

    def __init__(self) -> None:
        self.ticks: list[Micros] = []
        self.tables: list[Mapping[str, Topic]] = []

    def forget_ticks(self, now: Micros) -> int:
        """Counts."""
        self.ticks.append(now)
        return 1

    def enforce(self, now: Micros, table: Mapping[str, Topic]) -> int:
        """Counts."""
        assert now == self.ticks[-1]
        self.tables.append(table)
        return 2


def test_ticks_each_time_and_ages_now_and_then() -> None:
    """Each pass takes ticks; the first and every sixth one also looks at ages, of renamed frames too."""
    log = Told()
    keeper = Housekeeping(log, StoryClock(0, 1.0, 0), readings="mine")
    assert [keeper.once() for _ in range(RETENTION_EVERY + 1)] == [3, 1, 1, 1, 1, 1, 3]
    assert log.tables[0]["mine"].kept_days == TOPICS[READINGS].kept_days


def test_the_story_does_not_age_records() -> None:
    """A clock that runs fast, in another year, is turned into wall time: records carry the wall time of their append."""
    log = Told()
    story = StoryClock(400 * 24 * HOUR, 570.0, 0)
    before = story.wall(story.now())
    Housekeeping(log, story).once()
    assert before <= log.ticks[0] <= before + 60 * SECOND
