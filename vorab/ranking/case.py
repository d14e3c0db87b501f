"""What one case says about what was tried in it: facts by telemetry, verdicts by people, and the later word counts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from vorab.clock import DAY, Micros
from vorab.ranking.counts import ARTICLE, FAILED, HELPED, REMEDY, RULE, SOLVED, Result
from vorab.records import CaseEvent, CaseKind, Command, CommandKind

VERDICTS: Final[Mapping[CommandKind, int]] = {
    CommandKind.RIGHT: SOLVED,
    CommandKind.USEFUL: HELPED,
    CommandKind.WRONG: FAILED,
    CommandKind.TOO_LATE: HELPED,
}
"""What a verdict about something that was tried counts, in halves."""
HEARD: Final = frozenset({*VERDICTS, CommandKind.FALSE_ALARM})
"""Commands that are verdicts; a false alarm is the customer's "this was wrong"."""


class Try(msgspec.Struct, array_like=True):
    """A remedy that was used."""

    at: Micros
    """When it was used first."""
    halves: int | None = None
    """What telemetry says; None while it says nothing."""
    answered: Micros = 0


class Said(msgspec.Struct, array_like=True):
    """A person's verdict."""

    kind: CommandKind
    at: Micros
    id: str


class Note(msgspec.Struct):
    """What is remembered of a case."""

    case: str
    tenant: str
    cause: str = ""
    """Empty while only verdicts are known: on replay they may come before the case."""
    model: str = ""
    seq: int = -1
    tries: dict[str, Try] = {}
    said: dict[str, dict[str, Said]] = {}
    """About what → by whom → what was said last."""
    relapsed: Micros = 0
    nothing_wrong: bool = False
    """The customer says that there was no fault: then nothing can have been solved."""

    def event(self, event: CaseEvent) -> bool:
        """Fold a fact; False where it is known already."""
        if event.seq <= self.seq:
            return False
        self.seq, self.cause, self.model = event.seq, event.cause, event.model
        thing = REMEDY + event.remedy
        match event.kind:
            case CaseKind.ACTION_REQUESTED if event.remedy:
                self._end(FAILED, event.at, but=thing)  # something else is tried, so what was tried before did not do
                before = self.tries.get(thing)
                self.tries[thing] = Try(before.at if before else event.at)
            case CaseKind.RESOLVED if event.healed:
                self._end(SOLVED, event.at)
            case CaseKind.DISPROVED | CaseKind.HANDED_OVER:
                self._end(FAILED, event.at)
            case CaseKind.RELAPSED:
                self.relapsed = event.at
                for used in self.tries.values():
                    if used.halves:
                        used.halves, used.answered = FAILED, event.at
            case CaseKind.RESOLVED | CaseKind.CONSENT_REFUSED | CaseKind.TAKEN:
                # Over by itself, by a person, or taken back: what was under way was never put to the proof.
                self.tries = {name: used for name, used in self.tries.items() if used.halves is not None}
            case CaseKind.FALSE_ALARM:
                self.nothing_wrong = True
        return True

    def command(self, command: Command) -> bool:
        """Take a verdict; False where it says nothing new."""
        by = self.said.setdefault(command.about, {})
        known = by.get(command.by)
        if known is not None and (known.at, known.id) >= (command.at, command.id):
            return False
        by[command.by] = Said(command.kind, command.at, command.id)
        return True

    def results(self) -> Iterator[Result]:
        """What the case says as it stands, one result per thing that was tried."""
        if not self.cause or self.nothing_wrong:
            return
        for thing in sorted({*self.tries, *(about for about in self.said if about.startswith((REMEDY, ARTICLE)))}):
            used, said = self.tries.get(thing), self._last(thing)
            if used is None and said is None:
                continue
            halves = used.halves if used else None
            if said is not None and (used is None or said.at >= used.answered):
                halves = FAILED if said.at < self.relapsed else VERDICTS[said.kind]
            if halves == SOLVED and self._late():
                halves = HELPED
            at = used.at if used else said.at if said else 0
            yield Result(self.cause, self.model, thing, at // DAY, halves, by_hand=used is None)

    def verdicts(self) -> Iterator[tuple[str, CommandKind]]:
        """What was said about the rules that found it: rule and verdict."""
        for about, by in sorted(self.said.items()):
            if about.startswith(RULE):
                yield from ((about.removeprefix(RULE), said.kind) for _, said in sorted(by.items()))

    def _end(self, halves: int, at: Micros, but: str = "") -> None:
        for name, used in self.tries.items():
            if used.halves is None and name != but:
                used.halves, used.answered = halves, at

    def _last(self, thing: str) -> Said | None:
        found = [said for said in self.said.get(thing, {}).values() if said.kind in VERDICTS]
        return max(found, key=lambda said: (said.at, said.id), default=None)

    def _late(self) -> bool:
        return any(kind is CommandKind.TOO_LATE for _, kind in self.verdicts())
