"""Which actions go out, in what words, and where reading begins after a start."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ingest.courier import Courier, first_at
from ingest.dialects.words import Answer, Order
from ingest.downlink import LOOK_BACK, Command, Downlink
from vorab import ids, topics
from vorab.clock import MINUTE, SECOND, ManualClock, Micros, iso
from vorab.codes import Codes, code_of
from vorab.errors import Reason, Rejected
from vorab.log import Entry, Position
from vorab.provision import known_codes, link_secret
from vorab.records import Action, Recall, Record, Reply, ReplyStatus, Tick, to_wire
from vorab.settings import Settings

NOW = 1_795_000_000 * SECOND


def action(name: str = "a1", *, at: Micros = NOW, device: str = "pump-7") -> Action:
    """A restart that may be done within five minutes."""
    return Action(
        id=name,
        device=device,
        case="c1",
        remedy="restart",
        name="restart",
        at=at,
        not_before=at,
        not_after=at + 5 * MINUTE,
        params={"s": 5},
    )


def answer(name: str, status: ReplyStatus = ReplyStatus.SUCCEEDED, at: Micros = NOW) -> Reply:
    """What a device said."""
    return Reply(id=ids.reply_id(name, status), device="pump-7", action=name, status=status, at=at)


def recall(name: str, at: Micros = NOW) -> Recall:
    """An action is taken back."""
    return Recall(id=ids.recall_id(name), device="pump-7", action=name, case="c1", at=at, because="said-no")


# ------------------------------------------------------------------------------------------------ decisions

SECRET = "a secret for tests, long enough"


def shown() -> Action:
    """A machine is asked to show the code of its case."""
    return action().model_copy(update={"name": "display", "params": {"text": "Wir kümmern uns. Code {code}", "for_s": 60}})


def says_the_code(downlink: Downlink) -> None:
    """The machine shows the digits that every message about the case shows, whenever it is asked."""
    decided = downlink.decide(shown(), NOW)
    again = downlink.due(lambda _: NOW + 5 * SECOND)
    for command in (decided, *again):
        assert isinstance(command, Command)
        assert command.topic == "vorab/v1/main/pump-7/cmd/display"
        assert json.loads(command.payload)["params"] == {"text": f"Wir kümmern uns. Code {code_of(SECRET, 'c1')}", "for_s": 60}
    assert len(again) == 1


def test_a_display_shows_the_digits_that_messages_show() -> None:
    """Known bad: an ingest with another secret shows others, and is caught."""
    says_the_code(Downlink(speed=1, shadow=False, code=Codes(SECRET).of))
    with pytest.raises(AssertionError):
        says_the_code(Downlink(speed=1, shadow=False, code=Codes("another secret for tests").of))


def test_a_display_is_asked_in_the_words_of_its_dialect_too() -> None:
    """Whoever translates sees the digits, not the place for them."""
    seen: list[Action] = []
    downlink = Downlink(speed=1, shadow=False, code=Codes(SECRET).of)
    downlink.translate = lambda asked, _now: seen.append(asked)
    downlink.decide(shown(), NOW)
    assert seen[0].params["text"] == f"Wir kümmern uns. Code {code_of(SECRET, 'c1')}"


def test_without_the_secret_nothing_is_shown(tmp_path: Path) -> None:
    """Wrong digits would be worse than none: the answer in the machine's place says what is missing, and no secret is made here."""
    settings = Settings.model_validate({"state_dir": str(tmp_path)})
    downlink = Downlink(speed=1, shadow=False, code=lambda case: known_codes(settings).of(case))
    said = downlink.decide(shown(), NOW)
    assert isinstance(said, Reply)
    assert (said.status, "link_secret" in said.detail) == (ReplyStatus.REJECTED, True)
    assert list(tmp_path.iterdir()) == []
    assert isinstance(downlink.decide(action("plain"), NOW), Command)
    link_secret(settings)
    later = downlink.decide(shown().model_copy(update={"id": "a2", "device": "pump-8"}), NOW)
    assert isinstance(later, Command)
    assert known_codes(settings).of("c1").encode() in later.payload


def test_a_command_says_all_a_device_needs() -> None:
    """Id, name, parameters and times in the body, where to answer and until when beside it."""
    decided = Downlink(speed=1, shadow=False).decide(action(), NOW + SECOND)
    assert isinstance(decided, Command)
    assert decided.topic == "vorab/v1/main/pump-7/cmd/restart"
    assert decided.response_topic == "vorab/v1/main/pump-7/cmd/restart/res"
    assert (decided.correlation, decided.expires_in_s) == (b"a1", 299)
    assert json.loads(decided.payload) == {
        "id": "a1",
        "name": "restart",
        "params": {"s": 5},
        "not_before": iso(NOW),
        "not_after": iso(NOW + 5 * MINUTE),
        "attempt": 1,
        "counter": 0,
        "key_id": "",
        "signature": "",
    }


