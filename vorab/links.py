"""Signed links to the customer page: made by the notifier, checked by the desk, good for one case and one purpose until they expire.

A token is `base64url(claims) . base64url(HMAC-SHA256)`. It holds random ids and no personal data. It identifies, so pages behind it
are sent with `Referrer-Policy: no-referrer` and the token never appears in a log line.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import astuple, dataclass
from enum import StrEnum
from typing import Final

from vorab.clock import Micros
from vorab.errors import VorabError

_DOMAIN: Final = b"vorab.link.v1\0"
"""What is signed starts with this, so that a signature made for anything else never opens a page."""
MAX_TOKEN: Final = 2_048
MIN_SECRET: Final = 16


class LinkFor(StrEnum):
    """What a link may be used for."""

    PAGE = "page"
    """The customer page of one case."""
    UNSUBSCRIBE = "unsubscribe"
    CALL = "call"
    """One press of *yes, call me* on a notification, without a page."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a link says about itself."""

    notification: str
    case: str
    device: str
    """Key: `tenant/device`."""
    customer: str
    """Key: `tenant/customer`."""
    stage: str
    expires_at: Micros
    purpose: LinkFor = LinkFor.PAGE


class LinkRefused(VorabError):
    """A link that opens nothing; tell the visitor no more than `expired`."""

    def __init__(self, why: str, *, expired: bool = False) -> None:
        self.expired = expired
        super().__init__(why)


def sign(secret: str, claims: Claims) -> str:
    """The token of these claims; raises ValueError for a secret under 16 characters."""
    body = json.dumps([1, *astuple(claims)], ensure_ascii=False, separators=(",", ":")).encode()
    return f"{_encode(body)}.{_encode(_signature(secret, body))}"


def verify(secret: str, token: str, now: Micros, purpose: LinkFor = LinkFor.PAGE) -> Claims:
    """The claims of a token that was signed with this secret, for this purpose, and has not expired.

    Raises:
        LinkRefused: anything else. Nothing of a token is read before its signature is right.
    """
    if len(token) > MAX_TOKEN:
        raise LinkRefused("too long")
    encoded, _, signature = token.partition(".")
    try:
        body, given = _decode(encoded), _decode(signature)
    except (binascii.Error, ValueError):
        raise LinkRefused("not a token") from None
    if not hmac.compare_digest(given, _signature(secret, body)):
        raise LinkRefused("wrong signature")
    try:
        version, notification, case, device, customer, stage, expires_at, found = json.loads(body)
        claims = Claims(notification, case, device, customer, stage, int(expires_at), LinkFor(found))
    except (ValueError, TypeError):
        raise LinkRefused("unreadable claims") from None
    if version != 1:
        raise LinkRefused("another version")
    if claims.purpose is not purpose:
        raise LinkRefused("made for something else")
    if now >= claims.expires_at:
        raise LinkRefused("expired", expired=True)
    return claims


def _signature(secret: str, body: bytes) -> bytes:
    if len(secret) < MIN_SECRET:
        raise ValueError(f"a link secret has at least {MIN_SECRET} characters")
    return hmac.digest(secret.encode(), _DOMAIN + body, hashlib.sha256)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    data = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    # Two spellings of one token (stray low bits) would be two links: only the one that sign() writes counts.
    if _encode(data) != text:
        raise ValueError("not canonical")
    return data
