"""`vorab doctor` and `vorab topics` against real brokers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from tests.parts.base import PATIENCE_S, free_port, wait_until
from tests.parts.fixtures import NewKafka
from tests.parts.mosquitto import Mosquitto
from vorab.doctor import Verdict, mqtt
from vorab.settings import Mqtt


def vorab(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder of its own."""
    return subprocess.run(
        [sys.executable, "-m", "vorab", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )


def about(done: subprocess.CompletedProcess[str], *names: str) -> list[dict[str, Any]]:
    """The findings on these subjects."""
    return [finding for finding in json.loads(done.stdout)["findings"] if finding["about"] in names]


def test_a_sound_installation_on_real_brokers_has_no_problems(new_kafka: NewKafka, mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Before `vorab topics` the doctor sends you there; after it, everything is fine; and one topic of another size is found."""
    kafka = new_kafka()
    where = ["--log", kafka.log_address]
    command = ["doctor", *where, "--mqtt", f"{mosquitto.host}:{mosquitto.port}", "--json"]

    before = vorab(tmp_path, *command)
    assert before.returncode == 1, before.stderr
    assert [finding["do"] for finding in about(before, "topics")] == ["run `vorab topics`"]

    assert vorab(tmp_path, "topics", *where).returncode == 0
    after = vorab(tmp_path, *command)
    assert after.returncode == 0, after.stdout
    assert {finding["verdict"] for finding in about(after, "kafka", "mqtt", "topics")} == {"ok"}
    assert "mosquitto version" in about(after, "mqtt")[0]["says"]

    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    try:
        admin.delete_topics(["vorab.replies"])
        wait_until(lambda: "vorab.replies" not in admin.list_topics(), "the topic being gone")
        admin.create_topics([NewTopic(name="vorab.replies", num_partitions=5, replication_factor=1)])
        wait_until(lambda: "vorab.replies" in admin.list_topics(), "the topic being back")
    finally:
        admin.close()
    assert "vorab.replies 5" in json.dumps(about(vorab(tmp_path, *command), "topics"))


def test_brokers_that_are_away_are_problems_and_not_tracebacks(tmp_path: Path) -> None:
    """With nothing running the doctor ends with 1, names both brokers, and says what to do."""
    done = vorab(tmp_path, "doctor", "--log", f"kafka://127.0.0.1:{free_port()}", "--mqtt", f"127.0.0.1:{free_port()}", "--json")
    assert done.returncode == 1
    assert done.stderr == ""
    assert [finding["verdict"] for finding in about(done, "mqtt", "log")] == ["problem", "problem"]
    assert all(finding["do"] for finding in about(done, "mqtt", "log"))


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_message_to_ourselves_comes_back(mosquitto: Mosquitto, protocol: Any) -> None:
    """The doctor's visit proves that the broker delivers, in both versions of the protocol."""
    facts = mqtt.visit(Mqtt(host=mosquitto.host, port=mosquitto.port, protocol=protocol))
    assert (facts.refused, facts.echoed) == ("", True)


def test_a_broker_that_keeps_messages_to_itself_is_found(new_mosquitto: Any, tmp_path: Path) -> None:
    """Known bad: an access list that lets nobody read makes the doctor ask for one that does."""
    rules = tmp_path / "nobody.acl"
    rules.write_text("topic write vorab/#\n")
    broker = new_mosquitto(settings=f"acl_file {rules}\n")
    settings = Mqtt(host=broker.host, port=broker.port)
    facts = mqtt.visit(settings, timeout_s=5)
    assert not facts.echoed
    assert any(finding.verdict is Verdict.NOTE for finding in mqtt.judge(settings, facts))
