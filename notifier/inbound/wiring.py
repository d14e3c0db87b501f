"""From settings to everything that hears replies and answers them."""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import parseaddr
from typing import Protocol

from notifier.channels import ChannelPort
from notifier.database import Database
from notifier.inbound.answering import Answering, AnswerPort, through
from notifier.inbound.deciding import Limits
from notifier.inbound.mastodon import Account
from notifier.inbound.polling import Poller
from notifier.inbound.replies import PeopleKeys, Replies, Ways
from notifier.inbound.store import Inbox
from notifier.inbound.telegram import Bot
from notifier.preferences import from_settings
from notifier.render import Renderer
from notifier.ways import codes_of
from vorab.clock import MINUTE, Clock
from vorab.errors import ConfigError
from vorab.inbound_settings import Remote
from vorab.knowledge import Library, folder_of, load_articles
from vorab.outbound.call import Caller
from vorab.settings import Mode, Settings, share_of
from vorab.understanding import recogniser


class Listener(Protocol):
    """Something that hears replies."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End."""


class Inbound:
    """Replies, those who hear them, and who answers.

    Raises:
        ConfigError: it is set up wrongly.
    """

    def __init__(
        self, settings: Settings, database: Database, people: PeopleKeys, renderer: Renderer, channels: Sequence[ChannelPort], clock: Clock
    ) -> None:
        of = settings.notifier.inbound
        if share_of(settings.notifier.share)[1] > 1:
            raise ConfigError(
                "replies are dealt with by one notifier",
                key="notifier.inbound.on",
                hint="it needs all customers: leave notifier.share at 0/1",
            )
        bot = Bot(of.telegram.url, of.telegram.token.get_secret_value(), _caller(of.telegram, "telegram")) if of.telegram.url else None
        account = (
            Account(of.mastodon.url, of.mastodon.token.get_secret_value(), _caller(of.mastodon, "mastodon")) if of.mastodon.url else None
        )
        ports: list[AnswerPort] = [*through(channels), *([bot] if bot else []), *([account] if account else [])]
        inbox = Inbox(database)
        self.replies = Replies(inbox, people, renderer, recogniser, _library(settings), ways_of(settings, ports))
        self.answering = Answering(inbox, people, ports, clock, retry_s=settings.notifier.retry_s)
        self.listeners: list[Listener] = [*_doors(settings, self.replies, clock)]
        if bot is not None:
            self.listeners.append(Poller("telegram", lambda: bot.poll(self.replies, clock), of.telegram.every_s))
        if account is not None:
            self.listeners.append(Poller("mastodon", lambda: account.poll(self.replies, clock), of.mastodon.every_s))

    def start(self) -> None:
        """Answer, then listen."""
        self.answering.start()
        for listener in self.listeners:
            listener.start()

    def stop(self) -> None:
        """Listen no more, then finish what is being said."""
        for listener in self.listeners:
            listener.stop()
        self.answering.stop()


def ways_of(settings: Settings, ports: Sequence[AnswerPort]) -> Ways:
    """How replies are dealt with."""
    of, calls = settings.notifier.inbound, settings.streams.callbacks
    return Ways(
        limits=Limits(frozenset(of.automate), of.answers_a_day, of.replies_a_day),
        sender=settings.notifier.sender,
        layers=from_settings(settings.notifier),
        shadow=settings.mode is Mode.SHADOW,
        slots=calls.team > 0,
        slot_us=calls.slot_min * MINUTE,
        answerable=frozenset(port.channel for port in ports),
        codes=codes_of(settings),
    )


def _doors(settings: Settings, replies: Replies, clock: Clock) -> list[Listener]:
    of, own = settings.notifier.inbound, parseaddr(settings.notifier.sender)[1]
    found: list[Listener] = []
    if of.mail.port:
        from notifier.inbound.smtp import MailDoor  # noqa: PLC0415 - the library of the listener is only loaded where one is set up

        lmtp = of.mail.protocol == "lmtp"
        found.append(MailDoor(replies, clock, own, of.mail.host, of.mail.port, lmtp=lmtp, most_bytes=of.mail.most_kb * 1024))
    if of.imap.host:
        from notifier.inbound.imap import Mailbox  # noqa: PLC0415 - as above

        box = Mailbox(replies, clock, own, of.imap)
        found.append(Poller("mailbox", box.poll, of.imap.every_s))
    if of.webhook.port:
        from notifier.inbound.hook import HookDoor  # noqa: PLC0415 - as above

        found.append(HookDoor(replies, clock.now, of.webhook.secrets, of.webhook.host, of.webhook.port))
    return found


def _caller(of: Remote, name: str) -> Caller:
    return Caller(tuple(of.hosts), allow_private=of.allow_private, setting=f"notifier.inbound.{name}.hosts")


def _library(settings: Settings) -> Library | None:
    articles = load_articles(folder_of(settings.notifier.words))
    return Library(articles) if articles else None
