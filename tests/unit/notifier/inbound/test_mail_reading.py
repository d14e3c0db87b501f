"""Mail as people and machines write it, and as somebody writes it who means harm."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.inbound.mail_reading import MAX_PARTS, read_mail, without_marks
from notifier.inbound.said import MAX_TEXT
from tests.unit.notifier.house import NOON
from tests.unit.notifier.inbound.parlour import mail, reply
from vorab.errors import Rejected

FROM: Final = b"From: erika@example.org\r\nMessage-ID: <1@x.example>\r\n"


def read(raw: bytes) -> str:
    """The words of a mail."""
    return read_mail(raw, NOON, return_path="erika@example.org").text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"Content-Type: text/plain; charset=utf-8\r\n\r\nGr\xc3\xbc\xc3\x9fe dich", "Grüße dich"),
        (b"Content-Type: text/plain; charset=us-ascii\r\n\r\nGr\xc3\xbc\xc3\x9fe dich", "Grüße dich"),
        (b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\nGr\xc3\xbc\xc3\x9fe dich", "Grüße dich"),
        (b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\nGr\xfc\xdfe dich", "Grüße dich"),
        (b"Content-Type: text/plain; charset=utf-8\r\n\r\nGr\xfc\xdfe dich", "Grüße dich"),
        (b"Content-Type: text/plain; charset=klingon\r\n\r\nGr\xc3\xbc\xc3\x9fe dich", "Grüße dich"),
        (b"\r\nGr\xfc\xdfe dich", "Grüße dich"),
        (b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nR3LDvMOfZSBkaWNo\r\n", "Grüße dich"),
        (b"Content-Type: text/html; charset=utf-8\r\n\r\n<style>p{}</style><p>Ja,&nbsp;gern</p><blockquote>Stopp</blockquote>", "Ja, gern"),
        (b"Content-Type: text/html\r\n\r\n<p>Ja<br>gern<script>Stopp</script>", "Ja\ngern"),
    ],
)
def test_words_are_read_whatever_they_are_called(raw: bytes, text: str) -> None:
    """Character sets that are named wrongly, or not at all; HTML without text; what HTML quotes is left out."""
    assert read(FROM + raw) == text


def test_what_a_reply_quotes_is_no_words_of_its_own() -> None:
    """Our own words below theirs decide nothing."""
    assert read(FROM + b"\r\nJa\r\n\r\nAm 24.11.2026 um 12:00 schrieb vorab:\r\n> Antworten Sie STOPP\r\n") == "Ja"


def test_text_comes_before_html_and_attachments_are_counted() -> None:
    """An alternative is read once; what is attached is not read, also where it is text."""
    made = EmailMessage()
    made["From"], made["Message-ID"] = "erika@example.org", "<1@x.example>"
    made.set_content("Ja")
    made.add_alternative("<p>Nein</p>", subtype="html")
    made.add_attachment(b"Stopp", maintype="text", subtype="plain", filename="a.txt")
    made.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="b.png")
    said = read_mail(made.as_bytes(), NOON)
    assert (said.text, said.attachments) == ("Ja", 2)


def test_headers_tell_what_is_answered() -> None:
    """All Message-IDs of References and In-Reply-To, and what an answer has to name."""
    said = read_mail(b"References: <case.1@a.example>\r\n <n@a.example>\r\nIn-Reply-To: <n@a.example>\r\n" + FROM + b"\r\nJa", NOON)
    assert (said.refers, said.thread, said.message) == (("<case.1@a.example>", "<n@a.example>"), "<1@x.example>", "<1@x.example>")


def test_a_mail_without_an_id_is_known_by_its_bytes() -> None:
    """It comes again as the same, and another one is another."""
    one, two = (read_mail(b"From: a@b.example\r\n\r\n" + text, NOON).message for text in (b"Ja", b"Nein"))
    assert one.startswith("sha256:")
    assert one != two


AUTOMATIC: Final = (
    {"Auto_Submitted": "auto-generated"}, {"Auto_Submitted": "Auto-Replied (vacation)"}, {"Precedence": "bulk"},
    {"Precedence": "auto_reply"},
    {"List_Id": "<news.example>"}, {"List_Unsubscribe": "<https://a.example>"}, {"X_Autoreply": "yes"}, {"X_Auto_Response_Suppress": "All"},
    {"sender": "MAILER-DAEMON@example.org"}, {"sender": "no-reply@example.org"}, {"sender": "bounces+1@example.org"},
    {"sender": "service@example.org"}, {"return_path": ""}, {"return_path": "<>"}, {"subject": "Abwesenheitsnotiz: AW: Pumpe"},
    {"subject": "Automatic reply: Pump 7"}, {"subject": "Undeliverable: Pump 7"},
)  # fmt: skip


@pytest.mark.parametrize("headers", AUTOMATIC)
def test_mail_of_machines_is_known(headers: dict[str, Any]) -> None:
    """Every mark a machine is known by."""
    assert reply("Ja", **headers).automatic


def test_a_report_is_mail_of_a_machine() -> None:
    """Also one whose return path was lost on the way."""
    raw = b"Content-Type: multipart/report; boundary=x\r\n" + FROM + b"\r\n--x\r\n\r\nfailed\r\n--x--\r\n"
    assert read_mail(raw, NOON).automatic == "multipart/report"


@pytest.mark.parametrize("headers", [{}, {"Auto_Submitted": "no"}, {"Precedence": "normal"}, {"subject": "Automatik der Pumpe"}])
def test_mail_of_people_is_not_taken_for_a_machines(headers: dict[str, Any]) -> None:
    """What people write is answered."""
    assert reply("Ja", **headers).automatic == ""


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\x00" * 100, b"Subject: nobody\r\n\r\nHallo", b"From: a@b.example, c@d.example\r\n\r\nHallo",
        b"From: a@b.example\r\nFrom: c@d.example\r\n\r\nHallo", b"From: \xff\xfe\r\n\r\nHallo", b"From: <a@b>\r\n\tx@y.example\r\n\r\n",
        b"X-A: 1\r\n" * 600 + FROM + b"\r\nHallo",
    ],
)  # fmt: skip
def test_mail_of_nobody_is_refused_with_a_reason(raw: bytes) -> None:
    """No sender, two senders, bytes that are no mail."""
    with pytest.raises(Rejected) as refused:
        read_mail(raw, NOON)
    assert refused.value.detail
    assert "example" not in refused.value.detail


def test_layers_without_end_are_refused() -> None:
    """A mail in a mail in a mail, and more parts than anybody writes."""
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3_000))
    wide = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\nJa\r\n" * (MAX_PARTS + 1) + b"--x--"
    for raw in (FROM + deep, FROM + wide):
        with pytest.raises(Rejected):
            read_mail(raw, NOON)


def test_a_long_mail_is_cut() -> None:
    """What somebody writes is read as far as anybody would."""
    assert len(read(FROM + b"\r\n" + "Grüße und mehr. ".encode() * 60_000)) <= MAX_TEXT


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_whatever_comes_is_read_or_refused(head: bytes, body: bytes) -> None:
    """No bytes raise anything else, so that bad mail never stops the good."""
    for raw in (head, FROM + head, FROM + b"Content-Type: multipart/mixed; boundary=x\r\n" + head + b"\r\n\r\n--x\r\n" + body):
        try:
            found = read_mail(raw, NOON)
        except Rejected:
            continue
        assert len(found.text) <= MAX_TEXT


@given(st.text(max_size=300))
def test_any_text_is_html_of_a_kind(text: str) -> None:
    """Half a tag is no error."""
    without_marks(text)


def test_what_is_said_does_not_show_in_a_log_line() -> None:
    """Neither words nor address."""
    assert repr(reply("Geheim")) == "Said(mail)"
    assert b"Geheim" in mail("Geheim")
