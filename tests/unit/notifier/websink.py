"""A real HTTP server on loopback that writes down what is posted to it, and behaves as it is told."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from tests.unit.notifier.conformance import Play

STATUS: Final[Mapping[Play, int]] = {Play.TAKES: 200, Play.REFUSES: 400, Play.BUSY: 503}


@dataclass(frozen=True, slots=True)
class Post:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class _Server(http.server.ThreadingHTTPServer):
    sink: WebSink
    daemon_threads = True


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        """Take it, or not."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        post = Post(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        sink = self.server.sink
        status = sink.status or STATUS.get(sink.behaves)
        sink.heard.append(post)
        self.close_connection = True
        if status is None:
            return
        if 200 <= status < 300:
            sink.taken.append(post)
        self.send_response(status)
        self.send_header("Location", f"{sink.url}/elsewhere")
        self.send_header("Content-Length", "2")
        if sink.retry_after:
            self.send_header("Retry-After", sink.retry_after)
        self.end_headers()
        self.wfile.write(b"{}")

    def do_GET(self) -> None:
        """Where a redirect would lead."""
        self.do_POST()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


class WebSink:
    """A provider with an HTTP interface."""

    def __init__(self) -> None:
        self.behaves = Play.TAKES
        self.status = 0
        """Answered instead, where it is set."""
        self.retry_after = ""
        """Asked for besides, where it is set."""
        self.heard: list[Post] = []
        self.taken: list[Post] = []
        self._server: _Server | None = None
        self._port = 0
        self._open()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """On which port."""
        return self._port

    def play(self, play: Play) -> None:
        """Behave like this; away, connections are refused."""
        self.behaves = play
        if play is Play.AWAY:
            self._close()
        elif self._server is None:
            self._open()

    def _open(self) -> None:
        self._server = _Server(("127.0.0.1", self._port), _Handler)
        self._server.sink = self
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
