"""What a browser is handed: the short form with the code, up to two buttons, and headers that say for how long and how urgent. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from email.utils import parseaddr
from typing import Any, Final

from notifier.channels import Message
from notifier.glance import glance
from notifier.mail import one_line
from notifier.words import FALLBACK
from vorab.clock import DAY, SECOND
from vorab.records import Urgency

PADDED: Final = 1_024
"""Bytes a payload is a multiple of: its length tells nobody on the way which of our sentences it is."""
LARGEST: Final = 3_993
"""Bytes a push service has to take (RFC 8291, section 4): 4,096 without header, tag and delimiter."""
LONGEST_S: Final = 28 * DAY // SECOND
"""Push services keep nothing for longer."""
_TOPIC: Final = 32
"""Characters of base64url a `Topic` may have (RFC 8030, section 5.4)."""

CALL: Final = "call"
PAGE: Final = "page"
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "de": {
        CALL: "Ja, rufen Sie mich an",
        PAGE: "Mehr dazu",
        "failed": "Das hat gerade nicht geklappt",
        "failed_more": "Tippen Sie hier, dann öffnet sich die Seite dazu.",
    },
    "en": {
        CALL: "Yes, call me",
        PAGE: "More about it",
        "failed": "That did not work just now",
        "failed_more": "Tap here to open the page about it.",
    },
}


def told(message: Message, code: str, sender: str) -> dict[str, Any]:
    """What the browser's worker (`sw.js`) shows, and what its buttons need."""
    words = WORDS.get(message.language, WORDS[FALLBACK])
    page = message.link.rpartition("/")[2]
    buttons = [CALL] if message.call and page else []
    buttons += [PAGE] if page else []
    return {
        "title": one_line(parseaddr(sender)[0], 40) or "vorab",
        "body": glance(message.subject, code, message.language),
        "lang": message.language,
        "tag": topic_of(message.case),
        "buttons": [{"action": button, "title": words[button]} for button in buttons],
        "page": page,
        "call": message.call,
        "failed": {"title": words["failed"], "body": words["failed_more"]},
    }


def payload(message: Message, code: str, sender: str) -> bytes:
    """The same as bytes, padded with the spaces JSON allows; ids too long for a push service cost the buttons, never the message."""
    found: tuple[Message, ...] = (message, replace(message, call=""), replace(message, call="", link=""))
    bodies = (json.dumps(told(each, code, sender), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") for each in found)
    body = next(body for body in bodies if len(body) <= LARGEST)
    return body.ljust(min(LARGEST, len(body) + (-len(body) % PADDED)))


def topic_of(case: str) -> str:
    """The same for all messages about a case, so that a newer one takes the place of an older one that has not been fetched."""
    digest = hashlib.sha256(b"vorab.push.topic.v1\0" + case.encode("utf-8", "replace")).digest()
    return base64.urlsafe_b64encode(digest).decode()[:_TOPIC]


def ttl_s(message: Message) -> int:
    """For how long the service keeps it for a device that is off: until the message has expired."""
    return max(1, min(LONGEST_S, (message.expires_at - message.at) // SECOND))


def urgency_of(message: Message) -> str:
    """Whether a device that saves power is woken (RFC 8030, section 5.3)."""
    return "high" if message.urgency is Urgency.SAFETY else "normal"
