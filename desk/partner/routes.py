"""The addresses partners call, and what operators ask about partners."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from desk.api_contacts import BEARER
from desk.partner.intake import Refused
from desk.partner.service import Partners
from desk.problems import RESPONSES, unknown
from vorab.clock import iso


def routes(partners: Partners) -> APIRouter:
    """`/partners/{name}` for partners, `/api/partners` for operators."""
    router = APIRouter(tags=["partners"])

    async def take(name: str, request: Request) -> Response:
        body = await request.body()
        try:
            result = await run_in_threadpool(partners.intake.take, name, dict(request.headers), body)
        except Refused as refusal:
            headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else {}
            return JSONResponse({"reason": refusal.result, "detail": refusal.why}, refusal.status, headers)
        return JSONResponse({"result": result}, 201)

    @router.post("/partners/{name}")
    async def message(name: str, request: Request) -> Response:
        """A signed webhook, or an event of a ticket system's hub."""
        return await take(name, request)

    @router.post("/partners/{name}/listener/{event}")
    async def listener(name: str, event: str, request: Request) -> Response:  # noqa: ARG001 - the body says what it is
        """An event of a ticket system's hub, where it adds the name of the event to the address."""
        return await take(name, request)

    @router.get("/api/partners", responses=RESPONSES, dependencies=[Security(BEARER)])
    def listed() -> JSONResponse:
        """Every partner, and how it stands with it."""
        return JSONResponse([row(partners, name) for name in partners.settings])

    @router.post("/api/partners/{name}/resend", responses=RESPONSES, dependencies=[Security(BEARER)])
    def resend(name: str, case: Annotated[str, Query(max_length=255)] = "") -> JSONResponse:
        """Try dead letters again."""
        if name not in partners.settings:
            raise unknown("partner")
        return JSONResponse({"cases": partners.outbox.resend(name, case, partners.clock.now())})

    return router


def row(partners: Partners, name: str) -> dict[str, Any]:
    """One partner as JSON; no address beyond its host, and no secret."""
    partner, figures = partners.settings[name], partners.outbox.figures(name, partners.clock.now())
    letters = partners.outbox.dead_letters(name)
    times = {what: iso(figures[what]) if figures[what] else None for what in ("sent_at", "heard_at")}
    dead = [{what: letter[what] for what in ("case", "seq", "tries", "reason", "detail")} | {"at": iso(letter["at"])} for letter in letters]
    return {"partner": name, "kind": partner.kind, "host": partner.host, **figures, **times, "letters": dead}
