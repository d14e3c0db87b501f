"""detect: what it says depends on each device's readings, and on nothing else."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.detect.processor import detect_kind
from streams.detectors.columns import Runs
from streams.hosts.faust_state import MAX_BLOCK_BYTES
from streams.hosts.instance import Instance, Layout
from streams.rules.ruleset import RuleSet
from tests.unit.streams.detecting import T0, Host, Registered, cuts, oracle, reading, rule, shuffled, summary
from vorab.clock import MINUTE, SECOND
from vorab.frame import Frame, Reading, encode, pack
from vorab.ids import symptom_id
from vorab.topics import READINGS

RULES = RuleSet(
    [
        rule("threshold", "hot", above=90, clear=85, count=3),
        rule("threshold", "very-hot", above=94),
        rule("threshold", "hot-for-long", above=90, **{"for": "30 s"}),
        rule("threshold", "cold", below=62, clear=65),
        rule("silence", "quiet", after="60 s"),
        rule("silence", "dead", after="5 min"),
    ]
)


def night(seed: int, devices: int = 5, minutes: int = 12) -> list[Reading]:
    """Readings of some devices in the order they arrived: hot spells, silences, repeats, with and without numbers; never all still."""
    chance = random.Random(seed)
    rows: list[Reading] = []
    for n in range(devices):
        numbered, at, seq, boot, level = n % 2 == 0, chance.uniform(0, 9), 0, 1, 75.0
        while at < minutes * 60:
            level = chance.choice([level, level, level, 60.0, 75.0, 88.0, 93.0, 96.0])
            row = reading(f"d{n}", at, level + chance.uniform(-1, 1), boot=boot if numbered else None, seq=seq if numbered else None)
            rows.append(row)
            if chance.random() < 0.1:
                rows.append(row)
            if numbered and seq > 2 and chance.random() < 0.05:
                rows.append(row._replace(seq=seq - 2, measured_at=row.measured_at - 1))
            seq += 1
            if chance.random() < 0.03:
                boot, seq = boot + 1, 0
            at += chance.choice([3, 5, 9, 9, 9]) if n == 0 or chance.random() < 0.95 else chance.choice([45, 70, 200, 400])
    return sorted(rows, key=lambda row: row.received_at)


def told(rows: list[Reading], chance: random.Random, *, crash: float = 0.0) -> Host:
    """A host that reads these rows, cut at random, and then ticks until everything is over."""
    host = Host(RULES)
    for some in cuts(rows, chance):
        host.frame(some)
        if chance.random() < crash:
            host.crash()
    for second in range(0, 1500, 5):
        host.tick(second)
    return host


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**6))
def test_cuts_and_the_order_between_devices_change_nothing(seed: int) -> None:
    """Identical records, ids and bodies, and what they say is what one reading at a time would have said."""
    chance = random.Random(seed)
    rows = night(seed)

    whole = told(rows, random.Random(1))
    other = told(shuffled(rows, chance, 4), chance)

    assert other.told == whole.told
    assert summary(whole.out) == oracle(RULES, rows, T0 + 1495 * SECOND)
    assert len(whole.out) > 10


@pytest.mark.parametrize("seed", range(6))
def test_a_crash_between_frames_changes_nothing(seed: int) -> None:
    """State that was written and read back goes on as if nothing had happened."""
    rows = night(seed)

    assert told(rows, random.Random(seed), crash=0.3).told == told(rows, random.Random(99)).told


def test_a_detector_that_forgets_the_row_before_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The property above fails for one that judges every row of a frame by the state before the frame."""

    def before(self: Runs, column: Any, carried: Any) -> Any:  # noqa: ARG001 - the known-bad variant
        return carried

    rows = night(3)
    good = told(rows, random.Random(5)).told
    monkeypatch.setattr(Runs, "before", before)

    assert told(rows, random.Random(5)).told != good


