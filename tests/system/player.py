"""Plays a story to a broker, as a process of its own: `python -m tests.system.player plan.json progress.txt`.

All machines share one connection with a stored session. What the broker has not acknowledged is kept and sent again after a reconnect
(QoS 1, with boot and sequence number in each message). A step is told when the one before was acknowledged, and not before the commands
that it answers have come. A line per step goes to the file of progress, and `end` at the end.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PATIENCE_S: Final = 240.0


class Player:
    """The machines' end of the line."""

    def __init__(self, plan: dict[str, Any], progress: Path) -> None:
        self._plan, self._progress = plan, progress
        self._news = threading.Condition()
        self._commands: dict[str, list[str]] = {}
        """Ids of the commands each device was given, in order; one that comes again counts once."""
        self._connected = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=plan["client_id"], protocol=mqtt.MQTTv5)
        self._client.max_inflight_messages_set(100)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._connected.set()
        self._client.on_message = self._on_message

    def play(self) -> None:
        """Tell everything."""
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types here
        session.SessionExpiryInterval = 3600
        host, port = self._plan["mqtt"]
        self._client.connect(host, port, keepalive=30, clean_start=False, properties=session)
        self._client.loop_start()
        if not self._connected.wait(PATIENCE_S):
            raise TimeoutError("no broker")
        for number, step in enumerate(self._plan["steps"]):
            began = time.monotonic()
            for answer in step["answers"]:
                self._answer(*answer)
            self._publish([(topic, payload, kind) for topic, payload, kind in step["messages"]])
            self._tell(str(number))
            time.sleep(max(0.0, self._plan["pace_s"] - (time.monotonic() - began)))
        self._tell("end")
        self._client.disconnect()
        self._client.loop_stop()

    def _answer(self, device: str, nth: int, status: str, ts_ms: int, detail: str) -> None:
        with self._news:
            if not self._news.wait_for(lambda: len(self._commands.get(device, [])) > nth, PATIENCE_S):
                raise TimeoutError(f"{device} was given no command {nth}")
            command = self._commands[device][nth]
        if not status:
            return
        body = {"id": command, "status": status, "ts": ts_ms, "detail": detail}
        self._publish([(f"vorab/v1/recorded/{device}/cmd/restart/res", json.dumps(body), "")])

    def _publish(self, messages: list[tuple[str, str, str]]) -> None:
        waiting = []
        for topic, payload, kind in messages:
            properties = None
            if kind:
                properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types here
                properties.ContentType = kind
            # Hostile payloads are bytes in latin-1 clothes: a plan is JSON.
            waiting.append(self._client.publish(topic, payload.encode("latin-1"), qos=1, properties=properties))
        deadline = time.monotonic() + PATIENCE_S
        for info in waiting:
            info.wait_for_publish(max(0.0, deadline - time.monotonic()))
            if not info.is_published():
                raise TimeoutError("the broker does not acknowledge")

    def _tell(self, line: str) -> None:
        with self._progress.open("a") as file:
            file.write(line + "\n")

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe("vorab/v1/recorded/+/cmd/+", qos=1)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        device, name = message.topic.split("/")[3], json.loads(message.payload)["id"]
        with self._news:
            known = self._commands.setdefault(device, [])
            if name not in known:
                known.append(name)
            self._news.notify_all()


if __name__ == "__main__":
    Player(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])).play()
