"""What people ask for becomes a record on the log; the desk changes nothing by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from desk.context import Context
from desk.sealed import whose
from vorab import ids, topics
from vorab.consents import answered
from vorab.links import Claims
from vorab.log import EventLog, Outgoing, append_all
from vorab.records import CaseEvent, Command, CommandKind, ConsentBy, Record, Request, RequestKind, to_wire
from vorab.settings import Settings
from vorab.words import FALLBACK

SOURCE = "urn:vorab:desk"
WAIT_S = 10.0


def append(context: Context, record: Record) -> None:
    """Append and wait for the log's word.

    Raises:
        Unavailable: the log cannot take it now.
    """
    append_each(context, [record])


def append_each(context: Context, records: Iterable[Record]) -> None:
    """Append several and wait for the log's word about all; raises as `append`."""
    append_all(context.log, [_outgoing(record, context.log, context.settings) for record in records], WAIT_S)


def appending(log: EventLog, settings: Settings) -> Callable[[Record], None]:
    """`append` for those who have no context yet."""
    return lambda record: append_all(log, [_outgoing(record, log, settings)], WAIT_S)


def _outgoing(record: Record, log: EventLog, settings: Settings) -> Outgoing:
    key, value, headers = to_wire(record, SOURCE)
    partition = topics.partition_of(record.key, log.partitions(record.TOPIC), settings.topics.recorded_partitions)
    return Outgoing(record.TOPIC, partition, key, value, headers)


def command(
    context: Context,
    event: CaseEvent,
    kind: CommandKind,
    nonce: str,
    detail: str = "",
    *,
    about: str = "",
    by: str = "agent",
    words: bool = True,
) -> Command:
    """An agent asks for something about a case; the same nonce is the same command.

    `by` is a role or a short id, never a name; `words`: whether a person wrote the detail.

    Raises:
        Unavailable: the log cannot take it now, or nobody can seal what was written about a customer.
    """
    customer = whose(event, context.queries.device(event.key))
    made = Command(
        id=ids.command_id(event.key, kind, nonce),
        tenant=event.tenant,
        device=event.device,
        kind=kind,
        case=event.case,
        at=context.clock.now(),
        by=by,
        detail=context.seal.detail(customer, detail) if words else detail,
        about=about,
    )
    append(context, made)
    return made


def request(context: Context, claims: Claims, kind: RequestKind, text: str = "", about: str = "", language: str = FALLBACK) -> Request:
    """A customer asks for something behind a link; the same link and wish is the same request. A consent goes into the ledger as well.

    Raises:
        Unavailable: the log cannot take it now, or nobody can seal what was written.
    """
    tenant, _, customer = claims.customer.partition("/")
    made = Request(
        id=ids.request_id(claims.customer, kind, claims.notification),
        tenant=tenant,
        customer=customer,
        kind=kind,
        case=claims.case,
        device=claims.device.partition("/")[2],
        at=context.clock.now(),
        notification=claims.notification,
        about=about,
        said=context.seal.seal(claims.customer, text),
        doubts=_doubts(context, text),
    )
    append_each(context, [made, *answered(made, ConsentBy.PAGE, language)])
    return made


def _doubts(context: Context, text: str) -> tuple[str, ...]:
    return tuple(context.hears(text)) if context.hears is not None and text else ()
