"""The examples for firmware authors, run for real: against Mosquitto and ingest, until the log has what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration.house import PARTITIONS, Device, bodies, readings, settings, soon, working
from tests.parts.base import PATIENCE_S, REPOSITORY, Child, missing, program
from tests.parts.fixtures import NewMosquitto
from tests.parts.mosquitto import Authorities, Mosquitto, TlsMosquitto
from vorab import topics
from vorab.clock import MINUTE, SystemClock, iso
from vorab.log import Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.records import Action, to_wire

FIRMWARE: Final = REPOSITORY / "firmware"
RUNTIMES: Final = ("python", "micropython")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    """An empty log."""
    with SqliteLog(tmp_path / "log.db", fsync=False) as made:
        yield made


@pytest.fixture
def children() -> Iterator[list[Child]]:
    """Processes that end with the test."""
    started: list[Child] = []
    yield started
    for child in started:
        child.kill()


def command(runtime: str) -> tuple[list[str], dict[str, str]]:
    """How to run firmware/micropython, and in what environment."""
    here = str(FIRMWARE / "micropython")
    if runtime == "python":
        return [sys.executable], {"PYTHONPATH": f"{here}:{REPOSITORY / 'tests' / 'parts'}"}
    where = program("micropython")
    if where is None:
        # No part that CI must have: there is no package of it in Debian 12.
        pytest.skip("micropython is not on PATH; its Unix port is built in a minute from source, and runs the same tests")
    path = f"{here}:.frozen:{os.environ.get('MICROPYPATH', Path.home() / '.micropython' / 'lib')}"
    environment = {"MICROPYPATH": path}
    found = subprocess.run([where, "-c", "import umqtt.simple"], env=os.environ | environment, check=False, capture_output=True)
    if found.returncode:
        missing("umqtt.simple for micropython", "micropython -m mip install umqtt.simple")
    return [where], environment


def thermometer(runtime: str, broker: Mosquitto, folder: Path, **config: Any) -> Child:
    """The example as a process."""
    chosen = {"host": broker.host, "port": broker.port, "device": "thermometer-1", "every_s": 0.05, "boot_file": str(folder / "boot.txt")}
    (folder / "config.json").write_text(json.dumps(chosen | config))
    argv, environment = command(runtime)
    return Child(
        f"thermometer-{runtime}-{uuid.uuid4().hex[:6]}",
        [*argv, str(FIRMWARE / "micropython" / "main.py"), str(folder / "config.json")],
        env=os.environ | environment,
    )


def finish(child: Child) -> str:
    """Run to the end and hand back what it said."""
    child.start()
    soon(lambda: not child.running, f"{child.name} having said everything")
    assert child.exit_code == 0, child.tail()
    return child.tail(1)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_readings_are_numbered_and_kept_until_they_are_in_the_log(
    new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path, children: list[Child], runtime: str
) -> None:
    """Twenty readings, each once, in order and with the device's time; the example ends when it has heard that the last one is safe."""
    broker = new_mosquitto()
    with working(log, settings(broker, tmp_path)):
        for boot in (1, 2):
            child = thermometer(runtime, broker, tmp_path, messages=20)
            children.append(child)
            assert finish(child) == "sent 20 acknowledged 20 lost 0"
            soon(lambda: len(bodies(log, topics.PRESENCE)) == 2 * boot, "the goodbye")  # noqa: B023 - asked at once
    numbered = [(row.boot, row.seq) for row in readings(log) if row.seq is not None]
    assert sorted(set(numbered)) == [(boot, seq) for boot in (1, 2) for seq in range(1, 21)]
    assert {row.quality for row in readings(log) if row.seq is not None} == {0}
    [supply, *_] = [row for row in readings(log) if row.seq is None]
    assert (supply.values, supply.units) == ({"supply": 3.3}, {"supply": "V"})
    assert [one["evidence"] for one in bodies(log, topics.PRESENCE)] == ["birth", "goodbye"] * 2
    assert bodies(log, topics.REJECTED) == []


def ask(log: SqliteLog, name: str, **params: Any) -> str:
    """Write an action as the cases do; hand back its id."""
    now = SystemClock().now()
    action = Action(
        id=uuid.uuid4().hex,
        device="thermometer-1",
        case="c1",
        remedy=name,
        name=name,
        params=params,
        at=now,
        not_before=now,
        not_after=now + MINUTE,
    )
    key, value, headers = to_wire(action, "urn:vorab:test")
    append_all(log, [Outgoing(action.TOPIC, topics.partition_of(action.key, PARTITIONS + 1, 1), key, value, headers)])
    return action.id


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_commands_are_answered_once_done_once_and_the_will_tells_of_the_end(
    new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path, children: list[Child], runtime: str
) -> None:
    """An action is done and answered; the same id again gets the same answer; what is late or unknown is refused; a kill is noticed."""
    broker = new_mosquitto()
    with working(log, settings(broker, tmp_path)):
        child = thermometer(runtime, broker, tmp_path)
        children.append(child)
        child.start()
        soon(lambda: readings(log), "the first reading")

        done = ask(log, "identify")
        soon(lambda: (done, "succeeded") in [(one["action"], one["status"]) for one in bodies(log, topics.REPLIES)], "the answer")
        refused = ask(log, "interval", every_s=-1)
        unknown = ask(log, "explode")
        soon(
            lambda: {refused, unknown} <= {one["action"] for one in bodies(log, topics.REPLIES) if one["status"] == "rejected"}, "refusals"
        )

        base = "vorab/v1/main/thermometer-1"
        other = Device(broker, "desk", listen=f"{base}/cmd/+/res")
        now = SystemClock().now()
        first = {"id": "twice", "name": "interval", "params": {"every_s": 0.1}, "not_after": iso(now + MINUTE)}
        for body in (first, first | {"params": {"every_s": 0.2}}, first | {"id": "late", "not_after": iso(now - MINUTE)}):
            other.say(f"{base}/cmd/interval", json.dumps(body))
        heard = [json.loads(other.heard.get(timeout=PATIENCE_S).payload) for _ in range(4)]
        assert [(one["id"], one["status"]) for one in heard] == [
            ("twice", "accepted"),
            ("twice", "succeeded"),
            ("twice", "succeeded"),
            ("late", "expired"),
        ]
        assert heard[1] == heard[2]
        assert heard[1]["result"] == {"every_s": 0.1}
        other.leave()

        child.kill()
        soon(lambda: bodies(log, topics.PRESENCE)[-1]["evidence"] == "will", "the will")
    assert bodies(log, topics.REJECTED) == []


