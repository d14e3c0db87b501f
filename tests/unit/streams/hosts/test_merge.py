"""The merge: the same sequence from every interleaving, also with restarts; and what happens to late, early and odd records."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.hosts.merge import Due, Merge, Step
from vorab.processor import Input

Event = tuple[str, int, int, str | None]
"""Topic, offset, time, payload (None is a tick)."""

INPUTS = (Input("a"), Input("b"), Input("c"))

# Two records of three topics each: ties between topics, a record late in its own topic, and ticks behind them.
TOPICS: dict[str, list[Event]] = {
    "a": [("a", 0, 10, "a0"), ("a", 1, 30, "a1"), ("a", 2, 99, None)],
    "b": [("b", 0, 20, "b0"), ("b", 1, 15, "b1"), ("b", 2, 99, None)],
    "c": [("c", 0, 10, "c0"), ("c", 1, 30, "c1"), ("c", 2, 99, None)],
}
EXPECTED = ["a0@10", "c0@10", "b0@20", "b1@20", "a1@30", "c1@30"]


def interleavings(lists: Sequence[Sequence[Event]]) -> Iterator[list[Event]]:
    """Every way to interleave lists, each keeping its order."""
    names = [i for i, each in enumerate(lists) for _ in each]
    for order in sorted(set(itertools.permutations(names))):
        sources = [iter(each) for each in lists]
        yield [next(sources[i]) for i in order]


def said(steps: Iterable[Due | Step[str]]) -> list[str]:
    """The releases in words; what is due shows in the model's timers, not here."""
    return [f"{each.payload}@{each.now}" for each in steps if isinstance(each, Step)]


def run(events: Iterable[Event], inputs: Sequence[Input] = INPUTS) -> list[str]:
    """Feed a merge one event at a time."""
    merge: Merge[str] = Merge(inputs)
    found = []
    for topic, offset, time, payload in events:
        merge.push(topic, offset, time, payload)
        found.extend(said(merge.drain()))
    return found


def test_every_interleaving_of_six_records_gives_the_same_steps() -> None:
    """All 90 ways six records of three topics can be read end in one order, with the same `now` for each."""
    ticks = [each[-1] for each in TOPICS.values()]
    found = {tuple(run([*order, *ticks])) for order in interleavings([each[:-1] for each in TOPICS.values()])}
    assert found == {tuple(EXPECTED)}


def test_without_the_merge_the_order_depends_on_reading() -> None:
    """Known bad: stepping records as they come gives another order for nearly every interleaving."""
    free = tuple(Input(each.topic, gating=False) for each in INPUTS)
    found = {tuple(run(order, free)) for order in interleavings([each[:-1] for each in TOPICS.values()])}
    assert len(found) > 50


def test_a_restart_at_every_point_of_every_interleaving_changes_nothing() -> None:
    """Whatever was read but not released is read again after a restart, and the rest goes on as if nothing had happened."""
    for order in interleavings(list(TOPICS.values())[:2]):
        for cut in range(len(order) + 1):
            first: Merge[str] = Merge(INPUTS[:2])
            found = []
            for topic, offset, time, payload in order[:cut]:
                first.push(topic, offset, time, payload)
                found.extend(said(first.drain()))
            saved = first.progress()
            second: Merge[str] = Merge(INPUTS[:2], saved)
            for topic, offset, time, payload in order:
                if offset >= saved.offsets.get(topic, 0):
                    second.push(topic, offset, time, payload)
                    found.extend(said(second.drain()))
            assert found == ["a0@10", "b0@20", "b1@20", "a1@30"], (order, cut)


def test_forgetting_the_times_at_a_restart_is_caught() -> None:
    """Known bad: with offsets alone, a record that is late in its topic stands elsewhere after a restart."""
    merge: Merge[str] = Merge(INPUTS[1:2])
    merge.push("b", 0, 20, "b0")
    list(merge.drain())
    forgetful = merge.progress()._replace(times={}, now=0)
    for saved, now in ((merge.progress(), 20), (forgetful, 15)):
        again: Merge[str] = Merge(INPUTS[1:2], saved)
        again.push("b", 1, 15, "b1")
        assert said(again.drain()) == [f"b1@{now}"]


