"""The webhook: what is posted, how it is signed, and what each answer means."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from notifier.channels import Outcome
from notifier.ways import channels_of
from notifier.webhook import OUTCOMES, WebhookChannel
from tests.parts.base import PATIENCE_S
from tests.unit.notifier.conformance import ERIKA, message
from tests.unit.notifier.stands import SIGNING
from tests.unit.notifier.websink import WebSink
from vorab.clock import SystemClock
from vorab.codes import Codes, code_of
from vorab.errors import ConfigError
from vorab.outbound import signatures
from vorab.outbound.call import Answer, Caller, Trouble
from vorab.records import Channel
from vorab.settings import Settings, load

SECRET = "a secret for tests"


@pytest.fixture
def sink() -> Iterator[WebSink]:
    """A system of the operator's."""
    with WebSink() as made:
        yield made


def channel(sink: WebSink, **how: Any) -> WebhookChannel:
    """The channel to it."""
    caller = Caller(("127.0.0.1",), allow_private=True, timeout_s=PATIENCE_S)
    return WebhookChannel(f"{sink.url}/hook", (SIGNING,), caller, Codes(SECRET), **how)


def test_a_message_is_an_event_with_everything_but_the_person(sink: WebSink) -> None:
    """Subject, text, short form, code and link go out, and the customer's key; addresses stay, and a name is only in the greeting."""
    assert channel(sink).send(message()).outcome is Outcome.SENT
    [post] = sink.taken
    found = json.loads(post.body)
    data = found.pop("data")
    assert (found["specversion"], found["type"], found["subject"]) == ("1.0", "io.vorab.message.v1", "case-1")
    assert (data["customer"], data["code"], data["link"]) == ("main/c-1", code_of(SECRET, "case-1"), "https://desk.example.org/c/token")
    assert data["glance"] == f"Pumpe 7: neu gestartet, läuft wieder. Code {data['code']}"
    assert not any(word in str({**post.headers, "path": post.path}) for word in (ERIKA.name, ERIKA.mail, ERIKA.phone))
    assert ERIKA.mail.encode() not in post.body
    assert ERIKA.phone.encode() not in post.body


def test_the_receiver_can_check_the_signature_and_knows_a_second_time(sink: WebSink) -> None:
    """Any library for Standard Webhooks checks it; the key is the notification's id, the same both times."""
    port = channel(sink)
    port.send(message("note-1"))
    port.send(message("note-1"))
    one, two = sink.taken
    assert one.headers["idempotency-key"] == two.headers["idempotency-key"] == "note-1"
    assert signatures.verify((SIGNING,), one.headers, SystemClock().now(), one.body) == "note-1"


def test_a_changed_body_is_not_ours(sink: WebSink) -> None:
    """Known bad: one letter changed on the way, and no signature fits."""
    channel(sink).send(message())
    [post] = sink.taken
    with pytest.raises(signatures.SignatureRefused):
        signatures.verify((SIGNING,), post.headers, SystemClock().now(), post.body.replace(b"Pumpe", b"Pampe"))


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.SENT), (202, Outcome.SENT), (204, Outcome.SENT), (302, Outcome.LATER), (400, Outcome.FAILED), (401, Outcome.LATER),
        (403, Outcome.LATER), (404, Outcome.LATER), (409, Outcome.LATER), (413, Outcome.FAILED), (422, Outcome.FAILED),
        (429, Outcome.LATER), (500, Outcome.LATER), (503, Outcome.LATER),
    ],
)  # fmt: skip
def test_each_answer_means_one_thing(sink: WebSink, status: int, outcome: Outcome) -> None:
    """What the operator can mend waits; what is wrong with the message itself is refused; a redirect is not followed."""
    sink.status = status
    assert channel(sink).send(message()).outcome is outcome
    assert len(sink.heard) == 1


def test_every_trouble_of_a_call_has_an_outcome() -> None:
    """None is left to chance, and none of them is called sent."""
    assert set(OUTCOMES) == set(Trouble)
    assert Outcome.SENT not in OUTCOMES.values()


def test_a_host_the_operator_has_not_named_is_never_called(sink: WebSink) -> None:
    """Also where the settings would let it through by mistake."""
    caller = Caller(("crm.example.org",), allow_private=True, setting="notifier.webhook.hosts")
    result = WebhookChannel(f"{sink.url}/hook", (SIGNING,), caller).send(message())
    assert (result.outcome, sink.heard) == (Outcome.LATER, [])
    assert "notifier.webhook.hosts" in result.detail


def test_no_id_breaks_a_header() -> None:
    """Ids come from the log; a line break in one is only a character."""
    seen: list[Mapping[str, str]] = []

    def call(_method: str, _url: str, headers: Mapping[str, str], _body: bytes | None = None) -> Answer:
        seen.append(headers)
        return Answer(200, b"")

    WebhookChannel("https://crm.example.org/", (SIGNING,), call).send(message("a\r\nX-Evil: b" + "c" * 500))
    assert all("\n" not in value and len(value) < 200 for value in seen[0].values())
    assert len(seen[0]["webhook-id"]) <= signatures.MAX_ID


def settings(tmp_path: Path, text: str) -> Settings:
    """Settings with this table."""
    file = tmp_path / "vorab.toml"
    file.write_text(f"state_dir = '{tmp_path}'\n[notifier.webhook]\n{text}", encoding="utf-8")
    return load(file, {})


def test_a_table_of_settings_makes_the_channel(tmp_path: Path) -> None:
    """Nothing besides; without the table there is no webhook."""
    found = settings(tmp_path, f"url = 'https://crm.example.org/hook'\nhosts = ['*.example.org']\nsecret = '{SIGNING}'\n")
    assert Channel.WEBHOOK in [port.channel for port in channels_of(found)]
    assert Channel.WEBHOOK not in [port.channel for port in channels_of(settings(tmp_path, ""))]
    assert SIGNING not in repr(found)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("url = 'https://crm.example.org/'\nsecret = 'S'\n", "not in hosts"),
        ("url = 'http://crm.example.org/'\nhosts = ['crm.example.org']\nsecret = 'S'\n", "allow_private"),
        ("url = 'https://me:pw@crm.example.org/'\nhosts = ['crm.example.org']\nsecret = 'S'\n", "without user"),
        ("url = 'https://crm.example.org/'\nhosts = ['crm.example.org']\n", "needs secret"),
        ("url = 'https://crm.example.org/'\nhosts = ['crm.example.org']\nsecret = 'whsec_short'\n", "24 random bytes"),
        ("url = 'https://crm.example.org/'\nhosts = ['crm.example.org']\nsecret = 'S S S'\n", "one or two"),
    ],
)
def test_a_half_set_up_webhook_is_refused_at_the_start(tmp_path: Path, text: str, says: str) -> None:
    """An unsigned message, or one to a host nobody named, is never sent."""
    with pytest.raises(ConfigError, match=says):
        settings(tmp_path, text.replace("'S'", f"'{SIGNING}'").replace("'S S S'", f"'{SIGNING} {SIGNING} {SIGNING}'"))
