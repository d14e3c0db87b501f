"""Links to the customer page: only what we signed opens, only for its purpose, only in its time."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vorab.clock import HOUR
from vorab.links import Claims, LinkFor, LinkRefused, sign, verify

SECRET = "0123456789abcdef0123"
CLAIMS = Claims("note-1", "case-1", "main/pump-7", "main/c-1", "person_needed", 72 * HOUR)


def test_what_was_signed_is_what_is_read() -> None:
    """All claims come back."""
    assert verify(SECRET, sign(SECRET, CLAIMS), 0) == CLAIMS


def test_a_link_ends_with_its_time_and_says_so() -> None:
    """At the moment of expiry it is over; the visitor may be told that it was a link once."""
    token = sign(SECRET, CLAIMS)
    assert verify(SECRET, token, CLAIMS.expires_at - 1) == CLAIMS
    with pytest.raises(LinkRefused) as refused:
        verify(SECRET, token, CLAIMS.expires_at)
    assert refused.value.expired


def test_a_link_is_good_for_one_purpose() -> None:
    """The link that unsubscribes opens no page, and the other way round."""
    token = sign(SECRET, replace(CLAIMS, purpose=LinkFor.UNSUBSCRIBE))
    assert verify(SECRET, token, 0, LinkFor.UNSUBSCRIBE).purpose is LinkFor.UNSUBSCRIBE
    with pytest.raises(LinkRefused):
        verify(SECRET, token, 0)


def test_another_secret_opens_nothing() -> None:
    """A token of another installation is as good as none."""
    with pytest.raises(LinkRefused) as refused:
        verify("another secret of enough length", sign(SECRET, CLAIMS), 0)
    assert not refused.value.expired


@given(st.data())
def test_no_changed_character_goes_unnoticed(data: st.DataObject) -> None:
    """Each character of a token counts."""
    token = sign(SECRET, CLAIMS)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=%"))
    changed = token[:place] + other + token[place + 1 :]
    if changed != token:
        with pytest.raises(LinkRefused):
            verify(SECRET, changed, 0)


@given(st.text(max_size=400))
def test_noise_is_refused_and_never_an_error(noise: str) -> None:
    """Whatever stands in the address, the answer is a refusal."""
    with pytest.raises(LinkRefused):
        verify(SECRET, noise, 0)


@pytest.mark.parametrize("token", ["", ".", "a.b", "x" * 5_000, "e30.e30", base64.urlsafe_b64encode(b"[1]").decode() + "."])
def test_what_was_never_signed_is_refused(token: str) -> None:
    """Empty, long and half tokens."""
    with pytest.raises(LinkRefused):
        verify(SECRET, token, 0)


def test_a_short_secret_is_refused_at_the_start() -> None:
    """A secret one could guess protects nobody."""
    with pytest.raises(ValueError, match="16"):
        sign("short", CLAIMS)


def test_a_verifier_that_skips_the_signature_is_caught() -> None:
    """The known-bad variant reads claims without the secret; the one above would accept its forgery only with it."""
    body = sign("a secret the forger made up", replace(CLAIMS, customer="main/c-2")).partition(".")[0]
    signature = sign(SECRET, CLAIMS).partition(".")[2]
    with pytest.raises(LinkRefused):
        verify(SECRET, f"{body}.{signature}", 0)
