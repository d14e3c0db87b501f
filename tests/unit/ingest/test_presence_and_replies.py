"""Status messages and answers of devices."""

from __future__ import annotations

import pytest

from ingest.presence import PresenceBook, evidence
from ingest.replies import reply
from ingest.topicmap import Route, TopicMap
from vorab import ids
from vorab.clock import SECOND
from vorab.errors import Reason, Rejected
from vorab.records import ReplyStatus

NOW = 1_795_000_000 * SECOND
MAP = TopicMap([], 6, 2)


def route(topic: str) -> Route:
    """The route of a topic."""
    return MAP.resolve(topic.encode())


STATUS = route("vorab/v1/main/pump-7/status")
ANSWER = route("vorab/v1/main/pump-7/cmd/restart/res")


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"online", (True, "birth")),
        (b"Online", (True, "birth")),
        (b"true", (True, "birth")),
        (b'{"status": "online", "ts": 1, "fw": "1.2"}', (True, "birth")),
        (b"offline", (False, "will")),
        (b" Offline\n", (False, "will")),
        (b"false", (False, "will")),
        (b'{"status":"offline"}', (False, "will")),
        (b'{"status":"offline","reason":"goodbye"}', (False, "goodbye")),
    ],
)
def test_the_ways_devices_say_it(payload: bytes, expected: tuple[bool, str]) -> None:
    """JSON and plain words; an offline without a reason is what a broker says in the device's place."""
    assert evidence(payload) == expected


@pytest.mark.parametrize("payload", [b"", b"maybe", b"2", b"null", b'{"status": null}', b"{}", b"\xff", b"{"])
def test_anything_else_is_refused(payload: bytes) -> None:
    """A status nobody understands is told to the author of the firmware."""
    with pytest.raises(Rejected):
        evidence(payload)


def test_what_the_broker_stored_is_told_once() -> None:
    """After a reconnect the broker repeats what it stored: only news becomes a record. A live message always does."""
    book = PresenceBook()
    first = book.heard(STATUS, b"online", NOW, retained=True)
    assert first is not None
    assert (first.key, first.online, first.evidence, first.at) == ("main/pump-7", True, "retained", NOW)
    assert book.heard(STATUS, b"online", NOW + 1, retained=True) is None
    assert book.heard(STATUS, b"offline", NOW + 2, retained=True) is not None
    assert book.heard(STATUS, b"offline", NOW + 3, retained=False) is not None
    assert book.heard(STATUS, b"", NOW + 4, retained=True) is None, "the stored status was cleared"


def test_an_answer_is_a_reply_of_the_topics_device() -> None:
    """The body says which action and what came of it; the topic says who."""
    made = reply(ANSWER, b'{"id": "a1", "status": "running", "progress": 40, "detail": "closing valves"}', NOW)
    assert (made.id, made.key, made.action, made.at) == (ids.reply_id("a1", "running"), "main/pump-7", "a1", NOW)
    assert (made.status, made.progress, made.detail) == (ReplyStatus.RUNNING, 40, "closing valves")
    failed = reply(ANSWER, b'{"id": "a1", "status": "failed", "error": {"code": "unsupported", "message": "no such command"}}', NOW)
    assert (failed.code, failed.detail) == ("unsupported", "no such command")
    assert reply(ANSWER, b'{"id": "a1", "status": "succeeded", "result": {"boot_count": 18}}', NOW).result == {"boot_count": 18}


def test_a_repeated_answer_has_the_same_id() -> None:
    """A device repeats its answer when the command comes again; nobody counts it twice."""
    answers = [reply(ANSWER, b'{"id": "a1", "status": "succeeded"}', NOW + i) for i in range(2)]
    assert answers[0].id == answers[1].id


def test_a_recorded_device_answers_in_its_own_time() -> None:
    """For a recording the payload says when."""
    recorded = route("vorab/v1/recorded/r/cmd/restart/res")
    assert reply(recorded, b'{"id": "a1", "status": "succeeded", "ts": 1391780000000}', NOW).at == 1_391_780_000 * SECOND
    with pytest.raises(Rejected) as caught:
        reply(recorded, b'{"id": "a1", "status": "succeeded", "ts": "then"}', NOW)
    assert caught.value.reason == Reason.BAD_TIME
    assert reply(ANSWER, b'{"id": "a1", "status": "succeeded", "ts": 5}', NOW).at == NOW, "a live device's clock does not count"
