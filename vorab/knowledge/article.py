"""What an article says. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_WORDS: Final = 60
"""What a customer reads before the first button."""
MAX_BODY: Final = 20_000
HAND: Final = "by_hand"
"""The remedy of an article that tells a person what to do."""

_ID: Final = r"[a-z0-9]+(-[a-z0-9]+)*"
_MARK: Final = re.compile(r"\s*(?P<mark>#{1,6}|[-*+]|\d+[.)])\s+(?P<text>.*)")
_RAW: Final = re.compile(r"\s*(```|~~~|<[A-Za-z/!]|\||!\[|>)")
"""Markdown that an article does without, and so does the page that shows it: code, HTML, tables, pictures, quotations."""

Block = tuple[Literal["heading", "steps", "points", "text"], tuple[str, ...]]


def _calm(text: str) -> str:
    if "!" in text:
        raise ValueError("no exclamation mark: a calm voice helps more")
    if len(text.split()) > MAX_WORDS:
        raise ValueError(f"{len(text.split())} words; at most {MAX_WORDS}, so that it is read")
    return text


def _listed(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("says something twice")
    return names


Line = Annotated[str, Field(min_length=1, max_length=200)]
Calm = Annotated[str, Field(min_length=1, max_length=1_000), AfterValidator(_calm)]
Names = Annotated[tuple[Line, ...], AfterValidator(_listed)]


class Part(BaseModel):
    """A piece of the front matter; wrong keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Title(Part):
    """In both languages, so that it is found in both."""

    en: Line
    de: Line


class Words(Part):
    """Something for customers, in both languages."""

    en: Calm
    de: Calm


class Front(Part):
    """The front matter of an article."""

    id: Annotated[str, Field(max_length=80, pattern=f"^{_ID}$", description="Stays for ever: verdicts are counted under it.")]
    title: Annotated[Title, Field(description="What it is about, in English (`en`) and German (`de`).")]
    models: Annotated[Names, Field(min_length=1, description="Models it is about, with `*` for anything.")]
    causes: Annotated[Names, Field(min_length=1, description="Causes it is about, as rules name them.")]
    remedy: Annotated[Line, Field(description="The remedy it explains, as remedy files name it; `by_hand` where a person does it.")]
    customer: Annotated[Words, Field(description="What to tell the customer, `en` and `de`: at most 60 words each, no exclamation mark.")]
    prevention: Annotated[Words, Field(description="One tip that keeps it from coming back, `en` and `de`.")]
    part: Annotated[str, Field(max_length=80, description="Number of the part that may be needed.")] = ""
    words: Annotated[Names, Field(description="More words people search by, in any language.")] = ()


class Article(Front):
    """An article: its front matter, and what to do."""

    body: str
    file: str = ""

    def about(self, model: str, cause: str) -> bool:
        """Whether it is about such a case."""
        return any(fnmatchcase(model, pattern) for pattern in self.models) and any(fnmatchcase(cause, pattern) for pattern in self.causes)

    def blocks(self) -> Iterator[Block]:
        """The body in pieces a page can show without reading Markdown."""
        kind: Literal["heading", "steps", "points", "text"] = "text"
        gathered: list[str] = []
        for line in [*self.body.splitlines(), ""]:
            found = _MARK.match(line)
            if not line.strip() or found:
                then = kind_of(found["mark"]) if found else "text"
                if gathered and (not found or then != kind or kind == "heading"):
                    yield kind, tuple(gathered)
                    gathered = []
                kind = then
                if found:
                    gathered.append(found["text"].strip())
            elif gathered and kind != "heading":
                gathered[-1] += f" {line.strip()}"
            else:
                if gathered:
                    yield kind, tuple(gathered)
                kind, gathered = "text", [line.strip()]
        if gathered:
            yield kind, tuple(gathered)

    def plain(self) -> Mapping[str, object]:
        """For other programs; without the place of its file, which is of no use to them."""
        return self.model_dump(mode="json", exclude={"file"})


def kind_of(mark: str) -> Literal["heading", "steps", "points"]:
    """What a line with such a mark before it is."""
    if mark.startswith("#"):
        return "heading"
    return "steps" if mark[0].isdigit() else "points"


def foreign(line: str) -> str:
    """Markdown in a line that is not shown; empty where there is none."""
    found = _RAW.match(line)
    return found[1] if found else ""
