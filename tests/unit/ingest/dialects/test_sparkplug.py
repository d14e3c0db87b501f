"""Sparkplug sessions: births and deaths, aliases, sequence, requests for a new birth, commands."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ingest.decoders.rows import Row
from ingest.dialects.sparkplug import dialect, session, sparkplug_pb2
from ingest.dialects.sparkplug.dialect import OVERTAKEN, REBORN, REORDER, SILENT, Sparkplug
from ingest.dialects.sparkplug.payload import read
from ingest.dialects.sparkplug.session import Device, signals_of
from ingest.dialects.sparkplug.wishes import AGAIN, SPREAD, Wishes
from ingest.dialects.words import About, Answer, Heard, LeftOut, Order, Refused, Say, Seen, Word
from tests.recorded import NOW, all_recorded, order
from vorab.clock import MINUTE, SECOND, Micros
from vorab.errors import Reason, Rejected
from vorab.frame import Quality, Value
from vorab.records import ReplyStatus

T = 1_795_464_000_000
"""ms: the devices' time."""


def metric(name: str = "", alias: int | None = None, given: Value | None = None, **more: Any) -> dict[str, Any]:
    """A metric by its value's usual datatype."""
    datatype, field = {bool: (11, "boolean_value"), int: (4, "long_value"), float: (10, "double_value"), str: (12, "string_value")}[
        type(given)
    ]
    value = given & (2**64 - 1) if type(given) is int else given
    unit = more.pop("unit", "")
    if unit:
        value_of = sparkplug_pb2.PropertyValue(type=12, string_value=unit)
        more["properties"] = sparkplug_pb2.PropertySet(keys=["engUnit"], values=[value_of])
    return {"name": name or None, "alias": alias, "datatype": datatype if name else None, field: value, **more}


def bytes_of(metrics: Iterable[dict[str, Any]], seq: int | None, timestamp: int | None = T) -> bytes:
    """A payload."""
    made = sparkplug_pb2.Payload(timestamp=timestamp, seq=seq)
    for one in metrics:
        made.metrics.add(**one)
    data: bytes = made.SerializeToString()
    return data


class Edge:
    """An edge node by hand, its messages and the dialect that hears them."""

    def __init__(self, one: Sparkplug | None = None, node: str = "E1") -> None:
        self.one, self.node, self.now = one or Sparkplug(), node, NOW
        self.seq = 0

    def hear(self, kind: str, *metrics: dict[str, Any], child: str = "", seq: int | None = -1, timestamp: int | None = T) -> list[Word]:
        """A message with the next number, or with that given."""
        if seq == -1:
            seq = self.seq = 0 if kind == "NBIRTH" else (self.seq + 1) & 255
        levels = ("spBv1.0", "G", kind, self.node, *((child,) if child else ()))
        return self.one.hear(Heard(levels, {}, levels[1:], bytes_of(metrics, seq, timestamp), self.now))

    def birth(self, *metrics: dict[str, Any], bdseq: int | None = 1, obliging: bool = True) -> list[Word]:
        """NBIRTH."""
        own = [metric("bdSeq", given=bdseq)] if bdseq is not None else []
        return self.hear("NBIRTH", *own, *([metric(session.REBIRTH, given=False)] if obliging else []), *metrics)

    def death(self, bdseq: int | None = 1) -> list[Word]:
        """NDEATH."""
        return self.hear("NDEATH", *([metric("bdSeq", given=bdseq)] if bdseq is not None else []), seq=None)

    def device(self, child: str = "D1", *more: dict[str, Any]) -> list[Word]:
        """DBIRTH with a temperature by alias 7."""
        return self.hear("DBIRTH", metric("temperature", 7, 21.5, unit="°C"), metric("count", 8, -3), *more, child=child)

    def data(self, given: float, child: str = "D1", **more: Any) -> list[Word]:
        """DDATA."""
        return self.hear("DDATA", metric(alias=7, given=given), child=child, **more)

    def asked(self) -> list[str]:
        """Topics of the requests for a birth that are due now."""
        return [word.topic for word in self.one.due(self.now) if isinstance(word, Say)]


def rows(words: Iterable[Word]) -> list[Row]:
    """The rows among the words."""
    return [word for word in words if isinstance(word, Row)]


def values(words: Iterable[Word]) -> list[dict[str, Value]]:
    """Their values."""
    return [dict(row.values) for row in rows(words)]


