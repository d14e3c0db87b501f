"""Whose words a reply is, and which case it is about."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.inbound.finding import PROVEN, Found, Proof, Sent, codes_in, find, named
from notifier.inbound.said import MAIL, TELEGRAM, WEBHOOK, Said

ONE, TWO = Sent("main/c-1", "case-1", "pump-7", "note-1"), Sent("main/c-1", "case-2", "pump-8", "note-2")
OTHER = Sent("main/c-2", "case-9", "pump-9", "note-9")
OPEN = {"main/c-1": [ONE, TWO]}


def said(channel: str = MAIL, **more: Any) -> Said:
    """Something that was said."""
    return Said(channel, "1", "erika@example.org", "Hallo", 0, **more)


@pytest.mark.parametrize(
    ("of", "answered", "senders", "cases", "coded", "found"),
    [
        (said(), [ONE], ["main/c-1"], OPEN, [], Found(Proof.REPLY, "main/c-1", "case-1", "pump-7", "note-1")),
        (said(), [ONE, TWO], ["main/c-1", "main/c-2"], OPEN, [], Found(Proof.REPLY, "main/c-1", "case-2", "pump-8", "note-2")),
        (said(), [ONE], [], OPEN, [], Found(Proof.STRANGER, "main/c-1", "case-1", "pump-7", "note-1")),
        (said(), [Sent("main/c-1", "case-1")], ["main/c-1"], OPEN, [], Found(Proof.ADDRESS, "main/c-1", "case-1", "pump-7")),
        (said(), [ONE, OTHER], [], {}, [], Found(Proof.NOBODY)),
        (said(), [], ["main/c-1"], {"main/c-1": [ONE]}, [], Found(Proof.ADDRESS, "main/c-1", "case-1", "pump-7", "note-1")),
        (said(), [], ["main/c-1"], OPEN, [], Found(Proof.ADDRESS, "main/c-1")),
        (said(), [], ["main/c-1"], OPEN, ["case-2"], Found(Proof.ADDRESS, "main/c-1", "case-2", "pump-8", "note-2")),
        (
            said(),
            [],
            ["main/c-1", "main/c-2"],
            {**OPEN, "main/c-2": [OTHER]},
            ["case-9"],
            Found(Proof.ADDRESS, "main/c-2", "case-9", "pump-9"),
        ),
        (said(), [], ["main/c-1", "main/c-2"], {**OPEN, "main/c-2": [OTHER]}, [], Found(Proof.NOBODY)),
        (said(), [], [], OPEN, ["case-1"], Found(Proof.STRANGER, "main/c-1", "case-1", "pump-7")),
        (said(), [], [], OPEN, ["case-1", "case-2"], Found(Proof.NOBODY)),
        (said(TELEGRAM), [], ["main/c-1"], {"main/c-1": [ONE]}, [], Found(Proof.REPLY, "main/c-1", "case-1", "pump-7", "note-1")),
        (
            said(WEBHOOK, vouched="main/c-1"),
            [OTHER],
            [],
            {"main/c-1": [ONE]},
            [],
            Found(Proof.VOUCHED, "main/c-1", "case-1", "pump-7", "note-1"),
        ),
    ],
)
def test_whose_it_is(of: Said, answered: list[Sent], senders: list[str], cases: Any, coded: list[str], found: Found) -> None:
    """By the message that is answered, else by the only case of who wrote, else by the code, else nobody knows."""
    assert find(of, answered, senders, cases, coded) == found


@given(
    st.lists(st.sampled_from([ONE, TWO, OTHER, Sent("main/c-1", "case-1")])),
    st.lists(st.sampled_from(["main/c-1", "main/c-2"]), unique=True),
    st.lists(st.sampled_from(["case-1", "case-2", "case-9"])),
)  # fmt: skip
def test_a_mail_is_never_proof_by_its_address_or_code(answered: list[Sent], senders: list[str], coded: list[str]) -> None:
    """Whatever fits together: proven is only who answers a message from the address it went to."""
    found = find(said(), answered, senders, {**OPEN, "main/c-2": [OTHER]}, coded)
    if found.proof in PROVEN:
        assert found.customer in senders
        assert any(each.customer == found.customer and each.notification for each in answered)


def test_our_message_ids_are_read_back() -> None:
    """A notification, the root of a case, and the id a gateway gives back; not what looks like them from elsewhere."""
    refers = ["<note-1@example.org>", "<case.case-1@EXAMPLE.org>", "<note-2@evil.example>", "note-3", "<x@y@example.org>"]
    assert named(refers, "example.org") == (["note-1", "note-3", "<x@y@example.org>"], ["case-1"])


def test_four_digits_in_a_text() -> None:
    """A code stands alone: no year in a date, no time, no part of a number."""
    assert codes_in("Code 0417, am 24.11.2026 um 12:30, Tel. 0301234567, 1234-5678, 17:0041 und 1.2345. Und 0418.") == ["0417", "0418"]
