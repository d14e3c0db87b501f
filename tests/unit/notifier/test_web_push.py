"""Web Push: what a device can read and nobody else, what a push service checks, and what becomes of a device that is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.exceptions import InvalidTag

from notifier.channels import Message, Outcome, Result
from notifier.preview import Sample, message_of
from notifier.vapid import Keys, keys_in
from notifier.web_push import OUTCOMES, WebPushChannel
from notifier.web_push_words import LARGEST, PADDED, payload, told, topic_of
from notifier.words import load_words
from tests.parts.base import PATIENCE_S
from tests.unit.notifier.browser import Device, checked, decoded, encoded, sealed_for
from tests.unit.notifier.conformance import ERIKA, message
from tests.unit.notifier.house import NOON, FakeChannel, House, case_event, customer, note
from tests.unit.notifier.websink import WebSink
from vorab.clock import HOUR, SECOND, SystemClock
from vorab.codes import Codes, code_of
from vorab.links import LinkFor, verify
from vorab.outbound.call import Caller, Trouble
from vorab.records import CaseKind, Channel, Stage, Status, Urgency
from vorab.settings import Settings
from vorab.subscriptions import Subscription, subscription_of

SECRET = "a secret for tests"
HOSTS = ("127.0.0.1",)


@pytest.fixture
def sink() -> Iterator[WebSink]:
    """A push service."""
    with WebSink() as made:
        made.status = 201
        yield made


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """The keys of an installation."""
    return keys_in(tmp_path / "vapid.pem")


def channel(keys: Keys, *, allow_private: bool = True) -> WebPushChannel:
    """The channel, to services on loopback."""
    caller = Caller(HOSTS, allow_private=allow_private, timeout_s=PATIENCE_S, setting="notifier.web_push.hosts")
    return WebPushChannel(keys, "push@example.org", caller, HOSTS, Codes(SECRET), "Muster Service <service@example.org>")


def asking(*devices: Subscription, **changes: Any) -> Message:
    """A message to Erika on these devices that asks whether somebody may call."""
    base: dict[str, Any] = {"to": replace(ERIKA, devices=devices), "call": "call.token", "expires_at": NOON + 6 * HOUR}
    return replace(message(), **{**base, **changes})


def test_the_device_of_the_tests_reads_what_the_standard_shows() -> None:
    """RFC 8291, appendix A: so it is the standard that our messages are read by, and not our own idea of it."""
    device = Device(decoded("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), decoded("BTBZMqHH6r4Tts7J_aSIgg"))
    body = (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
        "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    assert encoded(device.public) == "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
    assert device.read(decoded(body)) == b"When I grow up, I want to be a watermelon"


def test_a_device_reads_the_short_form_the_code_and_two_buttons(sink: WebSink, keys: Keys) -> None:
    """Nothing else stands in it: no name, no address."""
    device = Device()
    assert channel(keys).send(asking(device.subscription(f"{sink.url}/p/1"))).outcome is Outcome.SENT
    [post] = sink.taken
    said = json.loads(device.read(post.body))
    assert (said["title"], said["lang"], said["tag"]) == ("Muster Service", "de", topic_of("case-1"))
    assert said["body"] == f"Pumpe 7: neu gestartet, läuft wieder. Code {code_of(SECRET, 'case-1')}"
    assert said["buttons"] == [{"action": "call", "title": "Ja, rufen Sie mich an"}, {"action": "page", "title": "Mehr dazu"}]
    assert (said["call"], said["page"]) == ("call.token", "token")
    assert not any(word in json.dumps(said) for word in (ERIKA.name, ERIKA.mail, ERIKA.phone))


def test_a_push_service_takes_it_for_what_it_is(sink: WebSink, keys: Keys) -> None:
    """Signed for this service and for less than a day; kept until it expires; a newer one about the case takes its place."""
    port, to = channel(keys), Device().subscription(f"{sink.url}/p/1")
    port.send(asking(to))
    port.send(asking(to, notification="note-2", urgency=Urgency.SAFETY, expires_at=NOON + HOUR))
    port.send(asking(to, notification="note-3", case="case-2", expires_at=NOON - HOUR))
    now_s = SystemClock().now() / SECOND
    for post in sink.taken:
        assert checked(post.headers, "http://127.0.0.1", keys.browsers, now_s)["sub"] == "mailto:push@example.org"
        assert post.headers["authorization"].count(".") == 2
    first, second, third = (post.headers for post in sink.taken)
    assert [headers["ttl"] for headers in (first, second, third)] == [str(6 * 3600), "3600", "1"]
    assert [headers["urgency"] for headers in (first, second, third)] == ["normal", "high", "normal"]
    assert first["topic"] == second["topic"] != third["topic"]


def test_a_signature_for_another_service_or_by_another_key_is_seen(sink: WebSink, keys: Keys, tmp_path: Path) -> None:
    """Known bad: the double refuses what a real service would."""
    channel(keys).send(asking(Device().subscription(f"{sink.url}/p/1")))
    headers, now_s = sink.taken[0].headers, SystemClock().now() / SECOND
    other = keys_in(tmp_path / "other.pem").browsers
    swapped = {**headers, "authorization": headers["authorization"].replace(keys.browsers, other)}
    wrong: list[tuple[dict[str, str], str, str, float]] = [
        (dict(headers), "https://push.example.org", keys.browsers, now_s),
        (swapped, "http://127.0.0.1", other, now_s),
        (dict(headers), "http://127.0.0.1", keys.browsers, now_s - 2 * 86_400),
        ({**headers, "topic": "x" * 33}, "http://127.0.0.1", keys.browsers, now_s),
    ]
    for each in wrong:
        with pytest.raises((AssertionError, jwt.InvalidTokenError)):
            checked(*each)


def test_only_the_device_it_is_for_can_read_it(sink: WebSink, keys: Keys) -> None:
    """Known bad: for another key, or without its delimiter, a browser drops it; the double does too."""
    mine, other = Device(), Device()
    channel(keys).send(asking(mine.subscription(f"{sink.url}/p/1")))
    assert mine.read(sink.taken[0].body)
    with pytest.raises(InvalidTag):
        other.read(sink.taken[0].body)
    assert mine.read(sealed_for(mine.subscription(""), b"{}\x02\0\0")) == b"{}"
    with pytest.raises(ValueError, match="no delimiter"):
        mine.read(sealed_for(mine.subscription(""), b"{}"))


@pytest.mark.parametrize("subject", ["", "kurz", "Pumpe 7: neu gestartet, läuft wieder " * 9])
def test_its_length_tells_nothing(subject: str) -> None:
    """Whatever is said, the payload is one of four lengths."""
    found = payload(asking(subject=subject), "0417", "")
    assert len(found) % PADDED == 0 or len(found) == LARGEST
    assert json.loads(found)["body"].endswith("Code 0417")


def test_ids_that_are_too_long_cost_the_buttons_and_not_the_message() -> None:
    """A push service takes 4,096 bytes; the text always fits."""
    found = json.loads(payload(asking(call="c" * 2_048, link="https://desk.example.org/c/" + "p" * 2_048), "0417", ""))
    assert [button["action"] for button in found["buttons"]] == ["page"]
    bare = payload(asking(link="https://desk.example.org/c/" + "p" * 5_000), "0417", "")
    assert (json.loads(bare)["buttons"], len(bare) <= LARGEST) == ([], True)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(201, "sent"), (202, "sent"), (400, "failed"), (413, "failed"), (401, "later"), (403, "later"), (404, "later"), (410, "later"),
     (429, "later"), (503, "later"), (500, "unknown"), (502, "unknown"), (302, "later")],
)  # fmt: skip
def test_what_each_answer_means(sink: WebSink, keys: Keys, status: int, outcome: str) -> None:
    """As the page about messages says; only what is gone is forgotten."""
    sink.status = status
    endpoint = f"{sink.url}/p/1"
    found = channel(keys).send(asking(Device().subscription(endpoint)))
    assert (found.outcome.value, found.gone) == (outcome, (endpoint,) if status in {404, 410} else ())
    assert set(OUTCOMES) == set(Trouble)


def test_one_device_of_several_is_enough(sink: WebSink, keys: Keys) -> None:
    """Where one has it and one is gone it is sent, and nothing is said twice; keys that are none are a device that is gone."""
    good, broken = Device().subscription(f"{sink.url}/p/1"), Subscription(f"{sink.url}/p/2", "AAAA", "AAAA")
    found = channel(keys).send(asking(good, broken))
    assert (found.outcome, found.gone) == (Outcome.SENT, (broken.endpoint,))
    assert channel(keys).send(asking(broken)) == Result(Outcome.LATER, "a device with keys that are none", 0.0, (broken.endpoint,))


def never_called(sink: WebSink, port: WebPushChannel) -> None:
    """A device that says its push service is inside the house is not believed."""
    port.send(asking(Device().subscription(f"{sink.url}/admin")))
    assert sink.heard == []


def test_no_private_address_is_called(sink: WebSink, keys: Keys) -> None:
    """Not even where the list names it; known bad: a channel that may is caught."""
    never_called(sink, channel(keys, allow_private=False))
    with pytest.raises(AssertionError):
        never_called(sink, channel(keys, allow_private=True))


def test_a_service_the_operator_has_not_named_reaches_nobody(keys: Keys) -> None:
    """So that the next channel is taken; those of the well-known browsers are named by default."""
    port = channel(keys)
    assert not port.reaches(replace(ERIKA, devices=(Device().subscription("https://push.elsewhere.example/1"),)))
    assert not port.reaches(ERIKA)
    assert not port.reaches(None)
    ours = WebPushChannel(keys, "push@example.org", Caller(()), Settings().notifier.web_push.hosts)
    known = ("fcm.googleapis.com/fcm/send/1", "updates.push.services.mozilla.com/wpush/v2/1", "web.push.apple.com/1")
    for endpoint in (*known, "db5p.notify.windows.com/w/?token=1"):
        assert ours.reaches(replace(ERIKA, devices=(Device().subscription(f"https://{endpoint}"),))), endpoint


@pytest.mark.parametrize(
    ("changed", "why"),
    [({"endpoint": "ftp://push.example/1"}, "https"), ({"endpoint": "https://a:b@push.example/1"}, "https"),
     ({"endpoint": "https://push.example/1\r\nX: y"}, "address"), ({"endpoint": "https://push.example/" + "x" * 2_048}, "address"),
     ({"p256dh": encoded(b"\x04" + b"\x01" * 64)}, "curve|oint|nvalid"), ({"p256dh": "ü"}, "base64url"),
     ({"auth": encoded(b"short")}, "16 bytes")],
)  # fmt: skip
def test_what_no_browser_would_send_is_refused(changed: dict[str, str], why: str) -> None:
    """Before it is kept: a point that is not on the curve, an address that is none."""
    made = Device().subscription("https://push.example/1")
    values = {"endpoint": made.endpoint, "p256dh": made.p256dh, "auth": made.auth}
    assert subscription_of(values) == made
    assert "https" not in repr(made)
    with pytest.raises(ValueError, match=why):
        subscription_of({**values, **changed})


# ------------------------------------------------------------------------------------------------ the notifier


@dataclass
class Keeps:
    """Known bad: a channel that says nothing of devices that are gone."""

    inner: WebPushChannel
    channel: Channel = Channel.WEB_PUSH
    idempotent: bool = False
    sent: list[Message] = field(default_factory=list)

    def reaches(self, person: Any) -> bool:
        """As it does."""
        return self.inner.reaches(person)

    def send(self, message: Message) -> Result:
        """As it does, and keeps to itself what is gone."""
        return replace(self.inner.send(message), gone=())

    def forget(self, notification: str) -> None:
        """Nothing."""


def furnished(folder: Path, port: Any, device: Subscription) -> House:
    """A notifier with this channel and mail, a case a person has, and Erika, who likes mail and asked to be told on her device."""
    house = House(folder, now=NOON, channels=[port, FakeChannel()])
    house.know()
    house.people.subscribe("main/c-1", device)
    house.put(customer(), case_event(CaseKind.HANDED_OVER, Status.HELD, seq=1))
    return house


def a_gone_device_is_forgotten(folder: Path, sink: WebSink, port: Any) -> None:
    """The device is deleted, and the message takes the next channel at once, with no minute lost."""
    sink.status = 410
    house = furnished(folder, port, Device().subscription(f"{sink.url}/p/1"))
    try:
        house.put(note())
        house.run()
        person = house.people.get("main/c-1")
        assert person is not None
        assert person.devices == ()
        assert [(each.channel, each.state.value) for each in house.deliveries()] == [("web_push", "deferred"), ("mail", "sent")]
    finally:
        house.close()


def test_a_device_that_is_gone_is_forgotten_and_mail_takes_over(tmp_path: Path, sink: WebSink, keys: Keys) -> None:
    """410 Gone; known bad: a channel that keeps such a device is caught."""
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
    a_gone_device_is_forgotten(tmp_path / "good", sink, channel(keys))
    with pytest.raises(AssertionError):
        a_gone_device_is_forgotten(tmp_path / "bad", sink, Keeps(channel(keys)))


def test_a_service_that_asks_for_patience_gets_it(tmp_path: Path, sink: WebSink, keys: Keys) -> None:
    """429 with Retry-After: not before that, and by the same channel."""
    sink.status, sink.retry_after = 429, "600"
    house = furnished(tmp_path, channel(keys), Device().subscription(f"{sink.url}/p/1"))
    try:
        house.put(note())
        house.run()
        [waits] = house.deliveries()
        assert waits.due_at is not None
        assert waits.due_at - NOON >= 600 * SECOND
        sink.status = 201
        house.clock.set(waits.due_at)
        house.run()
        assert house.told() == ["deferred:unreachable", "sent"]
    finally:
        house.close()


def test_a_press_is_signed_for_that_alone(tmp_path: Path, sink: WebSink, keys: Keys) -> None:
    """The token of the button opens no page, and the one of the page is no press; where nothing is asked there is no such button."""
    device = Device()
    house = furnished(tmp_path, channel(keys), device.subscription(f"{sink.url}/p/1"))
    try:
        house.put(note())
        house.run()
        assert house.told() == ["sent"]
        said = json.loads(device.read(sink.taken[0].body))
        assert verify(SECRET, said["call"], NOON, LinkFor.CALL).notification == note().id
        assert verify(SECRET, said["page"], NOON).case == "case-1"
        for token, purpose in ((said["call"], LinkFor.PAGE), (said["page"], LinkFor.CALL)):
            with pytest.raises(Exception, match="something else"):
                verify(SECRET, token, NOON, purpose)
    finally:
        house.close()
    for stage in Stage:
        sample = message_of(Sample(stage, "en"), load_words())
        buttons = [button["action"] for button in told(sample, "0417", "")["buttons"]]
        assert buttons == (["call", "page"] if stage is Stage.PERSON_NEEDED else ["page"])
