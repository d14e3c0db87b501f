"""What the customer page says, in German and English: what happened, what was done, and what can be answered. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from desk.queries import CaseFile
from vorab.clock import Micros
from vorab.consents import REMOTE_REPAIR, TEXTS
from vorab.records import CaseKind, Customer, DeliveryState, RequestKind, Stage, Status
from vorab.words import FALLBACK, LANGUAGES, Times, Words

MAX_NAME: Final = 60

PRONOUNS: Final = {
    "m": {"your": "Ihr", "it": "er", "him": "ihn", "the": "der", "the_acc": "den"},
    "f": {"your": "Ihre", "it": "sie", "him": "sie", "the": "die", "the_acc": "die"},
    "n": {"your": "Ihr", "it": "es", "him": "es", "the": "das", "the_acc": "das"},
}

VERDICTS: Final = frozenset({RequestKind.WAS_WRONG, RequestKind.TOO_LATE})
"""What a customer thinks of our finding: counted for the rule that made it."""

BUTTONS: Final[dict[str, dict[RequestKind, str]]] = {
    "de": {
        RequestKind.CONSENT: "Ja, aus der Ferne neu starten",
        RequestKind.NO_CONSENT: "Nein, bitte nicht",
        RequestKind.CALL_ME: "Bitte rufen Sie mich an",
        RequestKind.WAS_WRONG: "Das stimmt nicht",
        RequestKind.TOO_LATE: "Das kam zu spät",
    },
    "en": {
        RequestKind.CONSENT: "Yes, restart it remotely",
        RequestKind.NO_CONSENT: "No, please do not",
        RequestKind.CALL_ME: "Please call me",
        RequestKind.WAS_WRONG: "This was wrong",
        RequestKind.TOO_LATE: "This came too late",
    },
}

HINTS: Final[dict[str, dict[RequestKind, str]]] = {
    "de": {
        RequestKind.CONSENT: "",
        RequestKind.NO_CONSENT: "Dann kümmert sich ein Mensch darum.",
        RequestKind.CALL_ME: "Wir rufen Sie zu den üblichen Zeiten an.",
        RequestKind.WAS_WRONG: "Es war alles in Ordnung. Sagen Sie es uns, dann lernen wir daraus.",
        RequestKind.TOO_LATE: "Sie hatten es schon selbst bemerkt. Auch das hilft uns.",
    },
    "en": {
        RequestKind.CONSENT: "",
        RequestKind.NO_CONSENT: "Then a person will look after it.",
        RequestKind.CALL_ME: "We call at the usual hours.",
        RequestKind.WAS_WRONG: "Everything was fine. Tell us, and we learn from it.",
        RequestKind.TOO_LATE: "You had noticed it yourself. That helps us too.",
    },
}

THANKS: Final[dict[str, dict[RequestKind, tuple[str, str]]]] = {
    "de": {
        RequestKind.CONSENT: ("Danke. Wir starten neu.", "Danach prüfen wir, ob alles wieder normal läuft. Sie hören von uns, wenn nicht."),
        RequestKind.NO_CONSENT: ("Danke. Wir starten nichts neu.", "Ein Mensch aus unserem Service sieht sich das an und meldet sich."),
        RequestKind.CALL_ME: ("Danke. Wir rufen Sie an.", "Sie müssen nichts weiter tun."),
        RequestKind.WAS_WRONG: ("Danke. Das hilft uns.", "Wir sehen uns an, warum wir uns geirrt haben."),
        RequestKind.TOO_LATE: ("Danke. Das hilft uns.", "Wir sehen uns an, wie wir es früher hätten merken können."),
    },
    "en": {
        RequestKind.CONSENT: ("Thank you. We will restart it.", "Then we check that it runs normally. You hear from us if it does not."),
        RequestKind.NO_CONSENT: ("Thank you. We will not restart it.", "A person from our service team will look at it and be in touch."),
        RequestKind.CALL_ME: ("Thank you. We will call you.", "You do not need to do anything else."),
        RequestKind.WAS_WRONG: ("Thank you. That helps us.", "We will look at why we were wrong."),
        RequestKind.TOO_LATE: ("Thank you. That helps us.", "We will look at how we could have noticed sooner."),
    },
}

FRAME: Final[dict[str, dict[str, str]]] = {
    "de": {
        "choose": "Was Sie tun können",
        "say": "Was sollen wir dazu wissen? (muss nicht sein)",
        "answered": "Sie haben uns geantwortet",
        "back": "Zurück",
        "foot": "Diese Seite gehört zu Ihrer Nachricht von uns. Geben Sie den Link nicht weiter.",
        "reference": "Vorgang",
        "busy_title": "Das hat gerade nicht geklappt",
        "busy": "Bitte versuchen Sie es in einer Minute noch einmal.",
    },
    "en": {
        "choose": "What you can do",
        "say": "Is there anything we should know? (optional)",
        "answered": "You have answered us",
        "back": "Back",
        "foot": "This page belongs to the message you had from us. Please do not pass the link on.",
        "reference": "Reference",
        "busy_title": "That did not work just now",
        "busy": "Please try again in a minute.",
    },
}


@dataclass(frozen=True, slots=True)
class Said:
    """The page in words."""

    language: str
    title: str
    paragraphs: tuple[str, ...]
    choices: tuple[RequestKind, ...]


def language_of(customer: Customer | None) -> str:
    """The customer's language where we speak it, else English."""
    language = (customer.language if customer else "").lower().replace("_", "-").partition("-")[0]
    return language if language in LANGUAGES else FALLBACK


