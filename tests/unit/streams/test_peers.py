"""Samples of cohorts: merged in any order, robust against devices that are wrong."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from streams.peers import SAMPLE, Baseline, baseline_of, merge, rank_of, sample_of

devices = st.dictionaries(st.integers(0, 10_000), st.floats(-1e6, 1e6), min_size=1, max_size=400)


@given(devices, st.integers(1, 12), st.randoms())
def test_samples_of_parts_merge_into_the_sample_of_the_whole(values: dict[int, float], parts: int, chance: random.Random) -> None:
    """However devices are spread over partitions, and in whichever order partitions speak."""
    ranks = {device: rank_of(f"main/{device}") for device in values}
    whole = sample_of([ranks[device] for device in values], list(values.values()))
    spread: list[list[int]] = [[] for _ in range(parts)]
    for device in values:
        chance.choice(spread).append(device)
    samples = [sample_of([ranks[device] for device in part], [values[device] for device in part]) for part in spread if part]
    chance.shuffle(samples)

    assert merge(samples) == whole
    assert merge([merge(samples[:2]), *samples[2:]]) == whole
    assert (whole.devices, len(whole.ranks)) == (len(values), min(len(values), SAMPLE))


def test_a_few_devices_that_are_wrong_do_not_move_the_baseline() -> None:
    """Forty of a hundred say a million. Known-bad: mean and standard deviation believe them."""
    chance = random.Random(1)
    values = [chance.gauss(20, 1) for _ in range(60)] + [1e6] * 40
    found = baseline_of(sample_of(range(100), values))

    assert abs(found.level - 20) < 3
    assert found.spread < 5
    assert sum(values) / 100 > 1e5


def test_a_sample_is_as_good_as_the_whole() -> None:
    """Of ten thousand devices, 128 tell level and spread."""
    chance = random.Random(1)
    values = [chance.gauss(20, 1) for _ in range(10_000)]
    found = baseline_of(sample_of([rank_of(f"main/{i}") for i in range(10_000)], values))

    assert abs(found.level - 20) < 0.3
    assert abs(found.spread - 1) < 0.3
    assert found.devices == 10_000


def test_where_most_are_equal_the_rest_tell_the_spread() -> None:
    """And where all are, there is none."""
    assert baseline_of(sample_of(range(4), [1.0, 1.0, 1.0, 5.0])) == Baseline(1.0, 1.2533, 4)
    assert baseline_of(sample_of(range(4), [1.0] * 4)) == Baseline(1.0, 0.0, 4)
    assert rank_of("main/a") < 2**52
