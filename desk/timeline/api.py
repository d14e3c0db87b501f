"""`/api/customers/{name}/timeline`: the dialogue with a customer by REST. What people wrote stays sealed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response, Security

from desk.api_contacts import BEARER
from desk.api_lists import Limit, Offset, paged
from desk.context import Context
from desk.problems import RESPONSES, unknown
from desk.timeline.source import Timelines
from vorab.registry.kinds import CUSTOMERS
from vorab.topics import DEFAULT_TENANT, ID, key_of

Name = Annotated[str, Path(pattern=rf"^{ID.pattern}$")]
Tenant = Annotated[str, Query(pattern=rf"^{ID.pattern}$")]


def routes(context: Context) -> APIRouter:
    """The one."""
    router = APIRouter(prefix="/api", tags=["customers"], responses=RESPONSES, dependencies=[Security(BEARER)])
    timelines = Timelines(context.queries)

    @router.get("/customers/{name}/timeline", response_model=list[dict[str, Any]])
    def timeline(
        name: Name,
        tenant: Tenant = DEFAULT_TENANT,
        limit: Limit = 100,
        offset: Offset = 0,
        *,
        latest: Annotated[bool, Query(description="Count pages from the end: the first one has the latest.")] = False,
    ) -> Response:
        """Faults, attempts, messages, receipts, replies, calls, notes, offers, verdicts and incidents in their one order."""
        key = key_of(tenant, name)
        entries = timelines.of(key)
        if not entries and context.queries.registry.get(CUSTOMERS, key) is None:
            raise unknown("customer")
        total = len(entries)
        first, last = (max(0, total - offset - limit), max(0, total - offset)) if latest else (offset, offset + limit)
        return paged([entry.json() for entry in entries[first:last]], total)

    return router
