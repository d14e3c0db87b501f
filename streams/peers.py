"""What a cohort of devices usually does, put together from the summaries of many partitions: order of arrival does not matter.

A summary is a sample of devices, each with its average over a bucket of time: those whose keys have the smallest hashes (a bottom-k
sketch; Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007). Samples of parts merge into the sample of the whole,
exactly; a cohort of up to `SAMPLE` devices is there completely. The baseline is its median and its median absolute deviation, which half of
the devices could not move by being wrong.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

SAMPLE: Final = 128
"""Devices of a sample: their median is within a tenth of a standard deviation of that of a million."""
_MAD: Final = 1.4826
"""Standard deviation of normal values over their median absolute one."""
_MEAN: Final = 1.2533
"""The same over their mean absolute one."""


class Sample(NamedTuple):
    """Devices of a cohort, by the hash of their key, smallest first."""

    devices: int
    """How many there are; the sample has the first `SAMPLE` of them."""
    ranks: tuple[int, ...]
    values: tuple[float, ...]


class Baseline(NamedTuple):
    """What is usual in a cohort."""

    level: float
    spread: float
    """Standard deviation, as far as most devices tell; 0 where all are equal."""
    devices: int


def rank_of(device: str) -> int:
    """The hash of a device's key: 52 bits, which JSON carries exactly in any language."""
    return int.from_bytes(hashlib.blake2b(device.encode(), digest_size=8).digest(), "big") >> 12


def sample_of(ranks: Sequence[int], values: Sequence[float]) -> Sample:
    """The sample of these devices."""
    first = sorted(zip(ranks, values, strict=True))[:SAMPLE]
    return Sample(len(ranks), tuple(rank for rank, _ in first), tuple(value for _, value in first))


def merge(samples: Iterable[Sample]) -> Sample:
    """The sample of all devices of samples that have none in common."""
    parts = list(samples)
    first = sorted(pair for part in parts for pair in zip(part.ranks, part.values, strict=True))[:SAMPLE]
    return Sample(sum(part.devices for part in parts), tuple(rank for rank, _ in first), tuple(value for _, value in first))


def baseline_of(sample: Sample) -> Baseline:
    """Median and spread; where more than half are equal, the spread is that of the rest."""
    level = statistics.median(sample.values)
    away = [abs(value - level) for value in sample.values]
    spread = statistics.median(away) * _MAD
    return Baseline(level, spread or sum(away) / len(away) * _MEAN, sample.devices)