def test_on_a_story_clock_the_broker_forgets_in_wall_time() -> None:
    """Five minutes of a story that runs 300 times as fast are one second for the broker."""
    decided = Downlink(speed=300, shadow=False).decide(action(), NOW)
    assert isinstance(decided, Command)
    assert decided.expires_in_s == 1


def test_too_late_is_answered_in_the_devices_place_once() -> None:
    """An action that could not be handed over in time gets the reply `expired`, with the id that reply always has."""
    downlink = Downlink(speed=1, shadow=False)
    late = downlink.decide(action(), NOW + 6 * MINUTE)
    assert isinstance(late, Reply)
    assert (late.id, late.status, late.at) == (ids.reply_id("a1", "expired"), ReplyStatus.EXPIRED, NOW + 6 * MINUTE)
    assert downlink.decide(action(), NOW + 6 * MINUTE) == "answered"


def test_too_late_from_before_the_start_is_left_to_its_case() -> None:
    """An earlier run may have handed it over: that it could not be is nothing this one knows."""
    downlink = Downlink(speed=1, shadow=False)
    assert downlink.decide(action(), NOW + 6 * MINUTE, earlier=True) == "past"
    assert isinstance(Downlink(speed=1, shadow=False).decide(action(), NOW, earlier=True), Command)


def test_a_final_answer_settles_an_action_and_progress_does_not() -> None:
    """`running` is no end; `succeeded` is, and so is what vorab said itself before it was started again."""
    downlink = Downlink(speed=1, shadow=False)
    downlink.answered(answer("a1", ReplyStatus.RUNNING))
    assert isinstance(downlink.decide(action(), NOW), Command)
    downlink.answered(answer("a1", ReplyStatus.EXPIRED))
    assert downlink.decide(action(), NOW + 6 * MINUTE) == "answered"


def test_shadow_hands_nothing_over() -> None:
    """The decision is the same, the deed is left out."""
    assert Downlink(speed=1, shadow=True).decide(action(), NOW) == "shadow"


def test_what_cannot_be_a_topic_is_rejected_and_not_published() -> None:
    """A device called `+` would address every device."""
    for device in ("+", "a/b", "#", "x" * 200):
        decided = Downlink(speed=1, shadow=False).decide(action(device=device), NOW)
        assert isinstance(decided, Reply)
        assert decided.status is ReplyStatus.REJECTED


# ------------------------------------------------------------------------------------------------ the courier


class Memory:
    """Just as much of a log as the courier reads."""

    def __init__(self) -> None:
        self.records: dict[Position, list[Entry]] = {}
        self.reads = 0

    def add(self, record: Record, topic: str, partition: int = 0) -> None:
        """At the end of a partition."""
        key, value, headers = to_wire(record, "urn:vorab:test")
        there = self.records.setdefault((topic, partition), [])
        there.append(Entry(topic, partition, len(there), key, value, headers, 0))

    def begins(self, topic: str) -> Mapping[int, int]:
        """Everything is kept."""
        return dict.fromkeys(self.ends(topic), 0)

    def ends(self, topic: str) -> Mapping[int, int]:
        """The next offsets."""
        return {p: len(self.records.get((topic, p), [])) for p in range(2)}

    def read(self, positions: Mapping[Position, int], *, limit: int = 500, wait_s: float = 0.0) -> Sequence[Entry]:
        """What is there."""
        self.reads += 1
        if wait_s and not any(offset < len(self.records.get(place, [])) for place, offset in positions.items()):
            threading.Event().wait(0.01)
        return [entry for place, offset in positions.items() for entry in self.records.get(place, [])[offset:]][:limit]


def test_the_beginning_is_found_by_halving() -> None:
    """A day of ticks is not read one by one to find the last hour."""
    log: Any = Memory()
    for i in range(1_000):
        log.add(Tick(id=f"t{i}", at=NOW + i * SECOND), topics.REPLIES)
    place = (topics.REPLIES, 0)
    assert first_at(log, place, NOW + 700 * SECOND, 0, 1_000) == 700
    assert log.reads <= 11
    assert first_at(log, place, NOW - 1, 0, 1_000) == 0
    assert first_at(log, place, NOW + 5_000 * SECOND, 0, 1_000) == 1_000


