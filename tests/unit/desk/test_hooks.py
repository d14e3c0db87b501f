"""Signed webhooks: what was signed a moment ago with the secret is believed, and nothing else."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.hooks import WINDOW, NotSigned, sign, verify
from vorab.clock import SECOND

SECRET = "a secret of a telephone system"
AT = 1_795_467_600
BODY = b'{"customer": "c-1"}'


def signed(secret: str = SECRET, name: str = "msg-1", at: int = AT, body: bytes = BODY) -> dict[str, str]:
    """The headers of a webhook."""
    return {"webhook-id": name, "webhook-timestamp": str(at), "webhook-signature": sign(secret, name, at, body)}


def test_the_standards_own_example_is_right() -> None:
    """Secret, id, time, body and signature as standardwebhooks.com prints them."""
    secret, name, at = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330
    assert sign(secret, name, at, b'{"test": 2432232314}') == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_was_signed_is_believed() -> None:
    """Also beside signatures of an older secret, and to the end of the window."""
    assert verify(SECRET, signed(), BODY, AT * SECOND) == "msg-1"
    several = signed() | {"webhook-signature": f"v1,{base64.b64encode(b'x' * 32).decode()} {signed()['webhook-signature']}"}
    assert verify(SECRET, several, BODY, AT * SECOND) == "msg-1"
    for edge in (-WINDOW, WINDOW):
        assert verify(SECRET, signed(), BODY, AT * SECOND + edge) == "msg-1"


@pytest.mark.parametrize("late", [WINDOW + 1, -WINDOW - 1])
def test_a_replay_is_not_believed(late: int) -> None:
    """Five minutes later, or ahead of time; the right signature does not help."""
    with pytest.raises(NotSigned, match="too long ago"):
        verify(SECRET, signed(), BODY, AT * SECOND + late)


@given(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "body"]), st.text(max_size=60))
def test_nothing_else_is_believed(part: str, text: str) -> None:
    """Whatever stands in place of one part."""
    headers, body = signed(), BODY
    if part == "body":
        body = text.encode()
    elif text.strip() != headers[part]:
        headers[part] = text
    else:
        return
    with pytest.raises(NotSigned):
        verify(SECRET, headers, body, AT * SECOND)
