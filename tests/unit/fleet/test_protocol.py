"""How a machine answers: the device's half of the neutral contract."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from vorab.clock import MINUTE, SECOND, iso, parse_iso
from vorab.fleet.machines import Machine
from vorab.fleet.models import MODELS, PUMP
from vorab.fleet.protocol import REMEMBERED, Answer, Request, Responder, final, prefix_of

NOW: Final = parse_iso("2026-11-23T22:00:00+01:00")
PREFIX: Final = prefix_of("main", "pump-1")
TOPIC: Final = f"{PREFIX}/cmd/restart"


def _responder() -> Responder:
    return Responder(Machine("pump-1", MODELS[PUMP], start=NOW), PREFIX)


def _request(topic: str = TOPIC, *, response_topic: str = "", retained: bool = False, **body: Any) -> Request:
    return Request(topic, json.dumps({"id": "c-1", **body}).encode(), response_topic, b"c-1", retained)


def _statuses(answers: list[Answer]) -> list[str]:
    return [answer.body["status"] for answer in answers]


def test_a_command_is_accepted_runs_and_succeeds() -> None:
    """Progress first, exactly one final answer last, each below the machine's own name and with the command's id."""
    answers = _responder().received(_request(name="restart", params={}, not_after=iso(NOW + MINUTE)), NOW)

    assert _statuses(answers) == ["accepted", "running", "succeeded"]
    assert [final(answer.body) for answer in answers] == [False, False, True]
    assert {answer.topic for answer in answers} == {f"{TOPIC}/res"}
    assert {answer.correlation for answer in answers} == {b"c-1"}
    assert json.loads(answers[-1].payload) == {
        "id": "c-1",
        "status": "succeeded",
        "result": {"boot_count": 2},
        "ts": answers[-1].at // 1000,
    }


def test_a_repeated_command_is_answered_again_and_not_done_again() -> None:
    """The same id after the end: the stored final answer, no second restart."""
    responder = _responder()
    answers = responder.received(_request(), NOW)
    later = answers[-1].at + MINUTE

    assert _statuses(responder.received(_request(), later)) == ["succeeded"]
    responder.machine.advance(later + MINUTE)
    assert responder.machine.boot == 2
    assert responder.counts == {"done": 1, "repeated": 1}


def test_a_responder_that_forgets_restarts_twice() -> None:
    """Known bad: without its memory the repeated command runs again, and the boot count tells."""
    responder = _responder()
    later = responder.received(_request(), NOW)[-1].at + MINUTE
    responder._answers.clear()
    responder.received(_request(), later)
    responder.machine.advance(later + 10 * MINUTE)
    assert responder.machine.boot == 3


def test_a_command_repeated_while_it_runs_gets_its_progress() -> None:
    """The final answer is on its way already: it comes once."""
    responder = _responder()
    [accepted, running, _] = responder.received(_request(), NOW)

    assert responder.received(_request(), NOW) == []
    assert _statuses(responder.received(_request(), accepted.at + SECOND)) == ["accepted"]
    assert _statuses(responder.received(_request(), running.at + SECOND)) == ["running"]


def test_the_last_32_commands_are_remembered() -> None:
    """The 33rd pushes the first out; the second is still known."""
    responder = _responder()
    for number in range(REMEMBERED + 1):
        responder.received(_request(f"{PREFIX}/cmd/self_test", id=str(number)), NOW)
    later = NOW + MINUTE

    responder.received(_request(f"{PREFIX}/cmd/self_test", id="1"), later)
    assert responder.counts["repeated"] == 1
    responder.received(_request(f"{PREFIX}/cmd/self_test", id="0"), later)
    assert responder.counts["repeated"] == 1


@pytest.mark.parametrize("not_after", [iso(NOW - 1), "2026-11-23T21:59:59+01:00", NOW / 1000 - 1])
def test_a_late_command_is_refused(not_after: object) -> None:
    """After `not_after` nothing happens, and the answer says why; also when it comes again."""
    responder = _responder()
    for _ in range(2):
        [answer] = responder.received(_request(not_after=not_after), NOW)
        assert (answer.body["status"], answer.body["error"]["code"]) == ("expired", "expired")
    assert responder.machine.restarting_until is None


def test_a_command_in_time_is_not_refused() -> None:
    """Known bad for the test above: at `not_after` itself it is still in time."""
    assert _statuses(_responder().received(_request(not_after=iso(NOW)), NOW))[-1] == "succeeded"


def test_an_early_command_waits() -> None:
    """Before `not_before` nothing is done and nothing said; then it runs."""
    responder = _responder()
    assert responder.received(_request(not_before=iso(NOW + MINUTE)), NOW) == []
    assert responder.due == NOW + MINUTE
    assert responder.released(NOW + MINUTE - 1) == []

    assert _statuses(responder.released(NOW + MINUTE)) == ["accepted", "running", "succeeded"]
    assert responder.due is None


def test_an_early_command_that_comes_twice_runs_once() -> None:
    """Redelivered while it waits: one restart."""
    responder = _responder()
    for _ in range(2):
        responder.received(_request(not_before=iso(NOW + MINUTE)), NOW)
    responder.released(NOW + MINUTE)
    assert responder.counts["done"] == 1


@pytest.mark.parametrize(
    "response_topic", ["vorab/v1/main/pump-2/telemetry", "vorab/v1/main/pump-10/cmd/restart/res", f"{PREFIX}/telemetry", "$SYS/x"]
)
def test_answers_never_go_below_another_name(response_topic: str) -> None:
    """A response topic outside the machine's own commands is ignored; the answer goes where answers belong."""
    responder = _responder()
    answers = responder.received(_request(response_topic=response_topic), NOW)
    assert {answer.topic for answer in answers} == {f"{TOPIC}/res"}
    assert responder.counts["foreign"] == 1


def test_an_own_response_topic_is_used() -> None:
    """MQTT 5: the asker chooses, below the machine's commands."""
    answers = _responder().received(_request(response_topic=f"{TOPIC}/res/7"), NOW)
    assert {answer.topic for answer in answers} == {f"{TOPIC}/res/7"}


def test_a_retained_command_is_ignored() -> None:
    """It would run again on every reconnect."""
    responder = _responder()
    assert responder.received(_request(retained=True), NOW) == []
    assert responder.counts == {"retained": 1}


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"{}", b'{"id": 7}', b'{"id": ""}', b"\xff"])
def test_what_cannot_be_answered_is_counted(payload: bytes) -> None:
    """Without an id nobody could understand an answer."""
    responder = _responder()
    assert responder.received(Request(TOPIC, payload), NOW) == []
    assert responder.counts == {"unreadable": 1}


@pytest.mark.parametrize(
    "body", [{"name": "other"}, {"params": [1]}, {"not_after": "soon"}, {"not_after": True}, {"not_before": "2026-11-23"}]
)
def test_a_contradictory_command_fails(body: dict[str, Any]) -> None:
    """Another name than the topic's, parameters that are no object, times that are none."""
    [answer] = _responder().received(_request(**body), NOW)
    assert (answer.body["status"], answer.body["error"]["code"]) == ("failed", "bad_params")
