"""One HTTP call to a system of others: pinned to the address that was looked at, no redirects, no proxy, bounded in time and size.

What comes of it is an answer, or one of two failures that must not be confused: it was not sent, or nobody knows what became of it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from vorab.errors import VorabError
from vorab.outbound.addresses import AddressRefused, Resolve, allowed_host, is_private, pinned, resolve

MOST_BYTES: Final = 1 << 20
"""Longest answer that is read."""
LONGEST_RETRY_AFTER_S: Final = 3600.0


class Trouble(StrEnum):
    """Why a call did not do what it should; also a metric label, so the set is closed."""

    UNREACHABLE = "unreachable"
    """Not sent."""
    UNKNOWN = "unknown"
    """Sent, and no answer: it may have been done."""
    BUSY = "busy"
    """The other side asks for patience (408, 412, 425, 429, 5xx)."""
    CREDENTIALS = "credentials"
    REDIRECT = "redirect"
    REFUSED = "refused"
    GONE = "gone"
    UNREADABLE = "unreadable"
    ADDRESS = "address"
    """The operator has not allowed it."""
    CONFIG = "config"
    """A file of credentials cannot be read."""


class CallFailed(VorabError):
    """A call that did not do what it should."""

    def __init__(
        self, trouble: Trouble, detail: str = "", retry_after_s: float = 0.0, status: int = 0, answer: Answer | None = None
    ) -> None:
        self.trouble, self.detail, self.retry_after_s = trouble, detail, retry_after_s
        self.status, self.answer = status, answer
        """What was answered; 0 and None where nothing was."""
        super().__init__(f"{trouble}: {detail}" if detail else str(trouble))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The body; raises CallFailed where it is no JSON."""
        try:
            return json.loads(self.body or b"null")
        except ValueError:
            raise CallFailed(Trouble.UNREADABLE, f"{self.status}, and a body that is no JSON") from None


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls one host."""

    hosts: Iterable[str]
    """The operator's list."""
    allow_private: bool = False
    timeout_s: float = 10.0
    """For the call as a whole."""
    resolver: Resolve = resolve
    setting: str = "desk.partner_hosts"
    """Where the operator's list stands, for whoever has to change it."""

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Call, and hand back what was answered.

        Raises:
            CallFailed: anything but a status of success.
        """
        connection = self._connection(url)
        sock: socket.socket | None = None
        cut = threading.Event()

        def give_up() -> None:
            cut.set()
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(self.timeout_s, give_up)
        timer.daemon = True
        timer.start()
        try:
            try:
                connection.connect()
                sock = connection.sock
            except (OSError, http.client.HTTPException) as error:
                raise CallFailed(Trouble.UNREACHABLE, _said(error)) from None
            return self._talk(connection, method, url, headers, body, cut)
        finally:
            timer.cancel()
            connection.close()

    def _connection(self, url: str) -> http.client.HTTPConnection:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme not in {"https", "http"} or not host or parts.username:
            raise CallFailed(Trouble.ADDRESS, "only https://HOST/… is called")
        if not allowed_host(host, self.hosts):
            raise CallFailed(Trouble.ADDRESS, f"{host} is not in {self.setting}")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            address = pinned(host, port, allow_private=self.allow_private, resolver=self.resolver)
        except AddressRefused as error:
            raise CallFailed(Trouble.ADDRESS, str(error)) from None
        except (OSError, UnicodeError) as error:
            raise CallFailed(Trouble.UNREACHABLE, f"{host}: {_said(error)}") from None
        if parts.scheme == "http" and not is_private(address):
            raise CallFailed(Trouble.ADDRESS, f"{host} is outside the house, and http would be plain text")
        if parts.scheme == "https":
            return _Pinned(host, port, address, self.timeout_s)
        return _Plain(host, port, address, self.timeout_s)

    def _talk(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        cut: threading.Event,
    ) -> Answer:
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request(method, target, body, {"User-Agent": "vorab", "Accept": "application/json", **headers})
            answer = connection.getresponse()
            found = answer.read(MOST_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            said = f"no answer within {self.timeout_s:g} s" if cut.is_set() else _said(error)
            raise CallFailed(Trouble.UNKNOWN, said) from None
        if len(found) > MOST_BYTES:
            raise CallFailed(Trouble.UNREADABLE, f"more than {MOST_BYTES >> 10} KiB")
        whole = Answer(answer.status, found, {name.lower(): value for name, value in answer.getheaders()})
        if 200 <= answer.status < 300:
            return whole
        patience = _patience(answer.getheader("Retry-After"))
        raise CallFailed(trouble_of(answer.status), f"{method} was answered {answer.status}", patience, answer.status, whole)


def trouble_of(status: int) -> Trouble:
    """What a status other than success means for us."""
    if 300 <= status < 400:
        return Trouble.REDIRECT
    if status in {401, 403, 407}:
        return Trouble.CREDENTIALS
    if status in {404, 410}:
        return Trouble.GONE
    if status in {408, 412, 425, 429} or status >= 500:
        return Trouble.BUSY
    return Trouble.REFUSED


def _patience(header: str | None) -> float:
    return min(float(header), LONGEST_RETRY_AFTER_S) if header and header.strip().isdecimal() else 0.0


def _said(error: BaseException) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)) or type(error).__name__


class _Plain(http.client.HTTPConnection):
    """To an address, in the name of a host."""

    def __init__(self, host: str, port: int, address: str, timeout_s: float) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self._address, self._seconds = address, timeout_s

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self._seconds)


class _Pinned(http.client.HTTPSConnection):
    """The same with TLS: the certificate has to be the host's."""

    def __init__(self, host: str, port: int, address: str, timeout_s: float) -> None:
        self._tls = ssl.create_default_context()
        super().__init__(host, port, timeout=timeout_s, context=self._tls)
        self._address, self._seconds = address, timeout_s

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self._seconds)
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        except OSError:
            plain.close()
            raise