class Model:
    """A processor with timers, as simple as can be: what it says includes every timer that fired."""

    def __init__(self) -> None:
        self.timers: list[int] = []
        self.said: list[str] = []

    def take(self, steps: Iterable[Due | Step[str]]) -> None:
        """Fire what is due; each step sets a timer 7 later."""
        for each in steps:
            if isinstance(each, Due):
                for timer in sorted(timer for timer in self.timers if timer < each.now):
                    self.timers.remove(timer)
                    self.said.append(f"timer {timer}")
            else:
                self.said.append(f"{each.payload}@{each.now}")
                self.timers.append(each.now + 7)


@given(
    lists=st.tuples(*[st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=6) for _ in range(3)]),
    data=st.data(),
)
def test_timers_and_steps_do_not_depend_on_reading(lists: tuple[list[tuple[int, bool]], ...], data: st.DataObject) -> None:
    """Any topics, times going back included, in any interleaving and any batches: the same steps and the same timers between them."""
    topics: list[list[Event]] = [
        [(name, i, time, None if is_tick else f"{name}{i}") for i, (time, is_tick) in enumerate(each)] + [(name, len(each), 99, None)]
        for name, each in zip("abc", lists, strict=True)
    ]
    outcomes = []
    for _ in range(2):
        model, merge = Model(), Merge[str](INPUTS)
        rest = [list(each) for each in topics]
        while any(rest):
            topic, offset, time, payload = data.draw(st.sampled_from([each for each in rest if each])).pop(0)
            merge.push(topic, offset, time, payload)
            if data.draw(st.booleans()):
                model.take(merge.drain())
        model.take(merge.drain())
        outcomes.append(model.said)
    assert outcomes[0] == outcomes[1]


def test_what_is_not_gating_waits_for_nobody_but_for_what_was_read_before_it() -> None:
    """An answer goes in time order among records already read, and at once when the others have been read to their end."""
    merge: Merge[str] = Merge((Input("a"), Input("x", gating=False)))
    merge.push("x", 0, 25, "x0")
    merge.push("a", 0, 10, "a0")
    merge.push("a", 1, 30, "a1")
    merge.push("x", 1, 50, "x1")
    steps = list(merge.drain())
    assert steps == [
        Due(10),
        Step("a", 0, "a0", 10, by_arrival=False),
        Due(25),
        Step("x", 0, "x0", 25, by_arrival=True),
        Due(30),
        Step("a", 1, "a1", 30, by_arrival=False),
        Step("x", 1, "x1", 50, by_arrival=True),
    ]
    merge.push("x", 2, 5, "x2")
    assert list(merge.drain()) == [Step("x", 2, "x2", 30, by_arrival=True)]


def test_during_a_catch_up_an_answer_waits_for_its_time() -> None:
    """While there is more to read, a command of today is not given to a state of last night."""
    merge: Merge[str] = Merge((Input("a"), Input("x", gating=False)))
    merge.push("a", 0, 10, "a0")
    merge.push("x", 0, 40, "x0")
    assert said(merge.drain(lambda: False)) == ["a0@10"]
    merge.push("a", 1, 30, "a1")
    merge.push("a", 2, 41, None)
    assert said(merge.drain(lambda: False)) == ["a1@30", "x0@40"]


def test_a_replay_repeats_first_what_was_done_and_takes_answers_afterwards() -> None:
    """Steps a run did but did not save are repeated without anything between them that came later, although it is older."""
    for not_before, expected in ((30, ["a0@10", "a1@30", "x0@30", "a2@50"]), (0, ["a0@10", "x0@20", "a1@30", "a2@50"])):
        merge: Merge[str] = Merge((Input("a"), Input("x", gating=False)), not_before=not_before)
        merge.push("x", 0, 20, "x0")
        merge.push("a", 0, 10, "a0")
        found = said(merge.drain(lambda: False))
        merge.push("a", 1, 30, "a1")
        found += said(merge.drain(lambda: False))
        merge.push("a", 2, 50, "a2")
        assert found + said(merge.drain(lambda: False)) == expected


