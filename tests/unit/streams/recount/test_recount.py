"""Decided anew: what the real processors decided under the real host agrees, and what was tampered with is found and named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from streams.cases import processor as cases
from streams.cases.edition import edition
from streams.cases.policy import Policy
from streams.cases.remedies import load_policy
from streams.recount.check import Checked, Recounter, choose
from streams.recount.compare import State
from streams.recount.story import read_all
from tests import decided
from vorab import topics
from vorab.clock import HOUR
from vorab.log import EventLog, append_all
from vorab.log.sqlite import SqliteLog
from vorab.records import Action, CaseEvent, CaseKind, Command, Permit, Record, Symptom, from_wire

POLICY: Final = load_policy()
LESS: Final = Policy(POLICY.remedies, POLICY.lines[:1], POLICY.history, POLICY.playbooks, POLICY.says)
ALL: Final = 1_000_000


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with the decisions of some hours about some devices."""
    path = tmp_path_factory.mktemp("played") / "log.db"
    with SqliteLog(path, fsync=False) as log:
        decided.play(log, POLICY, devices=40, length=4 * HOUR, seed=4)
    return path


def check(log: EventLog, policy: Policy = POLICY, prefix: str = "") -> Checked:
    """All that can be checked of a log."""
    recounter = Recounter(log, cases.kind(policy, decided.CARE), decided.layout(log, prefix))
    return choose([each for _, _, some in recounter.all() for each in some], ALL, 0)


def tampered(played: Path, folder: Path, edit: decided.Edit, *more: Record) -> Checked:
    """What a check says about the log as `edit` would have it, with more records at its end."""
    with SqliteLog(played, read_only=True) as source, SqliteLog(folder / "log.db", fsync=False) as log:
        decided.copy(source, log, edit=edit)
        append_all(log, [decided.outgoing(record) for record in more])
        return check(log)


def first(played: Path, want: Callable[[Record], bool]) -> Record:
    """The first record of the log that is wanted."""
    with SqliteLog(played, read_only=True) as log:
        for topic in (topics.CASES, topics.ACTIONS, topics.COMMANDS, topics.SYMPTOMS):
            for entry in read_all(log, topic, range(decided.PARTITIONS)):
                record = from_wire(entry.value, entry.headers)
                if want(record):
                    return record
    raise AssertionError("nothing of that kind was decided")


def kept(record: Record) -> Record:
    """Nothing is tampered with."""
    return record


def test_every_decision_agrees(played: Path) -> None:
    """Commands of people, late replies, withdrawn consent, deadlines: all of it is decided again as it was."""
    with SqliteLog(played, read_only=True) as log:
        checked = check(log)
    assert (checked.lines, checked.beside) == ([], [])
    assert checked.states[State.AGREES] == checked.ids > 100
    assert set(checked.kinds) == {"case", "action", "command"}


def test_some_of_many_are_picked_by_the_seed(played: Path) -> None:
    """The same seed asks for the same ids, another one for others."""
    with SqliteLog(played, read_only=True) as log:
        everything = [each for _, _, some in Recounter(log, cases.kind(POLICY, decided.CARE), decided.layout(log)).all() for each in some]
    assert choose(everything, 20, 1) == choose(everything, 20, 1)
    assert choose(everything, 20, 1).ids == 20
    assert choose(everything, 20, 1).kinds != choose(everything, 20, 2).kinds or choose(everything, 20, 3).kinds


def test_a_tampered_event_is_found(played: Path, tmp_path: Path) -> None:
    """Known bad: a stored event says another priority than was decided."""
    event = first(played, lambda record: isinstance(record, CaseEvent) and record.kind is CaseKind.HANDED_OVER)
    assert isinstance(event, CaseEvent)
    other = 5 if event.priority != 5 else 4
    checked = tampered(played, tmp_path, lambda each: each.model_copy(update={"priority": other}) if _is(each, event) else each)
    assert {line.asked.case for line in checked.lines} == {event.case}
    [line, *_] = checked.lines
    assert line.difference is not None
    assert (line.state, line.difference.id) == (State.DIFFERS, event.id)
    assert f"says priority {other}, and {event.priority} is decided" in line.difference.text


@pytest.mark.parametrize("kind", [CaseKind.OPENED, CaseKind.PERMIT_ASKED, CaseKind.HANDED_OVER, CaseKind.SYMPTOM_CLEARED])
def test_a_removed_event_is_found(played: Path, tmp_path: Path, kind: CaseKind) -> None:
    """Known bad: an event is missing from the log."""
    event = first(played, lambda record: isinstance(record, CaseEvent) and record.kind is kind)
    assert isinstance(event, CaseEvent)
    checked = tampered(played, tmp_path, lambda each: None if _is(each, event) else each)
    [line, *_] = [line for line in checked.lines if line.asked.case == event.case]
    assert line.difference is not None
    assert line.difference.id == event.id
    assert "was decided, but does not stand on the log" in line.difference.text