def test_a_symptom_tells_what_it_was_decided_on() -> None:
    """Onset is the first reading of the run, detection the deciding one; the evidence ends with it; the id follows from the onset."""
    host = Host(RuleSet([rule("threshold", "hot", above=90, clear=85, count=3, unit="Cel", cause="overheat", severity="critical")]))

    found = [symptom for i, t in enumerate([70, 91, 92, 93, 94, 86, 84]) for symptom in host.frame([reading("d", i, t)])]

    raised, cleared = found
    assert (raised.state, raised.onset, raised.detected_at, raised.value) == ("raised", T0 + SECOND, T0 + 3 * SECOND, 93.0)
    assert (raised.cause, raised.severity, raised.unit, raised.limit, raised.signal) == ("overheat", "critical", "Cel", 90.0, "t")
    assert [point.value for point in raised.evidence] == [70, 91, 92, 93]
    assert raised.explanation == "t is 93 Cel, above the limit of 90 Cel, 3 readings in a row, for 2 s."
    assert raised.id == cleared.id == symptom_id("main/d", "hot", T0 + SECOND)
    assert (cleared.onset, cleared.detected_at, cleared.cleared_at) == (raised.onset, raised.detected_at, T0 + 6 * SECOND)
    assert [point.value for point in cleared.evidence] == [70, 91, 92, 93, 94, 86, 84]
    assert cleared.time == T0 + 6 * SECOND


def test_backfilled_readings_are_judged_by_their_own_time() -> None:
    """A reading stamped two hours ago does not make a duration true at once."""
    host = Host(RuleSet([rule("threshold", above=90, **{"for": "10 min"})]))

    assert not host.frame([reading("d", 0, 95, late_s=7200)])
    assert not host.frame([reading("d", 599, 95, late_s=6700)])
    assert host.frame([reading("d", 600, 95, late_s=6700)])


def test_readings_that_were_read_before_do_not_count() -> None:
    """Three readings in a row are three readings, however often the broker brings one."""
    host = Host(RuleSet([rule("threshold", above=90, count=3)]))

    again = [reading("d", 0, 95, boot=1, seq=4), reading("d", 0, 95, boot=1, seq=4), reading("d", -9, 95, boot=1, seq=3)]
    plain = [reading("e", 0, 95), reading("e", 0, 95), reading("e", 0, 95)]
    assert not host.frame([*again, *plain])
    assert not host.frame([*again, *plain])
    assert len(host.frame([reading("d", 1, 95, boot=1, seq=5), reading("d", 2, 95, boot=2, seq=0)])) == 1


def test_one_message_may_make_several_rows() -> None:
    """Rows of one message share its number and arrive together; their times tell them apart."""
    host = Host(RuleSet([rule("threshold", above=90, count=3)]))

    assert host.frame([reading("d", second, 95, late_s=9 - second, boot=1, seq=1) for second in range(3)])


def test_values_that_are_no_numbers_are_passed_over() -> None:
    """NaN and infinity are absent values; flags and whole numbers are numbers."""
    host = Host(RuleSet([rule("threshold", above=0.5)]))

    assert not host.frame([reading("d", 0, float("nan")), reading("e", 0, float("inf"))])
    assert host.frame([reading("d", 1, 0)._replace(values={"t": True})])
    assert host.frame([reading("e", 1, 0)._replace(values={"t": 7, "text": "on"})])


def test_rows_of_different_shape_keep_their_order() -> None:
    """Blocks of a frame are merged by the order of arrival."""
    host = Host(RuleSet([rule("threshold", above=90, count=3)]))
    rows = [reading("d", i, t) for i, t in enumerate([95, 95, 10, 95, 95, 95])]
    mixed = [row._replace(values={**row.values, "x": 1.0}) if i % 2 else row for i, row in enumerate(rows)]

    [found] = host.frame(mixed)

    assert found.onset == T0 + 3 * SECOND


# ------------------------------------------------------------------------------------------------- silence


def chatter(host: Host, start: int, end: int, *devices: str) -> None:
    """Devices that speak every ten seconds."""
    for second in range(start, end, 10):
        host.frame([reading(device, second, 70) for device in devices])


