"""The doctor's judgements: facts in, findings out."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from vorab import provision
from vorab.clock import SECOND
from vorab.doctor import Finding, Verdict, desk, house, kafka, log, mqtt, rules
from vorab.log import open_log
from vorab.settings import Desk, Mqtt, Settings, Streams

SETTINGS = Settings()
GOOD = kafka.Cluster(version=(4, 1), brokers=1, settings={"group.min.session.timeout.ms": "6000", "message.max.bytes": "1200000"})


def problems(findings: list[Finding]) -> list[str]:
    """What the problems say."""
    return [finding.says for finding in findings if finding.verdict is Verdict.PROBLEM]


def test_all_topics_there_and_alike_is_fine() -> None:
    """An installation as `vorab topics` makes it gives no problem."""
    [finding] = log.judge_topics(SETTINGS, provision.partition_counts(SETTINGS))
    assert finding.verdict is Verdict.OK


def test_a_missing_topic_is_named_with_the_command_that_makes_it() -> None:
    """Who forgot `vorab topics` is told so."""
    found = provision.partition_counts(SETTINGS)
    del found["vorab.cases"]
    [finding] = log.judge_topics(SETTINGS, found)
    assert finding.says == "missing: vorab.cases"
    assert "vorab topics" in finding.do


@pytest.mark.parametrize(("topic", "keyed"), [("vorab.replies", "device"), ("vorab.deliveries", "customer"), ("vorab.incidents", "group")])
def test_topics_with_the_same_kind_of_key_must_be_equally_large(topic: str, keyed: str) -> None:
    """One topic of another size would put a device's records where its other records are not."""
    found = provision.partition_counts(SETTINGS) | {topic: 6}
    assert any(f"keyed by {keyed} differ" in says and f"{topic} 6" in says for says in problems(log.judge_topics(SETTINGS, found)))


def test_topics_that_agree_with_each_other_but_not_with_the_settings_are_a_problem() -> None:
    """The partition function counts with the settings; a log of another size reads and writes past each other."""
    found = dict.fromkeys(provision.partition_counts(SETTINGS), 6)
    [says] = problems(log.judge_topics(SETTINGS, found))
    assert "vorab.readings has 6, set 12" in says


def test_a_cluster_that_suits_vorab_is_fine() -> None:
    """Kafka 4 with our settings gives no problem."""
    assert problems(log.judge_cluster(SETTINGS, "127.0.0.1:9092", GOOD)) == []


@pytest.mark.parametrize(
    ("cluster", "word"),
    [
        (replace(GOOD, version=(3, 9)), "version 3.9"),
        (replace(GOOD, brokers=0), "0 brokers for 1 copies"),
        (replace(GOOD, copies={"vorab.cases": 0}), "vorab.cases"),
        (replace(GOOD, settings={"group.min.session.timeout.ms": "30000"}), "group.min.session.timeout.ms is 30000"),
        (replace(GOOD, settings={"message.max.bytes": "1000"}), "message.max.bytes is 1000"),
    ],
)
def test_a_cluster_that_does_not_suit_vorab_is_a_problem(cluster: kafka.Cluster, word: str) -> None:
    """Each thing that would break later is found now."""
    assert any(word in says for says in problems(log.judge_cluster(SETTINGS, "127.0.0.1:9092", cluster)))


def test_a_broker_that_gives_a_message_back_is_fine() -> None:
    """Connected, named, echoed: nothing to complain about."""
    [finding] = mqtt.judge(Mqtt(), mqtt.Facts(version="mosquitto version 2.0.11", echoed=True))
    assert finding.verdict is Verdict.OK


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        (mqtt.Facts(refused="the broker says: Not authorized"), Verdict.PROBLEM),
        (mqtt.Facts(version="mosquitto version 2.0.16", echoed=True), Verdict.PROBLEM),
        (mqtt.Facts(echoed=True, limits={"MaximumQoS": 0}), Verdict.PROBLEM),
        (mqtt.Facts(echoed=True, limits={"MaximumPacketSize": 256}), Verdict.PROBLEM),
        (mqtt.Facts(echoed=False), Verdict.NOTE),
    ],
)
def test_a_broker_that_would_lose_messages_is_found(facts: mqtt.Facts, verdict: Verdict) -> None:
    """Each way in which the broker will not do says what to do about it."""
    worst = [finding for finding in mqtt.judge(Mqtt(), facts) if finding.verdict is not Verdict.OK]
    assert [finding.verdict for finding in worst] == [verdict]
    assert worst[0].do