def test_an_action_that_no_line_of_policy_allows_is_found(played: Path, tmp_path: Path) -> None:
    """Known bad: somebody writes an action past the policy."""
    action = first(played, lambda record: isinstance(record, Action))
    assert isinstance(action, Action)
    forged = action.model_copy(update={"id": "forged", "remedy": "melt", "name": "melt"})
    checked = tampered(played, tmp_path, kept, forged)
    [line] = [line for line in checked.lines if line.asked.id == "forged"]
    assert line.difference is not None
    assert "no line of policy" in line.difference.text


def test_a_removed_action_is_found(played: Path, tmp_path: Path) -> None:
    """Known bad: the case says that a device was told to, and no action stands on the log."""
    action = first(played, lambda record: isinstance(record, Action))
    assert isinstance(action, Action)
    checked = tampered(played, tmp_path, lambda each: None if isinstance(each, Action) and each.id == action.id else each)
    assert action.case in {line.asked.case for line in checked.lines}


def test_a_removed_command_is_found(played: Path, tmp_path: Path) -> None:
    """Known bad: a case follows a word that nobody has said."""
    event = first(played, lambda record: isinstance(record, CaseEvent) and record.kind is CaseKind.FALSE_ALARM)
    assert isinstance(event, CaseEvent)
    checked = tampered(played, tmp_path, lambda each: None if isinstance(each, Command) and each.id == event.because else each)
    assert event.case in {line.asked.case for line in checked.lines}


def test_another_policy_does_not_agree(played: Path) -> None:
    """With every line but one gone, what was done is not what is decided: the policy has changed, and that is what is said."""
    with SqliteLog(played, read_only=True) as log:
        checked = check(log, LESS)
    assert checked.states[State.CHANGED] > 0
    assert checked.states[State.DIFFERS] == 0
    assert {line.note for line in checked.lines} == {
        f"the policy has changed since: {edition(POLICY, decided.CARE)} decided, {edition(LESS, decided.CARE)} is in force"
    }


def test_another_policy_under_the_same_name_differs(played: Path) -> None:
    """Known bad: the log says that this very policy decided, and it does not decide so."""
    with SqliteLog(played, read_only=True) as log:
        kind = replace(cases.kind(LESS, decided.CARE), edition=edition(POLICY, decided.CARE))
        checked = choose([each for _, _, some in Recounter(log, kind, decided.layout(log)).all() for each in some], ALL, 0)
    assert checked.states[State.DIFFERS] > 0


def test_the_edition_of_a_policy_is_that_of_its_words(tmp_path: Path) -> None:
    """Read again, or laid out in another way, it is the same; with one word changed it is not."""
    text = "remedies: {restart: {command: restart}}\npolicy: [{line: one restart, do: restart}]\n"
    editions = []
    for number, each in enumerate((text, text.replace(": [{line", ":\n  [{ line"), text.replace("one restart", "another restart"))):
        (tmp_path / f"{number}.yaml").write_text(each)
        editions.append(edition(load_policy([tmp_path / f"{number}.yaml"])))
    assert editions[0] == editions[1] != editions[2]
    assert edition(load_policy()) == edition(load_policy())


def test_what_is_no_longer_kept_is_no_difference(played: Path, tmp_path: Path) -> None:
    """Case events outlive the symptoms they came of: that cannot be compared, and is said."""
    event = first(played, lambda record: isinstance(record, CaseEvent) and record.kind is CaseKind.OPENED)
    assert isinstance(event, CaseEvent)
    checked = tampered(played, tmp_path, lambda each: None if isinstance(each, Symptom) and each.id == event.because else each)
    lines = [line for line in checked.lines if line.asked.id == event.case]
    assert [line.state for line in lines] == [State.GONE]
    assert "no longer kept" in lines[0].note


def test_a_record_that_stands_twice_is_one(played: Path, tmp_path: Path) -> None:
    """A crash may write an event again, word for word; with other words it is a difference."""
    event = first(played, lambda record: isinstance(record, CaseEvent) and record.kind is CaseKind.OPENED)
    assert isinstance(event, CaseEvent)
    assert tampered(played, tmp_path, kept, event).lines == []
    (tmp_path / "other").mkdir()
    checked = tampered(played, tmp_path / "other", kept, event.model_copy(update={"detail": "another"}))
    [line, *_] = checked.lines
    assert line.difference is not None
    assert "stands on the log twice" in line.difference.text


def test_an_answer_without_a_question_is_nobody_s_decision(played: Path, tmp_path: Path) -> None:
    """Known bad: a question for a permit is gone, and its answer is still there."""
    event = first(played, lambda record: isinstance(record, CaseEvent) and record.kind is CaseKind.PERMIT_ASKED)
    assert isinstance(event, CaseEvent)
    checked = tampered(
        played, tmp_path, lambda each: None if isinstance(each, Permit) and each.action == event.action and each.state == "asked" else each
    )
    assert event.case in {line.asked.case for line in checked.lines}


def _is(record: Record, event: CaseEvent) -> bool:
    return isinstance(record, CaseEvent) and record.id == event.id
