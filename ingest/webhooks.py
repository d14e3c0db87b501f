"""Findings of systems that run already, as alarms: the webhooks of Alertmanager (and Grafana), and ThingsBoard's alarms. Pure.

The tenant is the one the address names. The device is named by a label or by the originator: where that is a valid id it is taken as it
is, where not (`https://server`, `Pump 7`), what an id may not hold is written as `~` and its code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from ingest.decoders.strict import parse
from ingest.dialects.words import ident
from vorab import ids, topics
from vorab.clock import Micros, parse_iso
from vorab.errors import Reason, Rejected
from vorab.records import Alarm, Severity

ALERTMANAGER: Final = "alertmanager"
THINGSBOARD: Final = "thingsboard"
MOST_ALERTS: Final = 5_000
_TEXT: Final = 2_000
_MS: Final = 1_000
_BEGINNING: Final[Micros] = 946_684_800_000_000
"""2000: an earlier time means `none`, as the year 1 in `endsAt` does."""
_END: Final[Micros] = 4_102_444_800_000_000

SEVERITIES: Final = {
    "critical": Severity.CRITICAL, "page": Severity.CRITICAL, "disaster": Severity.CRITICAL, "emergency": Severity.CRITICAL,
    "major": Severity.MAJOR, "error": Severity.MAJOR, "high": Severity.MAJOR,
    "minor": Severity.MINOR, "average": Severity.MINOR, "ticket": Severity.MINOR, "medium": Severity.MINOR,
    "warning": Severity.WARNING, "warn": Severity.WARNING, "info": Severity.WARNING, "low": Severity.WARNING, "none": Severity.WARNING,
    "indeterminate": Severity.WARNING,
}  # fmt: skip
"""A word that is not here, or none, is major: what others found worth an alarm is not made smaller."""


class Labels(NamedTuple):
    """Which labels of an alert say what."""

    device: Sequence[str] = ("device", "instance")
    """The first that is there names the device."""
    name: Sequence[str] = ("alertname",)
    """Together they name the alarm: more than one where a device can have several of one name."""
    severity: str = "severity"


class Finding(NamedTuple):
    """One alert of a payload: an alarm, or why it cannot be one."""

    alarm: Alarm | None
    refused: Rejected | None = None
    raw: bytes = b""
    """What was refused."""


# ------------------------------------------------------------------------------------------------ Alertmanager


def alertmanager(payload: bytes, tenant: str, received_at: Micros, labels: Labels | None = None) -> list[Finding]:
    """The findings of a webhook of Alertmanager (version 4) or Grafana, which has the same shape.

    Several alerts of one name on one device are one alarm: it is active while one of them fires.

    Raises:
        Rejected: the payload as a whole is not such a thing; one bad alert in it is a finding that says so.
    """
    body = parse(payload)
    alerts = body.get("alerts") if isinstance(body, dict) else None
    if not isinstance(alerts, list):
        raise Rejected(Reason.BAD_SHAPE, "no list of alerts")
    if not alerts:
        raise Rejected(Reason.EMPTY, "no alert in it")
    if len(alerts) > MOST_ALERTS:
        raise Rejected(Reason.TOO_LARGE, f"{len(alerts)} alerts, at most {MOST_ALERTS}")
    found = [_finding(alert, i, tenant, received_at, labels or Labels()) for i, alert in enumerate(alerts)]
    return list(_one_of_each(found))


def _finding(alert: object, i: int, tenant: str, received_at: Micros, labels: Labels) -> Finding:
    try:
        return Finding(_alert(_object(alert), tenant, received_at, labels))
    except Rejected as why:
        return Finding(None, Rejected(why.reason, f"alerts[{i}]: {why.detail}"), json.dumps(alert).encode())


def _alert(alert: dict[str, Any], tenant: str, received_at: Micros, labels: Labels) -> Alarm:
    said = _texts(alert, "labels")
    status = _word(alert, "status")
    if status not in {"firing", "resolved"}:
        raise Rejected(Reason.BAD_VALUE, "the status is neither firing nor resolved")
    device = next((said[name] for name in labels.device if said.get(name)), "")
    if not device:
        raise Rejected(Reason.BAD_SHAPE, f"no label {' or '.join(labels.device)}")
    name = "/".join(said[label] for label in labels.name if said.get(label))
    if not name:
        raise Rejected(Reason.BAD_SHAPE, f"no label {' or '.join(labels.name)}")
    notes = _texts(alert, "annotations")
    text = notes.get("summary") or notes.get("description") or notes.get("message") or ""
    began, ended = _iso(alert, "startsAt"), _iso(alert, "endsAt")
    active = status == "firing"
    return _alarm(
        tenant, device, name, ALERTMANAGER, received_at,
        active=active, severity=said.get(labels.severity, ""), text=text, since=began, moment=began if active else ended,
    )  # fmt: skip


def _texts(alert: dict[str, Any], name: str) -> dict[str, str]:
    found = alert.get(name, {})
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise Rejected(Reason.BAD_SHAPE, f"{name} is not an object of texts")
    return found


def _iso(alert: dict[str, Any], name: str) -> Micros | None:
    value = alert.get(name)
    if value is None or value == "":
        return None
    try:
        at = parse_iso(value)
    except (TypeError, ValueError, OverflowError):
        raise Rejected(Reason.BAD_TIME, f"{name} is not a time") from None
    return _believed(at)


def _believed(at: Micros) -> Micros | None:
    return at if _BEGINNING <= at <= _END else None


def _one_of_each(found: list[Finding]) -> Iterator[Finding]:
    """One finding per device and name: the worst that fires, since the first; else the last that ended."""
    best: dict[tuple[str, str], Alarm] = {}
    for one in found:
        if one.alarm is None:
            yield one
            continue
        place = (one.alarm.device, one.alarm.name)
        best[place] = _heavier(best[place], one.alarm) if place in best else one.alarm
    yield from (Finding(alarm) for alarm in best.values())


def _heavier(one: Alarm, other: Alarm) -> Alarm:
    if one.active != other.active:
        return one if one.active else other
    if one.active:
        return min(one, other, key=lambda alarm: (alarm.severity.rank, alarm.at if alarm.since is None else alarm.since))
    return max(one, other, key=lambda alarm: alarm.at if alarm.since is None else alarm.since)


# ------------------------------------------------------------------------------------------------ ThingsBoard


def thingsboard(payload: bytes, tenant: str, received_at: Micros, device: str = "") -> list[Finding]:
    """The finding in an alarm of ThingsBoard, as its rule chain sends it (node *rest api call*); a list of them is fine.

    `device` is the one the address names; else `originatorName` does.

    Raises:
        Rejected: the payload as a whole is not such a thing.
    """
    body = parse(payload)
    alarms = body if isinstance(body, list) else [body]
    if not alarms:
        raise Rejected(Reason.EMPTY, "no alarm in it")
    if len(alarms) > MOST_ALERTS:
        raise Rejected(Reason.TOO_LARGE, f"{len(alarms)} alarms, at most {MOST_ALERTS}")
    if len(alarms) == 1:
        return [Finding(_thing(alarms[0], tenant, received_at, device))]
    return [_thing_or_not(alarm, i, tenant, received_at, device) for i, alarm in enumerate(alarms)]


def _thing_or_not(alarm: object, i: int, tenant: str, received_at: Micros, device: str) -> Finding:
    try:
        return Finding(_thing(alarm, tenant, received_at, device))
    except Rejected as why:
        return Finding(None, Rejected(why.reason, f"[{i}]: {why.detail}"), json.dumps(alarm).encode())


def _thing(found: object, tenant: str, received_at: Micros, device: str) -> Alarm:
    alarm = _object(found)
    name = _word(alarm, "type") or _word(alarm, "name")
    if not name:
        raise Rejected(Reason.BAD_SHAPE, "no type")
    who = device or _word(alarm, "originatorName")
    if not who:
        raise Rejected(Reason.BAD_SHAPE, "no originatorName, and no ?device= in the address")
    active = _active(alarm)
    began = _millis(alarm, "startTs")
    ended = _millis(alarm, "clearTs") or _millis(alarm, "endTs")
    return _alarm(
        tenant, who, name, THINGSBOARD, received_at,
        active=active, severity=_word(alarm, "severity"), text=_details(alarm.get("details")), since=began,
        moment=began if active else ended,
    )  # fmt: skip


def _active(alarm: dict[str, Any]) -> bool:
    status = _word(alarm, "status").upper()
    if status.startswith(("ACTIVE", "CLEARED")):
        return status.startswith("ACTIVE")
    cleared = alarm.get("cleared")
    if isinstance(cleared, bool) and not status:
        return not cleared
    raise Rejected(Reason.BAD_VALUE, "the status is neither ACTIVE_… nor CLEARED_…")


def _word(alarm: dict[str, Any], name: str) -> str:
    value = alarm.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Rejected(Reason.BAD_SHAPE, f"{name} is not a text")
    return value


def _millis(alarm: dict[str, Any], name: str) -> Micros | None:
    value = alarm.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise Rejected(Reason.BAD_TIME, f"{name} is not a number of milliseconds")
    return _believed(value * _MS)


def _details(details: object) -> str:
    """What ThingsBoard's scripts put there: a text, or an object with one."""
    if isinstance(details, str):
        return details
    if not isinstance(details, dict):
        return ""
    for name in ("summary", "message", "data", "description"):
        if isinstance(details.get(name), str):
            return str(details[name])
    return json.dumps(details, ensure_ascii=False) if details else ""


# ------------------------------------------------------------------------------------------------ both


def _object(found: object) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise Rejected(Reason.BAD_SHAPE, "not an object")
    return found


def _alarm(
    tenant: str, device: str, name: str, source: str, received_at: Micros,
    *, active: bool, severity: str, text: str, since: Micros | None, moment: Micros | None,
) -> Alarm:  # fmt: skip
    who = device if topics.ID.fullmatch(device) else ident(device)
    if not topics.ID.fullmatch(who):
        raise Rejected(Reason.BAD_NAME, f"{device[:60]!r} makes no id of a device")
    if len(name) > 255:
        raise Rejected(Reason.BAD_NAME, f"a name of {len(name)} characters, at most 255")
    return Alarm(
        id=ids.alarm_id(topics.key_of(tenant, who), source, name, received_at if moment is None else moment, active=active),
        tenant=tenant,
        device=who,
        name=name,
        source=source,
        active=active,
        severity=SEVERITIES.get(severity.strip().lower(), Severity.MAJOR),
        text=text[:_TEXT],
        since=since,
        at=received_at,
    )
