"""The channels that exist, each before a provider that behaves as it is told (`conformance.Stand`)."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from notifier.apprise_channel import AppriseChannel
from notifier.channels import ChannelPort
from notifier.filechannel import FileChannel
from notifier.letter import Addresses, LetterChannel
from notifier.letter_pdf import Letterhead
from notifier.mail import MailChannel, Server
from notifier.vapid import Keys, keys_in
from notifier.web_push import WebPushChannel
from notifier.webhook import WebhookChannel
from tests.parts.base import PATIENCE_S
from tests.parts.smtp import Answer, SmtpSink
from tests.unit.notifier.browser import Device, OnDevices
from tests.unit.notifier.conformance import Play, Stand
from tests.unit.notifier.websink import WebSink
from vorab.codes import Codes
from vorab.outbound.call import Caller
from vorab.records import Channel

SIGNING: Final = "whsec_" + base64.b64encode(b"a key for tests of messages").decode()
PASSWORD: Final = "a-password-nobody-may-read"


class FolderStand:
    """A channel that writes into a folder: it takes, or the folder is not there."""

    plays = (Play.TAKES, Play.AWAY)
    unsure = ()

    def __init__(self, port: ChannelPort, folder: Path, secrets: tuple[str, ...] = ()) -> None:
        self.port, self._folder, self.secrets = port, folder, secrets

    def play(self, play: Play) -> None:
        """Be there, or not; what was written before stays written."""
        aside = self._folder.with_suffix(".aside")
        if play is Play.AWAY and self._folder.exists():
            self._folder.rename(aside)
        elif play is not Play.AWAY and aside.exists():
            shutil.rmtree(self._folder, ignore_errors=True)
            aside.rename(self._folder)

    def arrived(self) -> list[str]:
        """The files, wherever the folder is."""
        found = self._folder if self._folder.exists() else self._folder.with_suffix(".aside")
        return sorted(file.name for file in found.iterdir())


class MailStand:
    """Mail to a real SMTP server."""

    plays = tuple(Play)
    unsure = ()
    secrets = (PASSWORD,)
    _answers: Final[Mapping[Play, Answer]] = {
        Play.TAKES: Answer.ACCEPT,
        Play.REFUSES: Answer.REFUSE,
        Play.BUSY: Answer.BUSY,
        Play.SILENT: Answer.DROP,
    }

    def __init__(self, sink: SmtpSink) -> None:
        self._sink, self._there = sink, True
        self.port = MailChannel(Server(sink.host, sink.port, password=PASSWORD), "vorab <service@example.org>")

    def play(self, play: Play) -> None:
        """Answer so, or be away."""
        if play is Play.AWAY:
            self._sink.stop()
            self._there = False
            return
        if not self._there:
            self._sink.start()
            self._there = True
        self._sink.answer = self._answers[play]

    def arrived(self) -> list[str]:
        """What the server said yes to."""
        return [mail.message_id for mail in self._sink.accepted]


class WebhookStand:
    """The webhook, to a system that makes one message of two under one key, as we ask of it."""

    plays = tuple(Play)
    unsure = ()

    def __init__(self, sink: WebSink) -> None:
        self._sink, self.play = sink, sink.play
        self.secrets = (SIGNING.removeprefix("whsec_"), "a-path-nobody-may-read")
        caller = Caller(("127.0.0.1",), allow_private=True, timeout_s=PATIENCE_S)
        self.port = WebhookChannel(f"{sink.url}/a-path-nobody-may-read", (SIGNING,), caller, Codes("a secret for tests"))

    def arrived(self) -> list[str]:
        """The keys of what it took."""
        return sorted({post.headers["idempotency-key"] for post in self._sink.taken})


@contextmanager
def a_webhook(_folder: Path) -> Iterator[Stand]:
    """The webhook."""
    with WebSink() as sink:
        yield WebhookStand(sink)


class AppriseStand:
    """A channel through Apprise, to a service with an HTTP interface."""

    plays = tuple(Play)
    unsure = ()
    secrets = ("a-token-nobody-may-read", PASSWORD)

    def __init__(self, sink: WebSink, channel: Channel) -> None:
        self._sink, self.play = sink, sink.play
        template = f"json://user:{PASSWORD}@127.0.0.1:{sink.port}/a-token-nobody-may-read/{{phone}}"
        self.port = AppriseChannel(channel, template, ("json",), Codes("a secret for tests"), timeout_s=PATIENCE_S)

    def arrived(self) -> list[str]:
        """What it took."""
        return [post.path for post in self._sink.taken]


def through_apprise(channel: Channel) -> Callable[[Path], AbstractContextManager[Stand]]:
    """One of its channels."""

    @contextmanager
    def stand(_folder: Path) -> Iterator[Stand]:
        with WebSink() as sink:
            yield AppriseStand(sink, channel)

    return stand


class WebPushStand:
    """Web Push, to a push service and the one device that can read what it takes."""

    plays = tuple(Play)
    unsure = ()

    def __init__(self, sink: WebSink, keys: Keys) -> None:
        self._sink, self.play, self._device = sink, sink.play, Device()
        self.secrets = ("a-path-nobody-may-read", self._device.subscription(sink.url).auth, keys.private.decode().splitlines()[1])
        caller = Caller(("127.0.0.1",), allow_private=True, timeout_s=PATIENCE_S)
        channel = WebPushChannel(keys, "push@example.org", caller, ("127.0.0.1",), Codes("a secret for tests"))
        self.port = OnDevices(channel, self._device.subscription(f"{sink.url}/a-path-nobody-may-read"))

    def arrived(self) -> list[str]:
        """What the device could read."""
        return [self._device.read(post.body).decode() for post in self._sink.taken]


@contextmanager
def a_browser(folder: Path) -> Iterator[Stand]:
    """Web Push."""
    with WebSink() as sink:
        yield WebPushStand(sink, keys_in(folder / "vapid.pem"))


@contextmanager
def a_folder(folder: Path) -> Iterator[Stand]:
    """Mail files."""
    yield FolderStand(FileChannel(folder / "phone"), folder / "phone")


@contextmanager
def a_folder_of_letters(folder: Path) -> Iterator[Stand]:
    """Letters."""
    file = folder / "letters.yaml"
    file.write_text("c-1: [Erika Muster, Hauptstraße 1, 10115 Berlin]\n", encoding="utf-8")
    port = LetterChannel(folder / "post", Addresses(file), Letterhead("Muster", phone="030 1"))
    yield FolderStand(port, folder / "post", ("Hauptstraße", "Berlin"))


@contextmanager
def a_folder_of_json(folder: Path) -> Iterator[Stand]:
    """JSON files."""
    yield FolderStand(FileChannel(folder / "phone", form="json"), folder / "phone")


@contextmanager
def a_mail_server(_folder: Path) -> Iterator[Stand]:
    """Mail."""
    sink = SmtpSink()
    sink.start()
    try:
        yield MailStand(sink)
    finally:
        sink.stop()


STANDS: Final[Mapping[str, Callable[[Path], AbstractContextManager[Stand]]]] = {
    "file": a_folder,
    "file-json": a_folder_of_json,
    "mail": a_mail_server,
    "webhook": a_webhook,
    "letter": a_folder_of_letters,
    "sms": through_apprise(Channel.SMS),
    "push": through_apprise(Channel.PUSH),
    "chat": through_apprise(Channel.CHAT),
    "web_push": a_browser,
}
