"""The sentences of a dialogue in German and English, by key. `desk.timeline.speech` fills them."""

from __future__ import annotations

from typing import Final, NamedTuple


class Both(NamedTuple):
    """One text in both languages."""

    de: str
    en: str

    def spoken(self, language: str) -> str:
        """One of the two."""
        return self.de if language == "de" else self.en


SAYINGS: Final[dict[str, Both]] = {
    # the machine
    "fault": Both("{cause}.", "{cause}."),
    "fault.value": Both("{cause}: {value}.", "{cause}: {value}."),
    "fault.limit": Both("{cause}: {value}, Grenze {limit}.", "{cause}: {value}, limit {limit}."),
    # vorab
    "case.policy": Both("Regel: {policy}.", "Policy: {policy}."),
    "case.action_requested": Both("Bitte {action}.", "Please {action}."),
    "case.action_timed_out": Both("Keine Antwort in der Zeit.", "No answer in time."),
    "case.proving": Both("Danke. Ich glaube deinen Messwerten.", "Thank you. I will believe your readings."),
    "case.disproved": Both(
        "Du hast „erledigt“ gesagt. Deine Messwerte sagen etwas anderes.", "You said done. Your readings say otherwise."
    ),
    "case.consent_asked": Both("Ich frage zuerst den Kunden.", "I ask your owner first."),
    "case.consent_given": Both("Ja, starten Sie neu.", "Yes, restart it."),
    "case.consent_refused": Both("Nein, bitte nicht.", "No, please do not."),
    "case.handed_over": Both("Ich gebe das einem Menschen.", "I hand this to a person."),
    "case.relapsed": Both("Es ist wieder da.", "It came back."),
    "case.machine_asked": Both("Sag mir: {detail}.", "Tell me: {detail}."),
    "case.machine_asked.helper": Both("Ich frage: {detail}.", "I ask: {detail}."),
    "case.machine_answered": Both("{detail}.", "{detail}."),
    "case.concluded": Both("Also: {detail}.", "So {detail}."),
    "case.resolved": Both("Wieder in Ordnung. Fall erledigt.", "Well again. Case closed."),
    "case.proven": Both("Bewiesen: {detail}. Fall erledigt.", "Proven: {detail}. Case closed."),
    # people on a case
    "case.taken": Both("Übernommen. {detail}", "Taken. {detail}"),
    "case.noted": Both("{detail}", "{detail}"),
    "case.call_wished": Both("Bitte rufen Sie mich an. {detail}", "Please call me. {detail}"),
    "case.false_alarm": Both("Das stimmte nicht. {detail}", "That was wrong. {detail}"),
    "case.complaint": Both("Hat sich gemeldet: {detail}", "Got in touch: {detail}"),
    "case.approval_asked": Both("Ich frage zuerst Menschen.", "I ask people first."),
    "case.approval_given": Both("Ich stimme zu: {detail}", "I approve: {detail}"),
    "case.approved": Both("Zugestimmt von {detail}.", "Approved by {detail}."),
    "case.declined": Both("Ich stimme nicht zu: {detail}", "I do not approve: {detail}"),
    "case.goodwill_proposed": Both("Wir könnten {gesture} geben. {detail}", "We could give {gesture}. {detail}"),
    "case.goodwill_approved": Both("Ich stimme zu: {detail}", "I approve: {detail}"),
    "case.goodwill_granted": Both("Gewährt: {detail}.", "Granted: {detail}."),
    "case.goodwill_declined": Both("Nicht gewährt: {detail}.", "Not granted: {detail}."),
    "verdict.right": Both("Urteil: richtig. {detail}", "Verdict: right. {detail}"),
    "verdict.useful": Both("Urteil: half, reichte aber nicht. {detail}", "Verdict: useful, not all that was needed. {detail}"),
    "verdict.wrong": Both("Urteil: falsch. {detail}", "Verdict: wrong. {detail}"),
    "verdict.too_late": Both("Urteil: kam zu spät. {detail}", "Verdict: too late. {detail}"),
    # messages
    "message": Both("{stage}", "{stage}"),
    "receipt.sent": Both("Gesendet{by}.", "Sent{by}."),
    "receipt.deferred": Both("Wartet: {reason}{until}.", "Waits: {reason}{until}."),
    "receipt.suppressed": Both("Nicht gesendet: {reason}.", "Not sent: {reason}."),
    "receipt.failed": Both("Nicht angekommen: {reason}.", "Failed: {reason}."),
    "receipt.unknown": Both("Angehalten: vielleicht ist sie angekommen.", "Held: it may have arrived."),
    # the customer
    "request.was_wrong": Both("Das stimmt nicht. {text}", "This was wrong. {text}"),
    "request.too_late": Both("Das kam zu spät. {text}", "This came too late. {text}"),
    "request.call_me": Both("Bitte rufen Sie mich an. {text}", "Please call me. {text}"),
    "request.consent": Both("Ja, aus der Ferne neu starten. {text}", "Yes, restart it remotely. {text}"),
    "request.no_consent": Both("Nein, bitte nicht. {text}", "No, please do not. {text}"),
    "heard": Both("Verstanden als: {intent}", "Taken for: {intent}"),
    "answered": Both("{answer}", "{answer}"),
    "corrected": Both("Gemeint war: {intent}; verstanden worden war: {before}.", "Meant was: {intent}; it had been taken for: {before}."),
    # calls and visits
    "booking.booked": Both("{how} gebucht: {start}.", "{how} booked: {start}."),
    "booking.moved": Both("{how} verlegt: {start}.", "{how} moved to {start}."),
    "booking.cancelled": Both("{how} abgesagt: {start}.", "{how} cancelled: {start}."),
    "booking.reached": Both("{how} hat stattgefunden.", "{how} made."),
    "booking.not_reached": Both(
        "Niemanden erreicht, {attempts}. Versuch. Nächster: {start}.", "Nobody reached, attempt {attempts}. Next: {start}."
    ),
    "booking.closed": Both(
        "{attempts}-mal niemanden erreicht. Wir haben geschrieben.", "Nobody reached {attempts} times. We have written."
    ),
    "booking.reminded": Both("Erinnerung: {how}, {start}.", "Reminder: {how}, {start}."),
    "booking.lapsed": Both("Niemand hat gesagt, was daraus wurde: {how}, {start}.", "Nobody has said what became of it: {how}, {start}."),
    "booking.refused": Both("{how} nicht gebucht: {refusal}.", "{how} not booked: {refusal}."),
    # beside the talk
    "offer.part": Both("Hinweis für den Verkauf: Teil {what}. {mention}", "Hint for sales: part {what}. {mention}"),
    "offer.contract": Both("Hinweis für den Verkauf: Vertrag {what}{ends}. {mention}", "Hint for sales: contract {what}{ends}. {mention}"),
    "contact.ok": Both("Werbung ist wieder erlaubt.", "Advertising may go out again."),
    "contact.fault_open": Both("Keine Werbung: etwas ist kaputt.", "No advertising: something is broken."),
    "contact.recovering": Both(
        "Keine Werbung{until}: gerade war etwas kaputt.", "No advertising{until}: something was broken not long ago."
    ),
    "contact.do_not_contact": Both("Keine Werbung: nicht eingewilligt.", "No advertising: not agreed to."),
    "incident.part": Both("Kein Einzelfall: {group}, {total} Fälle.", "Not alone: {group}, {total} cases."),
    "incident.released": Both("Wieder ein Einzelfall.", "Stands for itself again."),
}

