"""Silences and kill switches by command, on real logs: past the worker or through the vorab that holds the log, with restarts between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from notifier.people_http import PeopleServer
from notifier.people_store import PeopleStore
from notifier.wiring import write_registry
from streams.hosts.embedded import EmbeddedHost
from streams.hosts.registry import Tables
from tests.integration.house import soon
from tests.integration.test_gaps_and_alarms import outgoing, written
from tests.parts.base import PATIENCE_S, REPOSITORY
from tests.parts.fixtures import NewKafka
from vorab import ids, pipeline, provision, topics
from vorab.cli import app
from vorab.clock import HOUR, SECOND, Micros, SystemClock
from vorab.log import EventLog, append_all, open_log
from vorab.log.sqlite import SqliteLog
from vorab.records import CaseEvent, CaseKind, Incident, Permit, PermitState, Severity, Status, Tick
from vorab.settings import Settings

PARTITIONS: Final = 3
KINDS: Final = ("incidents", "permits")
Running = Callable[[], AbstractContextManager[None]]


def ok(*arguments: str) -> Any:
    """What a command that must work prints as JSON."""
    found = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def opens(log: EventLog, device: str, at: Micros) -> None:
    """A case opens in the hall, and time goes on."""
    case = ids.case_id(f"main/{device}", "dry", at)
    event = CaseEvent(
        id=ids.case_event_id(case, CaseKind.OPENED, "s"), device=device, case=case, kind=CaseKind.OPENED, status=Status.ACKNOWLEDGED,
        at=at, because="s", cause="dry", severity=Severity.MAJOR, customer="c-1", site="hall", opened_at=at, onset=at,
    )  # fmt: skip
    place = topics.partition_of("main/fleet", PARTITIONS)
    tick = Tick(id=f"tick/{at}", at=at + 5 * SECOND)
    append_all(log, [outgoing(event, place, topics.CASES_BY_GROUP), outgoing(tick, place, topics.CASES_BY_GROUP)._replace(key=None)])


def asks(log: EventLog, device: str, at: Micros) -> None:
    """A case wishes to restart its device."""
    permit = Permit(
        id=f"permit-{device}", device=device, state=PermitState.ASKED, action=f"action-{device}", case=f"case-{device}", remedy="restart",
        at=at, expires_at=at + HOUR,
    )  # fmt: skip
    append_all(log, [outgoing(permit, topics.partition_of(permit.key, PARTITIONS))])


def told(log: EventLog) -> list[tuple[str, str]]:
    """What is told of incidents: what, and of how many cases."""
    facts = [record for record in written(log, topics.INCIDENTS) if isinstance(record, Incident)]
    return [
        (fact.kind.value, f"{len(fact.children)}") for fact in sorted(facts, key=lambda fact: (fact.opened_at, fact.incident, fact.seq))
    ]


def reasons(log: EventLog) -> dict[str, str]:
    """What became of questions for permits, by device."""
    places = {(topics.PERMITS, p): first for p, first in log.begins(topics.PERMITS).items()}
    ends = log.ends(topics.PERMITS)
    found: dict[str, str] = {}
    while behind := {place: at for place, at in places.items() if at < ends[place[1]]}:
        for entry in log.read(behind, limit=1_000, wait_s=1.0):
            places[entry.topic, entry.partition] = entry.offset + 1
            body = json.loads(entry.value or b"{}")
            if body.get("state") in {PermitState.GRANTED, PermitState.REFUSED}:
                found[body["device"]] = body.get("reason", "")
    return found


def story(log: EventLog, run: Running) -> None:
    """A hall is silenced, a case opens, the worker ends; another one reads that it is over; and a remedy is stopped and allowed."""
    said = ok("silences", "set", "site/hall", "--for", "2h", "--why", "new fuses", "--by", "ops-1")
    ok("remedies", "stop", "restart", "--why", "wrong rule", "--by", "ops-1")
    begun = SystemClock().now()
    opens(log, "pump-1", begun)
    with run():
        soon(lambda: told(log) == [("opened", "0"), ("joined", "1")], "the silence taking the case in")
    ok("silences", "end", said["silence"], "--by", "ops-2")
    asks(log, "pump-1", begun)
    over = [("opened", "0"), ("joined", "1"), ("released", "1"), ("resolved", "0"), ("closed", "0")]
    with run():
        soon(lambda: told(log) == over, "the silence being over")
        soon(lambda: reasons(log) == {"pump-1": "stopped by ops-1; wrong rule"}, "the permit being refused")
    assert {fact.incident for fact in written(log, topics.INCIDENTS) if isinstance(fact, Incident)} == {said["silence"]}
    assert ok("silences", "list") == []
    ok("remedies", "allow", "restart")
    asks(log, "pump-2", begun)
    opens(log, "pump-2", begun + 10 * SECOND)
    with run():
        soon(lambda: reasons(log).get("pump-2") == "", "the permit being granted")
    assert told(log) == over


def settings(monkeypatch: pytest.MonkeyPatch, folder: Path, log: str) -> Settings:
    """Those of the commands and of the worker alike."""
    for name in [name for name in os.environ if name.startswith("VORAB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VORAB_LOG", log)
    monkeypatch.setenv("VORAB_STATE_DIR", str(folder / "var"))
    monkeypatch.setenv("VORAB_TOPICS_PARTITIONS", str(PARTITIONS))
    monkeypatch.chdir(folder)
    (folder / "var").mkdir()
    return Settings.model_validate({"log": log, "state_dir": str(folder / "var"), "topics": {"partitions": PARTITIONS}})


def test_on_the_embedded_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that runs holds the log; commands reach it by way of its notifier, and each time a new host reads what they said."""
    chosen = settings(monkeypatch, tmp_path, f"sqlite:///{tmp_path}/log.db")
    with SqliteLog(tmp_path / "log.db") as log:
        provision.create_topics(log, chosen)
        people = PeopleServer(_Nobody(), partial(write_registry, log, chosen), tmp_path / "var" / "notifier.json")
        people.start()

        @contextmanager
        def run() -> Iterator[None]:
            done = threading.Event()
            host = EmbeddedHost(log, pipeline.kinds(chosen, KINDS), Tables(), SystemClock(), checkpoint_s=0.1)
            thread = threading.Thread(target=host.run, args=(done,))
            thread.start()
            yield
            done.set()
            thread.join(PATIENCE_S)

        try:
            story(log, run)
        finally:
            people.stop()


@pytest.mark.slow
def test_on_faust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_kafka: NewKafka) -> None:
    """No notifier runs, so commands write to Kafka; a worker of its own each time, killed with kill -9."""
    chosen = settings(monkeypatch, tmp_path, new_kafka().log_address)
    only = [part for name in KINDS for part in ("--only", name)]
    command = [sys.executable, "-m", "vorab", "streams", *only]
    with open_log(chosen.log) as log:
        provision.create_topics(log, chosen)

        @contextmanager
        def run() -> Iterator[None]:
            with (tmp_path / "streams.log").open("a") as output:
                child = subprocess.Popen(command, env=dict(os.environ), stderr=output, cwd=REPOSITORY)
            try:
                yield
            finally:
                child.kill()
                child.wait(PATIENCE_S)

        story(log, run)


class _Nobody(PeopleStore):
    """Knows no people."""

    def __init__(self) -> None:
        """Without a database."""

    def get(self, customer: str) -> None:
        """There is none."""
