"""SMS, push and chat: what goes out, to whom, what each answer means, and what never shows."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from notifier.apprise_channel import AppriseChannel, address_of, number_of
from notifier.apprise_watch import Watch
from notifier.channels import Message, Outcome, Result
from notifier.glance import LIMIT, words_of
from notifier.render import Renderer
from notifier.ways import channels_of
from notifier.words import LANGUAGES, load_words
from tests.parts.base import PATIENCE_S
from tests.unit.notifier.conformance import ERIKA, HOSTILE, Play, message
from tests.unit.notifier.house import MORNING, customer, note
from tests.unit.notifier.websink import WebSink
from vorab.codes import Codes, code_of
from vorab.errors import ConfigError
from vorab.people import Person
from vorab.records import Channel, Stage
from vorab.settings import load

SECRET = "a secret for tests"
CODE = code_of(SECRET, "case-1")
RENDERER = Renderer(load_words(), Codes(SECRET))
WAYS = (Channel.SMS, Channel.PUSH, Channel.CHAT)


@pytest.fixture
def sink() -> Iterator[WebSink]:
    """A service with an HTTP interface."""
    with WebSink() as made:
        yield made


def channel(sink: WebSink, way: Channel = Channel.SMS, tail: str = "{phone}", **how: Any) -> AppriseChannel:
    """A channel to it."""
    how = {"timeout_s": PATIENCE_S, **how}
    return AppriseChannel(way, f"json://127.0.0.1:{sink.port}/{tail}", ("json",), Codes(SECRET), **how)


def test_an_sms_is_the_short_form_to_one_number(sink: WebSink) -> None:
    """One line with the code, and no link."""
    assert channel(sink).send(message()).outcome is Outcome.SENT
    [post] = sink.taken
    found = json.loads(post.body)
    assert post.path in {"/+4915112345678", "/%2B4915112345678"}
    assert (found["title"], found["message"]) == ("", f"Pumpe 7: neu gestartet, läuft wieder. Code {CODE}")


def test_a_push_through_ntfy_goes_to_the_customers_topic(sink: WebSink) -> None:
    """Its title is the short form; only its link leads further, so that a locked screen shows little."""
    port = AppriseChannel(Channel.PUSH, f"ntfy://127.0.0.1:{sink.port}/vorab-{{customer}}", ("ntfy",), Codes(SECRET), PATIENCE_S)
    assert port.send(message()).outcome is Outcome.SENT
    [post] = sink.taken
    said = f"{post.path} {post.headers} {post.body.decode()}"
    assert "vorab-c-1" in said
    assert "https://desk.example.org/c/token" in said
    assert ERIKA.name not in said


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.SENT), (302, Outcome.LATER), (400, Outcome.FAILED), (401, Outcome.LATER), (404, Outcome.LATER), (422, Outcome.FAILED),
        (429, Outcome.LATER), (500, Outcome.UNKNOWN), (502, Outcome.UNKNOWN), (503, Outcome.LATER), (504, Outcome.UNKNOWN),
    ],
)  # fmt: skip
def test_each_answer_means_one_thing(sink: WebSink, status: int, outcome: Outcome) -> None:
    """Tried again only where it was certainly not taken; a redirect is not followed, and nothing is tried twice by Apprise itself."""
    sink.status = status
    assert channel(sink, tail="{phone}?retry=3&redirect=yes&optional=yes").send(message()).outcome is outcome
    assert len(sink.heard) == 1


@pytest.mark.parametrize(
    ("watch", "outcome"),
    [
        (Watch(), Outcome.UNKNOWN),
        (Watch(unsent=1), Outcome.LATER),
        (Watch(unsent=1, unknown=1), Outcome.UNKNOWN),
        (Watch([200, 400]), Outcome.UNKNOWN),
        (Watch([400], unknown=1), Outcome.UNKNOWN),
        (Watch([400]), Outcome.FAILED),
    ],
)
def test_no_is_unknown_unless_it_was_certainly_not_taken(watch: Watch, outcome: Outcome) -> None:
    """A service without HTTP tells nothing; of several calls one may have been the message."""
    assert watch.outcome(said=False) is outcome
    assert watch.outcome(said=True) is Outcome.SENT


def test_taking_no_for_not_sent_is_caught(sink: WebSink) -> None:
    """Known bad: Apprise says no both times, and who tries again tells the customer twice."""
    sink.play(Play.SILENT)
    assert channel(sink).send(message()).outcome is Outcome.UNKNOWN
    assert len(sink.heard) == 1
    sink.play(Play.AWAY)
    assert channel(sink).send(message()).outcome is Outcome.LATER
    assert len(sink.heard) == 1


def test_a_service_that_hangs_holds_nobody_up(sink: WebSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time it is unknown, whatever the plugin still waits for; and so is whatever a plugin raises."""
    go = threading.Event()

    def hangs(*_: object) -> Result:
        go.wait(PATIENCE_S)
        return Result(Outcome.SENT)

    port = channel(sink, timeout_s=0.05)
    monkeypatch.setattr(port, "_call", hangs)
    assert port.send(message()).outcome is Outcome.UNKNOWN
    go.set()

    def raises(*_: object) -> Result:
        raise RuntimeError(ERIKA.phone)

    port = channel(sink)
    monkeypatch.setattr(port, "_call", raises)
    assert port.send(message()) == Result(Outcome.UNKNOWN, "sms: RuntimeError")


