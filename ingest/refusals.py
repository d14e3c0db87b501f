"""What becomes of a message that cannot be taken: its bytes and the reason on the log, and a word to the device. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import OrderedDict
from typing import Final, NamedTuple

from ingest.packets import HEAD_BYTES
from ingest.topicmap import PREFIX, Route
from vorab import ids
from vorab.clock import HOUR, MINUTE, SECOND, Micros
from vorab.errors import Rejected
from vorab.records import Rejection

SOURCE: Final = "urn:vorab:ingest"
_MAX_SOURCE: Final = 200
"""An MQTT topic may have 64 KiB; a record's source may not."""
_MAX_DETAIL: Final = 500
_QUIET_S: Final = 1.0
"""A device that sends nonsense all the time is told once a second: enough for its author, no second flood for the broker."""
_REMEMBERED: Final = 10_000
_LINES_A_MINUTE: Final = 20


class Note(NamedTuple):
    """A message for a device."""

    topic: str
    payload: bytes


def source_of(topic: bytes) -> str:
    """The topic as text that any record can hold."""
    text = topic.decode("utf-8", "backslashreplace")
    if len(text) <= _MAX_SOURCE:
        return text
    return f"{text[:_MAX_SOURCE]}…{hashlib.blake2s(topic, digest_size=8).hexdigest()}"


def rejection(
    topic: bytes,
    payload: bytes,
    mid: bytes,
    why: Rejected,
    received_at: Micros,
    *,
    route: Route | None,
    size: int | None,
    messages: int = 1,
) -> Rejection:
    """The record of one refused message; `size` is its full size where only the head of the payload is here.

    Its id comes from topic, payload and packet id: a message that the broker delivers again after a reconnect has all three,
    so it counts once. QoS 0 is never delivered again; there the time of arrival takes the packet id's place.
    """
    source = source_of(topic)
    place = int.from_bytes(mid, "big") if mid else received_at
    digest = hashlib.blake2s(topic + b"\0" + payload, digest_size=16).hexdigest()
    return Rejection(
        id=ids.rejection_id(f"mqtt:{source}", int(bool(mid)), place, digest),
        source=source,
        reason=why.reason,
        detail=why.detail.encode("utf-8", "backslashreplace").decode()[:_MAX_DETAIL],
        device=route.key if route else "",
        at=received_at,
        messages=messages,
        size_bytes=len(payload) if size is None else size,
        payload_base64=base64.b64encode(payload[:HEAD_BYTES]).decode(),
        origin_topic=source,
    )


class Notes:
    """Tells devices why, at most once a second each."""

    def __init__(self) -> None:
        self._told: OrderedDict[str, Micros] = OrderedDict()

    def note(self, route: Route, why: Rejected, now: Micros, speed: float) -> Note | None:
        """The message for the device's error topic, unless it was told just now; `speed` is the clock's."""
        last = self._told.get(route.key)
        if last is not None and 0 <= now - last < _QUIET_S * SECOND * speed:
            return None
        self._told[route.key] = now
        self._told.move_to_end(route.key)
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        body = json.dumps({"reason": str(why.reason), "detail": why.detail[:_MAX_DETAIL]})
        return Note(f"{PREFIX}/{route.tenant}/{route.device}/errors", body.encode())


class News:
    """Which refusals are worth a line in the log: the first of each sender and reason in an hour, and few a minute in all."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[str, str], Micros] = OrderedDict()
        self._minute: Micros = 0
        self._lines = 0

    def first(self, who: str, reason: str, now: Micros, speed: float) -> bool:
        """Whether to say it; `now` is the clock's time in µs, `speed` how fast it runs."""
        last = self._told.get((who, reason))
        if last is not None and 0 <= now - last < HOUR * speed:
            return False
        if not 0 <= now - self._minute < MINUTE * speed:
            self._minute, self._lines = now, 0
        if self._lines >= _LINES_A_MINUTE:
            return False
        self._lines += 1
        self._told[who, reason] = now
        self._told.move_to_end((who, reason))
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return True
