"""What somebody said, whatever it came by: what adapters make, and all that decisions see of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from vorab.clock import Micros
from vorab.errors import Reason, Rejected

MAIL: Final = "mail"
WEBHOOK: Final = "webhook"
TELEGRAM: Final = "telegram"
MASTODON: Final = "mastodon"
WAYS: Final = (MAIL, WEBHOOK, TELEGRAM, MASTODON)

ACCOUNTS: Final = frozenset({TELEGRAM, MASTODON})
"""Where the sender is an account, which the service vouches for."""

MAX_TEXT: Final = 4_000
"""Letters that are kept of what somebody wrote; as many as are read."""
MAX_NAME: Final = 250
MAX_REFERS: Final = 20
"""Messages one may answer at once; mail programs list a whole conversation."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a customer, or of somebody who says so."""

    channel: str
    message: str
    """Its id on that channel."""
    sender: str
    """Address, number or account."""
    text: str
    at: Micros
    """When it came."""
    subject: str = ""
    refers: tuple[str, ...] = ()
    """Messages of ours it answers: Message-IDs, or ids of notifications."""
    thread: str = ""
    """What an answer needs to stand beside it."""
    automatic: str = ""
    """Why it is taken for written by a machine; empty: a person wrote it."""
    public: bool = False
    edit: str = ""
    """Which version it is, where it replaces what the same message said before."""
    attachments: int = 0
    vouched: str = ""
    """The customer, by key, whom a system of the operator's names."""

    def __repr__(self) -> str:
        """Without words and address: a person must not end up in a log line by accident."""
        return f"Said({self.channel})"

    def stored(self) -> str:
        """As it stands in the database until it has been looked at."""
        return json.dumps(asdict(self), ensure_ascii=True)


Receive = Callable[[Said], bool]
"""Takes one in; on disk when it returns. False where it had been taken before."""


def restored(body: str) -> Said:
    """The message back."""
    values: dict[str, Any] = json.loads(body)
    return Said(**{**{of.name: values[of.name] for of in fields(Said) if of.name in values}, "refers": tuple(values["refers"])})


def said(channel: str, message: str, sender: str, text: str, at: Micros, **more: Any) -> Said:
    """A message within its limits.

    Raises:
        Rejected: it has no id or no sender, or they are no names.
    """
    for what, name in (("id", message), ("sender", sender)):
        if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
            raise Rejected(Reason.BAD_NAME, f"a {channel} message whose {what} is no name")
    more["refers"] = tuple(each for each in more.get("refers", ()) if 0 < len(each) <= MAX_NAME)[-MAX_REFERS:]
    return Said(channel, message, sender, text[:MAX_TEXT], at, **more)
