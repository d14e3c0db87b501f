"""Payloads that the topic map describes, on a real Mosquitto, published by mosquitto_pub: JSON by paths, binary, plain text."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.plan import client_id
from tests.integration.house import bodies, readings, settings, soon, working
from tests.parts.base import PATIENCE_S
from tests.parts.fixtures import NewMosquitto
from tests.parts.mosquitto import Mosquitto
from vorab import topics
from vorab.log.sqlite import SqliteLog
from vorab.settings import load

ESPHOME = Path(__file__).resolve().parents[2] / "deploy" / "topic-maps" / "esphome.toml"

GATEWAY = {
    "filter": "gateways/{device}/up",
    "map": {"device": "nodes.*~", "signals": {"t": {"path": "nodes.*.t", "unit": "°C"}, "load": {"path": "load"}}},
}
METER = {
    "filter": "meters/{device}/up",
    "packed": {
        "order": "little",
        "length": 3,
        "signals": {"flow": {"at": 0, "type": "u16", "scale": 0.1}, "leak": {"at": 2, "type": "bool"}},
    },
}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    """An empty log."""
    with SqliteLog(tmp_path / "log.db", fsync=False) as made:
        yield made


def pub(broker: Mosquitto, topic: str, payload: bytes, *, retain: bool = False) -> None:
    """Publish by mosquitto_pub."""
    where = ["-h", broker.host, "-p", str(broker.port), "-i", "mosquitto-pub", "-q", "1", "-t", topic]
    subprocess.run(["mosquitto_pub", *where, "-s", *(["-r"] if retain else [])], input=payload, check=True, timeout=PATIENCE_S)


@pytest.mark.mosquitto
def test_described_payloads_become_readings(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """Nested JSON, binary and text; and what does not fit its description is refused with its reason."""
    broker = new_mosquitto()
    chosen = settings(broker, tmp_path, ingest={"topic_map": [GATEWAY, METER]})
    with working(log, chosen):
        pub(broker, "meters/m1/up", struct.pack("<HB", 215, 1))
        pub(broker, "meters/m1/up", b"\0")
        pub(broker, "gateways/g1/up", json.dumps({"load": 3, "nodes": {"n1": {"t": 20.5}, "n 2": {"t": 21}}}).encode())
        soon(lambda: len(readings(log)) == 4, "four rows")
        soon(lambda: bodies(log, topics.REJECTED), "the refusal")
    found = {row.device: (dict(row.values), dict(row.units)) for row in readings(log)}
    assert found == {
        "main/m1": ({"flow": 21.5, "leak": True}, {}),
        "main/g1": ({"load": 3}, {}),
        "main/g1:n1": ({"t": 20.5}, {"t": "Cel"}),
        "main/g1:n~202": ({"t": 21}, {"t": "Cel"}),
    }
    assert [(one["reason"], one["device"]) for one in bodies(log, topics.REJECTED)] == [("bad_shape", "main/m1")]


@pytest.mark.mosquitto
def test_two_workers_write_a_gateway_and_its_nodes_once(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """The nodes of one message may be of different partitions: each worker writes its own, and together they write all, once."""
    broker = new_mosquitto()
    halves = [settings(broker, tmp_path, ingest={"topic_map": [GATEWAY], "share": f"{i}/2"}) for i in range(2)]
    assert len({client_id(half) for half in halves}) == 2
    nodes = {f"n{i}": {"t": i} for i in range(12)}
    with working(log, halves[0]), working(log, halves[1]):
        for load_ in range(3):
            pub(broker, "gateways/g1/up", json.dumps({"load": load_, "nodes": nodes}).encode())
        pub(broker, "gateways/g1/up", json.dumps({"nodes": {"n1": {"t": [1]}}}).encode())
        soon(lambda: len(readings(log)) >= 3 * 13, "all rows")
        soon(lambda: bodies(log, topics.REJECTED), "the refusal")
    rows = readings(log)
    assert len(rows) == 3 * 13
    assert sorted(row.values["load"] for row in rows if row.device == "main/g1") == [0, 1, 2]
    assert {row.device for row in rows} == {"main/g1", *(f"main/g1:n{i}" for i in range(12))}
    assert len(bodies(log, topics.REJECTED)) == 1


@pytest.mark.mosquitto
def test_esphome_publishes_with_the_retain_flag_and_is_heard(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path) -> None:
    """What the broker had stored is no news; what comes live is, although it carries the same flag."""
    broker = new_mosquitto()
    pub(broker, "pump-7/sensor/outlet/state", b"19.5", retain=True)
    maps = [entry.model_dump(exclude_unset=True) for entry in load(ESPHOME, {}).ingest.topic_map]
    with working(log, settings(broker, tmp_path, ingest={"topic_map": maps})):
        pub(broker, "pump-7/sensor/outlet/state", b"21.5", retain=True)
        pub(broker, "pump-7/binary_sensor/leak/state", b"ON", retain=True)
        pub(broker, "pump-7/status", b"online", retain=True)
        soon(lambda: len(readings(log)) == 2, "two rows")
        soon(lambda: bodies(log, topics.PRESENCE), "presence")
    assert [row.values for row in readings(log)] == [{"outlet": 21.5}, {"leak": True}]
