"""What ingest counts; the metrics themselves stand in the one table."""

from __future__ import annotations

import functools
from typing import Any

from ingest.taken import Taken
from vorab import metrics


@functools.cache
def _labelled(name: str, label: str) -> Any:
    return metrics.metric(name).labels(label)


def taken(done: Taken) -> None:
    """What became of a pass of messages."""
    for result, n in done.counts.items():
        _labelled("vorab_ingest_messages_total", result).inc(n)
    for reason, n in done.reasons.items():
        _labelled("vorab_ingest_rejected_total", reason).inc(n)
    for status, n in done.statuses.items():
        _labelled("vorab_ingest_replies_total", status).inc(n)
    metrics.metric("vorab_ingest_rows_total").inc(done.rows)
    if done.left_out:
        metrics.metric("vorab_ingest_values_left_out_total").inc(done.left_out)
    metrics.metric("vorab_ingest_frames_total").inc(len(done.framed))


def tick() -> None:
    """An empty frame."""
    metrics.metric("vorab_ingest_ticks_total").inc()


def appended(seconds: float) -> None:
    """A record was confirmed so long after it was handed to the log."""
    metrics.metric("vorab_ingest_log_append_seconds").observe(seconds)


def stale(acks: int) -> None:
    """Acknowledgements dropped because their connection was gone."""
    if acks:
        metrics.metric("vorab_ingest_stale_acks_total").inc(acks)


def action(result: str) -> None:
    """What became of an action."""
    _labelled("vorab_ingest_actions_total", result).inc()


def waiting(messages: int, oldest_s: float) -> None:
    """How many messages wait for the log, and for how long."""
    metrics.metric("vorab_ingest_inflight").set(messages)
    metrics.metric("vorab_ingest_oldest_unacked_seconds").set(oldest_s)


def nap(seconds: float) -> None:
    """The time between two reads, as the rate of arrival asks for it."""
    metrics.metric("vorab_ingest_nap_seconds").observe(seconds)


def connected(*, up: bool) -> None:
    """The connection to the MQTT broker came or went."""
    metrics.metric("vorab_mqtt_connected").set(int(up))


def stalled() -> None:
    """A connection was given up because its oldest message waited too long."""
    metrics.metric("vorab_ingest_stall_reconnects_total").inc()


def request(route: str, status: int) -> None:
    """An HTTP request was answered."""
    _of_route(route, f"{status // 100}xx" if status < 400 else str(status)).inc()


@functools.cache
def _of_route(route: str, status: str) -> Any:
    return metrics.metric("vorab_ingest_http_requests_total").labels(route, status)


def session_lost() -> None:
    """The broker had forgotten the session."""
    metrics.metric("vorab_ingest_session_lost_total").inc()
