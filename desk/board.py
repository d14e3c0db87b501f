"""What the console's first page shows, gathered from the tables: the answer, the queue, the fleet, the messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from markupsafe import Markup

from desk.evidence import thin
from desk.plot import sparkline
from desk.queries import CaseRow, Machine, Message, Queries
from desk.words import REASONS, incident_sentence, money, spaced, span
from vorab import topics
from vorab.clock import DAY, HOUR, Micros
from vorab.records import DeliveryReason, DeliveryState, Incident, IncidentStatus, Status

SPARK: Final[Micros] = 4 * HOUR
SPARKS: Final = 40
MOST_CELLS: Final = 600
"""More machines than this are shown as figures per model, not as one mark each."""
OVER_SHOWN: Final = 12
UNASSIGNED: Final = "unassigned"
"""Where machines stand that nobody registered, by their ids."""

GROUPS: Final = (
    ("person", "Needs a person"),
    ("hands", "A person is on it"),
    ("vorab", "vorab is on it"),
    ("customer", "Waits for the customer"),
    ("over", "Over"),
    ("recorded", "Recorded machines"),
)

STATES: Final[dict[str, str]] = {
    "person": "needs a person",
    "hands": "a person is on it",
    "vorab": "vorab is on it",
    "customer": "waits for its owner",
    "healed": "healed",
    "ok": "well",
}


def group_of(row: CaseRow) -> str:
    """Which part of the queue a case stands in."""
    status = row.last.status
    if row.last.tenant == topics.RECORDED_TENANT:
        return "recorded"
    if not status.open:
        return "over"
    if row.needs_person:
        return "person" if status is Status.HELD else "hands"
    return "customer" if status is Status.PENDING else "vorab"


@dataclass(frozen=True, slots=True)
class Row:
    """A case in the queue."""

    case: CaseRow
    group: str
    spark: Markup


@dataclass(frozen=True, slots=True)
class Model:
    """All machines of one model."""

    name: str
    machines: Sequence[Machine]
    states: Counter[str]

    @property
    def said(self) -> str:
        """`90: 1 needs a person, 86 well`."""
        found = []
        for state, word in STATES.items():
            n = self.states[state]
            if n:
                found.append(
                    f"{n} {word}" if n == 1 else f"{n} {word.replace('needs', 'need').replace('waits', 'wait').replace('its', 'their')}"
                )
        return ", ".join(found)


@dataclass(frozen=True, slots=True)
class Board:
    """The first page."""

    answer: str
    more: str
    counts: dict[str, int]
    sent: int
    waiting: int
    not_sent: Counter[str]
    models: Sequence[Model]
    cells: bool
    messages: Sequence[Message]
    fresh: int = 0
    """Open cases that the visitor's page does not show yet."""
    states: Sequence[tuple[str, str, str]] = ()
    """Case, group and word for the rows the visitor's page shows."""
    lag_s: float = 0.0
    spent: Sequence[tuple[str, str]] = ()
    """Goodwill that was granted: currency and amount."""
    reasons: dict[str, str] = field(default_factory=lambda: {reason.value: REASONS[reason] for reason in DeliveryReason})


def queue(queries: Queries, now: Micros, search: str = "", name: str = "") -> list[Row]:
    """The cases in order of their groups; with `search` only those that fit it, with a `name` only those of this queue."""
    order = [name for name, _ in GROUPS]
    found = []
    for case in queries.cases(limit=500, loose=not (search or name)):
        if (search and not _fits(case, search)) or (name and (case.last.queue != name or not case.last.status.open)):
            continue
        found.append((order.index(group_of(case)), case))
    found.sort(key=lambda pair: (pair[0], _age(pair[1]) if order[pair[0]] == "over" else 0))
    over = 0
    rows: list[Row] = []
    for place, case in found:
        group = order[place]
        over += group == "over"
        if group == "over" and over > OVER_SHOWN and not search:
            continue
        spark = _spark(queries, case, now) if len(rows) < SPARKS else Markup("")
        rows.append(Row(case, group, spark))
    return rows


def _age(case: CaseRow) -> int:
    return -case.changed_at


def _fits(case: CaseRow, search: str) -> bool:
    last = case.last
    text = " ".join((last.name, last.device, spaced(last.cause), last.case, last.customer, last.site, last.model)).casefold()
    return all(word in text for word in search.casefold().split())


