"""The desk's HTTP application."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import FastAPI

from desk.projector import Projector
from desk.store import Store
from vorab.clock import Clock
from vorab.log import EventLog
from vorab.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """What the routes work with."""

    log: EventLog
    store: Store
    projector: Projector
    settings: Settings
    clock: Clock


def create_app(context: Context) -> FastAPI:
    """The application with all its routes."""
    app = FastAPI(title="vorab desk", docs_url=None, redoc_url=None)
    app.state.context = context
    return app
