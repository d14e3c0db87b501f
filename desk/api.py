"""The desk's own JSON: cases, counts, and why."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Security
from fastapi.responses import JSONResponse

from desk.advice import apology, next_best, waits_for_approval
from desk.api_contacts import BEARER
from desk.cases import first_words
from desk.context import Context
from desk.partner.service import mirror_json
from desk.problems import RESPONSES, unknown
from desk.proposals import Help, help_of
from desk.queries import CaseFile, CaseRow, Queries
from desk.sla import promises, sla_clock
from desk.verdicts import Given, give
from desk.why import why
from desk.words import sentence
from vorab.clock import SECOND, Micros, iso
from vorab.errors import Unavailable
from vorab.knowledge import Library
from vorab.records import type_of

MAX_PAGE = 500


def case_json(row: CaseRow) -> dict[str, Any]:
    """A case as one object of a list."""
    last = row.last
    return {
        "case": last.case,
        "device": last.key,
        "name": last.name or last.device,
        "cause": last.cause,
        "severity": last.severity.value,
        "priority": last.priority,
        "history": list(last.history),
        "status": last.status.value,
        "needs_person": row.needs_person,
        "healed": row.healed,
        "customer": last.customer,
        "site": last.site,
        "queue": last.queue,
        "skill": last.skill,
        "bot": last.bot,
        "care": last.care,
        "approvals": list(last.approvals),
        "approvals_needed": last.approvals_needed,
        "goodwill": last.goodwill,
        "opened_at": iso(last.opened_at),
        "changed_at": iso(row.changed_at),
    }


def file_json(file: CaseFile, helping: Help, now: Micros) -> dict[str, Any]:
    """A case with every record that belongs to it, what may help, and its SLA clock at `now` (µs)."""
    sla, following, last = sla_clock(file.events, now), next_best(file), file.last
    return {
        "case": file.case,
        "device": file.last.key,
        "status": file.last.status.value,
        "sentence": sentence(file),
        "first_sentence": first_words(file),
        "next": {"do": following.do, "why": following.why} if following else None,
        "care": {"bot": last.bot, "line": last.care, "queue": last.queue, "skill": last.skill, "said": list(last.said)},
        "waits_for_approval": waits_for_approval(file.events),
        "approvals": {"by": list(last.approvals), "needed": last.approvals_needed},
        "goodwill": {
            "state": last.goodwill,
            "gesture": last.gesture,
            "cents": last.amount_cents,
            "currency": last.currency,
            "approved_by": list(last.goodwill_approvals),
            "needed": last.goodwill_needed,
            "apology": apology(file.events),
        }
        if last.goodwill
        else None,
        "sla": {
            "ours_s": round(sla.ours / SECOND),
            "customers_s": round(sla.customers / SECOND),
            "runs": sla.runs,
            **({"contract": file.contract.contract} if file.contract else {}),
            **{
                each.name: {"within_s": round(each.within / SECOND), "left_s": round(each.left / SECOND), "open": each.open}
                for each in promises(file.events, file.contract, now)
            },
        },
        **helping.json(),
        "records": [
            {"type": type_of(record), "at": iso(record.time), "body": record.model_dump(mode="json", exclude_none=True)}
            for record in sorted(file.all(), key=lambda record: record.time)
        ],
    }


def kpis_json(queries: Queries) -> dict[str, Any]:
    """The figures of `/api/kpis`."""
    counts = queries.counts()
    goodwill = {kind: counts.get(f"io.vorab.case.goodwill_{kind}.v1", 0) for kind in ("proposed", "granted", "declined")}
    cost = {currency: cents / 100 for currency, cents in queries.spent().items()}
    figures = {name: counts[name] for name in ("cases", "cases_open", "healed", "need_person")}
    return {**figures, "queues": dict(queries.queues()), "goodwill": {**goodwill, "cost": cost}}


def routes(context: Context, library: Library) -> APIRouter:
    """`/api/cases`, `/api/cases/{id}` and its verdicts, `/api/counts`, `/api/kpis`, `/api/why/{id}`."""
    router = APIRouter(prefix="/api", tags=["desk"], responses=RESPONSES, dependencies=[Security(BEARER)])
    queries = context.queries

    @router.get("/cases")
    def cases(
        *,
        only_open: Annotated[bool, Query(alias="open")] = False,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
        offset: Annotated[int, Query(ge=0)] = 0,
    ) -> JSONResponse:
        """Cases in the order of the queue."""
        return JSONResponse([case_json(row) for row in queries.cases(only_open=only_open, limit=limit, offset=offset)])

    @router.get("/kpis")
    def kpis() -> JSONResponse:
        """Figures to steer by: cases, those healed, those that need a person by queue, and what goodwill has cost."""
        return JSONResponse(kpis_json(queries))

    @router.get("/cases/{case}")
    def one_case(case: str) -> JSONResponse:
        """A case with all its records."""
        file = queries.case(case)
        if file is None:
            raise unknown("case")
        now = context.clock.now()
        mirrors = context.partners.of_case(case) if context.partners else []
        told = file_json(file, help_of(queries, library, file, now), now)
        return JSONResponse(told | {"partners": [mirror_json(mirror) for mirror in mirrors]})

    @router.post("/cases/{case}/verdicts", status_code=202)
    def verdict(case: str, given: Given) -> JSONResponse:
        """What somebody thinks of a remedy, an article or a rule of this case: a command on the log."""
        file = queries.case(case)
        if file is None:
            raise unknown("case")
        try:
            made = give(context, library, file, given.about, given.verdict, given.key)
        except Unavailable:
            return JSONResponse({"error": "the log cannot be reached"}, 503)
        if made is None:
            return JSONResponse({"error": f"{given.verdict} cannot be said about {given.about} in this case"}, 422)
        return JSONResponse({"command": made.id}, 202)

    @router.get("/counts")
    def counts() -> JSONResponse:
        """How many of everything, and how fresh."""
        found: dict[str, Any] = dict(sorted(queries.counts().items()))
        return JSONResponse({"counts": found, "not_sent": dict(queries.not_sent()), "lag_s": round(context.lag_s(), 1)})

    @router.get("/why/{any_id}")
    def chain(any_id: str, *, again: bool = False) -> JSONResponse:
        """The causal chain of any id, a case's or an incident's; with `again`, decided anew from the log and compared."""
        found = why(queries, any_id)
        if found is None:
            raise unknown("id")
        anew = {"again": context.again(*found.subject)} if again and context.again and found.subject else {}
        return JSONResponse({**found.json(), **anew})

    return router
