"""Fixtures that start the real parts, and marks for the tests that use them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.parts.again import UNSTEADY
from tests.parts.base import LOGS
from tests.parts.browser import chromium
from tests.parts.kafka import ForeignKafka, Kafka
from tests.parts.mosquitto import ForeignMqtt, Mosquitto
from tests.parts.proxy import Proxy
from tests.parts.smtp import SmtpSink

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NewMosquitto = Callable[..., Mosquitto]
NewKafka = Callable[..., Kafka]

MARKED_BY_FIXTURE = {
    "mosquitto": "mosquitto",
    "new_mosquitto": "mosquitto",
    "kafka": "kafka",
    "new_kafka": "kafka",
    "page": "browser",
    "browser": "browser",
}
REAL_PARTS = {*MARKED_BY_FIXTURE.values(), "acceptance", "chaos", "contract", "integration"}
"""Marks and folders of the tests whose failure the logs of the parts may explain."""


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto | ForeignMqtt]:
    """One MQTT broker for the whole run (profile standard): use topics and client ids of your own, never stop it."""
    if address := os.environ.get("VORAB_TEST_MQTT"):
        yield ForeignMqtt(address)
        return
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def new_mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewMosquitto]:
    """Starts a broker of the test's own, to stop, kill and restart: `new_mosquitto(profile="durable")`."""
    with ExitStack() as ends:

        def make(profile: str = "standard", settings: str = "") -> Mosquitto:
            broker = Mosquitto(tmp_path_factory.mktemp("mosquitto"), profile=profile, settings=settings)
            ends.callback(broker.kill)
            broker.start()
            return broker

        yield make


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka | ForeignKafka]:
    """One Kafka for the whole run: use topics and groups of your own, never stop it."""
    if address := os.environ.get("VORAB_TEST_KAFKA"):
        yield ForeignKafka(address)
        return
    broker = Kafka(tmp_path_factory.mktemp("kafka"))
    broker.start()
    yield broker
    broker.kill()  # nobody needs its data any more, and an orderly stop takes seconds


@pytest.fixture
def new_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewKafka]:
    """Starts a Kafka of the test's own, to stop, kill and restart (about 4 s each); `through` a proxy that its clients are sent to."""
    with ExitStack() as ends:

        def make(settings: dict[str, str] | None = None, through: Proxy | None = None) -> Kafka:
            broker = Kafka(tmp_path_factory.mktemp("kafka"), settings, through.port if through else 0)
            if through:
                through.target = broker.port
            ends.callback(broker.kill)
            broker.start()
            return broker

        yield make


@pytest.fixture
def smtp_sink() -> Iterator[SmtpSink]:
    """A mail server that remembers everything and misbehaves when told."""
    sink = SmtpSink()
    sink.start()
    yield sink
    sink.stop()


@pytest.fixture(scope="session")
def demo_night(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One night of the demo for all who look at one: its figures, and its `folder`."""
    from tests.system import demo  # here, because unit tests load the fixtures too

    return demo.fitting(lambda: tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for a file of tests: while it runs, its driver keeps an event loop running in this thread."""
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page without cookies, at a size at which the console is meant to be seen; fails on an error in the page's scripts."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB", timezone_id="Europe/Berlin")
    fresh = context.new_page()
    errors: list[str] = []
    fresh.on("pageerror", lambda error: errors.append(str(error)))
    yield fresh
    context.close()
    assert errors == []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the real parts it asks for, so that `-m "not kafka"` needs no discipline."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if mark := MARKED_BY_FIXTURE.get(fixture):
                item.add_marker(mark)
    # A file's browser stays until the end of the file, and nothing that wants an event loop of its own may come after it there.
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


def _unsteady(config: pytest.Config) -> bool:
    reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    return reporter is not None and bool(reporter.stats.get(UNSTEADY))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Throw the logs of the parts away when all went well."""
    if session.testsfailed or _unsteady(session.config) or hasattr(session.config, "workerinput"):
        return
    if LOGS.exists():
        shutil.rmtree(LOGS, ignore_errors=True)
        if LOGS.parent.exists() and not any(LOGS.parent.iterdir()):
            LOGS.parent.rmdir()


@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """After a failure of a test with real parts: the last words of every part. What failed, and why, is the last thing printed."""
    stats = terminalreporter.stats
    failed = stats.get("failed", []) + stats.get("error", []) + stats.get(UNSTEADY, [])
    if not LOGS.exists() or not any(mark in report.keywords for report in failed for mark in REAL_PARTS):
        return
    terminalreporter.section(f"logs of the parts, kept in {LOGS}")
    for log in sorted(LOGS.glob("*.log")):
        last = log.read_text(errors="replace").splitlines()[-10:]
        terminalreporter.write_line(f"--- {log.name}")
        terminalreporter.write_line("\n".join(last))
