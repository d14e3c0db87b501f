"""The notifier's loopback HTTP: the way for other processes to write people and the registry while the notifier runs.

It listens on 127.0.0.1 only and wants the token that stands in the announcement, a file only its owner can read.

    GET /people[?customer=KEY]   PUT /people   DELETE /people?customer=KEY   PUT /subscriptions   PUT /records
    POST /sealed   POST /opened   GET, DELETE /habits?customer=KEY

What seals a customer's words never leaves: others send words to be sealed, and sealed words to be opened.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import threading
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from vorab.errors import Unavailable
from vorab.people import HABITS, OPENED, PATH, RECORDS, SEALED, SUBSCRIPTIONS, People, person_of
from vorab.registry.writing import WRITTEN, Gone
from vorab.subscriptions import subscription_of

MAX_BODY: Final = 16 * 1024 * 1024

Registry = Callable[[Sequence[Any], Sequence[Gone]], None]
"""Writes registry entries, and takes others (topic and key) out, on the log; returns when the log has them."""


class PeopleServer:
    """Serves while it is open, and announces where."""

    def __init__(self, people: People, registry: Registry, announcement: Path, push_key: str = "") -> None:
        """`push_key` is the public key browsers subscribe with, where messages go to browsers."""
        self._push_key = push_key
        self._token = secrets.token_urlsafe(32)
        self._file = announcement
        handler = type("Handler", (_Handler,), {"people": people, "registry": staticmethod(registry), "token": self._token})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Listen, then say so."""
        threading.Thread(target=self._server.serve_forever, name="people", daemon=True).start()
        said = {"pid": os.getpid(), "people_url": self.url, "people_token": self._token, "push_key": self._push_key}
        _write_private(self._file, json.dumps(said))

    def stop(self) -> None:
        """Take the announcement back and stop listening."""
        self._file.unlink(missing_ok=True)
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    people: People
    registry: Registry
    token: str
    timeout = 30

    def do_GET(self) -> None:
        self._serve(self._get)

    def do_PUT(self) -> None:
        self._serve(self._put)

    def do_POST(self) -> None:
        self._serve(self._post)

    def do_DELETE(self) -> None:
        self._serve(self._delete)

    def _serve(self, do: Callable[[str, str], tuple[int, Any]]) -> None:
        given = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            self._answer(401, {"error": "wrong or no token"})
            return
        path, _, query = self.path.partition("?")
        customer = urllib.parse.parse_qs(query).get("customer", [""])[0]
        try:
            self._answer(*do(path, customer))
        except (ValidationError, ValueError, TypeError, KeyError) as error:
            self._answer(400, {"error": type(error).__name__})
        except Unavailable as error:
            self._answer(503, {"error": str(error)})

    def _get(self, path: str, customer: str) -> tuple[int, Any]:
        if path == HABITS and customer:
            return 200, self.people.habits(customer)
        if path != PATH:
            return 404, None
        if not customer:
            return 200, [asdict(person) for person in self.people.all()]
        person = self.people.get(customer)
        return (200, asdict(person)) if person else (404, None)

    def _put(self, path: str, _customer: str) -> tuple[int, Any]:
        if path == PATH:
            found = [person_of(values) for values in self._body()]
            if not all(person.customer for person in found):
                raise ValueError("a person without customer")
            self.people.put(found)
            return 200, {"people": len(found)}
        if path == SUBSCRIPTIONS:
            body = self._body()
            customer = str(body["customer"])
            if "gone" in body:
                return 200, {"gone": self.people.unsubscribe(customer, str(body["gone"]))}
            self.people.subscribe(customer, subscription_of(body["device"]))
            return 200, {"subscribed": True}
        if path == RECORDS:
            body = self._body()
            entries = [record.model_validate(values) for topic, record in WRITTEN.items() for values in body.get(topic, ())]
            type(self).registry(entries, [(str(topic), str(key)) for topic, key in body.get("gone", ())])
            return 200, {"records": len(entries)}
        return 404, None

    def _post(self, path: str, _customer: str) -> tuple[int, Any]:
        do = {SEALED: self.people.seal, OPENED: self.people.opened}.get(path)
        if do is None:
            return 404, None
        body = self._body()
        customer, texts = body["customer"], body["texts"]
        if not customer or not all(isinstance(text, str) for text in (customer, *texts)):
            raise ValueError("customer and texts are text")
        return 200, {"texts": list(do(customer, texts))}

    def _delete(self, path: str, customer: str) -> tuple[int, Any]:
        if path == HABITS and customer:
            return 200, {"reset": self.people.reset_habits(customer)}
        if path != PATH or not customer:
            return 404, None
        return (200, {"erased": customer}) if self.people.erase(customer) else (404, None)

    def _body(self) -> Any:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= MAX_BODY:
            raise ValueError("no body, or too much of it")
        return json.loads(self.rfile.read(length))

    def _answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: a request line may name a customer."""


def _write_private(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    temporary.replace(file)
