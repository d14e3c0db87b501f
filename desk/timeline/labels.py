"""What stands around the dialogue on a customer's page, in German and English."""

from __future__ import annotations

from typing import Final

from desk.timeline.sayings import Both
from vorab.clock import DAY, HOUR, MINUTE, Micros

LABELS: Final[dict[str, Both]] = {
    "title": Both("Kunde {name}", "Customer {name}"),
    "other": Both("English", "Deutsch"),
    "machine": Both("Gerät", "machine"),
    "vorab": Both("vorab", "vorab"),
    "agent": Both("Mitarbeiter", "agent"),
    "customer": Both("Kunde", "customer"),
    "machines": Both("Geräte", "Machines"),
    "no_machines": Both("Kein Gerät ist angemeldet.", "No machine is registered."),
    "more_machines": Both("und {n} weitere", "and {n} more"),
    "cases": Both("Offene Fälle", "Open cases"),
    "no_cases": Both("Nichts ist offen.", "Nothing is open."),
    "next": Both("Termine", "Appointments"),
    "no_next": Both("Nichts ist vereinbart.", "Nothing is arranged."),
    "contact": Both("Werbung", "Advertising"),
    "contact.": Both("noch nichts bekannt", "nothing known yet"),
    "contact.ok": Both("darf sein", "may go out"),
    "contact.fault_open": Both("nein: etwas ist kaputt", "no: something is broken"),
    "contact.recovering": Both("nein: gerade war etwas kaputt", "no: something was broken not long ago"),
    "contact.do_not_contact": Both("nein: nicht eingewilligt", "no: not agreed to"),
    "speaks": Both("Spricht", "Speaks"),
    "de": Both("Deutsch", "German"),
    "en": Both("Englisch", "English"),
    "dialogue": Both("Alles, was war", "All that was"),
    "earlier": Both("Früheres", "Earlier"),
    "later": Both("Späteres", "Later"),
    "empty": Both(
        "Störungen, Nachrichten, Antworten und Anrufe stehen hier in einer Reihe, sobald es sie gibt.",
        "Faults, messages, replies and calls stand here in one row as soon as there are any.",
    ),
    "unreadable": Both("Nicht mehr lesbar.", "Not readable any more."),
    "unreadable_hint": Both(
        "Der Schlüssel ist zerstört, oder kein Benachrichtiger läuft hier, der ihn hat.",
        "The key is destroyed, or no notifier that has it runs here.",
    ),
    "taken_for": Both("Verstanden als", "Taken for"),
    "corrected_to": Both("Gemeint war", "Meant was"),
    "wrong": Both("stimmt nicht", "that is wrong"),
    "say_what": Both("Was war gemeint?", "What was meant?"),
    "waits": Both("ein Mensch antwortet", "a person answers"),
    "edited": Both("geändert", "edited"),
    "public": Both("öffentlich", "public"),
    "source.case": Both("nach Fall {what}", "from case {what}"),
    "source.article": Both("nach Artikel {what}", "from article {what}"),
    "to_customer": Both("an den Kunden", "to the customer"),
    "case": Both("zum Fall", "to the case"),
    "done": Both("Danke. Diese Worte sind jetzt ein Beispiel dafür.", "Thank you. These words are an example of it now."),
    "note_hint": Both("Notizen und Urteile stehen am Fall.", "Notes and verdicts belong to the case."),
    # the sentence somebody who opens the page came for
    "answer.waits": Both("{name} wartet seit {since} auf eine Antwort.", "{name} has waited {since} for an answer."),
    "answer.person": Both("{machine} braucht einen Menschen.", "{machine} needs a person."),
    "answer.open": Both("vorab kümmert sich um {machine}.", "vorab is looking after {machine}."),
    "answer.well": Both("Bei {name} ist alles in Ordnung.", "All is well with {name}."),
    "answer.nothing": Both("Mit {name} gab es noch nichts.", "Nothing has happened with {name} yet."),
    "more.last": Both("{n} Einträge seit {first}. Zum letzten.", "{n} entries since {first}. To the last one."),
    "more.waits": Both("Zuletzt geschrieben: {moment}, per {channel}.", "Last wrote: {moment}, by {channel}."),
    "nothing": Both("Diesen Kunden kennt hier niemand", "nobody knows this customer here"),
    "nothing_hint": Both("`vorab customers list` nennt alle.", "`vorab customers list` names all of them."),
    "away": Both("das Log ist nicht zu erreichen", "the log cannot be reached"),
    "away_hint": Both("Nichts wurde geändert. Bitte in einer Minute noch einmal.", "Nothing was changed. Try again in a minute."),
    "terminal": Both("Im Terminal", "In a terminal"),
}

SHELL: Final[dict[str, Both]] = {
    "skip": Both("Zum Inhalt", "Skip to the content"),
    "pages": Both("Seiten", "Pages"),
    "queue": Both("Warteschlange", "Queue"),
    "live": Both("Live", "Live"),
    "search": Both("Fälle, Geräte, Nummern suchen", "Search cases, machines, ids"),
    "keys": Both("Tasten", "Keys"),
    "key_jk": Both("weiter, zurück", "next, previous case"),
    "key_enter": Both("öffnen", "open it"),
    "key_a": Both("übernehmen", "take it"),
    "key_c": Both("sagen, was gemeint war", "say what a reply meant"),
    "key_v": Both("sagen, was half", "say what helped"),
    "key_slash": Both("suchen", "search"),
    "key_n": Both("neue Fälle zeigen", "show new cases"),
    "key_help": Both("diese Liste", "this list"),
    "key_esc": Both("schließen, Suche verlassen", "close it, leave the search"),
    "close": Both("Schließen", "Close"),
    "back": Both("Zurück zur Warteschlange", "Back to the queue"),
}
"""What every page of the console has around it."""


def shell(language: str) -> dict[str, str]:
    """The words around every page."""
    return {name: both.spoken(language) for name, both in SHELL.items()}


def label(name: str, language: str, /, **values: object) -> str:
    """One label."""
    text = LABELS[name].spoken(language)
    return text.format(**values) if values else text


def span(length: Micros, language: str) -> str:
    """A length of time as people say it after *since*: `3 Stunden`, `1 day`."""
    units = (
        (DAY, Both("Tag", "day"), Both("Tagen", "days")),
        (HOUR, Both("Stunde", "hour"), Both("Stunden", "hours")),
        (MINUTE, Both("Minute", "minute"), Both("Minuten", "minutes")),
    )
    for size, one, many in units:
        if (count := length // size) >= 1:
            return f"{count} {(one if count == 1 else many).spoken(language)}"
    return Both("eben", "a moment").spoken(language)
