"""Who may use the API: named tokens of which only salted hashes are kept, and a limit on guessing. Pure.

A token is 256 random bits, so one round of SHA-256 is enough: there is nothing to guess that a slow hash would protect.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Final

from vorab.clock import MINUTE, SECOND, Micros
from vorab.settings import DeskToken, Scope

PREFIX: Final = "vorab_"
"""So that whoever searches code for secrets finds one."""
MOST_FAILURES: Final = 10
WINDOW: Final[Micros] = MINUTE
"""So many wrong tokens of one address in so long; then it is not listened to."""
MOST_PEERS: Final = 1_000
"""Addresses remembered; those that failed longest ago are let go."""
_SALT_BYTES: Final = 16


def make() -> str:
    """A new token."""
    return PREFIX + secrets.token_urlsafe(32)


def hashed(token: str, salt: bytes | None = None) -> str:
    """What is kept of a token: `salt:hash`, both in hexadecimal digits."""
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    return f"{salt.hex()}:{hashlib.sha256(salt + token.encode('utf-8', 'surrogateescape')).hexdigest()}"


def right(token: str, kept: str) -> bool:
    """Whether this is the token of a hash; takes as long for a wrong one as for a right one."""
    return hmac.compare_digest(hashed(token, bytes.fromhex(kept.partition(":")[0])), kept)


class Tokens:
    """The tokens of the settings."""

    def __init__(self, known: Iterable[DeskToken] = ()) -> None:
        self._known = tuple(known)

    def holder(self, token: str) -> DeskToken | None:
        """Whose token this is; all are looked at, so that the time says nothing about which."""
        found = None
        for each in self._known:
            if right(token, each.hash):
                found = each
        return found


class Failures:
    """Wrong tokens by the address they came from."""

    def __init__(self) -> None:
        self._failed: OrderedDict[str, deque[Micros]] = OrderedDict()

    def failed(self, peer: str, now: Micros) -> None:
        """One more."""
        times = self._failed.setdefault(peer, deque(maxlen=MOST_FAILURES))
        times.append(now)
        self._failed.move_to_end(peer)
        while len(self._failed) > MOST_PEERS:
            self._failed.popitem(last=False)

    def wait_s(self, peer: str, now: Micros) -> int:
        """How long this address is not listened to; 0: it is."""
        times = self._failed.get(peer)
        if times is None or len(times) < MOST_FAILURES or times[0] <= now - WINDOW:
            return 0
        return max(1, -(-(times[0] + WINDOW - now) // SECOND))


def needed(method: str, path: str) -> Scope:
    """What a token must be allowed for a request."""
    if method in {"GET", "HEAD", "OPTIONS"}:
        return "read"
    return "contacts" if path == "/api/contacts" else "write"


def may_book(method: str, path: str, scopes: Iterable[Scope]) -> bool:
    """Whether a token may book and change calls: whoever tells of contacts may, too."""
    return path.startswith("/api/bookings") and needed(method, path) == "write" and "contacts" in scopes
