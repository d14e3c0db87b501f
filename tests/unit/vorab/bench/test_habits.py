"""The bench of habits: its world keeps its promises, and policies that are known to be bad stay below the learner."""

from __future__ import annotations

import numpy as np
import pytest

from vorab.bench.habits import Learned, Played, Policy, play
from vorab.bench.habits_picture import picture
from vorab.bench.habits_world import SILENT, World


@pytest.fixture(scope="module")
def played() -> dict[str, Played]:
    """A small town by the learner and by chance."""
    return {make.__name__: play(world := World(301, 250), make(world, 301), 301) for make in (Learned, Policy)}


def test_the_learner_is_better_than_chance(played: dict[str, Played]) -> None:
    """Also among few, and in a world that is not made like it; choosing by chance is what a learner that hears nothing does."""
    assert played["Learned"].of_best() > played["Policy"].of_best() + 0.05


def test_who_never_answers_is_written_to_less(played: dict[str, Played]) -> None:
    """A policy that looks at nobody writes to them as often as to all."""
    silent = World(301, 250).silent
    for name, less in (("Learned", True), ("Policy", False)):
        sent = played[name].sent
        assert bool(sent[silent].mean() < sent[~silent].mean()) is less
        assert sent.max() <= 12


def test_the_world_is_what_it_says() -> None:
    """A part never answers, what is best is allowed, and the same seed is the same world."""
    world, again = World(7, 400), World(7, 400)
    assert np.array_equal(world.chance, again.chance)
    assert abs(world.silent.mean() - SILENT) < 0.08
    assert (world.best(0)[world.silent] == 0).all()
    assert (world.best(0) <= world.chance[:, 0].reshape(400, -1).max(1)).all()


def test_a_policy_that_wakes_people_is_caught() -> None:
    """Known bad: an hour that is not allowed ends the bench."""

    class Night(Policy):
        def choose(self, _i: int, _weekend: int) -> tuple[int, int]:
            return 0, 3

    world = World(7, 60)
    with pytest.raises(AssertionError, match="quiet hours"):
        play(world, Night(world, 7), 7)


def test_the_picture_is_one() -> None:
    """A curve with its bar."""
    assert "bar: 80%" in picture([[0.5] * 12, [0.6] * 12], {"random": 0.3, "most popular": 0.4, "best fixed": 0.5}, 0.8)
