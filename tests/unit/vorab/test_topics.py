"""Topics, keys and the one partition function."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2 as kafka_murmur2

from vorab import topics
from vorab.records import KINDS


@given(st.binary(max_size=64))
def test_partitions_are_those_of_any_kafka_client(key: bytes) -> None:
    """The hash is Kafka's own murmur2, so other producers and consumers agree."""
    assert kafka_murmur2(key) & 0xFFFFFFFF == topics.murmur2(key)


@given(st.text(min_size=1), st.integers(1, 50), st.integers(0, 5))
def test_recorded_devices_have_partitions_of_their_own(name: str, live: int, recorded: int) -> None:
    """A recording's time never moves the time of live devices."""
    count = live + recorded

    assert topics.partition_of(f"main/{name}", count, recorded) == (topics.murmur2(f"main/{name}".encode()) & 0x7FFFFFFF) % live
    if recorded:
        assert live <= topics.partition_of(f"recorded/{name}", count, recorded) < count


def test_every_record_has_a_topic_of_the_table() -> None:
    """What can be written has a row that says how it is keyed and kept."""
    assert {kind.TOPIC for kind in KINDS} - {""} <= topics.TOPICS.keys()


def test_topic_names_are_plural_and_have_one_dot() -> None:
    """One dot, because Kafka cannot tell dots from underscores in metric names."""
    assert all(name.startswith("vorab.") and name.count(".") == 1 and "_" not in name for name in topics.TOPICS)


def test_keys_of_different_tenants_never_meet() -> None:
    """The tenant is part of the key."""
    keys = [topics.key_of(tenant, device) for tenant, device in itertools.product(("a", "b"), ("x", "y"))]

    assert len(set(keys)) == len(keys)
