"""HTTP ingest beside a real Mosquitto: what a success means, who is let in, what happens while the log or the broker is away."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.service import Ingest
from tests.integration.house import Device, Holding, Slow, bodies, readings, settings, soon, working
from tests.parts.base import PATIENCE_S
from tests.parts.fixtures import NewMosquitto
from tests.parts.mosquitto import Mosquitto
from vorab import metrics, topics
from vorab.clock import SystemClock
from vorab.errors import ConfigError
from vorab.log.sqlite import SqliteLog
from vorab.settings import Settings

SAMPLES = Path(__file__).parents[1] / "samples" / "webhooks"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    """An empty log."""
    with SqliteLog(tmp_path / "log.db", fsync=False) as made:
        yield made


def with_http(broker: Mosquitto, folder: Path, **more: Any) -> Settings:
    """Settings of a worker with an HTTP port; `more` goes to ingest."""
    return settings(broker, folder, ingest={"http_port": 0, **more})


def line(name: str, token: str) -> str:
    """A line of the file of tokens."""
    return f"{name} {hashlib.sha256(token.encode()).hexdigest()}\n"


def client(worker: Ingest, *, token: str = "", **more: Any) -> httpx.Client:
    """Somebody who speaks HTTP."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    scheme = "https" if "verify" in more else "http"
    return httpx.Client(base_url=f"{scheme}://127.0.0.1:{worker.http_port}", headers=headers, timeout=PATIENCE_S, trust_env=False, **more)


# ------------------------------------------------------------------------------------------------ readings


