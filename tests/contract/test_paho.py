"""What ingest relies on in paho beyond its documentation, held against the version that is pinned.

`ingest.mqtt.BulkClient` overrides `loop_read` and hands every packet that is not a PUBLISH back to paho. When one of these tests fails
after an upgrade: read what paho changed in the functions named, see that the sentence beside each name still holds, and then write
down the new fingerprint.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import socket
import textwrap
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as paho_client
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from ingest import mqtt as module
from ingest.mqtt import BulkClient, Events, Subscription
from ingest.packets import pubacks
from vorab.settings import Mqtt

ROOT: Final = Path(__file__).resolve().parents[2]
paho: Any = paho_client

RELIED: Final = {
    "_sock": "The socket while there is a connection, None while there is none; paho closes it and clears it itself.",
    "_sock_recv": "At most so many bytes as they arrive, empty at the end, BlockingIOError when there are none, OSError when it is over.",
    "_in_packet": "The packet that `_packet_handle` looks at: a mapping with the keys that `_packet` sets.",
    "_packet_handle": "Treats one whole packet that is not a PUBLISH and returns an error code; it never reads the socket.",
    "_loop_rc_handle": "Ends the connection after an error: closes the socket, calls on_disconnect once, returns the code.",
    "_out_packet": "A deque of packets to write, in order, as mappings; `loop_write` writes from the left and keeps what is left over.",
    "_msgtime_mutex": "Guards the two times below.",
    "_last_bytes_received": "When something came, by `time_func`: without news for the keep-alive, paho gives the connection up.",
    "_last_msg_out": "When something was sent, by `time_func`: without news for the keep-alive, paho pings.",
    "_ping_t": "When a ping was sent that is not answered, else 0.",
    "_keepalive": "Seconds, as the broker agreed to.",
    "_send_pingreq": "Queues a ping, writes it, and sets `_ping_t`.",
    "_sockpairR": "What `loop` also waits on, and drains; None until the first `loop`.",
    "_sockpairW": "A byte written here ends a wait in `loop`.",
    "_socketpair_compat": "Makes such a pair; neither end blocks.",
    "_reset_sockets": "Closes socket and pair.",
    "_easy_log": "Writes to the client's log.",
}
"""Every private name of paho that ingest touches, and what is believed of it."""

FINGERPRINTS: Final = {
    "loop": "012726537e36",
    "_loop": "692f93b93255",
    "loop_misc": "59744eb5b382",
    "loop_write": "8d434b52547f",
    "_sock_recv": "7636156a61d3",
    "_packet_handle": "89141c80836e",
    "_packet_queue": "e2cf06cad770",
    "_packet_write": "4b86f49555a9",
    "_loop_rc_handle": "e5dcda51223d",
    "_check_keepalive": "c27075191b06",
    "_send_pingreq": "0679570f83cd",
    "_reset_sockets": "e200bcbd79a5",
    "reconnect": "59e8e427070d",
}
"""Of the source of what is overridden, called or imitated."""


def fingerprint(name: str) -> str:
    """A short hash of what a method does: comments, docstrings and layout aside."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(getattr(paho.Client, name))))
    function: Any = tree.body[0]
    if ast.get_docstring(function) is not None:
        function.body = function.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:12]


class Broker:
    """One end of a connection, played by hand."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.peer: socket.socket | None = None

    def accept(self) -> bytes:
        """Take the connection; the CONNECT packet."""
        self.peer, _ = self.listener.accept()
        self.peer.settimeout(10)
        return self.read()

    def read(self) -> bytes:
        """What the client has written."""
        assert self.peer is not None
        return self.peer.recv(65_536)

    def write(self, data: bytes) -> None:
        """Say something."""
        assert self.peer is not None
        self.peer.sendall(data)

    def close(self) -> None:
        """End."""
        if self.peer is not None:
            self.peer.close()
        self.listener.close()


class Told:
    """What the client told its owner."""

    def __init__(self) -> None:
        self.connected: list[bool] = []
        self.subscribed: list[list[str]] = []
        self.disconnected: list[str] = []

    @property
    def events(self) -> Events:
        """The callbacks."""
        return Events(
            self.connected.append,
            lambda refused: self.subscribed.append(list(refused)),
            lambda why, _taken: self.disconnected.append(why),
        )


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A listener."""
    made = Broker()
    yield made
    made.close()


@pytest.fixture
def told() -> Told:
    """Nothing yet."""
    return Told()


@pytest.fixture
def client(broker: Broker, told: Told) -> Iterator[BulkClient]:
    """Connected and subscribed, over MQTT 3.1.1."""
    settings = Mqtt(port=broker.port, protocol="3.1.1", keepalive_s=5)
    made = BulkClient(settings, "contract", [Subscription("telemetry/+", retained=False)], told.events)
    made.reconnect()
    assert broker.accept().startswith(b"\x10")
    broker.write(b"\x20\x02\x00\x00")
    made.loop(5)
    assert told.connected == [False]
    made.loop(5)  # what is asked for within a callback leaves with the next turn
    assert broker.read().startswith(b"\x82")
    broker.write(b"\x90\x03\x00\x01\x01")
    made.loop(5)
    assert told.subscribed == [[]]
    yield made
    made.close()


