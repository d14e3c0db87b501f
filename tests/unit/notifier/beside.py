"""The part of a notifier that holds people and keys, for tests of others: one server, announced in many folders."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from notifier.database import Database
from notifier.people_http import PeopleServer
from notifier.people_store import PeopleStore


@functools.cache
def _one() -> tuple[PeopleStore, Path]:
    folder = Path(tempfile.mkdtemp(prefix="vorab-people-"))
    store = PeopleStore(Database(f"sqlite:///{folder / 'notifier.db'}"))
    PeopleServer(store, lambda _entries, _gone: None, folder / "notifier.json").start()
    return store, folder / "notifier.json"


def notifier_beside(folder: Path) -> PeopleStore:
    """As if a notifier ran with this state folder; its people and keys are shared by the whole run."""
    store, announced = _one()
    (folder / announced.name).write_text(announced.read_text(encoding="utf-8"), encoding="utf-8")
    return store