def test_a_replay_that_is_at_its_end_holds_nothing_back() -> None:
    """Where time does not go on, an answer waits only until everything that is there was read."""
    merge: Merge[str] = Merge((Input("a"), Input("x", gating=False)), not_before=99)
    merge.push("x", 0, 20, "x0")
    merge.push("a", 0, 30, "a0")
    assert said(merge.drain(lambda: False)) == ["a0@30"]
    assert said(merge.drain(lambda: True)) == ["x0@30"]


def test_where_no_input_is_gating_only_a_change_of_input_depends_on_arrival() -> None:
    """One input alone is always repeated in its own order."""
    merge: Merge[str] = Merge((Input("x", gating=False), Input("y", gating=False)))
    flags = []
    for topic, offset in (("x", 0), ("x", 1), ("y", 0), ("y", 1), ("x", 2)):
        merge.push(topic, offset, 10 - offset, f"{topic}{offset}")
        flags += [each.by_arrival for each in merge.drain() if isinstance(each, Step)]
    assert flags == [False, False, True, False, True]


def test_nothing_moves_while_a_gating_input_is_silent() -> None:
    """Records wait for a gating input that said nothing yet; its tick lets them go."""
    merge: Merge[str] = Merge(INPUTS[:2])
    merge.push("a", 0, 10, "a0")
    assert list(merge.drain()) == []
    assert merge.waiting == {"a": 1, "b": 0}
    merge.push("b", 0, 10, None)
    assert said(merge.drain()) == ["a0@10"]


def test_ticks_only_move_time_on_and_are_not_read_again() -> None:
    """A tick is used up when it is first in line, so a restart does not read it again, but keeps its time."""
    merge: Merge[str] = Merge(INPUTS[:1])
    merge.push("a", 0, 10, None)
    assert list(merge.drain()) == [Due(10)]
    assert merge.progress() == ({"a": 1}, {"a": 10}, 10)


def test_a_record_without_a_readable_time_stands_where_its_input_is() -> None:
    """What cannot be read is still released in its place, so that it can be refused."""
    merge: Merge[str] = Merge(INPUTS[:1])
    merge.push("a", 0, 10, "a0")
    merge.push("a", 1, None, "odd")
    assert said(merge.drain()) == ["a0@10", "odd@10"]


@pytest.mark.parametrize("times", list(itertools.permutations([5, 10, 20])))
def test_without_a_gating_input_time_is_the_largest_read(times: tuple[int, ...]) -> None:
    """A processor nobody sends ticks to steps what comes, in order of time within what is there."""
    merge: Merge[str] = Merge((Input("x", gating=False), Input("y", gating=False)))
    for offset, time in enumerate(times):
        merge.push("x", offset, time, f"x{offset}")
    merge.push("y", 0, 12, "y0")
    steps = [each for each in merge.drain() if isinstance(each, Step)]
    assert merge.now == 20
    assert [each.offset for each in steps if each.topic == "x"] == [0, 1, 2]
    assert sorted(each.payload for each in steps) == ["x0", "x1", "x2", "y0"]
    assert said(Merge[str]((Input("x", gating=False),)).drain()) == []


def test_each_tick_of_a_single_input_is_a_step_of_time() -> None:
    """However many are read at once: who is asked only at the last of them would take a backlog of quiet seconds for an outage."""
    ticks: list[Event] = [("a", n, time, None) for n, time in enumerate([10, 20, 20, 15, 30])]
    found = []
    for together in (1, 2, 5):
        merge: Merge[str] = Merge(INPUTS[:1])
        steps: list[int] = []
        for n, (topic, offset, time, payload) in enumerate(ticks, 1):
            merge.push(topic, offset, time, payload)
            if n % together == 0 or n == len(ticks):
                steps += [each.now for each in merge.drain()]
        found.append(steps)

    assert found == [[10, 20, 30]] * 3
