"""Payloads as large as a message may be, grown out of samples: what a broken or hostile device could send to take up time. Pure.

A sample is repeated whole, or a piece of it within it; of JSON, a list or object in it is filled up. How often, is at the limits of what
decoders take, since what is far beyond them is refused before it costs anything.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from ingest.decoders.rows import Limits

MOST: Final = Limits().payload_bytes
_COUNTS: Final = (200, 256, 500, 512, 800, 1_000, 1_023, 1_024, 1_025, 2_000, 4_090, 4_096, 12_000, MOST)
_BODIES: Final[tuple[tuple[bytes, bytes, bytes], ...]] = (
    (b"[", b'{"a":1},', b"1]"), (b"[", b"[],", b"1]"), (b"[", b"{},", b"{}]"), (b"[", b"1,", b"1]"), (b"[", b'"",', b"1]"),
    (b"", b"[]", b""),
    (b"", b"[", b""), (b"", b"]", b""), (b"", b'{"a":', b""), (b"", b'"', b""), (b"", b"\\", b""), (b'"', b'\\"', b'"'), (b"", b"9", b""),
    (b"[", b"18446744073709551616,", b"1]"), (b"[", b"NaN,", b"1]"), (b"[", b'{"a":1},', b'{"a":NaN}]'), (b"[", b'{"a":1},', b'{"a":1'),
    (b"{", b'"a":1,', b'"b":1}'), (b"[", b'{"n":"a","v":1},', b'{"n":"b","v":1}]'), (b'{"a":[', b"null,", b"1]}"), (b"", b" ", b""),
    (b"[", b"[[[[[[[[[[[[[[]]]]]]]]]]]]]],", b"1]"), (b"", b"\0", b""), (b"", b"\xff", b""), (b'["', "\u00e4".encode(), b'"]'),
    (b"\x9f", b"\x01", b"\xff"), (b"\x9f", b"\x80", b"\xff"), (b"\x9f", b"\xa0", b"\xff"), (b"\x9f", b"\x81\x80", b"\xff"),
    (b"", b"\x9f", b""),
    (b"\x9f", b"\xa1\x61a\x01", b"\xff"), (b"\x9f", b"\xa2\x00\x61a\x02\x01", b"\xff"), (b"\x9f", b"\xc4\x82\x01\x01", b"\xff"),
    (b"\x7f", b"\x60", b"\xff"), (b"\x9f", b"\xf7", b"\xff"), (b"\x9f", b"\xf9\x7e\x00", b"\xff"), (b"\x18\x01", b"\x12\x00", b""),
    (b"\x18\x01", b"\x12\x02\x10\x07", b""), (b"\x18\x01", b"\x12\x05\x10\x07\x92\x01\x00", b""), (b"", b"\x0a\x00", b""),
)  # fmt: skip
"""Head, what is repeated, and tail."""


def bodies() -> Iterator[bytes]:
    """Those that need no sample, as large as may be."""
    for head, piece, tail in _BODIES:
        yield _filled(head, piece, tail, MOST)


def swollen(samples: Sequence[bytes], chance: random.Random) -> bytes:
    """One payload of at most 64 KiB, by a sample or none."""
    count, sample, parsed = chance.choice(_COUNTS), chance.choice(samples), None
    with suppress(ValueError):
        parsed = json.loads(sample)
    if parsed is None or chance.random() < 0.5:
        return _repeated(sample, count, chance)
    seed, text = chance.getrandbits(32), b" " * (MOST + 1)
    for _ in range(4):
        if len(text) > MOST:
            text = _text(_filled_in(parsed, count, seed))
            count = max(1, count * MOST // len(text) - 1)
    return text[:MOST]


def _repeated(sample: bytes, count: int, chance: random.Random) -> bytes:
    low = chance.randrange(len(sample) + 1)
    high = chance.randint(low, min(len(sample), low + 60))
    ways = (
        chance.choice(_BODIES),
        (b"", sample, b""),
        (b"[", sample + b",", sample + b"]"),
        (b"\x9f", sample[chance.randrange(2) :], b"\xff"),  # an array of CBOR with an open end
        (sample[:low], sample[low:high], sample[high:]),
    )
    return _filled(*chance.choice(ways), count)


def _filled(head: bytes, piece: bytes, tail: bytes, count: int) -> bytes:
    room = (MOST - len(head) - len(tail)) // max(1, len(piece))
    return (head + piece * max(0, min(count, room)) + tail)[:MOST]


def _text(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _filled_in(parsed: Any, count: int, seed: int) -> Any:
    """A copy in which one list or object, the same for a seed, has so many elements."""
    chance = random.Random(seed)
    if isinstance(parsed, dict) and parsed:
        key = chance.choice(list(parsed))
        if isinstance(parsed[key], dict | list) and parsed[key] and chance.random() < 0.7:
            return {**parsed, key: _filled_in(parsed[key], count, chance.getrandbits(32))}
        like = parsed[key] if chance.random() < 0.7 else chance.choice([None, {}, [], [None], {"a": None}, {"a": 1}, "x", 1.5])
        return {**parsed, **{f"{key}{i:x}": like for i in range(count)}}
    if isinstance(parsed, list) and parsed:
        at = chance.randrange(len(parsed))
        if isinstance(parsed[at], dict | list) and parsed[at] and chance.random() < 0.4:
            return [*parsed[:at], _filled_in(parsed[at], count, chance.getrandbits(32)), *parsed[at + 1 :]]
        like, apart = parsed[at], chance.random() < 0.5
        return [_other(like, i) if apart else like for i in range(count)]
    return [parsed] * count if chance.random() < 0.5 else "x" * count


def _other(value: Any, i: int) -> Any:
    """The same, with numbers and texts of its own."""
    if isinstance(value, dict):
        return {key: _other(inner, i) for key, inner in value.items()}
    if isinstance(value, str):
        return f"{value}{i:x}"
    return value + i if isinstance(value, int | float) and not isinstance(value, bool) else value
