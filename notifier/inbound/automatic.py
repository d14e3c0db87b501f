"""Whether a mail was written by a machine: such mail is never answered, so that no two machines can talk to each other. Pure.

Sources: RFC 3834 (Auto-Submitted, the empty return path), RFC 2919 (List-Id), RFC 3464 (reports), and the marks that were used before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_MARKS: Final = (
    "list-id", "list-post", "list-unsubscribe", "list-help", "x-autoreply", "x-autorespond", "x-auto-response-suppress",
    "x-failed-recipients", "feedback-id", "x-loop",
)  # fmt: skip
"""Headers that people's mail does not have."""
_PRECEDENCE: Final = frozenset({"bulk", "list", "junk", "auto_reply", "auto-reply"})
_KINDS: Final = ("multipart/report", "message/delivery-status", "message/disposition-notification", "text/calendar")
_NOBODY: Final = re.compile(
    r"(?:mailer-daemon|postmaster|daemon|bounces?|no-?reply|do-?not-?reply|donotreply|auto-?reply|listserv|majordomo)(?:[+._-].*)?"
    r"|(?:.*[+._-])?(?:bounces?|noreply|no-reply)",
)
_SUBJECT: Final = re.compile(
    r"\s*(?:auto(?:matic|mated)?[- ]?(?:reply|response|antwort)|automatische antwort|abwesenheits\w+|abwesend|out of (?:the )?office"
    r"|undeliver(?:able|ed)|delivery (?:status|failure)|mail delivery|unzustellbar|zustellung fehlgeschlagen)\b",
    re.IGNORECASE,
)


def automatic(headers: Mapping[str, str], sender: str, return_path: str | None, kind: str, own: str) -> str:
    """Why it is taken for automatic; empty where a person wrote it.

    Args:
        headers: By name in small letters.
        sender: The address it says it is from.
        return_path: Where the envelope says bounces go; None where nobody knows.
        kind: Its content type.
        own: The address our own messages come from.
    """
    local = sender.rpartition("@")[0].casefold()
    auto = headers.get("auto-submitted", "").split(";")[0].split("(")[0].strip().casefold()
    marked = next((name for name in _MARKS if name in headers), "")
    reasons = (
        (return_path is not None and return_path.strip() in {"", "<>"}, "empty return path"),
        (return_path is None and headers.get("return-path", "-").strip() == "<>", "empty return path"),
        ("auto-submitted" in headers and auto != "no", "auto-submitted"),
        (bool(marked), marked),
        (headers.get("precedence", "").strip().casefold() in _PRECEDENCE, "precedence"),
        (kind.casefold() in _KINDS, kind.casefold()),
        (_NOBODY.fullmatch(local) is not None, "an address nobody reads"),
        (bool(own) and sender.casefold() == own.casefold(), "our own address"),
        (_SUBJECT.match(headers.get("subject", "")) is not None, "subject"),
    )
    return next((why for fits, why in reasons if fits), "")