@pytest.mark.parametrize(
    ("phone", "number"),
    [
        ("+49 151 1234-5678", "+4915112345678"), ("0049 (151) 12345678", "+4915112345678"), ("+1/555.0100200", "+15550100200"),
        ("0151 12345678", ""), ("", ""), ("+49", ""), ("+49151/../../x", ""), ("+4915112345678?retry=9", ""),
        ("+49１５１１２３４５６７８", ""),
    ],
)  # fmt: skip
def test_a_number_is_one_number_and_nothing_besides(phone: str, number: str) -> None:
    """As E.164 writes it; without a country it reaches nobody, and no number changes the address it stands in."""
    assert number_of(phone) == number
    assert address_of("twilio://sid:token@from/{phone}", replace(ERIKA, phone=phone)).endswith(number.replace("+", "%2B"))


def test_a_customers_id_stays_in_its_place() -> None:
    """Whatever it holds, it is one part of a path."""
    found = address_of("ntfys://ntfy.example.org/v-{tenant}-{customer}", Person("main/../x?retry=1&a=@evil.example#"))
    assert found == "ntfys://ntfy.example.org/v-main-..%2Fx%3Fretry%3D1%26a%3D%40evil.example%23"


def test_who_lacks_what_the_address_needs_is_not_reached(sink: WebSink) -> None:
    """Nobody is tried without a number; also not when it went between the decision and the call."""
    port = channel(sink)
    nobody = replace(ERIKA, phone="")
    assert not port.reaches(nobody)
    assert not port.reaches(None)
    assert port.send(replace(message(), to=nobody)).outcome is Outcome.FAILED
    assert sink.heard == []
    assert channel(sink, tail="room").reaches(None)


@pytest.mark.parametrize(
    ("url", "schemas", "says"),
    [
        ("jsons://h/{phone}", ["json"], "not a schema that may be used"),
        ("json://h/{phone}", [], "not a schema that may be used"),
        ("syslog://", ["syslog"], "not a schema that may be used"),
        ("mailto://a:b@example.org", ["mailto"], "not a schema that may be used"),
        ("json://h/{password}", ["json"], "nothing called"),
        ("json://{customer}/x", ["json"], "may not be the host"),
        ("twilio://nothing", ["twilio"], "cannot use"),
        ("no address", ["json"], "not a schema that may be used"),
    ],
)
def test_what_the_operator_has_not_allowed_ends_the_start(tmp_path: Path, url: str, schemas: list[str], says: str) -> None:
    """Named by its key, without the address: it may hold a secret."""
    file = tmp_path / "vorab.toml"
    table = f"state_dir = '{tmp_path}'\n[notifier]\napprise_schemas = {schemas}\n[notifier.sms]\nurl = '{url}'\n"
    file.write_text(table, encoding="utf-8")
    with pytest.raises(ConfigError, match=says) as caught:
        channels_of(load(file, {}))
    assert "notifier.sms.url" in str(caught.value)
    assert url not in str(caught.value)


def test_tables_of_settings_make_the_channels(tmp_path: Path) -> None:
    """Each by its own table."""
    file = tmp_path / "vorab.toml"
    tables = "".join(f"[notifier.{way}]\nurl = 'json://127.0.0.1/{{phone}}'\n" for way in WAYS)
    file.write_text(f"state_dir = '{tmp_path}'\n[notifier]\napprise_schemas = ['json']\n{tables}", encoding="utf-8")
    assert [port.channel for port in channels_of(load(file, {}))] == [Channel.FILE, *WAYS]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("evil", [*HOSTILE, "Pumpe 7"])
def test_every_stage_has_words_for_each_of_them(stage: Stage, language: str, evil: str) -> None:
    """In both languages, with long and hostile names: never empty, always with the code, short where there is little room."""
    told = note(stage, params={"name": evil, "model": "heat-pump", "cause": "low_pressure"})
    words = RENDERER.render(told, None, customer(language=language), now=MORNING, name=evil, link="https://desk.example.org/c/token")
    sent = Message("note-1", "case-1", True, ERIKA, language, MORNING, words.subject, words.text, words.html, words.link)
    for way in WAYS:
        title, body = words_of(way, sent, CODE)
        assert body
        assert CODE in title + body
        assert len(title) <= LIMIT
        assert "\r" not in title + body
        assert (title + body).count("://") == (0 if way is Channel.SMS else 1)
