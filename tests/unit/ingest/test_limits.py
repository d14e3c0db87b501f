"""How much one device may send: exact counts, fairness, quarantine that ends by itself, and patience with those who were away."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.intake import Intake
from ingest.limits import Allowance, Quota
from ingest.packets import Arrivals, Extra
from ingest.plan import Plan
from ingest.taken import Taken
from ingest.topicmap import TopicMap
from tests.unit.ingest.test_intake import NOW, arrivals, bodies, rows
from vorab import topics
from vorab.clock import HOUR, MINUTE, SECOND
from vorab.errors import Reason
from vorab.settings import TopicMapEntry

TIGHT = Allowance(rate=10.0, burst=20, quarantine_s=30.0)


def intake(allowance: Allowance = TIGHT, speed: float = 1.0) -> Intake:
    """One worker for everything, with narrow limits."""
    return Intake(Plan(partitions=4, rejected_partitions=4, allowance=allowance, speed=speed), TopicMap([], 4, 0))


def burst(device: str, n: int, first: int = 0) -> Arrivals:
    """So many messages of one device in one read."""
    return arrivals(*[(f"telemetry/{device}", b'{"x":%d}' % i) for i in range(first, first + n)])


def total(passes: list[Taken]) -> Counter[str]:
    """Messages by what became of them."""
    return sum((taken.counts for taken in passes), Counter[str]())


def reasons(passes: list[Taken]) -> Counter[str]:
    """Refused messages by reason."""
    return sum((taken.reasons for taken in passes), Counter[str]())


# ------------------------------------------------------------------------------------------------ the bucket


class Bucket:
    """One device's bucket, message by message, as a textbook has it: the oracle."""

    def __init__(self, allowance: Allowance) -> None:
        self.rate, self.burst = allowance.rate, allowance.burst
        self.tokens, self.at = float(allowance.burst), 0

    def take(self, now: int) -> bool:
        """Whether a message may pass."""
        self.tokens = min(self.burst, self.tokens + (now - self.at) / SECOND * self.rate)
        self.at = now
        if self.tokens < 1 - 1e-9:
            return False
        self.tokens -= 1
        return True


reads = st.lists(st.tuples(st.integers(0, 3000), st.lists(st.integers(0, 4), max_size=60)), max_size=20)


@given(reads)
def test_a_read_passes_what_a_textbook_bucket_passes_one_by_one(script: list[tuple[int, list[int]]]) -> None:
    """Fuzzed: whatever devices stand in a read and whenever it comes, exactly the messages pass that their own bucket has room for."""
    quota = Quota(TIGHT._replace(quarantine_s=0), 1.0)
    names = [f"main/pump-{i}" for i in range(5)]
    oracle = defaultdict[int, Bucket](lambda: Bucket(TIGHT))
    now = NOW
    for passed, numbers in script:
        now += passed * 1000
        drops = quota.admit(numbers, now, names)
        keep = [True] * len(numbers) if drops is None else drops.keep.tolist()
        assert keep == [oracle[number].take(now) for number in numbers]
        assert sum(len(found.places) for found in drops.found) == keep.count(False) if drops else all(keep)


def test_a_limit_is_a_matter_of_the_wall() -> None:
    """On a clock that runs 500 times as fast the same messages a second on the wall pass."""
    for speed in (1, 500):
        quota = Quota(TIGHT, speed)
        admitted = 0
        for second in range(60):
            drops = quota.admit([0] * 10, NOW + second * SECOND * speed, ["main/a"])
            admitted += 10 if drops is None else int(np.count_nonzero(drops.keep))
        assert admitted == 600


def test_no_limit_is_no_limit() -> None:
    """A rate of 0 switches it off."""
    quota = Quota(TIGHT._replace(rate=0), 1.0)
    assert quota.admit([0] * 100_000, NOW, ["main/a"]) is None


# ------------------------------------------------------------------------------------------------ a flood


def test_a_flood_is_cut_and_its_neighbours_are_not() -> None:
    """In the same read: the first 20 of the flooder pass and all of the others; received is taken plus dropped, by reason."""
    some = intake()
    sent = [("telemetry/flooder" if i % 3 else f"telemetry/pump-{i}", b'{"x":%d}' % i) for i in range(300)]
    passes = some.take(arrivals(*sent), NOW)
    by_device = Counter(row.device for row in rows(passes))
    assert by_device.pop("main/flooder") == 20
    assert set(by_device.values()) == {1}
    assert len(by_device) == 100
    assert total(passes) == Counter(telemetry=120, rejected=180, skipped=0)
    assert reasons(passes) == Counter(rate_limited=180)
    assert [row.values["x"] for row in rows(passes) if row.device == "main/flooder"] == [i for i in range(300) if i % 3][:20]


