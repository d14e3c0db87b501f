"""A payload that is one value as plain text: `21.4`, `ON`; its signal is named by the topic. Pure."""

from __future__ import annotations

from typing import Final

from ingest.decoders.rows import MAX_TEXT, Row, Sender, check_name
from ingest.decoders.values import nothing, number_in, said
from ingest.units import unit
from vorab.errors import Reason, Rejected
from vorab.frame import Value
from vorab.payloads import PlainText

SIGNAL: Final = "value"
"""What the signal is called where neither the map nor the topic names it."""
_MOST_BYTES: Final = 4 * MAX_TEXT


def parse(payload: bytes) -> str:
    """The text of a payload; raises Rejected (EMPTY, TOO_LARGE, BAD_UTF8)."""
    if len(payload) > _MOST_BYTES:
        raise Rejected(Reason.TOO_LARGE, f"{len(payload)} bytes of text, at most {_MOST_BYTES}")
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError as error:
        raise Rejected(Reason.BAD_UTF8, f"byte {error.start} is not UTF-8") from None
    if not text:
        raise Rejected(Reason.EMPTY, "no payload")
    return text


class Text:
    """One declared text, compiled; `named` is what {name} in the topic matched."""

    def __init__(self, spec: PlainText, named: str = "") -> None:
        self._signal = spec.signal or named or SIGNAL
        self._auto, self._unit = spec.type == "auto", unit(spec.unit)
        self._empty = nothing(spec)
        self._read = said(self._signal, spec)

    def rows(self, parsed: object, sender: Sender) -> list[Row]:  # noqa: ARG002 - a decoder is told the sender
        """The one row of a text; none where it means nothing; raises Rejected."""
        check_name(self._signal)
        if self._empty(parsed):
            return []
        value = self._read(self._guess(parsed) if self._auto and isinstance(parsed, str) else parsed)
        units = {self._signal: self._unit} if self._unit else {}
        return [] if value is None else [Row(None, {self._signal: value}, units)]

    def _guess(self, text: str) -> Value:
        try:
            return number_in(self._signal, text)
        except Rejected as why:
            if why.reason is Reason.NOT_FINITE:
                raise  # a sensor that is broken has not turned into one that speaks
            return text
