"""The webhook: a message as signed JSON to a system of the operator's, which knows how to reach the customer.

A CloudEvent in structured JSON under the headers of Standard Webhooks, with an `Idempotency-Key`: the notification's id, the same however
often it is sent. The body names the customer by key and holds no address; a name only where the text greets by it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from notifier.channels import Message, Outcome, Result
from notifier.glance import glance
from notifier.mail import one_line
from vorab.clock import Micros, SystemClock, iso
from vorab.codes import Codes
from vorab.outbound import signatures
from vorab.outbound.call import Answer, CallFailed, Trouble
from vorab.people import Person
from vorab.records import Channel

SOURCE: Final = "urn:vorab:notifier"
TYPE: Final = "io.vorab.message.v1"
MEDIA: Final = "application/cloudevents+json"
CONFLICT: Final = 409
"""The same key is being worked on (draft-ietf-httpapi-idempotency-key-header): ask again later."""
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._:-]")

OUTCOMES: Final[Mapping[Trouble, Outcome]] = {
    Trouble.UNREACHABLE: Outcome.LATER,
    Trouble.BUSY: Outcome.LATER,  # it may have been taken; by its key the next time makes no second message
    Trouble.UNKNOWN: Outcome.UNKNOWN,
    Trouble.UNREADABLE: Outcome.UNKNOWN,
    Trouble.REFUSED: Outcome.FAILED,
    # The operator's to mend, so the message waits.
    Trouble.CREDENTIALS: Outcome.LATER,
    Trouble.REDIRECT: Outcome.LATER,
    Trouble.GONE: Outcome.LATER,
    Trouble.ADDRESS: Outcome.LATER,
    Trouble.CONFIG: Outcome.LATER,
}


class Call(Protocol):
    """One HTTP call (`vorab.outbound.call.Caller`)."""

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None, /) -> Answer:
        """Call; raises CallFailed."""


def event(message: Message, code: str) -> bytes:
    """The body: what is said, to which customer key, about which case."""
    found = {
        "specversion": "1.0",
        "id": message.notification,
        "source": SOURCE,
        "type": TYPE,
        "subject": message.case,
        "time": iso(message.at),
        "datacontenttype": "application/json",
        "data": {
            "notification": message.notification,
            "case": message.case,
            "customer": message.to.customer,
            "first": message.first,
            "language": message.language,
            "subject": one_line(message.subject),
            "glance": glance(message.subject, code, message.language),
            "text": message.text,
            "code": code,
            "link": message.link,
            **({"answers": message.answers} if message.answers else {}),
        },
    }
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


class WebhookChannel:
    """Posts every message to one address of the operator's."""

    channel = Channel.WEBHOOK
    idempotent = True

    def __init__(
        self, url: str, secrets: Sequence[str], call: Call, codes: Codes | None = None, wall: Callable[[], Micros] | None = None
    ) -> None:
        self._url, self._secrets, self._call = url, secrets, call
        self._codes, self._wall = codes or Codes(), wall or SystemClock().now

    def __repr__(self) -> str:
        """Without address and secrets."""
        return "WebhookChannel()"

    def reaches(self, person: Person | None) -> bool:  # noqa: ARG002 - the port's shape
        """Everybody: whoever takes the message knows how."""
        return True

    def forget(self, notification: str) -> None:
        """Nothing: what was sent is out of the house."""

    def send(self, message: Message) -> Result:
        """One call, told by how far it came."""
        body = event(message, self._codes.of(message.case))
        # Ids come from the log: whatever they hold, they are one line of a header.
        key = _UNSAFE.sub("_", message.notification)[: signatures.MAX_ID] or "_"
        headers = {"Content-Type": MEDIA, "Idempotency-Key": key, **signatures.headers(self._secrets, key, self._wall(), body)}
        try:
            answer = self._call("POST", self._url, headers, body)
        except CallFailed as failed:
            outcome = Outcome.LATER if failed.status == CONFLICT else OUTCOMES[failed.trouble]
            return Result(outcome, one_line(f"webhook {failed.trouble}: {failed.detail}", 120))
        return Result(Outcome.SENT, f"webhook answered {answer.status}")
