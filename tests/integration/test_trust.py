"""Trust at the broker: a real Mosquitto by TLS with client certificates, the access lists of deploy/mosquitto, and hostile guests."""

from __future__ import annotations

import json
import queue
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.integration.house import bodies, readings, working
from tests.parts.base import PATIENCE_S, wait_until
from tests.parts.mosquitto import Authorities, Identity, TlsMosquitto
from vorab import topics
from vorab.log.sqlite import SqliteLog
from vorab.settings import Ingest, Settings

pytestmark = pytest.mark.mosquitto

NewBroker = Callable[..., TlsMosquitto]
VICTIM: Final = "pump-b"
FORGED: Final = (
    "vorab/v1/main/pump-b/telemetry",
    "vorab/v1/main/pump-b/status",
    "vorab/v1/main/pump-b/cmd/restart/res",
    "vorab/v1/main/pump-b/cmd/restart",
    "vorab/v1/main/pump-b/errors",
    "vorab/v1/other/pump-a/telemetry",
    "vorab/v1/recorded/pump-a/telemetry",
    "recorded/pump-a/telemetry",
    "telemetry/pump-b",
    "tele/pump-b/SENSOR",
    "pump-b/events/rpc",
    "pump-b/status/switch:0",
    "vorab-pump-b/rpc",
    "pump-b/v1/devices/me/telemetry",
    "v1/gateway/telemetry",
    "spBv1.0/plant/NDATA/pump-b",
    "spBv1.0/plant/DDATA/pump-b/valve",
    "homie/5/pump-b/$state",
    "homeassistant/sensor/pump-b/config",
    "zigbee2mqtt/pump-b",
)
"""Where a device called pump-a has no business."""


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    """Authorities for this file."""
    return Authorities(tmp_path_factory.mktemp("authorities"))


@pytest.fixture
def new_broker(authorities: Authorities, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewBroker]:
    """Starts a broker with both doors; `change` edits its configuration, for known-bad ones."""
    with ExitStack() as ends:

        def make(profile: str = "standard-tls", change: Callable[[str], str] | None = None) -> TlsMosquitto:
            folder = tmp_path_factory.mktemp("mosquitto")
            broker = TlsMosquitto(folder, authorities, profile=profile)
            if change is not None:
                conf = folder / "mosquitto.conf"
                before = conf.read_text()
                conf.write_text(change(before))
                assert conf.read_text() != before
            ends.callback(broker.kill)
            broker.start()
            return broker

        yield make


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    """An empty log."""
    with SqliteLog(tmp_path / "log.db", fsync=False) as made:
        yield made


def settings(broker: TlsMosquitto, authorities: Authorities, folder: Path, **mqtt: Any) -> Settings:
    """Settings of a worker that comes by the services' door."""
    identity = authorities.service("vorab-ingest")
    files = {"ca_file": str(authorities.trust), "cert_file": str(identity.cert), "key_file": str(identity.key)}
    return Settings.model_validate(
        {
            "state_dir": str(folder),
            "mqtt": {"host": broker.host, "port": broker.services_port, **files, **mqtt},
            "ingest": {"tick_s": 0.1},
            "topics": {"partitions": 4, "recorded_partitions": 1},
        }
    )


def context(authorities: Authorities, identity: Identity | None) -> ssl.SSLContext:
    """What a client trusts and shows."""
    made = ssl.create_default_context(cafile=str(authorities.trust))
    if identity is not None:
        made.load_cert_chain(identity.cert, identity.key)
    return made


