"""Free text of customers, sealed with a key of each customer's own: whoever destroys the key has erased the text, wherever it lies.

AES-256-GCM with a fresh nonce (NIST SP 800-38D); the customer's key is bound in, so that text moved to another customer does not open.
Within other text sealed words stand as `sealed:…`: stages pass them on and need not read them, and whoever shows them opens them.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_VERSION: Final = b"\x01"
_MARK: Final = "sealed:"
_TOKEN: Final = re.compile(_MARK + r"([A-Za-z0-9_-]{38,}={0,2})")
"""No sealed text is shorter: version, nonce and tag are 29 bytes."""


def new_key() -> bytes:
    """A key for one customer."""
    return os.urandom(KEY_BYTES)


def seal(key: bytes, customer: str, text: str) -> str:
    """Text as it may travel through the log, in URL-safe base64; `customer` is `tenant/customer`."""
    nonce = os.urandom(_NONCE_BYTES)
    # Half a character cannot be encoded, and is not worth losing the rest for.
    sealed = AESGCM(key).encrypt(nonce, text.encode("utf-8", "replace"), customer.encode())
    return base64.urlsafe_b64encode(_VERSION + nonce + sealed).decode()


def opened(key: bytes | None, customer: str, sealed: str) -> str | None:
    """The text; None where the key is destroyed, or it is not of this customer, or has been changed."""
    if key is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(sealed)
        if raw[:1] != _VERSION:
            return None
        plain = AESGCM(key).decrypt(raw[1 : 1 + _NONCE_BYTES], raw[1 + _NONCE_BYTES :], customer.encode())
    except (binascii.Error, InvalidTag, ValueError):
        return None
    return plain.decode()


def marked(sealed: str) -> str:
    """Sealed words as they stand within other text; nothing stays nothing."""
    return _MARK + sealed if sealed else ""


def found_in(text: str) -> list[str]:
    """The sealed words within a text."""
    return _TOKEN.findall(text)


def replaced(text: str, words: Mapping[str, str], otherwise: str) -> str:
    """A text with what is sealed in it put in words (sealed words → words), as far as they are known."""
    return _TOKEN.sub(lambda found: words.get(found[1], otherwise), text)
