"""Large JSON: read in bounded time, and exactly as strictly as small JSON."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoders import large, strict
from vorab.errors import Reason, Rejected

DEPTH = strict.MAX_DEPTH


def quickly(payload: bytes) -> Any:
    """What is read of a payload as if it were large, without help of the slow reader."""
    return large.read(payload, DEPTH, lambda _: None)


def reason(payload: bytes) -> Reason:
    """Why a payload is refused, as if it were large."""
    with pytest.raises(Rejected) as caught:
        quickly(payload)
    return caught.value.reason


texts = st.text(st.sampled_from(list('aé"\\:{}[],9\n\U0001f600')), max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**66), 2**66) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
pieces = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"',
        '"a"',
        '"b"',
        "\\",
        "1",
        "-",
        "NaN",
        "-Infinity",
        "1e999",
        "18446744073709551616",
        " ",
        "null",
        "\\ud800",
    ]
)
payloads = (values | st.lists(values, max_size=5)).map(json.dumps) | st.lists(pieces, max_size=9).map("".join)


def beyond(value: Any) -> bool:
    """Whether a value holds a whole number of more than 64 bits, which the slow reader leaves to whoever wants it, or half a pair."""
    if isinstance(value, dict):
        return any(map(beyond, value.values()))
    if isinstance(value, list):
        return any(map(beyond, value))
    if isinstance(value, str):
        return any("\ud800" <= letter <= "\udfff" for letter in value)
    return isinstance(value, int) and not -(2**63) <= value < 2**64


@given(payloads.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_both_readers_read_the_same(payload: bytes) -> None:
    """Fuzzed: the same value, types and all, or a refusal by both; for most of what is wrong, with the same reason."""
    try:
        slow: Any = strict.exactly(payload)
    except Rejected as why:
        quick = reason(payload)
        # Where several things are wrong, either may be told.
        assert quick is why.reason or {quick, why.reason} <= {
            Reason.BAD_JSON, Reason.BAD_SHAPE, Reason.NOT_FINITE, Reason.BAD_VALUE, Reason.BAD_UTF8,
        }  # fmt: skip
        return
    if beyond(slow):
        assert reason(payload) in {Reason.BAD_VALUE, Reason.BAD_UTF8}
    else:
        assert repr(quickly(payload)) == repr(slow)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b'[{"a":1,"a":2}]', Reason.BAD_SHAPE),
        (b'[{"a":":","a":2}]', Reason.BAD_SHAPE),
        (b'[{"a\\":":1,"a\\":":2}]', Reason.BAD_SHAPE),
        (b'{"a":NaN}', Reason.NOT_FINITE),
        (b'{"a":[1,-Infinity]}', Reason.NOT_FINITE),
        (b'{"a":-1e999}', Reason.NOT_FINITE),
        (b'{"a":"\\udc00"}', Reason.BAD_UTF8),
        (b'{"a":"\\ud800"}', Reason.BAD_UTF8),
        (b'{"a":"\xff"}', Reason.BAD_UTF8),
        (b'{"a":18446744073709551616}', Reason.BAD_VALUE),
        (b'{"a":-9223372036854775809}', Reason.BAD_VALUE),
        (b'{"a":1,}', Reason.BAD_JSON),
        (b"[" * 17 + b"]" * 17, Reason.TOO_DEEP),
        (b"[" * 60_000, Reason.TOO_DEEP),
        (b"[" + b"{}," * 5_000 + b"1]", Reason.TOO_LARGE),
        (b"[" + b"[]," * 4_096 + b"1]", Reason.TOO_LARGE),
    ],
)
def test_what_the_quick_parser_lets_through_is_refused(payload: bytes, why: Reason) -> None:
    """Keys twice, numbers that do not fit, and what nests or opens too much, each with its reason."""
    assert reason(payload) == why


def test_numbers_keep_all_their_digits() -> None:
    """Whole numbers up to 64 bits stay whole, and floats may have as many digits as they like."""
    found = quickly(b'{"a":18446744073709551615,"b":-9223372036854775808,"c":0.12345678901234567890123,"d":12345678901234567890.5,"e":-0}')
    assert (
        repr(found)
        == "{'a': 18446744073709551615, 'b': -9223372036854775808, 'c': 0.12345678901234568, 'd': 1.2345678901234567e+19, 'e': 0}"
    )
    assert quickly(b'["' + b"9" * 40 + b'"]') == ["9" * 40]


def test_a_large_payload_is_refused_in_the_words_of_a_small_one() -> None:
    """What is wrong is named where that costs no more than a millisecond, and else by its place."""
    long = b" " * 5_000
    with pytest.raises(Rejected, match="temperature: not a finite number"):
        strict.parse(b'{"temperature":NaN}' + long)
    with pytest.raises(Rejected, match="'a' stands twice"):
        strict.parse(b'{"a":1,"a":2}' + long)
    with pytest.raises(Rejected, match="a: not a finite number"):
        strict.parse(b"[" + b'{"b":1},' * 2_000 + b'{"a":NaN}]')
    with pytest.raises(Rejected, match="character 16001"):
        strict.parse(b"[" + b'{"b":1},' * 2_000 + b"x]")


def test_brackets_in_texts_are_text() -> None:
    """However large, and whatever they look like with quotes and backslashes between them."""
    text = '[{":,\\"' * 5_000
    assert strict.parse(json.dumps({"a": text, "b\\": text}).encode()) == {"a": text, "b\\": text}
    with suppress(Rejected):
        strict.parse(b'"' + b'\\"[' * 20_000)
