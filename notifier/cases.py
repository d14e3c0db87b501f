"""What the notifier knows of a case: folded from its events, so that a message is judged by what is true when it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from vorab.clock import Micros
from vorab.records import CaseEvent, CaseKind, Stage, Status


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case as far as messages depend on it. Times are µs, None where it did not happen."""

    case: str
    customer: str
    status: Status
    seq: int
    at: Micros
    healed: bool = False
    asked: bool = False
    """Whether the customer's answer to the question for consent is still wanted."""
    handed_over: bool = False
    """Whether it is with a person, or waits for one."""
    onset: Micros | None = None
    acted_at: Micros | None = None
    """When a device was last told to do something."""
    remedy: str = ""
    healed_at: Micros | None = None
    """When telemetry proved it."""
    device: str = ""
    name: str = ""
    """What people call the device."""
    model: str = ""
    cause: str = ""
    bot: str = ""
    """Whether vorab may act, by the care file."""

    @property
    def open(self) -> bool:
        """Whether work goes on."""
        return self.status.open


_ASKED: Final[Mapping[CaseKind, bool]] = {
    CaseKind.CONSENT_ASKED: True,
    CaseKind.CONSENT_GIVEN: False,
    CaseKind.CONSENT_REFUSED: False,
    CaseKind.HANDED_OVER: False,
    CaseKind.FALSE_ALARM: False,
    CaseKind.RESOLVED: False,
    CaseKind.CLOSED: False,
}


def fold(view: CaseView | None, event: CaseEvent, customer: str) -> CaseView:
    """The view after an event; events it has already seen change nothing."""
    if view is None:
        view = CaseView(event.case, customer, event.status, -1, event.at)
    if event.seq <= view.seq:
        return view
    view = replace(
        view,
        customer=customer,
        status=event.status,
        seq=event.seq,
        at=event.at,
        healed=event.healed,
        asked=_ASKED.get(event.kind, view.asked),
        onset=event.onset if event.onset is not None and view.onset is None else view.onset,
        device=event.device,
        name=event.name or view.name,
        model=event.model or view.model,
        cause=event.cause,
        bot=event.bot or view.bot,
    )
    match event.kind:
        case CaseKind.ACTION_REQUESTED:
            return replace(view, acted_at=event.at, remedy=event.remedy or view.remedy)
        case CaseKind.HANDED_OVER:
            return replace(view, handed_over=True)
        case CaseKind.RESOLVED:
            return replace(view, handed_over=False, healed_at=event.at if event.healed else view.healed_at)
        case CaseKind.RELAPSED:
            return replace(view, healed_at=None)
    return view


def still_true(view: CaseView | None, stage: Stage) -> bool | None:
    """Whether a stage still describes its case: None where the case is over, False where it has moved on.

    A case nobody has told the notifier about is believed: the message exists because somebody decided on it.
    """
    if view is None:
        return True
    match stage:
        case Stage.HEALED | Stage.RESOLVED:
            return not view.open
        case Stage.CONSENT:
            if not view.open:
                return None
            return view.asked
        case Stage.PERSON_NEEDED | Stage.INCIDENT:
            return True if view.open else None
