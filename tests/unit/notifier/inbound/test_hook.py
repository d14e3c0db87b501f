"""Signed replies of systems of the operator's: who signs is believed, and nobody else is read."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any, Final

import pytest

from notifier.inbound.hook import MAX_BODY, HookDoor, read, taken
from tests.unit.notifier.house import NOON
from tests.unit.notifier.inbound.parlour import Parlour
from vorab.clock import HOUR
from vorab.errors import Rejected
from vorab.outbound.signatures import headers
from vorab.records import RequestKind
from vorab.topics import REJECTED, REQUESTS
from vorab.understanding import Intent

SECRET: Final = "whsec_" + "A" * 32
OTHER: Final = "whsec_" + "B" * 32


def post(parlour: Parlour, secret: str = SECRET, at: int = NOON, **values: Any) -> tuple[int, dict[str, str]]:
    """A reply, signed at a moment."""
    body = json.dumps({"id": "sms-1", "from": "+49 151 12345678", "text": "Ruf an", **values}).encode()
    return taken(parlour.replies, [SECRET], headers([secret], "msg-1", at, body), body, NOON, NOON)


def test_an_sms_to_a_message_of_ours_is_believed(parlour: Parlour) -> None:
    """From the person's own number, in answer to a notification the gateway names: a call is wished."""
    told = parlour.story()
    parlour.meanings["Ruf an"] = {"intent": Intent.CALL_ME}
    assert post(parlour, in_reply_to=told) == (202, {"taken": "now"})
    assert post(parlour, in_reply_to=told) == (202, {"taken": "before"})
    parlour.work()
    assert [each.model_dump()["kind"] for each in parlour.records(REQUESTS)] == [RequestKind.CALL_ME]


def test_who_the_operators_system_names_is_believed(parlour: Parlour) -> None:
    """A customer who is logged in somewhere needs no number."""
    parlour.story()
    parlour.meanings["Ruf an"] = {"intent": Intent.CALL_ME}
    portal: dict[str, Any] = {"from": "portal"}
    post(parlour, customer="main/c-1", **portal)
    post(parlour, id="2", customer="main/nobody", **portal)
    parlour.work()
    assert parlour.heard()[0].doubts == ()
    assert "nobody knows who wrote it" in parlour.heard()[1].doubts


def test_a_number_alone_changes_nothing(parlour: Parlour) -> None:
    """The number of an SMS can be written by anybody, too."""
    parlour.story()
    parlour.meanings["Ruf an"] = {"intent": Intent.CALL_ME}
    post(parlour)
    parlour.work()
    assert parlour.heard()[0].doubts == ("proven by the address alone",)


def test_what_is_not_signed_is_not_read(parlour: Parlour) -> None:
    """Another secret, another time, another body: refused, and nothing is kept."""
    assert post(parlour, OTHER)[0] == 401
    assert post(parlour, at=NOON - HOUR)[0] == 401
    signed = headers([SECRET], "msg-1", NOON, b"{}")
    assert taken(parlour.replies, [SECRET], signed, b'{"id": "x"}', NOON, NOON)[0] == 401
    assert not parlour.replies.waits()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"id": "", "from": "a", "text": "b"}',
        b'{"id": "1", "from": "a"}',
        b'{"id":"1","from":"a","text":"b","customer":"c"}',
    ],
)
def test_what_is_no_reply_is_refused(parlour: Parlour, body: bytes) -> None:
    """Signed or not, it has a shape; what has none is kept with its reason."""
    with pytest.raises(Rejected):
        read(body, NOON)
    assert taken(parlour.replies, [SECRET], headers([SECRET], "msg-1", NOON, body), body, NOON, NOON)[0] == 422
    parlour.notifier.prepare()
    parlour.notifier.publish()
    assert len(parlour.records(REJECTED)) == 1


def test_the_door_takes_what_is_posted(parlour: Parlour) -> None:
    """Over HTTP: taken, too large, without length, elsewhere."""
    parlour.story()
    door = HookDoor(parlour.replies, lambda: NOON, [SECRET], "127.0.0.1", 0, wall=lambda: NOON)
    door.start()
    try:
        body = json.dumps({"id": "1", "from": "+4915112345678", "text": "Hallo"}).encode()
        signed = headers([SECRET], "msg-1", NOON, body)
        assert _status(door.url, body, signed) == 202
        assert _status(door.url + "x", body, signed) == 404
        assert _status(door.url, b"x" * (MAX_BODY + 1), signed) == 413
        assert _status(door.url, body, {}) == 401
    finally:
        door.stop()
    assert parlour.replies.waits()


def _status(url: str, body: bytes, signed: dict[str, str]) -> int:
    request = urllib.request.Request(url, body, signed, method="POST")  # noqa: S310 - our own door on loopback
    try:
        with urllib.request.urlopen(request, timeout=30) as found:  # noqa: S310 - as above
            return int(found.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 413  # the door has closed before everything was sent