STAGES: Final[dict[str, str]] = {
    "consent": "Dürfen wir aus der Ferne neu starten?",
    "person_needed": "Ein Mensch kümmert sich darum",
    "incident": "Viele sind betroffen; wir sind daran",
    "healed": "Es ist behoben",
    "resolved": "Es ist erledigt",
}
"""German; in English `desk.words.STAGES`."""

REASONS: Final[dict[str, str]] = {
    "none": "",
    "quiet_hours": "Ruhezeit",
    "quiet_day": "Sonntag oder Feiertag",
    "brake": "zu viele Nachrichten in einer Stunde",
    "habits": "antwortet zu einer anderen Stunde",
    "budget": "genug Nachrichten für jetzt",
    "grouped": "in einer anderen Nachricht gesagt",
    "already_fixed": "schon behoben",
    "superseded": "Neueres kam zuvor",
    "no_consent": "keine Einwilligung in solche Nachrichten",
    "no_channel": "kein Weg dorthin",
    "unknown_customer": "niemand kennt diesen Kunden",
    "expired": "zu alt, um neu zu sein",
    "duplicate": "schon gesagt",
    "shadow": "Schattenbetrieb: nichts verlässt das Haus",
    "refused": "vom Kanal abgelehnt",
    "unreachable": "der Kanal war nicht zu erreichen",
    "interrupted": "unterbrochen; vielleicht ist sie angekommen",
}
"""German; in English `desk.words.REASONS`."""