def seen(words: Iterable[Word]) -> list[tuple[str, bool, str]]:
    """Who is there or gone."""
    return [(word.device, word.online, word.evidence) for word in words if isinstance(word, Seen)]


def refusal(of: Any, *arguments: Any, **more: Any) -> Reason:
    """Why it is refused."""
    with pytest.raises(Rejected) as why:
        of(*arguments, **more)
    return why.value.reason


# ------------------------------------------------------------------------------------------------ births and data


def test_recorded_messages_of_tahu() -> None:
    """What Eclipse Tahu's client sent: ids with spaces, metrics without times of their own, compressed data, a will with an old time."""
    one = Sparkplug()
    words = {}
    for i, (topic, payload) in enumerate(all_recorded("sparkplug")):
        levels = tuple(topic.split("/"))
        words[i] = one.hear(Heard(levels, {}, levels[1:], payload, NOW + i * SECOND))
    assert seen(words[0]) == [("Plant~201:gw", True, "birth")]
    [facts] = [word for word in words[0] if isinstance(word, About)]
    assert facts[:5] == ("Plant~201:gw", "gw", "Acme Gateway 5", "1.4.2", "Plant 1/gw")
    assert values(words[1]) == [{"Boiler/Temperature_1": 21.5, "count": -3, "setpoint": 20.0}]
    assert [values(words[i]) for i in (2, 3, 4, 5)] == [
        [{"Boiler/Temperature_1": given, "count": count}] for given, count in ((-0.5, -2), (-0.25, -1), (0.0, 0), (0.25, 1))
    ]
    assert rows(words[2])[0].units == {"Boiler/Temperature_1": "Cel"}
    assert rows(words[2])[0].at == 1_795_466_599_514_000
    assert (words[6], seen(words[7]), seen(words[8])) == ([], [], [])
    assert seen(words[9]) == [("Plant~201:gw", False, "will"), ("Plant~201:gw:D~201", False, "will")]


def test_recorded_messages_of_pysparkplug() -> None:
    """No aliases, a time for each metric, every metric with its datatype; its goodbye carries the number of the next session."""
    one = Sparkplug()
    *messages, goodbye = [
        Heard(levels := tuple(topic.split("/")), {}, levels[1:], payload, NOW + i * SECOND)
        for i, (topic, payload) in enumerate(all_recorded("pysparkplug"))
    ]
    words = [one.hear(message) for message in messages]
    [born] = values(words[1])
    assert born.items() >= {"t": 21.5, "n": -3, "s": "on"}.items()
    assert "u" not in born, "a whole number beyond 63 bits"
    assert [values(found) for found in words[2:8]] == [
        [{"t": 22.5, "n": -4}], [{"up": -6}], [{"t": 23.5, "n": -5}], [{"up": -7}], [{"t": 24.5, "n": -6}], [{"up": -8}]
    ]  # fmt: skip
    assert seen(words[8]) == [("G2:py:d", False, "goodbye")]
    assert refusal(one.hear, goodbye) is Reason.OUT_OF_SESSION


def test_a_row_per_time_stamp_and_history_apart() -> None:
    """Metrics with times of their own; what was stored and is handed in later is marked."""
    edge = Edge()
    edge.birth()
    edge.device()
    found = edge.hear(
        "DDATA",
        metric(alias=7, given=1.0, timestamp=T + 1),
        metric(alias=8, given=1, timestamp=T + 1),
        metric(alias=7, given=2.0, timestamp=T + 2),
        metric(alias=7, given=3.0, timestamp=T + 2, is_historical=True),
        metric(alias=8, given=4, is_null=True),
        metric(alias=8, given=5),
        child="D1",
    )
    assert [(row.at, dict(row.values), row.quality) for row in rows(found)] == [
        ((T + 1) * 1000, {"temperature": 1.0, "count": 1}, 0),
        ((T + 2) * 1000, {"temperature": 2.0}, 0),
        ((T + 2) * 1000, {"temperature": 3.0}, int(Quality.HISTORICAL)),
        (T * 1000, {"count": 5}, 0),
    ]
    assert rows(edge.data(1.0, timestamp=None))[0].at is None


def test_a_birth_of_many_metrics_is_split_into_rows() -> None:
    """No row has more signals than a row may have."""
    found = Edge().birth(*(metric(f"m{i}", i, float(i)) for i in range(600)))
    assert [len(one) for one in values(found)] == [256, 256, 88]


