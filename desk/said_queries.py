"""What people said by command, as the tables hold it: silences, and remedies that were stopped or allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from desk import store as tables
from desk.store import Store
from vorab import silences, switches
from vorab.clock import DAY, Micros
from vorab.records import Silence, SilenceState, Switch, SwitchState

_SILENCES: Final = [Silence.TYPE.format(state=state.value) for state in SilenceState]
_SWITCHES: Final = [Switch.TYPE.format(state=state.value) for state in SwitchState]


@dataclass(frozen=True, slots=True)
class ToldSilence:
    """A silence, and the word that ended it before its time."""

    said: Silence
    ended: Silence | None = None

    def over(self, now: Micros) -> bool:
        """Whether nothing is muted by it any more."""
        return self.ended is not None or self.said.until <= now


class Said:
    """Read-only questions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def silences(self, now: Micros) -> list[Silence]:
        """Those people set that last or are to come."""
        r = tables.records.c
        # None is set for longer, so what was said earlier is over.
        query = sa.select(r.body).where(r.kind.in_(_SILENCES), r.at >= now - silences.LONGEST - DAY).order_by(r.n)
        return silences.not_over((Silence.model_validate_json(row["body"]) for row in self._store.rows(query)), now)

    def silence(self, name: str) -> ToldSilence | None:
        """One that people set; None where nobody did."""
        r = tables.records.c
        query = sa.select(r.body).where(r.id == name, r.kind.in_(_SILENCES)).order_by(r.n)
        words: Sequence[Silence] = [Silence.model_validate_json(row["body"]) for row in self._store.rows(query)]
        if not words:
            return None
        ended = next((word for word in words if word.state is SilenceState.ENDED), None)
        return ToldSilence(next((word for word in words if word.state is SilenceState.SET), words[0]), ended)

    def switches(self) -> dict[str, Switch]:
        """What was said last of each remedy, by key."""
        r = tables.records.c
        query = sa.select(r.body).where(r.kind.in_(_SWITCHES)).order_by(r.n)
        return switches.latest(Switch.model_validate_json(row["body"]) for row in self._store.rows(query))
