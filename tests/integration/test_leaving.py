"""Leaving, the whole way: notifier, a real mail server, the header of the mail, the desk, and the log back to the notifier."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from notifier.buttons import Buttons
from notifier.service import Options
from tests.integration.test_notifier_providers import mail_channel
from tests.parts.smtp import SmtpSink
from tests.unit.desk.house import SECRET
from tests.unit.desk.house import House as Desk
from tests.unit.notifier.house import NOON, PARTITIONS, House, customer, note
from vorab import topics


def test_one_post_to_the_address_in_the_mail_ends_all_mails_and_looking_at_it_ends_none(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """A scanner opens it and the next message comes; the mail program posts to it (RFC 8058), and the next does not."""
    buttons = Buttons(SECRET, "https://desk.example.org/c/leave")
    house = House(tmp_path, now=NOON, channels=[mail_channel(smtp_sink, 60)], options=Options(senders=1, buttons=buttons))
    house.log.create(dict.fromkeys(topics.TOPICS, PARTITIONS))
    desk = Desk(tmp_path, house.log)
    desk.clock.set(NOON)
    house.know()
    house.put(customer(), note())
    house.run()
    [mail] = smtp_sink.accepted
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = urlsplit(str(mail.message["List-Unsubscribe"]).strip("<>"))
    assert (address.scheme, address.netloc) == ("https", "desk.example.org")
    desk.catch_up()

    del desk.client.headers["Sec-Fetch-Site"]
    assert desk.client.get(address.path).status_code == 200
    house.put(note(case="case-2"))
    house.run(prepare=False)
    assert len(smtp_sink.accepted) == 2

    posted = desk.client.post(
        address.path, content="List-Unsubscribe=One-Click", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert posted.status_code == 200
    house.put(note(case="case-3"))
    house.run(prepare=False)
    assert len(smtp_sink.accepted) == 2
    assert sorted(house.told()) == ["sent", "sent", "suppressed:no_consent"]
    desk.close()
    house.close()