def test_values_no_signal_can_hold_are_counted() -> None:
    """A long text and a number beyond 64 bits are left out, the rest is taken, and it is told how many were; a null is no value."""
    beyond = {"name": "big", "datatype": 8, "long_value": 2**64 - 1}
    words = Edge().birth(metric("t", given=1.5), metric("note", given="x" * 300), beyond, {"name": "n", "datatype": 10, "is_null": True})
    assert values(words) == [{"t": 1.5}]
    assert [word.values for word in words if isinstance(word, LeftOut)] == [2]


def test_names_become_signals() -> None:
    """What a signal may not hold becomes `_`, what would meet stays apart, what steers or describes is no signal, whatever the order."""
    names = ["a b", "a_b", "a?b", "ok/1", "bdSeq", "Node Control/Rebirth", "Properties/FW", "ä", "x" * 200, " "]
    found = signals_of(names)
    assert found == signals_of(reversed(names))
    assert found["a_b"] == "a_b"
    assert found["ok/1"] == "ok/1"
    assert [found[name] for name in ("bdSeq", "Node Control/Rebirth", "Properties/FW")] == ["", "", ""]
    kept = [signal for signal in found.values() if signal]
    assert len(set(kept)) == len(kept) == 7
    assert all(len(signal) <= 128 for signal in kept)


def test_an_alias_counts_within_its_device_and_its_birth() -> None:
    """Devices that each number from 7 are kept apart, and after a birth no alias of the last one is known."""
    edge = Edge()
    edge.birth()
    edge.device("D1")
    edge.hear("DBIRTH", metric("pressure", 7, 1.0), child="D2")
    assert values(edge.data(5.0, "D1")) == [{"temperature": 5.0}]
    assert values(edge.data(5.0, "D2")) == [{"pressure": 5.0}]
    edge.birth()
    edge.hear("DBIRTH", metric("humidity", 7, 1.0), child="D1")
    assert values(edge.data(5.0, "D1")) == [{"humidity": 5.0}]
    assert refusal(edge.hear, "DDATA", metric(alias=8, given=1), child="D1") is Reason.OUT_OF_SESSION
    assert refusal(edge.data, 5.0, "D2") is Reason.OUT_OF_SESSION
    assert values(edge.data(6.0, "D1")) == [{"humidity": 6.0}], "a refused message has its place in the sequence"


def test_an_alias_that_stands_twice_is_none() -> None:
    """It could be either metric; by name both are understood."""
    edge = Edge()
    edge.birth(metric("a", 1, 1.0), metric("b", 1, 2.0))
    assert refusal(edge.hear, "NDATA", metric(alias=1, given=1.0)) is Reason.OUT_OF_SESSION
    assert values(edge.hear("NDATA", metric("b", 1, 3.0))) == [{"b": 3.0}]


def test_clients_that_deviate_are_understood() -> None:
    """No bdSeq, no sequence numbers, no time, metrics by name that no birth named but that say their datatype."""
    edge = Edge()
    assert seen(edge.birth(bdseq=None)) == [("G:E1", True, "birth")]
    assert values(edge.hear("NDATA", metric("new thing", given=1.5), timestamp=None)) == [{"new_thing": 1.5}]
    assert seen(edge.death(bdseq=None)) == [("G:E1", False, "will")]
    edge.now += SECOND
    edge.hear("NBIRTH", metric("x", 3, 1.0), seq=None)
    for _ in range(3):
        assert values(edge.hear("NDATA", metric(alias=3, given=2.0), seq=None)) == [{"x": 2.0}]


@pytest.mark.parametrize(
    ("levels", "reason"),
    [
        (("spBv1.0", "G", "NBIRTH"), Reason.UNKNOWN_TOPIC),
        (("spBv1.0", "G", "NBIRTH", "E", "D"), Reason.UNKNOWN_TOPIC),
        (("spBv1.0", "G", "DBIRTH", "E"), Reason.UNKNOWN_TOPIC),
        (("spBv1.0", "G", "XDATA", "E"), Reason.UNKNOWN_TOPIC),
        (("spBv1.0", "", "NBIRTH", "E"), Reason.BAD_NAME),
        (("spBv1.0", "G", "NBIRTH", "\N{FIRE}" * 40), Reason.BAD_NAME),
        (("spBv1.0", "G", "NDATA", "E"), Reason.OUT_OF_SESSION),
    ],
)
def test_topics_that_are_none_are_refused(levels: tuple[str, ...], reason: Reason) -> None:
    """With a reason each; STATE of other hosts and whatever a broker kept say nothing."""
    one = Sparkplug()
    assert refusal(one.hear, Heard(levels, {}, levels[1:], bytes_of([], 0), NOW)) is reason
    assert one.hear(Heard(("spBv1.0", "STATE", "scada"), {}, (), b'{"online":true}', NOW, retained=True)) == []
    assert one.hear(Heard(("spBv1.0", "G", "NBIRTH", "E"), {}, (), bytes_of([], 0), NOW, retained=True)) == []


