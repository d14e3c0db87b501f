"""The desk's HTTP application: routes split by who they are for."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from desk import (
    api,
    api_bookings,
    api_contacts,
    api_registry,
    api_remedies,
    api_silences,
    cases,
    console,
    customer,
    customer_leaving,
    customer_push,
    customer_slots,
    incidents,
    live,
    tmf621,
    verdicts,
)
from desk.context import Context
from desk.gate import Gate
from desk.guard import Guard
from desk.idempotency import Answers
from desk.pages import STATIC, Pages, zone_of
from desk.partner import routes as partner_routes
from desk.problems import add_handlers
from desk.timeline import api as timeline_api
from desk.timeline import page as timeline_page
from desk.tokens import Tokens
from desk.writing_registry import RegistryWriter
from vorab.knowledge import Library, folder_of, load_articles
from vorab.words import load_words


def create_app(context: Context) -> FastAPI:
    """The application with all its routes.

    Raises:
        ConfigError: a time zone, a file of words or an article is wrong.
    """
    settings = context.settings
    pages = Pages(context.clock, zone_of(settings.desk.time_zone))
    vocabulary = load_words(Path(settings.notifier.words) if settings.notifier.words else None)
    library = Library(load_articles(folder_of(settings.notifier.words)))
    app = FastAPI(title="vorab desk", docs_url=None, redoc_url=None)
    app.state.context = context
    app.include_router(tmf621.routes(context.queries))
    app.include_router(api.routes(context, library))
    if context.partners is not None:
        app.include_router(partner_routes.routes(context.partners))
    app.include_router(timeline_api.routes(context))
    answers, registry = Answers(), RegistryWriter(context)
    app.include_router(api_registry.routes(context, answers, registry))
    app.include_router(api_contacts.routes(context, answers))
    app.include_router(api_silences.routes(context, answers))
    app.include_router(api_remedies.routes(context, answers))
    app.include_router(api_bookings.routes(context, answers))
    app.include_router(customer_slots.routes(context, pages))
    app.include_router(customer_push.routes(context, pages))
    app.include_router(live.routes(context, pages, vocabulary))
    app.include_router(customer_leaving.routes(context, pages, registry))
    app.include_router(customer.routes(context, pages, vocabulary))
    app.include_router(verdicts.routes(context, pages, library))
    app.include_router(cases.routes(context, pages, library))
    app.include_router(timeline_page.routes(context, pages, vocabulary))
    app.include_router(incidents.routes(context, pages))
    app.include_router(console.routes(context, pages))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    add_handlers(app)
    gate = Gate(Tokens(settings.desk.tokens), context.clock)
    app.add_middleware(Guard, host=settings.desk.host, base_url=settings.desk.base_url, gate=gate)
    return app
