"""A message as a letter: one PDF for a window envelope (DIN 5008, form B), in large type, with telephone number and code. Pure.

Without a font of the operator's it is set in Helvetica, which every reader has and no file needs to bring along; it knows the 220 or so
characters of WinAnsi (all of Western Europe), and others are replaced by what is nearest to them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from babel.dates import format_date
from fpdf import FPDF

from notifier.channels import Message, paragraphs
from notifier.mail import one_line
from notifier.words import FALLBACK, LOCALES
from vorab.clock import to_datetime

LARGE: Final = 14.0
"""Points of all that is to be read: whoever gets letters may have no other way, and no good eyes."""
SMALL: Final = 9.0
"""Points of the sender above the window and of the legal lines, as DIN 5008 has them."""
LONGEST: Final = 4_000
"""Characters of a paragraph."""

# DIN 5008 form B, mm: where a window envelope (DIN lang) shows the address once the sheet is folded at the marks.
LEFT: Final = 25.0
RIGHT: Final = 20.0
RETURN_TOP: Final = 57.7
WINDOW_TOP: Final = 62.7
WINDOW_WIDTH: Final = 80.0
WINDOW_HEIGHT: Final = 27.3
MOST_LINES: Final = 6
FOLDS: Final = (105.0, 210.0)
HOLE: Final = 148.5
TEXT_TOP: Final = 103.5
FOOT: Final = 30.0

_WORDS: Final = {
    "de": (
        "Guten Tag,",
        "Haben Sie Fragen? Rufen Sie uns an: {phone}",
        "Code {code}: Er steht in allem, was wir Ihnen dazu schreiben.",
        "Freundliche Grüße",
    ),
    "en": ("Hello,", "Any questions? Call us: {phone}", "Code {code}: it stands in all we write to you about this.", "Kind regards"),
}
_NEAREST: Final = str.maketrans({
    "Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "ı": "i", "ẞ": "SS", "‐": "-", "‑": "-", "−": "-", "→": ">", "≥": ">=", "≤": "<=", "№": "Nr.",
    "\u202f": " ", "\u2009": " ", "\u200b": "", "\u200d": "", "\ufe0f": "",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Whose letters they are."""

    brand: str
    """Large on top, and under the greeting at the end."""
    sender: str = ""
    """One line above the address: to where it comes back."""
    phone: str = ""
    footer: Sequence[str] = ()
    """Legal lines."""
    font: str = ""
    """File of a TrueType font; empty: Helvetica."""


def winansi(text: str) -> str:
    """Text in the characters Helvetica has: accents it lacks are dropped, and what has no likeness becomes a question mark."""
    return "".join(_winansi(text.translate(_NEAREST)))


def _winansi(text: str) -> Iterator[str]:
    for char in text:
        if _known(char):
            yield char
            continue
        plain = "".join(part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part))
        if plain:
            yield plain if all(map(_known, plain)) else "?"


def _known(char: str) -> bool:
    return len(char.encode("cp1252", "ignore")) == 1


class _Sheet(FPDF):
    """A sheet with the legal lines at its foot."""

    def __init__(self, head: Letterhead) -> None:
        super().__init__(format="A4")
        self.head, self.family = head, "Helvetica"
        self.core_fonts_encoding = "cp1252"
        if head.font:
            self.add_font("letter", fname=head.font)
            self.family = "letter"
        self.set_margins(LEFT, 20, RIGHT)
        self.c_margin = 0.0  # text begins where lines of the window do
        self.set_auto_page_break(auto=True, margin=FOOT)

    def shown(self, text: str) -> str:
        """Text as this font can show it."""
        return text if self.head.font else winansi(text)

    def write_at(self, x: float, y: float, text: str, size: float, width: float, style: Literal["", "B"] = "") -> None:
        """One line, set smaller where it would be too wide, and cut only where that does not help."""
        line = self.shown(text)
        self.pick(size, style)
        while self.get_string_width(line) > width and self.font_size_pt > SMALL:
            self.set_font_size(self.font_size_pt - 0.5)
        while line and self.get_string_width(line) > width:
            line = line[:-1]
        self.text(x, y + self.font_size * 0.8, line)

    def pick(self, size: float, style: Literal["", "B"] = "") -> None:
        """Choose the type; a font of the operator's has no bold one."""
        self.set_font(self.family, style="" if self.head.font else style, size=size)

    def say(self, text: str, *, size: float = LARGE, style: Literal["", "B"] = "", after: float = 4.0) -> None:
        """A paragraph."""
        self.pick(size, style)
        self.multi_cell(0, size * 0.5, self.shown(text), align="L", new_x="LMARGIN", new_y="NEXT")
        self.ln(after)

    def footer(self) -> None:
        """The legal lines, on every sheet."""
        for n, line in enumerate(reversed(self.head.footer[:3])):
            self.write_at(LEFT, self.h - 12 - 4.5 * n, one_line(line), SMALL, self.epw)


def letter(head: Letterhead, address: Sequence[str], message: Message, code: str) -> bytes:
    """The PDF of a message; same message in, same bytes out."""
    greeting, call, known, regards = _WORDS.get(message.language, _WORDS[FALLBACK])
    sheet = _Sheet(head)
    sheet.set_creation_date(to_datetime(message.at))
    sheet.set_title(sheet.shown(one_line(message.subject)))
    sheet.set_lang(message.language if message.language in _WORDS else FALLBACK)
    sheet.add_page()
    _outside(sheet, address)
    when = format_date(to_datetime(message.at).date(), "long", locale=LOCALES.get(message.language, LOCALES[FALLBACK]))
    sheet.write_at(125, 90, when, LARGE, 65)
    sheet.set_y(TEXT_TOP)
    sheet.say(one_line(message.subject), size=LARGE + 2, style="B", after=6)
    said = [one_line(part, LONGEST) for part in paragraphs(message)]
    first = said[:1] if message.to.name and said[:1] and said[0].endswith(",") else []
    for part in (*(first or [greeting]), *said[len(first) :]):
        sheet.say(part)
    for part in _below(head, code, call, known):
        sheet.say(part, style="B")
    sheet.say(regards, after=1)
    sheet.say(one_line(head.brand))
    return bytes(sheet.output())


def _outside(sheet: _Sheet, address: Sequence[str]) -> None:
    """What an envelope shows, and the marks to fold and to punch."""
    head = sheet.head
    sheet.write_at(LEFT, 18, one_line(head.brand), 20, sheet.epw, "B")
    sheet.write_at(LEFT, RETURN_TOP, one_line(head.sender), SMALL, WINDOW_WIDTH)
    step = WINDOW_HEIGHT / MOST_LINES
    for n, line in enumerate(address[:MOST_LINES]):
        sheet.write_at(LEFT, WINDOW_TOP + n * step, one_line(line), 12, WINDOW_WIDTH)
    sheet.set_line_width(0.2)
    for y in (*FOLDS, HOLE):
        sheet.line(4, y, 9 if y in FOLDS else 11, y)


def _below(head: Letterhead, code: str, call: str, known: str) -> Iterable[str]:
    if head.phone:
        yield call.replace("{phone}", one_line(head.phone))
    if code:
        yield known.replace("{code}", code)
