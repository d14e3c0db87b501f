"""Mastodon by its API: mentions in, statuses that only the person sees out. Whatever is mentioned in public is answered privately.

Sources: https://docs.joinmastodon.org/methods/notifications/ and /methods/statuses/.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from notifier.channels import Outcome, Result
from notifier.inbound.answering import Answer, Given
from notifier.inbound.mail_reading import without_marks
from notifier.inbound.replies import Replies
from notifier.inbound.said import MASTODON, Said, said
from notifier.mail import one_line
from notifier.webhook import OUTCOMES, Call
from vorab.clock import MINUTE, SECOND, Clock, Micros, SystemClock, parse_iso
from vorab.errors import Reason, Rejected, Unavailable
from vorab.outbound.call import LONGEST_RETRY_AFTER_S, CallFailed

MAX_TEXT: Final = 500
"""Letters of a status, as servers have it unless changed."""
AT_ONCE: Final = 40
LASTS: Final = 50 * MINUTE
"""A server remembers a key for an hour: later, a second call would be a second status."""


class Account:
    """An account: who mentions it, and what it answers."""

    channel = MASTODON
    idempotent = True
    lasts = LASTS

    def __init__(self, url: str, token: str, call: Call) -> None:
        self._base, self._call = url.rstrip("/"), call
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def __repr__(self) -> str:
        """Without the token."""
        return "Account()"

    def poll(self, replies: Replies, clock: Clock) -> int:
        """Take what is new since the place that is on disk.

        Raises:
            Unavailable: the server does not answer as it should.
        """
        place = replies.inbox.place(MASTODON)
        query = [("types[]", "mention"), ("types[]", "update"), ("limit", str(AT_ONCE)), *([("min_id", place)] if place else [])]
        try:
            found = self._call("GET", f"{self._base}/api/v1/notifications?{urlencode(query)}", self._headers).json()
        except CallFailed as failed:
            raise Unavailable(f"Mastodon: {failed.trouble}") from None
        if not isinstance(found, list):
            raise Unavailable("Mastodon: an answer that is no list")
        for each in reversed(found):
            now = clock.now()
            try:
                replies.receive(read(each, now))
            except Rejected as error:
                replies.refuse(MASTODON, str(each)[:200], error, len(json.dumps(each)), now)
        ids = [str(each["id"]) for each in found if isinstance(each, dict) and str(each.get("id", "")).isdecimal()]
        if ids:
            replies.inbox.keep_place(MASTODON, max(ids, key=int))
        return len(found)

    def give(self, answer: Answer) -> Given:
        """Answer so that nobody but the person sees it; the server makes one of two by the key."""
        text = f"@{answer.to} {answer.short}"
        body = {
            "status": text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…",
            "in_reply_to_id": answer.thread,
            "visibility": "direct",
        }
        headers = {**self._headers, "Idempotency-Key": answer.name}
        try:
            found = self._call("POST", f"{self._base}/api/v1/statuses", headers, json.dumps(body).encode())
        except CallFailed as failed:
            detail = one_line(f"mastodon {failed.trouble}: {failed.status}", 120)
            # By its key a second call makes no second status, so whatever may have been taken is simply tried again.
            again = failed.status == 0 or failed.status >= 500
            return Given(Result(Outcome.LATER if again else OUTCOMES[failed.trouble], detail), patience(failed, SystemClock().now()))
        return Given(Result(Outcome.SENT, f"mastodon answered {found.status}"))


def patience(failed: CallFailed, wall: Micros) -> float:
    """For how long the server wants to be left alone, in s."""
    reset = failed.answer.headers.get("x-ratelimit-reset", "") if failed.answer and failed.status == 429 else ""
    try:
        told = (parse_iso(reset) - wall) / SECOND if reset else 0.0
    except ValueError:
        told = 0.0
    return min(max(told, failed.retry_after_s), LONGEST_RETRY_AFTER_S)


def read(found: Mapping[str, Any], at: Micros) -> Said:
    """What a notification says.

    Raises:
        Rejected: it is not what Mastodon documents.
    """
    try:
        account, status = found["account"], found["status"]
        edited = status.get("edited_at") if found["type"] == "update" else None
        text = " ".join(word for word in without_marks(str(status["content"])).split(" ") if not word.startswith("@"))
        return said(
            MASTODON, str(status["id"]), str(account["acct"]), text.strip(), at, thread=str(status["id"]),
            automatic="a bot" if account.get("bot") else "", public=status["visibility"] != "direct", edit=str(edited or ""),
            attachments=len(status.get("media_attachments") or ()),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError):
        raise Rejected(Reason.BAD_SHAPE, "a notification that is not as documented") from None
