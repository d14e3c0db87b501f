"""End to end against `kill -9`: what a device or an HTTP client was told is in the log, is in the log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.integration.house import PARTITIONS, readings, soon
from tests.parts.base import PATIENCE_S, free_port, wait_until
from tests.parts.fixtures import NewKafka, NewMosquitto
from tests.parts.mosquitto import Mosquitto
from vorab.log import open_log

ON_RECEIPT: Final = """
import sys
from ingest import kept, loop
from vorab.cli import main

owed, late = [], []
kept.ticket = lambda passes, answers=(): owed.append(kept.Ticket([mark for one in passes for mark in one.marks], answers))

def early(do):
    def done(self, *arguments):
        append = self._log.append
        before, late[:] = late[:], []
        for record, confirmed in before:
            append(record, confirmed)
        self._log.append = lambda record, confirmed=None: late.append((record, confirmed))
        do(self, *arguments)
        self._log.append = append
        for ticket in owed:
            self._tell(kept.redeem(ticket, self._book, self._now))
        owed.clear()
        return None
    return done

loop.Loop._take = early(loop.Loop._take)
see = loop.Loop._see_visitors
loop.Loop._see_visitors = lambda self, now: (early(see) if self.door.waiting else see)(self, now)
sys.exit(main(sys.argv[1:]))
"""
"""Known bad: tells devices and HTTP clients on receipt, and writes each read only when the next one comes."""


class Firmware:
    """A device that keeps what it has measured until it hears that the log has it, and sends it again when it hears nothing."""

    WINDOW: Final = 200
    AGAIN_S: Final = 0.3

    def __init__(self, broker: Mosquitto, name: str, count: int, qos: int) -> None:
        self.name, self.count, self.qos = name, count, qos
        self.heard = 0
        self._sent = 0
        self._news = threading.Condition()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, name, protocol=paho.MQTTv311)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda client, *_: client.subscribe(f"vorab/v1/main/{name}/ack", qos=0)
        self.client.on_message = self._hear
        self.client.connect_async(broker.host, broker.port)
        self.client.loop_start()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _hear(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        body = json.loads(message.payload)
        assert body["boot"] == 1
        with self._news:
            if self.heard < body["seq"] <= self._sent:
                self.heard = body["seq"]
                self._news.notify_all()

    def _run(self) -> None:
        while self.heard < self.count:
            while self._sent < min(self.count, self.heard + self.WINDOW):
                self._sent += 1
                self._send(self._sent)
            with self._news:
                progress = self._news.wait(self.AGAIN_S)
            if not progress:
                for seq in range(self.heard + 1, self._sent + 1):
                    self._send(seq)

    def _send(self, seq: int) -> None:
        if self.client.is_connected():
            body = {"x": seq, "boot": 1, "seq": seq, "acked": self.heard}
            self.client.publish(f"vorab/v1/main/{self.name}/telemetry", json.dumps(body), qos=self.qos)

    @property
    def done(self) -> bool:
        """Whether everything was acknowledged."""
        return not self._thread.is_alive()

    def leave(self) -> None:
        """Go, wherever it stands."""
        self.count = 0
        self._thread.join(PATIENCE_S)
        self.client.disconnect()
        self.client.loop_stop()


class Worker:
    """Ingest as a process of its own, to kill and start again."""

    def __init__(self, broker: Mosquitto, folder: Path, *, code: str = "", log: str = "", **env: str) -> None:
        self.address = log or f"sqlite:///{folder / 'log.db'}"
        self._output = folder / "worker.log"
        start = ["-c", code] if code else ["-m", "vorab"]
        options = ["--mqtt", f"127.0.0.1:{broker.port}", "--log", self.address, "--partitions", str(PARTITIONS), "--state-dir", str(folder)]
        self._command = [sys.executable, *start, "ingest", *options]
        self._env = {**os.environ, "VORAB_INGEST_ACK_STALL_S": "5", **env}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it need not be ready."""
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output, env=self._env)

    def kill(self) -> None:
        """`kill -9`."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE_S)

    def stored(self) -> set[tuple[str, int | None]]:
        """Device and number of all rows."""
        with open_log(self.address) as log:
            return {(row.device.removeprefix("main/"), row.seq) for row in readings(log)}


@contextmanager
def running(worker: Worker) -> Iterator[Worker]:
    """A worker that is killed in the end."""
    worker.start()
    try:
        yield worker
    finally:
        worker.kill()


def at_least(count: Callable[[], int], goal: int) -> Callable[[], bool]:
    """A condition to wait for."""
    return lambda: count() >= goal


@pytest.mark.parametrize("qos", [0, 1])
def test_what_a_device_was_told_survives_every_kill(new_mosquitto: NewMosquitto, tmp_path: Path, qos: int) -> None:
    """Ingest dies four times and the broker with all it held once: no number that was acknowledged end to end is missing.

    With QoS 0 nothing else protects these readings, and in the end each has come through.
    """
    broker = new_mosquitto()
    with running(Worker(broker, tmp_path)) as worker:
        devices = [Firmware(broker, f"pump-{i}", 2_000, qos) for i in range(3)]
        told = lambda: sum(device.heard for device in devices)  # noqa: E731 - asked often
        for turn in range(1, 6):
            soon(at_least(told, turn * 1_000), "acknowledgements")
            if turn == 3:
                broker.kill()
                broker.start()
            else:
                worker.kill()
                worker.start()
        soon(lambda: all(device.done for device in devices), "everybody has heard everything")
        for device in devices:
            device.leave()
    assert {(f"pump-{i}", seq) for i in range(3) for seq in range(1, 2_001)} <= worker.stored()


def test_what_a_device_was_told_is_in_kafka(new_mosquitto: NewMosquitto, new_kafka: NewKafka, tmp_path: Path) -> None:
    """The same on Kafka, where confirmations come late and many are under way: ingest dies three times, Kafka's broker once."""
    broker, kafka = new_mosquitto(), new_kafka()
    with running(Worker(broker, tmp_path, log=kafka.log_address)) as worker:
        device = Firmware(broker, "pump-0", 2_000, 0)
        for turn in range(1, 5):
            soon(at_least(lambda: device.heard, turn * 400), "acknowledgements")
            if turn == 3:
                kafka.kill()
                kafka.start()
            else:
                worker.kill()
                worker.start()
        wait_until(lambda: device.done, "everything is acknowledged")
        device.leave()
        assert {("pump-0", seq) for seq in range(1, 2_001)} <= worker.stored()


