"""Credentials of partners, read anew whenever they are needed: so they can be changed while vorab runs, and are never kept or logged."""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from vorab.errors import ConfigError
from vorab.outbound.signatures import key_of
from vorab.partners import Partner

VALID: Final = 2
"""The newest secret and the one before it: so both sides can change it without losing a message."""
MIN_TOKEN: Final = 16


def authorization(partner: Partner, env: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The header that shows who we are; empty where the partner wants none.

    Raises:
        ConfigError: the file or variable is not there.
    """
    found = _words(partner, "token", env)
    if not found:
        return {}
    if partner.auth == "basic":
        return {"Authorization": "Basic " + base64.b64encode(found[0].encode()).decode()}
    return {"Authorization": f"Bearer {found[0]}"}


def secrets(partner: Partner, env: Mapping[str, str] = os.environ) -> Sequence[str]:
    """The secrets that are valid, the newest first; raises ConfigError as above, and for one that is too short."""
    found = _words(partner, "secret", env)[:VALID]
    for secret in found:
        if why := _weak(partner, secret):
            raise ConfigError(f"partner {partner.name}: {why}", key=_key(partner, "secret"))
    return found


def _weak(partner: Partner, secret: str) -> str:
    if partner.kind == "tmf621":
        return "" if len(secret) >= MIN_TOKEN else f"a token has at least {MIN_TOKEN} characters"
    try:
        key_of(secret)
    except ValueError as error:
        return str(error)
    return ""


def lets_in(partner: Partner, header: str, env: Mapping[str, str] = os.environ) -> bool:
    """Whether an Authorization header shows one of the partner's tokens: as bearer, or as the password of basic."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except ValueError:
            return False
    elif scheme.lower() != "bearer":
        return False
    return bool(sum(hmac.compare_digest(given.strip().encode(), known.encode()) for known in secrets(partner, env)))


def _words(partner: Partner, what: str, env: Mapping[str, str]) -> list[str]:
    file, variable = getattr(partner, f"{what}_file"), getattr(partner, f"{what}_env")
    if variable:
        if not env.get(variable):
            raise ConfigError(f"partner {partner.name}: {variable} is not set", key=f"partners.{what}_env", hint="or name a file instead")
        return env[variable].split()
    if not file:
        return []
    try:
        lines = [line.strip() for line in Path(file).read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"partner {partner.name}: its credentials cannot be read: {why}", file=file, key=_key(partner, what)) from None
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise ConfigError(f"partner {partner.name}: the file of credentials is empty", file=file, key=_key(partner, what))
    return found


def _key(partner: Partner, what: str) -> str:
    return f"partners.{what}_file" if getattr(partner, f"{what}_file") else f"partners.{what}_env"
