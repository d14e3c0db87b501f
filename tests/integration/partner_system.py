"""A small TMF621 ticket system and a receiver of signed webhooks, each a process of its own, written from the specifications alone.

    python partner_system.py tickets FOLDER PORT CALLBACK_TOKEN OUR_TOKEN
    python partner_system.py hooks FOLDER PORT SECRET_FILE

Both keep everything on the disk, so that they can be killed, and lose answers where the file `lose` says how many.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import queue
import sqlite3
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

BASE = "/tmf-api/troubleTicket/v4"


class Disk:
    """Tables that outlive the process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.lock = folder, threading.RLock()
        self.db = sqlite3.connect(folder / "partner.db", check_same_thread=False, isolation_level=None)
        self.db.execute(
            "CREATE TABLE IF NOT EXISTS rows (kind TEXT, id TEXT, body TEXT, n INTEGER PRIMARY KEY AUTOINCREMENT, UNIQUE (kind, id))"
        )

    def put(self, kind: str, name: str, body: dict[str, Any]) -> None:
        """Keep it."""
        with self.lock:
            self.db.execute(
                "INSERT INTO rows (kind, id, body) VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                (kind, name, json.dumps(body)),
            )

    def all(self, kind: str) -> dict[str, dict[str, Any]]:
        """All of a kind, in the order in which they came."""
        with self.lock:
            return {row[0]: json.loads(row[1]) for row in self.db.execute("SELECT id, body FROM rows WHERE kind = ? ORDER BY n", (kind,))}

    def count(self, kind: str) -> None:
        """One more."""
        with self.lock:
            self.put("count", kind, {"n": self.counted(kind) + 1})

    def counted(self, kind: str) -> int:
        """How many."""
        return int(self.all("count").get(kind, {"n": 0})["n"])

    def loses(self) -> bool:
        """Whether this answer is lost."""
        file = self.folder / "lose"
        with self.lock:
            left = int(file.read_text() or 0) if file.exists() else 0
            if left > 0:
                file.write_text(str(left - 1))
            return left > 0


