"""A mail as a message: who, what they wrote themselves, and which of our messages they answer; whatever it holds, within bounds.

Attachments are counted, not kept. Text comes before HTML; HTML alone is read without its marks.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses
from html.parser import HTMLParser
from typing import Final

from notifier.inbound.automatic import automatic
from notifier.inbound.said import MAIL, MAX_NAME, MAX_TEXT, Said, said
from notifier.mail import one_line, valid_address
from vorab.clock import Micros
from vorab.errors import Reason, Rejected
from vorab.understanding import own_words

MAX_PARTS: Final = 200
MAX_HEADERS: Final = 500
MAX_LINE: Final = 8_000
"""Letters of one header that are looked at."""
MAX_BODY: Final = 64_000
"""Bytes of a part that are looked at: what stands below is a quotation."""
_ID: Final = re.compile(r"<[^<>\s]{3,240}>")
_SPACE: Final = re.compile(r"[ \t\f\v\u00a0]+")
_BREAKS: Final = frozenset({"br", "p", "div", "tr", "li", "h1", "h2", "h3", "blockquote", "table"})
_SILENT: Final = frozenset({"style", "script", "head", "title", "template"})
_HARMLESS: Final = ("ascii", "us-ascii", "iso-8859-1", "latin-1", "windows-1252", "cp1252", "")
"""Character sets that are named by mistake, most of all where it is UTF-8."""


def read_mail(raw: bytes, at: Micros, *, return_path: str | None = None, own: str = "") -> Said:
    """A mail that came at a moment (µs).

    Raises:
        Rejected: nobody can tell whom it is from, or it is built to be unreadable.
    """
    try:
        return _read(message_from_bytes(raw), raw, at, return_path, own)
    except RecursionError:
        raise Rejected(Reason.TOO_DEEP, "a mail of too many layers") from None
    except (MessageError, ValueError, LookupError, TypeError, AttributeError) as error:
        # The standard library's parser raises all of these on mail that was written to hurt.
        raise Rejected(Reason.BAD_SHAPE, f"a mail that cannot be read: {type(error).__name__}") from None


def _read(mail: Message, raw: bytes, at: Micros, return_path: str | None, own: str) -> Said:
    if len(mail.keys()) > MAX_HEADERS:
        raise Rejected(Reason.TOO_LARGE, f"more than {MAX_HEADERS} headers")
    headers: dict[str, str] = {}
    for name in mail.keys():  # noqa: SIM118 - a mail is no dictionary: a name may come twice
        headers.setdefault(name.casefold(), _header(mail, name))
    senders = [address for _, address in getaddresses([headers.get("from", "")]) if address]
    if len(senders) != 1 or not valid_address(senders[0]) or len(mail.get_all("from", [])) != 1:
        raise Rejected(Reason.BAD_NAME, "a mail that is not from exactly one address")
    text, attachments = _text(mail)
    found = _ID.search(headers.get("message-id", ""))
    ids = _ID.findall(headers.get("references", "") + " " + headers.get("in-reply-to", ""))
    kind = mail.get_content_type()
    return said(
        MAIL,
        (found[0] if found else f"sha256:{hashlib.sha256(raw).hexdigest()}")[:MAX_NAME],
        senders[0],
        text,
        at,
        subject=one_line(headers.get("subject", "")),
        refers=tuple(dict.fromkeys(ids)),
        thread=found[0] if found else "",
        automatic=automatic(headers, senders[0], return_path, kind, own),
        attachments=attachments,
    )


def _header(mail: Message, name: str) -> str:
    """The first header of a name, decoded as far as that goes, on one line."""
    raw = str((mail.get_all(name) or [""])[0])[:MAX_LINE]
    try:
        parts = decode_header(raw)
        text = "".join(part if isinstance(part, str) else _decoded(part, charset or "") for part, charset in parts)
    except (MessageError, ValueError):
        text = raw
    return " ".join(text.split())


def _text(mail: Message) -> tuple[str, int]:
    """What somebody wrote themselves, and how many attachments came with it."""
    plain, html, attachments = "", "", 0
    for part in _parts(mail):
        kind, name = part.get_content_type(), part.get_filename()
        attached = bool(name) or part.get_content_disposition() == "attachment"
        if attached or kind not in {"text/plain", "text/html"}:
            attachments += 1
        elif kind == "text/plain" and not plain:
            plain = own_words(_body(part))
        elif kind == "text/html" and not html:
            html = own_words(without_marks(_body(part)))
    return (plain or html)[:MAX_TEXT], attachments


def _parts(mail: Message) -> Iterator[Message]:
    """The leaves, in order; a mail within a mail counts as one."""
    waiting, seen = [mail], 0
    while waiting:
        part = waiting.pop()
        seen += 1
        if seen > MAX_PARTS:
            raise Rejected(Reason.TOO_DEEP, f"more than {MAX_PARTS} parts")
        inside = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(inside, list):
            waiting += [each for each in reversed(inside) if isinstance(each, Message)]
        else:
            yield part


def _body(part: Message) -> str:
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    if len(raw) > MAX_BODY:
        raw = raw[:MAX_BODY].rpartition(b"\n")[0] or raw[:MAX_BODY]
    return _decoded(raw, part.get_content_charset() or "")


def _decoded(raw: bytes, charset: str) -> str:
    """Bytes as text, also where the character set is named wrongly or not at all."""
    named = charset.casefold().strip("\"' ")
    for name in ("utf-8", named) if named in _HARMLESS else (named, "utf-8"):
        try:
            return raw.decode(name or "cp1252").replace("\x00", "")
        except (LookupError, UnicodeError, ValueError):
            continue
    return raw.decode("cp1252", "replace").replace("\x00", "")


class _Words(HTMLParser):
    """The words of a page, a line for each block; what it quotes is left out."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._silent = self._quoted = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A block begins a line."""
        del attrs
        self._silent += tag in _SILENT
        self._quoted += tag == "blockquote"
        if tag in _BREAKS:
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """And ends it."""
        self._silent = max(0, self._silent - (tag in _SILENT))
        self._quoted = max(0, self._quoted - (tag == "blockquote"))
        if tag in _BREAKS:
            self.words.append("\n")

    def handle_data(self, data: str) -> None:
        """Words that are shown."""
        if not self._silent and not self._quoted:
            self.words.append(data.replace("\n", " ").replace("\r", " "))


def without_marks(html: str) -> str:
    """The text of an HTML mail."""
    words = _Words()
    words.feed(html)
    words.close()
    lines = (_SPACE.sub(" ", line).strip() for line in "".join(words.words).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
