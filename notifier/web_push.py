"""Web Push: notifications by the customer's own browser, encrypted for it alone (RFC 8291) and signed by us (RFC 8292).

The push service is one the operator allows, whatever a browser says. It reads neither text nor customer; what it says of a subscription
that is gone is handed on, so that the notifier forgets it and takes the next channel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from webpush import WebPush, WebPushException, WebPushSubscription

from notifier.channels import Message, Outcome, Result
from notifier.mail import one_line
from notifier.vapid import Keys
from notifier.web_push_words import payload, topic_of, ttl_s, urgency_of
from notifier.webhook import Call
from vorab.codes import Codes
from vorab.outbound.addresses import allowed_host
from vorab.outbound.call import CallFailed, Trouble
from vorab.people import Person
from vorab.records import Channel
from vorab.subscriptions import Subscription

TOKEN_S: Final = 12 * 3_600
"""A signature is good for so long; RFC 8292 allows 24 hours, and clocks differ."""
NOT_NOW: Final = frozenset({408, 425, 429, 503})
"""Statuses after which the message was certainly not taken."""

OUTCOMES: Final[Mapping[Trouble, Outcome]] = {
    Trouble.UNREACHABLE: Outcome.LATER,
    Trouble.BUSY: Outcome.UNKNOWN,  # a 500 or 502 may come after it was taken; `NOT_NOW` is told apart before
    Trouble.UNKNOWN: Outcome.UNKNOWN,
    Trouble.UNREADABLE: Outcome.UNKNOWN,
    Trouble.REFUSED: Outcome.FAILED,  # 400, and 413: too long
    Trouble.GONE: Outcome.LATER,  # there is no such browser any more: by the next channel, at once
    # The operator's to mend, so the message waits.
    Trouble.CREDENTIALS: Outcome.LATER,
    Trouble.REDIRECT: Outcome.LATER,
    Trouble.ADDRESS: Outcome.LATER,
    Trouble.CONFIG: Outcome.LATER,
}
_BEST: Final = (Outcome.SENT, Outcome.UNKNOWN, Outcome.LATER, Outcome.FAILED)
"""Of several devices: one that has it is enough, and while one may have it nothing is repeated."""


class WebPushChannel:
    """Shows a message on every device its customer asked to be told on."""

    channel = Channel.WEB_PUSH
    idempotent = False  # the same again is one notification, but one that was dismissed would be back

    def __init__(self, keys: Keys, contact: str, call: Call, hosts: Sequence[str], codes: Codes | None = None, sender: str = "") -> None:
        self._keys, self._contact, self._call, self._hosts = keys, contact, call, tuple(hosts)
        self._codes, self._sender = codes or Codes(), sender

    def __repr__(self) -> str:
        """Without keys."""
        return "WebPushChannel()"

    def reaches(self, person: Person | None) -> bool:
        """Whoever has a device at a push service that may be called."""
        return bool(self._devices(person))

    def forget(self, notification: str) -> None:
        """Nothing: what was sent is out of the house."""

    def send(self, message: Message) -> Result:
        """One call for each device."""
        body = payload(message, self._codes.of(message.case), self._sender)
        found = [self._to(device, message, body) for device in self._devices(message.to)]
        if not found:
            return Result(Outcome.LATER, "no device to tell it on any more")
        best = min(found, key=lambda result: _BEST.index(result.outcome))
        gone = tuple(endpoint for result in found for endpoint in result.gone)
        only_gone = len(gone) == len(found)
        return Result(best.outcome, best.detail, 0.0 if only_gone else max(result.after_s for result in found), gone)

    def _devices(self, person: Person | None) -> list[Subscription]:
        return [device for device in (person.devices if person else ()) if allowed_host(device.host, self._hosts)]

    def _to(self, device: Subscription, message: Message, body: bytes) -> Result:
        to = {"endpoint": device.endpoint, "keys": {"auth": device.auth, "p256dh": device.p256dh}}
        try:
            # The library keeps what one message was given for the next: so each has an object of its own.
            library = WebPush(self._keys.private, self._keys.public, self._contact, ttl_s(message), TOKEN_S)
            made = library.get(body, WebPushSubscription.model_validate(to))
        except (ValueError, WebPushException):
            return Result(Outcome.LATER, "a device with keys that are none", 0.0, (device.endpoint,))
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Encoding": made.headers["content-encoding"],
            "Authorization": made.headers["authorization"],
            "TTL": made.headers["ttl"],
            "Urgency": urgency_of(message),
            "Topic": topic_of(message.case),
        }
        try:
            answer = self._call("POST", device.endpoint, headers, made.encrypted)
        except CallFailed as failed:
            outcome = Outcome.LATER if failed.status in NOT_NOW else OUTCOMES[failed.trouble]
            gone = (device.endpoint,) if failed.trouble is Trouble.GONE else ()
            return Result(outcome, one_line(f"push service {failed.trouble}: {failed.detail}", 120), failed.retry_after_s, gone)
        return Result(Outcome.SENT, f"push service answered {answer.status}")
