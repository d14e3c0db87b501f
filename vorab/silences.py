"""Silences as people set them, and as the settings name them: what they may be, and which of them there are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from vorab import ids
from vorab.clock import DAY, Micros, iso, to_micros
from vorab.groups import FIRMWARE, FLEET, MODEL, PARENT, SITE, without_cause
from vorab.records import Silence, SilenceState
from vorab.registry.checks import Wrong
from vorab.settings import Incidents
from vorab.topics import ID, RECORDED_TENANT, key_of

LONGEST: Final[Micros] = 27 * DAY
"""A silence is over so long after it was set: its topic is kept for 28 days, and whoever reads it anew must find all that are not over."""
MOST_WHY: Final = 200
MOST_GROUP: Final = 255
IN_SETTINGS: Final = "settings"
"""Who set those of the settings."""
DEVICE: Final = "device"
WRITTEN: Final = "site/NAME, parent/DEVICE, firmware/MODEL/VERSION, model/NAME, device/NAME or fleet; with |CAUSE for one cause only"


def is_group(text: str) -> bool:
    """Whether it is written as groups are."""
    whole, bar, cause = text.partition("|")
    if bar and not cause.strip():
        return False
    kind, _, name = whole.partition("/")
    model, _, version = name.partition("/")
    return {
        FLEET: whole == FLEET,
        SITE: bool(ID.fullmatch(name)),
        PARENT: bool(ID.fullmatch(name)),
        DEVICE: bool(ID.fullmatch(name)),
        MODEL: bool(name),
        FIRMWARE: bool(model and version),
    }.get(kind, False)


class Written(NamedTuple):
    """What people write of a silence."""

    group: str
    since: Micros
    until: Micros
    why: str
    tenant: str


def asked(written: Written, by: str, now: Micros, nonce: str) -> Silence:
    """The word that sets a silence, if it has no `mistakes`; the same nonce is the same word."""
    group, since, until, why, tenant = written
    return Silence(
        id=ids.silence_id(key_of(tenant, group), nonce),
        tenant=tenant,
        state=SilenceState.SET,
        group=group if 0 < len(group) <= MOST_GROUP else "-",
        since=since,
        until=until,
        why=why[: MOST_WHY + 1],
        by=by,
        at=now,
    )


def mistakes(said: Silence, now: Micros, *, on: bool = True) -> list[Wrong]:
    """What is wrong about a silence that is to be set; `on` says whether cases are looked at together here."""
    found = []
    if not on:
        found.append(Wrong("on", "cases are not looked at together here, so nothing would be muted", "streams.incidents.on = true"))
    if not is_group(said.group):
        found.append(Wrong("group", f"{said.group!r} is no group", WRITTEN))
    if said.tenant == RECORDED_TENANT:
        found.append(Wrong("tenant", "recordings know no incidents, so nothing there can be silenced", "leave the tenant out"))
    if said.until <= said.since:
        found.append(Wrong("until", "a silence ends after it begins", "a later end, or an earlier beginning"))
    elif said.until <= now:
        found.append(Wrong("until", "this time is over", "an end that is still to come"))
    elif said.until > now + LONGEST:
        found.append(Wrong("until", "a silence by command is over within 27 days", "longer ones go into streams.incidents.silences"))
    if len(said.why) > MOST_WHY:
        found.append(Wrong("why", "this is too long", f"at most {MOST_WHY} characters"))
    return found


def ended(said: Silence, by: str, now: Micros) -> Silence:
    """The word that ends a silence before its time."""
    return said.model_copy(update={"state": SilenceState.ENDED, "by": by, "at": now})


def configured(options: Incidents, tenant: str = "") -> list[Silence]:
    """Those of the settings, of one tenant or of all."""
    return [
        Silence(
            id=ids.configured_silence_id(key_of(each.tenant, each.group), to_micros(each.since)),
            tenant=each.tenant,
            state=SilenceState.SET,
            group=each.group,
            since=to_micros(each.since),
            until=to_micros(each.until),
            why=each.why,
            by=IN_SETTINGS,
            at=to_micros(each.since),
        )
        for each in options.silences
        if tenant in {"", each.tenant}
    ]


def not_over(said: Iterable[Silence], now: Micros) -> list[Silence]:
    """Of all that was said, in whatever order, the silences that last or are to come; those that begin first come first."""
    known: dict[str, Silence] = {}
    over = set()
    for each in said:
        if each.state is SilenceState.ENDED or each.until <= now:
            over.add(each.id)
        known.setdefault(each.id, each)
    return sorted((each for name, each in known.items() if name not in over), key=lambda each: (each.since, each.id))


def longest(fitting: Iterable[Silence]) -> Silence | None:
    """Of several that a case falls into the one that ends last: it is told when all of them are over."""
    return max(fitting, key=lambda each: (each.until, each.id), default=None)


def covering(groups: Iterable[str], device: str, cause: str) -> set[str]:
    """All groups whose silence mutes a case of a device that stands in these."""
    whole = {*map(without_cause, groups), f"{DEVICE}/{device}"}
    return whole | {f"{each}|{cause}" for each in whole}


def row(said: Silence, now: Micros) -> dict[str, Any]:
    """A silence as one object of a list."""
    return {
        "silence": said.id,
        "tenant": said.tenant,
        "group": said.group,
        "state": "lasts" if said.since <= now else "to come",
        "since": iso(said.since),
        "until": iso(said.until),
        "by": said.by,
        "why": said.why,
    }


def by_prefix(silences: Sequence[Silence], start: str) -> list[Silence]:
    """Those whose id begins so."""
    return [each for each in silences if each.id.startswith(start)]
