"""Tells one partner what is due, in a thread of its own: a slow partner holds up no other.

Results are sent, failed or unknown. Nothing unknown is sent again as if it had failed: a ticket is looked up before another is opened, and
a webhook carries the same id each time. When a partner is away, one message at a time finds out whether it is back.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from desk.partner import facts, webhook
from desk.partner.mirror import Mirror, Wish
from desk.partner.outbox import Outbox, failed
from desk.partner.tickets import OLD, Ask, Save, attempt
from desk.partner.tmf621 import Call, TicketSystem
from vorab import topics
from vorab.clock import SECOND, Clock, Micros
from vorab.errors import ConfigError, Unavailable
from vorab.metrics import metric
from vorab.outbound import credentials
from vorab.outbound.call import CallFailed, Trouble
from vorab.partners import Partner
from vorab.records import Command, CommandKind, Record
from vorab.service import crash, logger
from vorab.testing import crashpoint

IDLE_S: Final = 0.1
COUNT_S: Final = 5.0
"""Between two counts of what waits: they look at every case a partner has."""
LONGEST_WAIT_S: Final = 3600.0
WHOLE: Final = frozenset({Trouble.UNREACHABLE, Trouble.BUSY, Trouble.CREDENTIALS, Trouble.ADDRESS, Trouble.CONFIG, Trouble.UNKNOWN})
"""Troubles of the partner as a whole, not of one message."""
FINAL: Final = frozenset({Trouble.REFUSED, Trouble.GONE})
"""Answers of a ticket system that another try would not change."""

log = logger("partners")
Write = Callable[[Record], None]
"""Appends a record to the log; raises Unavailable."""


class Relay:
    """One partner.

    Args:
        partner: What the settings say about it.
        outbox: What is due.
        caller: Calls it.
        write: Where its wishes go.
        clock: The time.
        ready: Whether the outbox holds all of the log; until then nothing is sent.
        shadow: Decide everything and send nothing.
    """

    def __init__(
        self,
        partner: Partner,
        outbox: Outbox,
        caller: Call,
        write: Write,
        clock: Clock,
        ready: Callable[[], bool],
        *,
        shadow: bool = False,
    ) -> None:
        self.partner, self._outbox, self._caller, self._write, self._clock = partner, outbox, caller, write, clock
        self._ready, self._shadow = ready, shadow
        self._system = TicketSystem(partner, caller, self._authorization)
        self._failures = 0
        self._rests_until: Micros = 0
        self._counts_at: Micros = 0
        self._registers_at: Micros = 0
        self._registrations = 0
        self._current: Mirror
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # ------------------------------------------------------------------------------------------------------ thread

    def start(self) -> None:
        """Work in a thread."""
        self._thread = threading.Thread(target=self._run, name=f"partner-{self.partner.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the call that is under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(self.partner.timeout_s + 5)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if not (self._ready() and self.step()):
                    self._stop.wait(IDLE_S)
            except Exception:  # noqa: BLE001 - the supervisor starts us again
                crash(log, "telling partners")

    def step(self) -> int:
        """Do what is due now; returns how many cases were worked on."""
        now, name = self._clock.now(), self.partner.name
        if now >= self._counts_at:
            self._counts_at = self._later(COUNT_S)
            self._count(now)
        if now < self._rests_until:
            return 0
        if now >= self._registers_at and self.partner.callback_url and self.partner.kind == "tmf621" and not self._shadow:
            self._register()
        done = 0
        for mirror in self._outbox.due(name, now, 1 if self._failures else 20):
            if self._stop.is_set() or self._clock.now() < self._rests_until:
                break
            self._work(mirror)
            done += 1
        return done

    # ------------------------------------------------------------------------------------------------------- cases

    def _work(self, mirror: Mirror) -> None:
        try:
            story = self._outbox.story(mirror)
        except Unavailable as error:
            self._rest(error)
            return
        mirror = replace(mirror, last_seq=max(mirror.last_seq, story.last.seq))
        now = self._clock.now()
        if self._shadow:
            self._result("shadow")
            self._outbox.save(replace(mirror, sent_seq=mirror.last_seq, looked=mirror.wanted, due_at=0, reason="shadow"), now)
            return
        self._current = mirror
        try:
            if self.partner.kind == "webhook":
                self._tell()
            else:
                self._keep_in_step()
        except CallFailed as error:
            self._failed(self._current, error)
        except ConfigError as error:
            self._failed(self._current, CallFailed(Trouble.CONFIG, error.what))
        except Unavailable as error:
            self._rest(error)
        else:
            self._failures = 0

    def _rest(self, error: Unavailable) -> None:
        log.warning("log or notifier away", partner=self.partner.name, why=str(error))
        self._rests_until = self._later(1.0)

    def _keep_in_step(self) -> None:
        mirror, story, speed = self._current, self._outbox.story(self._current), self._clock.speed
        seconds = int(SECOND * speed)
        settle, look = int(2 * self.partner.timeout_s * seconds), int(self.partner.look_s * seconds)
        steps = attempt(mirror, story, self._clock.now(), settle=settle, look=look, notes=self.partner.notes != "none")
        answer = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                self._outbox.save(end.value, self._clock.now())
                crashpoint("partner.after_save")
                return
            if isinstance(step, Save):
                self._current = replace(step.mirror, last_seq=mirror.last_seq, wanted=mirror.wanted)
                self._outbox.save(replace(self._current, due_at=self._clock.now()), self._clock.now())
                answer = None
            elif isinstance(step, Ask):
                self._ask(mirror, step.wishes)
                crashpoint("partner.after_ask")
                answer = None
            else:
                crashpoint("partner.before_call")
                answer = self._system.do(step)
                crashpoint("partner.after_call")
                self._result(type(step).__name__.lower())

    def _ask(self, mirror: Mirror, wishes: Sequence[Wish]) -> None:
        for wish in wishes:
            made = command_of(self.partner.name, mirror, wish, self._clock.now())
            self._write(self._outbox.sealed(made, self._outbox.story(mirror)) if wish.kind is CommandKind.NOTE else made)
            metric("vorab_partner_wishes_total").labels(self.partner.name, wish.kind.value).inc()

    def _tell(self) -> None:
        last = self._outbox.story(self._current).last
        if self._current.sent_seq < 0 and not last.status.open and self._clock.now() - last.at > OLD:
            self._sent(self._current.last_seq, told=False)
            return
        for event in facts.to_tell(self._outbox.story(self._current)):
            if event.seq > self._current.sent_seq:
                wall = self._clock.wall(self._clock.now())
                headers, body = webhook.message(event, credentials.secrets(self.partner), wall)
                crashpoint("partner.before_call")
                self._caller("POST", self.partner.base_url, {**headers, **self._authorization()}, body)
                crashpoint("partner.after_call")
                self._result("event")
                self._sent(event.seq)
        self._sent(self._current.last_seq, told=False)

    def _sent(self, seq: int, *, told: bool = True) -> None:
        now = self._clock.now()
        rest = 0 if seq >= self._current.last_seq else now
        at = now if told else self._current.sent_at
        self._current = replace(self._current, sent_seq=seq, sent_at=at, due_at=rest, tries=0, reason="", detail="")
        self._outbox.save(self._current, now)

    # ----------------------------------------------------------------------------------------------------- failures

    def _failed(self, mirror: Mirror, error: CallFailed) -> None:
        now, name = self._clock.now(), self.partner.name
        metric("vorab_partner_failures_total").labels(name, error.trouble.value).inc()
        after = failed(mirror, error.trouble.value, error.detail, self._later(self._wait_s(mirror.tries, error)))
        log.warning("partner failed", partner=name, case=mirror.case, reason=error.trouble.value, detail=error.detail, tries=after.tries)
        if error.trouble in WHOLE:
            self._rests_until = self._later(self._wait_s(self._failures, error))
            self._failures += 1
        ends = self.partner.kind == "tmf621" and error.trouble in FINAL
        if ends or after.tries >= self.partner.attempts:
            after = self._give_up(after)
        self._outbox.save(after, now)

    def _give_up(self, mirror: Mirror) -> Mirror:
        now = self._clock.now()
        self._result("dead")
        if self.partner.kind == "tmf621":
            self._outbox.bury(mirror, mirror.last_seq, now)
            return replace(mirror, dead=True, due_at=0)
        story = self._outbox.story(mirror)
        head = next((event.seq for event in facts.to_tell(story) if event.seq > mirror.sent_seq), mirror.last_seq)
        self._outbox.bury(mirror, head, now)
        return replace(mirror, sent_seq=head, tries=0, due_at=now if head < mirror.last_seq else 0)

    def _wait_s(self, tries: int, error: CallFailed) -> float:
        wait = min(self.partner.retry_s * float(1 << min(tries, 16)), LONGEST_WAIT_S)
        return max(wait * random.uniform(0.8, 1.2), error.retry_after_s)

    def _later(self, seconds: float) -> Micros:
        return self._clock.now() + int(seconds * SECOND * self._clock.speed)

    # ------------------------------------------------------------------------------------------------------- inside

    def _register(self) -> None:
        """Tell the hub where events go; a system whose hub does not answer gets its tickets all the same."""
        callback, name = f"{self.partner.callback_url.rstrip('/')}/partners/{self.partner.name}", self.partner.name
        self._registers_at = self._later(LONGEST_WAIT_S)
        if self._outbox.hub(name) == callback:
            return
        try:
            self._system.register(callback)
        except (CallFailed, ConfigError) as error:
            trouble = error.trouble if isinstance(error, CallFailed) else Trouble.CONFIG
            metric("vorab_partner_failures_total").labels(name, trouble.value).inc()
            log.warning("the hub cannot be told", partner=name, why=str(error))
            self._registers_at = self._later(self._wait_s(self._registrations, CallFailed(trouble)))
            self._registrations += 1
        else:
            self._outbox.registered(name, callback)

    def _authorization(self) -> dict[str, str]:
        return credentials.authorization(self.partner)

    def _result(self, what: str) -> None:
        metric("vorab_partner_messages_total").labels(self.partner.name, what).inc()

    def _count(self, now: Micros) -> None:
        figures, name = self._outbox.figures(self.partner.name, now), self.partner.name
        for what in ("mirrored", "waiting", "dead"):
            metric(f"vorab_partner_{what}").labels(name).set(figures[what])
        metric("vorab_partner_lag_seconds").labels(name).set(figures["lag_s"] / self._clock.speed)


def command_of(partner: str, mirror: Mirror, wish: Wish, now: Micros) -> Command:
    """A wish of a partner as a command on the log."""
    tenant, _, device = mirror.device.partition("/")
    return Command(
        id=wish.command(mirror.device), tenant=tenant or topics.DEFAULT_TENANT, device=device, kind=wish.kind, case=mirror.case, at=now,
        by=partner, because=wish.because, detail=wish.text,
    )  # fmt: skip
