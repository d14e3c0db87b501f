"""The beats of the night: each is a sentence and a yes or no, computed from what the log holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from vorab.clock import HOUR, SECOND, Micros, to_datetime
from vorab.demo.night import CaseStory, Night
from vorab.fleet.registry import SINGAPORE
from vorab.records import CaseKind, DeliveryState, Symptom

MOST_FALSE_ALARMS: Final = 12
"""More than these outside the labelled windows of the machine temperature series, and the detector would be a nuisance."""


SETTLE_S: Final = 1.0
"""After the pipeline is back: what had piled up is worked off."""


def many(count: int, one: str, more: str = "") -> str:
    """A number and what it counts: 1 alarm, 2 alarms."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


class Verdict(NamedTuple):
    """What a beat has to say so far."""

    ok: bool
    text: str


class Window(NamedTuple):
    """A documented anomaly of a recorded series."""

    first: Micros
    last: Micros
    label: Micros


@dataclass(slots=True)
class Recorded:
    """One recorded series and what is documented about it; the windows are for scoring only and never reach a detector."""

    device: str
    title: str
    windows: tuple[Window, ...]


@dataclass(slots=True)
class Kill:
    """The demo's own kill -9 of its pipeline."""

    done: bool = False
    at: Micros = 0
    """Wall time."""
    story_at: Micros = 0
    """The same moment in the story."""
    dead_s: float | None = None
    lost: int | None = None
    """Readings the fleet published that are not in the log, after the broker had time to deliver again."""

    @property
    def disturbed(self) -> tuple[Micros, Micros] | None:
        """First and last wall time of what had to wait for the pipeline to come back."""
        return (self.at, self.at + int((self.dead_s + SETTLE_S) * SECOND)) if self.dead_s is not None else None


@dataclass(slots=True)
class Facts:
    """What beats are computed from."""

    night: Night
    machines: int
    homes: int
    start: Micros
    end: Micros
    calm_until: Micros
    morning: Micros
    zone: ZoneInfo
    recorded: tuple[Recorded, ...] = ()
    kill: Kill = field(default_factory=Kill)
    recorded_published: int | None = None
    """Recorded readings the replay published, once it is over and everything had time to arrive."""
    broker_promise: str = ""
    fixed_messages: dict[str, int] = field(default_factory=dict)
    """How often each notification's message lies in the file sink, by id."""
    unexpected_exits: int = 0

    @property
    def may_lose(self) -> bool:
        """Whether the broker may lose what is under way."""
        return "no delivery" in self.broker_promise

    def clock_time(self, at: Micros) -> str:
        """Local time of the story, HH:MM."""
        return to_datetime(at).astimezone(self.zone).strftime("%H:%M")


def calm(facts: Facts) -> Verdict:
    """Everybody is heard, nobody needs anything."""
    early = [s for s in facts.night.live_symptoms if s.detected_at < facts.calm_until]
    heard = len(facts.night.devices)
    if early:
        return Verdict(
            ok=False, text=f"{early[0].device} was reported at {facts.clock_time(early[0].detected_at)}, although nothing was wrong"
        )
    if heard < facts.machines:
        return Verdict(ok=False, text=f"{heard} of {many(facts.machines, 'machine')} have been heard")
    ok = facts.night.clock.now() >= facts.calm_until
    return Verdict(ok, f"{many(heard, 'machine')}, {many(facts.homes, 'home')} asleep, nobody needs anything")


def first_sign(facts: Facts) -> Verdict:
    """A curve leaves its band."""
    for symptom in facts.night.live_symptoms:
        if symptom.evidence and symptom.limit is not None and symptom.value is not None and symptom.onset <= symptom.detected_at:
            inside = any((p.value < symptom.limit) != (symptom.value < symptom.limit) for p in symptom.evidence)
            if inside:
                return Verdict(ok=True, text=_left_its_band(facts, symptom))
    return Verdict(ok=False, text="no curve has left its band yet")


def _left_its_band(facts: Facts, symptom: Symptom) -> str:
    value = f"{symptom.value:.2f} {symptom.unit}".strip()
    return (
        f"{symptom.device}: {symptom.signal.replace('_', ' ')} {value}, limit {symptom.limit:g}, since {facts.clock_time(symptom.onset)}, "
        f"detected {facts.clock_time(symptom.detected_at)}"
    )


