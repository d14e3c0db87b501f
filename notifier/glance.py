"""The short form of a message: one line for a watch, an SMS, the title of a push; and what these ways are handed. Pure.

It is the subject, which says what happened in a few words, and the case's code; never a link, because we send none this way and whoever
does is not us.
"""

from __future__ import annotations

from typing import Final

from notifier.channels import Message, paragraphs
from notifier.mail import one_line
from notifier.words import FALLBACK
from vorab.records import Channel

LIMIT: Final = 110
"""Characters. A watch shows two or three lines; an SMS holds 160 of the GSM alphabet, and its sender's name comes first."""

_NOTHING: Final = {"de": "Nachricht zu Ihrem Gerät", "en": "Message about your device"}
"""What is said where nothing else fits."""
_END: Final = "..."
"""Three dots and not one character: `…` is outside the GSM alphabet and would halve what fits into an SMS."""


def glance(what: str, code: str, language: str, limit: int = LIMIT) -> str:
    """What happened and the case's code in one line; a long text loses words at its end, never part of one."""
    line = " ".join(one_line(what, len(what) + 1).split())
    tail = f" Code {code}" if code else ""
    said = shortened(line, limit - len(tail) - 1) or _NOTHING.get(language, _NOTHING[FALLBACK])
    return said + ("" if said.endswith((".", "?", "!")) or not tail else ".") + tail


def shortened(line: str, room: int) -> str:
    """As many whole words as there is room for, with dots where some are missing; empty where not even one fits."""
    if len(line) <= room:
        return line
    kept = line[: room - len(_END) + 1].rpartition(" ")[0].rstrip(" ,;:-–(")
    return kept + _END if kept else ""


def words_of(channel: Channel, message: Message, code: str) -> tuple[str, str]:
    """Title and body: an SMS is the short form; a push has it as its title and leads to the page; a chat has room for the text."""
    short = glance(message.subject, code, message.language)
    if channel is Channel.SMS:
        return "", short
    if channel is Channel.PUSH:
        return (short, message.link) if message.link else ("", short)
    said = [one_line(part, 1_000) for part in paragraphs(message)]
    return short, "\n\n".join([*said, message.link] if message.link else said) or short
