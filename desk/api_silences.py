"""`/api/silences`: maintenance windows by REST. What is set or ended goes to the log; nothing is written to the tables."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request, Response, Security
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import JSONResponse

from desk import writing
from desk.api_contacts import BEARER, IdempotencyKey, holder_of
from desk.contacts import Id
from desk.context import Context
from desk.idempotency import Answer, Answers
from desk.patience import awaited
from desk.problems import RESPONSES, Problem, unknown
from desk.said_queries import ToldSilence
from vorab import silences
from vorab.clock import SECOND
from vorab.records import At, Silence
from vorab.topics import DEFAULT_TENANT


class Wanted(BaseModel):
    """A silence that is to be set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    group: str = Field(max_length=silences.MOST_GROUP, description=f"Whose cases: {silences.WRITTEN}.")
    since: At | None = Field(None, description="When it begins, ISO 8601 with zone; now, if it is left out.")
    until: At | None = Field(None, description="When it ends; or `for_s`.")
    for_s: float | None = Field(None, gt=0, le=silences.LONGEST / SECOND, description="How long it lasts from its beginning, in seconds.")
    why: str = Field(min_length=1, max_length=silences.MOST_WHY, description="What is done there, for whoever sees it.")
    tenant: Id = DEFAULT_TENANT

    @model_validator(mode="after")
    def _ends(self) -> Wanted:
        if (self.until is None) == (self.for_s is None):
            raise ValueError("names either until or for_s")
        return self


def fixed(context: Context, name: str = "") -> list[Silence]:
    """Those of the settings, all of them or one."""
    return [each for each in silences.configured(context.settings.streams.incidents) if name in {"", each.id}]


def find(context: Context, name: str) -> ToldSilence | None:
    """A silence by its id, whoever set it."""
    return context.said.silence(name) or next((ToldSilence(each) for each in fixed(context, name)), None)


def end(context: Context, told: ToldSilence, by: str) -> None:
    """Say that a silence is over.

    Raises:
        Unavailable: the log cannot take it now.
    """
    name = told.said.id
    writing.append(context, silences.ended(told.said, by, context.clock.now()))
    settle(context, name, ended=True)


def settle(context: Context, name: str, *, ended: bool = False) -> None:
    """Wait a moment, so that who looks next sees it; if not, it will be seen soon."""

    def shown() -> ToldSilence | None:
        told = context.said.silence(name)
        return told if told is not None and (told.ended is not None or not ended) else None

    awaited(context.clock, shown)


def routes(context: Context, answers: Answers) -> APIRouter:
    """All of them."""
    router = APIRouter(prefix="/api/silences", tags=["silences"], responses=RESPONSES, dependencies=[Security(BEARER)])

    @router.get("", response_model=list[dict[str, Any]])
    def listed() -> Response:
        """Silences that are not over: those people set, and those of the settings. The incident of one has its id."""
        now = context.clock.now()
        found = silences.not_over([*context.said.silences(now), *fixed(context)], now)
        return JSONResponse([silences.row(each, now) for each in found])

    @router.post("", status_code=201, response_model=dict[str, Any])
    def set_(request: Request, wanted: Annotated[Wanted, Body()], idempotency_key: IdempotencyKey = "") -> Response:
        """Mute the cases of a group that open from now on, for a time."""
        who = holder_of(request)

        def do() -> Answer:
            now = context.clock.now()
            since = now if wanted.since is None else wanted.since
            until = wanted.until if wanted.until is not None else since + round((wanted.for_s or 0) * SECOND)
            written = silences.Written(wanted.group, since, until, wanted.why, wanted.tenant)
            said = silences.asked(written, who, now, f"{who} {idempotency_key}" if idempotency_key else secrets.token_hex(16))
            wrong = silences.mistakes(said, now, on=context.settings.streams.incidents.on)
            if wrong:
                errors = [{"pointer": f"#/{each.key}", "detail": each.what, "hint": each.hint} for each in wrong]
                raise Problem(422, "invalid-silence", "this is no silence", errors=errors)
            writing.append(context, said)
            settle(context, said.id)
            return Answer(201, silences.row(said, now))

        answer = answers.once(who, "/api/silences", idempotency_key, wanted.model_dump_json(), do)
        return JSONResponse(answer.body, answer.status)

    @router.delete("/{silence}", status_code=204)
    def over(request: Request, silence: Annotated[str, Path(max_length=64)]) -> Response:
        """End one before its time: its cases that are not well are released at once."""
        told = find(context, silence)
        if told is None or told.over(context.clock.now()):
            raise unknown("silence")
        if told.said.by == silences.IN_SETTINGS:
            raise Problem(409, "in-settings", "this silence stands in the settings, streams.incidents.silences: take it out there")
        end(context, told, holder_of(request))
        return Response(status_code=204)

    return router
