"""PUBLISH packets out of a stream of bytes, in bulk: pure, for MQTT 3.1.1 and 5, with bounded memory whatever the broker sends.

Everything that is not a PUBLISH is handed to `other`, in order, so that a client library may treat it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

PUBACK: Final = 0x40
_PUBACK_HEAD: Final = b"\x40\x02"
_BULK: Final = 16_384
"""From so many bytes on it pays to look at all packets at once."""
_SHORTEST: Final = 8
_BRACE: Final = 0x7D
HEAD_BYTES: Final = 1024
"""What is kept of a payload that is too large."""


class ProtocolError(Exception):
    """The broker sent something that is not MQTT; the connection cannot go on."""


class Properties(NamedTuple):
    """What vorab reads of the properties of an MQTT 5 PUBLISH."""

    content_type: str = ""
    user: tuple[tuple[str, str], ...] = ()


class Extra(NamedTuple):
    """What is unusual about one message; most have none."""

    retain: bool = False
    properties: Properties = Properties()
    size: int | None = None
    """The full size of a payload of which only the head was kept."""


@dataclass(slots=True)
class Arrivals:
    """The messages of one read, as parallel lists in the order in which they arrived."""

    topics: list[bytes] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    mids: list[bytes] = field(default_factory=list)
    """Packet ids as they stood on the wire; empty for QoS 0."""
    extra: dict[int, Extra] = field(default_factory=dict)
    """By index."""

    def __len__(self) -> int:
        """Number of messages."""
        return len(self.topics)


def pubacks(mids: Iterable[bytes]) -> bytes:
    """The acknowledgements of these packet ids, as one write."""
    acked = [mid for mid in mids if mid]
    return _PUBACK_HEAD + _PUBACK_HEAD.join(acked) if acked else b""


Other = Callable[[int, bytes], None]
"""Told the first byte and the body of a packet that is not a PUBLISH."""


class Splitter:
    """Cuts the bytes of one connection into messages; `largest` bounds what it keeps of a single packet."""

    def __init__(self, *, v5: bool, largest: int = 1 << 18) -> None:
        self._v5, self._largest = v5, largest
        self._rest = b""
        self._skip = 0
        """Bytes still to come of a packet that is too large."""

    def feed(self, data: bytes, other: Other) -> Arrivals:
        """The messages these bytes complete.

        Raises:
            ProtocolError: the bytes are not MQTT.
        """
        if self._skip:
            gone = min(self._skip, len(data))
            self._skip -= gone
            data = data[gone:]
        buf = self._rest + data if self._rest else data
        found = Arrivals()
        used = self._take(buf, found, other)
        self._rest = buf[used:]
        if len(self._rest) >= HEAD_BYTES:
            self._give_up_large(found)
        return found

    def _take(self, buf: bytes, found: Arrivals, other: Other) -> int:  # noqa: C901, PLR0912 - see below
        # A hot loop: every name is local and nothing is called per packet but slicing and appending.
        v5, largest = self._v5, self._largest
        add_topic, add_payload, add_mid = found.topics.append, found.payloads.append, found.mids.append
        size = len(buf)
        at = self._side_by_side(buf, found) if size >= _BULK else 0
        while size - at >= 2:
            head, length, start = buf[at], buf[at + 1], at + 2
            if length > 127:
                length, start = _length(buf, at + 1)
                if not start:
                    break
            end = start + length
            if end > size:
                break
            if head & 0xF0 == 0x30 and length <= largest:
                body = start + 2 + (buf[start] << 8 | buf[start + 1]) if length >= 2 else size + 1
                if head & 0x06:
                    mid = buf[body : body + 2]
                    topic_end, body = body, body + 2
                    if head & 0x04:
                        raise ProtocolError("a message of QoS 2, which nobody subscribed to")
                else:
                    mid, topic_end = b"", body
                if body + v5 > end:
                    raise ProtocolError("a PUBLISH that ends within its header")
                extra = None
                if v5:
                    if buf[body]:
                        body, read = _properties(buf, body, end)
                        extra = Extra(bool(head & 1), read)
                    else:
                        body += 1
                if head & 1 and extra is None:
                    extra = Extra(retain=True)
                if extra is not None:
                    found.extra[len(found.topics)] = extra
                add_topic(buf[start + 2 : topic_end])
                add_payload(buf[body:end])
                add_mid(mid)
            elif head & 0xF0 == 0x30:
                self._keep_head(buf[at:end], length, start - at, found)
            else:
                other(head, buf[start:end])
            at = end
        return at

    def _side_by_side(self, buf: bytes, found: Arrivals) -> int:
        """Take usual messages of JSON from the front, all in one go; where the first stands that is not one.

        Usual: QoS 0 or 1, not retained, without properties, shorter than 16 KiB. Where packets may begin is guessed: behind a closing
        brace. What follows is proof: the first packet begins at 0, and each of the others where the length of the one before says.
        """
        head = buf[0]
        if head not in {0x30, 0x32} or self._largest < 1 << 14:
            return 0
        data = np.frombuffer(buf, np.uint8)
        begin = np.flatnonzero((data[1:-_SHORTEST] == head) & (data[: -_SHORTEST - 1] == _BRACE)) + 1
        begin = np.concatenate([[0], begin])
        length = data[begin + 1].astype(np.int64)
        two = length > 127
        length = np.where(two, (length & 127) + (data[begin + 2].astype(np.int64) << 7), length)
        topic = begin + 4 + two
        end = topic - 2 + length
        topic_end = topic + (data[topic - 2].astype(np.int64) << 8) + data[topic - 1]
        body = topic_end + (2 if head & 0x06 else 0) + self._v5
        good = (body <= end) & (end <= len(buf)) & ~(two & (data[begin + 2] > 127))
        good &= _follows(begin, end)
        if self._v5:
            good &= data[np.minimum(body - 1, len(buf) - 1)] == 0
        n = len(good) if good.all() else int(good.argmin())
        if not n:
            return 0
        ends, stops, bodies = end[:n].tolist(), topic_end[:n].tolist(), body[:n].tolist()
        found.topics += [buf[i:j] for i, j in zip(topic[:n].tolist(), stops, strict=True)]
        found.payloads += [buf[i:j] for i, j in zip(bodies, ends, strict=True)]
        found.mids += [buf[i : i + 2] for i in stops] if head & 0x06 else [b""] * n
        return int(ends[-1])

    def _give_up_large(self, found: Arrivals) -> None:
        buf = self._rest
        length, start = _length(buf, 1)
        if not start or length <= self._largest or len(buf) < start + min(length, 2 + 0xFFFF + 2 + HEAD_BYTES):
            return
        if buf[0] & 0xF0 != 0x30:
            raise ProtocolError(f"a packet of {length} bytes")
        self._keep_head(buf, length, start, found)
        self._skip = start + length - len(buf)
        self._rest = b""

    def _keep_head(self, buf: bytes, length: int, start: int, found: Arrivals) -> None:
        end = len(buf)
        body = start + 2 + int.from_bytes(buf[start : start + 2], "big")
        topic = buf[start + 2 : body]
        mid = buf[body : body + 2] if buf[0] & 0x06 else b""
        body += len(mid)
        if self._v5:
            step, after = _length(buf, body)
            body = min(after + step, end) if after else end
        found.extra[len(found)] = Extra(bool(buf[0] & 1), size=start + length - body)
        found.topics.append(topic)
        found.payloads.append(buf[body : min(body + HEAD_BYTES, end)])
        found.mids.append(mid)


def _follows(begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each packet begins where the one before it ends; the first is known to."""
    return np.concatenate([[True], begin[1:] == end[:-1]])


