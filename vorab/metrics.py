"""Every metric vorab serves, in one table; nothing else may declare one.

Names follow Prometheus: base units, `_total` for counters; no label names a device or a customer, so the number of series stays bounded.
"""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from typing import Any, Final, Literal

NAP_S: Final = (0.0, 0.0005, 0.001, 0.002, 0.003, 0.004, 0.005, 0.01)
LATENCY_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    about: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = LATENCY_S


TABLE: Final[tuple[Metric, ...]] = (
    Metric("vorab_build_info", "gauge", "Always 1; the version that runs.", ("version",)),
    # ingest
    Metric("vorab_ingest_messages_total", "counter", "MQTT messages received, by what became of them.", ("result",)),
    Metric("vorab_ingest_rows_total", "counter", "Readings written to the log."),
    Metric(
        "vorab_ingest_values_left_out_total",
        "counter",
        "Values no signal can hold (tables, files, long texts) of messages that were taken.",
    ),
    Metric("vorab_ingest_frames_total", "counter", "Frames written to the log."),
    Metric("vorab_ingest_ticks_total", "counter", "Empty frames written to move time on."),
    Metric("vorab_ingest_rejected_total", "counter", "Refused messages, by reason.", ("reason",)),
    Metric("vorab_ingest_inflight", "gauge", "Messages that wait for the log."),
    Metric("vorab_ingest_oldest_unacked_seconds", "gauge", "Age of the oldest message that waits for its acknowledgement."),
    Metric("vorab_ingest_nap_seconds", "histogram", "Time to the next read, chosen from the rate of arrival; 0 when idle.", buckets=NAP_S),
    Metric("vorab_ingest_log_append_seconds", "histogram", "From handing a frame to the log until it is confirmed."),
    Metric("vorab_ingest_spool_bytes", "gauge", "Records on the disk that wait for the log to come back."),
    Metric("vorab_ingest_session_lost_total", "counter", "Reconnects at which the broker had forgotten the session."),
    Metric("vorab_ingest_stall_reconnects_total", "counter", "Connections given up because the oldest message waited too long."),
    Metric("vorab_ingest_stale_acks_total", "counter", "Acknowledgements dropped because their connection was gone."),
    Metric("vorab_ingest_http_requests_total", "counter", "HTTP requests by route and status.", ("route", "status")),
    Metric("vorab_ingest_actions_total", "counter", "Actions handed to devices, by what became of them.", ("result",)),
    Metric("vorab_ingest_replies_total", "counter", "Replies of devices, by status.", ("status",)),
    Metric("vorab_mqtt_connected", "gauge", "1 while connected to the MQTT broker."),
    # streams
    Metric("vorab_streams_steps_total", "counter", "Records stepped, by processor.", ("processor",)),
    Metric("vorab_streams_outputs_total", "counter", "Records written, by processor.", ("processor",)),
    Metric("vorab_streams_rejected_total", "counter", "Records a processor refused.", ("processor",)),
    Metric("vorab_streams_checkpoint_seconds", "histogram", "Duration of a checkpoint.", ("processor",)),
    Metric("vorab_streams_lag_records", "gauge", "Records read but not yet stepped, by processor.", ("processor",)),
    Metric(
        "vorab_detect_late_readings_total",
        "counter",
        "Readings that did not come in the order of their times: late, past, repeated, forced.",
        ("result",),
    ),
    # notifier
    Metric("vorab_notifications_total", "counter", "Notifications by channel, state and reason.", ("channel", "state", "reason")),
    Metric("vorab_notifications_due", "gauge", "Notifications that wait for their hour."),
    Metric("vorab_replies_total", "counter", "What customers said, by channel and what became of it.", ("channel", "result")),
    Metric("vorab_replies_answers_total", "counter", "Answers to customers, by channel and what became of them.", ("channel", "state")),
    Metric("vorab_replies_waiting", "gauge", "Replies that have not been looked at, and answers that have not been sent."),
    Metric("vorab_notifications_braked", "gauge", "1 while messages wait because too many were said within an hour."),
    Metric(
        "vorab_notifications_overdue_seconds", "gauge", "How long the first due notification has waited to be looked at; 0: none is late."
    ),
    Metric("vorab_notifications_swept_total", "counter", "Notifications that nobody would have come back to, found by the sweep."),
    # desk
    Metric("vorab_desk_requests_total", "counter", "HTTP requests by route and status class.", ("route", "status")),
    Metric("vorab_desk_projection_lag_records", "gauge", "Records the desk has yet to read."),
    Metric("vorab_partner_messages_total", "counter", "Calls to partners that were answered, by what they did.", ("partner", "result")),
    Metric("vorab_partner_failures_total", "counter", "Calls to partners that came to nothing, by reason.", ("partner", "reason")),
    Metric("vorab_partner_heard_total", "counter", "Messages of partners, by what became of them.", ("partner", "result")),
    Metric("vorab_partner_wishes_total", "counter", "Commands in the name of partners.", ("partner", "kind")),
    Metric("vorab_partner_mirrored", "gauge", "Cases a partner has, or waits for.", ("partner",)),
    Metric("vorab_partner_waiting", "gauge", "Cases with something a partner has not been told.", ("partner",)),
    Metric("vorab_partner_dead", "gauge", "Facts a partner could not be told; `vorab partners resend` tries them again.", ("partner",)),
    Metric("vorab_partner_lag_seconds", "gauge", "For how long the oldest of them has waited.", ("partner",)),
    Metric("vorab_incidents_open", "gauge", "Incidents that are open: storms, and silences under which there are cases."),
    Metric("vorab_cases_open", "gauge", "Open cases by status.", ("status",)),
)


@functools.cache
def registry() -> Any:
    """The Prometheus registry of this process."""
    from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector  # noqa: PLC0415

    fresh = CollectorRegistry()
    ProcessCollector(registry=fresh)
    PlatformCollector(registry=fresh)
    GCCollector(registry=fresh)
    return fresh


def metric(name: str) -> Any:
    """The collector of a metric in the table; any thread may be the first to ask.

    Raises:
        KeyError: the table has no such metric.
    """
    found = _made.get(name)
    if found is None:
        with _making:
            found = _made[name] = _made.get(name) or _make(name)
    return found


_made: Final[dict[str, Any]] = {}
_making: Final = threading.RLock()


def _make(name: str) -> Any:
    from prometheus_client import Counter, Gauge, Histogram  # noqa: PLC0415

    row = {row.name: row for row in TABLE}[name]
    if row.kind == "histogram":
        return Histogram(row.name, row.about, row.labels, buckets=row.buckets, registry=registry())
    return {"counter": Counter, "gauge": Gauge}[row.kind](row.name, row.about, row.labels, registry=registry())


def exposition() -> bytes:
    """The text a Prometheus server reads."""
    from prometheus_client.openmetrics import exposition as openmetrics  # noqa: PLC0415

    from vorab import __version__  # noqa: PLC0415

    metric("vorab_build_info").labels(__version__).set(1)
    render: Any = openmetrics.generate_latest
    text: bytes = render(registry())
    return text
