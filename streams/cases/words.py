"""The sentences of a case: what an agent can say first, and what stands in its history."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from streams.cases.state import Case, Seen
from vorab.clock import MINUTE, SECOND, Micros, to_datetime
from vorab.records import MAX_TEXT, Errand, Reply, ReplyStatus, Scalar


def spoken(name: str) -> str:
    """`low_pressure` as people say it."""
    return name.replace("_", " ").replace(".", " ")


def clock_time(at: Micros, zone: str, beside: Micros | None = None) -> str:
    """`02:10`, with the day where it is not the day of `beside`; UTC, and said so, where no zone is known."""
    try:
        local = ZoneInfo(zone) if zone else None
    except (ZoneInfoNotFoundError, ValueError):
        local = None
    moment = to_datetime(at).astimezone(local) if local else to_datetime(at)
    other = None if beside is None else (to_datetime(beside).astimezone(local) if local else to_datetime(beside))
    text = f"{moment:%H:%M}" if other is not None and other.date() == moment.date() else f"{moment:%H:%M on %d %b %Y}"
    return text if local else text.replace(f"{moment:%H:%M}", f"{moment:%H:%M} UTC", 1)


def span(length: Micros) -> str:
    """A duration: `30 minutes`."""
    if length < 2 * MINUTE:
        return f"{round(length / SECOND)} seconds"
    minutes = round(length / MINUTE)
    if minutes < 120:
        return f"{minutes} minutes"
    hours = round(minutes / 60)
    return f"{hours} hours" if hours < 48 else f"{round(hours / 24)} days"


def number(value: float, unit: str) -> str:
    """A value with its unit: `0.82 bar`."""
    shown = {"Cel": "°C", "1": ""}.get(unit, unit)
    digits = f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return f"{digits} {shown}".strip()


def finding(seen: Seen) -> str:
    """What was measured, in brackets; empty where nothing was."""
    if seen.value is None or not seen.signal:
        return ""
    limit = f", limit {number(seen.limit, seen.unit)}" if seen.limit is not None else ""
    return f" ({spoken(seen.signal)} {number(seen.value, seen.unit)}{limit})"


def first_sentence(case: Case, *, device: str, says: str, zone: str, at: Micros, tried: str) -> str:
    """What an agent says first: what it is about, since when, what was found, what was tried.

    `says` is what the operator's knowledge has the machine say, with `{when}` for the time; empty where there is none.
    """
    seen = case.worst
    model = spoken(case.model.replace("-", " ")) or "device"
    name = case.name or device
    shown = model if name.casefold() == model.casefold() else f"{model} {name}"
    since = clock_time(seen.onset, zone, at)
    said = says.replace("{when}", since) if says else f"has reported {spoken(case.cause)} since {since}"
    return f"I am calling about the {shown}: it {said}{finding(seen)}; {tried}."[:MAX_TEXT]


def answered(reply: Reply) -> str:
    """What a device said."""
    said = reply.status.value.replace("_", " ")
    if reply.status is ReplyStatus.RUNNING and reply.progress is not None:
        said += f", {reply.progress} %"
    return _said(said, reply.code, reply.detail, reply.result)


def told(errand: Errand) -> str:
    """What became of an errand: `gw-1: succeeded: link down`."""
    status = errand.status.value.replace("_", " ") if errand.status is not None else ""
    return _said(f"{errand.helper}: {status}", errand.code, errand.detail, errand.result)


def _said(said: str, code: str, detail: str, result: Mapping[str, Scalar]) -> str:
    more = [part for part in (code, detail) if part] + [f"{spoken(name)} {value}" for name, value in result.items()]
    return (f"{said}: {' '.join(more)}" if more else said)[:MAX_TEXT]
