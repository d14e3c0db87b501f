"""What dialects say, on its way to the log: whose it is, what is new, and what is nobody's business here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import pytest

from ingest import dialects
from ingest.decoders.rows import Row
from ingest.dialects.words import About, Answer, Found, Heard, Order, Say, Seen, Word, ident
from ingest.hearing import Hearing
from ingest.plan import Plan
from ingest.presence import PresenceBook
from ingest.roster import Roster
from ingest.topicmap import Route, TopicMap
from vorab.clock import SECOND, Micros
from vorab.errors import ConfigError, Reason, Rejected
from vorab.records import Action, Alarm, Facts, Presence, Reply, ReplyStatus, Severity
from vorab.settings import TopicMapEntry
from vorab.topics import ID

NOW = 1_795_000_000 * SECOND
ENTRY = TopicMapEntry(filter="parrot/{device}/#", dialect="parrot")


class Parrot:
    """Says what the test has put in its mouth."""

    name: ClassVar[str] = "parrot"
    filters: ClassVar[tuple[str, ...]] = ("parrot/{device}/#",)
    words: ClassVar[list[Word]] = []

    def hear(self, heard: Heard) -> Iterable[Word]:
        """The words, and what was heard as a row."""
        assert heard.named["device"] == "p1"
        return list(self.words)

    def due(self, now: Micros) -> Iterable[Word]:
        """One thing to say as time passes."""
        return [Say("p1", f"late/{now}", b"")]

    def command(self, action: Action, address: str, now: Micros) -> Order:  # noqa: ARG002 - the protocol
        """Any command."""
        return Order(f"{address}/{action.name}", b"", "7")


@pytest.fixture(autouse=True)
def _parrot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialects, "DIALECTS", {**dialects.DIALECTS, "parrot": f"{__name__}:Parrot"})
    monkeypatch.setattr(Parrot, "words", [])


def hearing(share: tuple[int, int] = (0, 1), resolve: Any = lambda *_: None) -> tuple[Hearing, Route]:
    """A hearing of parrots, and the route of their topic."""
    plan = Plan(partitions=4, share=share)
    topic_map = TopicMap([ENTRY, TopicMapEntry(filter="plain/{device}/x")], 4, 0)
    roster = Roster(topic_map, plan)
    return Hearing(plan, topic_map.dialects, PresenceBook(), resolve, roster.route), roster.route(b"parrot/p1/a/b")


def heard(route: Route, *, retained: bool = False, at: Micros = NOW) -> Heard:
    """A message on the route's topic."""
    return Heard(route.levels, route.named, route.tail, b"x", at, retained)


def said(some: Hearing, route: Route, *words: Word, retained: bool = False, at: Micros = NOW) -> list[Any]:
    """The records these words become."""
    Parrot.words[:] = words
    return [record for _, record in some.hear(route, heard(route, retained=retained, at=at)).records]


def test_a_topic_of_a_dialect_is_taken_apart() -> None:
    """Captures by name, the rest of the topic as it is, and the topic in one piece."""
    _, route = hearing()
    found = heard(route)
    assert (route.kind, dict(found.named), found.tail, found.topic) == ("dialect", {"device": "p1"}, ("a", "b"), "parrot/p1/a/b")


def test_rows_belong_to_the_device_they_name() -> None:
    """A gateway speaks for others; each row gets the key and the partition of its own device."""
    some, route = hearing()
    Parrot.words[:] = [Row(None, {"t": 1}, device="a"), Row(None, {"t": 2}, device="b"), Row(None, {}, device="c")]
    told = some.hear(route, heard(route))
    assert [(row.device, row.key) for row in told.rows] == [("a", "main/a"), ("b", "main/b")]


def test_each_worker_writes_what_is_its_own_and_none_is_missing() -> None:
    """Two workers hear the same and write every device exactly once."""
    words = [Row(None, {"t": i}, device=f"d{i}") for i in range(50)]
    Parrot.words[:] = words
    written = []
    for i in range(2):
        some, route = hearing((i, 2))
        written.append({row.device for row in some.hear(route, heard(route)).rows})
    assert written[0] | written[1] == {f"d{i}" for i in range(50)}
    assert not written[0] & written[1]


def test_facts_are_written_when_they_change() -> None:
    """Told again they cost nothing; units of several announcements add up; a name stays when the next word does not mention it."""
    some, route = hearing()
    (first,) = said(some, route, About("d", name="Lamp", units={"t": "Cel"}, address="x"))
    assert isinstance(first, Facts)
    assert (first.name, first.dialect, first.address) == ("Lamp", "parrot", "x")
    assert said(some, route, About("d", name="Lamp", units={"t": "Cel"}, address="x"), at=NOW + SECOND) == []
    (second,) = said(some, route, About("d", firmware="2", units={"h": "%RH"}))
    assert (second.name, second.firmware, second.units) == ("Lamp", "2", {"t": "Cel", "h": "%RH"})


