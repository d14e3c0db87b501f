"""A browser that shows messages (Web Push): where its push service takes them, and the keys only that browser can read them with."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec

MAX_ENDPOINT: Final = 2_048
AUTH_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a browser hands out (W3C Push API). Its endpoint is a secret: who has it can make the device ring."""

    endpoint: str
    p256dh: str
    """Its public key: an uncompressed point on P-256, base64url."""
    auth: str
    """16 shared bytes, base64url (RFC 8291)."""

    def __repr__(self) -> str:
        """Only which service it is: an endpoint must not end up in a log line by accident."""
        return f"Subscription({self.host})"

    @property
    def host(self) -> str:
        """The push service."""
        return urlsplit(self.endpoint).hostname or ""


def subscription_of(values: Any) -> Subscription:
    """A subscription from plain values; raises ValueError where a browser would not make such a one."""
    endpoint, p256dh, auth = (str(values[name]) for name in ("endpoint", "p256dh", "auth"))
    url = urlsplit(endpoint)
    if len(endpoint) > MAX_ENDPOINT or not endpoint.isascii() or not endpoint.isprintable() or " " in endpoint:
        raise ValueError("endpoint is no address")
    if url.scheme not in {"https", "http"} or not url.hostname or url.username or url.password or url.fragment:
        raise ValueError("endpoint is https://HOST/PATH")
    ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(p256dh))
    if len(_bytes(auth)) != AUTH_BYTES:
        raise ValueError(f"auth is {AUTH_BYTES} bytes")
    return Subscription(endpoint, p256dh.rstrip("="), auth.rstrip("="))


def _bytes(text: str) -> bytes:
    try:
        plain = text.rstrip("=").encode("ascii")
        return base64.b64decode(plain + b"=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("keys are base64url") from None
