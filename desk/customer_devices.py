"""What the customer page says about the device it is shown on: whether that may tell its owner what happens. Reading only."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from desk.bookings import is_recorded
from desk.context import Context
from desk.queries import CaseFile
from vorab.links import Claims
from vorab.people import PeopleClient

WORDS: Final[dict[str, dict[str, str]]] = {
    "de": {
        "title": "Nachrichten auf diesem Gerät",
        "on": "Auf diesem Gerät Bescheid geben",
        "off": "Auf diesem Gerät nicht mehr Bescheid geben",
        "hint": "Dann zeigt es eine kurze Nachricht, auch wenn diese Seite zu ist. Ihr Browser fragt Sie vorher.",
        "told": "Dieses Gerät gibt Ihnen Bescheid.",
        "left": "Dieses Gerät gibt Ihnen nicht mehr Bescheid.",
        "denied": "Ihr Browser erlaubt das nicht. In seinen Einstellungen können Sie es ändern.",
        "failed": "Das hat gerade nicht geklappt. Bitte versuchen Sie es in einer Minute noch einmal.",
    },
    "en": {
        "title": "Messages on this device",
        "on": "Tell me on this device",
        "off": "Stop telling me on this device",
        "hint": "It then shows a short note, even while this page is closed. Your browser asks you first.",
        "told": "This device will tell you.",
        "left": "This device will not tell you any more.",
        "denied": "Your browser does not allow it. You can change that in its settings.",
        "failed": "That did not work just now. Please try again in a minute.",
    },
}


@dataclass(frozen=True, slots=True)
class Device:
    """What the page says about this device; without a key, nothing."""

    words: dict[str, str]
    key: str = ""
    """The public key a browser subscribes with."""
    of: str = ""
    """Whose page it is, as a digest: so that a browser two people share knows for whom it asked."""


def device_of(context: Context, claims: Claims, file: CaseFile, language: str) -> Device:
    """Whether a device may be told, and what the page needs for that."""
    client = None if is_recorded(file.last) else notifiers_of(context)
    if client is None or not client.push_key:
        return Device(WORDS[language])
    of = base64.urlsafe_b64encode(hashlib.sha256(claims.customer.encode()).digest()[:12]).decode()
    return Device(WORDS[language], client.push_key, of)


def notifiers_of(context: Context) -> PeopleClient | None:
    """The notifiers of this installation that run; None where none does."""
    return PeopleClient.announced(Path(context.settings.state_path))
