"""The conformance kit: our own decoders keep what it asks for, and each kind of bad decoder is caught."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest import conformance
from ingest.conformance import MUTATIONS, Broken, check, mutated
from ingest.decoders import DECODERS, Row, Sender, decode
from ingest.decoders.mapped import Mapped
from ingest.decoders.packed import Reader
from ingest.decoders.strict import parse
from ingest.decoders.text import Text
from ingest.decoders.text import parse as parse_text
from vorab.errors import Reason, Rejected
from vorab.layouts import Packed
from vorab.payloads import JsonMap, PlainText

pytestmark = pytest.mark.slow

Rows = Callable[[bytes, Sender], list[Row]]

FLAT = b'{"ts": 1795000000123, "temperature": 71.4, "door": false, "state": "ok", "boot": 3, "seq": 118}'
PACK = (
    b'[{"bn": "urn:dev:ow:10e2073a01080063:", "bt": 1795000000, "n": "temp", "u": "Cel", "v": 23.5},'
    b' {"n": "batt", "u": "%EL", "v": 81, "t": -1}]'
)
SAMPLES = {
    "json": [FLAT, b'[{"ts": 1, "values": {"a": 1.5}}, {"b": true}]'],
    "senml+json": [PACK],
    "cbor": [bytes.fromhex("a2627473 1b000001a1ee8c5d7b 6474656d70 fb4037800000000000".replace(" ", ""))],
    "senml+cbor": [bytes.fromhex("82a400647465 6d70016343656c02fb4037800000000000 0600a20064626174740218 51".replace(" ", ""))],
    "cloudevents+json": [
        (
            b'{"specversion": "1.0", "id": "1", "source": "/pump-7", "type": "t", "time": "2026-11-18T10:26:40Z",'
            b' "data": {"temperature": 21.5}}'
        )
    ],
}


def declared(name: str) -> Rows:
    """A decoder of ours, by its name in the topic map."""
    return lambda payload, sender: decode(payload, sender, decoder=name)


@pytest.mark.parametrize("name", ["auto", *DECODERS])
def test_decoders_by_content_type_keep_the_promises(name: str) -> None:
    """What vorab asks of others, it keeps itself."""
    check(declared(name), SAMPLES.get(name, [FLAT, PACK]))


NESTED = json.dumps(
    {
        "meta": {"at": "2026-11-18T10:26:40", "id": "gw", "n": 4},
        "data": [{"id": "s1", "t": 215, "door": "open"}, {"id": "s2", "t": "220"}],
        "more": {"a": 1},
    }
).encode()
MAP = {
    "time": {"path": "meta.at", "unit": "iso", "zone": "Europe/Berlin"},
    "seq": "meta.n",
    "device": "data[*].id",
    "signals": {
        "t": {"path": "data[*].t", "type": "number", "scale": 0.1, "min": -40, "max": 125},
        "door": {"path": "data[*].door", "type": "bool", "true": ["open"], "false": ["closed"]},
    },
    "values": "more",
}


def test_mapped_keeps_the_promises() -> None:
    """Any JSON by paths."""
    mapped = Mapped(JsonMap.model_validate(MAP))
    check(lambda payload, sender: mapped.rows(parse(payload), sender), [NESTED])
    spread = Mapped(JsonMap.model_validate({"values": "$", "device": "meta.id"}))
    check(lambda payload, sender: spread.rows(parse(payload), sender), [NESTED])


LAYOUT = {
    "order": "little",
    "header": 4,
    "stride": 4,
    "time": {"of": "payload", "at": 0, "type": "u32", "every_s": 60},
    "signals": {
        "t": {"at": 0, "type": "i16", "scale": 0.01, "none": -32768},
        "mode": {"at": 2, "type": "bits", "bit": 3, "bits": 4},
        "on": {"at": 2, "type": "bool", "bit": 0},
        "level": {"at": 3, "type": "bcd", "size": 1},
    },
}


def test_packed_keeps_the_promises() -> None:
    """Binary by places, raw and inside JSON."""
    raw = struct.pack("<IhBBhBB", 1_795_000_000, 2150, 9, 0x42, -32768, 8, 0x01)
    reader = Reader([Packed.model_validate(LAYOUT)])
    check(lambda payload, sender: reader.rows(reader.parse(payload), sender), [raw])
    inside = Reader([Packed.model_validate({**LAYOUT, "path": "up.bytes", "encoding": "hex"})])
    check(lambda payload, sender: inside.rows(inside.parse(payload), sender), [json.dumps({"up": {"bytes": raw.hex()}}).encode()])


def test_text_keeps_the_promises() -> None:
    """One value."""
    text = Text(PlainText.model_validate({"unit": "Cel", "scale": 0.1}))
    check(lambda payload, sender: text.rows(parse_text(payload), sender), [b"21.4"])


# ------------------------------------------------------------------------------------------------ known bad


def good(payload: bytes, sender: Sender) -> list[Row]:
    """What the bad ones are made of."""
    return decode(payload, sender, decoder="json")


def unguarded(payload: bytes, sender: Sender) -> list[Row]:
    """Believes what it is told."""
    return [Row(json.loads(payload)["ts"], {"a": 1}, device=sender.device[:0])]


_seen: list[int] = []


def remembers(payload: bytes, sender: Sender) -> list[Row]:
    """Counts on its own."""
    _seen.append(1)
    return [row._replace(values={**row.values, "count": len(_seen)}) for row in good(payload, sender)]


def clocked(payload: bytes, sender: Sender) -> list[Row]:
    """Looks at the clock of the machine."""
    return [row._replace(values={**row.values, "lag": time.time()}) for row in good(payload, sender)]


def arrival(payload: bytes, sender: Sender) -> list[Row]:
    """Gives the arrival as the device's own time."""
    return [row._replace(at=sender.received_at) for row in good(payload, sender)]