def test_replies_come_before_actions_and_old_ones_not_at_all() -> None:
    """What was answered is known before the first action is looked at; beyond the last hour nothing is read."""
    log: Any = Memory()
    old = NOW - LOOK_BACK - SECOND
    log.add(answer("ancient", at=old), topics.REPLIES)
    log.add(Tick(id="t", at=NOW), topics.REPLIES)
    log.add(answer("a1"), topics.REPLIES)
    log.add(action("ancient", at=old), topics.ACTIONS)
    log.add(action("a1"), topics.ACTIONS)
    log.add(action("elsewhere"), topics.ACTIONS, partition=1)
    found: list[Record] = []
    before: list[bool] = []
    stop = threading.Event()

    def hand_over(record: Record, *, earlier: bool = False) -> None:
        found.append(record)
        before.append(earlier)
        if len(found) == 2:
            log.add(action("a2"), topics.ACTIONS)
        if len(found) == 3:
            stop.set()

    Courier(log, [0], ManualClock(NOW), LOOK_BACK).run(hand_over, stop)
    assert [(type(record), getattr(record, "action", record.id)) for record in found] == [(Reply, "a1"), (Action, "a1"), (Action, "a2")]
    assert before == [False, True, False], "what stood there before the start is told from what came since"


def test_what_was_taken_back_before_the_start_is_known_before_its_action() -> None:
    """Else a worker that starts again would hand over first and read the withdrawal after."""
    log: Any = Memory()
    log.add(action("a1"), topics.ACTIONS)
    log.add(recall("a1"), topics.ACTIONS)
    found: list[Record] = []
    stop = threading.Event()

    def hand_over(record: Record, *, earlier: bool = False) -> None:  # noqa: ARG001 - the shape
        found.append(record)
        if len(found) == 3:
            stop.set()

    Courier(log, [0], ManualClock(NOW), LOOK_BACK).run(hand_over, stop)
    assert [type(record) for record in found] == [Recall, Action, Recall]


# ------------------------------------------------------------------------------------------------ taken back


def test_what_waits_and_is_taken_back_never_goes_out() -> None:
    """It is answered in the device's place, and the next in the line is served."""
    downlink = Downlink(speed=1, shadow=False)
    for name in ("a1", "a2", "a3"):
        downlink.decide(action(name), NOW)
    outcome = downlink.recall(recall("a2"), NOW + SECOND)
    assert isinstance(outcome, Reply)
    assert (outcome.action, outcome.status) == ("a2", ReplyStatus.CANCELLED)
    downlink.answered(answer("a1"))
    (following,) = downlink.due(now_is(NOW + 2 * SECOND))
    assert isinstance(following, Command)
    assert following.correlation == b"a3"


def test_what_nobody_answered_and_is_taken_back_does_not_go_out_again() -> None:
    """A device that was away never hears of it."""
    downlink = Downlink(speed=1, shadow=False)
    downlink.decide(action("a1"), NOW)
    outcome = downlink.recall(recall("a1"), NOW + SECOND)
    assert isinstance(outcome, Reply)
    assert outcome.status is ReplyStatus.CANCELLED
    assert downlink.due(now_is(NOW + 60 * SECOND)) == []
    assert downlink.decide(action("a1"), NOW + 61 * SECOND) == "answered"


def test_what_a_device_is_at_cannot_be_taken_back() -> None:
    """It has accepted; what it says in the end counts."""
    downlink = Downlink(speed=1, shadow=False)
    downlink.decide(action("a1"), NOW)
    downlink.answered(answer("a1", ReplyStatus.ACCEPTED))
    assert downlink.recall(recall("a1"), NOW + SECOND) == "answered"
    assert downlink.decide(action("a2"), NOW + SECOND) == "waiting"


def test_what_is_taken_back_before_it_comes_does_not_go_out() -> None:
    """A worker that starts again reads withdrawals first."""
    downlink = Downlink(speed=1, shadow=False)
    assert downlink.recall(recall("a1"), NOW) == "past"
    assert downlink.decide(action("a1"), NOW) == "answered"


# ------------------------------------------------------------------------------------------------ one at a time, again, and in other words


def now_is(now: Micros) -> Callable[[Action], Micros]:
    """Every partition has reached this time."""
    return lambda _action: now


def test_a_device_has_one_command_under_way() -> None:
    """The second waits until the first is answered for good; another device does not wait."""
    downlink = Downlink(speed=1, shadow=False)
    assert isinstance(downlink.decide(action("a1"), NOW), Command)
    assert downlink.decide(action("a2"), NOW) == "waiting"
    assert downlink.decide(action("a2"), NOW) == "waiting", "the same action twice waits once"
    assert isinstance(downlink.decide(action("b1", device="pump-8"), NOW), Command)
    downlink.answered(answer("a1", ReplyStatus.RUNNING))
    assert downlink.due(now_is(NOW + SECOND)) == []
    downlink.answered(answer("a1"))
    (following,) = downlink.due(now_is(NOW + SECOND))
    assert isinstance(following, Command)
    assert following.correlation == b"a2"


