"""As little of MQTT 3.1.1 as a benchmark needs, over a raw socket: a load or a listener must not take the core that is measured."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from vorab.errors import Unavailable

TIMEOUT_S: Final = 60.0
_BULK: Final = 1 << 16


@contextmanager
def connected(port: int, client_id: bytes = b"bench") -> Iterator[socket.socket]:
    """A clean session on 127.0.0.1, without keep-alive."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as mqtt:
        mqtt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        mqtt.sendall(bytes((0x10, 12 + len(client_id))) + b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack(">H", len(client_id)) + client_id)
        if mqtt.recv(4) != b"\x20\x02\x00\x00":
            raise Unavailable("the broker refused the load generator")
        yield mqtt
        mqtt.sendall(b"\xe0\x00")


def subscribe(mqtt: socket.socket, topic: bytes) -> None:
    """Subscribe at QoS 0, before anything is published."""
    mqtt.sendall(bytes((0x82, 5 + len(topic))) + b"\x00\x01" + struct.pack(">H", len(topic)) + topic + b"\x00")
    if mqtt.recv(5)[:1] != b"\x90":
        raise Unavailable("the broker took no subscription")


def packet(number: int, topic: bytes, payload: bytes, qos: int) -> bytes:
    """A PUBLISH; `number` makes its packet identifier."""
    body = struct.pack(">H", len(topic)) + topic + (struct.pack(">H", number % 65_535 + 1) if qos else b"") + payload
    first, n = bytes((0x30 | qos << 1,)), len(body)
    return first + (bytes((n,)) if n < 128 else bytes((n & 127 | 128, n >> 7))) + body


def publish(port: int, rate: int, count: int, make: Callable[[int], tuple[bytes, bytes]]) -> None:
    """Publish `count` messages of QoS 1 at a steady pace; `make` gives the topic and payload of each when its time has come.

    Acknowledgements are read away and not counted: what did not arrive is missing at the other end.
    """
    with connected(port, b"vorab-bench-load") as mqtt:
        begin = time.monotonic()
        for i in range(count):
            ahead = begin + i / rate - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            mqtt.sendall(packet(i, *make(i), 1))
            if i % 16 == 0:
                drain(mqtt)
        time.sleep(0.5)
        drain(mqtt)


def drain(mqtt: socket.socket) -> None:
    """Read away what has come."""
    mqtt.settimeout(0)
    try:
        while mqtt.recv(_BULK):
            pass
    except BlockingIOError:
        pass
    finally:
        mqtt.settimeout(TIMEOUT_S)


def listen(mqtt: socket.socket, heard: Callable[[bytes], None]) -> None:
    """Hand on what comes, as bytes in pieces as they arrive, until the connection is shut."""
    while piece := mqtt.recv(_BULK):
        heard(piece)
