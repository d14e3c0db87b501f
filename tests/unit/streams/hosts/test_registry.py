"""The registry: read whole before anything starts, followed afterwards, robust against odd records."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.hosts.registry import TableLoader, Tables
from tests.contract.sample import outgoing
from tests.parts.base import PATIENCE_S
from vorab import topics
from vorab.log import Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.records import Customer, Device


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    """A log with the topics of the registry."""
    with SqliteLog(tmp_path / "log.db", fsync=False) as events:
        events.create({topics.DEVICES: 3, topics.CUSTOMERS: 2, topics.SITES: 2, topics.CONTRACTS: 2})
        yield events


def device(name: str, model: str) -> Outgoing:
    """A registry entry in the partition of its key."""
    record = Device(id=f"main/{name}", device=name, model=model)
    return outgoing(record, topics.partition_of(record.key, 3))


def test_everything_is_there_before_it_starts_and_changes_follow(log: SqliteLog) -> None:
    """The last entry of a key counts, a record without value deletes it, an unreadable one is skipped."""
    append_all(log, [device(f"d{i}", "old") for i in range(30)] + [device("d1", "new")])
    append_all(log, [device("d3", "x")._replace(value=b"nonsense"), outgoing(Customer(id="main/c", customer="c", language="de"), 1)])
    loader = TableLoader(log).start()
    try:
        assert len(loader.devices) == 30
        found = loader.device("main/d1"), loader.device("main/d3"), loader.customer("main/c")
        assert [each and (getattr(each, "model", "") or getattr(each, "language", "")) for each in found] == ["new", "old", "de"]
        applied, apply = threading.Event(), loader.apply
        loader.apply = lambda entry: (apply(entry), applied.set())[0]  # type: ignore[method-assign, func-returns-value]
        append_all(log, [device("d1", "")._replace(value=None)])
        assert applied.wait(PATIENCE_S)
        assert loader.device("main/d1") is None
    finally:
        loader.stop()


def test_a_registry_without_a_log() -> None:
    """Tests and tools give the entries directly."""
    tables = Tables([Device(id="main/d", device="d")], [Customer(id="main/c", customer="c")])
    assert tables.device("main/d") is not None
    assert tables.customer("main/c") is not None
    assert tables.device("main/e") is None
