"""Peers: who does not do what the others do, held against a plain comparison bucket by bucket."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.detectors import peer
from streams.detectors.columns import Columns, Runs
from streams.detectors.peer import Peer, PeerRule
from streams.detectors.shape import Change, Told
from streams.peers import Baseline, baseline_of, rank_of, sample_of
from vorab.clock import MINUTE, SECOND, Micros

LONG = 15 * MINUTE
T0 = 1_795_000_500 * SECOND // LONG * LONG
Row = tuple[int, Micros, float]
RANKS = [rank_of(f"main/{slot}") for slot in range(40)]


def rule(**words: Any) -> PeerRule:
    """A rule."""
    base = {"id": "x", "title": {"en": "x", "de": "x"}, "cause": "c", "detector": "peer", "signal": "t"}
    return PeerRule.model_validate({**base, **words})


def run(
    which: PeerRule, rows: Sequence[Row], cuts: Sequence[int] = (), *, slots: int = 10, late: int = 0, stale: int = 0
) -> list[tuple[Any, ...]]:
    """All devices are one cohort; rows in order of time, a bucket is closed when time is past it, its baseline comes `late` buckets later.

    `stale` is known-bad: judges by the baseline of so many buckets before. After each cut there is a restart.
    """
    detector = Peer(which)
    state = Columns("peer", detector.layout, 4)
    state.grow(slots)
    detector.prepare(state, np.arange(slots), which, lambda _: None, fresh=True)
    found: list[tuple[Any, ...]] = []
    baselines: dict[int, Baseline] = {}
    last = rows[-1][1] // LONG

    def pass_time(since: int, until: int) -> None:
        for bucket in range(since, until):
            mine, means = detector.close(state, bucket)
            if len(mine):
                baselines[bucket] = baseline_of(sample_of([RANKS[slot] for slot in mine.tolist()], means.tolist()))
            told = baselines.get(bucket - late - stale)
            if told is not None:
                episodes = detector.judge(state, np.arange(slots), bucket - late, told)
                if episodes is not None:
                    columns = (episodes.rows, episodes.change, episodes.onset, episodes.detected)
                    found.extend(zip([bucket - late] * len(episodes.rows), *(column.tolist() for column in columns), strict=True))

    now = rows[0][1] // LONG
    for first, end in pairwise([0, *sorted({cut % len(rows) for cut in cuts} - {0}), len(rows)]):
        for slot, at, value in rows[first:end]:
            if at // LONG > now:
                pass_time(now, at // LONG)
                now = at // LONG
            detector.update(state, Runs(np.array([slot])), np.array([at]), np.array([value]))
        blocks = [(f"peer/{i}", state.pack(i * 4, min(i * 4 + 4, slots))) for i in range((slots + 3) // 4)]
        state, detector = Columns("peer", detector.layout, 4), Peer(which)
        for name, block in blocks:
            state.unpack(name, block)
    pass_time(now, last + 1 + late)
    return sorted(found)


def fold(which: PeerRule, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """The oracle: averages in a dictionary, buckets one after the other."""
    found: list[tuple[Any, ...]] = []
    runs: dict[int, list[int]] = {}
    raised: dict[int, tuple[Micros, Micros]] = {}
    for bucket in range(rows[0][1] // LONG, rows[-1][1] // LONG + 1):
        seen: dict[int, list[float]] = {}
        for slot, at, value in rows:
            if at // LONG == bucket:
                seen.setdefault(slot, []).append(value)
        if len(seen) < which.peers:
            continue
        means = {slot: sum(values) / len(values) for slot, values in seen.items()}
        level, spread, _ = baseline_of(sample_of([RANKS[slot] for slot in means], list(means.values())))
        spread = max(spread, which.spread, peer.RESOLUTION * abs(level))
        for slot, mean in sorted(means.items()):
            score = abs(mean - level) / spread
            if score > which.beyond:
                mine = runs.setdefault(slot, [])
                mine.append(bucket)
                if slot not in raised and len(mine) >= which.count:
                    raised[slot] = (mine[0] * LONG, (bucket + 1) * LONG)
                    found.append((bucket, slot, Change.RAISED, *raised[slot]))
                continue
            runs.pop(slot, None)
            if slot in raised and score < (which.clear or which.beyond / 2):
                found.append((bucket, slot, Change.CLEARED, *raised.pop(slot)))
    return sorted(found)


steps = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from([20, 60, 100, 400, 2000]), st.sampled_from([20.0, 20.5, 19.5, 21.0, 40.0])),
    min_size=1, max_size=150,
)  # fmt: skip
RULES = (rule(peers=4, count=1, beyond=3), rule(peers=5, count=2, clear=2, beyond=4, spread=0.5))


@given(st.sampled_from(RULES), steps, st.lists(st.integers(0, 149), max_size=4), st.integers(0, 2))
def test_devices_are_held_against_their_peers_bucket_by_bucket(
    which: PeerRule, drawn: list[tuple[int, int, float]], cuts: list[int], late: int
) -> None:
    """However many buckets the baseline is late, and with a restart after each cut."""
    rows, at = list[Row](), T0
    for slot, seconds, value in drawn:
        at += seconds * SECOND
        rows.append((slot, at, value))
    assert run(which, rows, cuts, late=late) == fold(which, rows)


def fleet(buckets: int, odd: dict[int, float], since: int, common: float = 0.0) -> list[Row]:
    """Forty devices, a reading every five minutes; from a bucket on some are odd, and all have moved."""
    chance = np.random.default_rng(1)
    offset = chance.normal(0, 1, 40)
    return [
        (slot, T0 + minute * MINUTE, 20.0 + offset[slot] + chance.normal(0, 0.1) + (odd.get(slot, 0.0) + common) * (minute >= since * 15))
        for minute in range(0, buckets * 15, 5)
        for slot in range(40)
    ]


def test_one_that_goes_its_own_way_is_told() -> None:
    """After two buckets, with the first one's beginning as onset; nobody else is."""
    told = run(rule(), fleet(20, {7: 15.0}, 10), slots=40)

    assert [(slot, change) for _, slot, change, *_ in told] == [(7, Change.RAISED)]
    assert told[0][3:] == (T0 + 10 * LONG, T0 + 12 * LONG)


