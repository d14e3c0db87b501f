"""How an account of a chat or network is shown to be a customer's: by a token only they were given. Pure.

Telegram passes it on from a link: `https://t.me/BOT?start=TOKEN` sends `/start TOKEN`. Elsewhere it is written in a private message.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Final

from vorab.links import MIN_SECRET

_DOMAIN: Final = b"vorab.chat.v1\0"
_BYTES: Final = 24
_TOKEN: Final = re.compile(r"(?:/start\s+)?([A-Za-z0-9_-]{32})")


def token_of(secret: str, customer: str) -> str:
    """The token of a customer, by key; raises ValueError for a secret under 16 characters."""
    if len(secret) < MIN_SECRET:
        raise ValueError(f"a link secret has at least {MIN_SECRET} characters")
    digest = hmac.digest(secret.encode(), _DOMAIN + customer.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest[:_BYTES]).decode()


def token_in(text: str) -> str:
    """The token a message consists of; empty where it says anything else."""
    found = _TOKEN.fullmatch(text.strip())
    return found[1] if found else ""
