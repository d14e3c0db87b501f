"""Two hundred payloads that an MQTT broker lets through and that ingest has to refuse, each with the exact reason.

Half of them come on topics of real devices: nothing of them may reach a detector, and the device's good messages must go on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from vorab.errors import Reason

COUNT: Final = 200


class Hostile(NamedTuple):
    """One message that must be refused."""

    topic: str
    payload: bytes
    reason: Reason
    about: str
    content_type: str = ""
    """MQTT 5 only; the reason holds with it."""


_Bad = tuple[bytes, Reason, str]


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _not_json() -> Iterator[_Bad]:
    yield b"", Reason.EMPTY, "nothing at all"
    yield b"   \r\n\t ", Reason.EMPTY, "white space"
    yield b"hello", Reason.BAD_JSON, "a word"
    yield b"{", Reason.BAD_JSON, "an object that never ends"
    yield b'{"temperature": 21.5', Reason.BAD_JSON, "cut in the middle"
    yield b'{"temperature": 21.5,}', Reason.BAD_JSON, "a trailing comma"
    yield b"{'temperature': 21.5}", Reason.BAD_JSON, "single quotes"
    yield b"{temperature: 21.5}", Reason.BAD_JSON, "a key without quotes"
    yield b'{"temperature": 21.5}{"temperature": 22}', Reason.BAD_JSON, "two documents"
    yield b'{"temperature": 21.5}]', Reason.BAD_JSON, "a bracket too many"
    yield b'},{"temperature": 21.5', Reason.BAD_JSON, "made to shift into its neighbours when payloads are joined"
    yield b'1],[{"temperature": 99', Reason.BAD_JSON, "the same with lists"
    yield b'{"temperature": 021}', Reason.BAD_JSON, "a leading zero"
    yield b'{"temperature": +21}', Reason.BAD_JSON, "a plus sign"
    yield b'{"temperature": .5}', Reason.BAD_JSON, "no digit before the point"
    yield b'{"temperature": 0x15}', Reason.BAD_JSON, "hexadecimal"
    yield b'{"temperature": 21,5}', Reason.BAD_JSON, "a decimal comma"
    yield b'{"state": "a\nb"}', Reason.BAD_JSON, "a line break inside a string"
    yield b'{"state": "\\x41"}', Reason.BAD_JSON, "an escape JSON does not have"
    yield b'{"state": "\\u12"}', Reason.BAD_JSON, "half an escape"
    yield b'\xef\xbb\xbf{"temperature": 21.5}', Reason.BAD_JSON, "a byte order mark"
    yield b"temperature=21.5", Reason.BAD_JSON, "key and value"
    yield b"<t>21.5</t>", Reason.BAD_JSON, "XML"
    yield b"\x82\xa1t\xcb@5\x80\x00\x00\x00\x00\x00", Reason.BAD_CBOR, "MessagePack"
    yield b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", Reason.BAD_UTF8, "gzip"
    yield b"PK\x03\x04\x14\x00", Reason.BAD_JSON, "zip"
    yield b'{"state": "\xff\xfe"}', Reason.BAD_UTF8, "bytes that are no UTF-8"
    yield b'{"st\xc3\x28te": 1}', Reason.BAD_UTF8, "a key that is no UTF-8"
    yield b'{"state": "\xed\xa0\x80"}', Reason.BAD_UTF8, "a surrogate in UTF-8"
    yield b'{"state": "\\ud800"}', Reason.BAD_UTF8, "half of a surrogate pair"
    yield b'{"\\udc00": 1}', Reason.BAD_UTF8, "the other half, as a key"
    yield b'{"state": "\xc0\xaf"}', Reason.BAD_UTF8, "an overlong slash"
    yield b"\x00\x00\x00\x00", Reason.BAD_JSON, "zeros"


def _too_deep() -> Iterator[_Bad]:
    yield b"[" * 2000 + b"]" * 2000, Reason.TOO_DEEP, "4 kB that end a recursive parser"
    yield b"[" * 65_000, Reason.TOO_DEEP, "brackets that never close"
    yield b'{"a":' * 17 + b"1" + b"}" * 17, Reason.TOO_DEEP, "one level too many"
    yield b'[{"a":' * 10 + b"1" + b"}]" * 10, Reason.TOO_DEEP, "objects in lists in objects"
    yield b'{"a":' * 10_000, Reason.TOO_DEEP, "objects that never close"
    yield b'["' + b'\\"' * 30_000, Reason.BAD_JSON, "quotes that cost a careless scanner minutes"
    yield b'{"a":"' + b"[" * 60_000 + b'"}', Reason.BAD_VALUE, "brackets inside a string are text, and too much of it"


def _numbers() -> Iterator[_Bad]:
    for word in (b"NaN", b"Infinity", b"-Infinity"):
        yield b'{"temperature": %b}' % word, Reason.NOT_FINITE, f"{word.decode()} is no JSON, though Python writes it"
    yield b'{"temperature": 1e999}', Reason.NOT_FINITE, "too large for a float"
    yield b'{"temperature": -1e999}', Reason.NOT_FINITE, "too small for a float"
    yield b'{"temperature": 1' + b"0" * 400 + b".0}", Reason.NOT_FINITE, "too large, written out"
    yield b'{"ts": 1e999, "temperature": 20.5}', Reason.NOT_FINITE, "time without end"
    yield b'{"pages": 9223372036854775808}', Reason.BAD_VALUE, "one more than 64 bits hold"
    yield b'{"pages": -9223372036854775809}', Reason.BAD_VALUE, "one less than 64 bits hold"
    yield b'{"pages": 18446744073709551616}', Reason.BAD_VALUE, "a parser makes it a float"
    yield b'{"pages": ' + b"9" * 5000 + b"}", Reason.BAD_VALUE, "5,000 digits"
    yield b'{"temperature": ' + b"1" * 60_000 + b"}", Reason.BAD_VALUE, "60,000 digits"


def _shapes() -> Iterator[_Bad]:
    yield b"21.5", Reason.BAD_SHAPE, "a bare number"
    yield b'"online"', Reason.BAD_SHAPE, "a bare string"
    yield b"true", Reason.BAD_SHAPE, "a bare boolean"
    yield b"null", Reason.BAD_SHAPE, "null"
    yield b"[1, 2, 3]", Reason.BAD_SHAPE, "a list of numbers"
    yield b'[["temperature", 21.5]]', Reason.BAD_SHAPE, "a list of lists"
    yield b'[{"temperature": 21.5}, 3]', Reason.BAD_SHAPE, "the second item spoils the first: whole or not at all"
    yield b'{"temperature": {"value": 21.5}}', Reason.BAD_SHAPE, "an object as value"
    yield b'{"temperature": [21.5, 21.6]}', Reason.BAD_SHAPE, "a list as value"
    yield b'{"temperature": 21.5, "temperature": 99.5}', Reason.BAD_SHAPE, "two values for one key"
    yield b'{"seq": 7, "temperature": 21.5, "seq": 8}', Reason.BAD_SHAPE, "two sequence numbers"
    yield b'{"temperature": 21.5, "\\u0074emperature": 99.5}', Reason.BAD_SHAPE, "the same key in disguise"
    yield b'{"ts": 1, "values": {"temperature": 21.5}, "pressure": 3}', Reason.BAD_SHAPE, "a value beside values"
    yield b'{"values": {"ts": 1, "temperature": 21.5}}', Reason.BAD_SHAPE, "time inside the values"
    yield b'{"values": {"a": {"b": 1}}}', Reason.BAD_SHAPE, "an object inside the values"
    yield b"{}", Reason.EMPTY, "an empty object"
    yield b"[]", Reason.EMPTY, "an empty list"
    yield b"[{}, {}]", Reason.EMPTY, "a list of empty objects"
    yield b'{"ts": 1700000000000}', Reason.EMPTY, "a time and no value"
    yield b'{"temperature": null}', Reason.EMPTY, "nothing measured"
    yield b'{"ts": 1, "values": {}}', Reason.EMPTY, "no values in values"
    yield _json({f"s{i}": i for i in range(257)}), Reason.TOO_MANY_SIGNALS, "257 signals"
    yield _json({f"s{i}": i for i in range(4000)}), Reason.TOO_MANY_SIGNALS, "4,000 signals"
    yield _json([{"a": 1}] * 1025), Reason.TOO_LARGE, "1,025 rows"


def _fields() -> Iterator[_Bad]:
    yield b'{"": 1}', Reason.BAD_NAME, "a name without letters"
    yield b'{"__proto__\\u0000": 1}', Reason.BAD_NAME, "a name with a zero in it"
    yield b'{"a b": 1}', Reason.BAD_NAME, "a name with a space"
    yield b'{"temp\\u200b": 1}', Reason.BAD_NAME, "a name with an invisible character"
    yield b'{"<script>alert(1)</script>": 1}', Reason.BAD_NAME, "a name for a browser"
    yield b'{"{{7*7}}": 1}', Reason.BAD_NAME, "a name for a template"
    yield b'{"\'; DROP TABLE cases; --": 1}', Reason.BAD_NAME, "a name for a database"
    yield _json({"a" * 129: 1}), Reason.BAD_NAME, "a name of 129 characters"
    yield _json({"a" * 60_000: 1}), Reason.BAD_NAME, "a name of 60,000 characters"
    yield _json({"state": "x" * 256}), Reason.BAD_VALUE, "a text of 256 characters"
    yield _json({"state": "x" * 60_000}), Reason.BAD_VALUE, "a text of 60,000 characters"
    yield b'{"ts": "yesterday", "temperature": 20.5}', Reason.BAD_TIME, "a time in words"
    yield b'{"ts": "2026-11-23T06:00:00Z", "temperature": 20.5}', Reason.BAD_TIME, "a time as text"
    yield b'{"ts": true, "temperature": 20.5}', Reason.BAD_TIME, "a time that is true"
    yield b'{"ts": [1], "temperature": 20.5}', Reason.BAD_TIME, "a list of times"
    yield b'{"seq": -1, "temperature": 20.5}', Reason.BAD_VALUE, "a negative sequence number"
    yield b'{"seq": 1.5, "temperature": 20.5}', Reason.BAD_VALUE, "half a sequence number"
    yield b'{"seq": "7", "temperature": 20.5}', Reason.BAD_VALUE, "a sequence number as text"
    yield b'{"seq": 18446744073709551616, "temperature": 20.5}', Reason.BAD_VALUE, "a sequence number beyond 64 bits"
    yield b'{"boot": 4294967296, "temperature": 20.5}', Reason.BAD_VALUE, "a boot counter beyond 32 bits"
    yield b'{"boot": true, "temperature": 20.5}', Reason.BAD_VALUE, "a boot counter that is true"


def _identity() -> Iterator[_Bad]:
    yield b'{"device": "somebody-else", "temperature": 99.5}', Reason.IDENTITY_MISMATCH, "in another's name"
    yield b'{"device_id": "main/somebody-else", "temperature": 99.5}', Reason.IDENTITY_MISMATCH, "by another's key"
    yield b'{"device": "", "temperature": 99.5}', Reason.IDENTITY_MISMATCH, "in nobody's name"
    yield b'{"device": 7, "temperature": 99.5}', Reason.IDENTITY_MISMATCH, "by a number"
    yield b'[{"temperature": 20.5}, {"device": "somebody-else", "temperature": 99.5}]', Reason.IDENTITY_MISMATCH, "one of two rows"


def _senml() -> Iterator[_Bad]:
    yield b'[{"n": "temp", "v": 1, "vs": "1"}]', Reason.BAD_SHAPE, "SenML with two values in one record"
    yield b'[{"n": "temp", "u": "Cel"}]', Reason.BAD_SHAPE, "SenML without a value"
    yield b'[{"bver": 11, "n": "temp", "v": 1}]', Reason.NEWER_VERSION, "SenML of a version of tomorrow"
    yield b'[{"n": "temp", "v": 1}, {"bver": 5, "n": "b", "v": 1}]', Reason.BAD_VALUE, "SenML that changes its version"
    yield b'[{"n": "te mp", "v": 1}]', Reason.BAD_NAME, "SenML with a space in a name"
    yield b'[{"n": "-temp", "v": 1}]', Reason.BAD_NAME, "SenML with a name that starts with a dash"
    yield b'[{"bn": "urn:dev:ow:1:", "n": "t", "v": "21"}]', Reason.BAD_VALUE, "SenML with text as a number"
    yield b'[{"n": "door", "vb": 1}]', Reason.BAD_VALUE, "SenML with a number as a boolean"
    yield b'[{"n": "blob", "vd": "not base64!"}]', Reason.BAD_VALUE, "SenML with data that is no base64url"
    yield b'[{"n": "temp", "t": "now", "v": 1}]', Reason.BAD_TIME, "SenML with a time in words"
    yield b'[{"bn": "urn:dev:ow:1:"}]', Reason.EMPTY, "SenML with base fields only"
    yield b'[{"bn": "a", "bv": 1e308, "n": "b", "v": 1e308}]', Reason.NOT_FINITE, "SenML whose sum is too large"


def _telemetry() -> list[_Bad]:
    return [*_not_json(), *_too_deep(), *_numbers(), *_shapes(), *_fields(), *_identity(), *_senml()]


def _of_a_device(device: str) -> Iterator[Hostile]:
    """On the other topics of a real device."""
    status, answer = f"vorab/v1/main/{device}/status", f"vorab/v1/main/{device}/cmd/restart/res"
    yield Hostile(status, b"perhaps", Reason.BAD_VALUE, "a status nobody knows")
    yield Hostile(status, b'{"status": 1}' * 400, Reason.TOO_LARGE, "5 kB of status")
    yield Hostile(status, b'{"status": "online"', Reason.BAD_JSON, "a status that is cut")
    yield Hostile(status, b"", Reason.EMPTY, "an empty status")
    yield Hostile(answer, b'{"id": "x", "status": "great"}', Reason.BAD_VALUE, "an answer with a status nobody knows")
    yield Hostile(answer, b'{"status": "succeeded"}', Reason.BAD_VALUE, "an answer to no command")
    yield Hostile(answer, b'["x", "succeeded"]', Reason.BAD_SHAPE, "an answer as a list")
    yield Hostile(answer, b'{"id": "x", "status": "succeeded", "result": {"a": {"b": 1}}}', Reason.BAD_VALUE, "a nested result")
    yield Hostile(answer, b'{"id": "x", "status": "failed", "error": "no"}', Reason.BAD_SHAPE, "an error in words")
    yield Hostile(answer, b'{"id": "x", "status": "running", "progress": "half"}', Reason.BAD_VALUE, "progress in words")
    yield Hostile(answer, _json({"id": "x", "status": "succeeded", "detail": "x" * 17_000}), Reason.TOO_LARGE, "17 kB of answer")
    yield Hostile(answer, _json({"id": "x" * 300, "status": "succeeded"}), Reason.BAD_VALUE, "the id of a novel")
    yield Hostile(answer, b'{"id": "x", "status": "succeeded", "device": "somebody-else"}', Reason.IDENTITY_MISMATCH, "another's answer")


_IDS: Final = (
    "..", ".hidden", "-rf", "~root", "a b", " ", "ä", "pump\u200b7", "pump;rm", "pump'7", 'pump"7', "pump%2F7", "pump\\7", "$SYS",
    "{device}", "<b>", "pump^7", "pump,7", "pump=7", "pump@example.org", "x" * 129, "x" * 2_000, "%00",
    "|", "&", "()", "*", "?", "!", "\U0001f525",
)  # fmt: skip


def _strangers() -> Iterator[Hostile]:
    """Devices and tenants that cannot be."""
    good = b'{"temperature": 21.5}'
    for bad in _IDS:
        yield Hostile(f"vorab/v1/main/{bad}/telemetry", good, Reason.BAD_NAME, f"a device called {bad[:20]!r}")
    for bad in _IDS[:15]:
        yield Hostile(f"vorab/v1/{bad}/pump-1/telemetry", good, Reason.BAD_NAME, f"a tenant called {bad[:20]!r}")
    yield Hostile("vorab/v1/main//telemetry", good, Reason.BAD_NAME, "a device without a name")
    yield Hostile("vorab/v1//pump-1/telemetry", good, Reason.BAD_NAME, "a tenant without a name")
    yield Hostile("vorab/v1/recorded/pump-1/telemetry", good, Reason.BAD_NAME, "a live row among the recorded")
    yield Hostile("telemetry/", good, Reason.BAD_NAME, "a device without a name, in the short form")
    yield Hostile("telemetry/a b", b"{}", Reason.BAD_NAME, "bad in two ways: the topic counts first")


def corpus(devices: Sequence[str]) -> list[Hostile]:
    """Two hundred messages, the first hundred on topics of these real devices of the tenant `main`."""
    bad = _telemetry()
    others = list(_of_a_device(devices[0]))
    count = COUNT // 2 - len(others)
    real = [Hostile(f"vorab/v1/main/{devices[i % len(devices)]}/telemetry", *bad[i]) for i in range(count)]
    strangers = list(_strangers())
    rest = [*bad[count:], *bad][: COUNT // 2 - len(strangers)]
    unknown = [Hostile(f"telemetry/nobody-{i}", *one) for i, one in enumerate(rest)]
    return [*real, *others, *strangers, *unknown]
