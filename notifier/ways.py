"""From settings to the channels that are set up: one line each way, and the libraries of those that are not stay unloaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from notifier.channels import ChannelPort
from notifier.filechannel import FileChannel
from notifier.mail import MailChannel, Server
from notifier.webhook import WebhookChannel
from vorab.channel_settings import Apprise
from vorab.codes import Codes
from vorab.errors import ConfigError
from vorab.outbound.call import Caller
from vorab.provision import link_secret
from vorab.records import Channel
from vorab.settings import Settings

if TYPE_CHECKING:
    from notifier.letter_pdf import Letterhead


def file_folder(settings: Settings) -> Path:
    """Where the file channel writes."""
    return Path(settings.notifier.file_dir) if settings.notifier.file_dir else settings.state_path / "messages"


def channels_of(settings: Settings) -> list[ChannelPort]:
    """The channels that are set up.

    Raises:
        ConfigError: one of them is set up wrongly.
    """
    of = settings.notifier
    folder = file_folder(settings)
    found: list[ChannelPort] = [FileChannel(folder, sender=of.sender)]
    if of.mail_to_files:
        found.append(FileChannel(folder, channel=Channel.MAIL, sender=of.sender))
    elif of.smtp_host:
        server = Server(
            of.smtp_host, of.smtp_port, of.smtp_username, of.smtp_password.get_secret_value(), of.smtp_timeout_s, of.smtp_security
        )
        found.append(MailChannel(server, of.sender))
    if of.webhook.url:
        hook = of.webhook
        caller = Caller(tuple(hook.hosts), allow_private=hook.allow_private, timeout_s=hook.timeout_s, setting="notifier.webhook.hosts")
        found.append(WebhookChannel(hook.url, hook.secrets, caller, codes_of(settings)))
    if of.letter.addresses:
        found.append(_letters(settings))
    if of.web_push.contact:
        found.append(_to_browsers(settings))
    for channel, table in ((Channel.SMS, of.sms), (Channel.PUSH, of.push), (Channel.CHAT, of.chat)):
        if table.url.get_secret_value():
            found.append(_through_apprise(settings, channel, table))
    return found


def codes_of(settings: Settings) -> Codes:
    """The codes of this installation.

    Raises:
        ConfigError: the secret is too short.
    """
    codes = Codes(link_secret(settings).get_secret_value())
    try:
        codes.of("")
    except ValueError as error:
        raise ConfigError(str(error), key="link_secret", hint="leave it empty, and one is made") from None
    return codes


def letterhead_of(settings: Settings) -> Letterhead:
    """Whose letters they are.

    Raises:
        ConfigError: the font is not there.
    """
    from notifier.letter_pdf import Letterhead  # noqa: PLC0415 - setting PDFs loads a library most installations do not need

    of = settings.notifier.letter
    if of.font and not Path(of.font).is_file():
        raise ConfigError("there is no such font", file=of.font, key="notifier.letter.font", hint="a TrueType file (.ttf)")
    return Letterhead(of.brand, of.sender, of.phone, of.footer, of.font)


def _letters(settings: Settings) -> ChannelPort:
    from notifier.letter import Addresses, LetterChannel  # noqa: PLC0415 - as above

    of = settings.notifier.letter
    folder = Path(of.dir) if of.dir else settings.state_path / "letters"
    return LetterChannel(folder, Addresses(Path(of.addresses)), letterhead_of(settings), codes_of(settings))


def push_key(settings: Settings) -> str:
    """The public key browsers subscribe with; empty where no messages go to browsers.

    Raises:
        ConfigError: the file of the key is wrong.
    """
    if not settings.notifier.web_push.contact:
        return ""
    from notifier.vapid import key_file, keys_in  # noqa: PLC0415 - cryptography most installations do not need

    return keys_in(key_file(settings)).browsers


def _to_browsers(settings: Settings) -> ChannelPort:
    from notifier.vapid import key_file, keys_in  # noqa: PLC0415 - as above
    from notifier.web_push import WebPushChannel  # noqa: PLC0415 - as above

    of = settings.notifier.web_push
    caller = Caller(tuple(of.hosts), allow_private=of.allow_private, timeout_s=of.timeout_s, setting="notifier.web_push.hosts")
    return WebPushChannel(keys_in(key_file(settings)), of.contact, caller, of.hosts, codes_of(settings), settings.notifier.sender)


def _through_apprise(settings: Settings, channel: Channel, table: Apprise) -> ChannelPort:
    from notifier.apprise_channel import AppriseChannel  # noqa: PLC0415 - it loads 170 plugins

    return AppriseChannel(
        channel, table.url.get_secret_value(), settings.notifier.apprise_schemas, codes_of(settings), timeout_s=table.timeout_s
    )
