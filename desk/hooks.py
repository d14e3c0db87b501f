"""Signed webhooks: HMAC-SHA-256 over id, time and body, as https://www.standardwebhooks.com has it. Pure.

A body that is signed is believed for five minutes; what comes again in that time has the same id, and counts once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from vorab.clock import MINUTE, SECOND, Micros
from vorab.errors import VorabError

WINDOW: Final[Micros] = 5 * MINUTE
"""A signature older than this, or that far ahead, is a replay or a wrong clock."""
MAX_ID: Final = 255
ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
_PREFIX: Final = "whsec_"
_VERSION: Final = "v1"


class NotSigned(VorabError):
    """A webhook that is not believed; the sender is told which part was wrong, and never what would have been right."""


def key_of(secret: str) -> bytes:
    """The key of a secret: base64 behind `whsec_`, else its text."""
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            pass
    return secret.encode()


def sign(secret: str, name: str, timestamp: int, body: bytes) -> str:
    """The signature of a body."""
    digest = hmac.digest(key_of(secret), f"{name}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"{_VERSION},{base64.b64encode(digest).decode()}"


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: Micros) -> str:
    """The id of a webhook that was signed with this secret a moment ago.

    Raises:
        NotSigned: anything else.
    """
    name, timestamp = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    if not 0 < len(name) <= MAX_ID or not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        raise NotSigned(f"{ID}, {TIMESTAMP} and {SIGNATURE} are needed")
    wanted = sign(secret, name, int(timestamp), body).encode()
    given = headers.get(SIGNATURE, "").split()
    right = [hmac.compare_digest(each.encode("utf-8", "surrogateescape"), wanted) for each in given]
    if True not in right:  # each was compared, so that the time says nothing
        raise NotSigned("wrong signature")
    if abs(int(timestamp) * SECOND - now) > WINDOW:
        raise NotSigned("signed too long ago, or ahead of time")
    return name
