"""Alarms of others: one symptom each, whatever they repeat; and the case that comes of it, from beginning to end."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.alarms import MOST, REMEMBERED, Alarms, cause_of, kind
from tests.unit.streams.cases.ward import HEAT_PUMP, Ward, clock
from vorab import ids, topics
from vorab.clock import HOUR, MINUTE, SECOND, Micros
from vorab.errors import Rejected
from vorab.records import Alarm, Severity, Status, Symptom, SymptomState

T0 = clock("02:00")


def alarm(
    at: Micros, name: str = "HighTemperature", *, active: bool = True, since: Micros | None = None, severity: Severity = Severity.MAJOR,
    text: str = "", source: str = "alertmanager",
) -> Alarm:  # fmt: skip
    """As ingest writes it."""
    key, stamp = HEAT_PUMP.key, at if since is None else since
    return Alarm(
        id=ids.alarm_id(key, source, name, stamp, active=active), tenant=HEAT_PUMP.tenant, device=HEAT_PUMP.device, name=name,
        source=source, active=active, severity=severity, text=text, since=since, at=at,
    )  # fmt: skip


class Host:
    """Steps alarms as hosts do, and keeps the state as hosts do."""

    def __init__(self, *, forgetful: bool = False) -> None:
        self.alarms, self.blocks, self.forgetful = Alarms(), dict[str, bytes](), forgetful

    def hear(self, *told: Alarm) -> list[Symptom]:
        """What comes of these."""
        found: list[Symptom] = []
        for each in told:
            found += [out.record for out in self.alarms.step(topics.ALARMS, 0, each, each.at) if isinstance(out.record, Symptom)]
            assert not list(self.alarms.due(each.at))
            if self.forgetful:
                self.crash()
        return found

    def crash(self) -> None:
        """Write what changed, die, and come back with that."""
        self.blocks.update(self.alarms.dirty())
        self.blocks = {name: block for name, block in self.blocks.items() if block}
        self.alarms = Alarms()
        self.alarms.restore(self.blocks)


@pytest.fixture(params=[False, True], ids=["steady", "restarted after every record"])
def host(request: pytest.FixtureRequest) -> Host:
    """One that has forgotten nothing, whether or not it is restarted all the time."""
    return Host(forgetful=request.param)


def test_an_alarm_is_one_symptom_from_its_beginning_to_its_end(host: Host) -> None:
    """Raised since when it began, told again without a word, cleared with the same onset and the same id."""
    raised, cleared = host.hear(
        alarm(T0, since=T0 - HOUR, text="71 °C"),
        alarm(T0 + MINUTE, since=T0 - HOUR, text="71 °C"),
        alarm(T0 + HOUR, active=False, since=T0 - HOUR),
        alarm(T0 + HOUR, active=False, since=T0 - HOUR),
    )
    assert (raised.state, raised.onset, raised.detected_at) == (SymptomState.RAISED, T0 - HOUR, T0)
    assert (raised.cause, raised.rule, raised.rule_version, raised.detector) == ("high_temperature", "alarm:alertmanager", "1", "reported")
    assert raised.explanation == "71 °C"
    assert (cleared.state, cleared.cleared_at, cleared.onset, cleared.id) == (SymptomState.CLEARED, T0 + HOUR, T0 - HOUR, raised.id)


def test_what_stands_twice_on_the_log_is_said_once(host: Host) -> None:
    """Its writer was restarted and wrote beginning and end again."""
    both = (alarm(T0, since=T0), alarm(T0 + MINUTE, active=False, since=T0))
    assert [one.state for one in host.hear(*both, *both)] == [SymptomState.RAISED, SymptomState.CLEARED]


def test_a_second_time_is_a_second_symptom(host: Host) -> None:
    """It came back."""
    found = host.hear(alarm(T0), alarm(T0 + 1, active=False), alarm(T0 + 2), alarm(T0 + 3, active=False))
    assert [one.state for one in found] == [SymptomState.RAISED, SymptomState.CLEARED] * 2
    assert len({one.id for one in found}) == 2


def test_worse_is_an_update(host: Host) -> None:
    """Another severity, or another text, of the same alarm."""
    found = host.hear(alarm(T0, since=T0), alarm(T0 + MINUTE, since=T0, severity=Severity.CRITICAL), alarm(T0 + HOUR, active=False))
    assert [(one.state, one.severity) for one in found] == [
        (SymptomState.RAISED, Severity.MAJOR),
        (SymptomState.UPDATED, Severity.CRITICAL),
        (SymptomState.CLEARED, Severity.CRITICAL),
    ]
    assert len({one.id for one in found}) == 1


def test_alarms_of_one_moment_are_told_apart(host: Host) -> None:
    """By name and by source."""
    found = host.hear(alarm(T0, "a"), alarm(T0, "b"), alarm(T0, "a", source="thingsboard"))
    assert len({one.id for one in found}) == 3
    assert {one.cause for one in found} == {"a", "b"}


def test_the_end_of_what_nobody_heard_begin_is_no_news(host: Host) -> None:
    """Nothing is cleared that was not raised; a beginning that lies ahead is one that is now."""
    assert host.hear(alarm(T0, active=False)) == []
    [raised] = host.hear(alarm(T0, since=T0 + HOUR))
    assert raised.onset == T0


def test_the_memory_is_bounded() -> None:
    """A device that makes up alarms is refused, and what is over for a day is forgotten."""
    host = Host()
    host.hear(*(alarm(T0 + i, f"a{i}") for i in range(MOST)))
    with pytest.raises(Rejected, match="more than 256"):
        host.hear(alarm(T0, "another"))
    host.hear(*(alarm(T0 + HOUR + i, f"a{i}", active=False) for i in range(MOST)))
    host.crash()
    assert len(host.blocks) == MOST
    assert not list(host.alarms.due(T0 + HOUR + REMEMBERED + SECOND))
    host.crash()
    assert host.blocks == {}


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("HighTemperature", "high_temperature"),
        ("high temperature", "high_temperature"),
        ("CPUOver90", "cpuover90"),
        ("Überdruck!", "berdruck"),
        ("过热", "alarm"),
        ("a" * 255, "a" * 100),
    ],
)
def test_causes_come_of_names(name: str, cause: str) -> None:
    """Letters and digits of any spelling; what has none is an alarm."""
    assert cause_of(name) == cause


def test_hosts_find_it() -> None:
    """It reads alarms as they come and writes symptoms."""
    found = kind()
    assert [(one.topic, one.gating) for one in found.inputs] == [("vorab.alarms", False)]
    assert (found.name, found.outputs) == ("alarms", ("vorab.symptoms",))


told = st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 3), st.booleans()), max_size=40)


@given(told, st.integers(0, 2**32))
def test_whatever_is_told_each_symptom_is_raised_and_cleared_once(script: list[tuple[str, bool, int, bool]], seed: int) -> None:
    """Fuzzed: per alarm raised and cleared take turns, beginning with raised, and restarts in between change nothing."""
    chance = random.Random(seed)
    sent: list[Alarm] = []
    for i, (name, active, since, again) in enumerate(script):
        sent.append(alarm(T0 + i * SECOND, name, active=active, since=T0 + since * MINUTE if since else None))
        if again:
            sent.append(chance.choice(sent))
    steady, forgetful = Host().hear(*sent), Host(forgetful=True).hear(*sent)
    assert steady == forgetful
    for name in "abc":
        states = [one.state for one in steady if one.cause == name and one.state is not SymptomState.UPDATED]
        assert states == [SymptomState.RAISED, SymptomState.CLEARED] * (len(states) // 2) + [SymptomState.RAISED] * (len(states) % 2)


def _into(ward: Ward, host: Host, told: Iterable[Alarm]) -> None:
    for each in told:
        for symptom in host.hear(each):
            ward.now = max(ward.now, symptom.time)
            ward.step(topics.SYMPTOMS, symptom)


def test_an_alarm_of_another_system_opens_a_case_and_its_end_resolves_it(host: Host) -> None:
    """The old rules stay where they are; the service side is vorab's."""
    ward = Ward(forgetful=host.forgetful)
    _into(ward, host, [alarm(clock("02:10"), since=clock("02:05"), text="temperature 71 °C for 5 minutes")])
    assert ward.last.cause == "high_temperature"
    assert ward.last.opened_at == clock("02:10")
    _into(ward, host, [alarm(clock("02:20"), since=clock("02:05"), text="temperature 71 °C for 5 minutes")])
    _into(ward, host, [alarm(clock("02:40"), active=False, since=clock("02:05"))])
    ward.tick("05:00")
    assert ward.last.status in {Status.RESOLVED, Status.CLOSED}
    assert len({event.case for event in ward.events}) == 1
    assert "symptom_cleared" in {event.kind.value for event in ward.events}
