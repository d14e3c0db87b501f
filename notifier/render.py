"""Rendering: from a notification and what is known of its case to a subject and a few calm sentences, in German or English.

Sentences stand in `templates/<language>/<stage>.j2`, once; the text and the HTML mail are made of the same ones. What comes from outside
(names above all) is only ever a value: never a template, never a link, never more than one line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from notifier.cases import CaseView
from notifier.glance import glance
from notifier.mail import one_line
from notifier.quiet import zone_of
from notifier.words import FALLBACK, LANGUAGES, Times, Words
from vorab.clock import Micros, parse_iso
from vorab.codes import Codes
from vorab.records import Notification, Scalar, Stage

TEMPLATES: Final = Path(__file__).parent / "templates"
MAX_NAME: Final = 60
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/*(?=\S)")
_HOST: Final = re.compile(r"(?<=\w)\.(?=[^\W\d_]{2})")

_PRONOUNS: Final = {
    "m": {"your": "Ihr", "it": "er", "him": "ihn", "the": "der", "the_acc": "den"},
    "f": {"your": "Ihre", "it": "sie", "him": "sie", "the": "die", "the_acc": "die"},
    "n": {"your": "Ihr", "it": "es", "him": "es", "the": "das", "the_acc": "das"},
}


class Spoken(Protocol):
    """What has to be known of whoever is spoken to."""

    @property
    def language(self) -> str:
        """`de`."""

    @property
    def time_zone(self) -> str:
        """`Europe/Berlin`."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message in words."""

    language: str
    subject: str
    text: str
    html: str
    body: tuple[str, ...]
    """The paragraphs before the button."""
    button: str
    link: str
    code: str = ""
    """The case's four digits."""
    glance: str = ""
    """The short form, for a watch, an SMS or the title of a push."""


def plain(text: object, limit: int = MAX_NAME) -> str:
    """A foreign value as it may be shown: one line, capped, and nothing a mail program would turn into a link."""
    line = one_line(str(text), limit)
    line = _SCHEME.sub(lambda found: found[0].rstrip("/").rstrip(":") + " ", line) if "/" in line else line
    return _HOST.sub("·", line).replace("@", " ")


