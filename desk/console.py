"""The console's first page, and the parts of it that refresh themselves."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from desk import board
from desk.context import Context
from desk.pages import Pages
from desk.why_incidents import incident_of

MAX_SHOWN = 8_000


def routes(context: Context, pages: Pages) -> APIRouter:
    """`/`, `/parts/live`, `/parts/queue`, `/why/{id}`."""
    router = APIRouter(include_in_schema=False)
    queries = context.queries

    @router.api_route("/", methods=["GET", "HEAD"])
    def console(q: Annotated[str, Query(max_length=200)] = "", queue: Annotated[str, Query(max_length=64)] = "") -> Response:
        """The answer, the queue, the fleet, the messages."""
        search = q.strip()
        if search and (full := queries.resolve(search)) is not None:
            return RedirectResponse(f"/why/{full}", 303)
        now = context.clock.now()
        rows = board.queue(queries, now, search, queue)
        storms = [] if search or queue else context.incidents.all(only_open=True)
        return pages.html(
            "console.html",
            board=board.board(queries, now, context.lag_s(), storms=storms),
            rows=rows,
            storms=storms,
            groups=board.GROUPS,
            search=search,
            queue=queue,
            queues=queries.queues(),
            words_of=board.state_word,
            state_names=board.STATES,
            night=(context.settings.state_path / "beats.json").exists(),
        )

    @router.get("/parts/live")
    def live(shown: Annotated[str, Query(max_length=MAX_SHOWN)] = "", queue: Annotated[str, Query(max_length=64)] = "") -> HTMLResponse:
        """What refreshes itself: everything but the order of the queue."""
        found = board.board(
            queries,
            context.clock.now(),
            context.lag_s(),
            frozenset(filter(None, shown.split(","))),
            context.incidents.all(only_open=True),
            queue,
        )
        return pages.html("part_live.html", board=found, state_names=board.STATES, polled=True)

    @router.get("/parts/queue")
    def rows(q: Annotated[str, Query(max_length=200)] = "", queue: Annotated[str, Query(max_length=64)] = "") -> HTMLResponse:
        """The cases as they are now."""
        found = board.queue(queries, context.clock.now(), q.strip(), queue)
        storms = [] if q.strip() or queue else context.incidents.all(only_open=True)
        return pages.html(
            "part_queue.html",
            rows=found,
            storms=storms,
            groups=board.GROUPS,
            search=q.strip(),
            queue=queue,
            queues=queries.queues(),
            words_of=board.state_word,
        )

    @router.api_route("/why/{any_id}", methods=["GET", "HEAD"])
    def why(any_id: str) -> Response:
        """The page of the case or incident that an id belongs to."""
        full = queries.resolve(any_id)
        if incident := incident_of(queries, full or any_id):
            return RedirectResponse(f"/incidents/{incident}", 303)
        if full is not None:
            if queries.case(full) is not None:
                return RedirectResponse(f"/cases/{full}", 303)
            record = queries.find(full)
            case = queries.case_of(record) if record is not None else ""
            if case:
                return RedirectResponse(f"/cases/{case}#{full}", 303)
        return pages.html("nothing.html", 404, what="nothing by this id", hint="An id is a symptom, case, action, message or incident.")

    return router
