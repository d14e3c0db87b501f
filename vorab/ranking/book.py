"""The book of what helped: case events and verdicts in, counts out; rebuilt from the log at any time. Pure.

A case is counted by what it says as it stands: when it says something else, what it said before is taken back. So a repeated record, a
verdict that is changed, a relapse, and a verdict that is read before its case all end in the same counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from vorab import topics
from vorab.clock import DAY, Micros
from vorab.ranking.case import HEARD, Note
from vorab.ranking.counts import KEPT_DAYS, Cause, Result
from vorab.records import CaseEvent, Command, CommandKind

MOST: Final = 20_000
"""Cases that are remembered, some 10 MB; a verdict about one that was let go before counts nothing. Which are let go is decided by the
order of reading, the longest untouched first."""

CASE: Final = "case "
OF_CAUSE: Final = "cause "
OF_RULE: Final = "rule "
"""What the names of blocks begin with."""

_encode: Final = msgspec.msgpack.Encoder().encode
_note: Final = msgspec.msgpack.Decoder(Note).decode
_cause: Final = msgspec.msgpack.Decoder(Cause).decode
_verdicts: Final = msgspec.msgpack.Decoder(dict[CommandKind, int]).decode


class Book:
    """Counts of what helped, of all tenants.

    Args:
        most: Cases that are remembered.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._notes: dict[str, Note] = {}
        self._causes: dict[str, Cause] = {}
        self._verdicts: dict[str, dict[CommandKind, int]] = {}
        self._today = 0
        self._changed: set[str] = set()

    def take(self, record: CaseEvent | Command) -> None:
        """Fold a record; what was folded before, and commands that are no verdicts, change nothing."""
        if isinstance(record, Command) and (record.kind not in HEARD or not record.about):
            return
        note = self._notes.get(record.case) or Note(record.case, record.tenant)
        before = [*note.results()], [*note.verdicts()]
        if not (note.event(record) if isinstance(record, CaseEvent) else note.command(record)):
            return
        self._pass(record.time)
        self._count(note, *before, -1)
        self._count(note, [*note.results()], [*note.verdicts()], 1)
        self._notes.pop(note.case, None)
        self._notes[note.case] = note
        self._changed.add(CASE + note.case)
        while len(self._notes) > self._most:
            oldest = next(iter(self._notes))
            del self._notes[oldest]
            self._changed.add(CASE + oldest)

    def of(self, tenant: str, cause: str) -> Cause:
        """What helped with a cause."""
        return self._causes.get(topics.key_of(tenant, cause)) or Cause()

    def verdicts(self, tenant: str, rule: str) -> Mapping[CommandKind, int]:
        """What people said about a rule in one of its versions (`id@version`)."""
        return self._verdicts.get(topics.key_of(tenant, rule), {})

    def tried(self, case: str) -> dict[str, int | None]:
        """What was tried in a case, and what came of it in halves (`counts.SOLVED`); None is not answered yet."""
        note = self._notes.get(case)
        return {result.thing: result.halves for result in note.results()} if note else {}

    def said(self, case: str) -> dict[str, dict[str, CommandKind]]:
        """What people said about a case, last: about what → by whom → verdict."""
        note = self._notes.get(case)
        return {about: {who: said.kind for who, said in by.items()} for about, by in note.said.items()} if note else {}

    def _pass(self, at: Micros) -> None:
        if at // DAY <= self._today:
            return
        self._today = at // DAY
        for key, cause in list(self._causes.items()):
            cause.forget(self._today - KEPT_DAYS)
            if not cause.tallies:
                del self._causes[key]
            self._changed.add(OF_CAUSE + key)

    def _count(self, note: Note, results: Iterable[Result], verdicts: Iterable[tuple[str, CommandKind]], sign: int) -> None:
        for result in results:
            key = topics.key_of(note.tenant, result.cause)
            cause = self._causes.setdefault(key, Cause())
            cause.add(result, sign, self._today - KEPT_DAYS)
            if not cause.tallies:
                del self._causes[key]
            self._changed.add(OF_CAUSE + key)
        for rule, kind in verdicts:
            key = topics.key_of(note.tenant, rule)
            counts = self._verdicts.setdefault(key, {})
            counts[kind] = counts.get(kind, 0) + sign
            if not counts[kind]:
                del counts[kind]
            self._changed.add(OF_RULE + key)

    def dirty(self) -> dict[str, bytes]:
        """The blocks that changed since the last call; an empty value is a block that is gone."""
        blocks = {name: self._block(name) for name in sorted(self._changed)}
        self._changed.clear()
        return blocks

    def dump(self) -> dict[str, bytes]:
        """All blocks."""
        names = [
            *(CASE + case for case in self._notes),
            *(OF_CAUSE + key for key in self._causes),
            *(OF_RULE + key for key in self._verdicts),
        ]
        return {name: self._block(name) for name in sorted(names)}

    def load(self, blocks: Mapping[str, bytes]) -> None:
        """Take over what `dump` or `dirty` gave, in a fresh book."""
        for name, block in blocks.items():
            if not block:
                continue
            if name.startswith(CASE):
                note = _note(block)
                self._notes[note.case] = note
            elif name.startswith(OF_CAUSE):
                self._causes[name.removeprefix(OF_CAUSE)] = _cause(block)
            else:
                self._verdicts[name.removeprefix(OF_RULE)] = _verdicts(block)
        self._today = max((cause.latest for cause in self._causes.values()), default=0)

    def _block(self, name: str) -> bytes:
        kind = next(start for start in (CASE, OF_CAUSE, OF_RULE) if name.startswith(start))
        key = name.removeprefix(kind)
        tables: dict[str, Mapping[str, Any]] = {CASE: self._notes, OF_CAUSE: self._causes, OF_RULE: self._verdicts}
        found = tables[kind].get(key)
        return _encode(_sorted(msgspec.to_builtins(found))) if found else b""


def _sorted(value: Any) -> Any:
    """Tables in the order of their keys: the same counts are the same bytes, in whatever order they were made."""
    return {key: _sorted(each) for key, each in sorted(value.items())} if isinstance(value, dict) else value
