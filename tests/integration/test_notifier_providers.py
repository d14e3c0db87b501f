"""Providers that hang, refuse, are busy, cut the line after they have taken a message, or answer one letter at a time (S12)."""

from __future__ import annotations

import smtplib
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final

from notifier.channels import Message, Outcome, Result
from notifier.mail import MailChannel, Server
from notifier.service import Options
from tests.integration.test_notifier_mail import SENDER, message
from tests.parts.smtp import Answer, SmtpSink
from tests.system.figures import say
from tests.unit.notifier.house import NOON, House, customer, note
from vorab.clock import HOUR
from vorab.people import Person

EACH: Final = 20
SENDERS: Final = 20
WAYS: Final[dict[str, list[Answer]]] = {
    "hang": [Answer.HANG],
    "refuse": [Answer.REFUSE],
    "cut": [Answer.DROP],
    "drip": [Answer.DRIP],
    "busy": [Answer.BUSY, Answer.BUSY],
    "well": [],
}
AMBIGUOUS: Final = ("hang", "cut", "drip")
# A provider that hangs has had the message by then, also where the machine is slow.
PATIENT_S: Final = 5.0


def mail_channel(sink: SmtpSink, timeout_s: float = PATIENT_S) -> MailChannel:
    """A mail channel to the sink that waits so long for an answer."""
    return MailChannel(Server(sink.host, sink.port, timeout_s=timeout_s), SENDER)


class SaysAgain(MailChannel):
    """Known-bad: what may have been taken is tried again."""

    def send(self, message: Message) -> Result:
        """As if no answer were a no."""
        result = super().send(message)
        return replace(result, outcome=Outcome.LATER) if result.outcome is Outcome.UNKNOWN else result


def everybody(folder: Path, sink: SmtpSink, channel: MailChannel, ways: tuple[str, ...]) -> House:
    """A customer and a message for each way a provider can be, twenty times."""
    names = [f"{way}-{n}" for way in ways for n in range(EACH)]
    sink.to.update({f"{name}@example.org": list(WAYS[name.partition("-")[0]]) for name in names})
    house = House(folder, now=NOON, channels=[channel], options=Options(senders=SENDERS, retry_s=60))
    house.know(*(Person(f"main/{name}", name, f"{name}@example.org") for name in names))
    house.put(*(customer(name) for name in names), *(note(case=f"case-{name}", name=name) for name in names))
    return house


def until_over(house: House) -> None:
    """Hour by hour, until nothing waits for another try."""
    house.run()
    while house.store.waiting():
        house.clock.advance(HOUR)
        house.run(prepare=False)


def mails_by_key(sink: SmtpSink) -> Counter[tuple[str, ...]]:
    """What the server has had and did not refuse, by notification (one each of case, channel, purpose, stage) and recipient."""
    had = [mail for mail in sink.mails if mail.answer not in {Answer.REFUSE, Answer.BUSY}]
    return Counter((mail.message_id, *mail.recipients) for mail in had)


def test_whatever_a_provider_does_nobody_is_told_twice_and_every_message_has_an_end(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """Twenty of each: unknown are those that may have been taken; a restart sends none of them again; no thread is left behind."""
    threads = threading.active_count()
    house = everybody(tmp_path, smtp_sink, mail_channel(smtp_sink), tuple(WAYS))
    until_over(house)
    house.notifier.stop()
    # Each message cost the sink a thread at most while it was answered; the hands are gone.
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("send")]
    assert threading.active_count() <= threads + 1
    house.restart()
    house.run()
    counts, keys = Counter(house.store.counts()), mails_by_key(smtp_sink)
    unknown, due = EACH * len(AMBIGUOUS), EACH * len(WAYS)
    say(f"{due} due, {EACH} each {', '.join(WAYS)}: {dict(counts)}, sum {sum(counts.values())}")
    say(f"ambiguous outcomes {unknown}; at most {max(keys.values())} mail per case, recipient, channel, purpose and stage")
    assert max(keys.values()) == 1
    assert counts == {"unknown": unknown, "failed": EACH, "sent": 2 * EACH}
    assert sum(counts.values()) == due
    house.close()


def test_a_notifier_that_tries_unknown_outcomes_again_is_caught(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """Known-bad: the server had taken the message before it cut the line, and now has it twice."""
    channel = SaysAgain(Server(smtp_sink.host, smtp_sink.port), SENDER)
    house = everybody(tmp_path, smtp_sink, channel, ("cut",))
    until_over(house)
    assert max(mails_by_key(smtp_sink).values()) == 2
    house.close()


def test_an_answer_that_drips_in_is_not_listened_to_for_ever(smtp_sink: SmtpSink) -> None:
    """An answer has to be whole in time; known-bad, a timeout that begins anew with each letter hears it to the end."""
    smtp_sink.answer = Answer.DRIP
    assert mail_channel(smtp_sink).send(message()).outcome is Outcome.UNKNOWN

    def patiently(server: Server) -> smtplib.SMTP:
        return smtplib.SMTP(server.host, server.port, timeout=server.timeout_s)

    endless = MailChannel(Server(smtp_sink.host, smtp_sink.port, timeout_s=PATIENT_S), SENDER, patiently)
    assert endless.send(message()).outcome is Outcome.SENT
