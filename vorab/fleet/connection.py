"""One MQTT connection of the fleet: the only module here that knows paho. What happens on it goes into one inbox."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Final, Literal

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from vorab.fleet.protocol import Request

SESSION_S: Final = 3600
# Mosquitto's and MQTT 5's usual limit; paho does not read the broker's own, and more would end the connection (0x93).
INFLIGHT: Final = 20


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the MQTT broker is, and how to get in."""

    host: str = "127.0.0.1"
    port: int = 1883
    protocol: Literal["5", "3.1.1"] = "5"
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    keepalive_s: int = 30


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker let us in."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection broke, or ended."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class Acked:
    """The broker has a message (QoS 1), or it left the socket (QoS 0)."""

    connection: Connection
    mid: int
    ok: bool


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message came."""

    connection: Connection
    request: Request


class _Client(mqtt.Client):
    """A paho client whose network can be taken away: then it keeps trying, with everything it still has to send."""

    cut = False

    def reconnect(self) -> MQTTErrorCode:
        if self.cut:
            raise OSError(errno.ENETUNREACH, "the network module is dead")
        return super().reconnect()


Happening = Connected | Disconnected | Acked | Arrived
Inbox = SimpleQueue[Happening]


class Connection:
    """A paho client that reconnects by itself, resends what was not acknowledged, and buffers a bounded number of messages.

    Args:
        name: The client id; the session under it survives a break of the connection.
        filters: Subscribed again on every connect.
        will: Topic and payload the broker publishes, retained, when the connection dies without a goodbye.
        buffer: Most messages that wait for their acknowledgement; more are refused.
        inflight: Most messages on the wire without their acknowledgement.
        session_s: How long the broker keeps the session of an absent client (MQTT 3.1.1: for ever, unless 0).
    """

    def __init__(
        self,
        name: str,
        broker: Broker,
        inbox: Inbox,
        *,
        filters: Sequence[str] = (),
        will: tuple[str, bytes] | None = None,
        buffer: int = 10_000,
        inflight: int = INFLIGHT,
        session_s: int = SESSION_S,
    ) -> None:
        self.name, self.broker, self.filters, self.inflight = name, broker, tuple(filters), inflight
        self._inbox, self._session_s = inbox, session_s
        self._five = broker.protocol == "5"
        client = self._client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=name,
            protocol=mqtt.MQTTv5 if self._five else mqtt.MQTTv311,
            clean_session=None if self._five else session_s == 0,
        )
        client.max_inflight_messages_set(inflight)
        client.max_queued_messages_set(buffer)
        # Fractions of a second work although the annotation says int; on a story clock a second is ten minutes.
        client.reconnect_delay_set(0.2, 1)  # type: ignore[arg-type]  # paho takes fractions
        if broker.username:
            client.username_pw_set(broker.username, broker.password or None)
        if broker.ca_file:
            client.tls_set(broker.ca_file, broker.cert_file or None, broker.key_file or None)
        if will is not None:
            client.will_set(will[0], will[1], qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message

    @property
    def connected(self) -> bool:
        """Whether the broker let us in and is still there, as far as we know."""
        return self._client.is_connected()

    def start(self) -> None:
        """Connect in the background, and again whenever the connection breaks."""
        properties = None
        if self._five:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types here
            properties.SessionExpiryInterval = self._session_s
        self._client.connect_async(
            self.broker.host,
            self.broker.port,
            keepalive=self.broker.keepalive_s,
            clean_start=False if self._five else mqtt.MQTT_CLEAN_START_FIRST_ONLY,
            properties=properties,
        )
        self._client.loop_start()

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, correlation: bytes = b"") -> int | None:
        """Hand a message over; its number, or None where the buffer is full (QoS 0: where there is no connection)."""
        properties = None
        if self._five:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types here
            properties.ContentType = "application/json"
            if correlation:
                properties.CorrelationData = correlation
        info = self._client.publish(topic, payload, qos=qos, retain=retain, properties=properties)
        waits = info.rc == mqtt.MQTT_ERR_SUCCESS or (qos > 0 and info.rc == mqtt.MQTT_ERR_NO_CONN)
        return info.mid if waits else None

    def cut(self) -> None:
        """Lose the network without a goodbye: the broker publishes the will. `restore` brings it back."""
        self._client.cut = True
        sock: Any = self._client.socket()
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def restore(self) -> None:
        """Have a network again; the client connects within a second."""
        self._client.cut = False

    def stop(self) -> None:
        """Say goodbye and end."""
        self._client.disconnect()
        self._client.loop_stop()

    # Callbacks run in paho's thread; an exception there would kill it, so they only put things into the inbox.

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            return
        if self.filters:
            client.subscribe([(filter_, 1) for filter_ in self.filters])
        self._inbox.put(Connected(self))

    def _on_disconnect(self, _client: mqtt.Client, _data: Any, _flags: Any, _reason: Any, _properties: Any) -> None:
        self._inbox.put(Disconnected(self))

    def _on_publish(self, _client: mqtt.Client, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        self._inbox.put(Acked(self, mid, ok=not reason.is_failure))

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        properties = message.properties
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        self._inbox.put(
            Arrived(
                self,
                Request(
                    topic=topic,
                    payload=bytes(message.payload),
                    response_topic=getattr(properties, "ResponseTopic", ""),
                    correlation=getattr(properties, "CorrelationData", b""),
                    retained=message.retain,
                ),
            )
        )