def _length(buf: bytes, at: int) -> tuple[int, int]:
    """A variable byte integer and where it ends; end 0 when its bytes are not all here."""
    value = shift = 0
    while at < len(buf):
        byte = buf[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 21:
            raise ProtocolError("a length of more than four bytes")
    return 0, 0


def _properties(buf: bytes, at: int, end: int) -> tuple[int, Properties]:
    length, start = _length(buf, at)
    stop = start + length
    if not start or stop > end:
        raise ProtocolError("properties that end behind their packet")
    return stop, parse_properties(buf[start:stop])


# Length of each property a broker may send with a PUBLISH: a number of bytes, "s" a string, "p" a pair, "v" a variable integer.
_KINDS: Final = {0x01: 1, 0x02: 4, 0x03: "s", 0x08: "s", 0x09: "s", 0x0B: "v", 0x23: 2, 0x26: "p"}


@functools.lru_cache(maxsize=1024)
def parse_properties(data: bytes) -> Properties:
    """The properties of a PUBLISH; raises ProtocolError when they are cut or not allowed there."""
    content_type = ""
    user: list[tuple[str, str]] = []
    at = 0
    while at < len(data):
        number = data[at]
        at += 1
        kind = _KINDS.get(number)
        if kind == "s":
            text, at = _string(data, at)
            if number == 0x03:
                content_type = text.decode("utf-8", "replace")
        elif kind == "p":
            name, at = _string(data, at)
            value, at = _string(data, at)
            user.append((name.decode("utf-8", "replace"), value.decode("utf-8", "replace")))
        elif kind == "v":
            _, at = _length(data, at)
            if not at:
                raise ProtocolError("a property that is cut")
        elif isinstance(kind, int):
            at += kind
        else:
            raise ProtocolError(f"property {number:#04x} on a PUBLISH")
        if at > len(data):
            raise ProtocolError("a property that is cut")
    return Properties(content_type, tuple(user))


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + int.from_bytes(data[at : at + 2], "big")
    if at + 2 > len(data) or end > len(data):
        raise ProtocolError("a property that is cut")
    return data[at + 2 : end], end
