"""What stands before every route: security headers, a limit on bodies, and no way in for forms of other sites."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from desk.gate import HOLDER, SIGNED, Gate
from desk.problems import Problem

MAX_BODY: Final = 64 * 1024
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
CUSTOMER: Final = "/c/"
"""The token is what lets a customer in; browsers send no usable Origin from pages without referrer."""
PARTNERS: Final = "/partners/"
"""Systems, not browsers: a signature or a token is what lets them in."""
STATIC: Final = "/static/"
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

POLICY: Final = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

HEADERS: Final[dict[str, str]] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """ASGI middleware.

    Args:
        app: What it guards.
        host: The address the desk listens on; on loopback only loopback names (and `base_url`'s) are answered, against DNS rebinding.
        base_url: The address customers use.
        gate: Who may use the API.
    """

    def __init__(self, app: ASGIApp, host: str = "127.0.0.1", base_url: str = "", gate: Gate | None = None) -> None:
        self._app, self._gate = app, gate
        self._names = _names(host, base_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or let through with headers on the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), str(scope["path"])

        body = _Body(receive)

        async def sending(message: Message) -> None:
            if body.too_long and message["type"] == "http.response.body":
                return
            if message["type"] == "http.response.start":
                if body.too_long:  # whatever the route made of its half a body
                    message = {"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"0")]}
                _add(MutableHeaders(scope=message), path)
                await send(message)
                if body.too_long:
                    await send({"type": "http.response.body", "body": b""})
                return
            await send(message)

        refusal = self._refusal(scope, path, headers)
        if refusal is not None:
            await refusal(scope, receive, sending)
            return
        await self._app(scope, body.receive, sending)

    def _refusal(self, scope: Scope, path: str, headers: Headers) -> Response | None:
        method, name = str(scope["method"]), _host(headers.get("host", ""))
        if self._names and name not in self._names:
            return PlainTextResponse("this desk does not go by that name\n", 421)
        refusal = self._token_refusal(scope, path, headers, local=bool(self._names) and name in LOOPBACK and not _forwarded(headers))
        if refusal is not None or method in SAFE:
            return refusal
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            return PlainTextResponse("too long\n", 413)
        if scope.get(HOLDER) is not None or path in SIGNED:
            return None  # no browser adds a token or a signature by itself, so no other site can
        if not same_site(headers, strict=not path.startswith((CUSTOMER, PARTNERS))):
            return PlainTextResponse("this form came from another site\n", 403)
        return None

    def _token_refusal(self, scope: Scope, path: str, headers: Headers, *, local: bool) -> Response | None:
        if self._gate is None or not self._gate.guards(path):
            return None
        peer = str((scope.get("client") or ("",))[0])
        try:
            scope[HOLDER] = self._gate.pass_(str(scope["method"]), path, headers, peer, local=local)
        except Problem as problem:
            return problem.response()
        return None


def _forwarded(headers: Headers) -> bool:
    """Whether a proxy says that it asks for somebody else."""
    return "forwarded" in headers or "x-forwarded-for" in headers


def same_site(headers: Headers, *, strict: bool) -> bool:
    """Whether a request that changes something came from a page of ours.

    Browsers say so in `Sec-Fetch-Site`, older ones in `Origin`; where there is neither, only the customer page (not strict) goes on,
    since its token is proof enough.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is None or origin == "null":
        return not strict
    return urlsplit(origin).netloc == headers.get("host", "")


def _names(host: str, base_url: str) -> frozenset[str]:
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        return frozenset()
    names: Iterable[str] = (*LOOPBACK, host, urlsplit(base_url).hostname or "")
    return frozenset(name for name in names if name)


def _host(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


class _Body:
    """Counts what comes, and ends the body where it is too long."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._bytes = receive, 0
        self.too_long = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > MAX_BODY:
            self.too_long = True
            return {"type": "http.request", "body": b"", "more_body": False}
        return message


def _add(headers: MutableHeaders, path: str) -> None:
    for name, value in HEADERS.items():
        headers[name] = value
    headers["Referrer-Policy"] = "no-referrer" if path.startswith(CUSTOMER) else "same-origin"
    if path.startswith(STATIC):
        headers.setdefault("Cache-Control", "public, max-age=3600")
    else:
        headers["Cache-Control"] = "no-store"
