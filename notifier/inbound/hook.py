"""Replies by signed webhook, from SMS gateways and other systems of the operator's: Standard Webhooks, on this machine only.

    POST /replies   {"id": "…", "from": "+4915112345678", "text": "…", "in_reply_to": "notification id", "customer": "main/c-1"}

`in_reply_to` and `customer` may be missing; `customer` is who the operator's own system says it is.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from notifier.inbound.replies import Replies
from notifier.inbound.said import WEBHOOK, Said, said
from vorab.clock import Micros, SystemClock
from vorab.errors import Reason, Rejected
from vorab.outbound.signatures import SignatureRefused, verify
from vorab.topics import ID, key_of

PATH: Final = "/replies"
MAX_BODY: Final = 64 * 1024


class Posted(BaseModel):
    """What is posted."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str = Field(min_length=1, max_length=200)
    sender: str = Field(min_length=1, max_length=200, alias="from")
    text: str = Field(max_length=20_000)
    in_reply_to: str = Field("", max_length=200)
    customer: str = Field("", max_length=255)
    automatic: bool = False


def read(body: bytes, at: Micros) -> Said:
    """A posted reply that came at a moment (µs).

    Raises:
        Rejected: it is none.
    """
    try:
        posted = Posted.model_validate_json(body)
    except ValidationError as error:
        first: Any = error.errors(include_url=False, include_context=False, include_input=False)[0]
        reason = Reason.BAD_JSON if first["type"] == "json_invalid" else Reason.BAD_SHAPE
        raise Rejected(reason, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    tenant, _, name = posted.customer.partition("/")
    if posted.customer and not (ID.fullmatch(tenant) and ID.fullmatch(name)):
        raise Rejected(Reason.BAD_NAME, "customer is TENANT/CUSTOMER")
    refers = (posted.in_reply_to,) if posted.in_reply_to else ()
    why = "said so" if posted.automatic else ""
    vouched = key_of(tenant, name) if posted.customer else ""
    return said(WEBHOOK, posted.id, posted.sender, posted.text, at, refers=refers, automatic=why, vouched=vouched, thread=posted.id)


def taken(
    replies: Replies, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: Micros, wall: Micros
) -> tuple[int, dict[str, str]]:
    """What is answered to a request: its status and body. Nothing of it is read before its signature is right."""
    try:
        verify(secrets, headers, wall, body)
    except SignatureRefused:
        return 401, {"error": "not signed with a secret of ours, or not of now"}
    try:
        new = replies.receive(read(body, now))
    except Rejected as error:
        replies.refuse(WEBHOOK, headers.get("webhook-id", ""), error, len(body), now)
        return 422, {"error": error.detail}
    return 202, {"taken": "now" if new else "before"}


class HookDoor:
    """Listens while it is started."""

    def __init__(
        self,
        replies: Replies,
        now: Callable[[], Micros],
        secrets: Sequence[str],
        host: str,
        port: int,
        wall: Callable[[], Micros] | None = None,
    ) -> None:
        ask = wall or SystemClock().now

        def answer(headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str]]:
            return taken(replies, secrets, headers, body, now(), ask())

        handler = type("Handler", (_Handler,), {"answer": staticmethod(answer)})
        self._server = ThreadingHTTPServer((host, port), handler)
        self._server.daemon_threads = True
        self.url = f"http://{host}:{self._server.server_address[1]}{PATH}"

    def start(self) -> None:
        """Listen."""
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="replies", daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    answer: Callable[[Mapping[str, str], bytes], tuple[int, dict[str, str]]]
    timeout = 30

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length") or ""
        if self.path != PATH:
            self._say(404, {"error": f"replies are posted to {PATH}"})
        elif not length.isdecimal():
            self._say(411, {"error": "without Content-Length"})
        elif int(length) > MAX_BODY:
            self._say(413, {"error": f"more than {MAX_BODY} bytes"})
        else:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._say(*type(self).answer(headers, self.rfile.read(int(length))))

    def _say(self, status: int, body: dict[str, str]) -> None:
        data = json.dumps(body).encode()
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: a request line may name a customer."""