class Guest:
    """A client by TLS; `heard` is what came, as (topic, payload)."""

    def __init__(
        self,
        broker: TlsMosquitto,
        tls: ssl.SSLContext,
        *,
        port: int = 0,
        client_id: str = "guest",
        v5: bool = True,
        will: str = "",
    ) -> None:
        self.heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.refused = ""
        self._answered, self._subscribed = threading.Event(), threading.Event()
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=paho.MQTTv5 if v5 else paho.MQTTv311, reconnect_on_failure=False
        )
        self.client.tls_set_context(tls)
        self.client.on_message = lambda _client, _data, message: self.heard.put((message.topic, bytes(message.payload)))
        self.client.on_connect = self._connected
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_disconnect = lambda *_: self._answered.set()
        if will:
            self.client.will_set(will, b"offline", qos=1)
        try:
            self.client.connect(broker.host, port or broker.port)
        except OSError as error:
            self.refused = str(error) or type(error).__name__
            return
        self.client.loop_start()
        assert self._answered.wait(PATIENCE_S)
        if not self.client.is_connected():
            self.refused = self.refused or "the connection was cut"

    def _connected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.refused = str(reason) if reason.is_failure else ""
        self._answered.set()

    def listen(self, *filters: str) -> None:
        """Subscribe to each; what the broker answers does not matter, what it sends does."""
        for wanted in filters:
            self._subscribed.clear()
            if self.client.subscribe(wanted, qos=1)[0] == paho.MQTT_ERR_SUCCESS:
                wait_until(lambda: self._subscribed.is_set() or not self.client.is_connected(), "the broker answering or hanging up")

    def say(self, topic: str, payload: bytes | str, *, qos: int = 1, retain: bool = False) -> None:
        """Publish; at QoS 1 wait for the broker's answer, whatever it is."""
        info = self.client.publish(topic, payload, qos=qos, retain=retain)
        with suppress(RuntimeError):
            wait_until(lambda: info.is_published() or not self.client.is_connected(), "the broker answering or hanging up")

    def settle(self) -> None:
        """Wait until the broker has read everything said so far, or has cut the connection."""
        asked = self.client.subscribe("nothing/to/hear", qos=0)[0] == paho.MQTT_ERR_SUCCESS
        if asked:
            wait_until(lambda: self._subscribed.is_set() or not self.client.is_connected(), "the broker answering or hanging up")

    def all_heard(self) -> list[tuple[str, bytes]]:
        """What came so far."""
        return [self.heard.get() for _ in range(self.heard.qsize())]

    def leave(self, *, rudely: bool = False) -> None:
        """Go, with a goodbye or by cutting the connection."""
        if rudely:
            found: Any = self.client.socket()
            self.client.loop_stop()
            if found is not None:
                found.close()
        else:
            self.client.disconnect()
            self.client.loop_stop()


def mark(broker: TlsMosquitto, authorities: Authorities, log: SqliteLog) -> None:
    """An honest device speaks, and its row is there: everything said before it has been dealt with."""
    before = len(readings(log))
    honest = Guest(broker, context(authorities, authorities.device("pump-honest")))
    assert honest.refused == ""
    honest.say("vorab/v1/main/pump-honest/telemetry", b'{"honest":1}')
    wait_until(lambda: len(readings(log)) > before, "the honest reading")
    honest.leave()


def strangers(log: SqliteLog) -> list[object]:
    """Everything on the log that no honest device said."""
    rows: list[object] = [row for row in readings(log) if row.device != "main/pump-honest"]
    return [*rows, *bodies(log, topics.PRESENCE), *bodies(log, topics.REPLIES), *bodies(log, topics.REJECTED)]


# ------------------------------------------------------------------------------------------------ what is allowed


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_devices_and_ingest_talk_by_tls_with_certificates(
    new_broker: NewBroker, authorities: Authorities, log: SqliteLog, tmp_path: Path, protocol: str
) -> None:
    """Everything of the contract that a device needs is allowed: telemetry, birth, will, answers, commands, errors."""
    broker = new_broker()
    with working(log, settings(broker, authorities, tmp_path, protocol=protocol)):
        base = "vorab/v1/main/pump-a"
        pump = Guest(broker, context(authorities, authorities.device("pump-a")), v5=protocol == "5", will=f"{base}/status")
        pump.listen(f"{base}/cmd/+", f"{base}/errors", f"{base}/ack")
        pump.say(f"{base}/status", b"online", retain=True)
        pump.say(f"{base}/telemetry", b'{"temperature":21.5}')
        pump.say(f"{base}/cmd/restart/res", b'{"id":"a1","status":"succeeded"}')
        pump.say(f"{base}/telemetry", b"{")
        assert pump.heard.get(timeout=PATIENCE_S)[0] == f"{base}/errors"
        pump.leave(rudely=True)
        wait_until(lambda: len(bodies(log, topics.PRESENCE)) == 2, "the will")
    assert [row.values for row in readings(log)] == [{"temperature": 21.5}]
    assert [one["evidence"] for one in bodies(log, topics.PRESENCE)] == ["birth", "will"]
    assert [one["action"] for one in bodies(log, topics.REPLIES)] == ["a1"]