NOW: Final = 1_795_467_600 * SECOND


@pytest.mark.parametrize(
    ("host", "found"),
    [("127.0.0.1", []), ("localhost", []), ("::1", []), ("10.0.0.7", [Verdict.NOTE]), ("broker.example.org", [Verdict.NOTE])],
)
def test_plain_text_is_fine_on_this_machine_only(host: str, found: list[Verdict]) -> None:
    """A broker elsewhere without TLS is worth a word: whoever stands in between can read and forge."""
    findings = mqtt.trust(Mqtt(host=host), mqtt.Facts(), NOW)
    assert [finding.verdict for finding in findings] == found
    assert all(finding.do for finding in findings)


@pytest.mark.parametrize(("days", "verdict"), [(31, Verdict.OK), (29, Verdict.NOTE), (-1, Verdict.NOTE)])
def test_a_certificate_that_ends_soon_is_seen_in_time(tmp_path: Path, days: int, verdict: Verdict) -> None:
    """The broker's certificate is looked at a month before it ends."""
    chosen = Mqtt(host="broker.example.org", ca_file="ca.crt", key_file=str(tmp_path / "not-there.key"))
    [finding] = mqtt.trust(chosen, mqtt.Facts(certificate_ends=NOW + days * 86_400 * SECOND + SECOND), NOW)
    assert finding.verdict is verdict


def test_a_key_that_others_can_read_is_a_problem(tmp_path: Path) -> None:
    """The key of the client certificate is the identity of ingest; it belongs to one user."""
    key = tmp_path / "ingest.key"
    key.write_text("")
    key.chmod(0o640)
    [finding] = mqtt.trust(Mqtt(host="10.0.0.7", ca_file="ca.crt", key_file=str(key)), mqtt.Facts(), NOW)
    assert finding.verdict is Verdict.PROBLEM
    assert finding.do == f"chmod 600 {key}"


def test_tls_files_that_are_not_there_are_a_finding_and_no_traceback(tmp_path: Path) -> None:
    """A wrong path to the authority is said, not thrown."""
    facts = mqtt.visit(Mqtt(ca_file=str(tmp_path / "nothing.crt")))
    assert facts.refused.startswith("the TLS files cannot be used")


def test_a_library_that_is_missing_or_too_new_is_named() -> None:
    """The doctor says which library is wrong, not only that one is; extras that nobody asked for are not missed."""
    have = {"numpy": "2.4.6", "faust-streaming": "0.16.0"}
    wanted = ["numpy>=2.4,<3", "faust-streaming==0.15.3", "crc32c>=2.9", 'psycopg; extra == "postgres"']
    [finding] = house.libraries(wanted, have.get)
    assert finding.verdict is Verdict.PROBLEM
    assert finding.says == "faust-streaming 0.16.0, wanted ==0.15.3; crc32c is missing, wanted >=2.9"


def test_the_libraries_of_this_installation_are_right() -> None:
    """What the lock file installs is what the package asks for."""
    findings = house.examine(SETTINGS)
    assert [finding.verdict for finding in findings if finding.about == "libraries"] == [Verdict.OK]


