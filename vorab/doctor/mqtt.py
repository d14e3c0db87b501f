"""The MQTT broker: can we come in, who is it, and does a message come back?"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from vorab.doctor import Finding, note, ok, problem
from vorab.settings import Mqtt, Settings

TIMEOUT_S: Final = 5.0
VERSION_TOPIC: Final = "$SYS/broker/version"
# Retained, so a broker that tells comes up with it at once; one that does not need not be waited for long.
VERSION_WAIT_S: Final = 1.0

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


def examine(settings: Settings) -> Sequence[Finding]:
    """Visit the broker of the settings and judge."""
    return judge(settings.mqtt, visit(settings.mqtt))


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
        client.tls_set(mqtt.ca_file, mqtt.cert_file or None, mqtt.key_file or None)

    def on_connect(_client: Client, _data: object, _flags: object, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            facts.refused = f"the broker says: {reason}"
        else:
            facts.limits = {name: value for name, value in vars(properties or object).items() if isinstance(value, int)}
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
