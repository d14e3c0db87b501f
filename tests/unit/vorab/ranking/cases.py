"""Cases for the ranking's tests, as the log tells of them."""

from __future__ import annotations

from vorab.clock import DAY, HOUR, Micros, parse_iso
from vorab.ranking import REMEDY
from vorab.records import CaseEvent, CaseKind, Command, CommandKind, Severity, Status

MONDAY: Micros = parse_iso("2026-03-02T08:00:00Z")
TODAY = MONDAY // DAY
RESTART = REMEDY + "restart"


class Told:
    """What the log says of one case, in order."""

    def __init__(self, case: str, cause: str = "low_pressure", model: str = "pump", at: Micros = MONDAY) -> None:
        self.case, self.cause, self.model, self.at = case, cause, model, at
        self.records: list[CaseEvent | Command] = []

    def event(self, kind: CaseKind, remedy: str = "", *, healed: bool = False, after: Micros = HOUR) -> Told:
        """A fact, an hour later."""
        self.at += after
        seq = sum(isinstance(record, CaseEvent) for record in self.records)
        self.records.append(
            CaseEvent(
                id=f"{self.case}-{seq}", device="d", case=self.case, kind=kind, status=Status.IN_PROGRESS, at=self.at, because="x",
                cause=self.cause, model=self.model, severity=Severity.MAJOR, opened_at=MONDAY, remedy=remedy, healed=healed, seq=seq,
            )
        )  # fmt: skip
        return self

    def tried(self, remedy: str = "restart") -> Told:
        """Something is tried."""
        return self.event(CaseKind.ACTION_REQUESTED, remedy)

    def healed(self, remedy: str = "restart") -> Told:
        """Tried, and proven by readings."""
        return self.tried(remedy).event(CaseKind.RESOLVED, remedy, healed=True)

    def failed(self, remedy: str = "restart") -> Told:
        """Tried, and a person has to look."""
        return self.tried(remedy).event(CaseKind.DISPROVED, remedy).event(CaseKind.HANDED_OVER, remedy)

    def said(self, kind: CommandKind, about: str, by: str = "agent", after: Micros = HOUR) -> Told:
        """A person's verdict."""
        self.at += after
        name = f"{self.case}-{about}-{kind}-{len(self.records)}"
        self.records.append(Command(id=name, device="d", kind=kind, case=self.case, at=self.at, by=by, about=about))
        return self