# ------------------------------------------------------------------------------------------------ death


def test_a_death_of_an_earlier_session_is_refused() -> None:
    """A will that comes late takes nobody down."""
    edge = Edge()
    edge.birth(bdseq=1)
    edge.birth(bdseq=2)
    assert refusal(edge.death, 1) is Reason.OUT_OF_SESSION
    edge.device()
    assert values(edge.data(1.0)) == [{"temperature": 1.0}]
    assert seen(edge.death(2)) == [("G:E1", False, "will"), ("G:E1:D1", False, "will")]
    assert edge.death(2) == [], "told once"
    assert refusal(edge.data, 1.0) is Reason.OUT_OF_SESSION


def test_a_node_that_falls_silent_after_the_death_of_another_session_is_gone() -> None:
    """Some clients number their wills otherwise than their births; who lives says so, or answers when asked."""
    edge, lively = Edge(), Edge()
    for each in (edge, lively):
        each.birth(bdseq=1)
        each.device()
        assert refusal(each.death, 0) is Reason.OUT_OF_SESSION
        each.now += MINUTE
        assert each.asked() == ["spBv1.0/G/NCMD/E1"]
    lively.seq = 1
    assert values(lively.data(1.0)) == [{"temperature": 1.0}]
    for each in (edge, lively):
        each.now += SILENT - 1
        assert seen(each.one.due(each.now)) == []
        each.now += 1
    assert seen(edge.one.due(edge.now)) == [("G:E1", False, "will"), ("G:E1:D1", False, "will")]
    assert seen(lively.one.due(lively.now)) == []


def test_a_birth_that_its_own_death_overtook_is_not_believed() -> None:
    """The session is over, so the node stays offline; it is asked, in case it lives."""
    edge = Edge()
    edge.birth(bdseq=1)
    edge.now += MINUTE
    edge.death(1)
    edge.now += OVERTAKEN
    assert edge.birth(bdseq=1) == []
    assert edge.device() == []
    edge.now += 3 * SECOND
    assert edge.asked() == ["spBv1.0/G/NCMD/E1"]


def test_a_quick_restart_that_counts_its_sessions_anew_is_believed_when_it_speaks() -> None:
    """Who says something later than a late message could come is alive; nothing of what it said is lost."""
    edge = Edge()
    edge.birth(bdseq=0)
    edge.death(0)
    assert [edge.birth(bdseq=0), edge.device(), edge.data(1.0)] == [[], [], []]
    edge.now += SECOND
    found = edge.data(2.0)
    assert seen(found) == [("G:E1", True, "birth"), ("G:E1:D1", True, "birth")]
    assert values(found) == [{"temperature": 21.5, "count": -3}, {"temperature": 1.0}, {"temperature": 2.0}]


def test_a_repeated_birth_is_no_news_and_devices_that_miss_it_are_gone() -> None:
    """At a request to be born again, presence stays; a device that is not born again within half a minute is gone."""
    edge = Edge()
    edge.birth()
    edge.device("D1")
    edge.device("D2")
    assert seen(edge.birth()) == []
    assert seen(edge.device("D1")) == []
    edge.now += REBORN - 1
    assert seen(edge.one.due(edge.now)) == []
    edge.now += 1
    assert seen(edge.one.due(edge.now)) == [("G:E1:D2", False, "birth")]
    assert seen(edge.hear("DDEATH", child="D1")) == [("G:E1:D1", False, "goodbye")]


def test_a_death_before_any_birth_is_told() -> None:
    """A worker that has just come knows nothing of the node, and that it died all the same."""
    edge = Edge()
    assert seen(edge.death(3)) == [("G:E1", False, "will")]


# ------------------------------------------------------------------------------------------------ sequence


def test_a_message_that_comes_early_waits_for_the_one_before_it() -> None:
    """And then both are read, in their order."""
    edge = Edge()
    edge.birth()
    edge.device()
    assert edge.data(2.0, seq=3) == []
    assert edge.data(3.0, seq=4) == []
    assert values(edge.data(1.0, seq=2)) == [{"temperature": 1.0}, {"temperature": 2.0}, {"temperature": 3.0}]
    edge.seq = 4
    assert values(edge.data(4.0)) == [{"temperature": 4.0}]
    assert edge.asked() == []


