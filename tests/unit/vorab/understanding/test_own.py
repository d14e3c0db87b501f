"""What a person wrote themselves is told from what they quote and from their signature."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vorab.understanding.own import MOST, own_words

QUOTED = "Ihre Pumpe steht. Fragen zur Rechnung? Antworten Sie STOP, wenn Sie nichts mehr hören wollen."


@pytest.mark.parametrize(
    "mail",
    [
        f"Ja bitte\n\nAm 12.11.2026 um 08:14 schrieb Service:\n> {QUOTED}",
        f"Ja bitte\n\nAm Dienstag, 12. November 2026 um 08:14 schrieb Service\n<service@example.org>:\n{QUOTED}",
        f"Ja bitte\n\nOn Tue, 12 Nov 2026 at 08:14, Service <service@example.org> wrote:\n{QUOTED}",
        f"> {QUOTED}\n\nJa bitte",
        f"Ja bitte\n\nVon: Service <service@example.org>\nGesendet: Dienstag\nBetreff: Pumpe\n\n{QUOTED}",
        f"Ja bitte\n\nFrom: Service\nSent: Tuesday\nSubject: Pump\n\n{QUOTED}",
        f"Ja bitte\r\n\r\n-----Ursprüngliche Nachricht-----\r\n{QUOTED}",
        f"Ja bitte\n\n----- Original Message -----\n{QUOTED}",
        "Ja bitte\n-- \nDr. Anna Recht\nRechtsanwaltskanzlei",
        "Ja bitte\n\nSent from my iPhone",
        "Ja bitte\n\nVon meinem Handy gesendet",
        "Ja bitte\n\nGesendet von Outlook für Android",
        "Ja bitte\n\nMit freundlichen Grüßen\nKlaus Zahl\nAmtsgericht Stuttgart HRB 4711",
        "Ja bitte\n\nKind regards,\nBill Lawless\nLawless & Sons Solicitors",
    ],
)
def test_quotes_and_signatures_are_cut_off(mail: str) -> None:
    """Nobody asks for a lawyer because one signs their mails, or stops because we told them how."""
    assert own_words(mail) == "Ja bitte"


@pytest.mark.parametrize(
    "text", ["Ja bitte", "Am Freitag wäre gut", "On Friday please", "Von mir aus", "Beste Firma, danke", "An welchem Tag?"]
)
def test_what_only_looks_like_a_quote_stays(text: str) -> None:
    """Words that begin quotes begin sentences, too."""
    assert own_words(text) == text


def test_a_reply_of_nothing_but_quotes_is_empty() -> None:
    """Sent back without a word."""
    assert own_words(f"\n> {QUOTED}\n> mehr\n") == ""


@given(st.text(max_size=3_000))
def test_any_text_is_cut(text: str) -> None:
    """Never an error, never more than came, never beyond the cap."""
    assert len(own_words(text)) <= min(len(text), MOST)
