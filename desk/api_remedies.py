"""`/api/remedies`: the kill switches by REST. What is said goes to the log, where permits are given."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Body, Path, Query, Request, Response, Security
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from desk import writing
from desk.api_contacts import BEARER, IdempotencyKey, holder_of
from desk.context import Context
from desk.idempotency import Answer, Answers
from desk.patience import awaited
from desk.problems import RESPONSES, unknown
from vorab import switches
from vorab.records import MAX_TEXT, Switch, SwitchState
from vorab.topics import DEFAULT_TENANT, ID, key_of

STATES: Final = {"stop": SwitchState.STOPPED, "allow": SwitchState.RELEASED}
Name = Annotated[str, Path(pattern=rf"^{ID.pattern}$")]
Tenant = Annotated[str, Query(pattern=rf"^{ID.pattern}$")]
Anyway = Annotated[bool, Query(description="Also where the remedy files of this desk know no such remedy.")]


class Why(BaseModel):
    """Why a remedy is stopped or allowed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    why: str = Field("", max_length=MAX_TEXT, description="Stands in every case that asks for it meanwhile.")


def routes(context: Context, answers: Answers) -> APIRouter:
    """All of them."""
    router = APIRouter(prefix="/api/remedies", tags=["remedies"], responses=RESPONSES, dependencies=[Security(BEARER)])
    known = context.remedies

    @router.get("", response_model=list[dict[str, Any]])
    def listed(tenant: Tenant = DEFAULT_TENANT) -> Response:
        """Remedies, and which of them are stopped, by whom, since when and why."""
        said = {key: each for key, each in context.said.switches().items() if each.tenant == tenant}
        return JSONResponse(switches.rows(known() if known else (), said, tenant))

    @router.post("/{name}/{action}", response_model=dict[str, Any])
    def switch(
        request: Request,
        name: Name,
        action: Literal["stop", "allow"],
        body: Annotated[Why | None, Body()] = None,
        *,
        tenant: Tenant = DEFAULT_TENANT,
        anyway: Anyway = False,
        idempotency_key: IdempotencyKey = "",
    ) -> Response:
        """Stop a remedy everywhere (from now on no machine gets a permit for it), or allow it again."""
        who, why = holder_of(request), body.why if body is not None else ""
        if known is not None and not anyway and name not in known():
            raise unknown("remedy")

        def do() -> Answer:
            nonce = f"{who} {idempotency_key}" if idempotency_key else secrets.token_hex(16)
            said = switches.switched(name, STATES[action], who, why, context.clock.now(), tenant=tenant, nonce=nonce)
            writing.append(context, said)
            _settle(context, said)
            return Answer(200, switches.row(name, tenant, said))

        answer = answers.once(who, f"{action} {key_of(tenant, name)}", idempotency_key, why, do)
        return JSONResponse(answer.body, answer.status)

    return router


def _settle(context: Context, said: Switch) -> None:
    """Wait a moment, so that who looks next sees it."""

    def shown() -> Switch | None:
        now = context.said.switches().get(said.key)
        return now if now is not None and now.id == said.id else None

    awaited(context.clock, shown)
