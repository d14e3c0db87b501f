"""Large payloads for those who try to break a decoder: as large as may be, all kinds of them, and enough to catch a slow one."""

from __future__ import annotations

import json
import random

import pytest

from ingest.conformance import Broken, check
from ingest.decoders import Row, Sender
from ingest.swollen import MOST, bodies, swollen
from vorab.errors import Reason, Rejected

pytestmark = pytest.mark.slow

FLAT = b'{"a": 1, "values": {"b": [1, {"c": "x"}]}}'


def test_none_is_larger_than_a_message_and_many_are_as_large() -> None:
    """What is larger would be refused unread, and what is small is tried elsewhere."""
    chance = random.Random(1)
    made = [*bodies(), *(swollen([FLAT, b"\x82\x01", b""], chance) for _ in range(300))]
    assert max(map(len, made)) <= MOST
    assert sum(len(payload) > MOST - 100 for payload in made) > 50
    assert len(set(made)) > 200


def test_they_depend_on_the_seed_alone() -> None:
    """A payload that broke something can be made again."""
    assert [swollen([FLAT], random.Random(7)) for _ in range(2)] == [swollen([FLAT], random.Random(7))] * 2


def test_json_stays_json() -> None:
    """A list or object of the sample is filled up, so that what reads it has to look through it."""
    chance = random.Random(2)
    good = 0
    for payload in (swollen([FLAT], chance) for _ in range(100)):
        try:
            json.loads(payload.decode())
        except (ValueError, RecursionError):
            continue
        good += 1
    assert good > 40


def test_a_decoder_that_is_slow_for_large_payloads_only_is_caught() -> None:
    """Known bad: a good decoder that looks at each value long enough for the largest messages to hold up all others."""

    def rows(payload: bytes, _: Sender) -> list[Row]:
        try:
            found = json.loads(payload.decode())
        except (ValueError, RecursionError):
            raise Rejected(Reason.BAD_JSON) from None
        if not isinstance(found, dict) or type(found.get("a")) is not int or abs(found["a"]) > 2**60:
            raise Rejected(Reason.BAD_SHAPE)
        for _ in found:
            sum(range(20_000))  # work and not time, so that it is as slow as its machine
        return [Row(None, {"a": found["a"]})]

    with pytest.raises(Broken, match="ms of CPU by the pace of this machine for"):
        check(rows, [b'{"a": 1}'], mutations=20)
