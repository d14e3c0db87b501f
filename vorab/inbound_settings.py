"""What the settings say about replies of customers: tables `[notifier.inbound]`, `[notifier.inbound.mail]` and one for each other way.

[notifier.inbound]
on = true

[notifier.inbound.mail]
port = 2525
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from vorab.outbound.addresses import listed_address
from vorab.outbound.signatures import key_of
from vorab.payloads import Table

AUTOMATED: Final = (
    "status", "call_me", "stop", "consent_yes", "consent_no", "works_again", "still_broken", "was_wrong", "too_late", "question", "thanks",
)  # fmt: skip
"""What vorab can deal with by itself."""


def _loopback(host: str) -> str:
    try:
        here = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        here = False
    if not here:
        raise ValueError("replies are listened for on this machine only: 127.0.0.1; put your mail server or proxy before it")
    return host


class InboundMail(Table):
    """Mail handed over by your mail server on this machine."""

    host: str = Field("127.0.0.1", description="Address to listen on for mail; loopback only.")
    port: int = Field(0, ge=0, le=65535, description="Port on which your mail server hands replies over; 0: nothing is listened for.")
    protocol: Literal["lmtp", "smtp"] = Field("lmtp", description="What it speaks there.")
    most_kb: int = Field(1024, ge=16, le=65536, description="Largest mail that is taken, in KiB.")

    @field_validator("host")
    @classmethod
    def _here(cls, host: str) -> str:
        return _loopback(host)


class InboundImap(Table):
    """A mailbox that is looked into."""

    host: str = Field("", description="IMAP server with the mailbox replies arrive in; empty: none is looked into.")
    port: int = Field(993, ge=1, le=65535, description="Its port.")
    username: str = Field("", description="User name of the mailbox.")
    password: SecretStr = Field(SecretStr(""), description="Password of the mailbox.")
    folder: str = Field("INBOX", description="Folder that is read; what was taken is marked as seen, and stays.")
    security: Literal["tls", "none"] = Field("tls", description="How the connection is encrypted; none only on this machine.")
    every_s: float = Field(30.0, ge=1, description="Seconds between two looks.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.host and not self.username:
            raise ValueError("a mailbox needs username and password")
        if self.host and self.security == "none":
            _loopback(self.host)
        return self


class InboundWebhook(Table):
    """Signed replies from systems of yours: SMS gateways and others."""

    host: str = Field("127.0.0.1", description="Address to listen on for signed replies; loopback only.")
    port: int = Field(0, ge=0, le=65535, description="Port on which signed replies are taken; 0: none are.")
    secret: SecretStr = Field(
        SecretStr(""),
        description="Signs them after Standard Webhooks: whsec_ and at least 24 random bytes in base64; after a space, the one before.",
    )

    @field_validator("host")
    @classmethod
    def _here(cls, host: str) -> str:
        return _loopback(host)

    @property
    def secrets(self) -> list[str]:
        """The secrets that are valid, the newest first."""
        return self.secret.get_secret_value().split()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.port and not 1 <= len(self.secrets) <= 2:
            raise ValueError("replies are signed: it needs secret, one or two of them")
        for secret in self.secrets:
            key_of(secret)
        return self


class Remote(Table):
    """A service of others that is asked for messages."""

    url: str = Field("", description="Where the service is; empty: it is not asked.")
    hosts: list[str] = Field(default_factory=list, description="Hosts that may be called for it; *.example.org allows all below it.")
    token: SecretStr = Field(SecretStr(""), description="Token the service has given you.")
    allow_private: bool = Field(default=False, description="It may be at a private address, or on loopback; plain http is allowed there.")
    every_s: float = Field(5.0, ge=0.1, description="Seconds between two questions where nothing came.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.url:
            return self
        listed_address(self.url, self.hosts, allow_private=self.allow_private)
        if not self.token.get_secret_value():
            raise ValueError("it needs token")
        return self


class Telegram(Remote):
    """A bot of Telegram."""

    url: str = Field("", description="https://api.telegram.org, or a Bot API server of your own; empty: no Telegram.")


class Mastodon(Remote):
    """An account on a Mastodon server."""

    url: str = Field("", description="Your Mastodon server; mentions are answered privately. Empty: no Mastodon.")


class Inbound(Table):
    """Replies of customers."""

    on: bool = Field(default=False, description="Whether replies of customers are taken and answered.")
    automate: list[str] = Field(
        default_factory=lambda: list(AUTOMATED),
        description="What vorab may answer by itself; all else, and whatever is in doubt, is a person's. Empty: everything is.",
    )
    answers_a_day: int = Field(4, ge=0, le=100, description="Most automatic answers to one customer in 24 hours, whatever they write.")
    replies_a_day: int = Field(3, ge=1, le=100, description="From this reply of a customer in 24 hours on, a person answers.")
    mail: InboundMail = Field(default_factory=InboundMail)
    imap: InboundImap = Field(default_factory=InboundImap)
    webhook: InboundWebhook = Field(default_factory=InboundWebhook)
    telegram: Telegram = Field(default_factory=Telegram)
    mastodon: Mastodon = Field(default_factory=Mastodon)

    @field_validator("automate")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        if wrong := [name for name in names if name not in AUTOMATED]:
            raise ValueError(f"{wrong[0]!r} is not something vorab does by itself; it may be {', '.join(AUTOMATED)}")
        return names
