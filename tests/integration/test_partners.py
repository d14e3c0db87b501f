"""Hand-over with real processes: `vorab up`, a ticket system and a receiver of webhooks, each killed on the way.

`make test ARGS="-s tests/integration/test_partners.py"` prints the figures.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.partner_house import CASES, CLEAN, CRASHES, LOST, THEIRS, House
from tests.parts.base import Child, wait_until
from tests.parts.fixtures import NewMosquitto
from tests.system.figures import say
from vorab.errors import EXIT_OK


@pytest.fixture
def house(tmp_path: Path, new_mosquitto: NewMosquitto) -> Iterator[House]:
    """Running."""
    made = House(tmp_path, new_mosquitto().port)
    made.begin()
    try:
        yield made
    finally:
        made.end()


@pytest.mark.slow
def test_killed_on_the_way_every_case_has_one_ticket_and_both_sides_agree(house: House) -> None:
    """Kills between call and memory, lost answers, a hub that loses and repeats, both sides at once: nothing is lost, nothing twice."""
    (house.folder / "tickets").mkdir(exist_ok=True)
    (house.folder / "tickets" / "lose").write_text(str(LOST))
    house.crash("partner.after_call:3")
    house.back()
    wait_until(lambda: len(house.tickets_of()) == CASES, "a ticket for every case")
    wait_until(lambda: not house.apart(), "all three in step")
    cases = list(house.cases())

    for n, case in enumerate(cases):
        ticket = house.tickets_of()[case][0]["id"]
        if n == 6:
            house.tickets.kill()
            house.tickets.start()
            house.kills += 1
        if n in CRASHES:
            house.crash(CRASHES[n])
        house.at_partner(ticket, **THEIRS[n % 4])
        if n in CRASHES:
            house.back()
        house.press(case, "note", f"noted here {n}")
        if n % 4 == 3:
            house.press(case, "take")
    assert house.wish("w-1", case=cases[5], seq=0, status="inProgress", note="we are at it") == (201, {"result": "taken"})
    assert house.wish("w-1", case=cases[5], seq=0, status="inProgress", note="we are at it") == (201, {"result": "repeated"})
    house.changes += 1
    wait_until(lambda: not house.apart(), "all three in step")
    wait_until(lambda: len(notes(house)) == CASES, "every note of ours at the partner")
    wait_until(lambda: not house.apart(), "all three in step")

    tickets = house.tickets_of()
    doubled = sum(len(each) - 1 for each in tickets.values())
    counts = counts_of(house, "tickets")
    writes, changes = counts["POST"] - 1 + counts["PATCH"], CASES + house.changes
    facts = sum(record["type"].startswith("io.vorab.case.") for case in cases for record in house.ask(f"/api/cases/{case}")["records"])
    hooks, told = len(house.kept("hooks", "event")), counts_of(house, "hooks")["POST"]
    opened = sum(map(len, tickets.values()))
    say(
        f"\ncases mirrored {len(cases)}, tickets at the partner {opened}, duplicates {doubled}, not in step 0; "
        f"killed {house.kills} times, answers lost {LOST}, events lost {counts.get('event lost', 0)} beside those the hub left out; "
        f"changes {changes}, writes to tickets {writes}, {writes / changes:.2f} per change (at most 1, and 1 per kill and lost answer), "
        f"reads {counts['GET']}; facts {facts}, told to the webhook {hooks} in {told} messages"
    )
    assert (len(tickets), doubled) == (CASES, 0)
    assert writes <= changes + house.kills + LOST
    assert sorted(Counter(theirs(house)).values()) == [1] * (CASES // 4)
    assert hooks <= facts
    assert told <= hooks + house.kills
    checked = Child("partners-check", [sys.executable, "-m", "vorab", "partners", "check", "--config", str(house.config)], env=CLEAN)
    checked.start()
    wait_until(lambda: checked.exit_code is not None, "the end of vorab partners check")
    assert checked.exit_code == EXIT_OK, checked.tail()


def counts_of(house: House, who: str) -> dict[str, int]:
    """How many requests of each kind a partner had."""
    return {name: int(row["n"]) for name, row in house.kept(who, "count").items()}


def notes(house: House) -> list[str]:
    """Notes of agents here that stand at the partner, each once."""
    found = [note["text"] for each in house.tickets_of().values() for note in each[0]["note"] if note.get("author") == "vorab"]
    said = [text for text in found if "noted here" in text]
    assert len(said) == len(set(said)), "a note stands twice"
    return said


def theirs(house: House) -> list[tuple[str, str]]:
    """Notes of the partner as they stand on cases here."""
    return [
        (case, record["body"]["detail"])
        for case in house.cases()
        for record in house.ask(f"/api/cases/{case}")["records"]
        if record["type"] == "io.vorab.case.noted.v1" and "on my way" in record["body"].get("detail", "")
    ]
