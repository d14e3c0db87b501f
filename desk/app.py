"""The desk's HTTP application: routes split by who they are for."""

from __future__ import annotations

from fastapi import FastAPI

from desk import api, tmf621
from desk.context import Context


def create_app(context: Context) -> FastAPI:
    """The application with all its routes."""
    app = FastAPI(title="vorab desk", docs_url=None, redoc_url=None)
    app.state.context = context
    app.include_router(tmf621.routes(context.queries))
    app.include_router(api.routes(context))
    return app
