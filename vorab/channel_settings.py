"""What the settings say about each way to reach a person beside mail: tables `[notifier.webhook]`, `[notifier.letter]`, `[notifier.sms]` ….

[notifier.webhook]
url = "https://crm.example.org/hooks/vorab"
hosts = ["crm.example.org"]
secret = "whsec_…"
"""

from __future__ import annotations

from typing import Final, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from vorab.outbound.addresses import listed_address
from vorab.outbound.signatures import key_of
from vorab.payloads import Table


class Webhook(Table):
    """A system of the operator's that passes messages on."""

    url: str = Field("", description="Where messages go as signed JSON, for a system of yours to pass on; empty: nowhere.")
    hosts: list[str] = Field(default_factory=list, description="Hosts the webhook may call; *.example.org allows all below it.")
    secret: SecretStr = Field(
        SecretStr(""),
        description="Signs them: whsec_ and at least 24 random bytes in base64; after a space, the secret before it.",
    )
    allow_private: bool = Field(default=False, description="It may be at a private address, or on loopback; plain http is allowed there.")
    timeout_s: float = Field(10.0, gt=0, le=120, description="Longest wait for its answer as a whole.")

    @property
    def secrets(self) -> list[str]:
        """The secrets that are valid, the newest first."""
        return self.secret.get_secret_value().split()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.url:
            return self
        listed_address(self.url, self.hosts, allow_private=self.allow_private)
        if not 1 <= len(self.secrets) <= 2:
            raise ValueError("a webhook is signed: it needs secret, one or two of them")
        for secret in self.secrets:
            key_of(secret)
        return self


class Letter(Table):
    """Letters, as PDF files for whoever prints and posts them."""

    addresses: str = Field("", description="YAML file of postal addresses, the lines of each by customer id; empty: no letters.")
    dir: str = Field("", description="Folder letters are written to; empty: letters/ in the state folder.")
    brand: str = Field("vorab", description="Whose letters they are: large on top.")
    sender: str = Field("", description="One line above the address, for letters that come back.")
    phone: str = Field("", description="Telephone number that is told in every letter.")
    footer: list[str] = Field(default_factory=list, max_length=3, description="Up to three legal lines at the foot.")
    font: str = Field("", description="TrueType file for names Western European writing has no characters for; empty: Helvetica.")


PUSH_SERVICES: Final = ("fcm.googleapis.com", "updates.push.services.mozilla.com", "*.push.apple.com", "*.notify.windows.com")
"""The push services of Chrome and its kin, Firefox, Safari and Edge."""


class WebPush(Table):
    """Notifications by the customer's own browser (RFC 8030), asked for on the customer page."""

    contact: str = Field("", description="Mail address a push service may write to when something is wrong; empty: no Web Push.")
    hosts: list[str] = Field(
        default_factory=lambda: list(PUSH_SERVICES), description="Push services that may be called; *.example.org allows all below it."
    )
    key: str = Field("", description="File of the key messages are signed with (VAPID); empty: vapid.pem in the state folder.")
    allow_private: bool = Field(
        default=False, description="A push service may be at a private address, or on loopback; plain http is allowed there."
    )
    timeout_s: float = Field(10.0, gt=0, le=120, description="Longest wait for a push service; then it is unknown.")

    @field_validator("contact")
    @classmethod
    def _an_address(cls, contact: str) -> str:
        name, at, host = contact.rpartition("@")
        if contact and not (at and name and "." in host and contact.isascii() and contact.isprintable() and " " not in contact):
            raise ValueError("contact is a mail address: push@example.org")
        return contact


class Apprise(Table):
    """One service that Apprise can speak to."""

    url: SecretStr = Field(
        SecretStr(""),
        description="Apprise address; {phone}, {customer} and {tenant} are filled in: twilio://SID:TOKEN@FROM/{phone}. Empty: none.",
    )
    timeout_s: float = Field(20.0, gt=0, le=120, description="Longest wait for the service as a whole; then it is unknown.")
