"""What `vorab why` decides anew: from the log alone, with the policy and the rules in force."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from vorab.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    from desk.chain import Chain
    from streams.hosts.instance import Layout
    from streams.recount.check import Recount, Recounter
    from streams.recount.incidents import Gatherer
    from streams.recount.story import Place
    from streams.recount.symptoms import Finder
    from vorab.log import EventLog
    from vorab.records import Record, Symptom
    from vorab.settings import Settings

SHORTEST: Final = 8


class Again:
    """A log, and what decides about it."""

    def __init__(self, settings: Settings, log: EventLog) -> None:
        """Raises ConfigError where a rule or remedy file has a mistake."""
        from streams.hosts.instance import Layout
        from streams.recount.check import Recounter
        from vorab import pipeline, provision
        from vorab.clock import SECOND, clock_from

        (kind,) = pipeline.kinds(settings, ["cases"])
        self._settings, self.log, self._kind = settings, log, kind
        tick = int(settings.ingest.tick_s * clock_from(settings.clock).speed * SECOND)
        self.layout: Layout = Layout(log.partitions, settings.topics.recorded_partitions, provision.renames(settings), tick)
        self.recounter: Recounter = Recounter(log, kind, self.layout)

    @functools.cached_property
    def gatherer(self) -> Gatherer:
        """What decides incidents anew."""
        from streams.recount.incidents import Gatherer
        from vorab import pipeline

        (kind,) = pipeline.kinds(self._settings, ["incidents"])
        return Gatherer(self.log, kind, self.layout, self.recounter.versions, self._settings.streams.incidents)

    @functools.cached_property
    def finder(self) -> Finder:
        """What finds symptoms anew."""
        from streams.recount.symptoms import Finder
        from streams.rules.files import load_rules
        from vorab.clock import SECOND

        rules = load_rules(self._settings.streams.rules)
        return Finder(self.log, self.layout, rules, self.recounter.versions, round(self._settings.streams.grace_s * SECOND))

    def again(self, name: str, device: str) -> dict[str, Any]:
        """A case or symptom of a device, or an incident (which has no device), decided anew."""
        if not device:
            return self.incident(name)
        return self.case(name, device) if self.recounter.device(device).events(name) else self.symptom(name, device)

    def incident(self, incident: str) -> dict[str, Any]:
        """An incident decided anew: whether it agrees, how well its group fitted, and where everything stands."""
        partition = self.gatherer.partition_of(incident)
        if partition is None:
            return {"state": "gone", "difference": None, "note": "nothing of it stands on the log"}
        gathered = self.gatherer.partition(partition)
        places = {f"{what(each.fact)} {each.fact.id}": _where(each.place) for each in self.gatherer.facts(incident)}
        measure = gathered.measures.get(incident)
        return {**gathered.of(incident).json(), "measure": measure.json() if measure else None, "places": places}

    def symptom(self, name: str, device: str) -> dict[str, Any]:
        """A symptom that belongs to no case, found anew in the readings."""
        recount = self.recounter.device(device)
        said = self._found({name: recount.symptom(name)}, recount.story.until)
        whole = said[0] if said else {"state": "gone", "difference": None, "note": "nothing of it stands on the log"}
        raised = [each for each in recount.symptom(name) if each.state == "raised"]
        places = {f"{what(record)} {record.id}": _where(place) for record, place in _everything(recount)}
        told = {key: whole[key] for key in ("state", "difference", "note")}
        return {**told, "symptoms": said, "rules": [self._rule(each) for each in raised], "places": places}

    def _found(self, symptoms: dict[str, list[Symptom]], until: int) -> list[dict[str, Any]]:
        """Symptoms found anew, each with the offsets of the frames it was decided on."""
        from streams.recount.symptoms import Wanted

        found = self.finder.find(Wanted(name, records, until) for name, records in symptoms.items() if records)
        said = []
        for name, each in found.items():
            first = symptoms[name][0]
            (readings,) = self._readings(first.key, [_span(first)])
            said.append({"id": name, "rule": first.rule, **each.json(), "readings": readings})
        return said

    def case(self, case: str, device: str) -> dict[str, Any]:
        """A case decided anew: whether it agrees, where everything stands, which readings decided and which proved."""
        recount = self.recounter.device(device)
        places: dict[str, str] = {}
        for record, place in _everything(recount):
            places.setdefault(f"{what(record)} {record.id}", _where(place))
        symptoms, events = _symptoms(recount, case), recount.events(case)
        decided = [_span(each) for each in symptoms]
        return {
            **recount.json(case),
            "readings": self._readings(device, decided),
            "proof": self._readings(device, _proof(events)),
            "rules": [self._rule(each) for each in symptoms],
            "symptoms": self._found(recount.symptoms(case), recount.story.until),
            "consent": self._consent(device, events),
            "places": places,
        }

    def chain(self, start: str) -> Chain | None:
        """The chain of an id, or of the one that begins like this, from the log alone."""
        from desk.queries import CaseFile, Queries
        from desk.why import alone, chain
        from vorab.cli import why_log

        found = self._find(start)
        if found is None:
            incident = self.gatherer.find(start) if len(start) >= SHORTEST else ""
            return why_log.incident(self, incident, start) if incident else None
        full, device, case, kind = found
        recount = self.recounter.device(device)
        file = CaseFile(case)
        events = recount.events(case)
        symptoms = {name for event in events for name in (event.because, event.symptom)}
        for record in {f"{what(record)} {record.id}": record for record, _ in _everything(recount)}.values():
            answers = getattr(record, "action", None) in {action.id for action in file.actions}
            if answers or getattr(record, "case", None) == case or record.id in symptoms:
                Queries.sort(file, record)
        if file.events:
            return chain(file, full, kind, why_log.incidents_of(self, case))
        lone = recount.symptom(full)
        return alone(lone[0], full) if lone else None

    def _find(self, start: str) -> tuple[str, str, str, str] | None:
        """Id, device, case and kind of what begins like this; None where none or several do."""
        from streams.recount.story import read_all
        from vorab.errors import Rejected
        from vorab.records import CaseEvent, from_wire, type_of

        if len(start) < SHORTEST:
            return None
        found: dict[str, tuple[str, str, str, str]] = {}
        for topic in (*self._kind.outputs[:1], *(each.topic for each in self._kind.inputs), *self._kind.outputs[1:]):
            name = self.layout.name(topic)
            for entry in read_all(self.log, name, range(self.layout.partitions(name))):
                if start.encode() not in (entry.value or b""):
                    continue
                try:
                    record = from_wire(entry.value, entry.headers)
                except Rejected:
                    continue
                case, device = str(getattr(record, "case", "")), f"{record.tenant}/{getattr(record, 'device', '')}"
                if isinstance(record, CaseEvent) and case.startswith(start):
                    found.setdefault(case, (case, device, case, "case"))
                elif record.id.startswith(start):
                    found.setdefault(record.id, (record.id, device, case or self._case_of(record, device), type_of(record).split(".")[2]))
        if len(found) > 1 and start in found:
            return found[start]
        return next(iter(found.values())) if len(found) == 1 else None

    def _case_of(self, record: Record, device: str) -> str:
        for told in self.recounter.device(device).story.facts:
            if record.id in {getattr(told.record, "because", ""), getattr(told.record, "symptom", "")} or (
                getattr(record, "action", "-") == getattr(told.record, "action", "")
            ):
                return str(getattr(told.record, "case", ""))
        return ""

    def _consent(self, device: str, events: list[Any]) -> str:
        """What allowed the last action, where one was sent: the customer's word about the case, or the registry's entry of then."""
        from vorab.clock import iso
        from vorab.records import CaseKind, Device
        from vorab.topics import DEVICES

        acted = next((event for event in reversed(events) if event.kind is CaseKind.ACTION_REQUESTED), None)
        if acted is None:
            return ""
        given = next((event for event in reversed(events) if event.kind is CaseKind.CONSENT_GIVEN and event.seq < acted.seq), None)
        if given is not None:
            return f"the customer's word of {iso(given.at)} ({given.because})"
        written = [entry for entry in self.recounter.versions.written(DEVICES, device) if entry.time <= acted.at]
        entry = written[-1] if written else None
        if isinstance(entry, Device) and entry.remote_repair is not None:
            return f"remote_repair {'yes' if entry.remote_repair else 'no'}, as the registry has it since {iso(entry.time)}"
        return "nobody's: the registry says nothing"

    def _readings(self, device: str, spans: list[tuple[int, int]]) -> list[str]:
        from streams.recount.readings import offsets

        found = [offsets(self.log, self.layout, device, first, last) for first, last in spans]
        return [str(each) if each else "no longer kept" for each in found]

    def _rule(self, symptom: Symptom) -> dict[str, Any]:
        from streams.rules.files import load_rules

        known = load_rules(self._settings.streams.rules).by_id.get(symptom.rule)
        return {"rule": symptom.rule, "version": symptom.rule_version, "in_force": known.version if known else None}


def what(record: Record) -> str:
    """A record's type as links of a chain name it: `symptom.raised`."""
    from vorab.records import type_of

    return type_of(record).removeprefix("io.vorab.").removesuffix(".v1")