def temperatures(words: Iterable[Word]) -> list[Value]:
    """The temperatures, each once: a large message that says one again and again makes several rows of it."""
    return list(dict.fromkeys(one["temperature"] for one in values(words)))


def test_large_messages_that_waited_are_read_one_after_the_other() -> None:
    """Nothing of them is lost, and none of them makes all others wait; what has its turn is no gap, however late."""
    edge = Edge()
    edge.birth()
    edge.device()
    for seq in range(3, 9):
        large = [metric(alias=7, given=float(seq)) for _ in range(400)]
        assert edge.hear("DDATA", *large, child="D1", seq=seq) == []
    assert temperatures(edge.data(2.0, seq=2)) == [2.0, 3.0, 4.0]
    edge.now += REORDER
    assert temperatures(edge.one.due(edge.now)) == [5.0, 6.0]
    edge.now += REORDER
    assert temperatures(edge.one.due(edge.now)) == [7.0, 8.0]
    edge.seq = 8
    assert temperatures(edge.data(9.0)) == [9.0]


def test_large_messages_of_a_session_in_doubt_are_read_one_after_the_other() -> None:
    """What proves that it lives waits a second itself, where there is much to read before it."""
    edge = Edge()
    edge.birth(bdseq=0)
    edge.death(0)
    large = [metric(alias=7, given=1.0) for _ in range(990)]
    assert [edge.birth(bdseq=0), edge.device(), edge.hear("DDATA", *large, child="D1")] == [[], [], []]
    assert refusal(edge.hear, "DDATA", *large, child="D1", seq=3) is Reason.OUT_OF_SESSION
    edge.now += SECOND
    proof = [metric(alias=7, given=3.0) for _ in range(900)]
    assert temperatures(edge.hear("DDATA", *proof, child="D1", seq=3)) == [21.5, 1.0]
    edge.now += SECOND
    assert temperatures(edge.one.due(edge.now)) == [3.0]


def test_a_gap_that_is_not_filled_asks_for_a_birth_and_believes_no_alias_until_then() -> None:
    """What was missed may have been a restart; each message that is not taken is told about."""
    edge = Edge()
    edge.birth()
    edge.device()
    edge.data(2.0, seq=3)
    edge.now += REORDER - 1
    assert edge.one.due(edge.now) == []
    edge.now += 1
    [waited, *_] = [word for word in edge.one.due(edge.now) if isinstance(word, Refused)]
    assert (waited.topic, waited.why.reason) == ("spBv1.0/G/DDATA/E1/D1", Reason.OUT_OF_SESSION)
    assert refusal(edge.data, 5.0, seq=4) is Reason.OUT_OF_SESSION
    edge.now += SPREAD
    assert edge.asked() == ["spBv1.0/G/NCMD/E1"]
    edge.birth()
    edge.device()
    assert values(edge.data(6.0)) == [{"temperature": 6.0}]


def test_a_node_that_cannot_be_asked_is_read_on() -> None:
    """One lost message must not silence it for good."""
    edge = Edge()
    edge.birth(obliging=False)
    edge.device()
    edge.data(2.0, seq=3)
    edge.now += REORDER
    assert values(edge.one.due(edge.now)) == [{"temperature": 2.0}]
    edge.seq = 3
    assert values(edge.data(3.0)) == [{"temperature": 3.0}]


def test_a_number_from_behind_tells_of_a_restart_that_was_missed() -> None:
    """The node counts from 1 again: it is asked at once, and no value is taken for another's until it has answered."""
    edge = Edge()
    edge.birth()
    edge.device()
    for i in range(5):
        edge.data(float(i))
    found = edge.data(1.0, seq=3)
    assert [word.why.reason for word in found if isinstance(word, Refused)] == [Reason.OUT_OF_SESSION]
    assert refusal(edge.data, 1.0, seq=7) is Reason.OUT_OF_SESSION, "though that would have been the next"


def test_what_waits_is_bounded() -> None:
    """A node that skips a number and goes on gives up on it sooner."""
    edge = Edge()
    edge.birth()
    edge.device()
    found: list[Word] = []
    for i in range(65):
        found += edge.data(float(i), seq=3 + i)
    assert sum(isinstance(word, Refused) for word in found) == 65