def test_devices_that_speak_a_dialect_may_speak_it_below_their_own_name(new_broker: NewBroker, authorities: Authorities) -> None:
    """One topic of each dialect reaches the services' door, the answers to vorab's own requests included."""
    broker = new_broker()
    house = Guest(broker, context(authorities, authorities.service("vorab-ingest")), port=broker.services_port, client_id="house")
    own = [
        topic.replace(VICTIM, "pump-a") for topic in FORGED if topic.startswith(("tel", "pump-b", "vorab-pump-b", "spB", "homie", "homea"))
    ]
    house.listen(
        "telemetry/+", "tele/+/+", "+/events/rpc", "+/status/+", "+/rpc", "+/v1/devices/me/#", "spBv1.0/#", "homie/5/#", "homeassistant/#"
    )
    device = Guest(broker, context(authorities, authorities.device("pump-a")))
    assert (house.refused, device.refused) == ("", "")
    for topic in own:
        device.say(topic, b"1")
    heard = {house.heard.get(timeout=PATIENCE_S)[0] for _ in own}
    for guest in (house, device):
        guest.leave()
    assert heard == set(own)
    assert len(own) == 10


# ------------------------------------------------------------------------------------------------ another's name


def _forge(broker: TlsMosquitto, authorities: Authorities, *, forged: tuple[str, ...] = (*FORGED, "vorab/v1/main/pump-a/ack")) -> None:
    """Say everything forbidden, each on a connection of its own: some brokers cut it after the first."""
    tls = context(authorities, authorities.device("pump-a"))
    for topic in forged:
        for retain in (False, True):
            thief = Guest(broker, tls, will=f"vorab/v1/main/{VICTIM}/status")
            assert thief.refused == ""
            thief.say(topic, b'{"ts":1795467600000,"forged":1}', qos=0, retain=retain)
            thief.settle()
            thief.leave(rudely=True)


def test_a_device_cannot_speak_as_another(new_broker: NewBroker, authorities: Authorities, log: SqliteLog, tmp_path: Path) -> None:
    """Topics of another device, of every dialect, stored messages and a will in its name: the broker passes none of it on."""
    broker = new_broker()
    with working(log, settings(broker, authorities, tmp_path)):
        _forge(broker, authorities)
        mark(broker, authorities, log)
        assert strangers(log) == []


def test_a_broker_that_binds_nothing_is_caught(new_broker: NewBroker, authorities: Authorities, log: SqliteLog, tmp_path: Path) -> None:
    """Known bad: with an access list that lets everybody write everywhere, the victim has readings and a presence it never sent."""
    wide = tmp_path / "wide.acl"
    wide.write_text("pattern readwrite #\n")
    listed = str(Path("deploy") / "mosquitto" / "devices.acl")
    broker = new_broker(change=lambda conf: "".join(_with_list(line, listed, wide) for line in conf.splitlines(keepends=True)))
    with working(log, settings(broker, authorities, tmp_path)):
        _forge(broker, authorities, forged=FORGED[:2])
        mark(broker, authorities, log)
        assert {row.device for row in readings(log)} > {f"main/{VICTIM}"}
        wait_until(lambda: [one for one in bodies(log, topics.PRESENCE) if one["device"] == VICTIM], "the forged will")


def _with_list(line: str, listed: str, wide: Path) -> str:
    return f"acl_file {wide}\n" if line.rstrip().endswith(listed) else line