def test_a_worker_that_tells_on_receipt_is_caught(new_mosquitto: NewMosquitto, tmp_path: Path) -> None:
    """Known bad: it acknowledges what it has only received, and a kill takes that away."""
    broker = new_mosquitto()
    with running(Worker(broker, tmp_path, code=ON_RECEIPT)) as worker:
        device = Firmware(broker, "pump-0", 300, 0)
        soon(lambda: device.done, "acknowledgements")
        device.leave()
    assert not {("pump-0", seq) for seq in range(1, 301)} <= worker.stored()


def test_a_worker_that_answers_http_on_receipt_is_caught(new_mosquitto: NewMosquitto, tmp_path: Path) -> None:
    """Known bad: a success before the log has it, and a kill takes that away."""
    port = free_port()
    succeeded = 0
    http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S, trust_env=False)
    with http, running(Worker(new_mosquitto(), tmp_path, code=ON_RECEIPT, VORAB_INGEST_HTTP_PORT=str(port))) as worker:
        soon(lambda: posted(http, 1), "the first success")
        succeeded = 1 + sum(posted(http, seq) for seq in range(2, 50))
    assert succeeded == 49
    assert not {("pump-0", seq) for seq in range(1, 50)} <= worker.stored()


def posted(http: httpx.Client, seq: int) -> bool:
    """Whether a number was taken."""
    try:
        return http.post("/v1/main/pump-0/telemetry", json={"x": seq, "boot": 1, "seq": seq}).status_code == 204
    except httpx.TransportError:
        return False


def test_what_was_answered_by_http_survives_every_kill(new_mosquitto: NewMosquitto, tmp_path: Path) -> None:
    """Four clients post number after number, each until it succeeds; ingest dies four times: every success is in the log."""
    port = free_port()
    succeeded: list[tuple[str, int]] = []
    again: list[int] = []

    def speak(name: str) -> None:
        address = f"http://127.0.0.1:{port}/v1/main/{name}/telemetry"
        with httpx.Client(timeout=PATIENCE_S, trust_env=False) as http:
            seq = 1
            while seq <= 400:
                try:
                    status = http.post(address, json={"x": seq, "boot": 1, "seq": seq}).status_code
                except httpx.TransportError:
                    status = 0
                if status == 204:
                    succeeded.append((name, seq))
                    seq += 1
                else:
                    again.append(status)
                    pause.wait(0.02)

    pause = threading.Event()
    with running(Worker(new_mosquitto(), tmp_path, VORAB_INGEST_HTTP_PORT=str(port))) as worker:
        clients = [threading.Thread(target=speak, args=(f"pump-{i}",), daemon=True) for i in range(4)]
        for client in clients:
            client.start()
        for turn in range(1, 5):
            soon(at_least(lambda: len(succeeded), turn * 300), "successes")
            worker.kill()
            worker.start()
        for client in clients:
            client.join(PATIENCE_S)
            assert not client.is_alive()
    assert len(succeeded) == 1_600
    assert again, "no kill came in the middle of the work"
    assert set(succeeded) <= worker.stored()
