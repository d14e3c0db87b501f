"""The four digits of a case: the same in message, letter and on the machine's display, so that a customer can tell us from fraud.

They prove something to the customer, and never the other way round: who knows them may not do more for it.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from vorab.links import MIN_SECRET

_DOMAIN: Final = b"vorab.code.v1\0"
"""What is digested starts with this, so that a code tells nothing about a link signed with the same secret."""
DIGITS: Final = 4
PLACE: Final = "{code}"
"""Stands for the digits in what a machine is to show; filled in on the way to it, so that they never stand on the log."""


def code_of(secret: str, case: str) -> str:
    """The digits of a case: the same for the same secret and case id; raises ValueError for a secret under 16 characters."""
    if len(secret) < MIN_SECRET:
        raise ValueError(f"a link secret has at least {MIN_SECRET} characters")
    digest = hmac.digest(secret.encode(), _DOMAIN + case.encode("utf-8", "replace"), hashlib.sha256)
    # Eight bytes: of 2^64 values no code is likelier than another by more than a trillionth of a percent.
    return f"{int.from_bytes(digest[:8], 'big') % 10**DIGITS:0{DIGITS}d}"


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes of one installation. Without a secret there are none."""

    secret: str = ""

    def __repr__(self) -> str:
        """Without the secret."""
        return "Codes()"

    def of(self, case: str) -> str:
        """The digits of a case; empty without a secret."""
        return code_of(self.secret, case) if self.secret else ""