class Renderer:
    """Renders with the operator's words, and the codes of this installation."""

    def __init__(self, words: Words, codes: Codes | None = None) -> None:
        self._words, self._codes = words, codes or Codes()
        options: dict[str, Any] = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
        loader = FileSystemLoader(TEMPLATES)
        self._text = ImmutableSandboxedEnvironment(loader=loader, autoescape=False, **options)
        self._html = ImmutableSandboxedEnvironment(loader=loader, autoescape=True, **options)

    def render(
        self,
        note: Notification,
        case: CaseView | None,
        customer: Spoken,
        *,
        now: Micros,
        name: str = "",
        link: str = "",
        besides: Sequence[Notification] = (),
    ) -> Rendered:
        """The message, as said at `now` (µs) to a customer of this name, with a button that leads to `link`; `besides` is told with it."""
        language = language_of(customer)
        values = self._values(note.params, note.at, case, customer, language, now)
        template = self._text.get_template(f"{language}/{note.stage.value}.j2")

        def block(part: str) -> str:
            return " ".join("".join(template.blocks[part](template.new_context(values))).split(" ")).strip()

        body = tuple(" ".join(paragraph.split()) for paragraph in block("body").split("\n\n") if paragraph.strip())
        if besides:
            more = self._text.get_template(f"{language}/besides.j2").render(self._besides(note, besides, language))
            body = (*body, " ".join(more.split()))
        subject, button = one_line(" ".join(block("subject").split())), " ".join(block("button").split())
        return self._dressed(language, note.case, subject, body, plain(name), button, link)

    def answer(
        self, which: str, case: CaseView | None, customer: Spoken, *, now: Micros, name: str = "", subject: str = "", **more: object
    ) -> Rendered:
        """The written answer of a name, as said at `now` (µs) about a case as it stands; `subject` is that of the conversation."""
        language = language_of(customer)
        params = {"name": case.name or case.device, "model": case.model, "cause": case.cause} if case else {}
        values = self._values(params, now, case, customer, language, now)
        moments = Times(language, zone_of(customer.time_zone), now)
        said = {key: moments.when(value) if key == "wished" and isinstance(value, int) else value for key, value in more.items()}
        text = self._text.get_template(f"{language}/answers/{which}.j2").render(
            {**values, "case": case, "wished": "", "article": None, **said}
        )
        body = tuple(" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph.strip())
        about = one_line(subject) or f"Re: {values['title']}" + (f": {values['fault']}" if case else "")
        return self._dressed(language, case.case if case else "", about, body, plain(name))

    def _dressed(
        self, language: str, case: str, subject: str, body: tuple[str, ...], greeting: str, button: str = "", link: str = ""
    ) -> Rendered:
        """The paragraphs as text and as HTML."""
        parts: dict[str, Any] = {
            "language": language,
            "subject": subject,
            "greeting": greeting,
            "body": body,
            "button": button,
            "link": link,
            "reference": plain(case)[:8],
            "code": self._codes.of(case) if case else "",
        }
        text = self._text.get_template("mail.txt.j2").render(parts)
        html = self._html.get_template("mail.html.j2").render(parts)
        short = glance(subject, parts["code"], language)
        return Rendered(language, subject, text.strip() + "\n", html, body, button, link, parts["code"], short)

    def _besides(self, note: Notification, besides: Sequence[Notification], language: str) -> dict[str, Any]:
        """What a message tells besides: other machines by name, each with what is the matter."""
        items = []
        for other in besides:
            machine = self._words.machine(str(other.params.get("model") or ""), language)
            fault = self._words.cause(str(other.params.get("cause") or ""), language)["noun"]
            thing = called(machine["noun"], plain(other.params.get("name") or ""))
            items.append({"thing": thing, "fault": fault, "over": other.stage in {Stage.HEALED, Stage.RESOLVED}})
        return {"machines": len({other.device for other in besides} - {note.device}), "items": items}

    def _values(
        self, params: Mapping[str, Scalar], at: Micros, case: CaseView | None, customer: Spoken, language: str, now: Micros
    ) -> dict[str, Any]:
        times = Times(language, zone_of(customer.time_zone), now)
        machine = self._words.machine(str(params.get("model") or ""), language)
        cause = self._words.cause(str(params.get("cause") or ""), language)
        onset = _moment(params.get("onset")) or (case.onset if case else None) or at
        acted = _moment(params.get("acted_at")) or (case.acted_at if case else None)
        healed = _moment(params.get("healed_at")) or (case.healed_at if case else None)
        remedy = str(params.get("remedy") or (case.remedy if case else ""))
        name = plain(params.get("name") or "")
        noun = machine["noun"]
        return {
            **_PRONOUNS.get(machine.get("gender", "n"), _PRONOUNS["n"]),
            "thing": called(noun, name),
            "noun": noun,
            "title": name or noun,
            "fault": cause["noun"],
            # replace, not format: words are the operator's, but a brace in them is still only a brace
            "was": cause["was"].replace("{when}", times.when(onset)),
            "now_is": cause["is"].replace("{when}", times.since(onset)),
            "acted": times.when(acted, since=onset) if acted else "",
            "healed": times.since(healed, since=onset) if healed else "",
            "restarted": "restart" in remedy,
            "others": _whole(params.get("others")),
            "minutes": _minutes(params.get("duration_s"), language),
        }


def called(noun: str, name: str) -> str:
    """A machine by its noun and its own name: `Pumpe 7`, `printer (floor 2)`, `Wärmepumpe (Keller)`; never the same word twice."""
    if not name.casefold().startswith(noun.casefold()):
        return f"{noun} ({name})" if name else noun
    rest = name[len(noun) :]
    if rest[:1] in {"", " "}:
        return f"{noun}{rest.rstrip()}"
    own = rest.strip(" ,;:-–/")
    return f"{noun} ({own if own and not rest[0].isalnum() else name})"


def language_of(customer: Spoken) -> str:
    """The language messages to a customer are in: theirs if we speak it (`de-AT` is German), else English."""
    language = customer.language.lower().replace("_", "-").partition("-")[0]
    return language if language in LANGUAGES else FALLBACK


def _minutes(duration_s: object, language: str) -> str:
    """A duration in s as `zwei Minuten`; empty where it is not known."""
    if not isinstance(duration_s, int | float) or duration_s <= 0:
        return ""
    minutes = max(1, round(duration_s / 60))
    if language == "de":
        small = ("eine", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn")
        return f"{small[minutes - 1] if minutes <= len(small) else minutes} {'Minute' if minutes == 1 else 'Minuten'}"
    small = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return f"{small[minutes - 1] if minutes <= len(small) else minutes} {'minute' if minutes == 1 else 'minutes'}"


def _whole(value: object) -> int:
    """A count, as far as it is one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _moment(value: object) -> Micros | None:
    if not isinstance(value, str) or not value:
        return None
    try:
        return parse_iso(value)
    except ValueError:
        return None
