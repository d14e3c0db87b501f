"""`/api/devices`, `/api/customers`, `/api/sites`, `/api/contracts`: the registry by REST. GET changes nothing; all else goes to the log."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path, Query, Request, Response, Security
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import JSONResponse

from desk.api_contacts import BEARER, IdempotencyKey, holder_of
from desk.api_lists import add_lists
from desk.context import Context
from desk.idempotency import Answer, Answers
from desk.problems import RESPONSES, unknown
from desk.writing_registry import RegistryWriter
from vorab import ids
from vorab.clock import iso
from vorab.consents import consent_json
from vorab.registry.kinds import CONTRACTS, CUSTOMERS, DEVICES, SITES, Kind, plain
from vorab.topics import DEFAULT_TENANT, ID, key_of

MOST_MARKS: Final = 100
Key = Annotated[str, Path(pattern=rf"^{ID.pattern}$")]
Tenant = Annotated[str, Query(pattern=rf"^{ID.pattern}$")]
ConsentText = Annotated[str, Query(max_length=255, description="Of a customer: what the words are called that were agreed to.")]
Count = Annotated[int, Field(ge=0, le=MOST_MARKS)]


class Marks(BaseModel):
    """What a customer has been through once more."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    returns: Count = 0
    wrong_bills: Count = 0
    complaints: Count = 0

    @model_validator(mode="after")
    def _something(self) -> Marks:
        if not (self.returns or self.wrong_bills or self.complaints):
            raise ValueError("nothing to count: one or more of returns, wrong_bills, complaints")
        return self


def routes(context: Context, answers: Answers, writer: RegistryWriter) -> APIRouter:
    """All of them."""
    router = APIRouter(prefix="/api", responses=RESPONSES, dependencies=[Security(BEARER)])
    add_lists(router, context)
    for kind in (DEVICES, CUSTOMERS, SITES, CONTRACTS):
        _one(router, context, kind, writer)
    _marks(router, writer, answers)
    _consents(router, context)
    return router


def _schema(kind: Kind) -> dict[str, Any]:
    """The body of PUT, for the OpenAPI document."""
    found: dict[str, Any] = kind.record.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    shown = {name: values for name, values in found["properties"].items() if name in kind.fields}
    body = {"schema": {"type": "object", "properties": _flat(shown, found)}}
    return {"requestBody": {"required": True, "content": {"application/json": body}}}


def _flat(node: Any, whole: dict[str, Any]) -> Any:
    """A schema without references."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            return _flat(whole["$defs"][node["$ref"].rpartition("/")[2]], whole)
        return {name: _flat(value, whole) for name, value in node.items()}
    return [_flat(value, whole) for value in node] if isinstance(node, list) else node


def _said(kind: Kind, entry: Any, context: Context) -> dict[str, Any]:
    found = plain(entry)
    if kind is DEVICES:
        at = context.queries.registry.heard_at(entry.key)
        found |= {"registered": True, **({"heard_at": iso(at)} if at is not None else {})}
    return found


def _one(router: APIRouter, context: Context, kind: Kind, writer: RegistryWriter) -> None:
    path, registry = f"/{kind.plural}/{{name}}", context.queries.registry

    @router.get(path, tags=[kind.plural], response_model=dict[str, Any], name=f"get_{kind.name}")
    def get(name: Key, tenant: Tenant = DEFAULT_TENANT) -> Response:
        """One entry."""
        key = key_of(tenant, name)
        entry = registry.get(kind, key)
        if entry is not None:
            return JSONResponse(_said(kind, entry, context))
        at = registry.heard_at(key) if kind is DEVICES else None
        if at is None:
            raise unknown(kind.name)
        return JSONResponse({"device": name, "tenant": tenant, "registered": False, "heard_at": iso(at)})

    @router.put(path, tags=[kind.plural], response_model=dict[str, Any], name=f"put_{kind.name}", openapi_extra=_schema(kind))
    def put(
        name: Key, values: Annotated[dict[str, Any], Body()], tenant: Tenant = DEFAULT_TENANT, consent_text: ConsentText = ""
    ) -> Response:
        """Write an entry whole; 201 where it is new. What it says of consents that it did not say before goes into their ledger."""
        entry, new = writer.put(kind, key_of(tenant, name), values, consent_text)
        return JSONResponse(_said(kind, entry, context), 201 if new else 200)

    @router.delete(path, tags=[kind.plural], status_code=204, name=f"delete_{kind.name}")
    def delete(name: Key, tenant: Tenant = DEFAULT_TENANT) -> Response:
        """Take an entry out; a customer is forgotten."""
        writer.take_out(kind, key_of(tenant, name))
        return Response(status_code=204)


def _consents(router: APIRouter, context: Context) -> None:
    @router.get("/customers/{name}/consents", tags=["customers"], response_model=list[dict[str, Any]])
    def consents(name: Key, tenant: Tenant = DEFAULT_TENANT) -> Response:
        """What a customer agreed to or took back, with the words, oldest first; also of customers who are forgotten."""
        return JSONResponse([consent_json(each) for each in context.queries.consents(key_of(tenant, name))])


def _marks(router: APIRouter, writer: RegistryWriter, answers: Answers) -> None:
    @router.post("/customers/{name}/marks", tags=["customers"], response_model=dict[str, Any])
    def marks(
        request: Request, name: Key, found: Annotated[Marks, Body()], tenant: Tenant = DEFAULT_TENANT, idempotency_key: IdempotencyKey = ""
    ) -> Response:
        """Count what a customer has been through; it makes cases more urgent, as the policy says (`history`)."""
        who, key = holder_of(request), key_of(tenant, name)

        def do() -> Answer:
            mark = ids.mark_id(key, f"{who} {idempotency_key}" if idempotency_key else secrets.token_hex(16))
            return Answer(200, plain(writer.mark(key, found.model_dump(), mark)))

        answer = answers.once(who, f"marks {key}", idempotency_key, found.model_dump_json(), do)
        return JSONResponse(answer.body, answer.status)
