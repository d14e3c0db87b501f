"""Telegram by its Bot API: getUpdates in, sendMessage out. An edited message replaces what it said before; groups are public.

Source: https://core.telegram.org/bots/api.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from notifier.channels import Outcome, Result
from notifier.inbound.answering import LASTS, Answer, Given
from notifier.inbound.replies import Replies
from notifier.inbound.said import TELEGRAM, Said, said
from notifier.mail import one_line
from notifier.webhook import OUTCOMES, Call
from vorab.clock import Clock, Micros
from vorab.errors import Reason, Rejected, Unavailable
from vorab.outbound.call import LONGEST_RETRY_AFTER_S, CallFailed

MAX_TEXT: Final = 4_000
"""Letters of a message; Telegram takes 4,096."""
AT_ONCE: Final = 50
WANTED: Final = ("message", "edited_message")
_HEADERS: Final = {"Content-Type": "application/json"}


class Bot:
    """A bot: what it is told, and what it answers."""

    channel = TELEGRAM
    idempotent = False
    lasts = LASTS

    def __init__(self, url: str, token: str, call: Call) -> None:
        self._base, self._call = f"{url.rstrip('/')}/bot{token}/", call
        self._next = 0

    def __repr__(self) -> str:
        """Without the token."""
        return "Bot()"

    def poll(self, replies: Replies, clock: Clock) -> int:
        """Take what is new; Telegram forgets it with the next question, when it is on disk here.

        Raises:
            Unavailable: Telegram does not answer as it should.
        """
        asked = {"offset": self._next, "limit": AT_ONCE, "timeout": 0, "allowed_updates": list(WANTED)}
        try:
            updates = self._call("POST", self._base + "getUpdates", _HEADERS, json.dumps(asked).encode()).json()["result"]
        except CallFailed as failed:
            raise Unavailable(f"Telegram: {failed.trouble}") from None
        except (KeyError, TypeError):
            raise Unavailable("Telegram: an answer without a result") from None
        for update in updates:
            now = clock.now()
            try:
                for message in read(update, now):
                    replies.receive(message)
            except Rejected as error:
                replies.refuse(TELEGRAM, str(update.get("update_id")), error, len(json.dumps(update)), now)
            self._next = max(self._next, int(update["update_id"]) + 1)
        return len(updates)

    def give(self, answer: Answer) -> Given:
        """Answer in the chat, beside what it answers."""
        chat, _, message = answer.thread.partition(":")
        body: dict[str, Any] = {"chat_id": int(chat), "text": answer.short[:MAX_TEXT], "link_preview_options": {"is_disabled": True}}
        if message:
            body["reply_parameters"] = {"message_id": int(message), "allow_sending_without_reply": True}
        try:
            found = self._call("POST", self._base + "sendMessage", _HEADERS, json.dumps(body).encode())
        except CallFailed as failed:
            return Given(Result(outcome(failed), one_line(f"telegram {failed.trouble}: {failed.status}", 120)), patience(failed))
        return Given(Result(Outcome.SENT, f"telegram answered {found.status}"))


def outcome(failed: CallFailed) -> Outcome:
    """What a failed call means for a message that a second call would say twice: only what was certainly not taken is tried again."""
    if failed.status == 429 or not failed.status:
        return OUTCOMES[failed.trouble]
    if failed.status >= 500:
        return Outcome.UNKNOWN
    return Outcome.FAILED if failed.status in {400, 403} else OUTCOMES[failed.trouble]


def patience(failed: CallFailed) -> float:
    """For how long Telegram wants to be left alone, in s."""
    try:
        told = json.loads(failed.answer.body)["parameters"]["retry_after"] if failed.answer else 0
        return min(max(float(told), failed.retry_after_s), LONGEST_RETRY_AFTER_S)
    except (ValueError, KeyError, TypeError):
        return failed.retry_after_s


def read(update: Mapping[str, Any], at: Micros) -> Iterator[Said]:
    """What an update says; nothing where it is no message of a person.

    Raises:
        Rejected: it is not what Telegram documents.
    """
    if not isinstance(update, dict) or not isinstance(update.get("update_id"), int):
        raise Rejected(Reason.BAD_SHAPE, "an update without update_id")
    for kind in WANTED:
        found = update.get(kind)
        if found is None:
            continue
        try:
            chat, number, sender = found["chat"], int(found["message_id"]), found.get("from") or {}
            private = chat["type"] == "private"
            where = int(chat["id"])
            edit = str(int(found["edit_date"])) if kind == "edited_message" else ""
            text = str(found.get("text") or found.get("caption") or "")
            attachments = sum(name in found for name in ("photo", "document", "voice", "video", "audio", "sticker"))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Rejected(Reason.BAD_SHAPE, f"{kind} is not as documented") from None
        yield said(
            TELEGRAM, f"{where}:{number}", str(where if private else int(sender.get("id") or 0)), text, at, thread=f"{where}:{number}",
            automatic="a bot" if sender.get("is_bot") else "", public=not private, edit=edit, attachments=attachments,
        )  # fmt: skip
