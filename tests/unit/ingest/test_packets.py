"""Cutting a stream of bytes into messages: any cut, any order, and whatever a broken broker may send."""

from __future__ import annotations

import itertools
import struct
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import packets as module
from ingest.packets import HEAD_BYTES, Arrivals, Extra, ProtocolError, Splitter, parse_properties, pubacks


class Publish(NamedTuple):
    """A PUBLISH as a broker writes it."""

    topic: bytes
    payload: bytes
    mid: int = 0
    retain: bool = False
    dup: bool = False
    properties: bytes = b""

    def wire(self, *, v5: bool) -> bytes:
        """Its bytes."""
        head = 0x30 | bool(self.mid) << 1 | self.retain | self.dup << 3
        body = struct.pack(">H", len(self.topic)) + self.topic
        if self.mid:
            body += struct.pack(">H", self.mid)
        if v5:
            body += varint(len(self.properties)) + self.properties
        body += self.payload
        return bytes([head]) + varint(len(body)) + body


def varint(value: int) -> bytes:
    """A variable byte integer."""
    out = b""
    while True:
        value, low = divmod(value, 128)
        out += bytes([low | (128 if value else 0)])
        if not value:
            return out


def text(number: int, value: str) -> bytes:
    """A string property."""
    data = value.encode()
    return bytes([number]) + struct.pack(">H", len(data)) + data


def nothing(head: int, body: bytes) -> None:
    """Where only PUBLISH may come."""
    raise AssertionError((head, body))


def fed(data: bytes, cuts: list[int], *, v5: bool, largest: int = 1 << 18) -> tuple[Arrivals, list[tuple[int, bytes]]]:
    """Everything that comes out when the bytes arrive in pieces."""
    splitter, found, others = Splitter(v5=v5, largest=largest), Arrivals(), []
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for low, high in itertools.pairwise(edges):
        some = splitter.feed(data[low:high], lambda head, body: others.append((head, body)))
        found.extra.update({len(found) + i: extra for i, extra in some.extra.items()})
        found.topics += some.topics
        found.payloads += some.payloads
        found.mids += some.mids
    return found, others


messages = st.builds(
    Publish,
    topic=st.binary(max_size=200),
    payload=st.binary(max_size=400),
    mid=st.integers(0, 65535),
    retain=st.booleans(),
    dup=st.booleans(),
    properties=st.sampled_from([b"", text(3, "application/json"), b"\x02\0\0\0\x05" + b"\x26\0\1a\0\1b", b"\x01\x01\x0b\x81\x01"]),
)


@given(st.lists(messages, max_size=12), st.lists(st.integers(0, 10_000), max_size=8), st.booleans())
def test_the_same_messages_come_out_however_the_bytes_are_cut(sent: list[Publish], cuts: list[int], v5: bool) -> None:
    """TCP keeps the order of bytes and nothing else: every cut gives the same messages in the same order."""
    found, _ = fed(b"".join(one.wire(v5=v5) for one in sent), cuts, v5=v5)
    assert found.topics == [one.topic for one in sent]
    assert found.payloads == [one.payload for one in sent]
    assert found.mids == [struct.pack(">H", one.mid) if one.mid else b"" for one in sent]
    assert [found.extra.get(i, Extra()).retain for i in range(len(sent))] == [one.retain for one in sent]


usual = st.builds(
    Publish,
    topic=st.binary(max_size=60),
    payload=st.sampled_from([b'{"a":1}', b"{}", b'{"a":{"b":1}0}', b'{"a":"}0\x09\0\x01tx}"}', b"}2}0}", b"x" * 200 + b"}", b"}" * 130]),
    mid=st.integers(0, 65535),
    retain=st.just(False),
    dup=st.just(False),
    properties=st.just(b""),
)
EVERYTHING = (
    Publish(b"t", b"[]"),
    Publish(b"t", b"{}", retain=True),
    Publish(b"t", b"{}", mid=1, dup=True),
    Publish(b"t", b"{}", properties=text(3, "a")),
)


@given(
    st.lists(usual, min_size=1, max_size=12),
    st.lists(st.sampled_from(EVERYTHING), max_size=2),
    st.integers(0, 12),
    st.booleans(),
    st.booleans(),
)
def test_packets_side_by_side_are_those_found_one_by_one(some: list[Publish], odd: list[Publish], at: int, v5: bool, acked: bool) -> None:
    """A large read of usual messages, with unusual ones among them and payloads that look like packets: the same comes out."""
    some = [one._replace(mid=max(one.mid, 1) if acked else 0) for one in some]
    sent = [*some[:at], *odd, *some[at:]]
    data = b"".join(one.wire(v5=v5) for one in sent)
    data *= 20_000 // len(data) + 1
    cut = data + sent[0].wire(v5=v5)[:-1]
    one_by_one, _ = fed(cut, list(range(0, len(cut), 4_000)), v5=v5)
    at_once, _ = fed(cut, [], v5=v5)
    assert at_once == one_by_one
    assert at_once.topics[: len(sent)] == [one.topic for one in sent]