def test_the_pinned_version_is_the_one_that_runs() -> None:
    """The lock file names one version, and it is this one."""
    [pinned] = re.findall(r"^paho-mqtt==(\S+)", (ROOT / "requirements/runtime.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert version("paho-mqtt") == pinned


def test_every_private_name_in_use_is_written_down() -> None:
    """Ingest touches no other, and each has a sentence that says what is believed of it."""
    source = inspect.getsource(module)
    own = set(re.findall(r"(?:def |self\.)(_[a-z]\w*)(?=\(| = )", inspect.getsource(BulkClient))) - set(RELIED)
    touched = {name for name in re.findall(r"(?:self|paho)\.(_[a-zA-Z]\w*)", source) if name not in own}
    assert touched == set(RELIED)
    fresh = paho.Client(CallbackAPIVersion.VERSION2)
    missing = [name for name in RELIED if not hasattr(fresh, name) and not hasattr(paho, name)]
    assert not missing


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_what_paho_does_inside_has_not_changed(name: str) -> None:
    """Known only by reading: a changed function is read again before it is trusted again."""
    assert fingerprint(name) == FINGERPRINTS[name], f"paho.Client.{name} has changed"


def test_loop_reads_once_for_a_readable_socket(client: BulkClient, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """One wait, one `loop_read`, whatever has arrived by then; without news none."""
    calls: list[MQTTErrorCode] = []
    real = client.loop_read

    def counted() -> MQTTErrorCode:
        calls.append(real())
        return calls[-1]

    monkeypatch.setattr(client, "loop_read", counted)
    broker.write(b"\x30\x05\x00\x01tab" * 50)
    assert client.loop(5) == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert len(calls) == 1
    assert client.arrived is not None
    assert len(client.arrived) == 50
    client.loop(0)
    assert len(calls) == 1


def test_packets_between_messages_are_treated_by_paho(client: BulkClient, broker: Broker, told: Told) -> None:
    """An answered ping is forgotten; an answered publication is done; messages around them are ours."""
    client._send_pingreq()
    info = client.publish("cmd", b"x", qos=1)
    assert broker.read().startswith(b"\xc0\x00")
    assert client._ping_t
    broker.write(b"\x30\x04\x00\x01t1" + b"\xd0\x00" + b"\x40\x02" + info.mid.to_bytes(2, "big") + b"\x30\x04\x00\x01t2")
    client.loop(5)
    assert client.arrived is not None
    assert client.arrived.payloads == [b"1", b"2"]
    assert client._ping_t == 0
    assert info.is_published()
    assert not told.disconnected


def test_acknowledgements_stand_behind_what_is_half_written(client: BulkClient, broker: Broker) -> None:
    """A full socket cuts a packet in two; the acknowledgements come whole and behind it, and nothing is written twice."""
    large = b"y" * 8_000_000
    client.publish("large", large, qos=0)
    acks = pubacks([b"\x00\x01", b"\x00\x02"])
    client.acknowledge(acks)
    assert client.want_write()
    found = b""
    while not found.endswith(acks):
        client.loop_write()
        found += broker.read()
    assert found.count(b"y") == len(large)
    assert not client.want_write()


def test_the_end_is_told_once(client: BulkClient, broker: Broker, told: Told) -> None:
    """The broker closes: the socket is gone, the owner knows, and the next read says so without an exception."""
    broker.close()
    assert client.loop(5) != MQTTErrorCode.MQTT_ERR_SUCCESS
    assert not client.connection_is_open
    assert len(told.disconnected) == 1
    assert client.loop_read() == MQTTErrorCode.MQTT_ERR_NO_CONN


def test_nonsense_ends_the_connection(client: BulkClient, broker: Broker, told: Told) -> None:
    """A packet of a kind that brokers do not send."""
    broker.write(b"\xf0\x00")
    assert client.loop(5) != MQTTErrorCode.MQTT_ERR_SUCCESS
    assert not client.connection_is_open
    assert len(told.disconnected) == 1


def test_a_byte_in_the_pair_ends_a_wait(client: BulkClient) -> None:
    """`wake` before a wait: the wait is over at once, and the byte is gone."""
    client.wake()
    client.loop(3_600)
    pair: Any = client._sockpairR
    with pytest.raises(BlockingIOError):
        pair.recv(1)


def test_silence_pings_and_then_gives_up(client: BulkClient, broker: Broker, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two times and the ping's are what paho judges by; not reading must therefore set them, or the connection is given up."""
    now = paho.time_func()
    monkeypatch.setattr(paho, "time_func", lambda: now + 6)
    client.loop_misc()
    assert broker.read() == b"\xc0\x00"
    monkeypatch.setattr(paho, "time_func", lambda: now + 12)
    client.stay_alive(0)
    client.loop_misc()
    assert client.connection_is_open, "what nobody has read says nothing about the broker"
    client._last_bytes_received, client._last_msg_out, client._ping_t = now, now, now
    client.loop_misc()
    assert not client.connection_is_open
    assert told.disconnected == ["Keep alive timeout"] * 2, "paho tells this one twice; an owner must bear it"