def test_a_payload_that_names_another_device_is_refused_and_reported(
    new_broker: NewBroker, authorities: Authorities, log: SqliteLog, tmp_path: Path
) -> None:
    """On its own topic a device claims to be another: nothing is taken, the log says who tried, and the device hears why."""
    broker = new_broker()
    with working(log, settings(broker, authorities, tmp_path)):
        thief = Guest(broker, context(authorities, authorities.device("pump-a")))
        thief.listen("vorab/v1/main/pump-a/errors")
        thief.say("vorab/v1/main/pump-a/telemetry", json.dumps({"device": VICTIM, "temperature": 400}))
        topic, said = thief.heard.get(timeout=PATIENCE_S)
        mark(broker, authorities, log)
        thief.leave()
    assert (topic, json.loads(said)["reason"]) == ("vorab/v1/main/pump-a/errors", "identity_mismatch")
    assert [(one["device"], one["reason"]) for one in bodies(log, topics.REJECTED)] == [("main/pump-a", "identity_mismatch")]
    assert {row.device for row in readings(log)} == {"main/pump-honest"}


# ------------------------------------------------------------------------------------------------ certificates


def forge_certificate(authorities: Authorities, subject: str, *more: str, kind: str = "devices", folder: Path) -> Identity:
    """A certificate the script would never give out, signed by the real authority all the same."""
    home = authorities.folder / f"{kind}-ca"
    cert, key, request = folder / "forged.crt", folder / "forged.key", folder / "forged.csr"
    environment = {"VORAB_NAMES": "DNS:none", "PATH": "/usr/bin:/bin:/usr/local/bin:/opt/homebrew/bin"}
    conf = ["-config", str(home / "openssl.cnf"), "-utf8"]
    asked = ["req", "-new", *conf, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(key)]
    signed = ["ca", "-batch", "-notext", *conf, "-extensions", "client", *more, "-in", str(request), "-out", str(cert)]
    for command in ([*asked, "-subj", subject, "-out", str(request)], signed):
        subprocess.run(["openssl", *command], check=True, capture_output=True, env=environment)
    return Identity(cert, key)


def test_without_the_right_certificate_nobody_comes_in(new_broker: NewBroker, authorities: Authorities, tmp_path: Path) -> None:
    """None, one of another authority, an expired one, one that was taken back: refused. A good one gets in."""
    authorities.do("device", "pump-gone")
    gone = tmp_path / "gone"
    gone.mkdir()
    issued = authorities.folder / "devices"
    kept = Identity(gone / "crt", gone / "key")
    kept.cert.write_bytes((issued / "pump-gone.crt").read_bytes())
    kept.key.write_bytes((issued / "pump-gone.key").read_bytes())
    authorities.do("revoke", "pump-gone")
    elsewhere = Authorities(tmp_path / "elsewhere")
    expired = forge_certificate(
        authorities, "/CN=pump-old", "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", folder=tmp_path
    )
    broker = new_broker()
    doors = {
        "no certificate": (None, broker.port),
        "another authority": (elsewhere.device("pump-a"), broker.port),
        "expired": (expired, broker.port),
        "taken back": (kept, broker.port),
        "a device at the services' door": (authorities.device("pump-a"), broker.services_port),
        "a service at the devices' door": (authorities.service("vorab-ingest"), broker.port),
    }
    for who, (identity, port) in doors.items():
        guest = Guest(broker, context(authorities, identity), port=port)
        assert guest.refused, who
        guest.client.loop_stop()
    good = Guest(broker, context(authorities, authorities.device("pump-a")))
    assert good.refused == ""
    good.leave()


def test_a_device_does_not_talk_to_a_broker_nobody_vouches_for(new_broker: NewBroker, authorities: Authorities, tmp_path: Path) -> None:
    """The broker's certificate is of another authority than the device trusts: the device hangs up."""
    broker = new_broker()
    elsewhere = Authorities(tmp_path / "elsewhere")
    tls = context(elsewhere, authorities.device("pump-a"))
    with socket.create_connection((broker.host, broker.port), timeout=PATIENCE_S) as plain, pytest.raises(ssl.SSLCertVerificationError):
        tls.wrap_socket(plain, server_hostname="localhost")