def test_nothing_is_lost_when_the_broker_goes_away(
    new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path, children: list[Child]
) -> None:
    """The broker is killed in the middle, and what it had acknowledged with it: the ring of the device brings every reading again."""
    broker = new_mosquitto()
    with working(log, settings(broker, tmp_path)):
        child = thermometer("python", broker, tmp_path, messages=40)
        children.append(child)
        child.start()
        soon(lambda: len(readings(log)) >= 10, "some readings")
        broker.kill()
        broker.start()
        soon(lambda: not child.running, "everything being acknowledged")
        assert child.tail(1) == "sent 40 acknowledged 40 lost 0"
    assert sorted({row.seq for row in readings(log) if row.seq is not None}) == list(range(1, 41))


@pytest.mark.mosquitto
def test_the_example_comes_in_by_certificate(log: SqliteLog, tmp_path: Path, children: list[Child]) -> None:
    """By TLS and a client certificate, with the access lists of deploy/mosquitto: all that the example needs is allowed."""
    authorities = Authorities(tmp_path / "authorities")
    mine, house = authorities.device("thermometer-1"), authorities.service("vorab-ingest")
    broker = TlsMosquitto(tmp_path / "broker", authorities)
    children.append(broker.child)
    broker.start()
    files = {"ca_file": str(authorities.trust), "cert_file": str(house.cert), "key_file": str(house.key)}
    with working(log, settings(broker, tmp_path, mqtt={"port": broker.services_port, **files})):
        child = thermometer(
            "python", broker, tmp_path, messages=5, ca=str(authorities.trust), cert=str(mine.cert), key=str(mine.key), host="localhost"
        )
        children.append(child)
        assert finish(child) == "sent 5 acknowledged 5 lost 0"
        soon(lambda: len(bodies(log, topics.PRESENCE)) == 2, "birth and goodbye")


# ------------------------------------------------------------------------------------------------ mosquitto_pub


def shell_device(broker: Mosquitto, folder: Path, count: int) -> Child:
    """The script as a process."""
    if program("mosquitto_pub") is None:
        missing("mosquitto_pub", "your system's package mosquitto-clients")
    environment = {"HOST": broker.host, "PORT": str(broker.port), "BOOT_FILE": str(folder / "boot"), "EVERY_S": "0.05"}
    script = str(FIRMWARE / "mosquitto_pub" / "device.sh")
    return Child(f"shell-{uuid.uuid4().hex[:6]}", ["sh", script, str(count)], env=os.environ | environment)


def test_the_shell_script_is_a_device(new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path, children: list[Child]) -> None:
    """Readings with boot and seq, birth and goodbye; a second start counts the boot up."""
    broker = new_mosquitto()
    with working(log, settings(broker, tmp_path)):
        for boot in (1, 2):
            child = shell_device(broker, tmp_path, 5)
            children.append(child)
            finish(child)
            soon(lambda: len(readings(log)) >= 5 * boot and len(bodies(log, topics.PRESENCE)) >= 2 * boot, "all of it")  # noqa: B023 - asked at once
    assert [(row.boot, row.seq) for row in readings(log)] == [(boot, seq) for boot in (1, 2) for seq in range(1, 6)]
    assert [one["evidence"] for one in bodies(log, topics.PRESENCE)] == ["birth", "goodbye"] * 2
    assert bodies(log, topics.REJECTED) == []


def test_the_shell_script_obeys_once_and_its_will_fires(
    new_mosquitto: NewMosquitto, log: SqliteLog, tmp_path: Path, children: list[Child]
) -> None:
    """It answers `identify`, refuses what it does not know and what is late, and the broker tells when it is killed."""
    broker = new_mosquitto()
    with working(log, settings(broker, tmp_path)):
        child = shell_device(broker, tmp_path, 0)
        children.append(child)
        child.start()
        soon(lambda: readings(log), "the first reading")
        base = "vorab/v1/main/shell-1"
        desk = Device(broker, "desk", listen=f"{base}/cmd/+/res")
        now = SystemClock().now()
        for id_, name, until in (
            ("a", "identify", MINUTE),
            ("a", "identify", MINUTE),
            ("b", "explode", MINUTE),
            ("c", "identify", -MINUTE),
        ):
            desk.say(f"{base}/cmd/{name}", json.dumps({"id": id_, "name": name, "params": {}, "not_after": iso(now + until)}))
        heard = [json.loads(desk.heard.get(timeout=PATIENCE_S).payload) for _ in range(4)]
        assert [(one["id"], one["status"]) for one in heard] == [
            ("a", "succeeded"),
            ("a", "succeeded"),
            ("b", "rejected"),
            ("c", "expired"),
        ]
        desk.leave()
        listener = int((tmp_path / "boot.listener").read_text())
        child.kill()
        os.kill(listener, 9)
        soon(lambda: bodies(log, topics.PRESENCE)[-1]["evidence"] == "will", "the will")