def _spark(queries: Queries, case: CaseRow, now: Micros) -> Markup:
    last = case.last
    if not last.signal:
        return Markup("")
    end = min(now, case.changed_at + HOUR) if last.tenant != topics.RECORDED_TENANT else case.changed_at + HOUR
    start = max((last.onset or last.opened_at) - HOUR, end - 2 * SPARK)
    points = queries.curve(last.key, last.signal, start, end)
    return sparkline(thin(points, 60), last.limit)


def board(
    queries: Queries, now: Micros, lag_s: float, shown: frozenset[str] | None = None, storms: Sequence[Incident] = (), name: str = ""
) -> Board:
    """Everything on the first page but the cases; with `shown` (starts of case ids) also what has changed since, in the queue `name`.

    `storms` are the incidents that are not closed: each stands for all of its cases.
    """
    counts = queries.counts()
    machines = queries.fleet()
    by_model: dict[str, list[Machine]] = {}
    for machine in machines:
        model = (machine.device.model or "other") if machine.registered else UNASSIGNED
        by_model.setdefault(model, []).append(machine)
    largest_first = sorted(by_model.items(), key=lambda pair: -len(pair[1]))
    models = [Model(model, found, Counter(machine.state for machine in found)) for model, found in largest_first]
    cases = queries.cases(limit=500, loose=True)
    messages = queries.messages(12)
    waiting = counts.get("io.vorab.notification.v1", 0) - sum(counts.get(f"io.vorab.delivery.{s.value}.v1", 0) for s in FINAL)
    answer, more = _answer(queries, cases, now)
    worst = max((storm for storm in storms if storm.status is IncidentStatus.OPEN), key=lambda storm: storm.open, default=None)
    if worst is not None:
        answer, more = incident_sentence(worst), f"{answer if cases else ''} {more if cases else ''}".strip()
    fresh, states = 0, []
    if shown is not None:
        for case in cases:
            group = group_of(case)
            if case.last.case[:8] in shown:
                states.append((case.last.case[:8], group, state_word(case)))
            elif group not in {"over", "recorded"} and name in {"", case.last.queue}:
                fresh += 1
    return Board(
        answer=answer,
        more=more,
        counts=counts,
        sent=counts.get("io.vorab.delivery.sent.v1", 0),
        waiting=max(0, waiting),
        not_sent=queries.not_sent(),
        models=models,
        cells=len(machines) <= MOST_CELLS,
        messages=messages,
        fresh=fresh,
        states=states,
        lag_s=lag_s,
        spent=[(currency, money(cents, "")) for currency, cents in queries.spent().items()],
    )


FINAL: Final = [state for state in DeliveryState if state.final]


def state_word(case: CaseRow) -> str:
    """The state of a case in a word or three."""
    group = group_of(case)
    if group == "over" or (group == "recorded" and not case.last.status.open):
        return "healed" if case.healed else "false alarm" if case.last.status is Status.CANCELLED else "over"
    if group == "recorded":
        return "for a person" if case.needs_person else "watched"
    return STATES.get(group, group)


def _answer(queries: Queries, cases: Sequence[CaseRow], now: Micros) -> tuple[str, str]:
    grouped: dict[str, list[CaseRow]] = {}
    for case in cases:
        grouped.setdefault(group_of(case), []).append(case)
    people, busy = grouped.get("person", []), grouped.get("vorab", [])
    healed = queries.healed_since(now - DAY)
    healing = f"{healed} {'fault' if healed == 1 else 'faults'} healed in the last 24 hours without anybody." if healed else ""
    working = f"vorab is working on {len(busy)} {'machine' if len(busy) == 1 else 'machines'}." if busy else ""
    if people:
        oldest = min(people, key=lambda row: row.last.opened_at)
        waits = span(now - oldest.last.opened_at)
        name = oldest.last.name or oldest.last.device
        if len(people) == 1:
            return f"One case needs a person: {name}, for {waits}.", f"{working} {healing}".strip()
        return f"{len(people)} cases need a person; the oldest, {name}, for {waits}.", f"{working} {healing}".strip()
    if working:
        return f"Nobody is needed. {working}", healing
    if not cases:
        return "No cases yet.", "The first symptom on any machine opens one."
    return "No open cases.", healing
