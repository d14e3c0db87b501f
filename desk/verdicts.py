"""Verdicts of agents: a command on the log, about something of this case and nothing else."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from desk import writing
from desk.cases import away, settle
from desk.context import Context
from desk.pages import Pages
from desk.proposals import OF_A_RULE, VERDICTS, help_of, judged, verdict_words
from desk.queries import CaseFile
from vorab.errors import Unavailable
from vorab.knowledge import Library
from vorab.ranking import RULE
from vorab.records import Command, CommandKind

Verdict = Literal["right", "useful", "wrong", "too_late"]
ABOUT_RULES: Final = frozenset(OF_A_RULE)
ABOUT_THINGS: Final = frozenset(VERDICTS)


class Given(BaseModel):
    """A verdict by the API."""

    model_config = ConfigDict(extra="forbid")

    about: Annotated[
        str, Field(max_length=255, description="`remedy:restart`, `article:pump-restart` or `rule:id@version`, as the case names it.")
    ]
    verdict: Annotated[Verdict, Field(description="Of a remedy or an article right, useful or wrong; of a rule right, wrong or too_late.")]
    key: Annotated[str, Field(min_length=8, max_length=64, description="The same key again is the same verdict.")]


def give(context: Context, library: Library, file: CaseFile, about: str, verdict: Verdict, nonce: str) -> Command | None:
    """Say it; None where it is about nothing of this case, or about something of which this cannot be said.

    Raises:
        Unavailable: the log cannot take it now.
    """
    kind = CommandKind(verdict)
    name = judged(help_of(context.queries, library, file, context.clock.now()), about)
    if name is None or kind not in (ABOUT_RULES if about.startswith(RULE) else ABOUT_THINGS):
        return None
    return writing.command(context, file.last, kind, f"{about} {nonce}", verdict_words(about, name, kind), about=about, words=False)


def routes(context: Context, pages: Pages, library: Library) -> APIRouter:
    """The buttons of the case page that say what helped; before those of `desk.cases`, whose address fits this one too."""
    router = APIRouter(prefix="/cases", include_in_schema=False)

    @router.post("/{case}/verdict")
    def verdict(
        case: str,
        nonce: Annotated[str, Form(min_length=8, max_length=64)],
        about: Annotated[str, Form(max_length=255)],
        said: Annotated[Verdict, Form()],
    ) -> Response:
        """What an agent thinks of something that was tried, or of the rule that fired."""
        file = context.queries.case(case)
        try:
            made = give(context, library, file, about, said, nonce) if file else None
        except Unavailable:
            return away(pages)
        if made is None:
            return pages.html("nothing.html", 404, what="nothing to judge", hint="The case, or what this was about, is not there any more.")
        settle(context, case, made.id)
        return RedirectResponse(f"/cases/{case}?done=verdict#helped", 303)

    return router
