"""umqtt.simple of MicroPython on paho: the same calls and the same habits, so that firmware/micropython runs on Python as well.

What matters of the habits: callbacks run inside the caller's `check_msg`, `wait_msg`, `publish` and `subscribe`, never on another
thread, and a publish at QoS 1 returns after the PUBACK.
"""

from __future__ import annotations

import queue
import ssl as tls
import threading
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

TIMEOUT_S = 15


class MQTTException(Exception):
    """The broker refused."""


class MQTTClient:
    """As in umqtt.simple 1.x."""

    def __init__(
        self,
        client_id: str,
        server: str,
        port: int = 0,
        user: str | None = None,
        password: str | None = None,
        keepalive: int = 0,
        ssl: tls.SSLContext | None = None,
    ) -> None:
        self.client_id, self.server, self.port, self.keepalive, self.ssl = client_id, server, port, keepalive, ssl
        self.user, self.pswd = user, password
        self.cb: Callable[[bytes, bytes], None] | None = None
        self._will: tuple[bytes, bytes, int, bool] | None = None
        self._client: paho.Client | None = None
        self._inbox: queue.Queue[tuple[bytes, bytes]] = queue.Queue()
        self._gone = threading.Event()

    def set_callback(self, f: Callable[[bytes, bytes], None]) -> None:
        """What to call for a message."""
        self.cb = f

    def set_last_will(self, topic: bytes, msg: bytes, retain: bool = False, qos: int = 0) -> None:
        """Before `connect`."""
        self._will = (topic, msg, qos, retain)

    def connect(self, clean_session: bool = True) -> int:
        """Raises OSError or MQTTException."""
        if self._client is not None:
            self._client.loop_stop()
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            self.client_id,
            clean_session=clean_session,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
        )
        if self.ssl is not None:
            client.tls_set_context(self.ssl)
        if self.user is not None:
            client.username_pw_set(self.user, self.pswd)
        if self._will is not None:
            topic, msg, qos, retain = self._will
            client.will_set(topic.decode(), msg, qos, retain)
        answered: queue.Queue[Any] = queue.Queue()
        self._gone = threading.Event()
        client.on_connect = lambda _client, _data, flags, reason, _properties: answered.put((flags, reason))
        client.on_disconnect = lambda *_: self._gone.set()
        client.on_message = lambda _client, _data, message: self._inbox.put((message.topic.encode(), bytes(message.payload)))
        self._client = client
        client.connect(self.server, self.port or (8883 if self.ssl else 1883), self.keepalive or 60)
        client.loop_start()
        flags, reason = answered.get(timeout=TIMEOUT_S)
        if reason.is_failure:
            raise MQTTException(str(reason))
        return int(flags.session_present)

    def disconnect(self) -> None:
        """Say goodbye."""
        client = self._open()
        client.disconnect()
        client.loop_stop()

    def ping(self) -> None:
        """Nothing to do: paho pings by itself."""
        self._open()

    def publish(self, topic: bytes, msg: bytes, retain: bool = False, qos: int = 0) -> None:
        """Raises OSError without a connection."""
        info = self._open().publish(topic.decode(), msg, qos, retain)
        while qos and not info.is_published():
            self._open()
            self._hand_over(0.01)

    def subscribe(self, topic: bytes, qos: int = 0) -> None:
        """Raises OSError without a connection."""
        client = self._open()
        granted = threading.Event()
        client.on_subscribe = lambda *_: granted.set()
        client.subscribe(topic.decode(), qos)
        while not granted.is_set():
            self._open()
            self._hand_over(0.01)

    def check_msg(self) -> int | None:
        """One message, if there is one; None if not."""
        self._open()
        return self._hand_over(0)

    def wait_msg(self) -> int | None:
        """One message, as soon as there is one."""
        while (head := self._hand_over(0.05)) is None:
            self._open()
        return head

    def _open(self) -> paho.Client:
        if self._client is None or self._gone.is_set():
            raise OSError(-1)
        return self._client

    def _hand_over(self, wait_s: float) -> int | None:
        try:
            topic, payload = self._inbox.get(timeout=wait_s) if wait_s else self._inbox.get_nowait()
        except queue.Empty:
            return None
        if self.cb is not None:
            self.cb(topic, payload)
        return 0x30