def test_numbers_go_on_from_255_to_0() -> None:
    """More than a thousand messages in a row."""
    edge = Edge()
    edge.birth()
    edge.device()
    assert sum(len(rows(edge.data(float(i)))) for i in range(1_000)) == 1_000


def test_what_is_refused_leaves_the_session_as_it_was() -> None:
    """A birth that cannot be read changes nothing; a value of the wrong kind costs its message and no other."""
    edge = Edge()
    edge.birth()
    edge.device()
    assert refusal(edge.hear, "DBIRTH", {"alias": 1, "datatype": 10, "double_value": 1.0}, child="D1") is Reason.BAD_NAME
    assert refusal(edge.hear, "DDATA", {"alias": 7, "string_value": "hot"}, child="D1") is Reason.BAD_VALUE
    assert refusal(edge.hear, "NBIRTH", {"alias": 1, "datatype": 10, "double_value": 1.0}, seq=0) is Reason.BAD_NAME
    assert values(edge.data(5.0)) == [{"temperature": 5.0}]


# ------------------------------------------------------------------------------------------------ asking


def test_strangers_are_asked_at_moments_of_their_own_and_rarely() -> None:
    """After a start nobody is known: requests are spread, never two to a node within ten seconds, and fewer to those that do not answer."""
    wishes = Wishes()
    for i in range(500):
        wishes.want("G", f"E{i}", NOW)
    moments: dict[str, list[Micros]] = {}
    for ms in range(0, 60_000, 100):
        now = NOW + ms * 1000
        for _, node in wishes.due(now):
            moments.setdefault(node, []).append(now)
            wishes.want("G", node, now)
    assert len(moments) == 500
    assert len({times[0] for times in moments.values()}) > 15
    for times in moments.values():
        assert [round((later - sooner) / SECOND) for sooner, later in itertools.pairwise(times)] == [10, 20]


def test_what_another_asked_is_not_asked_again() -> None:
    """Workers hear each other's requests."""
    edge = Edge()
    edge.birth()
    assert refusal(edge.data, 1.0) is Reason.OUT_OF_SESSION
    edge.hear("NCMD", metric(session.REBIRTH, given=True), seq=None)
    edge.now += AGAIN - 1
    assert edge.asked() == []
    edge.now += 1
    assert edge.asked() == ["spBv1.0/G/NCMD/E1"]


def test_of_two_workers_that_lack_a_birth_one_asks() -> None:
    """The other hears it, and both hear the birth."""
    first, second = Edge(), Edge()
    refusal(first.data, 1.0)
    refusal(second.data, 1.0)
    first.now = second.now = NOW + SPREAD
    assert first.asked() == ["spBv1.0/G/NCMD/E1"]
    second.hear("NCMD", metric(session.REBIRTH, given=True), seq=None)
    assert second.asked() == []


def test_the_request_is_what_the_standard_says() -> None:
    """`Node Control/Rebirth` set to true."""
    edge = Edge()
    refusal(edge.data, 1.0)
    [say] = edge.one.due(edge.now + SPREAD)
    assert isinstance(say, Say)
    [found] = read(say.payload).metrics
    assert (say.device, found.name, found.datatype, found.raw) == ("", "Node Control/Rebirth", 11, True)


# ------------------------------------------------------------------------------------------------ commands


def test_a_write_has_succeeded_when_the_data_say_so() -> None:
    """With the datatype of the birth; by metric or signal; a float may lose its last digits."""
    edge = Edge()
    edge.birth()
    edge.device("D1", {"name": "set point", "alias": 9, "datatype": 9, "float_value": 20.0})
    wanted = order(edge.one, "set", {"set_point": 21.3, "count": -7}, "G/E1/D1")
    assert wanted[0] == "spBv1.0/G/DCMD/E1/D1"
    assert (wanted.correlation, wanted.qos, wanted.repeatable) == ("a1", 0, True)
    assert [(one.name, one.datatype, one.field) for one in read(wanted.payload).metrics] == [
        ("set point", 9, "float_value"), ("count", 4, "long_value")
    ]  # fmt: skip
    assert not [word for word in edge.hear("DDATA", metric(alias=8, given=-7), child="D1") if isinstance(word, Answer)]
    found = edge.hear("DDATA", {"alias": 9, "float_value": 21.3}, child="D1")
    assert [word for word in found if isinstance(word, Answer)] == [Answer("G:E1:D1", "a1", ReplyStatus.SUCCEEDED)]


def answers(words: Iterable[Word]) -> list[str]:
    """Who has answered."""
    return [word.device for word in words if isinstance(word, Answer)]