def test_a_guess_without_proof_would_cut_payloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: a packet wherever a brace is followed by the right byte; a payload could then speak for another device."""
    forged = Publish(b"victim", b"{}").wire(v5=False)
    data = Publish(b"t", b'{"a":"}' + forged + b'"}').wire(v5=False) * 1_000
    assert set(fed(data, [], v5=False)[0].topics) == {b"t"}
    monkeypatch.setattr(module, "_follows", lambda begin, _end: begin >= 0)
    assert b"victim" in fed(data, [], v5=False)[0].topics


def test_what_is_no_publish_is_handed_on_in_order() -> None:
    """CONNACK, PINGRESP and SUBACK go to the library, whole and in their order, also between messages."""
    data = b"\x20\x02\0\0" + Publish(b"t", b"1").wire(v5=False) + b"\xd0\0" + Publish(b"t", b"2").wire(v5=False) + b"\x90\x03\0\1\1"
    for cut in range(len(data)):
        found, others = fed(data, [cut], v5=False)
        assert found.payloads == [b"1", b"2"]
        assert others == [(0x20, b"\0\0"), (0xD0, b""), (0x90, b"\0\1\1")]


def test_properties_are_read_only_where_there_are_any() -> None:
    """Content type and user properties of MQTT 5 are found; a message without properties costs one byte."""
    rich = Publish(b"t", b"x", properties=text(3, "application/senml+json") + b"\x26" + text(0, "fw")[1:] + text(0, "1.2")[1:])
    found, _ = fed(rich.wire(v5=True) + Publish(b"t", b"y").wire(v5=True), [], v5=True)
    assert found.extra[0].properties == ("application/senml+json", (("fw", "1.2"),))
    assert 1 not in found.extra
    assert found.payloads == [b"x", b"y"]


@pytest.mark.parametrize("v5", [False, True])
@pytest.mark.parametrize("cut", [1, 2, 3, 5_000, 90_000, 150_000, 299_000])
def test_a_message_that_is_too_large_is_kept_by_its_head_only(cut: int, v5: bool) -> None:
    """300 kB in one message: topic, packet id, size and first kilobyte survive, memory stays small, and the next message is whole."""
    large = Publish(b"t/large", b"x" * 300_000, mid=7)
    found, _ = fed(large.wire(v5=v5) + Publish(b"t", b"next").wire(v5=v5), [cut, cut + 100_000, cut + 200_000], v5=v5, largest=1 << 17)
    assert found.topics == [b"t/large", b"t"]
    assert found.payloads == [b"x" * HEAD_BYTES, b"next"]
    assert found.extra[0].size == 300_000
    assert found.mids[0] == b"\0\x07"


@pytest.mark.parametrize(
    ("data", "v5"),
    [
        (b"\x34\x07\0\1t\0\1xx", False),  # QoS 2
        (b"\x30\x01\0", False),  # no room for the length of the topic
        (b"\x30\x04\0\x09tt", False),  # a topic that ends behind the packet
        (b"\x32\x03\0\1t", False),  # no room for a packet id
        (b"\x30\x03\0\1t", True),  # no room for properties
        (b"\x30\x06\0\1t\x09\0\0", True),  # properties that end behind the packet
        (b"\x30\xff\xff\xff\xff\x01", False),  # a length of five bytes
        (b"\x30\x05\0\1t\x01\x7f", True),  # a property that does not exist
        (b"\x30\x05\0\1t\x01\x02", True),  # a property that is cut
    ],
)
def test_what_is_not_mqtt_ends_the_connection(data: bytes, v5: bool) -> None:
    """A stream that has lost its way cannot be trusted again; it is an error, never a wrong message."""
    with pytest.raises(ProtocolError):
        Splitter(v5=v5).feed(data, nothing)


@given(st.binary(max_size=2_000), st.booleans())
def test_no_bytes_whatever_do_anything_else(data: bytes, v5: bool) -> None:
    """Fuzzed: either messages come out, or a protocol error does."""
    try:
        Splitter(v5=v5).feed(data, lambda _head, _body: None)
    except ProtocolError:
        return


@given(st.binary(max_size=60))
def test_properties_are_whole_or_refused(data: bytes) -> None:
    """Fuzzed: properties are read to their end or not at all."""
    try:
        parse_properties(data)
    except ProtocolError:
        return


def test_acknowledgements_of_a_read_are_one_write() -> None:
    """One PUBACK per packet id, in order, none for QoS 0."""
    assert pubacks([b"\0\1", b"", b"\0\2"]) == b"\x40\x02\0\1\x40\x02\0\2"
    assert pubacks([b"", b""]) == b""
