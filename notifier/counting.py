"""What became of notifications, as metrics and log lines; without names and addresses."""

from __future__ import annotations

from collections.abc import Iterable

from vorab.metrics import metric
from vorab.records import Channel, Delivery, DeliveryReason, DeliveryState
from vorab.service import logger


def count(delivery: Delivery) -> None:
    """One rise of the metric and one line."""
    logger("notifier").info(
        "notification",
        notification=delivery.notification,
        case=delivery.case,
        stage=delivery.stage and delivery.stage.value,
        state=delivery.state.value,
        reason=delivery.reason.value,
        channel=delivery.channel,
    )
    metric("vorab_notifications_total").labels(delivery.channel or "none", delivery.state.value, delivery.reason.value).inc()


def count_from_zero(channels: Iterable[Channel]) -> None:
    """Every series that can occur starts at 0, so that the first occurrence is a rise."""
    total, reasons = metric("vorab_notifications_total"), DeliveryReason
    waits = {reasons.QUIET_HOURS, reasons.QUIET_DAY, reasons.HABITS, reasons.BUDGET, reasons.BRAKE}
    own = {reasons.NONE, reasons.REFUSED, reasons.UNREACHABLE, reasons.INTERRUPTED, *waits} - {reasons.BUDGET}
    for reason in reasons:
        if reason not in own:
            total.labels("none", DeliveryState.SUPPRESSED.value, reason.value)
    for reason in waits:
        total.labels("none", DeliveryState.DEFERRED.value, reason.value)
    for channel in channels:
        total.labels(channel.value, DeliveryState.SENT.value, reasons.NONE.value)
        total.labels(channel.value, DeliveryState.DEFERRED.value, reasons.UNREACHABLE.value)
        for reason in (reasons.REFUSED, reasons.UNREACHABLE):
            total.labels(channel.value, DeliveryState.FAILED.value, reason.value)
        for reason in (reasons.INTERRUPTED, reasons.UNREACHABLE):
            total.labels(channel.value, DeliveryState.UNKNOWN.value, reason.value)
