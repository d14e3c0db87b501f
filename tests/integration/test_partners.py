"""Hand-over with real processes: `vorab up`, a ticket system and a receiver of webhooks, each killed on the way.

`make test ARGS="-s tests/integration/test_partners.py"` prints the figures.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import sqlite3
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.parts.base import Child, free_port, wait_until
from tests.parts.fixtures import NewMosquitto
from tests.system.figures import say
from vorab import provision
from vorab.clock import MINUTE, SystemClock
from vorab.errors import EXIT_OK
from vorab.log import Outgoing, append_all, open_log
from vorab.outbound import signatures
from vorab.records import Device, Record, Severity, Symptom, SymptomState, to_wire
from vorab.settings import load
from vorab.testing import CRASH_EXIT
from vorab.topics import partition_of

CASES: Final = 12
LOST: Final = 5
THEIRS: Final[tuple[dict[str, Any], ...]] = (
    {"status": "inProgress", "note": [{"text": "on my way"}]},
    {"status": "pending"},
    {"status": "closed", "note": [{"text": "done there"}]},
    {"priority": "Low"},
)
"""What somebody at the partner does, by turns: two changes are allowed, two come back as our state."""
SYSTEM: Final = Path(__file__).with_name("partner_system.py")
CLEAN: Final = {name: value for name, value in os.environ.items() if not name.startswith("VORAB_")}
CRASHES: Final = {0: "partner.after_ask:1", 2: "partner.after_call:2"}
"""Kills by the case whose change brings them about: between the log and our memory of it, and between the partner's and ours."""


