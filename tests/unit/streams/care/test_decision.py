"""Who may act: each kind of line of the worked example, the strictest first, the queue, the gesture, the advice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from streams.care.conditions import CaseFacts, Contacts, When
from streams.care.decision import NOBODY_SAID_NO, Verdict, decide
from streams.care.files import load_care, read_care
from streams.care.policy import Bot, Care, Queue
from vorab.clock import Micros, parse_iso
from vorab.records import Customer, Device, Severity

FOLDER: Final = Path(__file__).resolve().parents[4] / "care"
MONDAY: Final = parse_iso("2026-11-23T10:00:00+01:00")
CARE: Final = load_care(FOLDER)
CASE: Final = CaseFacts("main", "pump", "low_pressure", "threshold", "ahornweg", Severity.MAJOR, "restart", MONDAY)
DEVICE: Final = Device(id="main/pump-7", device="pump-7")
CUSTOMER: Final = Customer(id="main/c-1", customer="c-1", language="de")


def verdict(
    care: Care = CARE, *, device: dict[str, Any] | None = None, customer: dict[str, Any] | None = None, count: int = 0,
    said: tuple[str, ...] = (), **case: Any,
) -> Verdict:  # fmt: skip
    """What is decided about a pump like any other, but for what is given."""
    found = DEVICE.model_copy(update=device or {}), CUSTOMER.model_copy(update=customer or {})
    return decide(care, replace(CASE, **case), *found, Contacts(count, frozenset(said)))


def without(line: str) -> Care:
    """The worked example with a line taken out."""
    rules = [rule for rule in CARE.rules if rule.line != line]
    assert len(rules) == len(CARE.rules) - 1
    return replace(CARE, rules=rules)


KINDS: Final[dict[str, tuple[Bot, int, str, dict[str, Any]]]] = {
    "a medical device: a person acts": (Bot.MUST_NOT, 0, "medical", {"device": {"medical": True}}),
    "somebody may be in danger: a person acts": (Bot.MUST_NOT, 0, "safety", {"said": ("danger",)}),
    "the customer speaks of lawyers or courts: a person acts": (Bot.MUST_NOT, 0, "legal", {"said": ("legal",)}),
    "third contact in 30 days: a person acts": (Bot.MUST_NOT, 0, "complaints", {"count": 3}),
    "a vulnerable customer: a person acts": (Bot.MUST_NOT, 0, "complaints", {"customer": {"vulnerable": True}}),
    "the customer speaks of money: two people approve": (Bot.MUST_ASK, 2, "machines", {"said": ("money",)}),
    "the customer is angry: one person approves": (Bot.MUST_ASK, 1, "machines", {"said": ("anger",)}),
    "a critical fault that is the third in 30 days: one person approves": (
        Bot.MUST_ASK, 1, "machines", {"severity": Severity.CRITICAL, "faults": 3},
    ),
    "sent back before and billed wrongly before: one person approves": (
        Bot.MUST_ASK, 1, "machines", {"customer": {"returns": 1, "wrong_bills": 1}},
    ),
}  # fmt: skip


def test_every_line_of_the_worked_example_is_tried_here() -> None:
    """Whoever writes another line writes another row."""
    assert list(KINDS) == [rule.line for rule in CARE.rules]


@pytest.mark.parametrize("line", KINDS)
def test_a_line_decides_what_it_says_and_names_itself(line: str) -> None:
    """Bot, approvals, skill, line and version of each; a line that is gone decides nothing any more."""
    bot, approvals, skill, given = KINDS[line]
    found = verdict(**given)
    assert (found.bot, found.line, found.version, found.approvals, found.skill) == (bot, line, CARE.version, approvals, skill)
    assert verdict(without(line), **given).bot is Bot.MAY


@pytest.mark.parametrize(
    "given",
    [{"count": 2}, {"severity": Severity.CRITICAL}, {"faults": 3}, {"customer": {"returns": 1}}, {"customer": {"wrong_bills": 4}}, {}],
)
def test_just_short_of_a_line_vorab_may_act(given: dict[str, Any]) -> None:
    """Two contacts, one half of a condition, nothing at all."""
    found = verdict(**given)
    assert (found.bot, found.line) == (Bot.MAY, NOBODY_SAID_NO)


def test_the_strictest_line_wins_wherever_it_stands() -> None:
    """A file that asks first and forbids later forbids; two approvals go before one."""
    care = read_care(
        "version: 1\nrules:\n- {line: may, bot: may}\n- {line: one, bot: must_ask}\n- {line: two, bot: must_ask, approvals: 2}\n", "x"
    )
    assert verdict(care).line == "two"
    rules = [*care.rules, *(rule for rule in CARE.rules if rule.when.medical)]
    assert verdict(replace(care, rules=rules), device={"medical": True}).bot is Bot.MUST_NOT


def test_without_a_care_file_vorab_may_do_what_the_remedies_say() -> None:
    """The default; also for a device and a customer nobody knows."""
    assert decide(Care(), CASE, None, None, Contacts()) == Verdict(Bot.MAY, NOBODY_SAID_NO, "")
    assert decide(CARE, CASE, None, None, Contacts()).bot is Bot.MAY


def test_conditions_hold_all_together_and_patterns_one_of_them() -> None:
    """What is not given is not asked."""
    when = When.model_validate({"model": ["pu*", "fan"], "cause": "low_*", "remedy": "restart", "language": "de", "site": "ahorn*"})
    assert when.fits(CASE, DEVICE, CUSTOMER, Contacts())
    assert not when.fits(replace(CASE, cause="vibration"), DEVICE, CUSTOMER, Contacts())
    assert not when.fits(CASE, DEVICE, CUSTOMER.model_copy(update={"language": "en"}), Contacts())
    assert not When(medical=False).fits(CASE, DEVICE.model_copy(update={"medical": True}), CUSTOMER, Contacts())


# ------------------------------------------------------------------------------------------------------ queues

QUEUES: Final = """
version: 1
queues:
- {name: nord, skills: [heat], site: nord*, languages: [de]}
- {name: day, skills: [machines], days: mon-fri, hours: 08:00-18:00, languages: [de]}
- {name: night, skills: [machines], hours: 18:00-08:00, languages: [de]}
- {name: english, skills: [talk], languages: [en]}
"""


def where(at: Micros, *, site: str = "", language: str = "de", care: Care | None = None) -> str:
    """The queue of a case."""
    queue = verdict(care or read_care(QUEUES, "x"), at=at, site=site, customer={"language": language}).queue
    return queue.name if queue else ""


def test_a_case_goes_to_the_first_queue_that_takes_it_speaks_the_language_and_is_open() -> None:
    """By site, by hours also past midnight, by language; the language goes before the hours."""
    night, saturday = parse_iso("2026-11-24T02:00:00+01:00"), parse_iso("2026-11-28T12:00:00+01:00")
    assert [where(MONDAY, site="nord-3"), where(MONDAY), where(night), where(saturday)] == ["nord", "day", "night", "day"]
    assert [where(MONDAY, language="en"), where(MONDAY, language="pl")] == ["english", "day"]
    assert where(MONDAY, care=Care()) == ""


@pytest.mark.parametrize(
    ("given", "due"),
    [
        ("2026-11-23T10:00:00+01:00", "2026-11-23T18:00:00+01:00"),
        ("2026-11-23T20:00:00+01:00", "2026-11-24T12:00:00+01:00"),
        ("2026-11-23T23:30:00+01:00", "2026-11-24T14:00:00+01:00"),
        ("2026-11-27T21:00:00+01:00", "2026-11-30T13:00:00+01:00"),
    ],
)
def test_a_promise_counts_the_hours_somebody_works(given: str, due: str) -> None:
    """Eight hours of mon-fri, 06:00-22:00: over night, from the night, over a weekend."""
    queue = Queue.model_validate({"name": "q", "days": "mon-fri", "hours": "06:00-22:00", "promise": "8 h"})
    assert queue.due(parse_iso(given)) == parse_iso(due)
    assert queue.model_copy(update={"promise": None}).due(MONDAY) is None


def test_a_promise_is_kept_through_the_change_of_clocks() -> None:
    """In the night of 29 March an hour is missing, so that eight hours around the clock end an hour later on it."""
    queue = Queue.model_validate({"name": "q", "promise": "8 h"})
    assert queue.due(parse_iso("2026-03-28T22:00:00+01:00")) == parse_iso("2026-03-29T07:00:00+02:00")


# ---------------------------------------------------------------------------------------------------- goodwill


@pytest.mark.parametrize(
    ("given", "cents", "approvals"),
    [({"missed": True}, 1500, 1), ({"said": ("anger",)}, 2000, 1), ({"faults": 3}, 3000, 2)],
)
def test_a_missed_promise_anger_and_a_third_fault_propose_a_gesture(given: dict[str, Any], cents: int, approvals: int) -> None:
    """With an apology in the customer's language; nothing for anybody else, and nothing where nobody knows to whom."""
    found = verdict(**given).goodwill
    assert found is not None
    assert (found.cents, found.currency, found.approvals) == (cents, "EUR", approvals)
    assert "leid" in found.apology
    english = verdict(**given, customer={"language": "en"}).goodwill
    assert english is not None
    assert "sorry" in english.apology
    assert verdict().goodwill is None
    facts = replace(CASE, **{key: value for key, value in given.items() if key != "said"})
    assert decide(CARE, facts, DEVICE, None, Contacts(0, frozenset(given.get("said", ())))).goodwill is None


def test_advice_comes_with_its_reason() -> None:
    """What to do next, and why."""
    assert verdict(cause="bearing").advice == (
        "Send the bearing set, and agree on a visit. Because: a worn bearing is replaced, not restarted."
    )
    assert verdict().advice == ""
