"""Where HTTP requests wait for the thread that writes to the log: a bounded queue between the two, and what becomes of each. No socket.

A request is answered when the log has all it became. Whoever gets no answer, or one that says *later*, sends again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal, NamedTuple

from vorab.errors import Reason, Rejected

MOST_WAITING: Final = 256
"""Requests; with 64 KiB each this is 16 MiB."""
MOST_BYTES: Final = 16 << 20
_SOON_S: Final = 1
_LATER_S: Final = 5

_STATUS: Final[Mapping[Reason, int]] = {
    Reason.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Reason.UNSUPPORTED: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Reason.IDENTITY_MISMATCH: HTTPStatus.FORBIDDEN,
    Reason.UNKNOWN_TOPIC: HTTPStatus.NOT_FOUND,
    Reason.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    Reason.QUARANTINED: HTTPStatus.TOO_MANY_REQUESTS,
}
"""Every other reason is a bad request."""

Kind = Literal["telemetry", "alertmanager", "thingsboard"]


class Verdict(NamedTuple):
    """The answer to a request."""

    status: int
    reason: str = ""
    detail: str = ""
    retry_after_s: int = 0
    body: Mapping[str, Any] | None = None
    """What a success has to tell."""


STORED: Final = Verdict(HTTPStatus.NO_CONTENT)
FULL: Final = Verdict(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "too much waits for the log; send it again", _SOON_S)
LOST: Final = Verdict(HTTPStatus.SERVICE_UNAVAILABLE, "unknown", "the log did not confirm it; send it again", _SOON_S)


def closed(why: str) -> Verdict:
    """Nothing can be taken for now."""
    return Verdict(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", why, _LATER_S)


def refused(why: Rejected) -> Verdict:
    """It stands among the refusals."""
    status = _STATUS.get(why.reason, HTTPStatus.BAD_REQUEST)
    return Verdict(status, str(why.reason), why.detail[:500], _LATER_S if status == HTTPStatus.TOO_MANY_REQUESTS else 0)


def foreign(share: str) -> Verdict:
    """The device belongs to another worker, which has a port of its own."""
    return Verdict(HTTPStatus.MISDIRECTED_REQUEST, "other_worker", f"this worker is {share}; ask the others")


@dataclass(slots=True)
class Knock:
    """One request."""

    kind: Kind
    tenant: str
    device: str
    """Of telemetry; of an alarm where the address names one."""
    payload: bytes
    content_type: str
    size: int | None
    """The full size of a payload that was not read to its end."""
    answer: Callable[[Verdict], None]
    """Called once, by the thread that writes."""
    gone: bool = False
    """Nobody waits any more."""


class Door:
    """Requests on their way in."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """`wake` is called when somebody knocks."""
        self._wake = wake
        self._lock = threading.Lock()
        self._waiting: deque[Knock] = deque()
        self._bytes = 0
        self.closed = "not ready yet"
        """Why nothing is taken for now; empty: it is."""

    def knock(self, knock: Knock) -> Verdict | None:
        """Queue a request; else the answer that refuses it."""
        with self._lock:
            if self.closed:
                return closed(self.closed)
            if len(self._waiting) >= MOST_WAITING or self._bytes >= MOST_BYTES:
                return FULL
            self._waiting.append(knock)
            self._bytes += len(knock.payload)
        self._wake()
        return None

    def take(self) -> list[Knock]:
        """Everybody who still waits."""
        if not self._waiting:
            return []
        with self._lock:
            taken, self._bytes = [knock for knock in self._waiting if not knock.gone], 0
            self._waiting.clear()
        return taken

    def close(self, why: str) -> None:
        """Take nothing for now, and send away whoever waits."""
        self.closed = why
        for knock in self.take():
            knock.answer(closed(why))

    def open(self) -> None:
        """Take what comes."""
        self.closed = ""

    @property
    def waiting(self) -> bool:
        """Whether somebody does."""
        return bool(self._waiting)