def test_silence_is_told_by_its_limit_not_by_the_tick() -> None:
    """Onset is the last reading, detection the moment the limit ended, whichever tick noticed."""
    host = Host(RuleSet([rule("silence", after="60 s")]))
    chatter(host, 0, 30, "a", "b")
    chatter(host, 30, 200, "a")

    [raised] = host.out

    assert (raised.device, raised.onset, raised.detected_at) == ("b", T0 + 20 * SECOND, T0 + 80 * SECOND)
    assert raised.explanation == "Nothing was received for 1 min."
    [cleared] = host.frame([reading("b", 205, 70, late_s=1)])
    assert (cleared.id, cleared.cleared_at) == (raised.id, T0 + 206 * SECOND)


def test_a_device_that_never_spoke_is_not_silent() -> None:
    """The registry alone raises nothing."""
    host = Host(RuleSet([rule("silence", after="60 s")]), Registered(ghost="pump"))
    chatter(host, 0, 600, "a")

    assert not host.out


def test_an_outage_of_the_pipeline_is_not_silence() -> None:
    """When nothing at all was heard, not even ticks, everybody gets the whole limit again from the moment it went on."""
    host = Host(RuleSet([rule("silence", after="60 s")]))
    chatter(host, 0, 30, "a", "b")
    host.frame([reading("a", 900, 70)])
    chatter(host, 910, 950, "a")
    host.frame([reading("b", 955, 70)])
    assert not host.out

    chatter(host, 960, 1100, "a")
    assert [symptom.device for symptom in host.out] == ["b"]


def test_an_outage_known_only_to_the_frame_is_not_silence_either() -> None:
    """The same where the outage lies between two rows of one frame."""
    host = Host(RuleSet([rule("silence", after="60 s")]))
    host.frame([reading(device, second, 70) for second in (0, 10, 20, 900, 910) for device in ("a", "b")])

    assert not host.out


def test_a_tick_moves_time_where_nobody_speaks() -> None:
    """The last device of a partition falls silent by ticks alone."""
    host = Host(RuleSet([rule("silence", after="60 s")]))
    host.frame([reading("a", 0, 70)])

    assert not [symptom for second in range(5, 61, 5) for symptom in host.tick(second)]
    assert host.tick(61)


# -------------------------------------------------------------------------------------- rules and registry


def test_rules_look_at_the_models_they_name() -> None:
    """A device the registry does not know matches only rules for every model."""
    rules = RuleSet([rule("threshold", "pumps", above=1, applies={"models": ["pump*"]}), rule("threshold", "all", above=1)])
    host = Host(rules, Registered(a="pump-x", b="printer"))

    found = host.frame([reading(device, 0, 5) for device in "abc"])

    assert sorted((symptom.device, symptom.rule) for symptom in found) == [("a", "all"), ("a", "pumps"), ("b", "all"), ("c", "all")]


def test_a_limit_may_come_from_the_registry() -> None:
    """Each device has its own; without one the default; without that the rule does not apply."""
    registry = Registered(a="m", b="m")
    registry.devices["main/a"] = registry.devices["main/a"].model_copy(update={"limits": {"top": 50.0}})
    rules = RuleSet(
        [
            rule("threshold", "own", above={"limit": "top"}),
            rule("threshold", "either", above={"limit": "top", "default": 10}),
        ]
    )

    found = Host(rules, registry).frame([reading(device, 0, 20) for device in "ab"])

    assert [(symptom.device, symptom.rule, symptom.limit) for symptom in found] == [("b", "either", 10.0)]


def test_a_change_in_the_registry_is_seen_and_state_moves_along() -> None:
    """Another model means other rules; what both have goes on, what only the old one had ends."""
    rules = RuleSet(
        [
            rule("threshold", "all", above=90),
            rule("threshold", "a-pump", above=80, applies={"models": ["pump"]}),
            rule("threshold", "b-printer", above=95, applies={"models": ["printer"]}),
        ]
    )
    registry = Registered(d="pump")
    host = Host(rules, registry)
    assert [symptom.rule for symptom in host.frame([reading("d", 0, 91)])] == ["a-pump", "all"]

    registry.devices["main/d"] = registry.devices["main/d"].model_copy(update={"model": "printer"})
    [ended] = host.tick(1)

    assert (ended.rule, ended.state, ended.proven) == ("a-pump", "cleared", False)
    assert [(s.rule, s.state) for s in host.frame([reading("d", 3, 96)])] == [("b-printer", "raised")]
    assert [s.rule for s in host.frame([reading("d", 4, 70)])] == ["all", "b-printer"]


