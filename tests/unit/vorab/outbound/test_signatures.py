"""Nobody but the partner can make a message, and nobody can send it again later."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from vorab.clock import MINUTE, SECOND
from vorab.errors import ConfigError
from vorab.outbound import credentials, signatures
from vorab.outbound.signatures import SignatureRefused
from vorab.partners import Partner

OLD, NEW, OTHER = ("whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2, 3))
NOW = 1_614_265_330 * SECOND
BODY = b'{"test": 2432232314}'


def test_the_example_of_the_specification() -> None:
    """The signature that the Standard Webhooks libraries print for their own example."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    made = signatures.headers([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", NOW, BODY)
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_either_of_two_valid_keys_opens_a_message() -> None:
    """While keys are changed, it does not matter who has changed first."""
    for signed, known in (([NEW, OLD], [OLD]), ([NEW, OLD], [NEW]), ([OLD], [NEW, OLD]), ([NEW], [NEW, OLD])):
        assert signatures.verify(known, signatures.headers(signed, "m-1", NOW, BODY), NOW, BODY) == "m-1"


@pytest.mark.parametrize("what", ["body", "id", "time", "signature", "secret", "version", "early", "late", "missing", "scheme"])
def test_whatever_is_changed_is_noticed(what: str) -> None:
    """Body, id, time, key, window: each of them is signed or looked at."""
    made, body, known, now = signatures.headers([NEW], "m-1", NOW, BODY), BODY, [NEW], NOW
    match what:
        case "body":
            body += b" "
        case "id":
            made["webhook-id"] = "m-2"
        case "time":
            made["webhook-timestamp"] = str(NOW // SECOND + 1)
        case "signature":
            made["webhook-signature"] = made["webhook-signature"][:-4] + "AAA="
        case "secret":
            known = [OTHER]
        case "version":
            made["webhook-signature"] = made["webhook-signature"].replace("v1,", "v9,")
        case "early" | "late":
            now += (5 * MINUTE + SECOND) * (1 if what == "late" else -1)
        case "missing":
            del made["webhook-timestamp"]
        case "scheme":
            made["webhook-timestamp"] = "²"
    with pytest.raises(SignatureRefused):
        signatures.verify(known, made, now, body)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_short", "plain text that is long enough to be a secret", "whsec_" + "!" * 40])
def test_a_weak_secret_is_no_secret(secret: str) -> None:
    """It ends in words, not in messages that anybody could sign."""
    with pytest.raises(ValueError, match="whsec_"):
        signatures.key_of(secret)


def partner(folder: Path, text: str, **more: str) -> Partner:
    """A receiver whose secrets stand in a file."""
    file = folder / "secrets"
    file.write_text(text, encoding="utf-8")
    base = {"name": "mail", "kind": "webhook", "base_url": "https://hooks.example.org/vorab", "secret_file": str(file)}
    return Partner.model_validate({**base, **more})


def test_secrets_are_read_anew_and_two_are_valid(tmp_path: Path) -> None:
    """A file that is changed counts at once; of three lines the last is over."""
    chosen = partner(tmp_path, f"# newest first\n{OLD}\n")
    assert credentials.secrets(chosen) == [OLD]
    partner(tmp_path, f"{NEW}\n{OLD}\n{OTHER}\n")
    assert credentials.secrets(chosen) == [NEW, OLD]


def test_what_is_wrong_with_credentials_names_the_place_and_not_the_secret(tmp_path: Path) -> None:
    """An operator finds it, and the log keeps no secret."""
    for text in ("", "whsec_c2hvcnQ=\n"):
        with pytest.raises(ConfigError) as caught:
            credentials.secrets(partner(tmp_path, text))
        assert "secret_file" in str(caught.value)
        assert "c2hvcnQ" not in str(caught.value)
    with pytest.raises(ConfigError, match="NO_SUCH is not set"):
        credentials.secrets(partner(tmp_path, "", secret_file="", secret_env="NO_SUCH"))


def test_a_listener_takes_bearer_and_basic(tmp_path: Path) -> None:
    """The token as it is, or as the password of a user of any name; and nothing else."""
    chosen = partner(tmp_path, "a-token-that-is-long-enough\n", kind="tmf621")
    basic = base64.b64encode(b"anybody:a-token-that-is-long-enough").decode()
    good = ["Bearer a-token-that-is-long-enough", f"Basic {basic}"]
    bad = ["", "Bearer ", "Bearer a-token", "a-token-that-is-long-enough", "Basic !!", "Digest a-token-that-is-long-enough"]
    assert [credentials.lets_in(chosen, header) for header in (*good, *bad)] == [True] * 2 + [False] * 6
    assert not credentials.lets_in(partner(tmp_path, "", kind="tmf621", secret_file=""), "Bearer ")
