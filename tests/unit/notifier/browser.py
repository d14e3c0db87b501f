"""The other end of Web Push: a device that reads what it alone can read, and what a push service checks before it takes a message."""

from __future__ import annotations

import base64
import os
import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from notifier.channels import ChannelPort, Message, Result
from vorab.people import Person
from vorab.subscriptions import Subscription

DAY_S: Final = 86_400
URGENCIES: Final = frozenset({"very-low", "low", "normal", "high"})


def encoded(data: bytes) -> str:
    """Base64url without filling."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """And back."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as it travels."""
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _derived(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


def _keys(shared: bytes, auth: bytes, salt: bytes, device: bytes, server: bytes) -> tuple[bytes, bytes]:
    secret = _derived(auth, shared, b"WebPush: info\0" + device + server, 32)
    return _derived(salt, secret, b"Content-Encoding: aes128gcm\0", 16), _derived(salt, secret, b"Content-Encoding: nonce\0", 12)


class Device:
    """A browser: its keys, and the plain text of what it is sent (RFC 8291, RFC 8188)."""

    def __init__(self, private: bytes | None = None, auth: bytes | None = None) -> None:
        value = int.from_bytes(private, "big") if private else 0
        self._private = ec.derive_private_key(value, ec.SECP256R1()) if value else ec.generate_private_key(ec.SECP256R1())
        self.public = point(self._private.public_key())
        self.auth = auth or os.urandom(16)

    def subscription(self, endpoint: str) -> Subscription:
        """What it hands to a page."""
        return Subscription(endpoint, encoded(self.public), encoded(self.auth))

    def read(self, body: bytes) -> bytes:
        """The message; raises InvalidTag where it is for another key, ValueError where it is no whole record."""
        salt, (size, length) = body[:16], struct.unpack("!LB", body[16:21])
        server, sealed = body[21 : 21 + length], body[21 + length :]
        if len(body) > 4096 or not 18 <= len(sealed) <= size:
            raise ValueError("more than one record, or none")
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), server)
        key, nonce = _keys(self._private.exchange(ec.ECDH(), public), self.auth, salt, self.public, server)
        plain = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\0")
        if plain[-1:] != b"\x02":
            raise ValueError("not the last record: no delimiter before the padding")
        return plain[:-1]


def sealed_for(device: Subscription, plain: bytes) -> bytes:
    """A body as a sender without the library would make it, delimiter and padding left to whoever calls."""
    server, salt, to = ec.generate_private_key(ec.SECP256R1()), os.urandom(16), decoded(device.p256dh)
    shared = server.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), to))
    key, nonce = _keys(shared, decoded(device.auth), salt, to, point(server.public_key()))
    return salt + struct.pack("!LB", 4096, 65) + point(server.public_key()) + AESGCM(key).encrypt(nonce, plain, None)


def checked(headers: Mapping[str, str], origin: str, public_key: str, now_s: float) -> dict[str, Any]:
    """The claims of the signature, after all a push service looks at (RFC 8030, RFC 8292)."""
    assert headers["content-encoding"] == "aes128gcm"
    assert headers["ttl"].isdecimal()
    assert headers["urgency"] in URGENCIES
    assert 0 < len(headers["topic"]) <= 32
    assert decoded(headers["topic"])
    scheme, _, rest = headers["authorization"].partition(" ")
    assert scheme == "vapid"
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    assert parts["k"] == public_key
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decoded(parts["k"]))
    claims: dict[str, Any] = jwt.decode(parts["t"], key, algorithms=["ES256"], audience=origin, options={"require": ["exp", "aud", "sub"]})
    assert now_s < claims["exp"] <= now_s + DAY_S
    assert claims["sub"].startswith(("mailto:", "https:"))
    return claims


class OnDevices:
    """A channel whose customers all have these devices, for a kit that knows of mail and telephone only."""

    def __init__(self, inner: ChannelPort, *devices: Subscription) -> None:
        self._inner, self._devices = inner, devices
        self.channel, self.idempotent = inner.channel, inner.idempotent

    def reaches(self, person: Person | None) -> bool:
        """Whether it reaches them there."""
        return self._inner.reaches(person and replace(person, devices=self._devices))

    def send(self, message: Message) -> Result:
        """To these devices."""
        return self._inner.send(replace(message, to=replace(message.to, devices=self._devices)))

    def forget(self, notification: str) -> None:
        """As the channel does."""
        self._inner.forget(notification)