def _best(stories: Iterable[CaseStory]) -> CaseStory | None:
    # A home's machine makes the better story; otherwise the first.
    found = list(stories)
    return next((story for story in found if story.last.model == "heat-pump"), found[0] if found else None)


def talk(facts: Facts) -> Verdict:
    """Machine and vorab speak with each other."""
    story = _best(s for s in facts.night.live_cases if s.has(CaseKind.ACTION_REQUESTED, CaseKind.ACTION_ANSWERED))
    if story is None:
        return Verdict(ok=False, text="no machine has answered yet")
    lines = []
    for event in story.events:
        if event.kind is CaseKind.ACTION_REQUESTED:
            lines.append(f"{facts.clock_time(event.at)} vorab asked {event.device} to {event.remedy or 'restart'}")
        elif event.kind is CaseKind.ACTION_ANSWERED:
            lines.append(f"{facts.clock_time(event.at)} it answered {event.detail or 'succeeded'}")
    return Verdict(ok=True, text="; ".join(lines[:3]))


def proof(facts: Facts) -> Verdict:
    """The case closes itself on real readings, and a phone stays dark."""
    story = _best(facts.night.silent_heals)
    if story is None:
        return Verdict(ok=False, text="nothing has been healed in silence yet")
    proven = next(event for event in story.events if event.kind is CaseKind.RESOLVED)
    return Verdict(
        ok=True, text=f"{story.last.device} is in its band again, proven at {facts.clock_time(proven.at)}; not sent: already fixed"
    )


def doubt(facts: Facts) -> Verdict:
    """A machine says done and is not healed."""
    abroad = [story for story in facts.night.doubted if story.last.site == SINGAPORE.site]
    here = [story for story in facts.night.doubted if story not in abroad]
    # Where it is another time of day the story is harder to follow, so it is told only for want of a better one.
    for story in [*here, *(abroad if facts.night.clock.now() >= facts.end else ())]:
        handed = next(event for event in story.events if event.kind is CaseKind.HANDED_OVER)
        if handed.detail:
            return Verdict(ok=True, text=f"{story.last.device} said done, and was not; a person has the case: “{handed.detail}”")
    return Verdict(ok=False, text="no machine has been doubted yet")


def kill(facts: Facts) -> Verdict:
    """Kill -9 in the middle of it."""
    report, night = facts.kill, facts.night
    if not report.done or report.dead_s is None:
        return Verdict(ok=False, text="the pipeline has not been killed yet")
    twice = sum(count - 1 for count in facts.fixed_messages.values() if count > 1) + night.doubled_records
    lost = "not known yet" if report.lost is None else str(report.lost)
    text = f"dead for {report.dead_s:.1f} s, twice {twice}, lost {lost} ({facts.broker_promise})"
    kept = report.lost is not None and (report.lost == 0 or facts.may_lose)
    return Verdict(twice == 0 and kept and facts.unexpected_exits == 0, text)


def machine_temperature(facts: Facts) -> dict[str, Any]:
    """The figures of the first recorded series, whose last window is the documented system failure."""
    if not facts.recorded:
        return {}
    series = facts.recorded[0]
    found = facts.night.recorded_symptoms(series.device)
    *_, failure = series.windows
    inside = [s for s in found if failure.first <= s.detected_at <= failure.last]
    outside = [s for s in found if not any(w.first <= s.detected_at <= w.last for w in series.windows)]
    distance = failure.label - inside[0].detected_at if inside else None
    return {
        "symptoms": len(found),
        "inside_failure_window": len(inside),
        "outside_all_windows": len(outside),
        "first_inside_at": to_datetime(inside[0].detected_at).isoformat() if inside else None,
        "hours_before_label": round(distance / HOUR, 2) if distance is not None else None,
    }


def recorded(facts: Facts) -> Verdict:
    """A real machine of 2014, in time-lapse: where vorab spoke, and where the failure is documented."""
    published, arrived = facts.recorded_published, facts.night.recorded_readings
    if published is None and facts.may_lose:
        return Verdict(ok=False, text="the recording is not over yet")
    if published is not None and arrived < published:
        lost = f"{published - arrived:,} of {many(published, 'recorded reading')} were lost with the broker; no verdict"
        return Verdict(facts.may_lose, lost)
    figures = machine_temperature(facts)
    if not figures or not figures["inside_failure_window"]:
        return Verdict(ok=False, text="the recorded machine has not failed yet")
    hours = figures["hours_before_label"]
    when = f"{hours:.1f} h before" if hours >= 0 else f"{-hours:.1f} h after"
    outside = figures["outside_all_windows"]
    return Verdict(
        outside <= MOST_FALSE_ALARMS,
        f"a real machine, winter 2014: vorab spoke {when} the documented failure; {many(outside, 'alarm')} elsewhere in 79 days",
    )


