"""`POST /api/contacts` and `POST /api/hooks/call`: a customer got in touch."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Header, Request, Response, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from desk import contacting, hooks
from desk.contacts import Contact, Id, Way
from desk.context import Context
from desk.gate import HOLDER
from desk.idempotency import MAX_KEY, Answer, Answers
from desk.problems import RESPONSES, Problem, pointer
from desk.waiting import on_the_line
from vorab.records import At
from vorab.topics import DEFAULT_TENANT

BEARER: Final = HTTPBearer(auto_error=False, description="A token of `desk.tokens`; on loopback nobody asks for one.")
IdempotencyKey = Annotated[str, Header(alias="Idempotency-Key", max_length=MAX_KEY, description="The same key: done once, same answer.")]


class Told(BaseModel):
    """What a contact became."""

    contacts: list[dict[str, str]]
    """Command, device and case of each."""
    detail_kept: bool
    waiting: dict[str, Any] | None = None
    """Where somebody is on the line: the customer, the case, the first sentence, and free slots."""


class Call(BaseModel):
    """A call, as a telephone system tells it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    customer: Id | None = None
    device: Id | None = None
    phone: str = Field("", max_length=64, description="Who called; looked up among customers, and kept nowhere.")
    tenant: Id = DEFAULT_TENANT
    at: At | None = None


def holder_of(request: Request) -> str:
    """Who asks: the name of a token, or this machine."""
    holder = request.scope.get(HOLDER)
    return str(holder.name) if holder else "desk"


def routes(context: Context, answers: Answers) -> APIRouter:
    """Both."""
    router = APIRouter(prefix="/api", tags=["contacts"], responses=RESPONSES)

    @router.post("/contacts", status_code=202, response_model=Told, dependencies=[Security(BEARER)])
    def tell(request: Request, contact: Annotated[Contact, Body()], idempotency_key: IdempotencyKey = "") -> Response:
        """Tell that a customer got in touch about a fault: the ledger of lead times learns who noticed first.

        With `waiting` it answers with the customer, the case that matters most, the first sentence to say, and free slots for a call.
        """
        who = holder_of(request)
        asked = contact.model_dump_json()

        def do() -> Answer:
            told = contacting.take(context, contact, idempotency_key and f"{who} {idempotency_key}", who)
            return Answer(told.status, told.body | {"waiting": on_the_line(context, contact)}) if contact.waiting else told

        answer = answers.once(who, "/api/contacts", idempotency_key, asked, do)
        return JSONResponse(answer.body, answer.status)

    @router.post("/hooks/call", status_code=202, response_model=Told)
    async def call(request: Request) -> Response:
        """A call, told by a telephone system and signed after standardwebhooks.com with `desk.call_secret`."""
        answer = await run_in_threadpool(_call, context, request.headers, await request.body())
        return JSONResponse(answer.body, answer.status)

    return router


def _call(context: Context, headers: Any, body: bytes) -> Answer:
    secret = context.settings.desk.call_secret.get_secret_value()
    if not secret:
        raise Problem(404, "no-hook", "no secret is agreed on: `desk.call_secret`")
    try:
        name = hooks.verify(secret, headers, body, context.clock.wall(context.clock.now()))
    except hooks.NotSigned as error:
        raise Problem(401, "not-signed", str(error)) from None
    try:
        found = Call.model_validate(json.loads(body))
        tenant, customer = found.tenant, found.customer
        if customer is None and found.device is None and found.phone:
            tenant, _, who = contacting.customer_who_calls(context, found.phone).partition("/")
            if not who:
                return Answer(202, {"contacts": [], "detail_kept": False})
            customer = who
        contact = Contact(customer=customer, device=found.device, tenant=tenant, channel=Way.CALL, at=found.at, by=None)
    except ValidationError as error:
        errors = [{"pointer": pointer(("body", *each["loc"])), "detail": str(each["msg"])} for each in error.errors()]
        raise Problem(422, "invalid", "the call is not valid", errors=errors) from None
    except ValueError:
        raise Problem(400, "not-json", "the body is not JSON") from None
    return contacting.take(context, contact, f"call {name}", "telephone")