REFUSALS: Final[dict[str, Both]] = {
    "taken": Both("schon vergeben", "taken"),
    "no_slot": Both("da arbeitet niemand", "nobody works then"),
    "past": Both("zu nah oder vorbei", "too near, or over"),
    "full": Both("nichts ist frei", "nothing is free"),
    "already": Both("es gibt schon einen Termin", "there is one already"),
    "unknown": Both("diesen Termin gibt es nicht", "there is no such booking"),
    "over": Both("der Termin ist vorbei", "the booking is over"),
    "late": Both("zu spät gefragt", "asked too late"),
}

INTENTS: Final[dict[str, Both]] = {
    "": Both("nicht verstanden", "not understood"),
    "status": Both("wie steht es?", "how does it stand?"),
    "call_me": Both("rufen Sie mich an", "call me"),
    "stop": Both("nicht mehr schreiben", "stop writing"),
    "human": Both("ein Mensch, bitte", "a person, please"),
    "consent_yes": Both("ja, einverstanden", "yes, agreed"),
    "consent_no": Both("nein, nicht einverstanden", "no, not agreed"),
    "works_again": Both("geht wieder", "works again"),
    "still_broken": Both("geht immer noch nicht", "still broken"),
    "was_wrong": Both("das stimmte nicht", "that was wrong"),
    "too_late": Both("das kam zu spät", "that came too late"),
    "thanks": Both("danke", "thanks"),
    "question": Both("eine Frage", "a question"),
    "move": Both("Termin verlegen", "move the appointment"),
    "order": Both("bestellen", "order it"),
    "other": Both("etwas anderes", "something else"),
}
"""What a reply can want, in the order of `vorab.understanding.Intent`."""

ANSWERS: Final[dict[str, Both]] = {
    "state_of_device": Both("Gesagt, wie es um das Gerät steht.", "Said how the machine is."),
    "call_booked": Both("Anruf gebucht.", "Call booked."),
    "stopped": Both("Wir schreiben nicht mehr.", "We do not write any more."),
    "article": Both("Geantwortet aus einem Artikel.", "Answered from an article."),
    "person_will_answer": Both("Ein Mensch antwortet.", "A person will answer."),
    "by_hand": Both("Von Hand beantwortet.", "Answered by hand."),
}
CHANNELS: Final[dict[str, Both]] = {
    "mail": Both("E-Mail", "mail"),
    "letter": Both("Brief", "letter"),
    "sms": Both("SMS", "SMS"),
    "phone": Both("Telefon", "phone"),
    "page": Both("Kundenseite", "customer page"),
    "file": Both("Datei", "file"),
    "webhook": Both("Webhook", "webhook"),
    "telegram": Both("Telegram", "Telegram"),
    "mastodon": Both("Mastodon", "Mastodon"),
}
DOUBTS: Final[dict[str, Both]] = {
    "anger": Both("Ärger", "anger"),
    "law": Both("Recht", "law"),
    "money": Both("Geld", "money"),
    "repeated": Both("wiederholt", "repeated"),
    "not_understood": Both("nicht verstanden", "not understood"),
    "asked": Both("bittet um einen Menschen", "asks for a person"),
}
ACTIONS: Final[dict[str, Both]] = {"restart": Both("neu starten", "restart")}
MEETINGS: Final[dict[str, Both]] = {"call": Both("Anruf", "Call"), "visit": Both("Besuch", "Visit")}