class Handler(BaseHTTPRequestHandler):
    """What both have in common."""

    disk: Disk
    protocol_version = "HTTP/1.1"

    def answer(self, status: int, body: Any = None) -> None:
        """Answer, or lose the answer: done it is, either way."""
        if self.command in {"POST", "PATCH"} and "/admin/" not in self.path and self.disk.loses():
            self.close_connection = True
            return
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self) -> bytes:
        """What was sent."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


class Tickets(Handler):
    """TMF621 v4: tickets with numbers of their own, notes with ids of their own, a hub, and an event for each change."""

    token = ""
    outbox: queue.Queue[dict[str, Any]] = queue.Queue()

    def do_GET(self) -> None:
        """List, filter and read."""
        self.disk.count("GET")
        url = urlsplit(self.path)
        if not self.known():
            return
        tickets = self.disk.all("ticket")
        if url.path == f"{BASE}/troubleTicket":
            wanted = {name: values[0] for name, values in parse_qs(url.query).items() if name not in {"limit", "offset", "fields"}}
            self.answer(200, [row for row in tickets.values() if all(str(row.get(name)) == value for name, value in wanted.items())])
        elif (name := url.path.rpartition("/")[2]) in tickets:
            self.answer(200, tickets[name])
        else:
            self.answer(404, {"code": "60", "reason": "not found"})

    def do_POST(self) -> None:
        """Open a ticket, register a listener, or (for the test) let somebody here change one."""
        body = json.loads(self.body() or b"{}")
        if self.path.startswith("/admin/"):
            name = self.path.rpartition("/")[2]
            self.answer(200, self.change(name, body, "Ada"))
            return
        self.disk.count("POST")
        if not self.known():
            return
        if self.path == f"{BASE}/hub":
            self.disk.put("hub", body["callback"], body)
            self.answer(201, {"id": "hub-1", **body})
            return
        if missing := {"description", "severity", "ticketType"} - set(body):
            self.answer(400, {"code": "23", "reason": f"missing {sorted(missing)}"})
            return
        with self.disk.lock:
            name = f"INC-{100 + len(self.disk.all('ticket'))}"
            ticket = {**body, "id": name, "creationDate": time.time_ns(), "note": [self.note(row) for row in body.get("note", [])]}
            self.disk.put("ticket", name, ticket)
        self.tell("TroubleTicketCreateEvent", ticket)
        self.answer(201, ticket)

    def do_PATCH(self) -> None:
        """Change a ticket, as a merge patch."""
        self.disk.count("PATCH")
        body = json.loads(self.body())
        if self.known():
            self.answer(200, self.change(self.path.rpartition("/")[2], body, ""))

    def change(self, name: str, body: dict[str, Any], author: str) -> dict[str, Any]:
        """Merge, and tell everybody who listens."""
        with self.disk.lock:
            ticket = self.disk.all("ticket")[name]
            notes = [self.note({**row, "author": author or row.get("author", "")}) for row in body.get("note", [])]
            merged = {**ticket, **body}
            merged["note"] = [*ticket["note"], *notes] if author else notes if "note" in body else ticket["note"]
            self.disk.put("ticket", name, merged)
        same = merged["status"] == ticket["status"]
        self.tell("TroubleTicketAttributeValueChangeEvent" if same else "TroubleTicketStatusChangeEvent", merged)
        return merged

    @staticmethod
    def note(row: dict[str, Any]) -> dict[str, Any]:
        """A note with an id of ours."""
        text = f"{row.get('author')}{row.get('date')}{row.get('text')}"
        return {**row, "id": "n" + hashlib.sha256(text.encode()).hexdigest()[:8]}

    def known(self) -> bool:
        """Whether we know who asks."""
        good = self.headers.get("Authorization") == f"Bearer {self.token}"
        if not good:
            self.answer(401, {"code": "40", "reason": "who are you?"})
        return good

    def tell(self, kind: str, ticket: dict[str, Any]) -> None:
        """To every listener of the hub."""
        self.outbox.put({"eventId": f"{kind}-{time.time_ns()}", "eventType": kind, "event": {"troubleTicket": ticket}})


def teller(disk: Disk, outbox: queue.Queue[dict[str, Any]], token: str) -> None:
    """Sends events once, or twice, or not at all: a hub promises nothing."""
    n = 0
    while True:
        event = outbox.get()
        n += 1
        for callback in disk.all("hub"):
            url = f"{callback}/listener/{event['eventType'][0].lower()}{event['eventType'][1:]}"
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
            for _ in range(0 if n % 7 == 0 else 2 if n % 3 == 0 else 1):
                disk.count("event")
                try:
                    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(event).encode(), headers), timeout=5):  # noqa: S310 - loopback
                        pass
                except OSError:
                    disk.count("event lost")


class Hooks(Handler):
    """Takes signed events: checks the signature by hand, keeps each id once."""

    secret_file = Path()

    def do_POST(self) -> None:
        """One event."""
        body, found = self.body(), self.headers
        self.disk.count("POST")
        signed = f"{found['webhook-id']}.{found['webhook-timestamp']}.".encode() + body
        keys = [base64.b64decode(line.removeprefix("whsec_")) for line in self.secret_file.read_text().split()]
        good = {"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys}
        if not good & set(found["webhook-signature"].split()) or abs(time.time() - int(found["webhook-timestamp"])) > 300:
            self.answer(401)
            return
        event = json.loads(body)
        with self.disk.lock:
            if found["webhook-id"] in self.disk.all("event"):
                self.disk.count("repeated")
            else:
                self.disk.put("event", found["webhook-id"], event)
        self.answer(204)


def main() -> None:
    """Serve until killed."""
    what, folder, port, *rest = sys.argv[1:]
    disk = Disk(Path(folder))
    handler: type[Handler]
    if what == "tickets":
        handler = type("Bound", (Tickets,), {"disk": disk, "token": rest[1]})
        threading.Thread(target=teller, args=(disk, Tickets.outbox, rest[0]), daemon=True).start()
    else:
        handler = type("Bound", (Hooks,), {"disk": disk, "secret_file": Path(rest[0])})
    ThreadingHTTPServer(("127.0.0.1", int(port)), handler).serve_forever()


if __name__ == "__main__":
    main()
