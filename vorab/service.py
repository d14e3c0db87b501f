"""What every process has: structured log lines, `/metrics`, `/livez`, `/readyz` on loopback, and a calm end on SIGTERM."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from vorab import metrics
from vorab.errors import EXIT_CRASH

if TYPE_CHECKING:
    from vorab.settings import Service

Check = Callable[[], str | None]
"""None when all is well, else what is wrong, in words."""

OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


_COLLECT_AFTER: Final = 50_000


def configure_logging(settings: Service, *, process: str) -> None:
    """One line per event on standard error: text for people, JSON for machines; foreign loggers come along."""
    as_text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if as_text else structlog.processors.JSONRenderer(sort_keys=True)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[settings.log_level])
    for noisy in ("kafka", "aiokafka", "faust", "mode", "transitions", "amqtt", "uvicorn.access", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, _LEVELS[settings.log_level]))
    structlog.contextvars.bind_contextvars(process=process)


def logger(name: str) -> Any:
    """A structured logger: `logger("ingest").info("connected", host=…)`."""
    return structlog.stdlib.get_logger(name)


def crash(log: Any, doing: str) -> None:
    """Log the exception that is being handled and end the process on purpose; its supervisor starts it again."""
    log.exception("crashed", doing=doing)
    logging.shutdown()
    os._exit(EXIT_CRASH)


class Health:
    """Named checks: `live` says whether the process should be restarted, `ready` whether it does its work now."""

    def __init__(self) -> None:
        self.live: dict[str, Check] = {}
        self.ready: dict[str, Check] = {}

    def report(self, which: dict[str, Check]) -> tuple[bool, dict[str, Any]]:
        """Whether all is well, and a body after the health+json draft."""
        found = {name: check() for name, check in which.items()}
        well = not any(found.values())
        checks = {name: [{"status": "fail" if wrong else "pass", "output": wrong or ""}] for name, wrong in found.items()}
        return well, {"status": "pass" if well else "fail", "checks": checks}


class _Handler(BaseHTTPRequestHandler):
    health: Health

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, OPENMETRICS, metrics.exposition())
        elif path in {"/livez", "/readyz", "/healthz"}:
            well, body = self.health.report(self.health.ready if path == "/readyz" else self.health.live)
            self._answer(200 if well else 503, "application/health+json", json.dumps(body).encode())
        else:
            self._answer(404, "text/plain", b"/metrics, /livez, /readyz\n")

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: scrapes are not events."""


@contextmanager
def rim(settings: Service, health: Health) -> Iterator[int]:
    """Serve metrics and health while the block runs; yields the port."""
    handler = type("Handler", (_Handler,), {"health": health})
    server = ThreadingHTTPServer((settings.metrics_host, settings.metrics_port), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def rest_collector() -> None:
    """Let Python look for cycles less often: what stands now stays, and thousands of short-lived objects a read are no sign of any."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 50)


def announce(path: Path, **facts: object) -> None:
    """Write what others need to find this process (ports, pid) to a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({"pid": os.getpid(), **facts}), encoding="utf-8")
    temporary.replace(path)
