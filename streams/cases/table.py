"""The state machine of a case as a table over the TMF621 states: one row, one answer; what is not in the table is refused.

`docs/cases.md` shows the diagram that `diagram` draws from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vorab.records import CaseKind, Status

NEW: Final = None
"""The state of a case that is not there yet."""

TRANSITIONS: Final[Mapping[tuple[Status | None, CaseKind], Status]] = {
    (NEW, CaseKind.OPENED): Status.ACKNOWLEDGED,
    # acknowledged: vorab has it and weighs what to do
    (Status.ACKNOWLEDGED, CaseKind.SYMPTOM_ADDED): Status.ACKNOWLEDGED,
    (Status.ACKNOWLEDGED, CaseKind.SYMPTOM_CLEARED): Status.ACKNOWLEDGED,
    (Status.ACKNOWLEDGED, CaseKind.CONSENT_ASKED): Status.PENDING,
    (Status.ACKNOWLEDGED, CaseKind.CONSENT_REFUSED): Status.ACKNOWLEDGED,
    (Status.ACKNOWLEDGED, CaseKind.PERMIT_ASKED): Status.ACKNOWLEDGED,
    (Status.ACKNOWLEDGED, CaseKind.PERMIT_GRANTED): Status.ACKNOWLEDGED,
    (Status.ACKNOWLEDGED, CaseKind.PERMIT_REFUSED): Status.ACKNOWLEDGED,
    (Status.ACKNOWLEDGED, CaseKind.ACTION_REQUESTED): Status.IN_PROGRESS,
    (Status.ACKNOWLEDGED, CaseKind.MACHINE_ASKED): Status.IN_PROGRESS,
    (Status.ACKNOWLEDGED, CaseKind.CONCLUDED): Status.ACKNOWLEDGED,
    (Status.ACKNOWLEDGED, CaseKind.APPROVAL_ASKED): Status.HELD,
    (Status.ACKNOWLEDGED, CaseKind.HANDED_OVER): Status.HELD,
    (Status.ACKNOWLEDGED, CaseKind.TAKEN): Status.IN_PROGRESS,
    (Status.ACKNOWLEDGED, CaseKind.NOTED): Status.ACKNOWLEDGED,
    (Status.ACKNOWLEDGED, CaseKind.CALL_WISHED): Status.HELD,
    (Status.ACKNOWLEDGED, CaseKind.FALSE_ALARM): Status.CANCELLED,
    (Status.ACKNOWLEDGED, CaseKind.RESOLVED): Status.RESOLVED,
    # pending: the customer is asked
    (Status.PENDING, CaseKind.SYMPTOM_ADDED): Status.PENDING,
    (Status.PENDING, CaseKind.SYMPTOM_CLEARED): Status.PENDING,
    (Status.PENDING, CaseKind.CONSENT_GIVEN): Status.ACKNOWLEDGED,
    (Status.PENDING, CaseKind.CONSENT_REFUSED): Status.PENDING,
    (Status.PENDING, CaseKind.MACHINE_ANSWERED): Status.PENDING,
    (Status.PENDING, CaseKind.HANDED_OVER): Status.HELD,
    (Status.PENDING, CaseKind.TAKEN): Status.IN_PROGRESS,
    (Status.PENDING, CaseKind.NOTED): Status.PENDING,
    (Status.PENDING, CaseKind.CALL_WISHED): Status.HELD,
    (Status.PENDING, CaseKind.FALSE_ALARM): Status.CANCELLED,
    (Status.PENDING, CaseKind.RESOLVED): Status.RESOLVED,
    # inProgress: a machine or a person is at it
    (Status.IN_PROGRESS, CaseKind.SYMPTOM_ADDED): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, CaseKind.SYMPTOM_CLEARED): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, CaseKind.CONSENT_ASKED): Status.PENDING,
    (Status.IN_PROGRESS, CaseKind.CONSENT_GIVEN): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, CaseKind.CONSENT_REFUSED): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, CaseKind.PERMIT_ASKED): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, CaseKind.PERMIT_GRANTED): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, CaseKind.PERMIT_REFUSED): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, CaseKind.ACTION_REQUESTED): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, CaseKind.ACTION_ANSWERED): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, CaseKind.ACTION_TIMED_OUT): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, CaseKind.MACHINE_ASKED): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, CaseKind.MACHINE_ANSWERED): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, CaseKind.CONCLUDED): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, CaseKind.PROVING): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, CaseKind.DISPROVED): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, CaseKind.APPROVAL_ASKED): Status.HELD,
    (Status.IN_PROGRESS, CaseKind.HANDED_OVER): Status.HELD,
    (Status.IN_PROGRESS, CaseKind.TAKEN): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, CaseKind.NOTED): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, CaseKind.CALL_WISHED): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, CaseKind.FALSE_ALARM): Status.CANCELLED,
    (Status.IN_PROGRESS, CaseKind.RESOLVED): Status.RESOLVED,
    # held: a person at the operator's is needed
    (Status.HELD, CaseKind.SYMPTOM_ADDED): Status.HELD,
    (Status.HELD, CaseKind.SYMPTOM_CLEARED): Status.HELD,
    (Status.HELD, CaseKind.CONSENT_GIVEN): Status.ACKNOWLEDGED,
    (Status.HELD, CaseKind.CONSENT_REFUSED): Status.HELD,
    (Status.HELD, CaseKind.ACTION_ANSWERED): Status.HELD,
    (Status.HELD, CaseKind.MACHINE_ANSWERED): Status.HELD,
    (Status.HELD, CaseKind.APPROVAL_GIVEN): Status.HELD,
    (Status.HELD, CaseKind.APPROVED): Status.ACKNOWLEDGED,
    (Status.HELD, CaseKind.DECLINED): Status.HELD,
    (Status.HELD, CaseKind.HANDED_OVER): Status.HELD,
    (Status.HELD, CaseKind.TAKEN): Status.IN_PROGRESS,
    (Status.HELD, CaseKind.NOTED): Status.HELD,
    (Status.HELD, CaseKind.CALL_WISHED): Status.HELD,
    (Status.HELD, CaseKind.FALSE_ALARM): Status.CANCELLED,
    (Status.HELD, CaseKind.RESOLVED): Status.RESOLVED,
    # resolved: well again, watched for a while
    (Status.RESOLVED, CaseKind.SYMPTOM_CLEARED): Status.RESOLVED,
    (Status.RESOLVED, CaseKind.ACTION_ANSWERED): Status.RESOLVED,
    (Status.RESOLVED, CaseKind.MACHINE_ANSWERED): Status.RESOLVED,
    (Status.RESOLVED, CaseKind.NOTED): Status.RESOLVED,
    (Status.RESOLVED, CaseKind.CALL_WISHED): Status.HELD,
    (Status.RESOLVED, CaseKind.FALSE_ALARM): Status.RESOLVED,
    (Status.RESOLVED, CaseKind.RELAPSED): Status.IN_PROGRESS,
    (Status.RESOLVED, CaseKind.CLOSED): Status.CLOSED,
    # closed and cancelled: over, but people may still say something
    (Status.CLOSED, CaseKind.NOTED): Status.CLOSED,
    (Status.CLOSED, CaseKind.CALL_WISHED): Status.CLOSED,
    (Status.CLOSED, CaseKind.FALSE_ALARM): Status.CLOSED,
    (Status.CANCELLED, CaseKind.NOTED): Status.CANCELLED,
    (Status.CANCELLED, CaseKind.CALL_WISHED): Status.CANCELLED,
    (Status.CANCELLED, CaseKind.FALSE_ALARM): Status.CANCELLED,
    (Status.REJECTED, CaseKind.NOTED): Status.REJECTED,
    # goodwill goes beside: it changes no state, and may be settled when the case is over
    **{
        (status, kind): status
        for status in Status
        if status not in {Status.REJECTED, Status.CANCELLED}
        for kind in (
            CaseKind.GOODWILL_PROPOSED,
            CaseKind.GOODWILL_APPROVED,
            CaseKind.GOODWILL_ASKED,
            CaseKind.GOODWILL_GRANTED,
            CaseKind.GOODWILL_DECLINED,
        )
    },
    (Status.CANCELLED, CaseKind.GOODWILL_GRANTED): Status.CANCELLED,
    (Status.CANCELLED, CaseKind.GOODWILL_DECLINED): Status.CANCELLED,
}


def after(status: Status | None, kind: CaseKind) -> Status | None:
    """The status after a fact; None where the table has no such row."""
    return TRANSITIONS.get((status, kind))


def diagram() -> str:
    """The table as a Mermaid state diagram: an arrow per pair of states, facts that change nothing as a note."""
    arrows: dict[tuple[Status | None, Status], list[str]] = {}
    for (before, kind), then in TRANSITIONS.items():
        if before is not then:
            arrows.setdefault((before, then), []).append(kind.value)
    lines = ["stateDiagram-v2"]
    for (before, then), kinds in arrows.items():
        lines.append(f"    {before.value if before else '[*]'} --> {then.value}: {', '.join(kinds)}")
    lines += [f"    {status.value} --> [*]" for status in (Status.CLOSED, Status.CANCELLED, Status.REJECTED)]
    return "\n".join(lines)


def stays() -> str:
    """The facts that leave the status as it is, as a Markdown table."""
    lines = ["| status | facts that leave it as it is |", "|---|---|"]
    for status in Status:
        kinds = [kind.value for (before, kind), then in TRANSITIONS.items() if before is status and then is status]
        if kinds:
            lines.append(f"| {status.value} | {', '.join(kinds)} |")
    return "\n".join(lines)