def test_one_record_a_minute_speaks_for_all_that_was_dropped() -> None:
    """A flood of messages is not answered by a flood of records, and in the end the records account for every message."""
    some = intake(TIGHT._replace(quarantine_s=0))
    passes: list[Taken] = []
    for tick in range(1800):
        passes += some.take(burst("flooder", 4, first=tick), NOW + tick * SECOND // 10)
        passes.append(some.due(NOW + tick * SECOND // 10))
    passes.append(some.due(NOW + 300 * SECOND))
    told = bodies(passes, topics.REJECTED)
    assert len(told) == 4
    dropped = reasons(passes)["rate_limited"]
    assert sum(one["messages"] for one in told) == dropped == 7200 - len(rows(passes))
    assert {(one["device"], one["reason"]) for one in told} == {("main/flooder", "rate_limited")}
    assert len({one["id"] for one in told}) == 4
    assert "at most 10 messages a second, 20 at once" in told[0]["detail"]


def test_who_does_not_stop_is_put_into_quarantine_and_comes_out_of_it() -> None:
    """Ten seconds of excess, then nothing is taken for half a minute, then the usual rate again with an empty bucket."""
    some = intake()
    fate: list[tuple[int, int]] = []
    noted: set[str] = set()
    for tick in range(600):
        [taken] = some.take(burst("flooder", 20), NOW + tick * SECOND // 10)
        fate.append((taken.rows, taken.reasons["quarantined"]))
        noted |= {str(taken.notes[0].payload, "ascii").split('"')[3]} if taken.notes else set()
    caught = next(tick for tick, (_, locked) in enumerate(fate) if locked)
    assert 100 <= caught <= 103
    assert all(taken == 0 and locked == 20 for taken, locked in fate[caught : caught + 298])
    after = fate[caught + 301 : caught + 401]
    assert not any(locked for _, locked in after[:95])
    assert 95 <= sum(taken for taken, _ in after) <= 105
    assert noted == {"rate_limited", "quarantined"}


def test_what_is_in_quarantine_is_not_even_parsed() -> None:
    """Malformed payloads of a device in quarantine are dropped as what they are: too many."""
    some = intake()
    for tick in range(110):
        some.take(burst("flooder", 20), NOW + tick * SECOND // 10)
    [taken] = some.take(arrivals(*[("telemetry/flooder", b"{" * 100)] * 50), NOW + 12 * SECOND)
    assert taken.reasons == Counter(quarantined=50)


def test_statuses_and_answers_count_too() -> None:
    """Whatever its topic, a message is one of its device's."""
    passes = intake().take(arrivals(*[(f"vorab/v1/main/pump-7/{what}", b"{}") for what in ("telemetry", "status", "cmd/a/res")] * 20), NOW)
    assert sum(reasons(passes).values()) >= 40 - 10
    assert sum(total(passes).values()) == 60


def test_recordings_have_no_limit() -> None:
    """Somebody replays them on purpose, as fast as they go."""
    some = Intake(Plan(partitions=5, recorded_partitions=1, rejected_partitions=4, allowance=TIGHT), TopicMap([], 5, 1))
    sent = [("recorded/machine/telemetry", b'{"ts":%d,"x":1}' % (1_391_780_000_000 + i)) for i in range(2000)]
    assert total(some.take(arrivals(*sent), NOW)) == Counter(telemetry=2000, skipped=0)


# ------------------------------------------------------------------------------------------------ those who were away


def test_what_was_kept_during_an_absence_is_no_flood() -> None:
    """Nothing was read for an hour: an hour of a device's messages comes at once and passes; a second hour's worth does not."""
    some = intake()
    some.take(burst("pump-7", 1), NOW)
    some.away(HOUR, NOW + HOUR)
    passes = some.take(burst("pump-7", 36_000), NOW + HOUR)
    assert total(passes)["telemetry"] == 36_000
    passes = some.take(burst("pump-7", 36_000), NOW + HOUR + SECOND)
    assert total(passes)["telemetry"] <= 20 + 10 + 1


def test_patience_after_an_absence_ends() -> None:
    """Later on the usual limit holds again, whatever was not used."""
    some = intake()
    some.away(MINUTE, NOW)
    passes = some.take(burst("pump-7", 600), NOW + 3 * MINUTE)
    assert total(passes)["telemetry"] == 20


def test_a_new_number_is_no_new_bucket() -> None:
    """Made-up devices until everybody is numbered anew do not free the flooder of its limit."""
    some = intake()
    some.take(burst("flooder", 1000), NOW)
    some._gate.forget()  # 200,000 made-up devices would take long
    some._roster.forget()
    passes = some.take(arrivals(("telemetry/other", b'{"x":1}'), *[("telemetry/flooder", b'{"x":1}')] * 10), NOW + 1)
    assert Counter(row.device for row in rows(passes)) == Counter({"main/other": 1})
    assert reasons(passes) == Counter({Reason.RATE_LIMITED: 10})


# ------------------------------------------------------------------------------------------------ accounts

PLAIN, STORED, HUGE = Extra(), Extra(retain=True), Extra(size=300_000)
KINDS = (
    ("telemetry/a", b'{"x":1}', PLAIN, "telemetry"),
    ("telemetry/b", b'{"x":1}', PLAIN, "telemetry"),
    ("telemetry/a", b'{"x":[1]}', PLAIN, "rejected"),
    ("telemetry/b", b'{"x":1}', STORED, "retained"),
    ("telemetry/b", b'{"x":1}', HUGE, "rejected"),
    ("vorab/v1/main/a/status", b"online", PLAIN, "status"),
    ("vorab/v1/main/a/cmd/go/res", b'{"id":"1","status":"done"}', PLAIN, "rejected"),
    ("vorab/v1/main/b/cmd/go/res", b'{"id":"1","status":"succeeded"}', PLAIN, "reply"),
    ("nobody/knows", b"1", PLAIN, "rejected"),
    ("telemetry/sp ce", b'{"x":1}', PLAIN, "rejected"),
    ("plant/quiet/x", b"1", PLAIN, "ignored"),
)
IGNORE = TopicMapEntry(filter="plant/quiet/x", kind="ignore")


def reads_of(script: list[list[int]]) -> list[Arrivals]:
    """Reads of these kinds of messages."""
    made = []
    for kinds in script:
        made.append(arrivals(*[KINDS[kind][:2] for kind in kinds]))
        made[-1].extra.update({i: KINDS[kind][2] for i, kind in enumerate(kinds) if KINDS[kind][2] is not PLAIN})
    return made


@given(st.lists(st.lists(st.integers(0, len(KINDS) - 1), max_size=80), max_size=12), st.integers(1, 50), st.integers(1, 3))
def test_nothing_vanishes(script: list[list[int]], frame_rows: int, workers: int) -> None:
    """Fuzzed: received is the sum of what became of it; the rejected are the sum of their reasons, and records speak for all of them."""
    shared: Counter[str] = Counter()
    for i in range(workers):
        plan = Plan(partitions=4, rejected_partitions=4, allowance=TIGHT, frame_rows=frame_rows, share=(i, workers))
        some = Intake(plan, TopicMap([IGNORE], 4, 0))
        passes = [taken for second, read in enumerate(reads_of(script)) for taken in some.take(read, NOW + second * SECOND)]
        passes.append(some.due(NOW + HOUR))
        counts = total(passes)
        assert sum(counts.values()) == sum(map(len, script))
        assert counts["rejected"] == sum(reasons(passes).values()) == sum(one["messages"] for one in bodies(passes, topics.REJECTED))
        assert counts["telemetry"] == len(rows(passes))
        shared += counts
    everybody = shared["ignored"] // workers  # what nobody reads, every worker ignores; all else is one worker's and the others' to skip
    assert shared["skipped"] == (workers - 1) * (sum(map(len, script)) - everybody)


def test_everything_is_counted_as_what_it_became() -> None:
    """One of each kind, as the page of operations names them."""
    some = Intake(Plan(partitions=4, rejected_partitions=4), TopicMap([IGNORE], 4, 0))
    passes = [taken for read in reads_of([list(range(len(KINDS)))]) for taken in some.take(read, NOW)]
    assert +total(passes) == Counter(kind for *_, kind in KINDS)
    page = Path("docs/operations.md").read_text(encoding="utf-8")
    assert {kind for *_, kind in KINDS} <= set(re.findall(r"^\| `([a-z]+)` \|", page, re.MULTILINE))
