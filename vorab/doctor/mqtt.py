"""The MQTT broker: can we come in, who is it, and does a message come back?"""

from __future__ import annotations

import ipaddress
import secrets
import ssl
import stat
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from vorab.clock import SECOND, Micros, SystemClock
from vorab.doctor import Finding, note, ok, problem
from vorab.settings import Mqtt, Settings

TIMEOUT_S: Final = 5.0
VERSION_TOPIC: Final = "$SYS/broker/version"
# Retained, so a broker that tells comes up with it at once; one that does not need not be waited for long.
VERSION_WAIT_S: Final = 1.0
# Long enough to find somebody who may make a new one.
EXPIRES_SOON_DAYS: Final = 30

BROKEN: Final = {
    "mosquitto version 2.0.16": "drops everything when its queue is limited neither in messages nor in bytes",
}


@dataclass(slots=True)
class Facts:
    """What a visit to the broker brought home."""

    refused: str = ""
    """Why we did not get in; empty when we did."""
    version: str = ""
    """What the broker calls itself, where it says so."""
    echoed: bool = False
    """Whether our own message came back."""
    limits: dict[str, int] = field(default_factory=dict)
    """What an MQTT 5 broker said in its CONNACK."""
    certificate_ends: Micros | None = None
    """Until when the broker's certificate holds; None without TLS."""


def examine(settings: Settings) -> Sequence[Finding]:
    """Visit the broker of the settings and judge."""
    facts = visit(settings.mqtt)
    return [*judge(settings.mqtt, facts), *trust(settings.mqtt, facts, SystemClock().now())]


def trust(mqtt: Mqtt, facts: Facts, now: Micros) -> list[Finding]:
    """Whether the way to the broker can be trusted, at `now` (µs)."""
    if not mqtt.ca_file:
        if _loopback(mqtt.host):
            return []
        return [
            note(
                "tls",
                f"the way to {mqtt.host} is plain text: whoever stands in it reads, forges and withholds telemetry and commands",
                "set [mqtt] ca_file, cert_file and key_file; deploy/mosquitto/README.md shows both sides",
            )
        ]
    if mqtt.key_file and _open_to_others(Path(mqtt.key_file)):
        return [problem("tls", f"{mqtt.key_file} can be read by other users of this machine", f"chmod 600 {mqtt.key_file}")]
    if facts.certificate_ends is None:
        return []
    days = (facts.certificate_ends - now) // (86_400 * SECOND)
    if days < EXPIRES_SOON_DAYS:
        return [note("tls", f"the broker's certificate ends in {days} days; then nobody gets in", "make a new one and restart the broker")]
    return [ok("tls", f"the broker's certificate holds for {days} days")]


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _open_to_others(file: Path) -> bool:
    try:
        return bool(stat.S_IMODE(file.stat().st_mode) & 0o077)
    except OSError:
        return False


def judge(mqtt: Mqtt, facts: Facts) -> list[Finding]:
    """What the facts mean."""
    where = f"{mqtt.host}:{mqtt.port}"
    if facts.refused:
        return [
            problem(
                "mqtt",
                f"no connection to {where}: {facts.refused}",
                "start the broker (deploy/mosquitto/) or set [mqtt] host, port, username, password, ca_file",
            )
        ]
    name = facts.version or "a broker that does not say who it is"
    findings = [ok("mqtt", f"{name} at {where}, MQTT {mqtt.protocol}")]
    if facts.version in BROKEN:
        findings.append(problem("mqtt", f"{facts.version} {BROKEN[facts.version]}", "use another version of the broker"))
    if not facts.echoed:
        findings.append(
            note(
                "mqtt",
                f"a message published to vorab/doctor/… did not come back within {TIMEOUT_S:g} s",
                "allow this user to read and write vorab/doctor/#, or look whether the broker drops messages",
            )
        )
    if facts.limits.get("MaximumQoS", 2) < mqtt.qos:
        findings.append(
            problem("mqtt", "the broker does not offer QoS 1, so nothing is acknowledged", "use a broker that does, or set qos = 0")
        )
    largest = facts.limits.get("MaximumPacketSize", 0)
    if 0 < largest < 1024:
        findings.append(problem("mqtt", f"the broker takes packets of {largest} bytes only", "raise its packet size to 65536 or more"))
    return findings


def visit(mqtt: Mqtt, timeout_s: float = TIMEOUT_S) -> Facts:
    """Connect, ask for the version, send ourselves a message, and leave."""
    facts = Facts()
    answered, knows, echoed = threading.Event(), threading.Event(), threading.Event()
    topic = f"vorab/doctor/{secrets.token_hex(8)}"
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"vorab-doctor-{secrets.token_hex(4)}",
        protocol=MQTTv5 if mqtt.protocol == "5" else MQTTv311,
    )
    if mqtt.username:
        client.username_pw_set(mqtt.username, mqtt.password.get_secret_value())
    if mqtt.ca_file:
        try:
            client.tls_set(mqtt.ca_file, mqtt.cert_file or None, mqtt.key_file or None)
        except OSError as error:
            facts.refused = f"the TLS files cannot be used: {error}"
            return facts

    def on_connect(_client: Client, _data: object, _flags: object, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            facts.refused = f"the broker says: {reason}"
        else:
            facts.limits = {name: value for name, value in vars(properties or object).items() if isinstance(value, int)}
            facts.certificate_ends = _certificate_ends(client.socket())
        answered.set()

    def on_message(_client: Client, _data: object, message: MQTTMessage) -> None:
        if message.topic == VERSION_TOPIC:
            facts.version = message.payload.decode(errors="replace")
            knows.set()
        else:
            facts.echoed = True
            echoed.set()

    def on_subscribe(*_: object) -> None:
        client.publish(topic, b"?", qos=1)

    client.on_connect, client.on_message, client.on_subscribe = on_connect, on_message, on_subscribe
    client.connect_timeout = timeout_s
    try:
        client.connect(mqtt.host, mqtt.port, keepalive=mqtt.keepalive_s)
    except (OSError, ValueError) as error:
        facts.refused = str(error) or type(error).__name__
        return facts
    client.loop_start()
    try:
        if not answered.wait(timeout_s):
            facts.refused = f"it took the connection and said nothing for {timeout_s:g} s"
        elif not facts.refused:
            client.subscribe([(VERSION_TOPIC, 0), (topic, 1)])
            echoed.wait(timeout_s)
            knows.wait(VERSION_WAIT_S)
    finally:
        client.disconnect()
        client.loop_stop()
    return facts


def _certificate_ends(line: object) -> Micros | None:
    if not isinstance(line, ssl.SSLSocket):
        return None
    ends: Any = (line.getpeercert() or {}).get("notAfter")
    return ssl.cert_time_to_seconds(ends) * SECOND if ends else None
