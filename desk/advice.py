"""What the person who has a case does next, and why; read off its events, and decided by that person. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from vorab.records import CaseEvent, CaseKind, Command, CommandKind, Status

if TYPE_CHECKING:
    from desk.queries import CaseFile

ON_IT: Final = "vorab is on it, and will say so when a person is needed"
ENDS_APPROVAL: Final = frozenset({
    CaseKind.APPROVED, CaseKind.DECLINED, CaseKind.HANDED_OVER, CaseKind.TAKEN, CaseKind.CALL_WISHED, CaseKind.RESOLVED,
    CaseKind.FALSE_ALARM, CaseKind.CONSENT_GIVEN,
})  # fmt: skip
"""What takes a question for approval off the table."""


class Next(NamedTuple):
    """The next best action."""

    do: str
    why: str

    @property
    def said(self) -> str:
        """Both in one line: `Call the customer. Because: they asked for it`."""
        return f"{self.do} Because: {self.why}." if self.why else self.do


def waits_for_approval(events: Sequence[CaseEvent]) -> bool:
    """Whether people are asked to approve what vorab would do."""
    asked = next((event.kind for event in reversed(events) if event.kind is CaseKind.APPROVAL_ASKED or event.kind in ENDS_APPROVAL), None)
    return asked is CaseKind.APPROVAL_ASKED and events[-1].status is Status.HELD


def apology(events: Sequence[CaseEvent]) -> str:
    """What is said with the gesture that was proposed, in the customer's language."""
    return next((event.detail for event in reversed(events) if event.kind is CaseKind.GOODWILL_PROPOSED), "")


def next_best(file: CaseFile) -> Next | None:
    """The next best action; None where there is nothing left to do."""
    last = file.last
    if waits_for_approval(file.events):
        so_far = f"{', '.join(last.approvals)} has approved; " if last.approvals else ""
        line = last.care.partition(" (version")[0]
        return Next("Approve what vorab would do, or decline it.", f"{so_far}{line}")
    if last.status is Status.HELD:
        return _held(file)
    if last.goodwill == "proposed" and last.status is not Status.CANCELLED:
        return Next(f"Decide whether the customer is given {last.gesture}.", "a gesture was proposed, and nobody has decided yet")
    if last.status is Status.IN_PROGRESS and any(event.kind is CaseKind.TAKEN for event in file.events):
        return _advised(last) or Next("Note what you find; resolve it when it is done.", "a person has it, and vorab leaves it to them")
    if last.status is Status.PENDING:
        return Next("Nothing.", "the customer has been asked")
    return Next("Nothing.", ON_IT) if last.status in {Status.ACKNOWLEDGED, Status.IN_PROGRESS} else None


def _held(file: CaseFile) -> Next:
    return next(_candidates(file))


def _candidates(file: CaseFile) -> Iterator[Next]:
    """What could be done about a case that needs a person: first what cannot wait."""
    last, kinds = file.last, {event.kind for event in file.events}
    wish = _wish(file.commands)
    wished = wish is not None or CaseKind.CALL_WISHED in kinds
    if "danger" in last.said:
        yield Next("Call at once, and ask whether everybody is safe.", "the customer wrote of danger")
    if "anger" in last.said:
        yield Next(f"Apologise first, then {'call' if wished else 'help'}.", "the customer is angry")
    if wished:
        said = f", and said: {wish.detail}" if wish is not None and wish.detail else ""
        yield Next("Call the customer.", f"they asked for it{said}")
    advised = _advised(last)
    if advised is not None:
        yield advised
    if CaseKind.DISPROVED in kinds:
        yield Next("Send somebody to look at the machine.", "a restart did not help")
    if last.goodwill == "proposed":
        yield Next(f"Decide whether the customer is given {last.gesture}, then call.", "a gesture was proposed")
    yield Next("Take the case, and look at the machine.", _reason(last))


def _wish(commands: Sequence[Command]) -> Command | None:
    return next((command for command in reversed(commands) if command.kind is CommandKind.CALL), None)


def _advised(last: CaseEvent) -> Next | None:
    do, _, why = last.advice.partition(" Because: ")
    return Next(do, why.rstrip(".")) if do else None


def _reason(last: CaseEvent) -> str:
    if last.bot == "must_not":
        return last.care.partition(" (version")[0]
    return "vorab could not help from afar"
