"""The lists of the registry by REST: in order of key, in pages, by what entries say."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from starlette.responses import JSONResponse

from desk.context import Context
from vorab.registry.kinds import CONTRACTS, CUSTOMERS, DEVICES, SITES, Kind, plain
from vorab.topics import ID

MAX_PAGE: Final = 500
Wanted = Annotated[str, Query(pattern=rf"^({ID.pattern})?$")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Offset = Annotated[int, Query(ge=0)]
Rows = list[dict[str, Any]]


def add_lists(router: APIRouter, context: Context) -> None:
    """`/devices`, `/customers`, `/sites`, `/contracts`; `X-Total-Count` says how many there are."""
    registry = context.queries.registry

    def page(kind: Kind, limit: int, offset: int, **wanted: str) -> JSONResponse:
        found, total = registry.page(kind, wanted, limit, offset)
        return paged([plain(entry) for entry in found], total)

    @router.get("/devices", tags=["devices"], response_model=Rows)
    def devices(
        *,
        unassigned: bool = False,
        customer: Wanted = "",
        site: Wanted = "",
        contract: Wanted = "",
        model: Annotated[str, Query(max_length=255)] = "",
        tenant: Wanted = "",
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response:
        """Devices; with `unassigned` those that were heard and that nobody registered, the latest first."""
        if unassigned:
            return paged([row.json() for row in registry.unassigned(limit, offset)], registry.unassigned_count())
        return page(DEVICES, limit, offset, customer=customer, site=site, contract=contract, model=model, tenant=tenant)

    @router.get("/customers", tags=["customers"], response_model=Rows)
    def customers(tenant: Wanted = "", limit: Limit = 100, offset: Offset = 0) -> Response:
        """Customers, without what is personal."""
        return page(CUSTOMERS, limit, offset, tenant=tenant)

    @router.get("/sites", tags=["sites"], response_model=Rows)
    def sites(parent: Wanted = "", tenant: Wanted = "", limit: Limit = 100, offset: Offset = 0) -> Response:
        """Sites."""
        return page(SITES, limit, offset, parent=parent, tenant=tenant)

    @router.get("/contracts", tags=["contracts"], response_model=Rows)
    def contracts(customer: Wanted = "", tenant: Wanted = "", limit: Limit = 100, offset: Offset = 0) -> Response:
        """Contracts."""
        return page(CONTRACTS, limit, offset, customer=customer, tenant=tenant)


def paged(rows: Rows, total: int) -> JSONResponse:
    """A page of a list."""
    return JSONResponse(rows, headers={"X-Total-Count": str(total), "X-Result-Count": str(len(rows))})
