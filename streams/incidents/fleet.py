"""The incidents of one tenant: cases open, become part of a storm, get well. Pure; `due` fires what has become due, in order."""

from __future__ import annotations

from typing import Final

from streams.incidents.agenda import Agenda
from streams.incidents.choice import Fit, members
from streams.incidents.state import CASE, INCIDENT, Kid, Story
from streams.incidents.windows import IS_OVER, begun
from vorab import ids
from vorab.clock import HOUR, SECOND, Micros
from vorab.groups import groups_of, of_parent, with_cause
from vorab.records import MOST_CHILDREN, CaseEvent, CaseKind, IncidentKind, IncidentStatus, Silence
from vorab.topics import key_of

FLUSH: Final[Micros] = SECOND
"""Cases that join within this are told together: ten thousand in ten seconds are a few dozen records."""
REMEMBERED: Final[Micros] = HOUR
"""How long a case that is well is known after that: it may come back, and its events may come twice."""
DEEPEST: Final = 8
"""Devices behind devices that are looked at."""

STAY_BEHIND: Final = "they stay behind where the others are well"


class Fleet(Agenda):
    """One tenant."""

    # ------------------------------------------------------------------------------------------------ events

    def hear(self, event: CaseEvent, now: Micros) -> None:
        """Fold an event, at merged time `now`; what comes twice changes nothing."""
        kid = self.kids.get(event.case)
        if kid is not None and event.seq <= kid.seq:
            return
        at = max(event.at, now)
        if kid is None:
            if event.kind in {CaseKind.OPENED, CaseKind.RELAPSED}:
                self._open(event, at)
            return
        kid.seq = event.seq
        self.changed.add(kid.case)
        if not event.status.open and not kid.well:
            self._well(kid, at, event.at)
        elif event.kind is CaseKind.RELAPSED and kid.well:
            self._relapsed(kid, at)

    def silence(self, said: Silence, now: Micros) -> None:
        """Somebody sets a silence, or ends one before its time: then its cases are released at once."""
        if self.windows.hear(said, now) and (story := self.stories.get(said.id)) is not None:
            story.until = now
            self._over(story, now)

    def _open(self, event: CaseEvent, at: Micros) -> None:
        kid = Kid(
            event.case, event.tenant, event.device, event.customer, event.cause, event.opened_at, self._groups(event), event.seq
        )  # fmt: skip
        self.kids[kid.case] = kid
        self.changed.add(kid.case)
        if kid.customer and event.kind is CaseKind.OPENED:
            kid.word_at = at + self._hold
            self._set(kid.word_at, "word", kid.case)
        self._place(kid, at)

    def _place(self, kid: Kid, at: Micros) -> None:
        """Let a case join an incident, or see whether it makes one."""
        self._look_down(kid)
        story = self._silence(kid, at) or self._explains(kid, at)
        if story is not None:
            self._join(story, kid, at)
            return
        kid.fresh_until = at + self._window
        self._set(kid.fresh_until, "fresh", kid.case)
        self._fresh.add(kid)
        self._stir(kid, at)

    def _stir(self, kid: Kid, at: Micros) -> None:
        if not self.decide_at and self._fresh.stirs(kid.groups):
            self.decide_at = at + self._settle
            self._set(self.decide_at, "decide", "")

    def _well(self, kid: Kid, at: Micros, since: Micros) -> None:
        kid.well = True
        self._unfresh(kid)
        if self._fresh.down.get(kid.device) == kid.case:
            del self._fresh.down[kid.device]
        story = self.stories.get(kid.incident)
        if story is None:
            kid.forget_at = at + REMEMBERED
            self._set(kid.forget_at, "forget", kid.case)
            return
        story.open -= 1
        story.well_at = max(story.well_at, since)
        self.changed.add(story.id)
        if story.until:
            return
        if story.open:
            self._wait_for_the_rest(story, at)
        else:
            self._resolve(story, at)

    def _relapsed(self, kid: Kid, at: Micros) -> None:
        kid.well, kid.forget_at = False, 0
        story = self.stories.get(kid.incident)
        if story is None:
            self._place(kid, at)
            return
        self._look_down(kid)
        story.open += 1
        self.changed.add(story.id)
        if story.status is IncidentStatus.RESOLVED:
            self._reopen(story, kid, at)

    def _groups(self, event: CaseEvent) -> list[str]:
        """What the device has in common with others, the most specific first; where it stands is what the case was stamped with."""
        device = self._registry.device(event.key)
        parents: list[str] = []
        parent = device.parent if device else ""
        while parent and parent not in parents and parent != event.device and len(parents) < DEEPEST:
            parents.append(parent)
            above = self._registry.device(key_of(event.tenant, parent))
            parent = above.parent if above else ""
        if self._registry.size(key_of(event.tenant, of_parent(event.device))):
            parents.insert(0, event.device)  # itself and all behind it
        rest = groups_of(site=event.site, model=event.model, firmware=device.firmware if device else "")
        return [with_cause(group, event.cause) for group in (*map(of_parent, parents), *rest)]

    # -------------------------------------------------------------------------------------------- incidents

    def _explains(self, kid: Kid, at: Micros) -> Story | None:
        """The incident a case belongs to: of its groups the most specific that has one."""
        for group in kid.groups:
            story = self.stories.get(self._by_group.get(group, ""))
            if story is None:
                continue
            root = self.kids.get(story.root)
            # In the same place at the same time, or with the same trouble: what breaks there hours later is a story of its own.
            if at <= story.opened_at + self._window or kid.cause in story.causes or (root is not None and not root.well):
                return story
        return None

    def _join(self, story: Story, kid: Kid, at: Micros) -> None:
        self._take_in(story, kid)
        story.idle_at = 0
        if story.status is IncidentStatus.RESOLVED:
            self._reopen(story, kid, at)
            return
        story.pending.append(kid.case)
        if len(story.pending) >= MOST_CHILDREN:  # it is a block of the state until it is told
            self._flush(story, at)
        elif not story.flush_at:
            story.flush_at = at + FLUSH
            self._set(story.flush_at, "flush", story.id)

    def _take_in(self, story: Story, kid: Kid) -> None:
        self._unfresh(kid)
        kid.incident, kid.word_at = story.id, 0
        self._of[story.id].add(kid.case)
        story.total += 1
        story.open += not kid.well
        if kid.cause not in story.causes:
            story.causes.append(kid.cause)
        self.changed |= {story.id, kid.case}

    def decide(self, at: Micros) -> None:
        """Open an incident for each group that explains some of them, the best first."""
        for fit in self._fresh.choose():
            self._begin(fit, at)

    def _begin(self, fit: Fit, at: Micros) -> None:
        cases = dict.fromkeys(fit.cases)
        root = self.kids.get(fit.root)
        if root is not None and not root.incident:
            cases[root.case] = None  # it may have been down for long
        kids = members(self.kids, cases)
        known = self.stories.get(self._by_group.get(fit.group, ""))
        if known is not None:  # of another cause, hours ago; now it is a storm again
            for kid in kids:
                self._join(known, kid, at)
            return
        onset = kids[0].opened_at
        story = Story(
            ids.incident_id(key_of(self.tenant, fit.group), at), self.tenant, fit.group, IncidentStatus.OPEN, at, onset, [], fit.root
        )
        self._add(story)
        if self._patience:
            story.tell_at = at + self._patience
            self._set(story.tell_at, "tell", story.id)
        for kid in kids:
            self._take_in(story, kid)
        self.tell(story, IncidentKind.OPENED, at, kids)

    def _add(self, story: Story) -> None:
        self.stories[story.id] = story
        self._of[story.id] = set()
        self._by_group[story.group] = story.id
        self.changed.add(story.id)

    def _silence(self, kid: Kid, at: Micros) -> Story | None:
        """The maintenance window a case falls into."""
        said = self.windows.over(kid, at)
        if said is not None and said.id not in self.stories:
            self.put_story(begun(said, at))
            self.tell(self.stories[said.id], IncidentKind.OPENED, at, detail=said.why)
        return self.stories[said.id] if said is not None else None

    def _over(self, story: Story, at: Micros) -> None:
        """A silence ends: whoever is not well speaks."""
        self._release(story, at, IS_OVER)
        self._flush(story, at)
        self.tell(story, IncidentKind.RESOLVED, at, detail=IS_OVER)
        self._end(story, at)

    def _flush(self, story: Story, at: Micros) -> None:
        story.flush_at = 0
        if story.pending:
            kids = members(self.kids, story.pending)
            story.pending = []
            self.tell(story, IncidentKind.JOINED, at, kids)
        self.changed.add(story.id)

    def _resolve(self, story: Story, at: Micros, detail: str = "") -> None:
        self._flush(story, at)
        story.idle_at, story.close_at = 0, at + self._close
        self.tell(story, IncidentKind.RESOLVED, at if detail else story.well_at, detail=detail)
        self._set(story.close_at, "close", story.id)

    def _reopen(self, story: Story, kid: Kid, at: Micros) -> None:
        story.close_at = 0
        self.changed.add(story.id)
        self.tell(story, IncidentKind.RELAPSED, at, [kid])

    def _wait_for_the_rest(self, story: Story, at: Micros) -> None:
        waits = story.open * 2 <= story.total
        story.idle_at = at + self._straggle if waits else 0
        if waits:
            self._set(story.idle_at, "idle", story.id)

    def _release(self, story: Story, at: Micros, detail: str = "") -> None:
        """Whoever is not well stands for itself again."""
        self._flush(story, at)
        kids = members(self.kids, (case for case in self._of[story.id] if not self.kids[case].well))
        if kids:
            story.open = 0
            self.tell(story, IncidentKind.RELEASED, at, kids, detail)
            for kid in kids:
                kid.incident = ""
                self._of[story.id].discard(kid.case)
                self.changed.add(kid.case)

    def _end(self, story: Story, at: Micros) -> None:
        self.tell(story, IncidentKind.CLOSED, at)
        for case in self._of.pop(story.id):
            self._forget(case)
        del self.stories[story.id]
        if self._by_group.get(story.group) == story.id:
            del self._by_group[story.group]
        self.gone[story.id] = INCIDENT
        self.changed.add(story.id)

    def _forget(self, case: str) -> None:
        del self.kids[case]
        self.gone[case] = CASE
        self.changed.add(case)

    def _unfresh(self, kid: Kid) -> None:
        if kid.fresh_until:
            kid.fresh_until = 0
            self._fresh.drop(kid)

    # ------------------------------------------------------------------------------------------------- time

    def fire_story(self, story: Story, timer: str, at: Micros) -> None:
        """A timer of an incident."""
        match timer:
            case "tell":
                self.tell_customers(story, at)
            case "flush":
                self._flush(story, at)
            case "idle":
                story.idle_at = 0
                self._release(story, at, STAY_BEHIND)
                self._resolve(story, at, "all but those that stay behind are well")
            case "warn":
                story.warn_at = 0
                self.tell(story, IncidentKind.ENDS_SOON, at, detail=story.why)
            case "until":
                self._over(story, at)
            case "close":
                self._end(story, at)

    def fire_kid(self, kid: Kid, timer: str, at: Micros) -> None:
        """A timer of a case."""
        match timer:
            case "word" if self.decide_at and self._fresh.stirs(kid.groups) and kid.fresh_until:
                kid.word_at = self.decide_at  # about to be known
                self._set(kid.word_at, "word", kid.case)
            case "word":
                kid.word_at = 0
                self.alone(kid, at)
            case "fresh":
                self._unfresh(kid)
            case "forget":
                self._forget(kid.case)