def test_pure_python_checksums_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: without the crc32c package kafka-python still works, and the doctor says what that costs."""
    from kafka.record import util

    assert house.checksums().verdict is Verdict.OK
    monkeypatch.setattr(util, "crc32c_c", None)
    assert house.checksums().verdict is Verdict.PROBLEM


@pytest.mark.parametrize(
    ("version", "embedded", "verdict"),
    [
        ((3, 34, 0), False, Verdict.PROBLEM),
        ((3, 40, 1), True, Verdict.NOTE),
        ((3, 40, 1), False, Verdict.OK),
        ((3, 51, 3), True, Verdict.OK),
    ],
)
def test_sqlite_versions_are_judged_by_use(version: tuple[int, int, int], embedded: bool, verdict: Verdict) -> None:
    """The old corruption bug matters where SQLite is the log."""
    assert house.sqlite(version, embedded=embedded).verdict is verdict


def test_a_state_folder_that_does_not_exist_yet_is_judged_by_its_parent(tmp_path: Path) -> None:
    """A first start makes the folder, so what counts is whether it can."""
    assert house.folder(tmp_path / "not" / "yet").verdict is not Verdict.PROBLEM


def test_a_state_folder_that_others_can_read_is_a_problem(tmp_path: Path) -> None:
    """Names and messages are nobody else's business; closed, all is well."""
    tmp_path.chmod(0o755)
    found = house.folder(tmp_path)
    assert (found.verdict, found.do) == (Verdict.PROBLEM, f"chmod 700 {tmp_path}")
    tmp_path.chmod(0o700)
    assert house.folder(tmp_path).verdict is not Verdict.PROBLEM


@pytest.mark.parametrize(("kept", "verdict"), [(True, Verdict.OK), (False, Verdict.NOTE), (None, Verdict.NOTE)])
def test_a_clock_that_nobody_keeps_is_worth_a_note(kept: bool | None, verdict: Verdict) -> None:
    """Quiet hours go by the machine's clock, so somebody should keep it; in a container that is the host."""
    assert house.clock(kept).verdict is verdict
    assert house.synchronised() in {True, False, None}


def test_an_embedded_log_with_its_topics_is_fine_and_left_as_it_was(tmp_path: Path) -> None:
    """Looking does not write: a log in use by its one writing process is opened for reading only."""
    settings = Settings(log=f"sqlite:///{tmp_path / 'log.db'}")
    with open_log(settings.log_address) as opened:
        provision.create_topics(opened, settings)
    assert problems(list(log.examine(settings))) == []

    larger = settings.model_copy(update={"topics": settings.topics.model_copy(update={"partitions": 24})})
    assert any("has 12, set 24" in says for says in problems(list(log.examine(larger))))


def test_rules_and_remedies_are_read_as_the_stages_read_them(tmp_path: Path) -> None:
    """A mistake is found before the stages start, with file, line and what to do."""
    assert problems([*rules.examine(SETTINGS)]) == []
    bad = tmp_path / "rules.yaml"
    bad.write_text("rules:\n  - {id: hot, detector: magic}\n", encoding="utf-8")
    nowhere = str(tmp_path / "nowhere.yaml")
    found = rules.examine(Settings(streams=Streams(rules=[str(bad)], remedies=[nowhere])))
    assert [finding.verdict for finding in found] == [Verdict.PROBLEM, Verdict.PROBLEM]
    assert f"{bad}:2" in found[0].says
    assert nowhere in found[1].says
    [*_, care] = rules.examine(Settings(streams=Streams(care=nowhere)))
    assert (care.verdict, nowhere in care.says) == (Verdict.PROBLEM, True)
    assert all(finding.do for finding in found)


def test_a_desk_port_that_another_program_has_is_a_problem_and_our_own_is_not(tmp_path: Path) -> None:
    """Free, ours, and somebody else's."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        port = other.getsockname()[1]
        settings = Settings(state_dir=str(tmp_path), desk=Desk(port=port))
        assert str(port) in problems([*desk.examine(settings)])[0]
        (tmp_path / "desk.json").write_text(json.dumps({"pid": os.getpid(), "port": port}), encoding="utf-8")
        assert problems([*desk.examine(settings)]) == []
    (tmp_path / "desk.json").unlink()
    assert problems([*desk.examine(settings)]) == []
    assert "takes a free port" in desk.judge_port(Desk(port=0), "", running=False).says


def test_links_that_lead_to_this_machine_are_worth_a_note() -> None:
    """A customer does not reach the loopback address."""
    assert desk.links(Desk()).verdict is Verdict.NOTE
    assert desk.links(Desk(base_url="https://help.example.org")).verdict is Verdict.OK
