"""What a message would look like, in the operator's words: a sample of each stage, for each channel. Sends nothing, needs no customer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from notifier.channels import Message
from notifier.glance import words_of
from notifier.mail import compose
from notifier.render import Renderer
from notifier.web_push_words import told
from notifier.webhook import event
from notifier.words import Words
from vorab.clock import DAY, HOUR, MINUTE, Micros, iso, parse_iso
from vorab.codes import Codes
from vorab.people import Person
from vorab.records import Channel, Customer, Notification, Stage

NOW: Final = parse_iso("2026-11-24T07:00:00+01:00")
SAID: Final[Mapping[str, tuple[str, str]]] = {"de": ("Pumpe 7", "Erika Muster"), "en": ("Pump 7", "Erika Muster")}
SAMPLE: Final = Codes("a secret for previews only")
LINK: Final = "https://desk.example.org/c/preview"
FIRST: Final = True
ADDRESS: Final = ("Erika Muster", "Hauptstraße 1", "10115 Berlin")


@dataclass(frozen=True, slots=True)
class Sample:
    """What is shown."""

    stage: Stage
    language: str = "de"
    machine: str = ""
    """What the device is called; empty: Pump 7."""
    person: str = ""
    """Whom it is for; empty: Erika Muster."""
    model: str = "heat-pump"
    cause: str = "low_pressure"


def message_of(sample: Sample, words: Words) -> Message:
    """The message a channel would be handed."""
    machine, person = SAID[sample.language]
    name, to = sample.machine or machine, sample.person or person
    onset: Micros = NOW - 5 * HOUR
    over = sample.stage in {Stage.HEALED, Stage.RESOLVED}
    params: dict[str, Any] = {"name": name, "model": sample.model, "cause": sample.cause, "onset": iso(onset)}
    if sample.stage in {Stage.HEALED, Stage.PERSON_NEEDED}:
        params |= {"remedy": "restart", "acted_at": iso(onset + 4 * MINUTE)}
    params |= {"healed_at": iso(onset + 21 * MINUTE)} if over else {}
    params |= {"duration_s": 120} if sample.stage is Stage.CONSENT else {}
    note = Notification.model_validate({
        "id": "preview", "customer": "preview", "case": "preview", "device": "preview", "stage": sample.stage, "at": NOW,
        "expires_at": NOW + DAY, "because": "preview", "params": params,
    })  # fmt: skip
    customer = Customer(id="main/preview", customer="preview", language=sample.language)
    found = Renderer(words, SAMPLE).render(note, None, customer, now=NOW, name=to, link=LINK)
    reached = Person(note.key, to, "erika@example.org", "+4915112345678")
    parts = (found.language, NOW, found.subject, found.text, found.html, found.link)
    call = "preview" if sample.stage is Stage.PERSON_NEEDED else ""
    return Message(note.id, note.case, FIRST, reached, *parts, call=call, expires_at=note.expires_at)


def shown(channel: Channel, message: Message, sender: str = "vorab <service@example.org>") -> str:
    """The message as text, as far as a channel is made of text (a letter is not)."""
    code = SAMPLE.of(message.case)
    match channel:
        case Channel.WEBHOOK:
            return json.dumps(json.loads(event(message, code)), ensure_ascii=False, indent=1) + "\n"
        case Channel.WEB_PUSH:
            said = told(message, code, sender)
            return "\n".join([said["title"], said["body"], *(f"[{button['title']}]" for button in said["buttons"])]) + "\n"
        case Channel.SMS | Channel.PUSH | Channel.CHAT:
            apart = "\n\n" if channel is Channel.CHAT else "\n"
            return apart.join(part for part in words_of(channel, message, code) if part) + "\n"
        case _:
            return f"From: {sender}\nSubject: {message.subject}\n\n{message.text}"


def mail_file(message: Message, sender: str) -> bytes:
    """The mail as a file any mail program opens."""
    return compose(message, sender).as_bytes()
