"""How urgent a case is: impact and urgency by the matrix of ITIL, then at most one level for what the customer has been through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from streams.cases.policy import History, Line
from streams.cases.words import span
from vorab.records import Customer, Severity

# ITIL: priority is read off impact and urgency, never set by hand.
PRIORITY: Final[Mapping[tuple[int, int], int]] = {
    (1, 1): 1, (1, 2): 2, (1, 3): 3,
    (2, 1): 2, (2, 2): 3, (2, 3): 4,
    (3, 1): 3, (3, 2): 4, (3, 3): 5,
}  # fmt: skip

URGENCY: Final[Mapping[Severity, int]] = {Severity.CRITICAL: 1, Severity.MAJOR: 2, Severity.MINOR: 3, Severity.WARNING: 3}
"""Time until people feel it, guessed from the effect on function."""


def impact_of(line: Line, *, customer: bool) -> int:
    """1 (many people, or a critical asset) to 3 (few); `customer`: whether the device serves one."""
    if line.impact is not None:
        return line.impact
    return 2 if customer else 3


def priority(impact: int, urgency: int, history: Sequence[str]) -> int:
    """1 (at once) to 5: what the matrix says, one level more urgent where anything in the `history` speaks for it."""
    return max(1, PRIORITY[impact, urgency] - bool(history))


def history_of(customer: Customer | None, faults: int, bar: History) -> list[str]:
    """What speaks for more priority: the customer's marks, and the `faults` of the device within the window; in words an agent reads."""
    found: list[str] = []
    if customer is not None:
        marks = (
            (customer.returns, bar.returns, "return"),
            (customer.wrong_bills, bar.wrong_bills, "wrong bill"),
            (customer.complaints, bar.complaints, "complaint"),
        )
        found += [f"{count} {name}{'s' if count > 1 else ''}" for count, least, name in marks if count >= least]
    if faults >= bar.faults:
        found.append(f"{faults} faults in {span(bar.window)}")
    return found