def test_an_entry_that_goes_missing_changes_nothing() -> None:
    """A registry that is not there after a restart does not end what was raised."""
    rules = RuleSet([rule("threshold", "pumps", above=90, applies={"models": ["pump"]})])
    host = Host(rules, Registered(d="pump"))
    host.frame([reading("d", 0, 91)])

    host.crash(registry=Registered())

    assert not host.tick(1)
    assert [s.state for s in host.frame([reading("d", 2, 80)])] == ["cleared"]


@pytest.mark.parametrize("detector", ["threshold", "silence"])
def test_a_rule_that_is_gone_ends_its_symptoms(detector: str) -> None:
    """Nobody else would ever clear them; once is enough, also when the next crash comes before anybody speaks."""
    more = {"above": 90} if detector == "threshold" else {"after": "60 s"}
    host = Host(RuleSet([rule(detector, "old", **more)]))
    host.frame([reading("d", 0, 91)])
    for second in range(5, 80, 5):
        host.tick(second)
    [raised] = host.out

    host.crash(rules=RuleSet([rule("threshold", "new", above=95)]))
    host.crash()
    [ended] = host.tick(100)

    assert (ended.id, ended.state, ended.cause, ended.cleared_at) == (raised.id, "cleared", "c", T0 + 100 * SECOND)
    host.crash()
    assert not host.tick(101)


def test_a_changed_rule_keeps_what_it_raised() -> None:
    """The symptom goes on under its id; what is said next carries the new version."""
    host = Host(RuleSet([rule("threshold", "hot", above=90)]))
    [raised] = host.frame([reading("d", 0, 91)])

    host.crash(rules=RuleSet([rule("threshold", "hot", above=80)]))
    assert not host.frame([reading("d", 1, 85)])
    [cleared] = host.frame([reading("d", 2, 79)])

    assert (cleared.id, cleared.limit) == (raised.id, 80.0)
    assert cleared.rule_version != raised.rule_version


@pytest.mark.parametrize(("before", "after", "kept"), [(24, 3, [95, 95, 70]), (3, 24, [94, 95, 95, 70]), (5, 6, [92, 93, 94, 95, 95, 70])])
def test_evidence_survives_rules_that_ask_for_more_or_less_of_it(before: int, after: int, kept: list[int]) -> None:
    """As much as was kept and is wanted."""
    host = Host(RuleSet([rule("threshold", "hot", above=90, evidence=before)]))
    host.frame([reading("d", i, t) for i, t in enumerate([80, 91, 92, 93, 94, 95, 95])])

    host.crash(rules=RuleSet([rule("threshold", "hot", above=90, evidence=after)]))
    [cleared] = host.frame([reading("d", 9, 70)])

    assert [point.value for point in cleared.evidence] == kept


# ------------------------------------------------------------------------------------------------- learned


def wave(device: str, n: int, *, fault_at: int, seed: int = 1) -> list[Reading]:
    """Days of a signal with a daily rhythm, every five minutes, that at some point goes where it never was."""
    noise = np.random.default_rng(seed).normal(0, 0.5, n)
    rows = []
    for i in range(n):
        value = 70 + 5 * np.sin(i / 288 * 2 * np.pi) + noise[i] + (30 if i >= fault_at else 0)
        rows.append(reading(device, i * 300, float(value)))
    return rows


def test_the_learned_detector_speaks_through_detect() -> None:
    """It raises where the series leaves what it was, with its usual range; cuts and crashes change nothing."""
    rules = RuleSet([rule("learned", "odd", signals="t"), rule("learned", "odd-slow", signals=["t"], options={"persist": 8})])
    rows = [row for pair in zip(wave("a", 1500, fault_at=1200), wave("b", 1500, fault_at=9999, seed=2), strict=True) for row in pair]

    whole, other = Host(rules), Host(rules)
    for first in range(0, len(rows), 250):
        whole.frame(rows[first : first + 250])
    chance = random.Random(4)
    for some in cuts(rows, chance):
        other.frame(some)
        if chance.random() < 0.05:
            other.crash()

    assert whole.told == other.told
    raised = {symptom.rule: symptom for symptom in whole.out if symptom.state == "raised" and symptom.device == "a"}
    odd = raised["odd"]
    assert odd.low is not None
    assert odd.high is not None
    assert 60 < odd.low < 75 < odd.high < 80
    assert odd.onset == T0 + 1200 * 300 * SECOND
    assert raised["odd-slow"].detected_at - odd.detected_at == 4 * 5 * MINUTE
    assert len(odd.evidence) == 24


