"""The connection to the MQTT broker: making it, trying again with growing patience, and knowing whether messages can arrive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

from ingest import counting
from ingest.mqtt import BulkClient, Events, Subscription
from vorab.clock import SECOND, Clock, Micros
from vorab.service import logger
from vorab.settings import Mqtt

LOG = logger("ingest")
_BACKOFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_SLICE_S: Final = 0.1
LASTING: Final[Micros] = 10 * SECOND
"""A connection that held so long was a good one: the next wait is short again."""
SHORT: Final[Micros] = 5 * SECOND
MANY_SHORT: Final = 3
"""So many connections in a row that ended so soon look like two clients with one id, each throwing the other out."""
PEACE: Final[Micros] = 60 * SECOND


class Link:
    """Owns the client; used by one thread, read by others."""

    def __init__(self, settings: Mqtt, client_id: str, wanted: Sequence[Subscription], listening: Callable[[], None], clock: Clock) -> None:
        """`listening` is called whenever the broker has confirmed the subscriptions. Raises ConfigError for TLS files that cannot be."""
        self._settings, self._tell, self._clock = settings, listening, clock
        self.client = BulkClient(settings, client_id, wanted, Events(self._connected, self._subscribed, self._disconnected))
        self.listening = False
        """Whether messages can arrive."""
        self.trouble = "not connected to the MQTT broker yet"
        """Why not."""
        self._attempt = 0
        self._was_connected = False
        self._hinted = False
        self._since: Micros = 0
        self._short = 0
        self._rival = ""
        self._twin = f"another client uses the id {client_id}; give this one another mqtt.client_id"

    @property
    def why_not(self) -> str | None:
        """Why messages cannot arrive, or will not for long; None when all is well."""
        if self._rival and not (self.listening and self._wall() - self._since >= LASTING):
            return self._rival
        return None if self.listening else self.trouble

    def connect(self, stop: threading.Event, meanwhile: Callable[[], None]) -> bool:
        """Try once, after a wait that grows with each attempt that failed; False when `stop` came first."""
        if self._attempt:
            left_s = _BACKOFF_S[min(self._attempt, len(_BACKOFF_S)) - 1]
            while left_s > 0 and not stop.wait(_SLICE_S):
                left_s -= _SLICE_S
                meanwhile()
        if stop.is_set():
            return False
        self._attempt += 1
        try:
            self.client.reconnect()
        except OSError as error:
            self.trouble = f"no MQTT broker at {self._settings.host}:{self._settings.port}: {error}"
            hint = {} if self._hinted else {"hint": "`vorab doctor` says what is missing"}
            self._hinted = True
            LOG.warning("cannot connect", why=self.trouble, **hint)
        return True

    def renew(self, why: str) -> None:
        """Let go of a connection on purpose; the next is made at once."""
        self.trouble = f"the connection was closed on purpose: {why}"
        self._attempt = 0
        self.close()

    def close(self) -> None:
        """Say goodbye."""
        self.listening = False
        self.client.close()
        counting.connected(up=False)

    def _connected(self, session_present: bool) -> None:  # noqa: FBT001 - a callback
        if self._was_connected and not session_present:
            LOG.error("the broker had forgotten the session: what it kept for us is lost")
            counting.session_lost()
        self._was_connected = True
        counting.connected(up=True)
        LOG.info("connected", host=self._settings.host, port=self._settings.port, session_present=session_present)

    def _subscribed(self, refused: Sequence[str]) -> None:
        self.listening = not refused
        if refused:
            self.trouble = f"the broker refused the subscription to {', '.join(refused)}"
            LOG.error("not subscribed", refused=list(refused))
            return
        self._since = self._wall()
        self._tell()

    def _disconnected(self, why: str, taken_over: bool) -> None:  # noqa: FBT001 - a callback
        if self.listening:
            LOG.warning("disconnected", why=why)
            self._judge(self._wall() - self._since, taken_over=taken_over)
        self.listening = False
        self.trouble = f"disconnected from the MQTT broker: {why}"
        counting.connected(up=False)

    def _judge(self, lasted: Micros, *, taken_over: bool) -> None:
        """After a connection that could bring messages: how patient to be with the next, and whether somebody else has our id."""
        if lasted >= LASTING and not taken_over:
            self._attempt = 0
        self._short = self._short + 1 if lasted < SHORT else 0
        if lasted >= PEACE:
            self._rival = ""
        if not self._rival and (taken_over or self._short >= MANY_SHORT):
            self._rival = self._twin
            LOG.warning(self._twin)

    def _wall(self) -> Micros:
        return self._clock.wall(self._clock.now())