def reads_files(payload: bytes, sender: Sender) -> list[Row]:
    """Looks something up on disk."""
    Path(__file__).with_suffix(".md").exists()
    with contextlib.suppress(Exception):  # the worst case: it hides what it does
        Path("/etc/hostname").read_bytes()
    return good(payload, sender)


def talks(payload: bytes, sender: Sender) -> list[Row]:
    """Opens a socket."""
    socket.socket().close()
    return good(payload, sender)


def lazy(payload: bytes, sender: Sender) -> list[Row]:
    """Hands out rows one by one, so that half of a message may be taken."""
    return (row for row in good(payload, sender))  # type: ignore[return-value]  # what it is about


def strange(payload: bytes, sender: Sender) -> list[Row]:
    """Lets names through that no column has."""
    found = parse(payload)
    if not isinstance(found, dict):
        raise Rejected(Reason.BAD_SHAPE, sender.device)
    return [Row(None, dict.fromkeys(found, 1))]


def endless(payload: bytes, sender: Sender) -> list[Row]:
    """Makes a row of each byte, many times."""
    return [Row(None, {"a": 1})] * max(1, len(payload) * 100) if good(payload, sender) else []


def quadratic(payload: bytes, sender: Sender) -> list[Row]:
    """Looks at everything once for everything."""
    for _ in range(0, len(payload), 16):
        payload.count(b"\0\0\0\1")
    return good(payload, sender)


def choosy(payload: bytes, sender: Sender) -> list[Row]:
    """Cannot read its own sample."""
    raise Rejected(Reason.UNSUPPORTED, f"{len(payload)} bytes of {sender.device}")


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (unguarded, "where only Rejected is allowed"),
        (remembers, "it remembers something"),
        (clocked, "it remembers something"),
        (arrival, "not marked as relative"),
        (reads_files, "touches the world"),
        (talks, "touches the world"),
        (lazy, "where a list of Row should be"),
        (strange, "rows that no column can hold"),
        (endless, "at most 1024 are allowed"),
        (quadratic, "ms of CPU"),
        (choosy, "the sample itself is refused"),
    ],
)
def test_a_decoder_that_breaks_a_promise_is_caught(bad: Rows, says: str) -> None:
    """Known bad: each of them is found, and the payload that shows it is told."""
    with pytest.raises(Broken, match=says) as caught:
        check(bad, [b'{"ts": 1795000000123, "a": 1}'], mutations=400)
    assert "payload (" in str(caught.value)


@pytest.mark.parametrize(("cost_ms", "slower", "kept"), [(4, 1, True), (8, 1, False), (16, 2, True), (24, 2, False)])
def test_a_slow_machine_is_nobodys_fault(monkeypatch: pytest.MonkeyPatch, cost_ms: float, slower: float, *, kept: bool) -> None:
    """The limit goes with what a fixed piece of work costs at that very moment; what is too slow by that measure is caught everywhere."""
    monkeypatch.setattr(conformance, "_cost", lambda *_: cost_ms)
    monkeypatch.setattr(conformance, "_pace", lambda: conformance.YARDSTICK_MS * slower)
    with contextlib.nullcontext() if kept else pytest.raises(Broken, match=r"takes [68]\.0 ms of CPU"):
        check(good, [FLAT], mutations=4)


def test_without_a_sample_nothing_is_proved() -> None:
    """A decoder that refuses everything would pass."""
    with pytest.raises(Broken, match="no sample"):
        check(good, [])
    with pytest.raises(Broken, match="gives no value"):
        check(lambda *_: [], [b"x"])


def test_the_payloads_are_the_same_in_every_run() -> None:
    """A red build means a change and not luck; and they differ from the sample."""
    some = list(mutated([FLAT, PACK], MUTATIONS, 1))
    assert some == list(mutated([FLAT, PACK], MUTATIONS, 1))
    assert len(set(some) - {FLAT, PACK}) > MUTATIONS / 2
