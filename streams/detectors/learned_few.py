"""The learned detector for a few series at a time, in plain numbers instead of columns: the same method, the same results to the bit.

NumPy pays by the call, whatever the number of rows; a frame of one reading would cost as much as one of two hundred. Below some
seven series plain arithmetic is cheaper, for one by far. Every line here stands in `streams.detectors.learned` for many rows, in the same
order of operations, and a test holds both to each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from streams.detectors.learned_config import LARGEST, RESOLUTION, TOP_SCORE, Change, LearnedConfig
from vorab.clock import Micros

Columns = dict[str, NDArray[Any]]


class Row(NamedTuple):
    """A row of `Verdicts`, in its order."""

    change: int
    raised: bool
    score: float
    low: float
    high: float
    onset: Micros
    memory: int
    level: float
    level_low: float
    level_high: float
    used: bool


class State(Protocol):
    """Where the state of all series stands."""

    config: LearnedConfig
    shares: list[float]
    """Per memory the share of a new reading in it."""
    needs: list[float]
    """Per memory after how many readings it speaks."""
    of_memory: Columns
    of_slot: Columns


@dataclass(slots=True)
class _Memories:
    """Per memory: where it stands and between what it was, before this reading and after it."""

    level: list[float]
    low: list[float]
    high: list[float]
    new_low: list[float]
    new_high: list[float]
    ready: list[bool]
    scores: list[float]


def update(state: State, slot: int, at: Micros, reading: float) -> Row:
    """Take one reading of one series; see `Learned.update`."""
    config, of, per = state.config, state.of_slot, state.of_memory
    readings = of["readings"].item(slot) + 1
    if not isfinite(reading) or (readings > 1 and at <= of["last_at"].item(slot)):
        onset = of["onset"].item(slot) if of["run"].item(slot) > 0 else 0
        return Row(0, of["raised"].item(slot), 0.0, nan, nan, onset, 0, nan, nan, nan, False)  # noqa: FBT003 - a row as it stands
    value = min(max(reading, -LARGEST), LARGEST)
    if readings == 1:
        _begin(state, slot, at, value)
    level, low, high = (per[name][:, slot].tolist() for name in ("level", "low", "high"))
    value = _remember(state, slot, readings, value, (level, low, high))
    seen = at - of["first_at"].item(slot) >= config.warm_up_us
    ready = [seen and readings >= need for need in state.needs]
    least = max(config.floor * abs(value), RESOLUTION)
    scores = [
        min(
            max(here - top, bottom - here) / (max(top - bottom, least) * (config.margin * (1.0 + config.youth * need / readings))),
            TOP_SCORE,
        )
        if speaks
        else -1.0
        for here, bottom, top, need, speaks in zip(level, low, high, state.needs, ready, strict=True)
    ]
    score = max(scores)
    memory = scores.index(score)
    settled = readings > config.settle
    in_run = of["run"].item(slot) > 0 or score > 0.0
    usual_low, usual_high = (of["usual_low"].item(slot), of["usual_high"].item(slot)) if settled else (nan, nan)
    change, raised, onset = Change.NONE, of["raised"].item(slot), 0
    said, said_low, said_high = level[memory], low[memory], high[memory]
    if not in_run:
        _learn_usual(state, slot, readings, value, (low[0], high[0]))
    fade = min(1.0 / config.forget, (at - of["last_at"].item(slot)) / config.forget_us)
    new_low = [min(here, bottom + fade * (here - bottom)) for here, bottom in zip(level, low, strict=True)]
    new_high = [max(here, top - fade * (top - here)) for here, top in zip(level, high, strict=True)]
    if in_run:
        change, raised, onset = _run(state, slot, at, _Memories(level, low, high, new_low, new_high, ready, scores))
    per["level"][:, slot], per["low"][:, slot], per["high"][:, slot] = level, new_low, new_high
    of["last_at"][slot], of["readings"][slot] = at, readings
    of["hold"][slot] = max(of["hold"].item(slot) - 1, 0)
    return Row(change, raised, max(score, 0.0), usual_low, usual_high, onset, memory, said, said_low, said_high, True)  # noqa: FBT003 - as above


def _begin(state: State, slot: int, at: Micros, value: float) -> None:
    for name in ("level", "low", "high"):
        state.of_memory[name][:-1, slot] = value
    for name in ("first_at", "last_at"):
        state.of_slot[name][slot] = at
    for name in ("value", "credible", "usual_low", "usual_high"):
        state.of_slot[name][slot] = value


def _remember(state: State, slot: int, readings: int, value: float, memories: tuple[list[float], list[float], list[float]]) -> float:
    """Move the averages (in place) and, once, let the records start where they stand. Gives the reading, a glitch cut."""
    config, of = state.config, state.of_slot
    level, low, high = memories
    cut = value
    if readings > config.settle:
        reach = config.glitch * (high[0] - low[0] + max(config.floor * abs(value), RESOLUTION))
        cut = min(max(value, low[0] - reach), high[0] + reach)
    least = 1.0 / readings
    before = of["credible"].item(slot)
    credible = before if cut != value and low[0] <= of["value"].item(slot) <= high[0] else cut
    level[0] = cut
    for i in range(1, len(level) - 1):
        level[i] += max(state.shares[i], least) * (credible - level[i])
    level[-1] += max(state.shares[-1], least) * (abs(credible - before) - level[-1])
    of["value"][slot], of["credible"][slot] = cut, credible
    if readings == config.settle:
        low[:] = high[:] = level
    return cut


def _learn_usual(state: State, slot: int, readings: int, value: float, record: tuple[float, float]) -> None:
    config, of = state.config, state.of_slot
    low, high = of["usual_low"].item(slot), of["usual_high"].item(slot)
    if readings <= config.settle:
        new_low, new_high = min(low, value), max(high, value)
    else:
        step = config.usual_speed * max(record[1] - record[0], high - low)
        moved_low = low + step * (config.usual_share - (value < low))
        moved_high = high - step * (config.usual_share - (value > high))
        new_low, new_high = min(moved_low, moved_high), moved_high
    of["usual_low"][slot], of["usual_high"][slot] = new_low, new_high


def _run(state: State, slot: int, at: Micros, m: _Memories) -> tuple[Change, bool, Micros]:
    """A reading in a run of surprise: does it begin, raise an episode, end? The records are frozen until it ends (in place)."""
    config, of, per = state.config, state.of_slot, state.of_memory
    score, begins, run = max(m.scores), of["run"].item(slot) == 0, of["run"].item(slot) + 1
    onset = at if begins else of["onset"].item(slot)
    run_low, run_high = list(m.level), list(m.level)
    if not begins:
        run_low = [min(low, here) for low, here in zip(per["run_low"][:, slot].tolist(), m.level, strict=True)]
        run_high = [max(high, here) for high, here in zip(per["run_high"][:, slot].tolist(), m.level, strict=True)]

    quick = m.level[config.quick]
    floor = max(low if speaks else -LARGEST for low, speaks in zip(m.low[:-1], m.ready, strict=False))
    ceiling = min(high if speaks else LARGEST for high, speaks in zip(m.high[:-1], m.ready, strict=False))
    floor -= config.almost * max(floor - run_low[config.quick], 0.0)
    ceiling += config.almost * max(run_high[config.quick] - ceiling, 0.0)
    back = floor <= quick <= ceiling and m.scores[-1] <= 0.0
    was_raised = of["raised"].item(slot)
    calm = of["calm"].item(slot) + 1 if score <= 0.0 or (was_raised and back) else 0
    beyond = of["beyond"].item(slot) + 1 if score >= 1.0 else 0

    raises = not was_raised and beyond >= config.persist and of["hold"].item(slot) == 0
    raised = was_raised or raises
    over = calm >= (config.calm if raised else config.persist)
    adapts = not over and not raises and run >= (config.patience if raised else config.doubt)
    ends = over or adapts
    share = config.learn if raised and not adapts else 1.0
    recovered = raised and over
    for i, speaks in enumerate(m.ready):
        if speaks:
            m.new_low[i] = m.low[i] - share * max(m.low[i] - run_low[i], 0.0) if ends else m.low[i]
            m.new_high[i] = m.high[i] + share * max(run_high[i] - m.high[i], 0.0) if ends else m.high[i]
    if recovered:
        for i in range(1, len(m.level) - 1):
            m.level[i] = min(max(m.level[i], m.new_low[i]), m.new_high[i])

    per["run_low"][:, slot], per["run_high"][:, slot] = run_low, run_high
    of["onset"][slot], of["raised"][slot] = onset, raised and not ends
    if raised and ends:
        of["hold"][slot] = config.hold + 1
    for name, count in (("run", run), ("calm", calm), ("beyond", beyond)):
        of[name][slot] = 0 if ends else count
    change = Change.RAISED if raises else Change.CLEARED if recovered else Change.ADAPTED if was_raised and adapts else Change.NONE
    return change, raised and not ends, onset
