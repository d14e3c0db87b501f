"""Plain text, decoders of one's own, and that the settings know every decoder there is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoders import DECODERS, Row, Sender
from ingest.decoders import rows as shared
from ingest.decoders.custom import checked, guarded, load
from ingest.topicmap import TopicMap
from tests.unit.ingest.declaring import NOW, rows
from vorab import payloads, settings
from vorab.errors import ConfigError, Reason, Rejected
from vorab.settings import TopicMapEntry

SENDER = Sender("pump-7", "main/pump-7", NOW)
NAMED = 'filter = "plant/{device}/{name}/state"\n'


def reason(text: str, payload: bytes, topic: str = "plant/pump-7/up") -> Reason:
    """Why a payload is refused."""
    with pytest.raises(Rejected) as caught:
        rows(text, payload, topic)
    return caught.value.reason


def test_the_settings_know_every_decoder() -> None:
    """What can be written in a topic map is what there is, and names of signals are the same everywhere."""
    assert set(settings.DECODERS) == {"auto", "mapped", "packed", "text", *DECODERS}
    assert payloads.SIGNAL.pattern == shared.SIGNAL.pattern


# ------------------------------------------------------------------------------------------------ text


@pytest.mark.parametrize(
    ("spec", "payload", "expected"),
    [
        ('decoder = "text"', b"21.4\n", 21.4),
        ('text = { unit = "Cel", scale = 0.1 }', b"214", 21.4),
        ('text.type = "bool"', b"ON", True),
        ('text = { type = "bool", true = "Online", false = "Offline" }', b"Offline", False),
        ('text.type = "text"', "Grüß Gott".encode(), "Grüß Gott"),
        ('text.type = "auto"', b"7", 7),
        ('text.type = "auto"', b"idle", "idle"),
    ],
)
def test_one_value_as_text_is_named_by_its_topic(spec: str, payload: bytes, expected: object) -> None:
    """What {name} matches is the signal."""
    [row] = rows(NAMED + spec, payload, "plant/pump-7/outlet_temperature/state")
    assert row.values == {"outlet_temperature": expected}


def test_devices_with_the_same_signal_share_its_decoder() -> None:
    """A fleet of a hundred thousand does not keep a decoder per topic."""
    known = TopicMap([TopicMapEntry(filter="plant/{device}/{name}/state", decoder="text")], 12, 0)
    one, other = (known.resolve(f"plant/{device}/level/state".encode()).decoder for device in ("a", "b"))
    assert one is other


def test_text_without_a_name_in_its_topic() -> None:
    """The map may name the signal; else it is called `value`."""
    assert rows('text.signal = "level"', b"3")[0].values == {"level": 3}
    assert rows('decoder = "text"', b"3")[0].values == {"value": 3}
    assert rows('text.unit = "%"', b"3")[0].units == {"value": "%"}


@pytest.mark.parametrize(
    ("spec", "payload", "expected"),
    [
        ('decoder = "text"', b"nan", Reason.NOT_FINITE),
        ('text.none = "nan"', b"NaN", Reason.EMPTY),
        ('text.type = "auto"', b"-inf", Reason.NOT_FINITE),
        ('text = { type = "auto", none = "nan" }', b"nan", Reason.EMPTY),
        ('decoder = "text"', b"warm", Reason.BAD_VALUE),
        ('decoder = "text"', b"", Reason.EMPTY),
        ('decoder = "text"', b"\xff", Reason.BAD_UTF8),
        ('text.type = "text"', b"x" * 256, Reason.BAD_VALUE),
        ('text.type = "text"', b"x" * 2000, Reason.TOO_LARGE),
    ],
)
def test_text_that_is_no_value_is_refused(spec: str, payload: bytes, expected: Reason) -> None:
    """As everywhere: with a reason."""
    assert reason(spec, payload) == expected


def test_a_topic_that_names_no_signal_is_refused() -> None:
    """Ids may hold characters that signals may not."""
    with pytest.raises(Rejected) as caught:
        rows(NAMED + 'decoder = "text"', b"1", "plant/pump-7/a~b/state")
    assert caught.value.reason == Reason.BAD_NAME


@given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode), st.sampled_from(["number", "bool", "text", "auto"]))
def test_whatever_text_comes_a_row_or_a_reason_comes_out(payload: bytes, kind: str) -> None:
    """Fuzzed: one good row, or Rejected."""
    try:
        found = rows(f'text.type = "{kind}"', payload)
    except Rejected:
        return
    assert checked(found) == found
    assert len(found) == 1


# ------------------------------------------------------------------------------------------------ one's own


def test_a_decoder_of_ones_own_is_found_beside_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`module:function` in the topic map; the working folder counts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    (tmp_path / "acme_readings.py").write_text(
        "from ingest.decoders import Row\n\n\ndef rows(payload, sender):\n    return [Row(None, {'n': len(payload)})]\n", encoding="utf-8"
    )
    assert rows('decoder = "acme_readings:rows"', b"12345") == [Row(None, {"n": 5})]
    with pytest.raises(ConfigError, match="no function 'nothing'"):
        load("acme_readings:nothing")
    with pytest.raises(ConfigError, match="No module named 'acme_writings'"):
        load("acme_writings:rows")
    (tmp_path / "acme_broken.py").write_text("1 / 0\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="ZeroDivisionError"):
        load("acme_broken:rows")


@pytest.mark.parametrize(
    ("given_back", "expected"),
    [
        (None, Reason.BAD_SHAPE),
        ((Row(None, {"a": 1}),), Reason.BAD_SHAPE),
        ([{"a": 1}], Reason.BAD_SHAPE),
        ([Row(None, [("a", 1)])], Reason.BAD_SHAPE),  # type: ignore[arg-type]  # what a stranger may do
        ([Row(None, {1: 1})], Reason.BAD_SHAPE),  # type: ignore[dict-item]  # what a stranger may do
        ([Row(None, {"a b": 1})], Reason.BAD_NAME),
        ([Row(None, {"a": float("nan")})], Reason.NOT_FINITE),
        ([Row(None, {"a": None})], Reason.BAD_SHAPE),  # type: ignore[dict-item]  # what a stranger may do
        ([Row(None, {f"s{i}": i for i in range(257)})], Reason.TOO_MANY_SIGNALS),
        ([Row(None, {"a": 1}, {"a": 1})], Reason.BAD_SHAPE),  # type: ignore[dict-item]  # what a stranger may do
        ([Row(None, {"a": 1}, {"a": "x" * 65})], Reason.BAD_VALUE),
        ([Row(1.5, {"a": 1})], Reason.BAD_TIME),  # type: ignore[arg-type]  # what a stranger may do
        ([Row(2**70, {"a": 1})], Reason.BAD_TIME),
        ([Row(None, {"a": 1}, boot=2**32)], Reason.BAD_VALUE),
        ([Row(None, {"a": 1}, seq=-1)], Reason.BAD_VALUE),
        ([Row(None, {"a": 1}, device="../x")], Reason.BAD_NAME),
        ([Row(None, {"a": 1}, quality=1024)], Reason.BAD_VALUE),
    ],
)
def test_what_a_decoder_of_ones_own_gives_is_checked(given_back: object, expected: Reason) -> None:
    """Rows that columns cannot hold refuse the message; they never reach the log."""
    with pytest.raises(Rejected) as caught:
        guarded("mine:rows", lambda *_: given_back)(b"", SENDER)
    assert caught.value.reason == expected


def test_a_decoder_of_ones_own_that_fails_refuses_the_message() -> None:
    """Known bad: an exception would end the worker that reads everybody's messages."""

    def fails(payload: bytes, sender: Sender) -> list[Row]:
        raise KeyError(payload, sender)

    with pytest.raises(Rejected, match="mine:rows failed: KeyError"):
        guarded("mine:rows", fails)(b"x", SENDER)

    def refuses(payload: bytes, sender: Sender) -> list[Row]:
        raise Rejected(Reason.UNSUPPORTED, f"{payload!r} of {sender.device}")

    with pytest.raises(Rejected, match="unsupported"):
        guarded("mine:rows", refuses)(b"x", SENDER)
