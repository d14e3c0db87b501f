"""What a fault suggests to sell: the part that may be needed, the contract that ends soon. Pure, and without memory.

A hint for whoever sells, on `vorab.offers`, so that none is lost; it is no message. Whether it may be mentioned to the customer at all is
said with it. The same hint comes with the same id, however often a case is handed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Final

from vorab import ids
from vorab.clock import to_datetime
from vorab.processor import Registry
from vorab.records import CaseEvent, CaseKind, Offer, OfferKind, Purpose
from vorab.topics import RECORDED_TENANT, key_of

ENDS_WITHIN_DAYS: Final = 60
"""A contract that ends later is no news today."""

Parts = Callable[[str, str], Iterable[tuple[str, str]]]
"""Model and cause → articles about that, with the number of the part that may be needed."""


def no_parts(model: str, cause: str) -> Iterable[tuple[str, str]]:  # noqa: ARG001 - the shape
    """Where nobody wrote articles."""
    return ()


def offers(event: CaseEvent, registry: Registry, parts: Parts = no_parts) -> Iterator[Offer]:
    """What an event of a case suggests: a part when a person is needed, a contract when the case opens."""
    if not event.customer or event.tenant == RECORDED_TENANT:
        return
    if event.kind is CaseKind.HANDED_OVER:
        for article, part in parts(event.model, event.cause):
            yield _offer(event, registry, OfferKind.PART, part, article=article)
    elif event.kind is CaseKind.OPENED:
        device = registry.device(event.key)
        contract = registry.contract(key_of(event.tenant, device.contract)) if device is not None and device.contract else None
        if contract is None or contract.ends is None or contract.customer not in {"", event.customer}:
            return
        if 0 <= (contract.ends - to_datetime(event.at).date()).days <= ENDS_WITHIN_DAYS:
            yield _offer(event, registry, OfferKind.CONTRACT, contract.contract, ends=contract.ends)


def _offer(event: CaseEvent, registry: Registry, kind: OfferKind, what: str, *, article: str = "", ends: date | None = None) -> Offer:
    customer = key_of(event.tenant, event.customer)
    known = registry.customer(customer)
    return Offer(
        id=ids.offer_id(customer, kind, what, ends or event.case),
        tenant=event.tenant,
        customer=event.customer,
        kind=kind,
        what=what,
        case=event.case,
        device=event.device,
        model=event.model,
        mention=known is not None and known.purposes.get(Purpose.ADVERTISING, False),
        at=event.at,
        because=event.id,
        article=article,
        ends=ends,
    )