class House:
    """Everything that runs."""

    def __init__(self, folder: Path, broker_port: int, program: str = "") -> None:
        self.folder, self.state = folder, folder / "state"
        self.desk, self.ticket_port, self.hook_port = free_port(), free_port(), free_port()
        self.ours, self.theirs = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self.secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        for name, text in (("ours", self.ours), ("theirs", self.theirs), ("secret", self.secret)):
            (folder / name).write_text(text, encoding="utf-8")
            (folder / name).chmod(0o600)
        self.config = folder / "vorab.toml"
        self.config.write_text(self._settings(broker_port), encoding="utf-8")
        start = ["-c", f"{program}\nfrom vorab.cli import main\nmain()"] if program else ["-m", "vorab"]
        self.up = Child(f"partners-up-{self.desk}", [sys.executable, *start, "up", "--config", str(self.config), "--child"], env=CLEAN)
        tickets = ["tickets", str(folder / "tickets"), str(self.ticket_port), self.theirs, self.ours]
        hooks = ["hooks", str(folder / "hooks"), str(self.hook_port), str(folder / "secret")]
        self.tickets = Child(f"tickets-{self.ticket_port}", [sys.executable, str(SYSTEM), *tickets], env=CLEAN)
        self.hooks = Child(f"hooks-{self.hook_port}", [sys.executable, str(SYSTEM), *hooks], env=CLEAN)
        self.changes = self.kills = 0

    def _settings(self, broker_port: int) -> str:
        common = "allow_private = true\ntimeout_s = 3\nretry_s = 0.2\nattempts = 100\nlook_s = 3\n"
        return (
            f'state_dir = "{self.state}"\n[mqtt]\nport = {broker_port}\n[topics]\npartitions = 3\n'
            f'[desk]\nport = {self.desk}\npartner_hosts = ["127.0.0.1"]\n'
            f'[[partners]]\nname = "itsm"\nkind = "tmf621"\nbase_url = "http://127.0.0.1:{self.ticket_port}/tmf-api/troubleTicket/v4"\n'
            f'token_file = "{self.folder}/ours"\nsecret_file = "{self.folder}/theirs"\n'
            f'callback_url = "http://127.0.0.1:{self.desk}"\n{common}'
            f'[[partners]]\nname = "hooks"\nkind = "webhook"\nbase_url = "http://127.0.0.1:{self.hook_port}/in"\n'
            f'secret_file = "{self.folder}/secret"\n{common}'
        )

    def begin(self) -> None:
        """Machines, and what was found on them; then everything starts."""
        chosen, now = load(self.config, env={}), SystemClock().now()
        self.state.mkdir()
        records: list[Record] = []
        for n in range(CASES):
            name = f"gauge-{n}"
            records.append(Device(id=f"main/{name}", device=name, model="gauge", name=f"Gauge {n}", customer="c-1", site="north"))
            at = now - MINUTE + n
            found = {"rule": "pressure-low", "rule_version": "1", "detector": "threshold", "cause": "low_pressure", "signal": "pressure"}
            records.append(
                Symptom(
                    id=f"symptom-{n}", device=name, state=SymptomState.RAISED, severity=Severity.MAJOR, unit="bar", onset=at,
                    detected_at=at,
                    value=0.6, limit=1.0, explanation="pressure is 0.6 bar", **found,
                )
            )  # fmt: skip
        with open_log(chosen.log_address) as log:
            provision.create_topics(log, chosen)
            append_all(log, (outgoing(record) for record in records))
        self.tickets.start()
        self.hooks.start()
        self.up.start()

    def ask(self, path: str, form: Mapping[str, str] | None = None) -> Any:
        """The desk's JSON, as soon as it answers; with a form, the press of a button."""

        def answered() -> list[Any]:
            assert self.up.running, self.up.tail()
            data = urllib.parse.urlencode(form).encode() if form is not None else None
            request = urllib.request.Request(f"http://127.0.0.1:{self.desk}{path}", data, {"Sec-Fetch-Site": "same-origin"})
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
                    return [json.loads(answer.read()) if form is None else True]
            except urllib.error.HTTPError as error:
                with error:
                    return []
            except OSError:
                return []

        return wait_until(answered, f"an answer to {path}")[0]

    def cases(self) -> dict[str, str]:
        """State by case."""
        return {row["case"]: row["status"] for row in self.ask("/api/cases")}

    def press(self, case: str, action: str, text: str = "") -> None:
        """An agent here does something."""
        self.changes += 1
        self.ask(f"/cases/{case}/{action}", {"nonce": f"nonce-{self.changes}-{action}", "text": text})

    def at_partner(self, ticket: str, **change: Any) -> None:
        """Somebody there does something."""
        self.changes += 1
        data = json.dumps(change).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.ticket_port}/admin/{ticket}", data)

        def done() -> bool:
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
                    return bool(answer.read())
            except OSError:  # it is just being started
                return False

        wait_until(done, "a change at the partner")

    def wish(self, message: str, **data: Any) -> tuple[int, Any]:
        """The receiver of webhooks asks for something."""
        body = json.dumps({"specversion": "1.0", "id": message, "source": "urn:hooks", "type": "io.vorab.wish.v1", "data": data}).encode()
        headers = signatures.headers([self.secret], message, SystemClock().now(), body)
        request = urllib.request.Request(f"http://127.0.0.1:{self.desk}/partners/hooks", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def kept(self, who: str, kind: str) -> dict[str, dict[str, Any]]:
        """What a partner has on its disk."""
        with sqlite3.connect(f"file:{self.folder / who / 'partner.db'}?mode=ro", uri=True, timeout=30) as db:
            rows = db.execute("SELECT id, body FROM rows WHERE kind = ? ORDER BY n", (kind,)).fetchall()
        db.close()
        return {name: json.loads(body) for name, body in rows}

    def tickets_of(self) -> dict[str, list[dict[str, Any]]]:
        """The tickets of each case."""
        found: dict[str, list[dict[str, Any]]] = {}
        for ticket in self.kept("tickets", "ticket").values():
            found.setdefault(ticket["externalId"], []).append(ticket)
        return found

    def apart(self) -> list[str]:
        """Where the three differ."""
        cases, tickets, wrong = self.cases(), self.tickets_of(), []
        heard: dict[str, tuple[int, str]] = {}
        for event in self.kept("hooks", "event").values():
            data = event["data"]
            heard[data["case"]] = max(heard.get(data["case"], (-1, "")), (data["seq"], data["status"]))
        for case, status in cases.items():
            states = [ticket["status"] for ticket in tickets.get(case, [])]
            if states != [status] or heard.get(case, (-1, ""))[1] != status:
                wrong.append(f"{case}: {status}, tickets {states}, hooks {heard.get(case)}")
        return wrong

    def crash(self, point: str) -> None:
        """The next life ends at this instant, as by kill -9."""
        kept = self.up.env
        self.up.kill()
        self.up.env = {**kept, "VORAB_CRASH": point}
        self.up.start()
        self.up.env = kept

    def back(self) -> None:
        """It has died; it lives again."""
        wait_until(lambda: self.up.exit_code == CRASH_EXIT, "the crash")
        self.kills += 1
        self.up.start()

    def end(self) -> None:
        """Everything ends."""
        for child in (self.up, self.tickets, self.hooks):
            child.stop()


def outgoing(record: Record) -> Outgoing:
    """A record on its way to the log."""
    key, value, headers = to_wire(record, "urn:test")
    return Outgoing(record.TOPIC, partition_of(record.key, 3), key, value, headers)


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
