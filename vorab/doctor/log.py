"""The log: are all topics there, do those with the same kind of key have the same number of partitions, is Kafka set up for us?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vorab import provision, topics
from vorab.doctor import Finding, note, ok, problem
from vorab.errors import ConfigError, VorabError
from vorab.settings import Settings

if TYPE_CHECKING:
    from vorab.doctor.kafka import Cluster

MAKE_TOPICS: Final = "run `vorab topics`"
SESSION_MS: Final = 10_000
"""The session that workers ask for."""
RECORD_BYTES: Final = 1_048_576
"""The largest record that vorab writes."""


def examine(settings: Settings) -> Sequence[Finding]:
    """Look at whichever log the settings name."""
    address = settings.log_address
    if address.startswith("kafka://"):
        return examine_kafka(settings, address.removeprefix("kafka://"))
    if address.startswith("sqlite:///"):
        return examine_sqlite(settings, Path(address.removeprefix("sqlite:///")))
    return [problem("log", f"{address!r} is neither sqlite:///PATH nor kafka://HOST:PORT", "set log in vorab.toml")]


def examine_sqlite(settings: Settings, file: Path) -> list[Finding]:
    """An existing log has the topics the settings ask for; a missing one is made at first start."""
    from vorab.log import open_log  # noqa: PLC0415 - loads the adapter

    if not file.exists():
        return [ok("log", f"{file} will be made at first start")]
    found: dict[str, int] = {}
    with open_log(f"sqlite:///{file}", read_only=True) as log:
        for name in provision.partition_counts(settings):
            try:
                found[name] = log.partitions(name)
            except ConfigError:
                continue
            except VorabError as error:
                return [problem("log", f"{file}: {error}", "stop what holds the file, or restore it from a backup")]
    return [ok("log", str(file)), *judge_topics(settings, found)]


def examine_kafka(settings: Settings, bootstrap: str) -> list[Finding]:
    """Reach Kafka, then judge what it says."""
    from vorab.doctor.kafka import ask  # noqa: PLC0415 - loads the Kafka client

    wanted = provision.partition_counts(settings)
    answer = ask(bootstrap, list(wanted))
    if isinstance(answer, str):
        return [problem("log", f"no Kafka at {bootstrap}: {answer}", "start Kafka (deploy/kafka/) or set log in vorab.toml")]
    findings = judge_cluster(settings, bootstrap, answer)
    return [*findings, *judge_topics(settings, answer.partitions)]


def judge_cluster(settings: Settings, bootstrap: str, cluster: Cluster) -> list[Finding]:
    """Version, copies and the broker settings that vorab depends on."""
    name = ".".join(map(str, cluster.version))
    findings = []
    if cluster.version < (4, 0):
        findings.append(problem("kafka", f"version {name} at {bootstrap}", "vorab is tested with Kafka 4; use 4.0 or newer"))
    else:
        findings.append(ok("kafka", f"version {name} at {bootstrap}, {_count(cluster.brokers, 'broker')}"))
    copies = settings.topics.replication
    if cluster.brokers < copies:
        findings.append(
            problem(
                "kafka",
                f"{_count(cluster.brokers, 'broker')} for {copies} copies",
                "start more brokers, or lower [topics] replication",
            )
        )
    thin = sorted(topic for topic, have in cluster.copies.items() if have < copies)
    if thin:
        findings.append(
            problem(
                "kafka",
                f"fewer than {copies} copies: {', '.join(thin)}",
                "kafka-reassign-partitions.sh gives them more; until then one broker is all that stands between you and loss",
            )
        )
    findings += _broker_settings(cluster.settings)
    return findings


def _broker_settings(have: Mapping[str, str]) -> list[Finding]:
    findings = []
    session = int(have.get("group.min.session.timeout.ms", 0))
    if session > SESSION_MS:
        findings.append(
            problem("kafka", f"group.min.session.timeout.ms is {session}", f"set it to {SESSION_MS} or less: workers ask for that")
        )
    largest = int(have.get("message.max.bytes", RECORD_BYTES))
    if largest < RECORD_BYTES:
        findings.append(problem("kafka", f"message.max.bytes is {largest}", f"set it to {RECORD_BYTES} or more: a frame may be that large"))
    if have.get("auto.create.topics.enable") == "true":
        findings.append(
            note(
                "kafka",
                "auto.create.topics.enable is true: a mistyped name makes a topic with the wrong number of partitions",
                "set it to false; `vorab topics` makes what is needed",
            )
        )
    return findings


def judge_topics(settings: Settings, found: Mapping[str, int]) -> list[Finding]:
    """All topics there, each as large as the settings say, and all with the same kind of key equally large."""
    wanted = provision.partition_counts(settings)
    missing = [name for name in wanted if name not in found]
    findings = []
    if missing:
        which = "none of the topics exist" if len(missing) == len(wanted) else f"missing: {', '.join(sorted(missing))}"
        findings.append(problem("topics", which, MAKE_TOPICS))
    for keyed, counts in counts_by_key(settings, found).items():
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
            findings.append(
                problem(
                    "topics",
                    f"topics keyed by {keyed} differ in their partitions: {listed}",
                    "they must be equal, or what belongs together is read apart; make new topics and move the records over",
                )
            )
    other = [f"{name} has {found[name]}, set {wanted[name]}" for name in wanted if name in found and found[name] != wanted[name]]
    if other:
        findings.append(
            problem("topics", "; ".join(other), "set [topics] partitions and recorded_partitions to what is there; adding moves keys")
        )
    if not findings:
        findings.append(ok("topics", f"all {len(wanted)} there, with {_count(next(iter(wanted.values())), 'partition')} each"))
    return findings


def counts_by_key(settings: Settings, found: Mapping[str, int]) -> Mapping[topics.Keyed, dict[str, int]]:
    """What the key of a topic names, to the topics so keyed and their partitions."""
    grouped: defaultdict[topics.Keyed, dict[str, int]] = defaultdict(dict)
    for topic in topics.TOPICS.values():
        name = provision.renamed(settings, topic.name)
        if name in found:
            grouped[topic.keyed][name] = found[name]
    return grouped


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
