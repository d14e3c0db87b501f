"""The benchmarks measure what they say: counts are right at small sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.parts.kafka import ForeignKafka, Kafka
from vorab.bench import added, bridge, detect, devices, dialects, frame, prefill, rollouts
from vorab.bench.load import expected_faults, frames
from vorab.cli import app
from vorab.frame import decode
from vorab.log import Outgoing, append_all, open_log
from vorab.topics import partition_of


def test_detect_finds_as_many_faults_as_there_are() -> None:
    """Every fault of the load, by a count of its own."""
    found = detect.run(n=20_000, devices=400, rows=50, partitions=2)

    assert found["ok"]
    assert found["raised"] == found["expected"] > 20
    assert found["messages"] == 20_000


def test_detect_takes_rules_of_its_own(tmp_path: Path) -> None:
    """A rule that never fires finds nothing, and says so."""
    file = tmp_path / "rules.yaml"
    file.write_text(detect.RULES.replace("above: 90", "above: 900"), encoding="utf-8")

    found = detect.run(n=4_000, devices=40, rows=50, partitions=1, rules=file)

    assert (found["raised"], found["ok"]) == (0, False)


def test_the_load_has_as_many_rows_as_it_should() -> None:
    """All devices, in turn, in rising time."""
    made = list(frames(1_050, 100, 200))

    assert [each.n for each in made] == [200] * 5 + [50]
    times = np.concatenate([each.blocks[0].measured_at for each in made])
    assert (np.diff(times) > 0).all()
    assert expected_faults(100, 100) == 0


def test_frame_measures_every_size() -> None:
    """Bytes grow with rows; what is measured is positive."""
    found = frame.run(least_s=0.001)

    assert [found["rows"][str(size)]["bytes"] for size in frame.SIZES] == sorted(each["bytes"] for each in found["rows"].values())
    assert found["cpu_s_per_million"] > 0


def test_prefill_turns_plain_readings_into_frames(tmp_path: Path) -> None:
    """Every reading once, in the partition of its device, in the order of time."""
    address = f"sqlite:///{tmp_path / 'log.db'}"
    with open_log(address) as log:
        log.create({"det": 3, "frames": 4})
        append_all(
            log,
            (
                Outgoing(
                    "det", i % 7 % 3, f"dev-{i % 7}".encode(), f'{{"ts":{1000 + i},"temperature":{i},"vibration":1,"pressure":2}}'.encode()
                )
                for i in range(1_200)
            ),
        )

    written = prefill.run(address, "det", "frames", 1_200)

    with open_log(address) as log:
        entries = log.read({("frames", partition): 0 for partition in range(4)}, limit=100)
    seen: dict[str, list[float]] = {}
    for entry in entries:
        made = decode(entry.value or b"")
        for device, value in zip(made.blocks[0].device.tolist(), made.blocks[0].signals["temperature"].tolist(), strict=True):
            assert partition_of(made.devices[device], 4) == entry.partition
            seen.setdefault(made.devices[device], []).append(value)
    assert len(entries) == written
    assert seen == {f"main/dev-{d}": [float(i) for i in range(1_200) if i % 7 == d] for d in range(7)}


def test_dialects_measures_the_same_readings_in_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every message becomes a row in every dialect, and a dialect above its limit is not ok."""
    found = dialects.run(messages=400, devices=40, read=100, rounds=1)

    assert found["lost"] == 0
    assert found["ratio"].keys() == dialects.CANDIDATES.keys() >= {"json", "senml+json", "senml+cbor"}
    assert all(us > 0 for us in found["us_per_reading"].values())

    monkeypatch.setattr(dialects, "AT_MOST", {"senml+json": 0.0})
    assert not dialects.run(messages=100, devices=10, read=100, rounds=1)["ok"]


def test_dialects_notices_what_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: refusing is quick, and no figure."""
    refused = dialects.Candidate(dialects.CANDIDATES["json"].topic, lambda _device, _i: b"nonsense")
    monkeypatch.setitem(dialects.CANDIDATES, "nonsense", refused)

    found = dialects.run(messages=100, devices=10, read=100, rounds=1)

    assert (found["lost"], found["ok"]) == (100, False)


def test_a_rate_is_for_those_that_have_one() -> None:
    """`vorab bench frame --rate 5` is a usage error, not a figure at some other rate."""
    assert CliRunner().invoke(app, ["bench", "frame", "--rate", "5"]).exit_code == 2


def test_the_quantile_of_few_is_one_of_them() -> None:
    """Nothing measured is None and never within a budget."""
    assert (added.quantile([], 0.5), added.quantile([1.0], 0.99), added.quantile([1.0, 2.0, 3.0], 0.5)) == (None, 1.0, 2.0)


@pytest.mark.mosquitto
def test_what_the_bridge_adds_is_measured_message_by_message(mosquitto: object) -> None:
    """A short run: nothing is lost, and a message is never on the log before a subscriber could have had it by much."""
    assert mosquitto
    found = bridge.run(rate=200, seconds=1.0, devices=10)
    assert (found["messages"], found["lost"], found["ok"]) == (200, 0, True)
    assert found["added_p50_ms"] > -1
    assert found["nap_ms"] >= 0


@pytest.mark.slow
def test_devices_measures_what_many_devices_cost(tmp_path: Path) -> None:
    """A small fleet: every figure is there, the state is taken over by a new process, and the picture has a dot per fleet."""
    found = devices.run((1_200, 2_400), ("threshold", "flat"), turns=1, plot=tmp_path / "cost.svg")

    assert [line["devices"] for line in found["fleets"]] == [1_200, 2_400]
    assert all(line["readings"] == 3 * line["devices"] and line["recovery_s"] > 0 for line in found["fleets"])
    assert (tmp_path / "cost.svg").read_text().count("<circle") == 2


def test_twelve_rules_find_the_faults_of_one() -> None:
    """Twelve rules of more than six kinds: the one whose faults are known finds them all."""
    found = detect.run(n=20_000, devices=400, rows=50, partitions=2, rules=Path("bench/rules-twelve.yaml"))

    assert found["rules"] == 12
    assert len(found["detectors"]) >= 6
    assert found["ok"]
    assert found["raised"] == found["expected"] > 20


@pytest.mark.kafka
@pytest.mark.slow
def test_detect_is_measured_on_kafka_too(kafka: Kafka | ForeignKafka) -> None:
    """A worker of its own finds every fault of the load, and what it took is more than nothing."""
    found = detect.run(n=40_000, devices=400, rows=500, partitions=2, rules=Path("bench/rules.yaml"), log=kafka.log_address)

    assert found["ok"]
    assert found["raised"] == found["expected"] > 20


def test_rollouts_are_counted() -> None:
    """Few are enough to see that it counts."""
    found = rollouts.run(20)

    assert found["ok"]
    assert (found["rollouts"], found["doublings_found"]) == (20, 20)
