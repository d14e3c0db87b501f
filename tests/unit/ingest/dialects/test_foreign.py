"""What holds for every dialect with recorded messages: nothing but a refusal comes out of nonsense, and nothing stays of it."""

from __future__ import annotations

import contextlib
import copy
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoders.rows import MAX_SIGNALS, SIGNAL, Row, check_value
from ingest.dialects import DIALECTS, dialect
from ingest.dialects.words import About, Refused, Say, Word
from tests.recorded import SAMPLES, all_recorded, heard
from vorab.errors import Rejected
from vorab.topics import ID

RECORDED = sorted(name for name in DIALECTS if (SAMPLES / name).is_dir())
# A refused message of Sparkplug has taken its place in the sequence all the same; what else stays as it was, its own tests say.
STEADY = [name for name in RECORDED if name != "sparkplug"]
_ODD = (
    *(b"null", b"[]", b"{}", b"1e999", b"NaN", b'""', b"\xff", b"\x00", b"-1", b'{"a":{"a":1}}', b"9" * 25, b"true", b'"x"'),
    b'"\xf0\x9f\x94\xa5"',
)
_LEVELS = ("", " ", "ä", "set", "get", "$state", "x" * 300, "bridge", "online", "..", "tele", "\U0001f525")


def _mutated(payload: bytes, dice: random.Random) -> bytes:
    for _ in range(dice.randint(1, 4)):
        at = dice.randint(0, len(payload))
        to = min(len(payload), at + dice.randint(0, 12))
        match dice.randint(0, 4):
            case 0:
                payload = payload[:at] + payload[to:]
            case 1:
                payload = payload[:at] + dice.choice(_ODD) + payload[to:]
            case 2:
                payload = payload[:at] + payload[at:to] * 2 + payload[to:]
            case 3:
                payload = payload[:at] + bytes([dice.randint(0, 255)]) + payload[at + 1 :]
            case _:
                # A value in the place of another: what a parser takes and a reader of values must look at.
                parts = payload.split(b":")
                if len(parts) > 1:
                    i = dice.randint(1, len(parts) - 1)
                    head, comma, rest = parts[i].partition(b",")
                    parts[i] = dice.choice(_ODD) + (comma + rest if comma else head.lstrip(b'0123456789."abcdefghijklmnopqrstuvwxyz'))
                payload = b":".join(parts)
    return payload


def _mutated_topic(topic: str, dice: random.Random, others: list[str]) -> str:
    if dice.random() < 0.6:
        return topic
    levels = topic.split("/")
    at = dice.randint(0, len(levels) - 1)
    match dice.randint(0, 3):
        case 0:
            levels[at] = dice.choice([*others, *_LEVELS])
        case 1:
            levels.insert(at, dice.choice(["x", "", "$x", "status"]))
        case 2:
            levels = levels[:at] or levels
        case _:
            levels += [dice.choice(["set", "availability", "$target", "state", ""])]
    return "/".join(levels)


def _sound(words: list[Word]) -> None:
    """Whatever is said can be written."""
    for word in words:
        if isinstance(word, Say):
            assert not {"+", "#"} & set(word.topic)
            continue
        if isinstance(word, Refused):
            continue
        assert ID.fullmatch(word.device) or (isinstance(word, About) and word.via)
        if isinstance(word, Row):
            assert len(word.values) <= MAX_SIGNALS
            for name, value in word.values.items():
                assert SIGNAL.fullmatch(name)
                check_value(name, value)
            assert set(word.units) <= set(word.values)
            assert all(word.units.values())


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_messages_are_taken(name: str) -> None:
    """In any order, by one instance, without a refusal; the usual topics bring them all."""
    one = dialect(name)
    for _ in range(2):
        for topic, payload in all_recorded(name):
            found = heard(one, topic, payload)
            assert found is not None, topic
            _sound(list(one.hear(found)))


@pytest.mark.parametrize("name", STEADY)
@given(seed=st.integers(0, 2**64))
def test_broken_messages_are_refused_and_leave_nothing_behind(name: str, seed: int) -> None:
    """Only a refusal comes out, the state of the dialect is what it was, and what is taken can be written."""
    dice = random.Random(seed)
    one, known = dialect(name), all_recorded(name)
    others = [level for topic, _ in known for level in topic.split("/")]
    for _ in range(12):
        topic, payload = dice.choice(known)
        if dice.random() < 0.8:
            topic, payload = _mutated_topic(topic, dice, others), _mutated(payload, dice)
        found = heard(one, topic, payload)
        if found is None:
            continue
        found = found._replace(retained=dice.random() < 0.3)
        before = copy.deepcopy(vars(one))
        try:
            _sound(list(one.hear(found)))
        except Rejected:
            assert repr(vars(one)) == repr(before)


@pytest.mark.parametrize("name", RECORDED)
@given(payload=st.binary(max_size=200), at=st.integers(0, 100), retained=st.booleans())
def test_any_bytes_are_taken_or_refused(name: str, payload: bytes, at: int, retained: bool) -> None:
    """On every recorded topic."""
    one, known = dialect(name), all_recorded(name)
    found = heard(one, known[at % len(known)][0], payload, retained=retained)
    assert found is not None
    with contextlib.suppress(Rejected):
        _sound(list(one.hear(found)))
