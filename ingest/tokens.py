"""Who may speak by HTTP: a file of tokens, of which only hashes are kept. Pure.

    # one line each: whom the token speaks for, and the SHA-256 of the token
    main/pump-7  9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    main/*       60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11f752

`main/*` speaks for every device of the tenant, and is what a webhook needs. Several tokens for one name are fine: an old and a new one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from enum import StrEnum
from typing import Final

from vorab.errors import ConfigError
from vorab.topics import ID

_DIGEST: Final = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")
ANY: Final = "*"


class Access(StrEnum):
    """What a token may do."""

    GRANTED = "granted"
    UNKNOWN = "unknown"
    """Nobody's token, or none."""
    OTHER = "other"
    """Somebody else's."""


class Tokens:
    """Hashes of tokens by whom they speak for."""

    def __init__(self, text: str, *, file: str = "") -> None:
        """Raises ConfigError for a line that cannot be, with its number; the line itself is not repeated."""
        self._digests: dict[str, list[bytes]] = {}
        for number, line in enumerate(text.splitlines(), 1):
            words = line.partition("#")[0].split()
            if words:
                name, digest = _entry(words, file, number)
                self._digests.setdefault(name, []).append(digest)
        self._known = frozenset(digest for digests in self._digests.values() for digest in digests)

    def __len__(self) -> int:
        """How many names have tokens."""
        return len(self._digests)

    def access(self, token: str, tenant: str, device: str = "") -> Access:
        """What a token may do for a device of a tenant, or for the tenant as a whole; takes as long for a wrong one as for a right one."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        names = [f"{tenant}/{ANY}", *([f"{tenant}/{device}"] if device else [])]
        granted = False
        for wanted in [wanted for name in names for wanted in self._digests.get(name, ())]:
            granted |= hmac.compare_digest(digest, wanted)
        if granted:
            return Access.GRANTED
        return Access.OTHER if digest in self._known else Access.UNKNOWN


def _entry(words: list[str], file: str, number: int) -> tuple[str, bytes]:
    hint = "a line is: main/pump-7 or main/*, a space, and the SHA-256 of the token in 64 hexadecimal digits"
    if len(words) != 2:
        raise ConfigError("not a name and a hash", file=file, line=number, key="ingest.http_tokens", hint=hint)
    tenant, _, device = words[0].partition("/")
    found = _DIGEST.fullmatch(words[1])
    if not ID.fullmatch(tenant) or not (device == ANY or ID.fullmatch(device)):
        raise ConfigError("not a tenant and a device", file=file, line=number, key="ingest.http_tokens", hint=hint)
    if found is None:
        raise ConfigError("not a SHA-256 in hexadecimal digits", file=file, line=number, key="ingest.http_tokens", hint=hint)
    return words[0], bytes.fromhex(found[1])