def test_what_moves_all_of_them_is_nobodys_fault() -> None:
    """All go up by fifteen at once. Known-bad: a baseline of a bucket before blames every one of them."""
    rows = fleet(20, {}, 10, common=15.0)

    assert run(rule(count=1), rows, slots=40) == []
    assert {slot for _, slot, change, *_ in run(rule(count=1), rows, slots=40, stale=1) if change == Change.RAISED} == set(range(40))


def test_what_comes_after_a_bucket_was_told_does_not_change_it() -> None:
    """A device that sends last hour's readings now is judged by what it had sent then, or not at all."""
    detector = Peer(rule())
    state = Columns("peer", detector.layout, 4)
    state.grow(1)
    detector.prepare(state, np.arange(1), rule(), lambda _: None, fresh=True)
    bucket = T0 // LONG
    one = Runs(np.array([0]))
    detector.update(state, one, np.array([T0]), np.array([1.0]))
    assert [column.tolist() for column in detector.close(state, bucket)] == [[0], [1.0]]
    detector.update(state, one, np.array([T0 + MINUTE]), np.array([5.0]))
    assert [column.tolist() for column in detector.close(state, bucket)] == [[0], [1.0]]
    for later in range(1, peer.RING + 1):
        detector.update(state, one, np.array([T0 + later * LONG]), np.array([1.0]))
    assert detector.judge(state, np.arange(1), bucket, Baseline(0.0, 1.0, 100)) is None


def test_the_sentences_say_what_it_is_elsewhere() -> None:
    """And on how many devices."""
    which = rule(same=["model", "site"])
    numbers = {"value": 40.0, "usual": 20.0, "peers": 12.0}
    told, detector = Told("t", "Cel", 41.0, T0, T0, T0, numbers), Peer(which)

    assert detector.say(which, Change.RAISED, told) == (
        "t averages 40 Cel over 15 min; on 12 devices of the same model and site it is 20 Cel."
    )
    assert detector.say(which, Change.CLEARED, told) == (
        "t averages 40 Cel over 15 min, as on 12 devices of the same model and site again (20 Cel)."
    )


def test_mistakes_are_told() -> None:
    """A clear value beyond the limit, too few peers, something nobody has in common."""
    mistakes: tuple[dict[str, Any], ...] = ({"beyond": 3, "clear": 4}, {"peers": 2}, {"same": ["colour"]}, {"same": []})
    for words in mistakes:
        with pytest.raises(ValidationError):
            rule(**words)
    assert Peer.shared(rule()) != Peer.shared(rule(bucket="1 h"))