def test_a_restart_is_proved_by_a_birth_after_a_death() -> None:
    """A birth at somebody's request proves none, for nodes and devices alike."""
    edge = Edge()
    edge.birth()
    edge.device()
    node, device = order(edge.one, "restart", {}, "G/E1"), order(edge.one, "restart", {}, "G/E1/D1", number="a2")
    assert [(one.topic, read(one.payload).metrics[0].name, one.repeatable) for one in (node, device)] == [
        ("spBv1.0/G/NCMD/E1", "Node Control/Reboot", False), ("spBv1.0/G/DCMD/E1/D1", "Device Control/Reboot", False)
    ]  # fmt: skip
    assert answers(edge.birth()) == []
    assert answers(edge.device()) == []
    edge.hear("DDEATH", child="D1")
    assert answers(edge.device()) == ["G:E1:D1"]
    edge.death()
    edge.now += SECOND
    assert answers(edge.birth(bdseq=2)) == ["G:E1"]


def test_other_commands() -> None:
    """A repeated birth answers `rebirth` and `read`; what cannot be said is refused."""
    edge = Edge()
    edge.birth()
    assert order(edge.one, "read", {}, "G/E1").topic == "spBv1.0/G/NCMD/E1"
    assert answers(edge.birth()) == ["G:E1"]
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("dance", {}, "G/E1"), ("set", {"x": 1}, "G/E1"), ("set", {"x": 1}, "G/E9"), ("restart", {}, "G"), ("restart", {}, "G//D")
    ]  # fmt: skip
    for name, params, address in wrong:
        assert refusal(order, edge.one, name, params, address) is Reason.UNSUPPORTED
    assert refusal(order, edge.one, "set", {}, "G/E1") is Reason.BAD_VALUE
    assert isinstance(order(edge.one, "rebirth", {}, "G/E9/D"), Order), "a node that is not known can be asked who it is"


# ------------------------------------------------------------------------------------------------ bounds


