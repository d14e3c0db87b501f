"""A desk with two partners, a wire instead of sockets, and rounds that are made by hand."""

from __future__ import annotations

import base64
import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from desk.app import create_app
from desk.context import Context
from desk.partner.relay import Relay
from desk.partner.service import Partners
from desk.projector import Projector
from desk.writing import appending
from tests.unit.desk.house import House, doubted
from vorab import topics
from vorab.outbound import signatures
from vorab.outbound.call import Answer, CallFailed, Trouble
from vorab.records import Command
from vorab.settings import Settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()
TOKEN = "a-token-that-is-long-enough"


CASE = doubted().case


@dataclass
class Wire:
    """Answers as it is told, without a socket."""

    calls: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)

    def __call__(self, method: str, url: str, headers: Any, body: bytes | None = None) -> Answer:
        """Whatever the test says; by itself, success and nothing."""
        self.calls.append((method, url, dict(headers), json.loads(body) if body else None))
        answer = self.answers.get(method)
        if isinstance(answer, Trouble):
            raise CallFailed(answer, "as the test wants it")
        return Answer(200, json.dumps(answer(url, body) if callable(answer) else answer).encode())


class Office:
    """A desk with two partners; rounds are made by hand."""

    def __init__(self, house: House, folder: Path, **more: Any) -> None:
        for name, text in (("secret", SECRET), ("token", TOKEN)):
            (folder / name).write_text(text, encoding="utf-8")
        host = {"partner_hosts": ["itsm.example.org", "hooks.example.org"]}
        itsm = {"name": "itsm", "kind": "tmf621", "base_url": "https://itsm.example.org/api", "secret_file": str(folder / "token"), **more}
        hooks = {
            "name": "hooks",
            "kind": "webhook",
            "base_url": "https://hooks.example.org/in",
            "secret_file": str(folder / "secret"),
            **more,
        }
        base = house.settings.model_dump() | {"link_secret": house.settings.link_secret}
        self.settings = Settings.model_validate({**base, "partners": [itsm, hooks], "desk": {**base["desk"], **host}})
        self.house = house
        self.partners = Partners(house.store, self.settings, house.clock, appending(house.log, self.settings))
        self.projector = Projector(house.log, house.store, house.clock, partners=self.partners)
        context = Context(house.log, house.queries, self.projector, self.settings, house.clock, self.partners)
        self.client = TestClient(create_app(context), base_url="http://127.0.0.1", follow_redirects=False)
        self.wires = {name: Wire() for name in ("itsm", "hooks")}
        self.relays = {
            name: Relay(
                self.partners.settings[name], self.partners.outbox, wire, appending(house.log, self.settings), house.clock, lambda: True
            )
            for name, wire in self.wires.items()
        }
        self.projector.load()

    def catch_up(self) -> None:
        """Fold everything the log has."""
        while self.projector.step():
            pass

    def sign(self, message: str, data: Any, **changes: Any) -> tuple[dict[str, str], bytes]:
        """A wish, signed."""
        envelope = {"specversion": "1.0", "id": message, "source": "urn:hooks", "type": "io.vorab.wish.v1", "data": data, **changes}
        body = json.dumps(envelope).encode()
        return signatures.headers([SECRET], message, self.house.clock.now(), body), body

    def wish(self, message: str, data: Any, **changes: Any) -> tuple[int, str]:
        """Send one; status and result or reason."""
        headers, body = self.sign(message, data, **changes)
        answer = self.client.post("/partners/hooks", content=body, headers=headers)
        return answer.status_code, answer.json().get("result") or answer.json()["reason"]

    def commands(self) -> list[Command]:
        """What stands on the log."""
        return [record for record in self.house.told(topics.COMMANDS) if isinstance(record, Command)]


def event(name: str, ticket: dict[str, Any]) -> dict[str, Any]:
    """What a hub says."""
    return {"eventId": name, "eventType": "TroubleTicketStatusChangeEvent", "event": {"troubleTicket": ticket}}