def _everything(recount: Recount) -> list[tuple[Record, Place]]:
    story = recount.story
    return [*((told.record, told.place) for told in (*story.facts, *story.orders)), *((item.record, item.place) for item in story.items)]


def _symptoms(recount: Recount, case: str) -> list[Symptom]:
    from vorab.records import Symptom, SymptomState

    known = {name for event in recount.events(case) for name in (event.because, event.symptom)}
    found = [item.record for item in recount.story.items if item.record.id in known]
    return [each for each in found if isinstance(each, Symptom) and each.state is SymptomState.RAISED]


def _span(symptom: Symptom) -> tuple[int, int]:
    """From the first reading that spoke for it to the one that decided."""
    return (symptom.evidence[0].at if symptom.evidence else symptom.onset), symptom.detected_at


def _where(place: Place) -> str:
    return f"{place.topic}/{place.partition}@{place.offset}"


def _proof(events: list[Any]) -> list[tuple[int, int]]:
    """From the last moment a symptom cleared to the moment the case was well, for each time it was."""
    from vorab.records import CaseKind

    found, clear = [], None
    for event in events:
        if event.kind is CaseKind.SYMPTOM_CLEARED:
            clear = event.at
        elif event.kind is CaseKind.RESOLVED and clear is not None:
            found.append((clear, event.at))
    return found


def again_on(settings: Settings, log: EventLog) -> Callable[[str, str], dict[str, Any]]:
    """What a desk asks: a case, a symptom or an incident decided anew, one at a time."""
    lock = threading.Lock()

    def again(name: str, device: str) -> dict[str, Any]:
        with lock:
            return Again(settings, log).again(name, device)

    return again


@contextmanager
def opened(settings: Settings) -> Iterator[Again | None]:
    """The log of an installation; None where it cannot be read from here."""
    from vorab.log import open_log

    try:
        log = open_log(settings.log_address, read_only=True)
    except (ConfigError, Unavailable):
        yield None
        return
    with log:
        try:
            again = Again(settings, log)
        except Unavailable:
            again = None
        yield again
