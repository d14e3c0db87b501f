"""What requests become: telemetry goes the way of every message, webhooks become alarms; each is answered when the log has it all. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from ingest.door import LOST, STORED, Knock, Verdict, foreign, refused
from ingest.intake import Intake
from ingest.packets import Arrivals, Extra, Properties
from ingest.taken import Taken
from ingest.topicmap import PREFIX
from ingest.webhooks import ALERTMANAGER, Finding, Labels, alertmanager, thingsboard
from vorab import topics
from vorab.clock import Micros
from vorab.errors import Reason, Rejected


class Visit(NamedTuple):
    """What a handful of requests became."""

    passes: list[Taken]
    messages: int
    answers: list[Callable[[bool], None]]
    """For the ticket: to be called with whether the log has it all."""


class Visits:
    """Turns requests into records, by the intake that takes the messages of the broker."""

    def __init__(self, intake: Intake, labels: Labels) -> None:
        self._intake, self._labels = intake, labels

    def take(self, knocks: Iterable[Knock], now: Micros) -> Visit:
        """What they become; who cannot be served here is answered at once."""
        visit = Visit([], 0, [])
        telemetry: list[tuple[bytes, Knock]] = []
        hooks: list[Knock] = []
        for knock in knocks:
            if knock.kind != "telemetry":
                hooks.append(knock)
            else:
                self._sort(knock, now, telemetry, visit)
        if telemetry:
            self._telemetry(telemetry, now, visit)
        for knock in hooks:
            taken, verdict = self._hook(knock, now)
            visit.passes.append(taken)
            visit.answers.append(partial(_answer, knock, verdict))
        return visit._replace(messages=len(visit.answers))

    def _sort(self, knock: Knock, now: Micros, telemetry: list[tuple[bytes, Knock]], visit: Visit) -> None:
        """Keep telemetry that the intake can take; answer what is not for this worker, or not telemetry by the topic map."""
        topic = _topic(knock)
        try:
            route = self._intake.route(topic)
        except Rejected as why:
            taken = Taken()
            self._intake.refusing.without_topic(topic, knock.payload, why, now, taken, size=knock.size)
            visit.passes.append(taken)
            visit.answers.append(partial(_answer, knock, refused(why)))
            return
        if route.kind != "telemetry" or route.key != topics.key_of(knock.tenant, knock.device):
            knock.answer(refused(Rejected(Reason.UNKNOWN_TOPIC, "the topic map reads this device's topic in another way")))
        elif not self._intake.plan.owns(route.partition):
            i, n = self._intake.plan.share
            knock.answer(foreign(f"{i}/{n}"))
        else:
            telemetry.append((topic, knock))

    def _telemetry(self, knocks: Sequence[tuple[bytes, Knock]], now: Micros, visit: Visit) -> None:
        arrivals = Arrivals([topic for topic, _ in knocks], [knock.payload for _, knock in knocks], [b""] * len(knocks))
        for i, (_, knock) in enumerate(knocks):
            if knock.content_type or knock.size is not None:
                arrivals.extra[i] = Extra(properties=Properties(knock.content_type), size=knock.size)
        passes = self._intake.take(arrivals, now)
        wrong = {place: why for taken in passes for place, why in taken.refused.items()}
        visit.passes.extend(passes)
        visit.answers.extend(partial(_answer, knock, refused(wrong[i]) if i in wrong else STORED) for i, (_, knock) in enumerate(knocks))

    def _hook(self, knock: Knock, now: Micros) -> tuple[Taken, Verdict]:
        taken = Taken()
        try:
            found = self._findings(knock, now)
        except Rejected as why:
            found = [Finding(None, why, knock.payload)]
        for one in found:
            if one.alarm is not None:
                self._intake.alarm(one.alarm, taken)
            elif one.refused is not None:
                self._intake.refusing.without_topic(
                    f"v1/{knock.tenant}/{knock.kind}".encode(), one.raw, one.refused, now, taken, size=knock.size
                )
        if taken.counts["alarm"]:
            return taken, Verdict(200, body={"alarms": taken.counts["alarm"], "refused": taken.counts["rejected"]})
        return taken, refused(next(one.refused for one in found if one.refused is not None))

    def _findings(self, knock: Knock, now: Micros) -> list[Finding]:
        if knock.size is not None:
            raise Rejected(Reason.TOO_LARGE, f"{knock.size} bytes")
        if not topics.ID.fullmatch(knock.tenant) or knock.tenant == topics.RECORDED_TENANT:
            raise Rejected(Reason.BAD_NAME, "the tenant in the address is not a valid id")
        if knock.kind == ALERTMANAGER:
            return alertmanager(knock.payload, knock.tenant, now, self._labels)
        return thingsboard(knock.payload, knock.tenant, now, knock.device)


def _topic(knock: Knock) -> bytes:
    return f"{PREFIX}/{knock.tenant}/{knock.device}/telemetry".encode("utf-8", "surrogateescape")


def _answer(knock: Knock, verdict: Verdict, stored: bool) -> None:  # noqa: FBT001 - a callback
    knock.answer(verdict if stored else LOST)
