"""The desk at work: the projector and the web server, in this process."""

from __future__ import annotations

import socket
import threading

import uvicorn

from desk.app import create_app
from desk.context import Again, Context, Hears, Remedies
from desk.partner.service import Partners
from desk.projector import Projector
from desk.queries import Queries
from desk.sealed import Seal
from desk.store import Store
from desk.writing import appending
from vorab import service, topics
from vorab.clock import Clock, SystemClock
from vorab.errors import ConfigError
from vorab.log import EventLog
from vorab.settings import Settings

ANNOUNCEMENT = "desk.json"


class Desk:
    """Start and stop it; `port` is known after `start`.

    Raises:
        ConfigError: the port is taken.
    """

    def __init__(
        self,
        events: EventLog,
        settings: Settings,
        clock: Clock,
        again: Again | None = None,
        remedies: Remedies | None = None,
        hears: Hears | None = None,
    ) -> None:
        """`again` decides a case anew, for `/api/why/{id}?again=true`; `remedies` knows those of the files, for `/api/remedies`.

        `hears` says what of the care file people write about.
        """
        address = settings.desk.database or f"sqlite:///{settings.state_path / 'desk.db'}"
        names = {topics.READINGS: settings.topics.readings, topics.SYMPTOMS: settings.topics.symptoms}
        self._settings = settings
        self.store = Store(address)
        self.partners = Partners(self.store, settings, clock, appending(events, settings)) if settings.partners else None
        self.projector = Projector(events, self.store, clock, names, self.partners)
        self.port = settings.desk.port
        queries = Queries(self.store, Seal(settings.state_path))
        app = create_app(Context(events, queries, self.projector, settings, clock, self.partners, again, remedies, hears))
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=3)
        )
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen, and follow the log."""
        host = self._settings.desk.host
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, self._settings.desk.port))
        except OSError as error:
            listener.close()
            raise ConfigError(f"cannot listen on {host}:{self.port}: {error.strerror}", key="desk.port", hint="choose another") from None
        self.port = listener.getsockname()[1]
        self.projector.start()
        if self.partners is not None:
            self.partners.start(lambda: self.projector.caught_up)
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="desk", daemon=True)
        self._thread.start()
        service.announce(self._settings.state_path / ANNOUNCEMENT, host=host, port=self.port)

    def _serve(self, listener: socket.socket) -> None:
        self._server.run(sockets=[listener])

    def ready(self) -> str | None:
        """For `/readyz`."""
        return None if self._server.started else "the web server is not up yet"

    def stop(self) -> None:
        """Finish what is being answered and end."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(5)
        if self.partners is not None:
            self.partners.stop()
        self.projector.stop()
        self.store.close()


def wait_until_up(desk: Desk, timeout_s: float = 10.0) -> bool:
    """Whether the server came up in time."""
    clock = SystemClock()
    for _ in range(int(timeout_s / 0.02)):
        if desk.ready() is None:
            return True
        clock.sleep(0.02)
    return False