def test_what_waited_too_long_is_answered_in_the_devices_place() -> None:
    """A command that expires while another is under way never goes out late; the one under way frees its place when it expires itself."""
    downlink = Downlink(speed=1, shadow=False)
    downlink.decide(action("a1", at=NOW + MINUTE), NOW + MINUTE)
    downlink.decide(action("a2", at=NOW), NOW + MINUTE)
    outcomes = downlink.due(now_is(NOW + 7 * MINUTE))
    assert [(o.action, o.status) for o in outcomes if isinstance(o, Reply)] == [("a2", ReplyStatus.EXPIRED)]
    assert not [o for o in outcomes if isinstance(o, Command)]
    assert isinstance(downlink.decide(action("a3", at=NOW + 7 * MINUTE), NOW + 7 * MINUTE), Command)


def test_an_unanswered_command_goes_out_again_with_the_same_id() -> None:
    """After five seconds, then more slowly, until the device says anything or it is too late."""
    downlink = Downlink(speed=1, shadow=False)
    first = downlink.decide(action(), NOW)
    assert isinstance(first, Command)
    sent = []
    for second in range(1, 400):
        sent += [(second, o) for o in downlink.due(now_is(NOW + second * SECOND)) if isinstance(o, Command)]
    assert [second for second, _ in sent][:4] == [5, 15, 35, 75]
    assert all((o.topic, o.payload, o.correlation, o.again) == (first.topic, first.payload, first.correlation, True) for _, o in sent)
    assert max(second for second, _ in sent) <= 300


def test_a_device_that_has_the_command_is_not_told_again() -> None:
    """`accepted` is delivery; a broker's acknowledgement is not."""
    downlink = Downlink(speed=1, shadow=False)
    downlink.decide(action(), NOW)
    downlink.answered(answer("a1", ReplyStatus.ACCEPTED))
    assert downlink.due(now_is(NOW + MINUTE)) == []


def test_a_dialect_that_knows_no_ids_is_never_told_twice() -> None:
    """A Tasmota plug would restart twice; what is sent is the dialect's own word for it."""
    downlink = Downlink(speed=1, shadow=False)
    downlink.translate = lambda action, _now: Order(f"cmnd/{action.device}/Restart", b"1", "")
    sent = downlink.decide(action(), NOW)
    assert isinstance(sent, Command)
    assert (sent.topic, sent.payload, sent.response_topic) == ("cmnd/pump-7/Restart", b"1", "")
    assert downlink.due(now_is(NOW + MINUTE)) == []


def test_an_answer_in_a_dialects_words_becomes_the_reply() -> None:
    """By its correlation, or by being the only command under way; an answer to nothing is nobody's reply."""
    downlink = Downlink(speed=1, shadow=False)
    downlink.translate = lambda _action, _now: Order("rpc", b"{}", "7")
    said = Answer("pump-7", "7", ReplyStatus.SUCCEEDED, detail="done")
    assert downlink.resolve("main/pump-7", said, NOW) is None
    downlink.decide(action(), NOW)
    assert downlink.resolve("main/pump-7", said._replace(correlation="8"), NOW) is None
    reply = downlink.resolve("main/pump-7", said, NOW + SECOND)
    assert reply is not None
    assert (reply.id, reply.action, reply.status, reply.detail) == (ids.reply_id("a1", "succeeded"), "a1", ReplyStatus.SUCCEEDED, "done")
    assert downlink.decide(action(), NOW) == "answered"


def test_what_a_dialect_cannot_say_is_rejected_with_its_reason() -> None:
    """The case hears at once that this device has no such command."""

    def cannot(_action: Action, _now: Micros) -> Order:
        raise Rejected(Reason.UNSUPPORTED, "no such command")

    downlink = Downlink(speed=1, shadow=False)
    downlink.translate = cannot
    refused = downlink.decide(action(), NOW)
    assert isinstance(refused, Reply)
    assert (refused.status, refused.detail) == (ReplyStatus.REJECTED, "no such command")


def test_a_device_that_answers_nothing_cannot_fill_the_memory() -> None:
    """Beyond a few dozen, commands are refused instead of kept."""
    downlink = Downlink(speed=1, shadow=False)
    outcomes = [downlink.decide(action(f"a{i}"), NOW) for i in range(100)]
    assert sum(outcome == "waiting" for outcome in outcomes) == 32
    assert sum(isinstance(outcome, Reply) and outcome.status is ReplyStatus.REJECTED for outcome in outcomes) == 67
