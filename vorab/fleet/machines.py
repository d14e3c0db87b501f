"""One simulated machine: hidden state that steps through event time, and answers to commands. No clock, no socket.

Deterministic: a machine is a function of its id, the seed, its faults and the moments at which it is stepped and commanded.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from vorab.clock import MINUTE, SECOND, Micros
from vorab.fleet.faults import RELIEF, Answer, Fault, Left
from vorab.fleet.models import GATEWAY, Model, Signal

Reading = dict[str, Any]

FIRST_ANSWER: Final[Micros] = SECOND // 2
_PORT: Final[Micros] = 30 * SECOND
_SUBSTEP: Final[Micros] = MINUTE  # the fastest lag; coarser steps would let a fault act longer than it did


class Reply(NamedTuple):
    """What a machine answers, so long after it was asked."""

    after: Micros
    body: dict[str, Any]


class Event(NamedTuple):
    """What really happened inside: `fault`, `cleared`, `healed`, `relieved` or `restarted`. vorab never sees these."""

    at: Micros
    what: str
    kind: str


class _Active(NamedTuple):
    fault: Fault
    since: Micros


class Machine:
    """A machine of a model.

    Args:
        id: The device id; with the seed it makes the machine what it is.
        model: The kind of machine.
        seed: One for the fleet.
        start: When it begins, µs; it has been running for long.
        period: Between readings, µs.
        phase: Offset of its readings within the period, µs.
        boot: Number of its current boot; a restart adds one.
        faults: When which fault begins, in order of time.
    """

    def __init__(
        self,
        id: str,  # noqa: A002 - the word of the contract
        model: Model,
        *,
        seed: int = 0,
        start: Micros = 0,
        period: Micros = 5 * MINUTE,
        phase: Micros = 0,
        boot: int = 1,
        faults: Iterable[tuple[Micros, Fault]] = (),
    ) -> None:
        self.id, self.model, self.period, self.boot = id, model, period, boot
        self.seq = 0
        self.due: Micros = start + phase
        """When it wants to be stepped next, µs."""
        self.restarting_until: Micros | None = None
        self.events: list[Event] = []
        """What happened since somebody last emptied this list."""
        self._to_come = sorted(faults, key=lambda row: row[0])
        self._active: list[_Active] = []
        self._now = start
        self._frozen: Reading | None = None
        self._well: Reading | None = None
        """What it read last when nothing was wrong with it."""
        self._stands_still = False
        self._cut_at: Micros | None = None
        """From then on it is not heard any more, whatever becomes of its faults."""
        self._port_until: Micros | None = None
        self.others: Mapping[str, Machine] = {}
        """Machines that hang on it, by id."""

        rng = self._rng = np.random.default_rng([seed, zlib.crc32(id.encode())])
        personal = rng.uniform(-1.0, 1.0, len(model.quantities))
        self._mean = {q.name: q.healthy + q.spread * float(p) for q, p in zip(model.quantities, personal, strict=True)}
        self._wander = {q.name: q.wander * float(z) for q, z in zip(model.quantities, self._draw(), strict=True)}
        self._totals = {name: float(rng.integers(1_000, 90_000)) if name == "pages" else 0.0 for name in model.rates}
        # Toner counts from the pages printed since the story began.
        self._since = dict(self._totals)
        self._shown = model.show(self._hidden(start), dict.fromkeys(self._totals, 0.0), start)

    @property
    def linked(self) -> bool:
        """Whether its network module works."""
        cut = self._cut_at is not None and self._cut_at <= self._now
        return not cut and all(active.fault.pulls.get("link", 1.0) > 0 for active in self._active)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong with it now."""
        return tuple(active.fault for active in self._active)

    def step(self, now: Micros) -> Reading | None:
        """Move on to `now` (µs, never backwards) and read the sensors; None while it is restarting or its link is down.

        `due` moves to the next moment of its grid after `now`.
        """
        self.advance(now)
        if self.due <= now:
            self.due += ((now - self.due) // self.period + 1) * self.period
        if self.restarting_until is not None:
            return None
        reading = self._read(now)
        self.seq += 1
        # Without a link it keeps measuring: the hole in `seq` tells later how much was missed.
        return reading if self.linked else None

    def skip_to(self, at: Micros) -> None:
        """Say nothing before `at`; what happens inside happens all the same."""
        if self.due < at:
            self.due += -((self.due - at) // self.period) * self.period

    def advance(self, now: Micros) -> None:
        """Let the physics and the faults go on until `now`, without a reading."""
        if now < self._now:
            return
        self._drift(now - self._now)
        while self._now < now:
            then = min(now, self._now + _SUBSTEP)
            self._happen(then)
            self._follow(then, (then - self._now) / SECOND)
            self._now = then
        self._happen(now)

    def command(self, name: str, params: Mapping[str, Any], now: Micros) -> list[Reply]:
        """Do what is asked; the last of the answers is final.

        Knows `restart` (also as `reboot`) with an optional `delay_s`, and `self_test`; a gateway also `link_state` and `restart_port`
        of a `device` that hangs on it.
        """
        self.advance(now)
        if not self.linked:
            return []
        if name in {"restart", "reboot"}:
            return self._restart(params, now)
        if name == "self_test":
            # It only knows of itself what its controller knows: nothing.
            return [Reply(FIRST_ANSWER, {"status": "succeeded", "result": {"ok": True, "boot_count": self.boot}})]
        if name in {"link_state", "restart_port"} and self.model.name == GATEWAY:
            return self._serve(name, self.others.get(str(params.get("device"))), now)
        return [Reply(FIRST_ANSWER, _error("failed", "unsupported", f"no command {name!r}"))]

    @staticmethod
    def _serve(name: str, other: Machine | None, now: Micros) -> list[Reply]:
        if other is None:
            return [Reply(FIRST_ANSWER, _error("failed", "unknown", "nothing of that name hangs on it"))]
        if name == "link_state":
            return [Reply(FIRST_ANSWER, {"status": "succeeded", "result": {"link": "up" if other.linked else "down"}})]
        other.restart_port(now + FIRST_ANSWER + _PORT)
        return [Reply(FIRST_ANSWER, {"status": "accepted"}), Reply(FIRST_ANSWER + _PORT, {"status": "succeeded"})]

    def restart_port(self, done: Micros) -> None:
        """The port this machine hangs on will be up again at `done` (µs)."""
        self._port_until = done

    def _restart(self, params: Mapping[str, Any], now: Micros) -> list[Reply]:
        delay_s = params.get("delay_s", 0)
        if isinstance(delay_s, bool) or not isinstance(delay_s, int | float) or not 0 <= delay_s <= 3600:
            return [Reply(FIRST_ANSWER, _error("failed", "bad_params", "delay_s is 0 to 3600"))]
        if self.restarting_until is not None:
            return [Reply(FIRST_ANSWER, _error("rejected", "busy", "restarting already"))]
        begins = FIRST_ANSWER + int(delay_s * SECOND)
        replies = [
            Reply(FIRST_ANSWER, {"status": "accepted"}),
            Reply(begins + self.model.restart_us // 4, {"status": "running", "progress": 25, "detail": "restarting"}),
        ]
        if any(fault.answer is Answer.FAILED for fault in self.faults):
            replies.append(Reply(begins + self.model.restart_us // 2, _error("failed", "internal", self.faults[0].about)))
            return replies
        done = begins + self.model.restart_us
        self.restarting_until = now + done
        replies.append(Reply(done, {"status": "succeeded", "result": {"boot_count": self.boot + 1}}))
        return replies

    # ------------------------------------------------------------------------------------------- physics

    def _draw(self) -> list[float]:
        drawn: list[float] = self._rng.standard_normal(len(self.model.quantities)).tolist()
        return drawn

    def _drift(self, by: Micros) -> None:
        for quantity, z in zip(self.model.quantities, self._draw(), strict=True):
            keep = math.exp(-by / SECOND / quantity.tau_s)
            fresh = quantity.wander * math.sqrt(1 - keep * keep) * z
            self._wander[quantity.name] = self._wander[quantity.name] * keep + fresh

    def _hidden(self, at: Micros) -> dict[str, float]:
        hidden = {name: mean + self._wander[name] for name, mean in self._mean.items()}
        for fault, since in self._active:
            pulled = 1.0 if fault.ramp_us == 0 else min(1.0, (at - since) / fault.ramp_us)
            for name, to in fault.pulls.items():
                hidden[name] += (to - hidden[name]) * pulled
        return hidden

    def _follow(self, at: Micros, dt_s: float) -> None:
        hidden = self._hidden(at)
        for total, rate in self.model.rates.items():
            self._totals[total] += max(0.0, hidden[rate]) * dt_s / 3600
        targets = self.model.show(hidden, {name: now - self._since[name] for name, now in self._totals.items()}, at)
        for signal in self.model.signals:
            share = 1 - math.exp(-dt_s / signal.lag_s) if signal.lag_s else 1.0
            self._shown[signal.name] += (targets[signal.name] - self._shown[signal.name]) * share

    def _happen(self, now: Micros) -> None:
        while self._to_come and self._to_come[0][0] <= now:
            at, fault = self._to_come.pop(0)
            self._active.append(_Active(fault, at))
            self.events.append(Event(at, "fault", fault.kind))
        for active in list(self._active):
            after = active.fault.clears_after_us
            if after is not None and active.since + after <= now:
                self._end(active, active.since + after, "cleared")
        if self._port_until is not None and self._port_until <= now:
            at, self._port_until = self._port_until, None
            for active in list(self._active):
                if active.fault.port_heals:
                    self._end(active, at, "healed")
        if self.restarting_until is not None and self.restarting_until <= now:
            at, self.restarting_until = self.restarting_until, None
            self._restarted(at)

    def _restarted(self, at: Micros) -> None:
        self.boot, self.seq = self.boot + 1, 0
        self.events.append(Event(at, "restarted", ""))
        for active in list(self._active):
            fault = active.fault
            if fault.restart_heals:
                self._end(active, at, "healed")
            elif fault.restart_leaves is Left.RELIEVED:
                self._end(active, at, "relieved")
                self._to_come = sorted([*self._to_come, (at + RELIEF, fault)], key=lambda row: row[0])
            elif fault.restart_leaves is Left.SILENT:
                self._cut_at = at + SECOND  # it has just said that it is done
            elif fault.restart_leaves is Left.FROZEN:
                self._stands_still = True

    def _end(self, active: _Active, at: Micros, what: str) -> None:
        self._active.remove(active)
        self.events.append(Event(at, what, active.fault.kind))

    def _read(self, now: Micros) -> Reading:
        hidden = self._hidden(now)
        noise = self._rng.standard_normal(len(self.model.signals)).tolist()
        counted = {name: total for name, total in self._totals.items() if name in self._shown}
        values = {
            signal.name: _value(signal, counted.get(signal.name, self._shown[signal.name]), z * hidden["sensor_noise"])
            for signal, z in zip(self.model.signals, noise, strict=True)
        }
        if not self._active and not self._stands_still:
            self._well = values
        if self._stands_still and self._well is not None:
            values = self._well
        elif hidden["frozen"] > 0:
            self._frozen = self._frozen or values
            values = self._frozen
        else:
            self._frozen = None
        stamp = now // 1000 if now % 1000 == 0 else now / 1000
        return {"ts": stamp, "boot": self.boot, "seq": self.seq, **values}


def _value(signal: Signal, shown: float, noise: float) -> float | int | bool:
    if signal.kind == "bool":
        return shown >= 0.5
    if signal.kind == "int":
        return round(shown)
    return round(shown + signal.noise * noise, signal.digits)


def _error(status: str, code: str, message: str) -> dict[str, Any]:
    return {"status": status, "error": {"code": code, "message": message}}
