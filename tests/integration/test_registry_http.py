"""A desk that runs, with tokens: the registry by REST, a device nobody registered, and contacts by token and by signature."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from desk.hooks import sign
from desk.tokens import hashed, make
from tests.parts.base import PATIENCE_S, wait_until
from tests.unit.desk.house import PARTITIONS, House, doubted
from vorab import topics
from vorab.clock import MINUTE, SECOND, SystemClock, iso
from vorab.errors import EXIT_OK
from vorab.log import open_log
from vorab.records import Command, Customer, from_wire

TOKENS = {"office": make(), "telephone-mail": make()}
SECRET = "a secret of a telephone system"
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("VORAB_")}


class Answer:
    """An answer of the desk."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.text = status, body.decode()
        self.body: Any = json.loads(body) if body[:1] in {b"{", b"["} else None


class Desk:
    """`vorab desk`, running, and what is asked of it."""

    def __init__(self, folder: Path) -> None:
        self.port = json.loads((folder / "desk.json").read_text(encoding="utf-8"))["port"]

    def ask(self, method: str, path: str, body: Any = None, *, token: str = "", **headers: str) -> Answer:
        """One request over HTTP."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {}), **headers}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own server
                return Answer(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read())

    def hears(self) -> bool:
        """Whether it answers, and has folded what the log had."""
        try:
            return bool(self.ask("GET", "/api/devices?unassigned=true").body)
        except OSError:
            return False


@contextmanager
def running(folder: Path, log: Path) -> Iterator[Desk]:
    """`vorab desk` with the settings of the folder; what it says goes to a file."""
    (folder / "desk.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "vorab", "desk", "--config", str(folder / "vorab.toml"), "--state-dir", str(folder), "--port", "0"]
    with log.open("ab") as said:
        process = subprocess.Popen(command, cwd=folder, env=CLEAN, stdout=said, stderr=said)
    try:
        wait_until(lambda: (folder / "desk.json").exists() or process.poll() is not None, "the desk says where it is")
        assert process.poll() is None, log.read_text(encoding="utf-8")
        desk = Desk(folder)
        wait_until(desk.hears, "the desk has heard a device")
        yield desk
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == EXIT_OK
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE_S)


def furnished(folder: Path) -> str:
    """A log with a case of a customer and a device that nobody registered, and settings with tokens; the case."""
    house = House(folder)
    story = doubted("hp-1", onset=SystemClock().now() - 60 * MINUTE)
    house.write(story.records)
    house.readings("main/stranger", {story.onset: 1.5})
    house.close()
    scopes = {"office": '["read", "write"]', "telephone-mail": '["contacts"]'}
    entries = [f'[[desk.tokens]]\nname = "{name}"\nscopes = {scopes[name]}\nhash = "{hashed(token)}"\n' for name, token in TOKENS.items()]
    text = f'[topics]\npartitions = {PARTITIONS}\n[desk]\ncall_secret = "{SECRET}"\n' + "".join(entries)
    (folder / "vorab.toml").write_text(text, encoding="utf-8")
    return story.case


def test_the_registry_of_a_running_desk(tmp_path: Path) -> None:
    """Written with a token, seen by the command line, marks and contacts once each, also over a new start; no secret is said."""
    case = furnished(tmp_path)
    said, office, mail = tmp_path / "said.txt", TOKENS["office"], TOKENS["telephone-mail"]
    with running(tmp_path, said) as desk:
        assert [row["device"] for row in desk.ask("GET", "/api/devices?unassigned=true").body] == ["stranger"]
        listed = subprocess.run(
            [sys.executable, "-m", "vorab", "devices", "list", "--unassigned", "--json", "--state-dir", str(tmp_path)],
            cwd=tmp_path, env=CLEAN, capture_output=True, text=True, timeout=PATIENCE_S, check=True,
        )  # fmt: skip
        assert [row["device"] for row in json.loads(listed.stdout)] == ["stranger"]
        for path, body in (
            ("/api/sites/hof", {"time_zone": "Europe/Berlin"}),
            ("/api/contracts/v-1", {"customer": "c-1", "repair_h": 8}),
            ("/api/customers/c-1", {"language": "de"}),
            ("/api/devices/hp-1", {"customer": "c-1", "site": "hof", "contract": "v-1"}),
        ):
            assert desk.ask("PUT", path, body).status == 403
            assert desk.ask("PUT", path, body, token=mail).status == 403
            assert desk.ask("PUT", path, body, token=office).status == 201
            assert desk.ask("GET", path, token=office).body.items() >= body.items()
        assert desk.ask("GET", f"/api/cases/{case}", token=office).body["sla"]["contract"] == "v-1"
        mark = {"token": office, "Idempotency-Key": "return-1"}
        marks = [desk.ask("POST", "/api/customers/c-1/marks", {"returns": 1}, **mark).body["returns"] for _ in range(2)]
        assert marks == [1, 1]
        contact = {"customer": "c-1", "channel": "mail", "detail": "Frau Muster is cold"}
        told = desk.ask("POST", "/api/contacts", contact, token=mail, **{"Idempotency-Key": "mail-1"})
        assert (told.status, told.body["contacts"][0]["case"]) == (202, case)
        assert desk.ask("GET", "/api/cases", token="vorab_guessed").status == 401
    with running(tmp_path, said) as desk:
        assert desk.ask("POST", "/api/customers/c-1/marks", {"returns": 1}, **mark).body["returns"] == 1
        assert desk.ask("POST", "/api/contacts", contact, token=mail, **{"Idempotency-Key": "mail-1"}).status == 202
        now = SystemClock().now()
        raw, at = json.dumps({"customer": "c-1", "at": iso(now)}).encode(), now // SECOND
        signed = {"webhook-id": "call-1", "webhook-timestamp": str(at), "webhook-signature": sign(SECRET, "call-1", at, raw)}
        assert [desk.ask("POST", "/api/hooks/call", raw, **signed).status for _ in range(2)] == [202, 202]
        assert desk.ask("POST", "/api/hooks/call", raw + b" ", **signed).status == 401
    spoken = said.read_text(encoding="utf-8")
    assert not [secret for secret in (*TOKENS.values(), SECRET, "vorab_guessed", "Frau Muster") if secret in spoken]
    with open_log(f"sqlite:///{tmp_path / 'log.db'}", read_only=True) as log:
        places = {(topic, partition): 0 for topic in (topics.COMMANDS, topics.CUSTOMERS) for partition in range(PARTITIONS)}
        found = [from_wire(entry.value, entry.headers) for entry in log.read(places)]
    commands = {record.id: record for record in found if isinstance(record, Command)}
    assert sorted((each.case, each.by, each.detail) for each in commands.values()) == [
        (case, "telephone", "the customer got in touch: call"), (case, "telephone-mail", "the customer got in touch: mail"),
    ]  # fmt: skip
    assert [record.returns for record in found if isinstance(record, Customer)] == [0, 1]
    assert "Frau Muster" not in "".join(record.model_dump_json() for record in found)
