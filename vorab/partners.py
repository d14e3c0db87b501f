"""Outside systems a case is handed over to: what the settings say about each. Tables of `[[partners]]`.

[[partners]]
name = "itsm"
kind = "tmf621"
base_url = "https://itsm.example.org/tmf-api/troubleTicket/v4"
token_file = "/etc/vorab/itsm.token"
"""

from __future__ import annotations

from typing import Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from vorab.outbound.addresses import web_address
from vorab.payloads import Table
from vorab.records import Severity, Status

OURS: Final = frozenset({"agent", "customer", "vorab"})
"""Names that commands of ours carry already; a partner by such a name could not be told from them."""
QUEUES: Final = ("person", "hands", "vorab", "customer", "over")
"""Parts of the console's queue: needs a person, a person is on it, vorab is on it, waits for the customer, over."""

Queue = Literal["person", "hands", "vorab", "customer", "over"]


class Partner(Table):
    """One outside system."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$", description="What it is called here: in addresses, metrics and on the case page.")
    kind: Literal["tmf621", "webhook"] = Field(
        description="tmf621: a system of trouble tickets; webhook: signed CloudEvents, one per fact."
    )
    base_url: str = Field(description="Where it is: what `/troubleTicket` is added to, or the address that takes the events.")
    version: Literal["v4", "v5"] = Field("v4", description="Version of TMF621 it speaks.")
    models: list[str] = Field(default_factory=list, description="Only cases of these models; empty: all.")
    sites: list[str] = Field(default_factory=list, description="Only cases at these sites; empty: all.")
    queues: list[Queue] = Field(default_factory=list, description="Only cases that come into one of these queues; empty: all.")
    severities: list[Severity] = Field(default_factory=list, description="Only cases of these severities; empty: all.")
    statuses: list[Status] = Field(default_factory=list, description="Only cases that come into one of these states; empty: all.")
    token_file: str = Field("", description="File of the credentials we show: a bearer token, or name:password where auth is basic.")
    token_env: str = Field("", description="Environment variable of the same, instead of a file.")
    auth: Literal["bearer", "basic"] = Field("bearer", description="How the credentials are shown.")
    secret_file: str = Field(
        "",
        description="File of secrets, the newest first, one a line, at most two valid: whsec_… that sign a webhook both ways, "
        "or the bearer tokens with which tmf621 calls our listener.",
    )
    secret_env: str = Field("", description="Environment variable of the same, instead of a file; several are separated by spaces.")
    callback_url: str = Field(
        "", description="tmf621: address of this desk for the partner; set, its hub is told to send events to CALLBACK/partners/NAME."
    )
    notes: Literal["merge", "append", "none"] = Field(
        "merge", description="How notes are changed: merge sends all of them (RFC 7396), append only new ones, none no notes."
    )
    allow_private: bool = Field(default=False, description="It may be at a private address, or on loopback; plain http is allowed there.")
    timeout_s: float = Field(10.0, gt=0, le=120, description="Longest wait for an answer as a whole.")
    attempts: int = Field(12, ge=1, le=100, description="Tries of one message until it is a dead letter.")
    retry_s: float = Field(5.0, gt=0, description="First wait before the next try; doubles each time, up to an hour.")
    look_s: float = Field(900.0, ge=0, description="tmf621: seconds between looks at open tickets, for events that were lost; 0: never.")

    @field_validator("name")
    @classmethod
    def _another_name(cls, name: str) -> str:
        if name in OURS:
            raise ValueError(f"{name!r} is what commands of ours are signed with; choose another name")
        return name

    @field_validator("token_env", "secret_env")
    @classmethod
    def _not_ours(cls, name: str) -> str:
        if name.startswith("VORAB_"):
            raise ValueError("variables that begin with VORAB_ are settings; choose another name")
        return name

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for one, other in (("token_file", "token_env"), ("secret_file", "secret_env")):
            if getattr(self, one) and getattr(self, other):
                raise ValueError(f"either {one} or {other}")
        if self.kind == "webhook" and not (self.secret_file or self.secret_env):
            raise ValueError("a webhook is signed: it needs secret_file or secret_env")
        web_address(self.base_url, allow_private=self.allow_private, key="base_url")
        return self

    @property
    def host(self) -> str:
        """The host that is called."""
        return urlsplit(self.base_url).hostname or ""
