"""The state machine of an incident as a table: one row, one answer. `docs/incidents.md` shows the diagram that `diagram` draws from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vorab.records import IncidentKind, IncidentStatus

NEW: Final = None
"""The state of an incident that is not there yet."""

TRANSITIONS: Final[Mapping[tuple[IncidentStatus | None, IncidentKind], IncidentStatus]] = {
    (NEW, IncidentKind.OPENED): IncidentStatus.OPEN,
    # open: at least one of its cases is not well, or it is a silence
    (IncidentStatus.OPEN, IncidentKind.JOINED): IncidentStatus.OPEN,
    (IncidentStatus.OPEN, IncidentKind.RELEASED): IncidentStatus.OPEN,
    (IncidentStatus.OPEN, IncidentKind.ENDS_SOON): IncidentStatus.OPEN,
    (IncidentStatus.OPEN, IncidentKind.RESOLVED): IncidentStatus.RESOLVED,
    # resolved: all are well, and it is watched for a while
    (IncidentStatus.RESOLVED, IncidentKind.RELAPSED): IncidentStatus.OPEN,
    (IncidentStatus.RESOLVED, IncidentKind.CLOSED): IncidentStatus.CLOSED,
}


def diagram() -> str:
    """The table as a Mermaid state diagram: an arrow per pair of states."""
    arrows: dict[tuple[IncidentStatus | None, IncidentStatus], list[str]] = {}
    for (before, kind), then in TRANSITIONS.items():
        arrows.setdefault((before, then), []).append(kind.value)
    lines = ["stateDiagram-v2"]
    for (before, then), kinds in arrows.items():
        lines.append(f"    {before.value if before else '[*]'} --> {then.value}: {', '.join(kinds)}")
    return "\n".join([*lines, f"    {IncidentStatus.CLOSED.value} --> [*]"])
