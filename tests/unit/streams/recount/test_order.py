"""Where a person's word came in, found by what was decided after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from streams.recount.order import agreed, as_seen, by_clock
from streams.recount.story import Item, Place, Story, Told
from vorab import topics
from vorab.clock import MINUTE, Micros
from vorab.processor import Out
from vorab.records import CaseEvent, CaseKind, Command, CommandKind, Severity, Status, Symptom, SymptomState

CLEARED: Final[Micros] = 60 * MINUTE
HIDDEN: Final[Micros] = CLEARED + 2 * MINUTE
"""A deadline that nothing is said of."""
RESOLVED: Final[Micros] = CLEARED + 25 * MINUTE


def event(kind: CaseKind, at: Micros, because: str) -> CaseEvent:
    """A fact of the one case."""
    return CaseEvent(
        id=f"{kind} {because}", device="p", case="c", kind=kind, status=Status.IN_PROGRESS, at=at, because=because, cause="low",
        severity=Severity.MAJOR, priority=3, opened_at=0, onset=0,
    )  # fmt: skip


def symptom(name: str, at: Micros) -> Symptom:
    """A finding."""
    return Symptom(
        id=name, device="p", state=SymptomState.RAISED, rule="r", rule_version="1", detector="threshold", cause="low",
        severity=Severity.MAJOR, onset=at, detected_at=at,
    )  # fmt: skip


REFUSED: Final = Command(id="no", device="p", kind=CommandKind.NO_CONSENT, case="c", at=CLEARED - 5 * MINUTE, by="ada")


def decided(items: Sequence[Item]) -> list[Out]:
    """Until the hidden deadline who refuses is handed to a person; after it they are not, and nothing else is different."""
    [said] = [each.time for each in items if each.record is REFUSED]
    facts = [event(CaseKind.SYMPTOM_CLEARED, CLEARED, "well"), event(CaseKind.CONSENT_REFUSED, REFUSED.at, "no")]
    if said <= CLEARED:
        facts.reverse()
    if said < HIDDEN:
        facts.append(event(CaseKind.HANDED_OVER, REFUSED.at, "no"))
    resolved = event(CaseKind.RESOLVED, RESOLVED, "c")
    return [Out(topics.CASES, each) for each in ([resolved, *facts] if said > RESOLVED else [*facts, resolved])]


def test_a_word_is_found_between_a_silent_deadline_and_the_next_fact() -> None:
    """No record stands between the two; the word came later than its own time says, and still before the case was well."""
    place = Place(topics.SYMPTOMS, 0, 0)
    items = [
        Item(CLEARED, 0, place, True, symptom("well", CLEARED)),
        Item(REFUSED.at, 1, Place(topics.COMMANDS, 0, 0), False, REFUSED),
        Item(6 * CLEARED, 0, place._replace(offset=1), True, symptom("another", 6 * CLEARED)),
    ]
    stored = [
        event(CaseKind.SYMPTOM_CLEARED, CLEARED, "well"),
        event(CaseKind.CONSENT_REFUSED, REFUSED.at, "no"),
        event(CaseKind.RESOLVED, RESOLVED, "c"),
    ]
    story = Story("main/p", 0, items, [Told(Place(topics.CASES, 0, at), fact) for at, fact in enumerate(stored)])
    assert agreed(stored, decided(by_clock(story)), topics.CASES) == 0
    assert agreed(stored, as_seen(story, decided, topics.CASES), topics.CASES) is None
