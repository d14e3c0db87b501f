"""Signed webhooks after Standard Webhooks: HMAC-SHA-256 over id, time and body, so that nobody can make, change or replay one.

Source: Standard Webhooks specification 1.0, https://github.com/standard-webhooks/standard-webhooks.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

from vorab.clock import MINUTE, SECOND, Micros
from vorab.errors import VorabError

WINDOW: Final[Micros] = 5 * MINUTE
"""How far the time of a message may be from ours."""
PREFIX: Final = "whsec_"
MIN_KEY: Final = 24
MAX_ID: Final = 128


class SignatureRefused(VorabError):
    """A message that is not from whom it says, or not of now."""


def key_of(secret: str) -> bytes:
    """The key a secret stands for.

    Raises:
        ValueError: not `whsec_` and at least 24 bytes in base64.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True) if secret.startswith(PREFIX) else b""
    except binascii.Error:
        key = b""
    if len(key) < MIN_KEY:
        raise ValueError(f"a secret is {PREFIX} and at least {MIN_KEY} random bytes in base64")
    return key


def key_id(secret: str) -> str:
    """Names a key without telling it."""
    return hashlib.sha256(b"vorab.key.v1\0" + key_of(secret)).hexdigest()[:8]


def headers(secrets: Sequence[str], message: str, at: Micros, body: bytes) -> dict[str, str]:
    """The headers of a message, signed with every valid secret: whoever holds one of them can check it."""
    seconds = at // SECOND
    return {
        "webhook-id": message,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(f"v1,{_signature(secret, message, seconds, body)}" for secret in secrets),
        "webhook-key-id": " ".join(key_id(secret) for secret in secrets),
    }


def verify(secrets: Sequence[str], found: Mapping[str, str], now: Micros, body: bytes) -> str:
    """The id of a message that one of these secrets has signed, within the window.

    Raises:
        SignatureRefused: anything else.
    """
    message, seconds = found.get("webhook-id", ""), found.get("webhook-timestamp", "")
    if (
        not message
        or len(message) > MAX_ID
        or not message.isprintable()
        or not (seconds.isascii() and seconds.isdecimal() and len(seconds) < 12)
    ):
        raise SignatureRefused("webhook-id or webhook-timestamp is missing")
    if abs(int(seconds) * SECOND - now) > WINDOW:
        raise SignatureRefused("webhook-timestamp is not of now")
    given = [part.removeprefix("v1,").encode() for part in found.get("webhook-signature", "").split() if part.startswith("v1,")]
    known = [_signature(secret, message, int(seconds), body).encode() for secret in secrets]
    # Every pair is compared, so that the time it takes tells nothing.
    if not sum(hmac.compare_digest(one, other) for one in given[:4] for other in known):
        raise SignatureRefused("no signature fits")
    return message


def _signature(secret: str, message: str, seconds: int, body: bytes) -> str:
    content = f"{message}.{seconds}.".encode() + body
    return base64.b64encode(hmac.digest(key_of(secret), content, hashlib.sha256)).decode()