def say(file: CaseFile, stage: str, customer: Customer | None, words: Words, now: Micros, zone: ZoneInfo) -> Said:
    """What there is to say about a case as it stands now (µs), to somebody who was told of `stage`."""
    language = language_of(customer)
    last = file.last
    times = Times(language, zone, now)
    machine, cause = words.machine(last.model, language), words.cause(last.cause, language)
    pronouns = PRONOUNS.get(machine.get("gender", "n"), PRONOUNS["n"])
    name = " ".join(last.name.split())[:MAX_NAME]
    noun = machine["noun"]
    thing = f"{noun} ({name})" if name and name.casefold() != noun.casefold() else noun
    onset = last.onset or last.opened_at
    acted = next((event.at for event in reversed(file.events) if event.kind is CaseKind.ACTION_REQUESTED), None)
    cleared = next((event.at for event in reversed(file.events) if event.kind is CaseKind.SYMPTOM_CLEARED), None)
    over = last.status in {Status.RESOLVED, Status.CLOSED, Status.CANCELLED}
    values = _Values(
        language=language,
        your=pronouns["your"] if language == "de" else "Your",
        thing=thing,
        noun=noun,
        him=pronouns["him"],
        it=pronouns["it"],
        the=pronouns["the_acc"],
        was=cause["was"].replace("{when}", times.when(onset)),
        is_now=cause["is"].replace("{when}", times.since(onset)),
        acted=times.when(acted, since=onset) if acted is not None else "",
        cleared=times.since(cleared, since=onset) if cleared is not None else "",
    )
    title = f"{name or noun}: {cause['noun']}"
    if over:
        return Said(language, title, values.over(), (RequestKind.CALL_ME, RequestKind.WAS_WRONG, RequestKind.TOO_LATE))
    if last.status is Status.PENDING and stage == Stage.CONSENT:
        return Said(language, title, values.consent(), (RequestKind.CONSENT, RequestKind.NO_CONSENT, RequestKind.WAS_WRONG))
    choices = (RequestKind.CALL_ME, RequestKind.WAS_WRONG, RequestKind.TOO_LATE)
    return Said(language, title, values.open(person=last.status is Status.HELD), choices)


def allowed(stage: str) -> frozenset[RequestKind]:
    """What a link made for a stage may be used for."""
    common = {RequestKind.CALL_ME, RequestKind.WAS_WRONG, RequestKind.TOO_LATE}
    return frozenset(common | {RequestKind.CONSENT, RequestKind.NO_CONSENT} if stage == Stage.CONSENT else common)


def sent(file: CaseFile, notification: str) -> bool:
    """Whether this message was sent."""
    return any(row.notification == notification and row.state is DeliveryState.SENT for row in file.deliveries)


@dataclass(frozen=True, slots=True)
class _Values:
    language: str
    your: str
    thing: str
    noun: str
    him: str
    it: str
    the: str
    was: str
    is_now: str
    acted: str
    cleared: str

    def over(self) -> tuple[str, ...]:
        first = f"{self.your} {self.thing} {self.was}."
        if self.language == "de":
            if self.acted and self.cleared:
                middle = f"Wir haben {self.him} {self.acted} neu gestartet, seit {self.cleared} läuft {self.it} normal."
            elif self.cleared:
                middle = f"Seit {self.cleared} läuft {self.it} wieder normal."
            else:
                middle = "Das ist erledigt."
            return (first, middle, "Sie müssen nichts tun.")
        if self.acted and self.cleared:
            middle = f"We restarted it {self.acted}, and it has run normally since {self.cleared}."
        elif self.cleared:
            middle = f"It has run normally since {self.cleared}."
        else:
            middle = "That is settled."
        return (first, middle, "You do not need to do anything.")

    def consent(self) -> tuple[str, ...]:
        first = f"{self.your} {self.thing} {self.is_now}."
        asked = TEXTS[REMOTE_REPAIR[self.language]]
        return (first, asked.format(the=self.the, noun=self.noun, It=self.it.capitalize()))

    def open(self, *, person: bool) -> tuple[str, ...]:
        first = f"{self.your} {self.thing} {self.is_now}."
        if self.language == "de":
            tried = f"Wir haben {self.him} {self.acted} neu gestartet, das hat nicht genügt. " if self.acted and person else ""
            who = "Jetzt kümmert sich ein Mensch aus unserem Service darum." if person else "Wir kümmern uns darum."
            return (first, f"{tried}{who}", "Sie hören von uns, sobald wir mehr wissen.")
        tried = f"We restarted it {self.acted}, and that was not enough. " if self.acted and person else ""
        who = "A person from our service team is now looking after it." if person else "We are looking after it."
        return (first, f"{tried}{who}", "You will hear from us as soon as we know more.")
