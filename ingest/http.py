"""The HTTP server of ingest: for devices without MQTT, and for the webhooks of systems that run already.

    POST /v1/{tenant}/{device}/telemetry     as on the topic vorab/v1/{tenant}/{device}/telemetry
    POST /v1/{tenant}/alertmanager           Alertmanager's webhook, version 4
    POST /v1/{tenant}/thingsboard            an alarm of ThingsBoard; ?device= names the device

A success means that the log has it. It has a thread of its own; everything is decided by the thread that writes, behind the door.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Final, cast

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ingest import counting
from ingest.door import LOST, Door, Kind, Knock, Verdict
from ingest.packets import HEAD_BYTES
from ingest.tokens import Access, Tokens
from vorab.errors import ConfigError
from vorab.service import logger
from vorab.settings import Settings

LOG = logger("ingest")
HOOK_BYTES: Final = 1 << 20
"""A webhook brings a whole group of alerts."""
_MOST_CONNECTIONS: Final = 512
_BODY_S: Final = 20.0
"""Longest for a request to come in whole."""


class TokenFile:
    """The tokens, read again when the file changes; a file that cannot be read any more changes nothing."""

    def __init__(self, path: str) -> None:
        """Raises ConfigError for a file that cannot be."""
        self._path = Path(path)
        try:
            self._seen = self._stamp()
            self.tokens = self._read()
        except OSError as error:
            raise ConfigError(f"the tokens cannot be read: {error.strerror}", file=path, key="ingest.http_tokens") from None

    def fresh(self) -> Tokens:
        """The tokens as they stand in the file now."""
        try:
            if (stamp := self._stamp()) != self._seen:
                self._seen = stamp
                self.tokens = self._read()
                LOG.info("tokens read again", names=len(self.tokens))
        except (OSError, ConfigError) as error:
            LOG.warning("the tokens cannot be read; those from before stay", why=str(error))
        return self.tokens

    def _stamp(self) -> tuple[int, int, int]:
        found = self._path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> Tokens:
        return Tokens(self._path.read_text(encoding="utf-8", errors="replace"), file=str(self._path))


class HttpServer:
    """`start` and `stop` it once each; `port` is known from the beginning."""

    def __init__(self, door: Door, settings: Settings) -> None:
        """Binds its port.

        Raises:
            ConfigError: the port is taken, TLS files or tokens cannot be, or it would be open to everybody.
        """
        self._door, self._settings = door, settings.ingest
        chosen = self._settings
        if not chosen.http_tokens and not _only_here(chosen.http_host):
            raise ConfigError(
                "HTTP ingest would take readings from anybody on the network", key="ingest.http_host", hint="set ingest.http_tokens as well"
            )
        self._tokens = TokenFile(chosen.http_tokens) if chosen.http_tokens else None
        config = uvicorn.Config(
            self._routes(), log_config=None, access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=3,
            limit_concurrency=_MOST_CONNECTIONS, proxy_headers=False, ws="none",
            ssl_certfile=chosen.http_cert_file or None, ssl_keyfile=chosen.http_key_file or None,
        )  # fmt: skip
        try:
            config.load()
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"TLS files cannot be used: {error}", key="ingest.http_cert_file") from None
        self._server = uvicorn.Server(config)
        self._listener = _bound(chosen.http_host, chosen.http_port)
        self.port: int = self._listener.getsockname()[1]

    def run(self) -> None:
        """Serve, in this thread, until `stop`."""
        LOG.info("HTTP ingest", host=self._settings.http_host, port=self.port, tokens=self._tokens is not None)
        self._server.run(sockets=[self._listener])

    def stop(self) -> None:
        """Finish what is being answered and end."""
        self._server.should_exit = True

    @property
    def trouble(self) -> str | None:
        """Why nobody can come, or None."""
        return None if self._server.started else "the HTTP server is not up"

    # ----------------------------------------------------------------------------------------------- requests

    def _routes(self) -> Starlette:
        def route(path: str, kind: Kind) -> Route:
            async def handle(request: Request) -> Response:
                verdict = await self._handle(kind, request)
                counting.request(kind, verdict.status)
                return _response(verdict)

            return Route(path, handle, methods=["POST"], name=kind)

        return Starlette(
            routes=[
                route("/v1/{tenant}/alertmanager", "alertmanager"),
                route("/v1/{tenant}/thingsboard", "thingsboard"),
                route("/v1/{tenant}/{device}/telemetry", "telemetry"),
            ],
            exception_handlers={HTTPException: _sorry},
        )

    async def _handle(self, kind: Kind, request: Request) -> Verdict:
        tenant, device = request.path_params["tenant"], request.path_params.get("device", "")
        if (verdict := self._stopped(request, tenant, device)) is not None:
            return verdict
        most = self._settings.max_payload_bytes if kind == "telemetry" else HOOK_BYTES
        try:
            async with asyncio.timeout(_BODY_S):
                payload, size = await _body(request, most)
        except TimeoutError:
            return Verdict(HTTPStatus.REQUEST_TIMEOUT, "too_slow", f"the request was not here after {_BODY_S:g} s")
        except ClientDisconnect:
            return Verdict(HTTPStatus.BAD_REQUEST, "cut", "the request ended before its end")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Verdict] = loop.create_future()
        device = device or request.query_params.get("device", "")
        knock = Knock(kind, tenant, device, payload, _content_type(request), size, partial(_from_outside, loop, answer))
        if (verdict := self._door.knock(knock)) is not None:
            return verdict
        try:
            async with asyncio.timeout(self._settings.http_timeout_s):
                return await answer
        except TimeoutError:
            return LOST
        finally:
            knock.gone = True

    def _stopped(self, request: Request, tenant: str, device: str) -> Verdict | None:
        """Who is not let in at all; nothing is written down for those."""
        if "origin" in request.headers:
            # No device has one and every browser does: a page on the web must not write readings through somebody's browser.
            return Verdict(HTTPStatus.FORBIDDEN, "browser", "this is not for browsers")
        if self._tokens is None:
            return None
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        access = self._tokens.fresh().access(token.strip(), tenant, device) if scheme.lower() == "bearer" else Access.UNKNOWN
        if access is Access.GRANTED:
            return None
        if access is Access.OTHER:
            return Verdict(HTTPStatus.FORBIDDEN, "other_identity", "this token speaks for somebody else")
        return Verdict(HTTPStatus.UNAUTHORIZED, "no_token", "a bearer token is wanted, and known here")


async def _body(request: Request, most: int) -> tuple[bytes, int | None]:
    """The payload; of one that is too large only the beginning, with its size as far as it is known."""
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > most:
        return b"", int(said)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > most:
            return b"".join(parts)[:HEAD_BYTES], size
    return b"".join(parts), None


def _content_type(request: Request) -> str:
    encoding = request.headers.get("content-encoding", "identity")
    content_type = request.headers.get("content-type", "")
    return content_type if encoding == "identity" else f"{encoding} of {content_type or 'nothing'}"


def _from_outside(loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Verdict], verdict: Verdict) -> None:
    """Called by the thread that writes."""

    def settle() -> None:
        if not answer.done():
            answer.set_result(verdict)

    with suppress(RuntimeError):  # the server has ended, and nobody waits
        loop.call_soon_threadsafe(settle)


def _response(verdict: Verdict) -> Response:
    headers = {"Retry-After": str(verdict.retry_after_s)} if verdict.retry_after_s else {}
    if verdict.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if verdict.status == HTTPStatus.NO_CONTENT:
        return Response(status_code=verdict.status)
    body = verdict.body or {"reason": verdict.reason, "detail": verdict.detail}
    return JSONResponse(body, verdict.status, headers)


async def _sorry(_request: Request, error: Exception) -> Response:
    status = cast(HTTPException, error).status_code
    counting.request("other", status)
    return _response(Verdict(status, HTTPStatus(status).phrase.lower().replace(" ", "_"), "POST /v1/{tenant}/{device}/telemetry"))


def _only_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=256)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"cannot listen on {host}:{port}: {why}", key="ingest.http_port", hint="choose another") from None
