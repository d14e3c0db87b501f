"""Who a topic speaks for, and topic maps that cannot be."""

from __future__ import annotations

import pytest

from ingest import dialects
from ingest.topicmap import DEFAULTS, TopicMap
from vorab.errors import ConfigError, Reason, Rejected
from vorab.settings import DIALECTS, TopicMapEntry
from vorab.topics import partition_of


def entries(*filters: str, **more: str) -> TopicMap:
    """A map with these filters in front of the built-in ones."""
    return TopicMap([TopicMapEntry(filter=name, **more) for name in filters], 14, 2)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("topic", "kind", "key", "recorded"),
    [
        ("vorab/v1/acme/pump-7/telemetry", "telemetry", "acme/pump-7", False),
        ("vorab/v1/acme/pump-7/status", "status", "acme/pump-7", False),
        ("vorab/v1/acme/pump-7/cmd/restart/res", "reply", "acme/pump-7", False),
        ("telemetry/pump-7", "telemetry", "main/pump-7", False),
        ("recorded/machine/telemetry", "telemetry", "recorded/machine", True),
        ("vorab/v1/recorded/machine/cmd/restart/res", "reply", "recorded/machine", True),
    ],
)
def test_the_built_in_map(topic: str, kind: str, key: str, recorded: bool) -> None:
    """The neutral contract and the two short forms need no configuration."""
    route = entries().resolve(topic.encode())
    assert (route.kind, route.key, route.recorded) == (kind, key, recorded)
    assert route.partition == partition_of(key, 14, 2)
    assert (route.partition >= 12) == recorded


def test_order_decides_also_between_named_and_open_first_levels() -> None:
    """An entry that begins with a capture stands where it was put, before or behind those that begin with a word."""
    plant = entries("{tenant}/{device}/now", "acme/{device}/now", "+/{device}/later")
    assert plant.resolve(b"acme/pump-7/now").tenant == "acme"
    assert plant.resolve(b"other/pump-7/now").key == "other/pump-7"
    assert plant.resolve(b"acme/pump-7/later").key == "main/pump-7"
    assert plant.resolve(b"telemetry/now").key == "main/now"
    turned = entries("acme/{device}/now", "{tenant}/{device}/now", tenant="")
    assert turned.resolve(b"acme/pump-7/now").key == "main/pump-7"


def test_an_entry_of_ones_own_comes_first() -> None:
    """A plant with its own topics names the device by a capture; other levels may be anything."""
    plant = entries("plant/+/{device}/up/#", tenant="acme")
    assert plant.resolve(b"plant/hall-3/pump-7/up/a/b").key == "acme/pump-7"
    assert ("plant/+/+/up/#", "telemetry") in plant.filters
    replaced = entries("telemetry/{device}", decoder="senml+json")
    assert replaced.resolve(b"telemetry/x").decoder == "senml+json"
    assert [name for name, _ in replaced.filters].count("telemetry/+") == 1


@pytest.mark.parametrize("topic", [b"vorab/v1/main/pump-7", b"telemetry/a/b", b"other", b""])
def test_an_unknown_topic_is_refused(topic: bytes) -> None:
    """Only what the map names is read."""
    with pytest.raises(Rejected) as caught:
        entries().resolve(topic)
    assert caught.value.reason == Reason.UNKNOWN_TOPIC


@pytest.mark.parametrize("topic", [b"telemetry/\xff", b"vorab/v1/\xc3\x28/x/status"])
def test_a_topic_that_is_no_utf8_survives_as_a_rejection(topic: bytes) -> None:
    """A broker should not let it through; one that does must not end the worker."""
    with pytest.raises(Rejected) as caught:
        entries().resolve(topic)
    assert caught.value.reason == Reason.BAD_UTF8


def test_without_recorded_partitions_nothing_recorded_is_subscribed() -> None:
    """Recorded rows would stand among live ones and move their time by years."""
    assert "recorded/+/telemetry" not in [name for name, _ in TopicMap([], 12, 0).filters]
    with pytest.raises(Rejected):
        TopicMap([], 12, 0).resolve(b"recorded/machine/telemetry")


def test_nobody_speaks_for_the_recorded_tenant_in_live_time() -> None:
    """The tenant `recorded` is for topics whose entry says so."""
    with pytest.raises(Rejected) as caught:
        entries().resolve(b"vorab/v1/recorded/machine/telemetry")
    assert caught.value.reason == Reason.BAD_NAME


@pytest.mark.parametrize(
    ("name", "more", "what"),
    [
        ("plant/pump-{device}/up", {}, "whole level"),
        ("plant/{machine}/up", {}, "not one of"),
        ("plant/{device}/{device}", {}, "stands twice"),
        ("plant/+/up", {}, "no {device}"),
        ("plant/#/{device}", {}, "not a valid MQTT topic filter"),
        ("plant/{device}/a+", {}, "not a valid MQTT topic filter"),
        ("plant/{device}/up", {"time": "recorded", "tenant": "acme"}, "live in the tenant"),
    ],
)
def test_a_map_that_cannot_be_is_refused_at_the_start(name: str, more: dict[str, str], what: str) -> None:
    """The operator reads which entry is wrong and why, before anything is connected."""
    with pytest.raises(ConfigError, match=what):
        entries(name, **more)


def test_the_neutral_contract_goes_before_every_dialect() -> None:
    """Dialects whose topics begin with the device fit many topics; a device called `online` keeps its telemetry."""
    topic_map = TopicMap((*DEFAULTS, *dialects.entries(DIALECTS)), 4, 0)
    for topic, kind in ((b"telemetry/online", "telemetry"), (b"telemetry/rpc", "telemetry"), (b"tele/status/STATE", "dialect")):
        assert topic_map.resolve(topic).kind == kind
    assert topic_map.resolve(b"tele/status/STATE").dialect == "tasmota"