def test_hostile_nodes_find_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many nodes, devices or metrics are refused; dead nodes make room for new ones."""
    monkeypatch.setattr(dialect, "MAX_NODES", 3)
    monkeypatch.setattr(dialect, "MAX_DEVICES", 2)
    monkeypatch.setattr(dialect, "MAX_KNOWN", 20)
    one = Sparkplug()
    edges = [Edge(one, f"E{i}") for i in range(5)]
    for edge in edges[:3]:
        edge.birth()
    assert refusal(edges[3].birth) is Reason.TOO_LARGE
    edges[0].death()
    edges[3].birth()
    edges[1].device("D1")
    edges[1].device("D2")
    assert refusal(edges[1].device, "D3") is Reason.TOO_LARGE
    assert refusal(edges[2].device, "D1", *(metric(f"m{i}", given=1.0) for i in range(12))) is Reason.TOO_LARGE


# ------------------------------------------------------------------------------------------------ against a model


class Story(RuleBasedStateMachine):
    """A node that does as the standard says, on a line that loses, delays and repeats; what vorab believes is never wrong."""

    make: Any = Sparkplug

    @initialize()
    def begin(self) -> None:
        """Nothing is known."""
        self.edge = Edge(self.make())
        self.bdseq = 0
        self.alive = False
        self.base = 0
        """Aliases of one birth begin here, so that each session means something else by a number."""
        self.old: list[tuple[int, bytes]] = []

    def _metrics(self) -> list[dict[str, Any]]:
        return [metric(f"m{self.base + i}", i, float(self.base + i)) for i in range(3)]

    def _hear(self, kind: str, *metrics: dict[str, Any], lost: bool = False, **more: Any) -> list[Word]:
        self.edge.now += 50_000
        node = self.edge.one._nodes.get(("G", "E1"))
        unheard = node is not None and node.born and node.bdseq != self.bdseq
        # Data of a session whose birth was lost may have just the number that was expected of the last: that nobody can see.
        lost = lost or (kind == "NDATA" and unheard and node is not None and node.next == (self.edge.seq + 1) & 255)
        if lost:
            self.edge.seq = 0 if kind == "NBIRTH" else (self.edge.seq + 1) & 255
            return []
        try:
            words = self.edge.hear(kind, *metrics, **more)
        except Rejected:
            return []
        self._check(words)
        return words

    def _check(self, words: Iterable[Word]) -> None:
        """Every value says which metric it is of; a wrong alias would show."""
        for row in rows(words):
            for name, given in row.values.items():
                assert name == f"m{given:.0f}"

    @rule(lost=st.booleans())
    def start(self, lost: bool) -> None:
        """A new session, whose birth may be lost."""
        if self.alive:
            return
        self.edge.now += SECOND
        self.bdseq += 1
        self.base += 3
        self.alive = True
        self._hear("NBIRTH", metric("bdSeq", given=self.bdseq), metric(session.REBIRTH, given=False), *self._metrics(), lost=lost)

    @rule()
    def again(self) -> None:
        """The birth once more."""
        if self.alive:
            self.edge.now += SECOND
            self._hear("NBIRTH", metric("bdSeq", given=self.bdseq), metric(session.REBIRTH, given=False), *self._metrics())

    @rule(alias=st.integers(0, 2), lost=st.booleans(), n=st.integers(1, 4))
    def data(self, alias: int, lost: bool, n: int) -> None:
        """Data, of which some may be lost."""
        for _ in range(n if self.alive else 0):
            self._hear("NDATA", metric(alias=alias, given=float(self.base + alias)), lost=lost)

    @rule(heard=st.booleans())
    def die(self, heard: bool) -> None:
        """The session ends; its will may come later, or never."""
        if self.alive:
            self.alive = False
            self.old.append((self.bdseq, b""))
            if heard:
                self._death(self.bdseq)

    @rule()
    def late_will(self) -> None:
        """The will of any session that is over."""
        if self.old:
            self._death(self.old.pop(0)[0])

    def _death(self, bdseq: int) -> None:
        believed = self.edge.one._nodes.get(("G", "E1"))
        current = believed is not None and believed.born and believed.bdseq == self.bdseq and self.alive
        self._hear("NDEATH", metric("bdSeq", given=bdseq), seq=None)
        if current and believed is not None and bdseq != self.bdseq:
            assert believed.born, "a late will took a living node down"

    @rule(seconds=st.integers(1, 40))
    def wait(self, seconds: int) -> None:
        """Time passes, and a node that is asked for its birth says it."""
        self.edge.now += seconds * SECOND
        words = self.edge.one.due(self.edge.now)
        self._check(words)
        if self.alive and any(isinstance(word, Say) for word in words):
            self.again()

    @invariant()
    def bounded(self) -> None:
        """The books are right."""
        if hasattr(self, "edge"):
            one = self.edge.one
            assert one._known == sum(node.known for node in one._nodes.values())
            assert one._held_bytes == sum(
                sum(len(held.heard.payload) for held in node.held) + sum(len(heard.payload) for heard in node.doubted)
                for node in one._nodes.values()
            )


TestStory = Story.TestCase


class _NoBdSeq(Sparkplug):
    """Known bad: any will is the end."""

    def hear(self, heard: Heard) -> list[Word]:
        if heard.levels[2] == "NDEATH":
            for node in self._nodes.values():
                node.bdseq = None
        return super().hear(heard)


class _OldAliases(Sparkplug):
    """Known bad: aliases outlive the birth that gave them."""

    def hear(self, heard: Heard) -> list[Word]:
        known = {place: dict(node.devices[""].aliases) for place, node in self._nodes.items() if "" in node.devices}
        words = super().hear(heard)
        for place, node in self._nodes.items():
            device = node.devices.get("")
            if device is not None:
                node.devices[""] = Device(device.ident, device.names, {**device.aliases, **known.get(place, {})})
        return words


class _NoSequence(Sparkplug):
    """Known bad: nobody counts."""

    def hear(self, heard: Heard) -> list[Word]:
        for node in self._nodes.values():
            node.next = -1
        return super().hear(heard)


@pytest.mark.parametrize("bad", [_NoBdSeq, _OldAliases, _NoSequence])
def test_known_bad_dialects_are_caught(bad: type[Sparkplug]) -> None:
    """One story each: a will that comes late, an alias with a new meaning, a birth that was lost."""
    story = type("BadStory", (Story,), {"make": bad})()
    with pytest.raises(AssertionError):  # noqa: PT012 - the story is one
        story.begin()
        story.start(lost=False)
        story.data(alias=0, lost=False, n=3)
        story.die(heard=False)
        story.start(lost=bad is _NoSequence)
        story.data(alias=1, lost=False, n=4)
        story.late_will()
    story = Story()
    story.begin()
    story.start(lost=False)
    story.data(alias=0, lost=False, n=3)
    story.die(heard=False)
    story.start(lost=True)
    story.data(alias=1, lost=False, n=4)
    story.late_will()
