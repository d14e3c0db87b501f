"""Everything that runs in the tests of hand-over: `vorab up`, a ticket system and a receiver of webhooks, and people at each of them."""

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
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.parts.base import Child, free_port, wait_until
from vorab import provision
from vorab.clock import MINUTE, SystemClock
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

    def __init__(self, folder: Path, broker_port: int) -> None:
        self.folder, self.state = folder, folder / "state"
        self.desk, self.ticket_port, self.hook_port = free_port(), free_port(), free_port()
        self.ours, self.theirs = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self.secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        for name, text in (("ours", self.ours), ("theirs", self.theirs), ("secret", self.secret)):
            (folder / name).write_text(text, encoding="utf-8")
            (folder / name).chmod(0o600)
        self.config = folder / "vorab.toml"
        self.config.write_text(self._settings(broker_port), encoding="utf-8")
        self.up = Child(
            f"partners-up-{self.desk}", [sys.executable, "-m", "vorab", "up", "--config", str(self.config), "--child"], env=CLEAN
        )
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
            records.append(
                Symptom(
                    id=f"symptom-{n}", device=name, state=SymptomState.RAISED, severity=Severity.MAJOR, unit="bar", onset=at,
                    detected_at=at,
                    value=0.6, limit=1.0, explanation="pressure is 0.6 bar", rule="pressure-low",
                    rule_version="1", detector="threshold", cause="low_pressure", signal="pressure",
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
