"""What Apprise did on the wire: it says only yes or no, and between *refused* and *perhaps sent* lies whether somebody is told twice.

Every HTTP call of a watched send goes by here, is written down with what came of it, and may not be a redirect. A call outside of a
watched send goes as if this were not here.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from notifier.channels import Outcome
from vorab.outbound.call import Trouble, trouble_of

PATIENCE: Final = frozenset({408, 412, 425, 429, 503})
"""Answers that say it was not taken now. Other 5xx may come after it was."""


@dataclass(slots=True)
class Watch:
    """The calls of one send."""

    statuses: list[int] = field(default_factory=list)
    unsent: int = 0
    """Calls that certainly reached nobody."""
    unknown: int = 0
    """Calls that went out and brought no answer."""

    def outcome(self, *, said: bool) -> Outcome:
        """What became of it, given what Apprise says; unknown unless it was certainly not taken."""
        if said:
            return Outcome.SENT
        if self.unknown or not (self.statuses or self.unsent):
            return Outcome.UNKNOWN
        # With several calls one may have been the message, and a later one only a farewell.
        if any(status < 300 for status in self.statuses):
            return Outcome.UNKNOWN
        if not self.statuses:
            return Outcome.LATER
        status = self.statuses[-1]
        if status in PATIENCE or trouble_of(status) in {Trouble.CREDENTIALS, Trouble.GONE, Trouble.REDIRECT}:
            return Outcome.LATER
        return Outcome.FAILED if trouble_of(status) is Trouble.REFUSED else Outcome.UNKNOWN

    def told(self) -> str:
        """The same for a person: statuses and nothing of the provider's words, which may quote a number."""
        if self.statuses:
            return f"answered {self.statuses[-1]}"
        return "not reached" if self.unsent and not self.unknown else "no answer"


_now: ContextVar[Watch | None] = ContextVar("vorab_apprise_watch", default=None)


@contextmanager
def watching() -> Iterator[Watch]:
    """Watch the calls of this thread within the block."""
    watch = Watch()
    token = _now.set(watch)
    try:
        yield watch
    finally:
        _now.reset(token)


def _never_left(error: BaseException) -> bool:
    """Whether there was no connection at all, or one to a stranger."""
    known: list[BaseException] = []
    todo: list[Any] = [error]
    while todo and len(known) < 20:
        one = todo.pop()
        if not isinstance(one, BaseException) or one in known:
            continue
        if isinstance(one, NewConnectionError | ConnectTimeoutError | ssl.SSLCertVerificationError):
            return True
        known.append(one)
        todo += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
    return False


_send = HTTPAdapter.send


def _watched(self: HTTPAdapter, request: requests.PreparedRequest, **how: Any) -> requests.Response:
    watch = _now.get()
    if watch is None:
        return _send(self, request, **how)
    if watch.statuses and 300 <= watch.statuses[-1] < 400:
        raise requests.TooManyRedirects("redirects are not followed")
    try:
        answer = _send(self, request, **how)
    except Exception as error:
        if _never_left(error):
            watch.unsent += 1
        else:
            watch.unknown += 1
        raise
    watch.statuses.append(answer.status_code)
    return answer


_instead: Any = _watched
HTTPAdapter.send = _instead  # type: ignore[method-assign]  # plugins call requests by its functions; this is their one way out