def test_settings_that_are_gone_end_their_symptoms() -> None:
    """Another setting of the learned detector starts anew, and what the old one raised is ended and its blocks deleted."""
    rules = RuleSet([rule("learned", "odd")])
    host = Host(rules)
    host.frame(wave("a", 1250, fault_at=1200))
    assert [symptom.state for symptom in host.out] == ["raised"]

    host.crash(rules=RuleSet([rule("learned", "odd", options={"persist": 9})]))
    [ended] = host.tick(1250 * 300)
    host.crash()

    assert ended.state == "cleared"
    assert not [name for name in host.blocks if name.startswith("learned-") and name.split("/")[0] not in str(host.detect.book.detectors)]
    assert not host.tick(1250 * 300 + 1)


# --------------------------------------------------------------------------------------------------- state


@pytest.mark.parametrize(
    ("detector", "more"),
    [
        *((name, {}) for name in ("learned", "surprise", "unusual")),
        *((name, {"signal": "t"}) for name in ("seasonal", "drift", "noise", "oscillation", "peer")),
        ("trend", {"signal": "t", "above": 90, "within": "7 d"}),
        ("code", {"signal": "t", "codes": {"E17": {"title": {"en": "x", "de": "x"}}}}),
    ],
)
def test_no_block_of_any_detector_is_larger_than_the_log_takes(detector: str, more: dict[str, Any]) -> None:
    """A block that is full of series fits: a larger one would end the worker at its first checkpoint with so many devices."""
    host = Host(RuleSet([rule(detector, **more)]))
    host.frame([reading(f"d{n}", 0, 70) for n in range(1100)])

    assert max(map(len, host.detect.dirty().values())) <= MAX_BLOCK_BYTES


def test_only_blocks_that_changed_are_written() -> None:
    """Nothing new, nothing to write; one device, its block; none is larger than the log takes."""
    host = Host(RuleSet([rule("threshold", above=90), rule("learned")]))
    host.frame([reading(f"d{n}", 0, 70) for n in range(3000)])
    blocks = host.detect.dirty()

    assert {"threshold/0", "threshold/1", "threshold/2", "devices/0"} <= set(blocks)
    assert max(map(len, blocks.values())) <= 512 * 1024
    assert not host.detect.dirty()
    host.frame([reading("d5", 1, 70)])
    assert {name.split("/")[0] + "/" + name.split("/")[1] for name in host.detect.dirty() if "/" in name and "learned" not in name} == {
        "series/0",
        "threshold/0",
        "times/0",
    }


def test_an_empty_frame_and_other_records_say_nothing() -> None:
    """A tick has no rows."""
    host = Host(RULES)

    assert not list(host.detect.step(READINGS, 0, Frame(now=T0), T0))


def test_hosts_step_a_frame_before_its_time_is_due() -> None:
    """A device that speaks in a frame is not silent because the frame ends later: its limit ended between its row and the frame's time."""
    rules = RuleSet([rule("silence", after="60 s")])
    instance = Instance(detect_kind(rules), 0, Registered(), Layout(partitions=lambda _: 1), {})
    for offset, second in enumerate([0, 20, 40]):
        rows = [reading("a", second, 70)] + [reading("b", second, 70)] * (second == 0)
        instance.take(READINGS, offset, encode(pack(rows, rows[0].received_at)), ())
    instance.work()

    late = [reading("b", 59, 70), reading("a", 61, 70)]
    instance.take(READINGS, 3, encode(pack(late, late[1].received_at)), ())

    assert not [out for out in instance.work().outputs if b"silence" in (out.value or b"")]
