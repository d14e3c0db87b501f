"""Fault codes a device reports: one episode per fault of a rule, whatever words come in which order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.detectors.code import SEVERITIES, CodeRule, Codes
from streams.detectors.columns import Columns, Runs
from streams.detectors.shape import Change, Told
from streams.rules.ruleset import RuleSet
from streams.words import LARGEST, number_of
from tests.unit.streams import detecting as rules
from tests.unit.streams.detecting import T0, Host
from vorab.clock import MINUTE, SECOND, Micros
from vorab.frame import Reading
from vorab.records import Severity, SymptomState

Row = tuple[int, Micros, str]


def rule(**words: Any) -> CodeRule:
    """A rule."""
    base = {"id": "x", "title": {"en": "x", "de": "x"}, "cause": "c", "detector": "code", "signal": "state", "severity": "minor"}
    return CodeRule.model_validate({**base, **words})


JAM = {"title": {"en": "Paper jam", "de": "Papierstau"}, "severity": "critical"}
RULES = (
    rule(codes={"E42": JAM, "E4?": {}}),
    rule(codes={"E42": JAM, "17": {"severity": "warning"}}, other={}, separator=",", count=2, **{"for": "1 min"}),
    rule(other={"severity": "major"}, fine=["idle", "printing", "0"]),
)
SAID = ("ok", "OK", "", "0", "E42", "E41", "17", "E17", "E17,E42", "17, ok", "idle")


def run(which: CodeRule, rows: Sequence[Row], cuts: Sequence[int], kind: type[Codes] = Codes) -> list[tuple[Any, ...]]:
    """What is found when rows are cut here, with a restart after each cut, told as sentences."""
    words: dict[float, str] = {}
    detector = kind(which)
    state = Columns("code", detector.layout, 2)
    state.grow(4)
    detector.prepare(state, np.arange(4), which, lambda _: None, fresh=True)
    found: list[tuple[Any, ...]] = []
    for first, last in pairwise([0, *sorted({cut % len(rows) for cut in cuts} - {0}), len(rows)]):
        detector.words = words
        words.update({number_of(word): word for _, _, word in rows[first:last]})
        left = list(rows[first:last])
        while left:  # one reading of each series at a time
            part, rest = list[Row](), list[Row]()
            for row in left:
                (rest if row[0] in {slot for slot, _, _ in part} else part).append(row)
            left = rest
            runs = Runs(np.array([slot for slot, _, _ in part]))
            at = runs.sort(np.array([time for _, time, _ in part]))
            values = runs.sort(np.array([number_of(word) for _, _, word in part]))
            episodes = detector.update(state, runs, at, values)
            if episodes is None:
                continue
            assert episodes.severity is not None
            for i, row in enumerate(episodes.rows.tolist()):
                change, onset, detected = Change(int(episodes.change[i])), int(episodes.onset[i]), int(episodes.detected[i])
                numbers = {name: float(column[i]) for name, column in episodes.numbers.items()}
                told = Told("state", "", float(values[row]), int(at[row]), onset, detected, numbers)
                severity = SEVERITIES[int(episodes.severity[i])]
                found.append((int(runs.slots[row]), int(at[row]), change, onset, detected, severity, detector.say(which, change, told)))
        blocks = [(f"code/{i}", state.pack(i * 2, i * 2 + 2)) for i in range(2)]
        state, detector = Columns("code", detector.layout, 2), kind(which)
        for name, block in blocks:
            state.unpack(name, block)
    return sorted(found)


def fold(which: CodeRule, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """The oracle: word by word."""
    found: list[tuple[Any, ...]] = []
    streak: dict[int, list[Micros]] = {}
    raised: dict[int, tuple[Micros, Micros]] = {}
    now: dict[int, tuple[int, str]] = {}

    def means(slot: int) -> str:
        place, word = now[slot]
        code = which.meaning(place)[1]
        return repr(word) + (f" ({code.title.en})" if code and code.title else "")

    for slot, at, said in rows:
        word = f"{float(said):.15g}" if said in {"0", "17"} else said
        place = which.place(word)
        if place < 0:
            streak.pop(slot, None)
            if slot in raised:
                text = f"state says {word!r} and no longer {means(slot)}." if word else f"state no longer says {means(slot)}."
                found.append((slot, at, Change.CLEARED, *raised.pop(slot), which.severity_of(now.pop(slot)[0]), text))
            continue
        mine = streak.setdefault(slot, [])
        mine.append(at)
        if slot in raised:
            if place != now[slot][0]:
                now[slot] = place, word
                found.append((slot, at, Change.UPDATED, *raised[slot], which.severity_of(place), f"state says {means(slot)} now."))
        elif len(mine) >= which.count and at - mine[0] >= which.hold:
            raised[slot], now[slot] = (mine[0], at), (place, word)
            lasted = f", for {(at - mine[0]) // MINUTE} min" if at > mine[0] else ""
            times = f", {len(mine)} times in a row{lasted}" if len(mine) > 1 else ""
            found.append((slot, at, Change.RAISED, *raised[slot], which.severity_of(place), f"state says {means(slot)}{times}."))
    return sorted(found)


def story(drawn: list[tuple[int, str]]) -> list[Row]:
    """What four devices say, a minute apart."""
    return [(slot, T0 + i * MINUTE, word) for i, (slot, word) in enumerate(drawn)]


stories = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(SAID)), min_size=1, max_size=40)


@given(st.sampled_from(RULES), stories, st.lists(st.integers(0, 39), max_size=4))
def test_many_devices_at_once_are_judged_word_by_word(which: CodeRule, drawn: list[tuple[int, str]], cuts: list[int]) -> None:
    """However readings are cut into calls, with a restart after each, down to the sentence."""
    assert run(which, story(drawn), cuts) == fold(which, story(drawn))


class Forgetful(Codes):
    """Known-bad: takes every code for the one that was raised."""

    def _find(self, value: float) -> int:
        return min(super()._find(value), 0)


def test_a_detector_that_does_not_tell_codes_apart_is_found_out() -> None:
    """The jam that follows another fault of the rule is told, with its own severity."""
    rows = story([(0, "E41"), (0, "E42"), (0, "ok")])

    told = run(RULES[0], rows, [])
    assert [(change, severity) for _, _, change, _, _, severity, _ in told] == [
        (Change.RAISED, Severity.MINOR), (Change.UPDATED, Severity.CRITICAL), (Change.CLEARED, Severity.CRITICAL),
    ]  # fmt: skip
    assert [text for *_, text in told] == [
        "state says 'E41'.",
        "state says 'E42' (Paper jam) now.",
        "state says 'ok' and no longer 'E42' (Paper jam).",
    ]
    assert told == fold(RULES[0], rows) != run(RULES[0], rows, [], Forgetful)


def test_of_several_codes_the_most_severe_counts() -> None:
    """And of two that are as severe the one that is listed first."""
    which = rule(codes={"A": {}, "B": {"severity": "critical"}, "C": {"severity": "critical"}}, separator=";")

    assert [which.place(value) for value in ("A", "A;B", "C; B ;A", "X;C", "X", "")] == [0, 1, 1, 2, -1, -1]


def test_words_have_numbers_of_their_own() -> None:
    """The same in every process; what reads as a number is that number, and no word ever is one."""
    assert number_of("E42") == -384_486_083_078_222.0 or number_of("E42") < -LARGEST
    assert number_of("E42") == number_of("E42") != number_of("e42")
    assert [number_of(word) for word in ("42", "-3", "0", "1.5")] == [42.0, -3.0, 0.0, 1.5]
    assert all(number_of(word) < -LARGEST for word in ("042", "1e5", "inf", "nan", "1_000", "", " 1", "\ud800", "9" * 40))


@given(st.lists(st.text(max_size=8), unique=True, max_size=50))
def test_no_two_words_have_the_same_number(words: list[str]) -> None:
    """Nor does anything depend on which was said first."""
    assert len({number_of(word) for word in words}) == len(words)
    assert all(number_of(word) == int(number_of(word)) or "." in word for word in words)


def test_a_frame_with_words_raises_and_clears_across_a_crash() -> None:
    """From the bytes of a frame to the symptom: one that was raised before the crash is cleared by its word after it."""
    host = Host(RuleSet([RULES[0]]))

    def says(word: str, at_s: int) -> Reading:
        at = T0 + at_s * SECOND
        return Reading("main/p", at, at, 0, {"state": word}, {}, None, None)

    [raised] = host.frame([says("ok", 0), says("E42", 60)])
    host.crash()
    [cleared] = host.frame([says("printing", 120)])

    assert (raised.state, raised.severity, raised.explanation) == (SymptomState.RAISED, Severity.CRITICAL, "state says 'E42' (Paper jam).")
    assert (cleared.id, cleared.state, cleared.explanation) == (
        raised.id, SymptomState.CLEARED, "state says 'printing' and no longer 'E42' (Paper jam).",
    )  # fmt: skip


def test_words_are_no_measurements() -> None:
    """A threshold on a signal that another rule reads as words passes them over; no record has a word as a number."""
    below = rules.rule("threshold", signal="state", below=0.0)
    host = Host(RuleSet([RULES[0], below]))
    at = [T0 + i * MINUTE for i in range(4)]
    said: list[str | float] = ["ok", "E42", 5.0, -5.0]
    for time, word in zip(at, said, strict=True):
        host.frame([Reading("main/p", time, time, 0, {"state": word}, {}, None, None)])

    assert [(s.rule, s.state.value, s.value, [point.value for point in s.evidence]) for s in host.out] == [
        ("x", "raised", None, []),
        ("x", "cleared", 5.0, [5.0]),
        ("threshold", "raised", -5.0, [5.0, -5.0]),
    ]


def test_a_rule_needs_codes() -> None:
    """Or a word for all others."""
    with pytest.raises(ValidationError, match="give codes, or other"):
        rule()
    assert Codes.shared(RULES[0]) != Codes.shared(RULES[1])
