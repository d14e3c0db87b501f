"""The table of metrics keeps Prometheus' naming rules."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from vorab import metrics


def test_names_follow_prometheus() -> None:
    """Counters end in _total, every name is prefixed, every metric is explained."""
    assert all((row.kind == "counter") == row.name.endswith("_total") for row in metrics.TABLE)
    assert all(row.name.startswith("vorab_") and row.about.endswith(".") for row in metrics.TABLE)
    assert len({row.name for row in metrics.TABLE}) == len(metrics.TABLE)


def test_no_label_can_grow_with_the_fleet() -> None:
    """A label per device or customer would be a series per device or customer."""
    labels = {label for row in metrics.TABLE for label in row.labels}

    assert labels.isdisjoint({"device", "customer", "case", "topic_name", "id"})


def test_what_is_counted_is_served() -> None:
    """The exposition is OpenMetrics and ends as it should."""
    counter = metrics.metric("vorab_ingest_ticks_total")
    before = counter._value.get()
    counter.inc()

    text = metrics.exposition().decode()

    assert f"vorab_ingest_ticks_total {before + 1}" in text
    assert "vorab_build_info{version=" in text
    assert text.endswith("# EOF\n")


def test_threads_that_ask_first_at_the_same_time_get_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A metric is made once, however many hosts begin together; made twice it would be refused."""
    make, together = metrics._make, threading.Barrier(4)

    def slowly(name: str) -> Any:
        threading.Event().wait(0.01)
        return make(name)

    def ask(name: str) -> Any:
        together.wait(30)
        return metrics.metric(name)

    monkeypatch.setattr(metrics, "_make", slowly)
    monkeypatch.setattr(metrics, "_made", {})
    fresh = CollectorRegistry()
    monkeypatch.setattr(metrics, "registry", lambda: fresh)
    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(ask, ["vorab_streams_steps_total"] * 4))) == 1
