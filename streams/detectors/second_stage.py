"""Second stage: from many kinds of strangeness, each with a record of its own, to the few alerts somebody should be called for.

A single feature that beats its record is a curiosity; several at once are an event. So each *channel* (averages of the reading at four
speeds, on either side; the size of its steps; how far it is from its own mean; how far from what its hour of the week usually is, where
the series has a rhythm (`streams.detectors.rhythm`), and for how long on one side of that; the surprise of `streams.detectors.surprise`)
gives evidence when it beats its record, in margins, and that evidence fades over some readings. What all channels hold at a moment is
added up by their square roots, so that three that agree count for more than one that shouts. An alert is raised where the sum reaches
the threshold; after it there is a hold-off, and the threshold is higher by a tenth for each alert of late. ``docs/service-view.md`` tells
what that reaches, and what it does not.

Sources: several weak signs are better than one strong one, R. A. Fisher, *Statistical Methods for Research Workers* (1932, combined
tests); rates of records, K. N. Chandler, J. Royal Statistical Society B 14 (1952).

Pure: NumPy only, no clock, one pass, no look-ahead. Additions, multiplications, divisions, square roots and comparisons per element, so
a result does not depend on the size of the batch it came in.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.detectors.columns import Slots
from streams.detectors.rhythm import Felt, Rhythm
from streams.detectors.shape import Bools, Floats, Longs
from vorab.clock import DAY

LARGEST: Final = 1e100
"""Readings are cut to this, so that no square below can overflow."""
UP: Final = slice(0, 4)
DOWN: Final = slice(4, 8)
STEP: Final = slice(8, 10)
AWAY: Final = slice(10, 13)
HOUR: Final = slice(13, 25)
"""Averages at four speeds of how far the reading is from what its hour usually is: above, below, on either side."""
RUN: Final = slice(25, 27)
SURPRISE: Final = 27
CHANNELS: Final = 28
FAINT: Final = 0.02
"""Evidence below this many margins is none."""
FLAT: Final = 1e-3
"""Smallest width of a record as a share of the level: a series that never moved may move by its last digit."""
RESOLUTION: Final = 1e-9

# Columns of the numbers of a slot.
COUNT, LAST, MEAN, VARIANCE, QUIET, CALLS, FIRST = range(7)
LEVEL = slice(7, 11)
STEPS = slice(11, 13)
DEPARTURE = slice(13, 15)
HOUR_LEVEL = slice(15, 19)
HOUR_OFF = slice(19, 23)
RUNNING = slice(23, 25)
LONGEST = slice(25, 27)
RECORD = slice(27, 52)
BASE = slice(52, 77)
HELD = slice(77, 105)
WIDTH: Final = 105


@dataclass(frozen=True)
class StageConfig:
    """Settings, counted in readings. Chosen once for all kinds of series, in round numbers."""

    threshold: float = 8.25
    """Evidence of all channels together that is worth a call."""
    speeds: tuple[float, float, float, float] = (1.0, 0.2, 0.03, 0.006)
    """Share of a new reading in the averages: the reading itself, a quarter of an hour, three hours, a day (5-minute readings)."""
    step_speeds: tuple[float, float] = (0.1, 0.02)
    away_speeds: tuple[float, float] = (0.2, 0.03)
    """The distance from the mean counts as it is, and averaged at these speeds."""
    mean_speed: float = 0.002
    level_margin: tuple[float, float, float, float] = (0.25, 0.25, 0.25, 0.5)
    """By how much of its width a record must be beaten to count 1, per speed; the slow average wanders by itself."""
    step_margin: float = 0.8
    away_margin: float = 2.0
    hour_speeds: tuple[float, float, float, float] = (0.2, 0.05, 0.015, 0.005)
    """Speeds at which the distance from what the hour usually is is averaged."""
    hour_margin: tuple[float, float] = (0.4, 0.8)
    """On one side, on either side."""
    rhythm: tuple[float, float] = (0.5, 0.6)
    """Share of the variance that the hours of a series must explain before what they say counts at all, and counts in full."""
    run_off: float = 1.0
    """How far above or below what its hour usually is a reading must be to belong to a run, in usual distances."""
    run_margin: float = 1.0
    """By which share the longest run must be beaten to count 1: one that is twice as long."""
    run_least: float = 12.0
    """Readings: shorter runs are no runs."""
    surprise_margin: float = 0.0625
    """The same for the surprise, as a share of its record: records of surprise are hard to beat."""
    youth: float = 1.0
    """Margins of a channel that has only just begun are larger by this share, and shrink as 1/readings, as the rate of records does."""
    most: float = 2.0
    """Margins one channel can hold at most: the rest must come from others."""
    fade: float = 18.0
    """Readings in which evidence fades to 37 %: channels need not speak in the same minute."""
    forget: float = 30_000.0
    """Readings in which a record fades to 37 % of its height over the base."""
    glitch: float = 3.0
    """Widths beyond a record that are learned from one reading at most."""
    settle: int = 100
    """Readings before records count."""
    warm_up: int = 150
    """No alert before so many readings …"""
    warm_up_us: int = 2 * DAY
    """… nor before this time has passed: a device should have shown its day, and shown it twice."""
    hold: int = 100
    """Readings after an alert without another one."""
    dearer: float = 0.1
    """By how much the threshold is higher for each alert of late …"""
    late: float = 3_500.0
    """… which is forgotten after so many readings: a series that cannot be learned pays for each call."""


@dataclass(frozen=True, slots=True)
class Calls:
    """What a call found, one row per reading."""

    raised: Bools
    evidence: Floats
    """Of all channels, in thresholds: 1 and more is worth a call."""
    channel: Slots
    """Which channel holds most: 0 to 3 an average above its record, 4 to 7 below it, 8 and 9 the steps, 10 to 12 the distance from
    the mean, 13 to 16 an average above what the hour usually is, 17 to 20 below it, 21 to 24 on either side, 25 and 26 a run above and
    below it, 27 the surprise."""


class SecondStage:
    """For any number of series. A slot is a series: the caller keeps the map. Slots are made by :meth:`grow`."""

    def __init__(self, config: StageConfig | None = None, slots: int = 0) -> None:
        self.config = config = config or StageConfig()
        self._rhythm = Rhythm()
        self._numbers: Floats = np.zeros((0, WIDTH))
        self._settings = zlib.crc32(repr((config, self._rhythm.config)).encode())
        slow = [100.0, 100.0, 500.0, 2000.0]
        margins = [*config.level_margin, *config.level_margin, *[config.step_margin] * 2, *[config.away_margin] * 3]
        margins += [*[config.hour_margin[0]] * 8, *[config.hour_margin[1]] * 4]
        self._margin: Floats = np.array(margins)[:, None]
        hours = [500.0, 2000.0, 6000.0, 10_000.0]  # and the rhythm its days and weeks
        self._need: Floats = np.array([*slow, *slow, 100.0, 100.0, 100.0, 150.0, 500.0, *hours * 3])[:, None]
        """Readings a channel needs to know its own range: some of its own lengths."""
        self._run_need = 5_000.0
        self._kept, self._recent = float(np.exp(-1.0 / config.fade)), float(np.exp(-1.0 / config.late))
        self._speeds, self._steps, self._aways, self._hours = (
            np.array(each)[:, None] for each in (config.speeds, config.step_speeds, config.away_speeds, config.hour_speeds)
        )
        self.grow(slots)

    @property
    def slots(self) -> int:
        """Number of slots there is room for."""
        return len(self._numbers)

    def grow(self, n: int) -> None:
        """Make sure that slots 0 to n - 1 exist; never shrinks."""
        have = len(self._numbers)
        if n > have:
            self._numbers = np.pad(self._numbers, ((0, max(n, 2 * have) - have), (0, 0)))  # doubling, so that growing one by one is cheap
            self._rhythm.grow(n)

    def clear(self, slots: Slots) -> None:
        """Forget these slots, so that they can hold other series."""
        self._numbers[slots] = 0.0
        self._rhythm.clear(slots)

    def snapshot(self, slots: Slots) -> bytes:
        """State of these slots, in this order, for :meth:`restore`: 1.8 KB each."""
        numbers = self._numbers[slots].astype("<f8").tobytes()
        return self._settings.to_bytes(4, "little") + numbers + self._rhythm.snapshot(slots)

    def restore(self, slots: Slots, state: bytes) -> None:
        """Put a snapshot back, into any slots, as many as it was taken of. Raises ValueError when it does not fit these settings."""
        end = 4 + 8 * WIDTH * len(slots)
        if int.from_bytes(state[:4], "little") != self._settings or len(state) != end + self._rhythm.bytes_per_slot * len(slots):
            raise ValueError(f"not a snapshot of {len(slots)} slots with these settings of the second stage")
        self._numbers[slots] = np.frombuffer(state, "<f8", WIDTH * len(slots), 4).reshape(len(slots), WIDTH)
        self._rhythm.restore(slots, state[end:])

    def update(self, slots: Slots, at: Longs, values: Floats, surprise: Floats) -> Calls:
        """Take one reading each of some series: unique slots, times (µs), finite values, and by which share surprise beats its record.

        Where that is not above 0 there is no surprise.
        """
        config, numbers = self.config, np.ascontiguousarray(self._numbers[slots].T)
        value = np.minimum(np.maximum(values, -LARGEST), LARGEST)
        count = numbers[COUNT]
        felt = self._rhythm.update(slots, at, value)
        seen = self._follow(numbers, value, felt.off)
        record, base, held = numbers[RECORD], numbers[BASE], numbers[HELD]
        width = np.maximum(record - base, FLAT * np.abs(base) + RESOLUTION)
        settled = count >= config.settle
        learned = np.minimum(seen, record + config.glitch * width)
        beyond = (seen - record) / (width * (self._margin * (1.0 + config.youth * self._need / np.maximum(count, 1.0))))
        held *= self._kept
        fresh = np.minimum(beyond, config.most)
        none, whole = config.rhythm
        fresh[HOUR] = np.minimum(beyond[HOUR] * np.minimum(np.maximum((felt.explained - none) / (whole - none), 0.0), 1.0), config.most)
        fresh = np.where(settled, np.concatenate([fresh, self._run(numbers, felt)]), 0.0)
        np.maximum(held[:SURPRISE], fresh, out=held[:SURPRISE])
        strange = np.where(settled, np.minimum(surprise / config.surprise_margin, config.most), 0.0)
        held[SURPRISE] = np.maximum(held[SURPRISE], strange)

        young = ~settled
        pace = np.maximum(1.0 / (count + 1.0), config.mean_speed)
        low = np.where(young, -LARGEST * LARGEST, base - 3.0 * width)
        faded = record - (record - base) / config.forget
        record[:] = np.where(young, np.where(count == 0.0, seen, np.maximum(record, seen)), np.where(beyond > 0.0, learned, faded))
        base += pace * (np.maximum(np.where(young, seen, learned), low) - base)

        # One after the other: `sum` adds up in an order of its own, depending on how many series there are.
        together = np.add.accumulate(np.sqrt(np.where(held > FAINT, held, 0.0)), axis=0)[-1]
        evidence = together * together / config.threshold
        numbers[CALLS] *= self._recent
        numbers[FIRST] = np.where(count == 0.0, at, numbers[FIRST])
        warm = (count >= config.warm_up) & (at - numbers[FIRST] >= config.warm_up_us)
        raised = (evidence >= 1.0 + config.dearer * numbers[CALLS]) & (numbers[QUIET] <= 0.0) & warm
        numbers[QUIET] = np.where(raised, config.hold - 1.0, np.maximum(numbers[QUIET] - 1.0, 0.0))
        numbers[CALLS] += raised
        numbers[COUNT] += 1.0
        channel = held.argmax(axis=0)
        self._numbers[slots] = numbers.T
        return Calls(raised, evidence, channel)

    def _run(self, numbers: Floats, felt: Felt) -> Floats:
        """Bring the runs above and below what the hours usually are up to a reading (in place); gives what each is worth."""
        config, running, longest = self.config, numbers[RUNNING], numbers[LONGEST]
        goes_on = np.stack([felt.off, -felt.off]) > config.run_off
        longest[:] = np.where(goes_on, longest, np.maximum(longest, running))
        running[:] = np.where(goes_on, running + 1.0, 0.0)
        longest[:] = np.maximum(longest * (1.0 - 1.0 / config.forget), config.run_least)
        youth = 1.0 + config.youth * self._run_need / np.maximum(numbers[COUNT], 1.0)
        return np.asarray(np.minimum((running / longest - 1.0) / (config.run_margin * youth), config.most))

    def _follow(self, numbers: Floats, value: Floats, off_hour: Floats) -> Floats:
        """Bring the memories up to a reading (in place); gives what each channel sees of it."""
        config, count = self.config, numbers[COUNT]
        first, even = count == 0.0, 1.0 / (count + 1.0)
        level, steps, departure = numbers[LEVEL], numbers[STEPS], numbers[DEPARTURE]
        level[:] = np.where(first, value, level + self._speeds * (value - level))
        step = np.where(first, 0.0, np.abs(value - numbers[LAST]))
        steps += np.maximum(self._steps, even) * (step - steps)
        off = np.where(first, 0.0, value - numbers[MEAN])
        pace = np.maximum(config.mean_speed, even)
        numbers[MEAN] = np.where(first, value, numbers[MEAN] + pace * off)
        numbers[VARIANCE] = (1.0 - pace) * (numbers[VARIANCE] + pace * off * off)
        away = np.abs(off) / np.sqrt(numbers[VARIANCE] + 1e-12 + 1e-8 * value * value)
        departure += np.maximum(self._aways, even) * (away - departure)
        hour_level, hour_off = numbers[HOUR_LEVEL], numbers[HOUR_OFF]
        pace = np.maximum(self._hours, even)
        hour_level += pace * (off_hour - hour_level)
        hour_off += pace * (np.abs(off_hour) - hour_off)
        numbers[LAST] = value
        return np.concatenate([level, -level, steps, away[None], departure, hour_level, -hour_level, hour_off])