def test_readings_by_http_are_readings(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """The same payloads as by MQTT, in the log when the answer is here; refusals with their reason, and written down."""
    requests = metrics.metric("vorab_ingest_http_requests_total")
    before = requests.labels("telemetry", "2xx")._value.get()
    with working(log, with_http(new_mosquitto(), tmp_path)) as worker, client(worker) as http:
        place = "/v1/main/pump-7/telemetry"
        assert http.post(place, json={"x": 1.5, "boot": 1, "seq": 1}).status_code == 204
        assert [(row.device, row.values, row.seq) for row in readings(log)] == [("main/pump-7", {"x": 1.5}, 1)]
        pack = [{"n": "t", "u": "Cel", "v": 23.5}]
        assert http.post(place, content=json.dumps(pack), headers={"content-type": "application/senml+json"}).status_code == 204
        assert http.post("/v1/acme/pump-7/telemetry", json=[{"x": 2}, {"x": 3}]).status_code == 204
        assert [(row.device, row.values) for row in readings(log) if row.device == "acme/pump-7"] == [
            ("acme/pump-7", {"x": 2}), ("acme/pump-7", {"x": 3}),
        ]  # fmt: skip
        bad = http.post(place, content=b'{"x":')
        assert (bad.status_code, bad.json()["reason"]) == (400, "bad_json")
        assert [(one["reason"], one["device"]) for one in bodies(log, topics.REJECTED)] == [("bad_json", "main/pump-7")]
        assert http.post(place, json={"device": "pump-8", "x": 1}).status_code == 403
        assert http.post(place, content=b"<x/>", headers={"content-type": "text/xml"}).status_code == 415
        assert http.post(place, json={"x": 1}, headers={"content-encoding": "gzip"}).status_code == 415
        assert http.get(place).status_code == 405
        assert http.post("/v1/main/telemetry", json={}).status_code == 404
        assert http.post(place, json={"x": 1}, headers={"origin": "https://example.org"}).status_code == 403
        assert http.post("/v1/main/a%2Fb/telemetry", json={"x": 1}).status_code in {400, 404}
        assert http.post("/v1/main/%2B/telemetry", json={"x": 1}).status_code == 400
    assert requests.labels("telemetry", "2xx")._value.get() == before + 3


def test_a_payload_that_is_too_large_is_not_read_to_its_end(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """Neither where its length is announced nor where it comes in pieces without end; both are written down."""

    def endless() -> Iterator[bytes]:
        for _ in range(10_000):
            yield b" " * 65_536

    with working(log, with_http(new_mosquitto(), tmp_path)) as worker, client(worker) as http:
        with socket.create_connection(("127.0.0.1", worker.http_port or 0)) as raw:
            raw.sendall(b"POST /v1/main/pump-7/telemetry HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n{")
            assert raw.recv(100).startswith(b"HTTP/1.1 413 ")
        with suppress(httpx.TransportError):  # the answer may come while we still write, and then the connection is closed on us
            assert http.post("/v1/main/pump-7/telemetry", content=endless()).status_code == 413
        soon(lambda: len(bodies(log, topics.REJECTED)) == 2, "both refusals")
    assert [one["reason"] for one in bodies(log, topics.REJECTED)] == ["too_large", "too_large"]
    assert bodies(log, topics.REJECTED)[0]["size_bytes"] == 99_999_999


def test_a_success_is_said_only_when_the_log_has_it(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """The log keeps its confirmation back, and so the answer waits for it."""
    slow: Any = Holding(log)
    with (
        working(slow, with_http(new_mosquitto(), tmp_path, tick_s=60)) as worker,
        client(worker) as http,
        ThreadPoolExecutor() as pool,
    ):
        slow.holding.set()
        answer = pool.submit(http.post, "/v1/main/pump-7/telemetry", json={"x": 1})
        soon(lambda: len(slow.held) == 1, "the record")
        assert not answer.done()
        slow.held[0](None)
        assert answer.result(PATIENCE_S).status_code == 204


def test_who_waits_too_long_is_told_to_come_again(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """A log that says nothing: 503 with a time to come back, and a late confirmation harms nobody."""
    slow: Any = Holding(log)
    with working(slow, with_http(new_mosquitto(), tmp_path, tick_s=60, http_timeout_s=0.3)) as worker, client(worker) as http:
        slow.holding.set()
        answer = http.post("/v1/main/pump-7/telemetry", json={"x": 1})
        assert (answer.status_code, answer.json()["reason"], int(answer.headers["retry-after"]) > 0) == (503, "unknown", True)
        slow.holding.clear()
        for confirmed in slow.held:
            confirmed(None)
        soon(lambda: http.post("/v1/main/pump-7/telemetry", json={"x": 2}).status_code == 204, "a success")


def test_while_the_log_or_the_broker_is_away_nothing_is_taken(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """503 at once instead of a memory that fills; afterwards all goes on."""
    broker = new_mosquitto()
    slow: Any = Slow(log)
    with working(slow, with_http(broker, tmp_path)) as worker, client(worker) as http:

        def post() -> int:
            return http.post("/v1/main/pump-7/telemetry", json={"x": 1}).status_code

        slow.refusing.set()
        soon(lambda: not worker.ready, "the worker notices")
        assert post() == 503
        slow.refusing.clear()
        soon(lambda: worker.ready, "the worker recovers")
        soon(lambda: post() == 204, "the door opens")
        broker.kill()
        soon(lambda: not worker.ready, "the worker notices")
        soon(lambda: post() == 503, "the door closes")
        broker.start()
        soon(lambda: worker.ready, "everybody is back")
        soon(lambda: post() == 204, "the door opens")


def test_many_at_once_are_all_answered_and_all_there(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """1,000 requests on 20 connections, MQTT beside them: every success is in the log, once."""
    broker = new_mosquitto()
    with working(log, with_http(broker, tmp_path)) as worker, ThreadPoolExecutor(20) as pool:

        def speak(worker_number: int) -> list[int]:
            with client(worker) as http:
                return [http.post(f"/v1/main/p{worker_number}/telemetry", json={"x": i}).status_code for i in range(50)]

        speaker = Device(broker, "speaker")
        threading.Thread(target=speaker.say_all, args=([("telemetry/pump-7", b'{"x":%d}' % i) for i in range(1_000)],)).start()
        statuses = [status for found in pool.map(speak, range(20)) for status in found]
        soon(lambda: len(readings(log)) == 2_000, "all rows")
    assert statuses == [204] * 1_000
    for number in range(20):
        assert [row.values["x"] for row in readings(log) if row.device == f"main/p{number}"] == list(range(50))


# ------------------------------------------------------------------------------------------------ who is let in


def test_a_token_speaks_for_its_device_only(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """Unknown: 401; somebody else's: 403; and a new file counts without a restart."""
    file = tmp_path / "tokens.txt"
    file.write_text(line("main/pump-7", "a") + line("main/*", "b"))
    with working(log, with_http(new_mosquitto(), tmp_path, http_tokens=str(file))) as worker:

        def post(token: str, path: str = "/v1/main/pump-7/telemetry") -> int:
            with client(worker, token=token) as http:
                return http.post(path, json={"x": 1}).status_code

        hook = "/v1/main/alertmanager"
        assert [post(token) for token in ("", "nonsense", "a", "b")] == [401, 401, 204, 204]
        assert [post(token, "/v1/main/pump-8/telemetry") for token in ("a", "b")] == [403, 204]
        assert [post(token, "/v1/acme/pump-7/telemetry") for token in ("a", "b")] == [403, 403]
        assert [post(token, hook) for token in ("", "a", "b")] == [401, 403, 400]
        file.write_text(line("main/pump-7", "c"))
        soon(lambda: post("a") == 401, "the old token is gone")
        assert post("c") == 204
        file.write_text("nonsense")
        assert post("c") == 204, "a file that cannot be read changes nothing"
    assert len(readings(log)) == 5


def test_without_tokens_only_this_machine_is_served(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """An address that others reach wants tokens; a port that is taken and tokens that are not there are named."""
    broker = new_mosquitto()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for chosen, key in (
            ({"http_host": "0.0.0.0"}, "ingest.http_host"),  # noqa: S104 - refused, which is the point
            ({"http_tokens": str(tmp_path / "none")}, "ingest.http_tokens"),
            ({"http_port": taken.getsockname()[1]}, "ingest.http_port"),
            ({"http_cert_file": str(tmp_path / "none"), "http_key_file": str(tmp_path / "none")}, "ingest.http_cert_file"),
        ):
            with working(log, with_http(broker, tmp_path)), pytest.raises(ConfigError) as caught:
                Ingest(log, with_http(broker, tmp_path, **chosen), SystemClock())
            assert caught.value.key == key


def test_by_tls(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """With a certificate the server speaks HTTPS, and only that."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    create = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*create, *subject], check=True, capture_output=True)
    with working(log, with_http(new_mosquitto(), tmp_path, http_cert_file=str(cert), http_key_file=str(key))) as worker:
        with client(worker, verify=ssl.create_default_context(cafile=str(cert))) as http:
            assert http.post("/v1/main/pump-7/telemetry", json={"x": 1}).status_code == 204
        with client(worker) as http, pytest.raises(httpx.TransportError):
            http.post("/v1/main/pump-7/telemetry", json={"x": 2})
    assert len(readings(log)) == 1


# ------------------------------------------------------------------------------------------------ webhooks


def test_recorded_webhooks_become_alarms(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """Answered when the log has them; the alert that names no device is a refusal of its own."""
    with working(log, with_http(new_mosquitto(), tmp_path)) as worker, client(worker) as http:
        for name in ("firing", "resolved"):
            answer = http.post("/v1/main/alertmanager", content=(SAMPLES / f"alertmanager-0.25-{name}.json").read_bytes())
            assert (answer.status_code, answer.json()) == (200, {"alarms": 2, "refused": 1})
        for name in ("created", "cleared"):
            body = (SAMPLES / f"thingsboard-{name}.json").read_bytes()
            assert http.post("/v1/main/thingsboard", params={"device": "pump-9"}, content=body).status_code == 200
        found = [(one["device"], one["name"], one["active"]) for one in bodies(log, topics.ALARMS)]
    assert sorted(found) == sorted([
        ("pump-7", "MotorTooHot", True), ("10.0.0.8:9100", "MotorTooHot", True),
        ("pump-7", "MotorTooHot", False), ("10.0.0.8:9100", "MotorTooHot", True),
        ("pump-9", "Overheating", True), ("pump-9", "Overheating", False),
    ])  # fmt: skip
    assert len({one["id"] for one in bodies(log, topics.ALARMS)}) == 5, "what Alertmanager repeats has the id it had"
    assert [one["reason"] for one in bodies(log, topics.REJECTED)] == ["bad_shape", "bad_shape"]