def test_a_revoked_certificate_is_refused_after_a_restart(new_broker: NewBroker, authorities: Authorities, tmp_path: Path) -> None:
    """`certificates.sh revoke` and a restart of the broker take a device out; the others stay."""
    authorities.do("device", "pump-sold")
    issued = authorities.folder / "devices"
    kept = Identity(tmp_path / "crt", tmp_path / "key")
    kept.cert.write_bytes((issued / "pump-sold.crt").read_bytes())
    kept.key.write_bytes((issued / "pump-sold.key").read_bytes())
    broker = new_broker()
    before = Guest(broker, context(authorities, kept))
    assert before.refused == ""
    before.leave()
    authorities.do("revoke", "pump-sold")
    broker.restart()
    after = Guest(broker, context(authorities, kept))
    assert after.refused
    after.client.loop_stop()
    other = Guest(broker, context(authorities, authorities.device("pump-a")))
    assert other.refused == ""
    other.leave()


# ------------------------------------------------------------------------------------------------ hostile names


HOSTILE: Final = (
    "+",
    "#",
    "pump-b/telemetry",
    "../pump-b",
    "..",
    "$SYS",
    "$share",
    "vorab",
    "vorab/v1/main/pump-b",
    "5",
    "%u",
    "pump-b#",
    "+/cmd",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_gives_no_right(new_broker: NewBroker, authorities: Authorities, log: SqliteLog, tmp_path: Path, name: str) -> None:
    """Even with a certificate whose name means something in a topic, nothing of others is heard and nothing reaches the log."""
    broker = new_broker()
    subject = "/CN=" + name.replace("/", "\\/").replace("+", "\\+")
    identity = forge_certificate(authorities, subject, folder=tmp_path)
    with working(log, settings(broker, authorities, tmp_path)):
        guest = Guest(broker, context(authorities, identity), client_id=name)
        for topic in FORGED if guest.refused == "" else ():
            forger = Guest(broker, context(authorities, identity), client_id=name)
            forger.say(topic, b'{"ts":1795467600000,"forged":1}', qos=0)
            forger.settle()
            forger.leave()
        guest = Guest(broker, context(authorities, identity), client_id=name)
        if guest.refused == "":
            guest.listen("#", "+/#", "vorab/#", "$SYS/#", f"vorab/v1/main/{VICTIM}/cmd/+")
        house = Guest(broker, context(authorities, authorities.service("vorab-ingest")), port=broker.services_port, client_id="house")
        house.say(f"vorab/v1/main/{VICTIM}/cmd/restart", b"{}")
        house.say(f"vorab/v1/main/{VICTIM}/errors", b"{}")
        house.leave()
        mark(broker, authorities, log)
        assert strangers(log) == []
        assert guest.all_heard() == []
        guest.client.loop_stop()


def text(said: bytes) -> bytes:
    """A string of MQTT."""
    return struct.pack("!H", len(said)) + said


def packet(head: int, body: bytes) -> bytes:
    """A packet of MQTT."""
    size, length = b"", len(body)
    while True:
        length, digit = divmod(length, 128)
        size += bytes((digit | (0x80 if length else 0),))
        if not length:
            return bytes((head,)) + size + body


def hello(client_id: bytes) -> bytes:
    """CONNECT of MQTT 3.1.1 with a clean session."""
    return packet(0x10, text(b"MQTT") + bytes((4, 2, 0, 60)) + text(client_id))


BLOBS: Final = {
    "64 kB of client id": hello(b"x" * 65_535),
    "a client id that is not UTF-8": hello(b"pump-\xff\xfe"),
    "a client id of ingest": hello(b"vorab-ingest"),
    "a topic that is not UTF-8": hello(b"a") + packet(0x30, text(b"vorab/v1/main/\xff/telemetry") + b'{"x":1}'),
    "a topic with a NUL": hello(b"a") + packet(0x30, text(b"vorab/v1/main/pump-b\0/telemetry") + b'{"x":1}'),
    "64 kB of topic": hello(b"a") + packet(0x30, text(b"telemetry/" + b"b" * 65_000) + b'{"x":1}'),
    "a wildcard as topic": hello(b"a") + packet(0x30, text(b"vorab/v1/main/+/telemetry") + b'{"x":1}'),
    "the broker's own topics": hello(b"a") + packet(0x30, text(b"$SYS/broker/version") + b"mine"),
    "a packet over the limit": hello(b"a") + packet(0x30, text(b"vorab/v1/main/pump-a/telemetry") + b"x" * 100_000),
    "no MQTT": b"GET / HTTP/1.1\r\n\r\n",
}


def test_bytes_no_library_would_send_reach_nobody(new_broker: NewBroker, authorities: Authorities, log: SqliteLog, tmp_path: Path) -> None:
    """Client ids and topics of 64 kB, with NUL, wildcards or invalid UTF-8: the broker stays, and the log holds what is honest."""
    broker = new_broker()
    tls = context(authorities, authorities.device("pump-a"))
    with working(log, settings(broker, authorities, tmp_path)) as worker:
        for blob in BLOBS.values():
            plain = socket.create_connection((broker.host, broker.port), timeout=PATIENCE_S)
            with suppress(OSError), tls.wrap_socket(plain, server_hostname="localhost") as line:
                line.settimeout(2)
                line.sendall(blob + b"\xe0\x00")
                while line.recv(4096):
                    pass
        mark(broker, authorities, log)
        assert worker.ready
        assert broker.child.running
        assert strangers(log) == []


# ------------------------------------------------------------------------------------------------ listening and taking over


def test_whoever_listens_to_everything_hears_what_is_meant_for_him(new_broker: NewBroker, authorities: Authorities) -> None:
    """A device subscribes to everything there is: it hears its own command and nothing else, no telemetry, no figures of the broker."""
    broker = new_broker()
    spy = Guest(broker, context(authorities, authorities.device("pump-a")))
    spy.listen("#", "+/#", "vorab/#", "vorab/v1/+/+/#", "$SYS/#", "$share/all/#")
    house = Guest(broker, context(authorities, authorities.service("vorab-ingest")), port=broker.services_port, client_id="house")
    other = Guest(broker, context(authorities, authorities.device(VICTIM)))
    other.say(f"vorab/v1/main/{VICTIM}/telemetry", b'{"x":1}')
    other.say(f"vorab/v1/main/{VICTIM}/status", b"online", retain=True)
    for device in (VICTIM, "pump-a"):
        house.say(f"vorab/v1/main/{device}/cmd/restart", b"{}")
    heard = {spy.heard.get(timeout=PATIENCE_S)[0]}
    for guest in (house, other, spy):
        guest.leave()
    heard |= {topic for topic, _ in spy.all_heard()}
    assert heard == {"vorab/v1/main/pump-a/cmd/restart"}


def _take_over(broker: TlsMosquitto, authorities: Authorities) -> Guest:
    """A device that calls itself ingest and asks for its session."""
    thief = Guest(broker, context(authorities, authorities.device("pump-a")), client_id="vorab-ingest")
    assert thief.refused == ""
    return thief


def test_nobody_takes_over_the_session_of_ingest(new_broker: NewBroker, authorities: Authorities, log: SqliteLog, tmp_path: Path) -> None:
    """A device connects with the client id of ingest: the broker calls it by its certificate, and ingest hears on."""
    broker = new_broker()
    with working(log, settings(broker, authorities, tmp_path)) as worker:
        thief = _take_over(broker, authorities)
        mark(broker, authorities, log)
        assert worker.ready
        assert "already connected" not in broker.child.tail(50)
        thief.leave()


def test_a_broker_that_believes_client_ids_is_caught(
    new_broker: NewBroker, authorities: Authorities, log: SqliteLog, tmp_path: Path
) -> None:
    """Known bad: where a client may choose its id, a device with that of ingest throws it out, and ingest says so."""
    broker = new_broker(change=lambda conf: conf.replace("use_username_as_clientid true", "use_username_as_clientid false"))
    with working(log, settings(broker, authorities, tmp_path)) as worker:
        thief = _take_over(broker, authorities)
        wait_until(lambda: not worker.ready, "ingest being thrown out")
        wait_until(lambda: not thief.client.is_connected(), "ingest taking its place back")
        thief.client.loop_stop()


def test_two_workers_share_one_certificate(new_broker: NewBroker, authorities: Authorities, log: SqliteLog, tmp_path: Path) -> None:
    """At the services' door ids are free: two workers of one certificate stand side by side, and each reading is there once."""
    broker = new_broker()
    first, second = (
        settings(broker, authorities, tmp_path).model_copy(update={"ingest": Ingest(tick_s=0.1, share=share)}) for share in ("0/2", "1/2")
    )
    with working(log, first) as one, working(log, second) as other:
        pump = Guest(broker, context(authorities, authorities.device("pump-a")))
        for i in range(20):
            pump.say("vorab/v1/main/pump-a/telemetry", b'{"x":%d}' % i)
        mark(broker, authorities, log)
        pump.leave()
        assert one.ready
        assert other.ready
    assert [row.values["x"] for row in readings(log) if row.device == "main/pump-a"] == list(range(20))


# ------------------------------------------------------------------------------------------------ nothing lost by it


@pytest.mark.parametrize(("profile", "rudely"), [("standard-tls", False), ("durable-tls", True)])
def test_what_waits_for_ingest_survives_a_restart_of_the_broker(
    new_broker: NewBroker, authorities: Authorities, log: SqliteLog, tmp_path: Path, profile: str, rudely: bool
) -> None:
    """Access lists per door do not make the broker forget what it keeps: stopped (or killed) and started, it delivers, new messages too."""
    broker = new_broker(profile)
    chosen = settings(broker, authorities, tmp_path)
    with working(log, chosen):
        pass
    pump = Guest(broker, context(authorities, authorities.device("pump-a")))
    for i in range(50):
        pump.say("vorab/v1/main/pump-a/telemetry", b'{"x":%d}' % i)
    if rudely:
        # The broker acknowledges first and saves an instant later: what was acknowledged within that instant is lost by a kill.
        wait_until(lambda: b'"x":49' in (broker.folder / "vorab.db").read_bytes(), "the broker having saved the last message")
        broker.kill()
    else:
        broker.stop()
    pump.client.loop_stop()
    broker.start()
    pump = Guest(broker, context(authorities, authorities.device("pump-a")))
    for i in range(50, 100):
        pump.say("vorab/v1/main/pump-a/telemetry", b'{"x":%d}' % i)
    with working(log, chosen):
        wait_until(lambda: len(readings(log)) >= 100, "everything that waited")
    pump.leave()
    assert [row.values["x"] for row in readings(log)] == list(range(100))


def test_the_doctor_comes_in_by_the_same_door(new_broker: NewBroker, authorities: Authorities, tmp_path: Path) -> None:
    """`vorab doctor` uses the settings of ingest: it gets in, hears itself, knows the broker, and sees when its certificate ends."""
    broker = new_broker()
    chosen = settings(broker, authorities, tmp_path).mqtt
    (tmp_path / "vorab.toml").write_text(
        f'state_dir = "{tmp_path}"\n[mqtt]\nhost = "{broker.host}"\nport = {broker.services_port}\n'
        f'ca_file = "{chosen.ca_file}"\ncert_file = "{chosen.cert_file}"\nkey_file = "{chosen.key_file}"\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "vorab", "doctor", "--json"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    found = [one for one in json.loads(done.stdout)["findings"] if one["about"] in {"mqtt", "tls"}]
    assert {one["verdict"] for one in found} == {"ok"}
    assert any("mosquitto version" in one["says"] for one in found)
    assert any(one["about"] == "tls" for one in found)