def test_facts_on_the_log_are_not_written_again_after_a_start() -> None:
    """A worker that starts anew and hears the same says nothing, and knows where the device hears."""
    some, route = hearing()
    some.recall(Facts(id="main/d", device="d", name="Lamp", dialect="parrot", address="x", at=NOW - SECOND))
    assert said(some, route, About("d", name="Lamp", address="x")) == []
    facts = some.facts("main/d")
    assert facts is not None
    action = Action(id="a", device="d", case="c", remedy="r", name="restart", at=NOW, not_before=NOW, not_after=NOW)
    assert some.command(facts, action, NOW).topic == "x/restart"


def test_facts_may_be_told_by_way_of_a_topic() -> None:
    """Who announces only a topic means the device that publishes on it; how to speak to it is nobody's guess."""
    some, route = hearing()
    (facts,) = said(some, route, About("", model="M", via="plain/p9/x"))
    assert (facts.key, facts.model, facts.dialect) == ("main/p9", "M", "")
    assert said(some, route, About("", model="M", via="unheard/of")) == []


def test_alarms_carry_their_source() -> None:
    """Raised and withdrawn are two facts with two ids; a repeat of the same beginning has the same id."""
    some, route = hearing()
    raised, again, over = (
        said(some, route, Found("d", "leak", active, Severity.CRITICAL, "water", since=NOW - SECOND))[0] for active in (True, True, False)
    )
    assert isinstance(raised, Alarm)
    assert (raised.source, raised.active, raised.severity, raised.since) == ("parrot", True, Severity.CRITICAL, NOW - SECOND)
    assert raised.id == again.id
    assert over.id != raised.id


def test_stored_presence_is_told_once() -> None:
    """What the broker kept is state: the same state again is no news; a live word always is."""
    some, route = hearing()
    (first,) = said(some, route, Seen("d", online=True, evidence="birth"), retained=True)
    assert isinstance(first, Presence)
    assert first.evidence == "retained"
    assert said(some, route, Seen("d", online=True, evidence="birth"), retained=True) == []
    assert len(said(some, route, Seen("d", online=True, evidence="birth"))) == 1


def test_an_answer_is_what_the_downlink_makes_of_it() -> None:
    """The dialect knows a number, the downlink knows the action."""
    asked: list[tuple[str, str]] = []

    def resolve(key: str, answer: Answer, now: Micros) -> Reply:
        asked.append((key, answer.correlation))
        return Reply(id="r", device="d", action="a", status=answer.status, at=now)

    some, route = hearing(resolve=resolve)
    (reply,) = said(some, route, Answer("d", "7", ReplyStatus.SUCCEEDED))
    assert isinstance(reply, Reply)
    assert asked == [("main/d", "7")]


def test_what_is_to_be_said_is_said_by_one_worker() -> None:
    """Of two workers one asks; what names no device, everybody may ask."""
    Parrot.words[:] = [Say("d", "one", b""), Say("", "all", b"")]
    spoken = []
    for i in range(2):
        some, route = hearing((i, 2))
        spoken += [say.topic for say in some.hear(route, heard(route)).says]
        spoken += [say.topic for say in some.due(NOW).says]
    assert sorted(spoken) == sorted(["one", "all", "all", f"late/{NOW}"])


def test_a_device_that_cannot_be_an_id_refuses_the_message() -> None:
    """An id never widens a filter, whoever made it up."""
    some, route = hearing()
    Parrot.words[:] = [Row(None, {"t": 1}, device="a/+")]
    with pytest.raises(Rejected) as refused:
        some.hear(route, heard(route))
    assert refused.value.reason is Reason.BAD_NAME


def test_foreign_names_become_ids_that_never_meet() -> None:
    """Spaces, slashes and colons are written as codes, so `a:b` and `a` + `b` stay two devices."""
    names: list[tuple[str, ...]] = [("a", "b"), ("a:b",), ("a b",), ("a~20b",), ("Küche/Lampe",), ("",), ("+",), ("G1", "E 1", "D1")]
    names += [(":",), ("0:",), (".a",), ("0.a",), ("~",), ("0~",), ("", "a"), ("0", "a")]
    made = [ident(*parts) for parts in names]
    assert all(map(ID.fullmatch, made))
    assert len(set(made)) == len(made)


def test_a_dialect_nobody_knows_is_named_at_the_start() -> None:
    """With what there is to choose from."""
    with pytest.raises(ConfigError, match="klingon"):
        dialects.entries(["klingon"])


def test_every_dialect_can_be_built_and_has_valid_filters() -> None:
    """The table names what exists, under its own name, and the topic map takes all of it."""
    known: Mapping[str, str] = {name: place for name, place in dialects.DIALECTS.items() if name != "parrot"}
    assert {name: dialects.dialect(name).name for name in known} == {name: name for name in known}
    assert TopicMap(dialects.entries(known), 4, 0).dialects == sorted(known)
