"""The key messages to browsers are signed with (VAPID, RFC 8292): made at the first start, in a file only its owner can read."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from vorab.errors import ConfigError
from vorab.settings import Settings


@dataclass(frozen=True, slots=True)
class Keys:
    """A pair of keys on P-256."""

    private: bytes
    """PEM,"""
    public: bytes
    """PEM,"""
    browsers: str
    """and as browsers want it (`applicationServerKey`)."""

    def __repr__(self) -> str:
        """Without the private one."""
        return f"Keys({self.browsers})"


def key_file(settings: Settings) -> Path:
    """Where the key is."""
    return Path(settings.notifier.web_push.key) if settings.notifier.web_push.key else settings.state_path / "vapid.pem"


def keys_in(file: Path) -> Keys:
    """The pair in a file; a new one where there is no file.

    Raises:
        ConfigError: the file cannot be read or written, is no such key, or others may read it.
    """
    try:
        if not file.exists():
            _make(file)
        if file.stat().st_mode & 0o077:
            raise ConfigError("others may read the key", file=str(file), key="notifier.web_push.key", hint=f"chmod 600 {file}")
        return _pair(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot read the key: {error.strerror}", file=str(file), key="notifier.web_push.key") from None
    except (ValueError, TypeError):
        raise ConfigError(
            "not a private key on P-256 without a password", file=str(file), key="notifier.web_push.key", hint="PEM, as vorab makes it"
        ) from None


def _pair(pem: bytes) -> Keys:
    private = serialization.load_pem_private_key(pem, None)
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise TypeError("another kind of key")
    public = private.public_key()
    point = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return Keys(
        pem,
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        base64.urlsafe_b64encode(point).rstrip(b"=").decode(),
    )


def _make(file: Path) -> None:
    made = ec.generate_private_key(ec.SECP256R1())
    pem = made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    ours = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(ours, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(pem)
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its key is the one
            os.link(ours, file)
    finally:
        ours.unlink(missing_ok=True)