def morning(facts: Facts) -> Verdict:
    """At seven, what waited is looked at again."""
    night = facts.night
    if night.clock.now() < facts.morning:
        return Verdict(ok=False, text="it is not seven yet")
    waiting = [name for name in night.deferred if not night.final(name)]
    sent = [d for d in night.sent if d.at >= facts.morning and d.notification in night.deferred]
    dropped = night.dropped_as_fixed
    twice = [name for name, count in facts.fixed_messages.items() if count > 1]
    ok = bool(sent) and bool(dropped) and not waiting and not twice and all(len(night.final(name)) == 1 for name in night.deferred)
    return Verdict(
        ok,
        f"{many(len(sent), 'message')} sent once, one button each; {len(dropped)} dropped: fixed in the meantime; "
        f"{many(len(waiting), 'waits', 'wait')}",
    )


def total(facts: Facts) -> Verdict:
    """The night in one line."""
    night = facts.night
    reasons = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in sorted(night.not_sent.items()))
    text = (
        f"{many(night.readings, 'reading')}, {many(len(night.live_symptoms), 'symptom')}, {len(night.healed)} healed asleep, "
        f"{sum(night.not_sent.values())} not sent ({reasons}), {len(night.sent)} sent, "
        f"{many(len(night.for_people), 'case')} for a person; "
        f"publish to symptom p50 {night.quantile_ms(0.5)} ms, p99 {night.quantile_ms(0.99)} ms"
    )
    return Verdict(night.readings > 0 and bool(night.live_symptoms) and bool(night.healed) and bool(night.sent), text)


BEATS: Final[dict[str, tuple[str, Callable[[Facts], Verdict]]]] = {
    "calm": ("Calm", calm),
    "first sign": ("First sign", first_sign),
    "talk": ("Talk", talk),
    "proof": ("Proof", proof),
    "doubt": ("Doubt", doubt),
    "kill": ("Kill -9", kill),
    "recorded": ("Recorded", recorded),
    "morning": ("Morning", morning),
    "sum": ("Sum", total),
}


@dataclass(slots=True)
class Beat:
    """One beat as it stands."""

    name: str
    title: str
    ok: bool = False
    at_s: float | None = None
    """Wall seconds since the start at which it first held."""
    text: str = ""


def summary(facts: Facts) -> dict[str, Any]:
    """The figures of the sum, for `--json`."""
    night = facts.night
    story = _best(night.healed) or _best(night.for_people)
    return {
        "readings": night.readings,
        "recorded_readings": night.recorded_readings,
        "devices": len(night.devices),
        "symptoms": len(night.live_symptoms),
        "recorded_symptoms": len(night.raised) - len(night.live_symptoms),
        "healed_asleep": len(night.healed),
        "not_sent": dict(sorted(night.not_sent.items())),
        "sent": len(night.sent),
        "failed": sum(d.state is DeliveryState.FAILED for found in night.delivered.values() for d in found),
        "unknown": sum(d.state is DeliveryState.UNKNOWN for found in night.delivered.values() for d in found),
        "people_needed": len(night.for_people),
        "publish_to_symptom_p50_ms": night.quantile_ms(0.5),
        "publish_to_symptom_p99_ms": night.quantile_ms(0.99),
        "publish_to_symptom_p50_undisturbed_ms": night.quantile_ms(0.5, without=facts.kill.disturbed),
        "publish_to_symptom_p99_undisturbed_ms": night.quantile_ms(0.99, without=facts.kill.disturbed),
        "doubled_readings_in_log": night.doubled_readings,
        "twice": night.doubled_records,
        "why": f"vorab why {story.last.case}" if story else None,
    }


__all__ = ["BEATS", "Beat", "Facts", "Kill", "Recorded", "Verdict", "Window", "machine_temperature", "many", "summary"]
